//! QUIC, accepted.

use std::{
    io,
    net::IpAddr,
    sync::{Arc, PoisonError},
};

use quinn::{Endpoint, Incoming, crypto::rustls::HandshakeData};
use tokio::{task::JoinSet, time::Instant};

use super::{Doors, Places, hand_over};
use crate::transport::secure::{
    gate::{Attempt, Verdict},
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
            let admitted = match self.decide(&incoming, addr.ip(), endpoint.open_connections()) {
                Verdict::Accept => self.admit(&self.quic_handshakes, addr.ip()),
                Verdict::Ignore(refusal) => Err(refusal),
                Verdict::Retry => {
                    // Fails only for those whose address is proved.
                    let _ = incoming.retry();
                    continue;
                }
            };
            match admitted {
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

    fn decide(&self, incoming: &Incoming, ip: IpAddr, open: usize) -> Verdict {
        let (in_flight, from_there) = self.quic_handshakes.taken(self.config.max_handshakes, ip);
        let proven = incoming.remote_address_validated();
        let (known, _) = self.connections.taken(self.config.max_connections, ip);
        let lingering = open.saturating_sub(known);
        let attempt = Attempt { ip, proven, in_flight, from_there, lingering };
        let mut gate = self.quic_gate.lock().unwrap_or_else(PoisonError::into_inner);
        gate.decide(&attempt, Instant::now())
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
