//! Which key a server has, for a person to compare.

use std::{io, sync::Arc, time::Duration};

use connection_handler::transport::keys::KeyFingerprint;
use protocol::ALPN_GAME_CLIENT;
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, PeerIncompatible, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring::default_provider, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
    version::TLS13,
};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

/// The key with which whoever answers at `server` (`HOST:PORT`) signs, and nothing more: the
/// connection is closed before a byte of ours is said.
///
/// Whether it is the key of the right server only a person can tell, by comparing it with what the
/// server printed.
///
/// # Errors
///
/// When nobody answers there with TLS over TCP, within five seconds.
pub async fn probe(server: &str) -> io::Result<KeyFingerprint> {
    let handshake = timeout(PROBE_TIMEOUT, async {
        let stream = TcpStream::connect(server).await?;
        // Its own certificate, by whose key it is pinned: not one that it has for a name.
        let name = ServerName::from(stream.peer_addr()?.ip());
        TlsConnector::from(Arc::new(config()?)).connect(name, stream).await
    });
    let stream = handshake.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let certificate = certificates.first().ok_or(io::ErrorKind::InvalidData)?;
    let key = ParsedCertificate::try_from(certificate).map_err(io::Error::other)?;
    let hash = ring::digest::digest(&ring::digest::SHA256, &key.subject_public_key_info());
    let bytes = hash.as_ref().try_into().map_err(io::Error::other)?;
    Ok(KeyFingerprint::from_bytes(bytes))
}

fn config() -> io::Result<ClientConfig> {
    let provider = Arc::new(default_provider());
    let verifier = Arc::new(AnyServer(provider.clone()));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN_GAME_CLIENT.into()];
    Ok(config)
}

/// Lets any certificate pass whose key the other side has. Only to look at it.
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
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// How long a look at a key may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
