//! TCP and UDP on the same port number.

use std::{
    collections::HashMap,
    fmt, io,
    net::{SocketAddr, UdpSocket},
    sync::Arc,
    time::Duration,
};

use quinn::{Endpoint, Runtime, TokioRuntime, VarInt, crypto::rustls::QuicServerConfig};
use rustls::{
    ServerConfig,
    crypto::ring::Ticketer,
    server::{NoClientAuth, danger::ClientCertVerifier},
    version::TLS13,
};
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::mpsc,
    task::JoinSet,
    time::timeout,
};

use super::{
    HttpConnection, HttpListener, SecureListener, SecurePortConfig,
    accept::{Doors, HTTP_1_1, TcpRoutes},
    listener::Established,
    quic_transport,
    reset::endpoint_config,
    socket::SturdySocket,
    verify::{AnyClient, provider},
};
use crate::transport::keys::{Certificates, Identity};

/// TCP and UDP on the same port number: TLS on the one, QUIC on the other.
///
/// Which listener a connection goes to is decided by the application protocol it asks for.
pub struct SecurePort {
    addr: SocketAddr,
    tcp: TcpListener,
    quic: Endpoint,
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
    /// When the port is taken, or is not ours to take.
    pub async fn bind(
        addr: SocketAddr,
        identity: &Identity,
        config: SecurePortConfig,
    ) -> io::Result<Self> {
        let (tcp, udp) = bind_both(addr)?;
        let addr = tcp.local_addr()?;
        let socket = Arc::new(SturdySocket::new(TokioRuntime.wrap_udp_socket(udp)?));
        let (runtime, quic_config) = (Arc::new(TokioRuntime), endpoint_config(identity));
        let quic = Endpoint::new_with_abstract_socket(quic_config, None, socket, runtime)?;
        let (certificates, listeners) = (Certificates::new(identity), HashMap::new());
        let (http, plain) = (None, None);
        Ok(Self { addr, tcp, quic, certificates, config, listeners, http, plain })
    }

    /// The address of both sockets.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// A listener for connections that ask for `alpn`. Replaces an earlier one for the same.
    pub fn listener(&mut self, alpn: &'static str) -> SecureListener {
        let (sender, established) = mpsc::channel(MAX_WAITING);
        self.listeners.insert(alpn.into(), sender);
        SecureListener { established }
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
        let tls = Arc::new(self.server_config());
        self.quic.set_server_config(Some(quic_server_config(tls.clone())));
        let routes = self.tcp_routes();
        let doors = Arc::new(Doors::new(self.config.clone(), self.listeners));
        let mut tasks = JoinSet::new();
        tasks.spawn(doors.clone().accept_tcp(self.tcp, routes));
        tasks.spawn(doors.clone().accept_quic(self.quic.clone()));
        tasks.spawn(async move { doors.tally.summarise().await });
        let close_timeout = self.config.close_timeout;
        SecurePortHandle { addr: self.addr, quic: self.quic, close_timeout, tasks }
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
        f.debug_struct("SecurePort").field("addr", &self.addr).finish_non_exhaustive()
    }
}

/// Keeps a [`SecurePort`] accepting for as long as it exists.
///
/// Connections that are established live on without it.
#[must_use = "dropping it stops accepting"]
pub struct SecurePortHandle {
    addr: SocketAddr,
    quic: Endpoint,
    close_timeout: Duration,
    tasks: JoinSet<()>,
}

impl SecurePortHandle {
    /// The address of both sockets.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Stops accepting, and closes what is left of the port.
    ///
    /// Drain the handlers first: connections that are still open after
    /// [`close_timeout`](SecurePortConfig::close_timeout) are cut off if they are QUIC, because all
    /// of them share a socket. Returns when the others have heard of it, or after that time.
    pub async fn close(mut self) {
        self.stop();
        if timeout(self.close_timeout, self.quic.wait_idle()).await.is_err() {
            self.quic.close(VarInt::from_u32(0), b"shutting down");
            let _ = timeout(self.close_timeout, self.quic.wait_idle()).await;
        }
    }

    fn stop(&mut self) {
        self.tasks.abort_all();
        self.quic.set_server_config(None);
    }
}

impl Drop for SecurePortHandle {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for SecurePortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecurePortHandle").field("addr", &self.addr).finish_non_exhaustive()
    }
}

/// Listens with room for a burst. Where there is none, the kernel drops the last packet of a
/// handshake: the client thinks it is connected, and the server has never heard of it.
fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A server that was started again need not wait for what is left of its connections.
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

/// Binds both sockets. A port that the system chose for the one may be taken for the other.
fn bind_both(addr: SocketAddr) -> io::Result<(TcpListener, UdpSocket)> {
    let mut attempts = if addr.port() == 0 { ATTEMPTS } else { 1 };
    loop {
        let tcp = listen(addr)?;
        attempts -= 1;
        match UdpSocket::bind(tcp.local_addr()?) {
            Ok(udp) => return Ok((tcp, udp)),
            Err(error) if attempts == 0 || error.kind() != io::ErrorKind::AddrInUse => {
                return Err(error);
            }
            Err(_) => {}
        }
    }
}

fn quic_server_config(tls: Arc<ServerConfig>) -> quinn::ServerConfig {
    let crypto = QuicServerConfig::try_from(tls).expect("the provider knows the suite of QUIC");
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    config.transport_config(quic_transport(KEEP_ALIVE));
    config
}

/// Finished connections that wait for a handler which is at its limit.
pub(super) const MAX_WAITING: usize = 64;
/// Half of the idle timeout, so that one lost packet is not the end.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const ATTEMPTS: usize = 16;
/// Connections that wait to be accepted. The system may allow fewer (`net.core.somaxconn`).
const BACKLOG: u32 = 4096;
