//! Bare rustls, with the key of the server that is measured.

use std::{io, path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    client::Resumption,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    version::TLS13,
};

/// As a server that keeps nothing of who has been there.
pub(crate) fn server(folder: &Path) -> io::Result<ServerConfig> {
    let key = PrivateKeyDer::from_pem_file(folder.join("server.key.pem"));
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13])
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(certificates(folder)?, key.map_err(io::Error::other)?)
        .map_err(io::Error::other)?;
    config.alpn_protocols = vec![ALPN.into()];
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// As a client, who knows that server.
pub(crate) fn client(folder: &Path) -> io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates(folder)?);
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13])
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.into()];
    // Or only one of the two servers would have to sign each time.
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn certificates(folder: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_file_iter(folder.join("server.cert.pem"))
        .and_then(Iterator::collect)
        .map_err(io::Error::other)
}

pub(crate) const ALPN: &str = "echo/1";
/// The name in the certificate.
pub(crate) const NAME: &str = "localhost";
