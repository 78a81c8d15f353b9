//! A client of our own, without manners: it chooses its address and says what it likes.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use protocol::{FromGameClient, Hello, LoggedIn, Password, RequestId, Text, ToGameClient};
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    version::TLS13,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// A connection over TLS and TCP, of a game client.
pub(crate) struct RawClient {
    pub(crate) stream: TlsStream<TcpStream>,
    requests: u32,
    pings: u64,
}

/// An address of this machine that is not that of the others: 127.x.y.1.
pub(crate) fn address_of(network: u16) -> IpAddr {
    let [high, low] = (network + 256).to_be_bytes();
    Ipv4Addr::new(127, high, low, 1).into()
}

/// TCP alone, from `from`.
pub(crate) async fn connect_tcp(server: SocketAddr, from: IpAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    socket.connect(server).await
}

impl RawClient {
    /// TLS, and not a word of ours.
    pub(crate) async fn connect(server: SocketAddr, from: IpAddr) -> Result<Self> {
        let stream = connect_tcp(server, from).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from("gatehouse")?;
        let stream = TlsConnector::from(Arc::new(config()?)).connect(name, stream).await?;
        Ok(Self { stream, requests: 0, pings: 0 })
    }

    /// Up to the welcome.
    pub(crate) async fn greeted(server: SocketAddr, from: IpAddr) -> Result<Self> {
        let mut client = Self::connect(server, from).await?;
        client.send(&FromGameClient::Hello(Hello::from_us("test"))).await?;
        match client.receive().await? {
            ToGameClient::Welcome(_) => Ok(client),
            other => bail!("expected a welcome, received {other:?}"),
        }
    }

    pub(crate) async fn send(&mut self, message: &FromGameClient) -> Result<()> {
        let frame = frame(message)?;
        self.stream.write_all(&frame).await?;
        self.stream.flush().await?;
        Ok(())
    }

    /// The next message, whatever it is.
    pub(crate) async fn receive(&mut self) -> Result<ToGameClient> {
        let receive = async {
            let length = self.stream.read_u16_le().await?;
            let mut message = vec![0; usize::from(length)];
            self.stream.read_exact(&mut message).await?;
            io::Result::Ok(message)
        };
        let message = timeout(PATIENCE, receive).await.context("no message came")??;
        Ok(protocol::decode(&message)?)
    }

    /// Makes the account `name`; what is refused is an error.
    pub(crate) async fn register(&mut self, name: &str, password: &str) -> Result<LoggedIn> {
        let (request, name, password) = (self.request(), Text::parse(name)?, parse(password)?);
        self.log_in_with(FromGameClient::Register { request, name, password }).await
    }

    pub(crate) async fn log_in(&mut self, name: &str, password: &str) -> Result<LoggedIn> {
        let (request, name, password) = (self.request(), Text::parse(name)?, parse(password)?);
        self.log_in_with(FromGameClient::LogIn { request, name, password }).await
    }

    async fn log_in_with(&mut self, message: FromGameClient) -> Result<LoggedIn> {
        self.send(&message).await?;
        loop {
            match self.receive().await? {
                ToGameClient::LoggedIn(logged_in) => return Ok(logged_in),
                ToGameClient::Refused { reason, .. } => return Err(reason.into()),
                ToGameClient::Goodbye(goodbye) => return Err(goodbye.into()),
                _ => {}
            }
        }
    }

    /// How long a ping takes. Other messages before its answer are dropped.
    pub(crate) async fn ping(&mut self) -> Result<Duration> {
        self.pings += 1;
        let (nonce, start) = (self.pings, Instant::now());
        self.send(&FromGameClient::Ping { nonce }).await?;
        loop {
            if let ToGameClient::Pong { nonce: answered } = self.receive().await? {
                ensure!(answered == nonce, "pong {answered} for ping {nonce}");
                return Ok(start.elapsed());
            }
        }
    }

    /// Reads until the server closes, and says how long that took.
    pub(crate) async fn wait_until_closed(&mut self, limit: Duration) -> Result<Duration> {
        let start = Instant::now();
        let mut rest = Vec::new();
        // Closed with or without TLS's goodbye: both are closed.
        let _ = timeout(limit, self.stream.read_to_end(&mut rest))
            .await
            .with_context(|| format!("still open after {limit:?}"))?;
        Ok(start.elapsed())
    }

    fn request(&mut self) -> RequestId {
        self.requests += 1;
        RequestId(self.requests)
    }
}

/// A message of less than a chunk, as it goes over the wire.
pub(crate) fn frame(message: &FromGameClient) -> Result<Vec<u8>> {
    let mut bytes = vec![0; 2];
    protocol::encode(message, &mut bytes);
    let length = u16::try_from(bytes.len() - 2)?;
    bytes[..2].copy_from_slice(&length.to_le_bytes());
    Ok(bytes)
}

fn parse(password: &str) -> Result<Password> {
    Ok(Password(Text::parse(password)?))
}

pub(crate) fn config() -> Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyServer(provider)))
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol::ALPN_GAME_CLIENT.into()];
    Ok(config)
}

/// Who attacks does not care who it is.
#[derive(Debug)]
struct AnyServer(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// For one answer, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(15);
