//! From a configuration to a server that runs, and back to nothing.

use std::{io, net::SocketAddr, path::Path, sync::Mutex, time::Duration};

use ::tickets::SigningKeys;
use accounts::{HashQueue, HashQueueConfig, Lockout, LockoutRules, NameRules, SecretKey, Store};
use actix::{Actor, Addr};
use anyhow::Context as _;
use connection_handler::{
    ConnectionConfig, ConnectionHandler, Drain, Ended, Inbox, IncomingConnectionHandler, supervise,
    transport::{
        Listener,
        http::HttpServerHandle,
        keys::Identity,
        secure::{PortSockets, SecurePort, SecurePortConfig, SecurePortHandle},
        websocket::WebSocketListener,
    },
};
use protocol::{ALPN_GAME_CLIENT, ALPN_LAUNCHER, BootId};
use ring::rand::{SecureRandom, SystemRandom};
use sd_notify::NotifyState;
use tokio::{task::AbortHandle, time::timeout};

use crate::{
    Config,
    admin::Admin,
    certificates,
    data_dir::DataDir,
    handlers::{
        game_client::GameClientHandler, launcher::LauncherHandler, operator::OperatorHandler,
    },
    keys::Keys,
    launchers::{Launchers, default_address},
    lobby::Limits,
    ready::Ready,
    recordings::Recordings,
    server::{LoginServer, NextKey, ShutDown},
    store::{Accounts, Exports},
    systemd,
    tickets::{self, Office},
    web::http_server,
};

/// The central actor has ended although nobody wanted it to: a bug of ours. A program should exit
/// with code 70, and be started again.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the login server has ended by itself: this is a bug")]
pub struct CentralActorEnded;

/// Runs a login server until `shutdown` resolves, then lets everybody go, within 10 s.
///
/// Has to run inside an actix system.
///
/// # Errors
///
/// When it cannot start, with everything that is needed to know why; [`CentralActorEnded`] when it
/// fails later.
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
    run_on(PortSockets::default(), config, shutdown).await
}

/// As [`run`], on sockets that a service manager has bound; without any, on those of `config`.
///
/// # Errors
///
/// As [`run`].
pub async fn run_on(
    inherited: PortSockets,
    config: Config,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    // Handlers count with what is there when they are made.
    program_metrics::install()?;
    let _upkeep = Task(actix::spawn(program_metrics::upkeep()).abort_handle());
    let dir = DataDir::lock(&config.data_dir)?;
    let Foundation { keys, secret_key, ticket_keys, store } =
        Foundation::open(&config, dir.path()).await?;
    let identity = keys.ours();
    let limits = SecurePortConfig::default();
    let per_ip = config.limits.max_connections_per_ip.get();
    let port_config = SecurePortConfig {
        max_connections: config.limits.max_connections.get(),
        max_connections_per_ip: per_ip,
        // Where an operator expects many from one address, after an outage they come at once.
        max_handshakes_per_ip: (per_ip / 2)
            .clamp(limits.max_handshakes_per_ip, limits.max_handshakes),
        proxies: config.proxy.trusted.clone(),
        plain_http: config.plain.http,
        ..limits
    };
    let mut port = take_port(inherited, &config.listen, &identity, port_config).await?;
    let certificates = certificates::load(&config, dir.path(), &identity)?;
    port.set_certificates(certificates.clone());
    let _refreshed =
        Task(actix::spawn(certificates::keep_fresh(certificates.clone())?).abort_handle());
    if config.plain.frames {
        tracing::warn!("game clients may come without TLS: passwords can be read on the way");
        port.plain_frames(ALPN_GAME_CLIENT);
    }
    let (addr, addrs) = (port.local_addr(), port.local_addrs().collect::<Vec<_>>());
    let hashes = HashQueue::new(HashQueueConfig::default())?;
    let launchers = Launchers {
        store: store.clone(),
        secret_key: secret_key.clone(),
        address: config.public_address.clone().or_else(|| default_address(addr)),
        keys: keys.clone(),
    };
    let admin = Admin {
        store: store.clone(),
        hashes: hashes.clone(),
        keys: keys.clone(),
        data_dir: dir.path().to_owned(),
    };
    let accounts = Accounts {
        store: store.clone(),
        admin,
        hashes,
        secret_key,
        launchers,
        name_rules: NameRules::new(&config.names.reserved, &config.names.banned).into(),
        retention: config.retention.into(),
        lockout: Mutex::new(Lockout::new(LockoutRules::default())).into(),
        exports: Exports::default(),
    };
    let _sweeper = Task(actix::spawn(accounts.clone().sweep()).abort_handle());

    let limits = Limits {
        registrations_per_hour: config.limits.registrations_per_hour,
        guests_per_hour: config.limits.guests_per_hour,
        ..Default::default()
    };
    let recordings = Recordings::new(dir.path());
    let capture = recordings.capture();
    let server =
        LoginServer::new(limits, boot_id()?, accounts, Office::new(ticket_keys), recordings);
    let (server, ended) = supervise(server);
    server.do_send(NextKey(keys.next().map(|next| next.pin())));
    let turning = keys.keep_turning(certificates, server.clone());
    let _turning = Task(actix::spawn(turning).abort_handle());
    let control = dir.listen_for_operators().context("cannot listen for operators")?;
    let connections = connection_config(&config);
    let captured = ConnectionConfig { capture: Some(capture.clone()), ..connections.clone() };
    let (http, web_clients) = http_server(&config);
    let http_connections = port.http();
    let handlers = Handlers {
        game_clients: start(
            GameClientHandler,
            port.listener(ALPN_GAME_CLIENT),
            Inbox::from(server.clone()).telling_address_changes(server.clone()),
            captured.clone(),
        ),
        web_clients: start(GameClientHandler, web_clients, server.clone(), captured.clone()),
        launchers: start(LauncherHandler, port.listener(ALPN_LAUNCHER), server.clone(), captured),
        operators: start(OperatorHandler, control, server.clone(), connections),
        http: http.start(),
        port: port.start(),
    };
    handlers.http.serve(http_connections);
    handlers.http.ready();
    announce(&config, &addrs, &identity)?;

    wanted_end(shutdown, ended).await?;
    tracing::info!("shutting down");
    systemd::tell(&[NotifyState::Stopping]);
    if timeout(SHUTDOWN_TIMEOUT, handlers.stop(&server)).await.is_err() {
        tracing::warn!("some connections were cut off");
    }
    if let Some(ending) = capture.stop()
        && let Ok(Err(error)) = tokio::task::spawn_blocking(|| ending.wait()).await
    {
        tracing::warn!(%error, "the capture is not whole");
    }
    if timeout(SHUTDOWN_TIMEOUT, store.close()).await.is_err() {
        tracing::warn!("the store was still busy");
    }
    Ok(())
}

