//! TCP and UDP on the same port number.

use std::{collections::HashMap, fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use quinn::crypto::rustls::QuicServerConfig;
use quinn_proto::crypto::HandshakeTokenKey;
use rustls::{
    ServerConfig,
    crypto::ring::Ticketer,
    server::{
        NoClientAuth, ServerSessionMemoryCache, StoresServerSessions, danger::ClientCertVerifier,
    },
    version::TLS13,
};
use tokio::{net::TcpListener, sync::mpsc, task::JoinSet};

use super::{
    EndpointError, EndpointSet, HttpConnection, HttpListener, PortSockets, SecureListener,
    SecurePortConfig,
    accept::{Doors, HTTP_1_1, TcpRoutes},
    bind::{Families, listen},
    demux::{DatagramCounts, Demux},
    listener::Established,
    reset::token_key,
    verify::{AnyClient, provider},
};
use crate::transport::keys::{Certificates, Identity};

/// TCP and UDP on the same port number: TLS on the one, QUIC on the other.
///
/// Which listener a connection goes to is decided by the application protocol it asks for.
pub struct SecurePort {
    /// The first one, and further ones.
    tcp: Vec<(SocketAddr, TcpListener)>,
    quic: EndpointSet,
    /// What else there is on their sockets.
    datagrams: Arc<Demux>,
    /// Sessions over QUIC that may be resumed.
    pub(super) sessions: Arc<dyn StoresServerSessions>,
    /// Seals the tokens that prove an address.
    token_key: Arc<dyn HandshakeTokenKey>,
    certificates: Certificates,
    pub(super) config: SecurePortConfig,
    pub(super) listeners: HashMap<Vec<u8>, mpsc::Sender<Established>>,
    http: Option<mpsc::Sender<HttpConnection>>,
    /// The application protocol of frames without TLS.
    plain: Option<&'static str>,
}

impl SecurePort {
    /// Takes the port. Nobody is answered before [`start`](Self::start).
    ///
    /// Port 0 becomes one that is free for both.
    ///
    /// # Errors
    ///
    /// When the port is taken, or is not ours to take; when [`SecurePortConfig::quic`] cannot be.
    pub async fn bind(
        addr: SocketAddr,
        identity: &Identity,
        config: SecurePortConfig,
    ) -> io::Result<Self> {
        Self::bind_with(addr, identity, config, EndpointSet::new(identity))
    }

    /// Takes sockets that somebody else has bound. Nobody is answered before
    /// [`start`](Self::start). Where a TCP socket and a UDP socket have the same address, they are
    /// one address of the port.
    ///
    /// # Errors
    ///
    /// When there is no TCP socket, or one of them cannot be used.
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime.
    pub fn from_sockets(
        sockets: PortSockets,
        identity: &Identity,
        config: SecurePortConfig,
    ) -> io::Result<Self> {
        let listen = |tcp: std::net::TcpListener| {
            tcp.set_nonblocking(true)?;
            Ok((tcp.local_addr()?, TcpListener::from_std(tcp)?))
        };
        let tcp = sockets.tcp.into_iter().map(listen).collect::<io::Result<Vec<_>>>()?;
        if tcp.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no TCP socket"));
        }
        let mut quic = EndpointSet::new(identity);
        let datagrams = Arc::new(Demux::new(config.pings));
        quic.share_with(datagrams.clone());
        for udp in sockets.udp {
            quic.add_socket(udp, &config.quic)?;
        }
        Ok(Self::with(tcp, (quic, datagrams), identity, config))
    }

    pub(super) fn bind_with(
        addr: SocketAddr,
        identity: &Identity,
        config: SecurePortConfig,
        mut quic: EndpointSet,
    ) -> io::Result<Self> {
        let datagrams = Arc::new(Demux::new(config.pings));
        quic.share_with(datagrams.clone());
        let tcp = vec![bind_both(addr, Families::Both, &mut quic, &config)?];
        Ok(Self::with(tcp, (quic, datagrams), identity, config))
    }

    fn with(
        tcp: Vec<(SocketAddr, TcpListener)>,
        (quic, datagrams): (EndpointSet, Arc<Demux>),
        identity: &Identity,
        config: SecurePortConfig,
    ) -> Self {
        let sessions = ServerSessionMemoryCache::new(MAX_SESSIONS);
        let (certificates, listeners) = (Certificates::new(identity), HashMap::new());
        let (token_key, http, plain) = (token_key(identity), None, None);
        Self {
            tcp,
            quic,
            datagrams,
            sessions,
            token_key,
            certificates,
            config,
            listeners,
            http,
            plain,
        }
    }

    /// Takes another address, for the same listeners and within the same limits, and returns it:
    /// port 0 becomes one that is free for both. An address that is taken already is taken once.
    ///
    /// An address of IPv6 stands for IPv6 alone, unless it is the one that was
    /// [bound](Self::bind): bind `0.0.0.0:9000` and add `[::]:9000`.
    ///
    /// # Errors
    ///
    /// When it is taken, or not ours to take.
    pub fn add_address(&mut self, addr: SocketAddr) -> Result<SocketAddr, EndpointError> {
        if self.tcp.iter().any(|(known, _)| *known == addr) {
            return Ok(addr);
        }
        let tcp = bind_both(addr, Families::One, &mut self.quic, &self.config)?;
        let addr = tcp.0;
        self.tcp.push(tcp);
        Ok(addr)
    }

    /// The address that was bound first, of both sockets.
    pub fn local_addr(&self) -> SocketAddr {
        self.tcp[0].0
    }

    /// All addresses.
    pub fn local_addrs(&self) -> impl Iterator<Item = SocketAddr> {
        self.tcp.iter().map(|(addr, _)| *addr)
    }

    /// A listener for connections that ask for `alpn`. Replaces an earlier one for the same.
    pub fn listener(&mut self, alpn: &'static str) -> SecureListener {
        let (sender, established) = mpsc::channel(MAX_WAITING);
        self.listeners.insert(alpn.into(), sender);
        SecureListener { established, health: self.quic.health() }
    }

    /// A listener for connections that speak HTTP/1.1: over TLS, and without it if
    /// [`plain_http`](SecurePortConfig::plain_http) says so. Replaces an earlier one.
    ///
    /// Over TLS those are the clients that ask for `http/1.1`, and those that ask for nothing and
    /// then begin like HTTP. They are not asked for a key. Who speaks HTTP/2 is told to come back
    /// with HTTP/1.1.
    pub fn http(&mut self) -> HttpListener {
        let (sender, arrived) = mpsc::channel(MAX_WAITING);
        self.http = Some(sender);
        HttpListener { arrived }
    }

    /// Lets frames without TLS in, too: they come to the listener for `alpn`.
    ///
    /// Everybody between them and us can read and change them, passwords included. The first
    /// message has to fit one frame of at most 767 bytes, see
    /// [`PlainFrames`](crate::transport::mux::PlainFrames).
    pub fn plain_frames(&mut self, alpn: &'static str) {
        self.plain = Some(alpn);
    }

    /// Shows these certificates, over TLS and over QUIC, instead of only the own one.
    pub fn set_certificates(&mut self, certificates: Certificates) {
        self.certificates = certificates;
    }

    /// Accepts connections from now on, until the handle is closed or dropped.
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime.
    pub fn start(self) -> SecurePortHandle {
        let quic_config = self.quic_server_config();
        let routes = self.tcp_routes();
        let addr = self.local_addr();
        let doors = Arc::new(Doors::new(self.config.clone(), self.listeners));
        let mut tasks: HashMap<_, JoinSet<()>> = HashMap::new();
        for (addr, tcp) in self.tcp {
            let tasks = tasks.entry(addr).or_default();
            tasks.spawn(doors.clone().accept_tcp(tcp, routes.clone()));
        }
        for (addr, endpoint) in self.quic.iter() {
            endpoint.set_server_config(Some(quic_config.clone()));
            let tasks = tasks.entry(addr).or_default();
            tasks.spawn(doors.clone().accept_quic(endpoint.clone()));
        }
        let mut summary = JoinSet::new();
        summary.spawn(async move { doors.tally.summarise().await });
        let (quic, datagrams) = (self.quic, self.datagrams);
        let counted = datagrams.clone();
        summary.spawn(async move { counted.summarise().await });
        let close_timeout = self.config.close_timeout;
        SecurePortHandle { addr, quic, datagrams, close_timeout, tasks, _summary: summary }
    }

    fn quic_server_config(&self) -> quinn::ServerConfig {
        let mut tls = self.server_config();
        // A ticket is taken once, and names a session that is kept here: with its key, so that who
        // resumes is who it was. It outlives certificates.
        tls.session_storage = self.sessions.clone();
        tls.send_tls13_tickets = 2;
        let crypto = QuicServerConfig::try_from(tls).expect("the provider knows the suite of QUIC");
        let mut config = quinn::ServerConfig::new(Arc::new(crypto), self.token_key.clone());
        config
            .transport_config(self.config.quic.transport())
            .migration(true)
            .max_incoming(self.config.max_handshakes.clamp(1, MAX_INCOMING))
            .incoming_buffer_size(INCOMING_BYTES)
            .incoming_buffer_size_total(64 * INCOMING_BYTES);
        config
    }

    /// Where TCP connections go.
    pub(super) fn tcp_routes(&self) -> Arc<TcpRoutes> {
        let mut http_tls = self.server_config_with(Arc::new(NoClientAuth));
        http_tls.alpn_protocols = vec![HTTP_1_1.into()];
        // Browsers connect often. Who has a ticket has the session: there is no table of them.
        if let Ok(tickets) = Ticketer::new() {
            http_tls.ticketer = tickets;
            http_tls.send_tls13_tickets = 2;
        }
        let tls = (Arc::new(self.server_config()), Arc::new(http_tls));
        let plain = self.plain.and_then(|alpn| self.listeners.get(alpn.as_bytes()).cloned());
        Arc::new(TcpRoutes::new(&self.config, tls, self.http.clone(), plain))
    }

    pub(super) fn server_config(&self) -> ServerConfig {
        let mut config = self.server_config_with(Arc::new(AnyClient));
        config.alpn_protocols = self.listeners.keys().cloned().collect();
        config
    }

    fn server_config_with(&self, clients: Arc<dyn ClientCertVerifier>) -> ServerConfig {
        let mut config = ServerConfig::builder_with_provider(provider().clone())
            .with_protocol_versions(&[&TLS13])
            .expect("the provider knows TLS 1.3")
            .with_client_cert_verifier(clients)
            .with_cert_resolver(Arc::new(self.certificates.clone()));
        config.max_early_data_size = 0;
        // A client that closes before it has read its tickets resets the connection, and its last
        // words are lost. Ours do not need them over TCP.
        config.send_tls13_tickets = 0;
        config
    }
}

