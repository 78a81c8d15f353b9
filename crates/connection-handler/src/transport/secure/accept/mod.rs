//! From the first packet of a stranger to a connection in the hands of a listener.

mod quic;
mod tcp;

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::Mutex,
};

use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time::timeout,
};

pub(super) use self::tcp::{HTTP_1_1, TcpRoutes};
use super::{
    SecurePortConfig,
    gate::Gate,
    listener::Established,
    tally::{Refusal, Tally},
};
use crate::{
    admission::{Admission, Admitted},
    transport::mux::Sniffer,
};

/// Who may come in, and where they go then.
pub(super) struct Doors {
    config: SecurePortConfig,
    connections: Admission,
    // Two, so that a flood over one of them leaves the other open.
    tls_handshakes: Admission,
    quic_handshakes: Admission,
    quic_gate: Mutex<Gate>,
    listeners: HashMap<Vec<u8>, mpsc::Sender<Established>>,
    pub(super) tally: Tally,
}

impl Doors {
    pub(super) fn new(
        config: SecurePortConfig,
        listeners: HashMap<Vec<u8>, mpsc::Sender<Established>>,
    ) -> Self {
        let handshakes = || Admission::new(config.max_handshakes, config.max_handshakes_per_ip);
        Self {
            connections: Admission::new(config.max_connections, config.max_connections_per_ip),
            tls_handshakes: handshakes(),
            quic_handshakes: handshakes(),
            quic_gate: Mutex::new(Gate::new(&config)),
            config,
            listeners,
            tally: Tally::default(),
        }
    }

    fn admit(&self, handshakes: &Admission, ip: IpAddr) -> Result<Places, Refusal> {
        let connection = self.connections.try_admit(ip).map_err(Refusal::of_connections)?;
        let handshake = handshakes.try_admit(ip).map_err(Refusal::of_handshakes)?;
        Ok(Places { connection, _handshake: handshake })
    }

    /// A place for somebody at `addr`, or for whomever the proxy there will name.
    fn place_at(
        &self,
        handshakes: &Admission,
        addr: SocketAddr,
        sniffer: &Sniffer,
    ) -> Result<Waiting, Refusal> {
        if !sniffer.is_proxy(addr) {
            return self.admit(handshakes, addr.ip()).map(Waiting::Known);
        }
        let connection = self.connections.try_place().map_err(Refusal::of_connections)?;
        let handshake = handshakes.try_place().map_err(Refusal::of_handshakes)?;
        let connection = (self.connections.clone(), connection);
        Ok(Waiting::Proxied { connection, handshake: (handshakes.clone(), handshake) })
    }

    async fn limited(
        &self,
        transport: &str,
        addr: SocketAddr,
        work: impl Future<Output = Result<(), Refusal>>,
    ) {
        let result = timeout(self.config.handshake_timeout, work).await;
        if let Err(refusal) = result.unwrap_or(Err(Refusal::TimedOut)) {
            self.tally.refused(addr, transport, &refusal);
        }
    }

    fn listener(&self, protocol: Option<Vec<u8>>) -> Result<&mpsc::Sender<Established>, Refusal> {
        let protocol = protocol.ok_or(Refusal::NoProtocol)?;
        self.listeners.get(&protocol).ok_or(Refusal::UnknownProtocol)
    }
}

/// What a handshake occupies. The first stays with the connection.
struct Places {
    connection: Admitted,
    _handshake: Admitted,
}

/// What somebody occupies whose address may not be known yet.
enum Waiting {
    Known(Places),
    Proxied {
        connection: (Admission, OwnedSemaphorePermit),
        handshake: (Admission, OwnedSemaphorePermit),
    },
}

impl Waiting {
    /// Counts them among those from `ip`.
    fn admit(self, ip: IpAddr) -> Result<Places, Refusal> {
        match self {
            Self::Known(places) => Ok(places),
            Self::Proxied { connection, handshake } => {
                let connection =
                    connection.0.admit(connection.1, ip).ok_or(Refusal::TooManyFromThere)?;
                let handshake = handshake
                    .0
                    .admit(handshake.1, ip)
                    .ok_or(Refusal::TooManyHandshakesFromThere)?;
                Ok(Places { connection, _handshake: handshake })
            }
        }
    }
}

async fn hand_over(
    listener: &mpsc::Sender<Established>,
    connection: Established,
) -> Result<(), Refusal> {
    listener.send(connection).await.map_err(|_| Refusal::NobodyListens)
}
