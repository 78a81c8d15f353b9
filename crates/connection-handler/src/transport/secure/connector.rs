//! Connections to a [`SecurePort`](super::SecurePort), by the first way that works.

use std::{
    fmt, io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use quinn::{Endpoint, crypto::rustls::QuicClientConfig};
use rustls::{
    ClientConfig, client::Resumption, pki_types::ServerName, sign::SingleCertAndKey, version::TLS13,
};
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_rustls::TlsConnector;

use super::{
    QuicConfig, QuicConfigError, SecureRead, SecureWrite,
    listener::Established,
    streams::{OwnEndpoint, canonical, over_quic, over_tls},
    verify::{PinnedServer, provider},
};
use crate::transport::{
    Addresses, Connection, Connector,
    addresses::first_of,
    keys::{Identity, Trust},
    mux::Rewind,
};

/// Connects over QUIC, or over TLS and TCP where UDP does not get through.
///
/// TLS is tried as soon as QUIC has failed, or has not succeeded after a second; who is first wins.
/// Of several addresses each next one is tried when the one before has failed, or after a quarter
/// of a second. Names are resolved with every attempt.
#[derive(Clone)]
pub struct SecureConnector {
    addresses: Addresses,
    name: String,
    pub(super) tls: Arc<ClientConfig>,
    quic: quinn::ClientConfig,
}

impl SecureConnector {
    /// Will connect to `addresses` for the application protocol `alpn`, if `trust` allows, and
    /// prove to be `identity`.
    ///
    /// With [`Trust::Roots`] the server has to have a certificate for the name of the host, with
    /// [`Trust::Pins`] the name does not matter.
    pub fn new(
        addresses: impl Into<Addresses>,
        alpn: &'static str,
        trust: Trust,
        identity: Option<Identity>,
    ) -> Self {
        let addresses = addresses.into();
        let name = match (&trust, &addresses) {
            (Trust::Roots(_), Addresses::Name(name)) => host(name).into(),
            _ => DEFAULT_NAME.into(),
        };
        let tls = Arc::new(client_config(alpn, trust, identity));
        // Sessions are only resumed by who has begun them, with the same trust and identity.
        let mut resuming = ClientConfig::clone(&tls);
        resuming.resumption = Resumption::in_memory_sessions(MAX_SESSIONS);
        let crypto =
            QuicClientConfig::try_from(resuming).expect("the provider knows the suite of QUIC");
        let mut quic = quinn::ClientConfig::new(Arc::new(crypto));
        quic.transport_config(QuicConfig::default().transport());
        Self { addresses, name, tls, quic }
    }

    /// Expects a certificate for `name`, which only [`Trust::Roots`] looks at.
    #[must_use]
    pub fn with_server_name(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
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

    /// QUIC, and a little later TLS.
    async fn either_way(self, addr: SocketAddr) -> io::Result<Established> {
        let mut quic = Box::pin(self.quic(addr));
        let quic_error = tokio::select! {
            connection = &mut quic => match connection {
                Ok(connection) => return Ok(connection),
                Err(error) => Some(error),
            },
            () = sleep(QUIC_ALONE) => None,
        };
        let mut tls = Box::pin(self.tls(addr));
        if let Some(error) = quic_error {
            return tls.await.map_err(|tls| both(addr, &error, &tls));
        }
        tokio::select! {
            connection = &mut quic => match connection {
                Ok(connection) => Ok(connection),
                Err(error) => tls.await.map_err(|tls| both(addr, &error, &tls)),
            },
            connection = &mut tls => match connection {
                Ok(connection) => Ok(connection),
                Err(error) => quic.await.map_err(|quic| both(addr, &quic, &error)),
            },
        }
    }

    pub(super) async fn quic(&self, addr: SocketAddr) -> io::Result<Established> {
        let local = match addr {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        let endpoint = OwnEndpoint(Endpoint::client(local)?);
        let connecting = endpoint.0.connect_with(self.quic.clone(), addr, &self.name);
        let connection = connecting.map_err(io::Error::other)?.await?;
        let stream = connection.open_bi().await?;
        over_quic(connection, stream, None, Some(endpoint))
    }

    pub(super) async fn tls(&self, addr: SocketAddr) -> io::Result<Established> {
        let name = ServerName::try_from(self.name.clone()).map_err(io::Error::other)?;
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
        Trust::Pins(pins) => {
            let verifier = Arc::new(PinnedServer(pins));
            builder.dangerous().with_custom_certificate_verifier(verifier)
        }
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
/// How long QUIC has the network for itself.
const QUIC_ALONE: Duration = Duration::from_secs(1);
const GIVE_UP: Duration = Duration::from_secs(10);