impl fmt::Debug for SecurePort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecurePort").field("addr", &self.local_addr()).finish_non_exhaustive()
    }
}

/// Keeps a [`SecurePort`] accepting for as long as it exists.
///
/// Connections that are established live on without it.
#[must_use = "dropping it stops accepting"]
pub struct SecurePortHandle {
    addr: SocketAddr,
    quic: EndpointSet,
    datagrams: Arc<Demux>,
    close_timeout: Duration,
    /// Those that accept, by address.
    tasks: HashMap<SocketAddr, JoinSet<()>>,
    _summary: JoinSet<()>,
}

impl SecurePortHandle {
    /// The address that was bound first, of both sockets.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Accepts nobody at `addr` any more; connections live on. Whether it was one of its addresses.
    pub fn remove_address(&mut self, addr: SocketAddr) -> bool {
        let known = self.tasks.remove(&addr).is_some();
        self.quic.remove(addr);
        known
    }

    /// Endpoints for QUIC, by their addresses: for their statistics, or to connect from there.
    pub fn endpoints(&self) -> &EndpointSet {
        &self.quic
    }

    /// What became of datagrams that are not QUIC.
    pub fn datagrams(&self) -> DatagramCounts {
        self.datagrams.counts()
    }

    /// [Stops accepting](Self::stop_accepting), and closes what is left of the port.
    ///
    /// Drain the handlers first: connections that are still open after
    /// [`close_timeout`](SecurePortConfig::close_timeout) are cut off if they are QUIC, because all
    /// of them share a socket. Returns when the others have heard of it, or after that time.
    pub async fn close(mut self) {
        self.stop_accepting();
        self.quic.close(self.close_timeout).await;
    }

