//! Several certificates on one port, and new ones while it is used.

use std::{
    collections::HashMap,
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use rcgen::{CertificateParams, KeyPair};
use rustls::{
    ClientConfig, HandshakeKind, RootCertStore,
    client::Resumption,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
    version::TLS13,
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::*;
use crate::transport::{
    keys::{CertificateFiles, Certificates, KeyError, KeyFingerprint, KnownKeys},
    secure::{
        HttpListener,
        verify::{PinnedServer, fingerprint, provider},
    },
};

/// Writes a new certificate for `names`, with a new key, and says by what it is known.
pub(super) fn write(files: &CertificateFiles, names: &[&str]) -> KeyFingerprint {
    let key = KeyPair::generate().unwrap();
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    replace(&files.certificate, &certificate.pem());
    replace(&files.key, &key.serialize_pem());
    fingerprint(certificate.der()).unwrap()
}

/// As others do it: whole or not at all.
fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(new, path).unwrap();
}

struct Setup {
    server: Server,
    certificates: Certificates,
    further: CertificateFiles,
    own: CertificateFiles,
    http: HttpListener,
    _dir: tempfile::TempDir,
}

impl Setup {
    async fn start(config: SecurePortConfig) -> (Self, KeyFingerprint) {
        let dir = tempfile::tempdir().unwrap();
        let identity = Identity::load_or_create(dir.path(), "own").unwrap();
        let own = Identity::files(dir.path(), "own");
        let further = Identity::files(dir.path(), "further");
        let pin = write(&further, &["Play.example", "*.games.example"]);
        let files = (Some(own.clone()), vec![further.clone()]);
        let certificates = Certificates::load(&identity, files.0, files.1).unwrap();
        let addr = "127.0.0.1:0".parse().unwrap();
        let mut port = SecurePort::bind(addr, &identity, config).await.unwrap();
        port.set_certificates(certificates.clone());
        let (listener, http) = (port.listener(ALPN), port.http());
        let handle = port.start();
        let server = Server { addr: handle.local_addr(), identity, listener, handle };
        (Self { server, certificates, further, own, http, _dir: dir }, pin)
    }

    fn further_pin(&self) -> KeyFingerprint {
        Identity::load(&self.further.certificate, &self.further.key).unwrap().fingerprint()
    }

    /// Who asks for `name` is shown the certificate with the key `expected`.
    async fn shows(&self, name: &str, way: &str, expected: KeyFingerprint) {
        let connector = SecureConnector::new(self.server.addr, ALPN, expected.into(), None)
            .with_server_name(name);
        if let Err(error) = connect(&connector, self.server.addr, way).await {
            panic!("{name} over {way}: {error}");
        }
    }
}

#[tokio::test]
async fn the_name_asked_for_decides_the_certificate() {
    let (setup, further) = Setup::start(SecurePortConfig::default()).await;
    let own = setup.server.identity.fingerprint();
    for way in ["quic", "tls"] {
        for (name, expected) in [
            ("play.example", further),
            ("PLAY.example", further),
            ("eu.games.example", further),
            ("games.example", own),
            ("a.b.games.example", own),
            ("gatehouse", own),
        ] {
            setup.shows(name, way, expected).await;
        }
    }
}

#[tokio::test]
async fn who_pins_a_key_asks_for_no_name_and_is_shown_the_own_certificate() {
    let (setup, _) = Setup::start(SecurePortConfig::default()).await;
    let names = ["gatehouse", "localhost", "127.0.0.1"];
    write(&setup.further, &names);
    setup.certificates.reload().unwrap();
    for way in ["quic", "tls"] {
        connect(&setup.server.connector(), setup.server.addr, way).await.unwrap();
    }
}

#[tokio::test]
async fn a_key_that_was_announced_can_follow_without_anybody_noticing() {
    let (setup, _) = Setup::start(SecurePortConfig::default()).await;
    let (server, dir) = (&setup.server, setup.own.key.parent().unwrap());
    let now = server.identity.fingerprint();
    let next = Identity::load_or_create(dir, "next").unwrap();
    let known = KnownKeys::from(now);
    let informed = SecureConnector::new(server.addr, ALPN, known.clone().into(), None);
    let another = SecureConnector::new(server.addr, ALPN, now.into(), None);
    for way in ["quic", "tls"] {
        let connection = connect(&informed, server.addr, way).await.unwrap();
        known.announced(connection.identity.unwrap(), next.fingerprint());
    }
    for (from, to) in [("next.key.pem", &setup.own.key), ("next.cert.pem", &setup.own.certificate)]
    {
        fs::rename(dir.join(from), to).unwrap();
    }
    setup.certificates.set_own(&next);
    setup.certificates.reload().unwrap();
    for way in ["tls", "quic"] {
        let connection = connect(&informed, server.addr, way).await.unwrap();
        if way == "tls" {
            assert_eq!(connection.identity, Some(next.fingerprint()));
        }
        assert!(connect(&another, server.addr, way).await.is_err(), "{way}: nobody has told them");
    }
    setup.shows("play.example", "tls", setup.further_pin()).await;
}

#[tokio::test]
async fn a_new_certificate_is_shown_once_it_is_there_and_a_bad_one_never() {
    let (setup, first) = Setup::start(SecurePortConfig::default()).await;
    setup.certificates.refresh(false).await;
    setup.shows("play.example", "tls", first).await;

    let second = write(&setup.further, &["play.example"]);
    setup.certificates.refresh(false).await;
    for way in ["quic", "tls"] {
        setup.shows("play.example", way, second).await;
    }

    let log = Log::default();
    let _guard = log.capture();
    replace(&setup.further.certificate, "nonsense");
    setup.certificates.refresh(false).await;
    setup.certificates.refresh(false).await;
    let lines = log.lines("not reloaded").await;
    assert_eq!(lines.len(), 1, "one for each change: {lines:?}");
    assert!(lines[0].contains("ERROR") && lines[0].contains("further.cert.pem"));
    for way in ["quic", "tls"] {
        setup.shows("play.example", way, second).await;
    }
}

#[tokio::test]
async fn the_own_certificate_is_renewed_for_the_same_key_only() {
    let (setup, _) = Setup::start(SecurePortConfig::default()).await;
    let own = setup.server.identity.fingerprint();
    let key = KeyPair::from_pem(&fs::read_to_string(&setup.own.key).unwrap()).unwrap();
    let names = ["renewed.example".to_owned()];
    let renewed = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    replace(&setup.own.certificate, &renewed.pem());
    setup.certificates.reload().unwrap();
    let mut roots = RootCertStore::empty();
    let text = fs::read(&setup.own.certificate).unwrap();
    roots.add(CertificateDer::from_pem_slice(&text).unwrap()).unwrap();
    let trust = Trust::Roots(Arc::new(roots));
    let connector = SecureConnector::new(setup.server.addr, ALPN, trust, None)
        .with_server_name("renewed.example");
    assert_eq!(connect(&connector, setup.server.addr, "tls").await.unwrap().identity, Some(own));

    write(&setup.own, &["other.example"]);
    let error = setup.certificates.reload().unwrap_err();
    assert!(matches!(error, KeyError::OtherKey(_)), "{error}");
    setup.shows("gatehouse", "quic", own).await;
}

#[test]
fn a_certificate_without_a_name_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let files = Identity::files(dir.path(), "nameless");
    write(&files, &[]);
    let identity = Identity::ephemeral().unwrap();
    let error = Certificates::load(&identity, None, vec![files]).unwrap_err();
    assert!(matches!(error, KeyError::NoName(_)), "{error}");
}

