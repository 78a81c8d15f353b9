//! Connections to a [`SecurePort`](super::SecurePort), by the first way that works.

use std::{fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use quinn::{Endpoint, EndpointConfig, TokioRuntime, crypto::rustls::QuicClientConfig};
use rustls::{
    ClientConfig, ConfigBuilder, WantsVerifier,
    client::{Resumption, WantsClientCert},
    pki_types::ServerName,
    sign::SingleCertAndKey,
    version::TLS13,
};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

use super::{
    QuicConfig, QuicConfigError, SecureRead, SecureWrite,
    listener::Established,
    race::{QuicBlocked, Winner, race},
    roam,
    streams::{OwnEndpoint, canonical, over_quic, over_tls},
    verify::{PinnedServer, provider},
};
use crate::transport::{
    Addresses, Connection, Connector,
    addresses::first_of,
    keys::{Identity, KnownKeys, Trust},
    mux::Rewind,
};

/// Connects over QUIC, or over TLS and TCP where UDP does not get through.
///
/// TLS is tried as soon as QUIC has failed, or has not succeeded after a quarter of a second; who is
/// first wins, and the other is given up. Where TLS was needed it is tried first for a while, see
/// [`QuicBlocked`].
///
/// Of several addresses each next one is tried when the one before has failed, or after a quarter
/// of a second. Names are resolved with every attempt.
#[derive(Clone)]
pub struct SecureConnector {
    addresses: Addresses,
    /// Who is asked for (SNI), and has to be in the certificate. `None`: nobody is, as pins need no
    /// name, and a server that has several certificates would show the one for it.
    name: Option<String>,
    pub(super) tls: Arc<ClientConfig>,
    quic: quinn::ClientConfig,
    quic_blocked: QuicBlocked,
}

impl SecureConnector {
    /// Will connect to `addresses` for the application protocol `alpn`, if `trust` allows, and
    /// prove to be `identity`.
    ///
    /// With [`Trust::Roots`] the server has to have a certificate for the name of the host. With
    /// pins no name matters, and none is asked for: what is shown is the server's own certificate.
    pub fn new(
        addresses: impl Into<Addresses>,
        alpn: &'static str,
        trust: Trust,
        identity: Option<Identity>,
    ) -> Self {
        let addresses = addresses.into();
        let name = match (&trust, &addresses) {
            (Trust::Roots(_), Addresses::Name(name)) => Some(host(name).into()),
            (Trust::Roots(_), _) => Some(DEFAULT_NAME.into()),
            (Trust::Pins(_) | Trust::Known(_), _) => None,
        };
        let tls = Arc::new(client_config(alpn, trust, identity));
        // Sessions are only resumed by who has begun them, with the same trust and identity.
        let mut resuming = ClientConfig::clone(&tls);
        resuming.resumption = Resumption::in_memory_sessions(MAX_SESSIONS);
        let crypto =
            QuicClientConfig::try_from(resuming).expect("the provider knows the suite of QUIC");
        let mut quic = quinn::ClientConfig::new(Arc::new(crypto));
        quic.transport_config(QuicConfig::default().transport());
        Self { addresses, name, tls, quic, quic_blocked: QuicBlocked::default() }
    }

    /// Remembers in `quic_blocked` which way worked, and begins with what is known there.
    #[must_use]
    pub fn remembering(self, quic_blocked: QuicBlocked) -> Self {
        Self { quic_blocked, ..self }
    }

    /// Asks for the certificate for `name`, and with [`Trust::Roots`] expects it.
    #[must_use]
    pub fn with_server_name(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// Connections over QUIC will be as `config` says.
    ///
    /// # Errors
    ///
    /// When they cannot be.
    pub fn with_quic(mut self, config: &QuicConfig) -> Result<Self, QuicConfigError> {
        config.validate()?;
        self.quic.transport_config(config.transport());
        Ok(self)
    }

    /// Connects, handshake included. Gives up after ten seconds.
    ///
    /// # Errors
    ///
    /// What went wrong with each address, when nothing went right.
    ///
    /// # Cancel safety
    ///
    /// Dropping it ends all attempts.
    pub async fn connect(&self) -> io::Result<Connection<SecureRead, SecureWrite>> {
        let connect = async {
            let addresses = self.addresses.resolve().await?;
            first_of(addresses, |addr| self.clone().either_way(addr)).await
        };
        timeout(GIVE_UP, connect).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// QUIC, and a little later TLS; or the other way round where QUIC was of no use lately.
    async fn either_way(self, addr: SocketAddr) -> io::Result<Established> {
        let (quic, tls) = (Box::pin(self.quic(addr)), Box::pin(self.tls(addr)));
        if self.quic_blocked.until().is_none() {
            let raced = race(quic, tls).await;
            let (connection, winner) = raced.map_err(|(quic, tls)| both(addr, &quic, &tls))?;
            self.quic_blocked.learn(winner == Winner::Second);
            return Ok(connection);
        }
        let raced = race(tls, quic).await;
        let (connection, winner) = raced.map_err(|(tls, quic)| both(addr, &quic, &tls))?;
        if winner == Winner::Second {
            self.quic_blocked.learn(false);
        }
        Ok(connection)
    }

    /// With another socket when the first has heard nothing: a handshake cannot move to another port
    /// as a connection can (RFC 9000, section 9), so one that a NAT has forgotten hangs.
    pub(super) async fn quic(&self, addr: SocketAddr) -> io::Result<Established> {
        match timeout(FIRST_HANDSHAKE, self.quic_once(addr)).await {
            Ok(done) => done,
            Err(_) => self.quic_once(addr).await,
        }
    }

    async fn quic_once(&self, addr: SocketAddr) -> io::Result<Established> {
        let (socket, runtime) = (roam::local(addr)?, Arc::new(TokioRuntime));
        let endpoint = Endpoint::new(EndpointConfig::default(), None, socket, runtime)?;
        let endpoint = OwnEndpoint(endpoint);
        let connecting = endpoint.0.connect_with(self.quic.clone(), addr, &self.name_at(addr));
        let connection = connecting.map_err(io::Error::other)?.await?;
        let stream = connection.open_bi().await?;
        let following = roam::follow(endpoint.0.clone(), connection.clone());
        let established = over_quic(connection, stream, None, Some(endpoint))?;
        tokio::spawn(following);
        Ok(established)
    }

    /// An address is no name that is sent (RFC 6066, section 3).
    fn name_at(&self, addr: SocketAddr) -> String {
        self.name.clone().unwrap_or_else(|| addr.ip().to_string())
    }

    pub(super) async fn tls(&self, addr: SocketAddr) -> io::Result<Established> {
        let name = ServerName::try_from(self.name_at(addr)).map_err(io::Error::other)?;
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        let stream = Rewind::new(Bytes::new(), stream);
        let stream = TlsConnector::from(self.tls.clone()).connect(name, stream).await?;
        over_tls(stream.into(), canonical(addr), None)
    }
}

impl Connector for SecureConnector {
    type Read = SecureRead;
    type Write = SecureWrite;

    async fn connect(&mut self) -> io::Result<Connection<SecureRead, SecureWrite>> {
        Self::connect(self).await
    }
}

impl fmt::Debug for SecureConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { addresses, name, .. } = self;
        f.debug_struct("SecureConnector")
            .field("addresses", addresses)
            .field("name", name)
            .finish_non_exhaustive()
    }
}

fn client_config(alpn: &str, trust: Trust, identity: Option<Identity>) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(provider().clone())
        .with_protocol_versions(&[&TLS13])
        .expect("the provider knows TLS 1.3");
    let builder = match trust {
        Trust::Roots(roots) => builder.with_root_certificates(roots),
        Trust::Pins(pins) => pinned(builder, KnownKeys::new(pins)),
        Trust::Known(known) => pinned(builder, known),
    };
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => builder
            .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified_key()))),
    };
    config.alpn_protocols = vec![alpn.into()];
    config.resumption = Resumption::disabled();
    config
}

fn pinned(
    builder: ConfigBuilder<ClientConfig, WantsVerifier>,
    known: KnownKeys,
) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    builder.dangerous().with_custom_certificate_verifier(Arc::new(PinnedServer(known)))
}

/// The host of `host:port`.
fn host(name: &str) -> &str {
    let host = name.rsplit_once(':').map_or(name, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

fn both(addr: SocketAddr, quic: &io::Error, tls: &io::Error) -> io::Error {
    io::Error::new(tls.kind(), format!("{addr}: over QUIC: {quic}; over TLS: {tls}"))
}

/// One per name of a server: there is one.
const MAX_SESSIONS: usize = 8;
const DEFAULT_NAME: &str = "gatehouse";
/// Enough for a slow network that has lost a packet of it.
const FIRST_HANDSHAKE: Duration = Duration::from_secs(3);
const GIVE_UP: Duration = Duration::from_secs(10);