/// The sockets that were inherited, or else those of `listen`.
async fn take_port(
    inherited: PortSockets,
    listen: &[SocketAddr],
    identity: &Identity,
    config: SecurePortConfig,
) -> anyhow::Result<SecurePort> {
    if !inherited.is_empty() {
        return SecurePort::from_sockets(inherited, identity, config)
            .context("cannot use the sockets of the service manager");
    }
    // Only the first may stand for IPv4 as well, and does where it is the only one.
    let mut addresses = listen.to_vec();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    let (first, others) = addresses.split_first().context("nowhere to listen")?;
    let mut port = SecurePort::bind(*first, identity, config)
        .await
        .with_context(|| format!("cannot listen at {first}"))?;
    for addr in others {
        port.add_address(*addr).with_context(|| format!("cannot listen at {addr}"))?;
    }
    Ok(port)
}

/// Waits until the server is to end; an error when its central actor does so by itself.
async fn wanted_end(
    shutdown: impl Future<Output = ()>,
    ended: Ended,
) -> Result<(), CentralActorEnded> {
    tokio::select! {
        () = shutdown => Ok(()),
        () = ended => Err(CentralActorEnded),
    }
}

/// What is durable, and has to be there before anything else.
pub(crate) struct Foundation {
    pub(crate) keys: Keys,
    pub(crate) secret_key: SecretKey,
    pub(crate) ticket_keys: SigningKeys,
    pub(crate) store: Store,
}

impl Foundation {
    /// Reads it, or makes it.
    pub(crate) async fn open(config: &Config, dir: &Path) -> anyhow::Result<Self> {
        let keys = Keys::open(dir)?;
        let secret_key = SecretKey::load_or_create(&dir.join("session.key"))?;
        let ticket_keys = tickets::load_or_create(dir)?;
        let url = config.database.url.clone().in_directory(dir);
        let store = Store::open(&url).await.with_context(|| format!("no accounts in {url}"))?;
        Ok(Self { keys, secret_key, ticket_keys, store })
    }
}

struct Handlers<C: Listener, L: Listener, O: Listener> {
    game_clients: Addr<IncomingConnectionHandler<GameClientHandler, C>>,
    web_clients: Addr<IncomingConnectionHandler<GameClientHandler, WebSocketListener>>,
    launchers: Addr<IncomingConnectionHandler<LauncherHandler, L>>,
    operators: Addr<IncomingConnectionHandler<OperatorHandler, O>>,
    http: HttpServerHandle,
    port: SecurePortHandle,
}