/// A client that resumes sessions.
fn resuming(server: &Server) -> TlsConnector {
    let pins = Arc::new(PinnedServer(server.identity.fingerprint().into()));
    let mut config = ClientConfig::builder_with_provider(provider().clone())
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(pins)
        .with_no_client_auth();
    config.alpn_protocols = vec!["http/1.1".into()];
    config.resumption = Resumption::in_memory_sessions(4);
    Arc::new(config).into()
}

async fn handshake(
    server: &Server,
    http: &mut HttpListener,
    connector: &TlsConnector,
) -> HandshakeKind {
    let stream = TcpStream::connect(server.addr).await.unwrap();
    let name = ServerName::try_from("gatehouse").unwrap();
    let mut client: TlsStream<_> = soon(connector.connect(name, stream)).await.unwrap();
    let mut connection = soon(http.accept()).await.unwrap();
    // The ticket comes before the answer.
    connection.stream.write_all(b"hello").await.unwrap();
    connection.stream.flush().await.unwrap();
    soon(client.read_exact(&mut [0; 5])).await.unwrap();
    client.get_ref().1.handshake_kind().unwrap()
}

#[tokio::test]
async fn tickets_are_valid_after_the_certificates_have_changed() {
    let (mut setup, _) = Setup::start(SecurePortConfig::default()).await;
    let Setup { server, http, further, certificates, .. } = &mut setup;
    let connector = resuming(server);
    assert_eq!(handshake(server, http, &connector).await, HandshakeKind::Full);
    write(further, &["other.example"]);
    certificates.reload().unwrap();
    assert_eq!(handshake(server, http, &connector).await, HandshakeKind::Resumed);
}

