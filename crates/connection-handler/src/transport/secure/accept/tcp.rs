//! TLS over TCP, accepted.

use std::{sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::sleep,
};
use tokio_rustls::TlsAcceptor;

use super::{Doors, Places, hand_over};
use crate::{
    outage::Outage,
    transport::secure::{
        streams::{canonical, over_tls},
        tally::Refusal,
    },
};

impl Doors {
    /// Accepts TLS over TCP for ever.
    pub(in crate::transport::secure) async fn accept_tcp(
        self: Arc<Self>,
        tcp: TcpListener,
        acceptor: TlsAcceptor,
    ) {
        let (mut handshakes, mut outage) = (JoinSet::new(), Outage::default());
        loop {
            let accepted = tokio::select! {
                accepted = tcp.accept() => accepted,
                Some(_) = handshakes.join_next() => continue,
            };
            match accepted {
                Ok((stream, addr)) => {
                    if outage.worked() {
                        tracing::info!("accepting TCP connections again");
                    }
                    let addr = canonical(addr);
                    let admitted = self.admit(&self.tls_handshakes, addr.ip());
                    let (doors, acceptor) = (self.clone(), acceptor.clone());
                    match admitted {
                        Ok(admitted) => {
                            handshakes.spawn(async move {
                                let work = doors.tls(stream, &acceptor, admitted);
                                doors.limited("tls", addr, work).await;
                            });
                        }
                        Err(refusal) => self.tally.refused(addr, "tls", &refusal),
                    }
                }
                Err(error) => {
                    if outage.failed() {
                        tracing::warn!(%error, "cannot accept TCP connections, trying again");
                    }
                    sleep(PAUSE).await;
                }
            }
        }
    }

    async fn tls(
        &self,
        stream: TcpStream,
        acceptor: &TlsAcceptor,
        places: Places,
    ) -> Result<(), Refusal> {
        stream.set_nodelay(true)?;
        let stream = acceptor.accept(stream).await?;
        let protocol = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        let listener = self.listener(protocol)?;
        let Places { connection, _handshake } = places;
        let connection = over_tls(stream.into(), Some(connection))?;
        hand_over(listener, connection).await
    }
}

/// After a failed accept. Out of file descriptors, most likely: at once would be in vain.
const PAUSE: Duration = Duration::from_millis(100);