    /// Stops accepting, and lets go of the TCP sockets: who connects then is refused, or waits for
    /// whoever else has the socket, such as the next process of a service manager. Handshakes that
    /// are not done are dropped. Established connections live on.
    pub fn stop_accepting(&mut self) {
        self.tasks.clear();
        self.quic.stop_accepting();
    }
}

impl Drop for SecurePortHandle {
    fn drop(&mut self) {
        self.stop_accepting();
    }
}

impl fmt::Debug for SecurePortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecurePortHandle").field("addr", &self.addr).finish_non_exhaustive()
    }
}

/// Binds both sockets. A port that the system chose for the one may be taken for the other.
fn bind_both(
    addr: SocketAddr,
    families: Families,
    quic: &mut EndpointSet,
    config: &SecurePortConfig,
) -> Result<(SocketAddr, TcpListener), EndpointError> {
    let mut attempts = if addr.port() == 0 { ATTEMPTS } else { 1 };
    loop {
        attempts -= 1;
        let tcp = listen(addr, families).and_then(|tcp| Ok((tcp.local_addr()?, tcp)));
        let tcp = tcp.map_err(|error| EndpointError::Bind { addr, error })?;
        match quic.add_for(tcp.0, families, &config.quic) {
            Ok(_) => return Ok(tcp),
            Err(EndpointError::Bind { error, .. })
                if attempts > 0 && error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error),
        }
    }
}

/// Finished connections that wait for a handler which is at its limit.
pub(super) const MAX_WAITING: usize = 64;
/// Of clients that have been here before. The oldest are forgotten: they prove their keys again.
const MAX_SESSIONS: usize = 2048;
/// Strangers that wait for the next turn of their task. Further ones are not answered.
const MAX_INCOMING: usize = 1024;
/// What a stranger may send before it is decided what becomes of them.
const INCOMING_BYTES: u64 = 16 * 1024;
const ATTEMPTS: usize = 16;