#[tokio::test]
async fn no_handshake_fails_while_certificates_change() {
    // Of each client, and of the server: at least.
    const HANDSHAKES: usize = 40;
    const RELOADS: usize = 10;
    let config = SecurePortConfig {
        max_connections_per_ip: 1000,
        max_handshakes_per_ip: 1000,
        ..Default::default()
    };
    let (Setup { mut server, certificates, further, _dir: dir, .. }, _) =
        Setup::start(config).await;
    let others = ["a", "b"].map(|stem| Identity::files(dir.path(), stem));
    let pins = others.clone().map(|files| write(&files, &["play.example"]));
    copy(&others[0], &further);
    certificates.reload().unwrap();

    let connector = SecureConnector::new(server.addr, ALPN, Trust::Pins(pins.to_vec()), None)
        .with_server_name("play.example");
    let addr = server.addr;
    let reloads = Arc::new(AtomicUsize::new(0));
    let clients = ["tls", "quic", "tls", "quic"].map(|way| {
        let (connector, reloads) = (connector.clone(), reloads.clone());
        tokio::spawn(async move {
            let mut seen = HashMap::<_, usize>::new();
            while seen.values().sum::<usize>() < HANDSHAKES
                || reloads.load(Ordering::Relaxed) < RELOADS
            {
                let mut client = connect(&connector, addr, way).await.unwrap();
                *seen.entry(client.identity.unwrap()).or_default() += 1;
                // Until the server has had it, and has let it go.
                let _ = soon(client.read.read(&mut [0])).await;
            }
            seen
        })
    });
    let accepting =
        tokio::spawn(async move { while server.listener.established.recv().await.is_some() {} });
    let (done, is_done) = std::sync::mpsc::channel::<()>();
    let reloaded = reloads.clone();
    let reloading = tokio::task::spawn_blocking(move || {
        while is_done.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
            for other in &others {
                copy(other, &further);
                certificates.reload().unwrap();
                // Half of a new pair does not fit, and the old one stays in use.
                replace(&further.key, "not yet written");
                assert!(certificates.reload().is_err());
                reloaded.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let mut seen = HashMap::<_, usize>::new();
    for client in clients {
        for (pin, count) in client.await.expect("no handshake fails") {
            *seen.entry(pin).or_default() += count;
        }
    }
    drop(done);
    reloading.await.unwrap();
    accepting.abort();
    assert_eq!(seen.len(), 2, "{reloads:?} reloads, {seen:?}");
}

fn copy(from: &CertificateFiles, to: &CertificateFiles) {
    for (from, to) in [(&from.certificate, &to.certificate), (&from.key, &to.key)] {
        replace(to, &fs::read_to_string(from).unwrap());
    }
}
