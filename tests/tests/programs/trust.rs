//! Who is believed: nobody who only has a copy of a certificate, no launcher that was not enrolled.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use connection_handler::transport::{
    keys::{Identity, Trust},
    secure::SecureConnector,
};
use protocol::{FromLauncher, Goodbye, Hello, ServerEvents, ToLauncher};
use quinn::crypto::rustls::QuicServerConfig;
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::{CertifiedKey, SingleCertAndKey},
    version::TLS13,
};
use tests::{Launcher, LauncherOptions, LoginServer, Process, Program, Stdio, World};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, UdpSocket},
    time::timeout,
};

/// Somebody who has copied a login server's certificate, and shows it with `key`.
struct Impostor {
    address: SocketAddr,
    /// Handshakes that the other side completed.
    believed: Arc<AtomicUsize>,
    quic: quinn::Endpoint,
}

impl Impostor {
    async fn start(server: &LoginServer, key: PrivateKeyDer<'static>) -> Result<Self> {
        let certificate = server.data.join("login-server.cert.pem");
        let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
        let key = ring::sign::any_supported_type(&key)?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS13])?
            .with_no_client_auth()
            // Unlike the certificate, nobody checks here whether the key is the right one.
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(CertifiedKey::new(chain, key))));
        config.alpn_protocols =
            [protocol::ALPN_GAME_CLIENT, protocol::ALPN_LAUNCHER].map(Into::into).to_vec();
        let tcp = TcpListener::bind("127.0.0.1:0").await?;
        let address = tcp.local_addr()?;
        let quic = quinn::Endpoint::new(
            quinn::EndpointConfig::default(),
            Some(quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(
                config.clone(),
            )?))),
            UdpSocket::bind(address).await?.into_std()?,
            Arc::new(quinn::TokioRuntime),
        )?;
        let impostor = Self { address, believed: Arc::default(), quic };
        impostor.accept(tcp, config);
        Ok(impostor)
    }

    fn accept(&self, tcp: TcpListener, config: ServerConfig) {
        let believed = Arc::clone(&self.believed);
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            while let Ok((stream, _)) = tcp.accept().await {
                // In TLS 1.3 our side is done only when the client's Finished came: it checked.
                if acceptor.accept(stream).await.is_ok() {
                    believed.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        let (believed, quic) = (Arc::clone(&self.believed), self.quic.clone());
        tokio::spawn(async move {
            while let Some(incoming) = quic.accept().await {
                if incoming.await.is_ok() {
                    believed.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
    }

    fn believed(&self) -> usize {
        self.believed.load(Ordering::SeqCst)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_certificate_with_another_key_is_believed_by_nobody() -> Result<()> {
    let world = World::new()?;
    let server = world.login_server()?;
    let thief = Identity::load_or_create(world.scope.path(), "thief")?;
    assert_ne!(thief.fingerprint().to_string(), server.pin);
    let stolen = Impostor::start(&server, key(&world.scope.path().join("thief.key.pem"))?).await?;
    let ann = tests::Player { server: stolen.address.to_string(), ..world.player(&server, "ann")? };
    let (status, events) =
        ann.try_run(&world, &["login", "ann", "--password-stdin"], Some("a good password"))?;
    assert_eq!(status.code(), Some(1), "{events:?}");

    let enrollment = server.enrollment(&world, "demo")?;
    let to_thief = enrollment.replace(&server.address.to_string(), &stolen.address.to_string());
    let (data, _) = Launcher::prepare(&world, &LauncherOptions::default())?;
    let refused = Launcher::enroll(&world, &data, &to_thief).expect_err("it enrolled with a thief");
    assert!(format!("{refused:#}").contains("exit status: 1"), "{refused:#}");
    assert_eq!(stolen.believed(), 0, "somebody finished a handshake with a thief");

    // The same with the right key is believed: it is the key that makes the difference.
    let key = key(&server.data.join("login-server.key.pem"))?;
    let owner = Impostor::start(&server, key).await?;
    let ann = tests::Player { server: owner.address.to_string(), ..ann };
    let mut login = ann.start(&world, &["login", "ann", "--password-stdin"])?;
    login.say("a good password")?;
    tests::until("a handshake with the right key", LIMIT, || owner.believed() > 0)
}

#[test]
fn an_enrolment_string_works_once() -> Result<()> {
    let world = World::new()?;
    let server = world.login_server()?;
    let enrollment = server.enrollment(&world, "demo")?;
    Launcher::enroll(&world, &world.scope.folder("first")?, &enrollment)?;
    let again = Launcher::enroll(&world, &world.scope.folder("second")?, &enrollment);
    let again = format!("{:#}", again.expect_err("it worked twice"));
    assert!(again.contains("unknown, used or expired"), "{again}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_launcher_that_is_not_enrolled_is_refused_and_lists_nothing() -> Result<()> {
    let world = World::new()?;
    let server = world.login_server()?;
    let stranger = Identity::ephemeral()?;
    for identity in [None, Some(stranger)] {
        let goodbye = announce_servers(&server, identity).await?;
        assert_eq!(goodbye, Goodbye::NotEnrolled);
    }
    let bob = world.player(&server, "bob")?;
    bob.register(&world)?;
    assert_eq!(bob.run(&world, &["servers"], None)?, []);
    Ok(())
}

#[test]
fn a_revoked_launcher_is_gone_at_once_and_does_not_come_back() -> Result<()> {
    let world = World::new()?;
    let server = world.login_server()?;
    let mut launcher = Launcher::start(&world, &server, &LauncherOptions::default())?;
    let bob = world.player(&server, "bob")?;
    bob.register(&world)?;
    let mut list = bob.watch(&world)?;
    list.events.wait("the server", LIMIT, tests::Event::is_ready)?;

    let mut revoke = world.command(Program::LoginServer)?;
    revoke.arg("--data-dir").arg(&server.data).args(["launcher", "revoke", "demo"]);
    Process::run(&world.scope, "revoke", revoke, LIMIT)?;
    list.events.wait("the server, gone", LIMIT, |event| {
        event.kind() == "server_removed" || event.kind() == "server" && !event.is_ready()
    })?;
    launcher.process.kill()?;
    let mut command = world.command(Program::Launcher)?;
    command.arg("--data-dir").arg(&launcher.data);
    command.arg("--config").arg(world.scope.path().join("launcher.toml"));
    let again = Process::start(&world.scope, "revoked", command, Stdio::Log)?;
    tests::until("the launcher told so", LIMIT, || again.log_text().contains("not enrolled"))?;
    let listed = bob.elsewhere(&world, "later")?;
    listed.log_in(&world)?;
    let listed = listed.run(&world, &["servers"], None)?;
    ensure!(!listed.iter().any(tests::Event::is_ready), "{listed:?}");
    Ok(())
}

/// Says hello as a launcher with this key, announces servers, and returns the goodbye.
async fn announce_servers(server: &LoginServer, identity: Option<Identity>) -> Result<Goodbye> {
    let trust = Trust::Pins(vec![server.pin.parse()?]);
    let connector = SecureConnector::new(server.address, protocol::ALPN_LAUNCHER, trust, identity);
    let mut connection = connector.connect().await?;
    say(&mut connection.write, &FromLauncher::Hello(Hello::from_us("test"))).await?;
    let goodbye = async {
        loop {
            match hear(&mut connection.read).await? {
                ToLauncher::Goodbye(goodbye) => return Ok(goodbye),
                ToLauncher::Welcome(_) => {
                    let servers = ServerEvents { fresh: true, events: Default::default() };
                    say(&mut connection.write, &FromLauncher::Servers(servers)).await?;
                }
                ToLauncher::Ping { .. } => {}
                other => bail!("a stranger was told {other:?}"),
            }
        }
    };
    timeout(LIMIT, goodbye).await.context("no goodbye")?
}

async fn say(write: &mut (impl AsyncWrite + Unpin), message: &FromLauncher) -> Result<()> {
    let mut bytes = Vec::new();
    protocol::encode(message, &mut bytes);
    write.write_u16_le(u16::try_from(bytes.len())?).await?;
    write.write_all(&bytes).await?;
    Ok(write.flush().await?)
}

async fn hear(read: &mut (impl AsyncRead + Unpin)) -> Result<ToLauncher> {
    let length = read.read_u16_le().await.context("closed without goodbye")?;
    let mut bytes = vec![0; usize::from(length)];
    read.read_exact(&mut bytes).await?;
    Ok(protocol::decode(&bytes)?)
}

fn key(file: &std::path::Path) -> Result<PrivateKeyDer<'static>> {
    Ok(PrivateKeyDer::from_pem_file(file)?)
}

const LIMIT: Duration = Duration::from_secs(30);