impl<C: Listener, L: Listener, O: Listener> Handlers<C, L, O> {
    /// Takes no more connections, says goodbye to everybody, and waits until they have heard it.
    async fn stop(mut self, server: &Addr<LoginServer>) {
        // Newcomers are for the next process, if a service manager has the sockets.
        self.port.stop_accepting();
        self.http.drain();
        // Nobody new from here on: a request is sent when it is made.
        let drain = Drain { patience: GOODBYE_PATIENCE };
        let game_clients = self.game_clients.send(drain);
        let web_clients = self.web_clients.send(drain);
        let launchers = self.launchers.send(drain);
        let operators = self.operators.send(drain);
        let goodbye = server.send(ShutDown);
        let (_, _, _, _, _) =
            tokio::join!(goodbye, game_clients, web_clients, launchers, operators);
        self.http.close().await;
        self.port.close().await;
    }
}

/// Ends with its owner.
struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn start<H: ConnectionHandler, L: Listener>(
    handler: H,
    listener: L,
    inbox: impl Into<Inbox<H::Peer>>,
    config: ConnectionConfig,
) -> Addr<IncomingConnectionHandler<H, L>> {
    IncomingConnectionHandler::new(handler, listener, inbox, config).start()
}

fn connection_config(config: &Config) -> ConnectionConfig {
    ConnectionConfig {
        max_connections: config.limits.max_connections.get(),
        max_connections_per_ip: config.limits.max_connections_per_ip.get(),
        outgoing_bytes: OUTGOING_BYTES,
        ..Default::default()
    }
}

fn announce(config: &Config, addrs: &[SocketAddr], identity: &Identity) -> anyhow::Result<()> {
    let pin = identity.fingerprint();
    let listen = addrs.to_vec();
    let addr = *listen.first().context("no address")?;
    tracing::info!(?listen, %pin, data_dir = %config.data_dir.display(), "ready");
    let spki_fingerprint = pin.to_string();
    let ready = Ready { game_clients: addr, launchers: addr, listen, spki_fingerprint };
    if let Some(path) = &config.ready_file {
        ready.write(path).with_context(|| format!("cannot write {}", path.display()))?;
    }
    systemd::tell(&[NotifyState::Ready]);
    if config.json {
        println!("{}", serde_json::to_string(&ready)?);
        return Ok(());
    }
    let shown = config.public_address.clone().or_else(|| default_address(addr)).unwrap_or_default();
    let all: Vec<_> = addrs.iter().map(SocketAddr::to_string).collect();
    println!("The login server listens at {} (TCP and UDP).", all.join(" and "));
    println!("Players: gatehouse --server {shown} --trust {pin} register NAME");
    println!("Launchers: login-server launcher enroll NAME --address {shown}");
    Ok(())
}

fn boot_id() -> io::Result<BootId> {
    let mut bytes = [0; 8];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| io::Error::other("the system gives no random numbers"))?;
    Ok(BootId(u64::from_le_bytes(bytes)))
}

/// Most bytes waiting for one peer: the whole list of servers, and as much again.
const OUTGOING_BYTES: usize = 4 * 1024 * 1024;

/// How long a peer may take to end the connection after our goodbye.
const GOODBYE_PATIENCE: Duration = Duration::from_secs(2);

/// Longest the connections may take to end, and then the store: together less than the 10 s after
/// which most supervisors kill.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(4500);

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use actix::{Context, Handler, Message};

    use super::*;

    struct Central;

    impl Actor for Central {
        type Context = Context<Self>;
    }

    #[derive(Message)]
    #[rtype(result = "()")]
    struct Bug;

    impl Handler<Bug> for Central {
        type Result = ();

        fn handle(&mut self, _: Bug, _: &mut Context<Self>) {
            panic!("on purpose");
        }
    }

    #[actix::test]
    async fn a_central_actor_that_panics_ends_the_server() {
        let (central, ended) = supervise(Central);
        central.do_send(Bug);
        let end = timeout(Duration::from_secs(20), wanted_end(pending(), ended)).await;
        assert!(matches!(end, Ok(Err(CentralActorEnded))), "{end:?}");
    }

    #[actix::test]
    async fn a_server_that_is_told_to_end_ends_well() {
        let (_central, ended) = supervise(Central);
        assert!(wanted_end(ready(()), ended).await.is_ok());
    }
}
