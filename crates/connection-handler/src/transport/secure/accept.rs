//! From the first packet of a stranger to a connection in the hands of a listener.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use quinn::{Endpoint, Incoming, crypto::rustls::HandshakeData};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::{
    SecurePortConfig,
    listener::Established,
    streams::{canonical, over_quic, over_tls},
    tally::{Refusal, Tally},
};
use crate::{
    admission::{Admission, Admitted},
    outage::Outage,
};

/// Who may come in, and where they go then.
pub(super) struct Doors {
    config: SecurePortConfig,
    connections: Admission,
    // Two, so that a flood over one of them leaves the other open.
    tls_handshakes: Admission,
    quic_handshakes: Admission,
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
            config,
            listeners,
            tally: Tally::default(),
        }
    }

    /// Accepts TLS over TCP for ever.
    pub(super) async fn accept_tcp(self: Arc<Self>, tcp: TcpListener, acceptor: TlsAcceptor) {
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

    /// Accepts QUIC for as long as the endpoint lives.
    pub(super) async fn accept_quic(self: Arc<Self>, endpoint: Endpoint) {
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

    fn admit(&self, handshakes: &Admission, ip: IpAddr) -> Result<Places, Refusal> {
        let connection = self.connections.try_admit(ip).map_err(Refusal::of_connections)?;
        let handshake = handshakes.try_admit(ip).map_err(Refusal::of_handshakes)?;
        Ok(Places { connection, _handshake: handshake })
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

async fn hand_over(
    listener: &mpsc::Sender<Established>,
    connection: Established,
) -> Result<(), Refusal> {
    listener.send(connection).await.map_err(|_| Refusal::NobodyListens)
}

/// After a failed accept. Out of file descriptors, most likely: at once would be in vain.
const PAUSE: Duration = Duration::from_millis(100);
/// Unfinished handshakes from one address from which on newcomers have to prove it is theirs.
const RETRY_ABOVE_PER_IP: usize = 8;
