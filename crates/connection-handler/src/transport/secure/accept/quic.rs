//! QUIC, accepted.

use std::{io, net::IpAddr, sync::Arc};

use quinn::{Endpoint, Incoming, crypto::rustls::HandshakeData};
use tokio::task::JoinSet;

use super::{Doors, Places, hand_over};
use crate::transport::secure::{
    streams::{canonical, over_quic},
    tally::Refusal,
};

impl Doors {
    /// Accepts QUIC for as long as the endpoint lives.
    pub(in crate::transport::secure) async fn accept_quic(self: Arc<Self>, endpoint: Endpoint) {
        let mut handshakes = JoinSet::new();
        loop {
            let incoming = tokio::select! {
                incoming = endpoint.accept() => incoming,
                Some(_) = handshakes.join_next() => continue,
            };
            let Some(incoming) = incoming else {
                return tracing::error!("the QUIC endpoint has ended, only TLS is served");
            };
            let addr = canonical(incoming.remote_address());
            if self.must_prove_address(&incoming, addr.ip()) {
                // Fails only for those whose address is proved.
                let _ = incoming.retry();
                continue;
            }
            match self.admit(&self.quic_handshakes, addr.ip()) {
                Ok(admitted) => {
                    let doors = self.clone();
                    handshakes.spawn(async move {
                        doors.limited("quic", addr, doors.quic(incoming, admitted)).await;
                    });
                }
                Err(refusal) => {
                    // An answer would go to whoever the sender claims to be.
                    incoming.ignore();
                    self.tally.refused(addr, "quic", &refusal);
                }
            }
        }
    }

    /// Whether an address that could be anybody's would take places that others need.
    fn must_prove_address(&self, incoming: &Incoming, ip: IpAddr) -> bool {
        let (all, from_there) = self.quic_handshakes.taken(self.config.max_handshakes, ip);
        let many = all >= self.config.retry_above || from_there >= RETRY_ABOVE_PER_IP;
        many && !incoming.remote_address_validated()
    }

    async fn quic(&self, incoming: Incoming, places: Places) -> Result<(), Refusal> {
        let connection = incoming.await.map_err(io::Error::from)?;
        let protocol = connection
            .handshake_data()
            .and_then(|data| data.downcast::<HandshakeData>().ok())
            .and_then(|data| data.protocol);
        let listener = self.listener(protocol)?;
        let stream = connection.accept_bi().await.map_err(io::Error::from)?;
        let Places { connection: place, _handshake } = places;
        let connection = over_quic(connection, stream, Some(place), None)?;
        hand_over(listener, connection).await
    }
}

/// Unfinished handshakes from one address from which on newcomers have to prove it is theirs.
const RETRY_ABOVE_PER_IP: usize = 8;
