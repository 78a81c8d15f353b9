//! The central actor of the launcher: carries out what the supervisor decides.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message, MessageResult};
use connection_handler::{ConnectionConfig, Drain, OutgoingConnectionHandler, Peer, PeerId};
use tokio::{sync::oneshot, time::MissedTickBehavior};

use crate::{
    config::{ServerConfig, ServerName},
    handlers::keeper::{Keeper, KeeperConnector, KeeperHandler},
    instance::InstanceDir,
    login::LoginLink,
    patient::Patient,
    supervisor::{Effect, Event, KeeperEvent, Supervisor},
};

/// How this program calls itself.
pub(crate) const PROGRAM: &str = concat!("game-server-launcher/", env!("CARGO_PKG_VERSION"));

/// The central actor of the launcher.
pub(crate) struct Launcher {
    supervisor: Supervisor,
    dirs: BTreeMap<ServerName, InstanceDir>,
    executable: PathBuf,
    /// What keeps connecting to a keeper, while there is one.
    connectors: HashMap<ServerName, Addr<KeeperConnections>>,
    pub(crate) keepers: Keepers,
    pub(crate) login: LoginLink,
    /// Told once every server is known.
    known: Option<oneshot::Sender<()>>,
    /// Told once no keeper lives any more, after a stop.
    stopped: Option<oneshot::Sender<()>>,
    /// The login server is not told of servers before they are known, but not later than this.
    login_at: Option<Instant>,
}

type KeeperConnections = OutgoingConnectionHandler<KeeperHandler, Patient<KeeperConnector>>;

impl Launcher {
    pub(crate) fn new(
        supervisor: Supervisor,
        dirs: BTreeMap<ServerName, InstanceDir>,
        executable: PathBuf,
        login: LoginLink,
        known: oneshot::Sender<()>,
    ) -> Self {
        Self {
            supervisor,
            dirs,
            executable,
            connectors: HashMap::new(),
            keepers: Keepers::default(),
            login,
            known: Some(known),
            stopped: None,
            login_at: Some(Instant::now() + KNOWN_WITHIN),
        }
    }

    /// Something has happened.
    pub(crate) fn apply(&mut self, event: Event, ctx: &mut Context<Self>) {
        for effect in self.supervisor.apply(event, Instant::now()) {
            match effect {
                Effect::Look(name) => self.look(name, ctx),
                Effect::StartKeeper(name) => self.start_keeper(name, ctx),
                Effect::ToKeeper(name, message) => {
                    if let Some(keeper) = self.keepers.get(&name) {
                        keeper.send(message);
                    }
                }
                Effect::ToLoginServer(message) => self.login.send(message),
                Effect::Known => {
                    tell(&mut self.known);
                    self.open_login(ctx);
                }
                Effect::Stopped => tell(&mut self.stopped),
            }
        }
    }

    fn open_login(&mut self, ctx: &mut Context<Self>) {
        if self.login_at.take().is_some() {
            self.login.open(ctx.address());
        }
    }

    /// Who holds the lock lives.
    fn look(&mut self, name: ServerName, ctx: &mut Context<Self>) {
        let Some(dir) = self.dirs.get(&name).cloned() else { return };
        let launcher = ctx.address();
        actix::spawn(async move {
            let lives = tokio::task::spawn_blocking(move || lives(&dir)).await;
            let lives = lives.map_err(io::Error::other).flatten().unwrap_or_else(|error| {
                tracing::error!(server = %name, %error, "cannot look for the keeper");
                // Better none than two.
                true
            });
            launcher.do_send(Seen { name, lives });
        });
    }

    fn seen(&mut self, Seen { name, lives }: Seen, ctx: &mut Context<Self>) {
        if lives {
            self.connect(&name, ctx);
        } else if let Some(connections) = self.connectors.remove(&name) {
            connections.do_send(Drain { patience: Duration::ZERO });
        }
        let event = if lives { KeeperEvent::Lives } else { KeeperEvent::Absent };
        self.apply(Event::Keeper(name, event), ctx);
    }

    fn connect(&mut self, name: &ServerName, ctx: &mut Context<Self>) {
        let Some(dir) = self.dirs.get(name).cloned() else { return };
        self.connectors.entry(name.clone()).or_insert_with(|| {
            let config = ConnectionConfig {
                reconnect_delay: Some(Duration::from_millis(50)),
                max_reconnect_delay: Duration::from_millis(500),
                ..ConnectionConfig::default()
            };
            let handler = KeeperHandler { name: name.clone() };
            let connector = Patient(KeeperConnector { dir });
            OutgoingConnectionHandler::new(handler, connector, ctx.address(), config).start()
        });
    }

    fn start_keeper(&mut self, name: ServerName, ctx: &mut Context<Self>) {
        let Some(dir) = self.dirs.get(&name).cloned() else { return };
        self.connect(&name, ctx);
        let (launcher, executable) = (ctx.address(), self.executable.clone());
        actix::spawn(async move {
            match spawn(&dir, &executable) {
                Ok(mut keeper) => {
                    tracing::info!(server = %name, pid = keeper.id(), "keeper started");
                    let status = keeper.wait().await;
                    tracing::info!(server = %name, ?status, "keeper ended");
                }
                Err(error) => tracing::error!(server = %name, %error, "cannot start a keeper"),
            }
            launcher.do_send(Ended(name));
        });
    }
}

impl Actor for Launcher {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        actix::spawn(tick(ctx.address()));
        self.apply(Event::Start, ctx);
    }
}

/// Connected keepers.
#[derive(Debug, Default)]
pub(crate) struct Keepers {
    by_name: HashMap<ServerName, Keeper>,
    names: HashMap<PeerId, ServerName>,
}

impl Keepers {
    /// Adds a keeper. The one of the same name it replaces is returned.
    pub(crate) fn insert(&mut self, keeper: Keeper) -> Option<Keeper> {
        self.names.insert(keeper.id(), keeper.name.clone());
        let before = self.by_name.insert(keeper.name.clone(), keeper)?;
        self.names.remove(&before.id());
        Some(before)
    }

    pub(crate) fn name_of(&self, peer: PeerId) -> Option<&ServerName> {
        self.names.get(&peer)
    }

    pub(crate) fn get(&self, name: &ServerName) -> Option<&Keeper> {
        self.by_name.get(name)
    }

    pub(crate) fn remove(&mut self, peer: PeerId) -> Option<Keeper> {
        self.names.remove(&peer).and_then(|name| self.by_name.remove(&name))
    }
}

/// Time has passed.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Tick;

impl Handler<Tick> for Launcher {
    type Result = ();

    fn handle(&mut self, _: Tick, ctx: &mut Context<Self>) {
        let now = Instant::now();
        self.apply(Event::Tick, ctx);
        if self.login_at.is_some_and(|at| at <= now) {
            self.open_login(ctx);
        }
        self.login.tick(now, &ctx.address());
    }
}

/// Whether a keeper lives.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Seen {
    name: ServerName,
    lives: bool,
}

impl Handler<Seen> for Launcher {
    type Result = ();

    fn handle(&mut self, seen: Seen, ctx: &mut Context<Self>) {
        self.seen(seen, ctx);
    }
}

/// A keeper that we have started has ended.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Ended(ServerName);

impl Handler<Ended> for Launcher {
    type Result = ();

    fn handle(&mut self, Ended(name): Ended, ctx: &mut Context<Self>) {
        self.apply(Event::Keeper(name, KeeperEvent::Ended), ctx);
    }
}

/// Stop every game. Resolves when no keeper lives any more.
#[derive(Debug, Message)]
#[rtype(result = "oneshot::Receiver<()>")]
pub(crate) struct Stop;

impl Handler<Stop> for Launcher {
    type Result = MessageResult<Stop>;

    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) -> Self::Result {
        let (sender, receiver) = oneshot::channel();
        self.stopped = Some(sender);
        self.apply(Event::Stop, ctx);
        MessageResult(receiver)
    }
}

/// Say goodbye to the login server.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Leave;

impl Handler<Leave> for Launcher {
    type Result = ();

    fn handle(&mut self, _: Leave, _: &mut Context<Self>) {
        self.login.close();
    }
}

/// Where do the games listen?
#[derive(Debug, Message)]
#[rtype(result = "Vec<(ServerConfig, Option<u16>)>")]
pub(crate) struct Ports;

impl Handler<Ports> for Launcher {
    type Result = MessageResult<Ports>;

    fn handle(&mut self, _: Ports, _: &mut Context<Self>) -> Self::Result {
        let ports = self.supervisor.ports();
        MessageResult(ports.map(|(config, port)| (config.clone(), port)).collect())
    }
}

fn tell(waiting: &mut Option<oneshot::Sender<()>>) {
    if let Some(waiting) = waiting.take() {
        // Who does not wait any more does not have to know.
        let _ = waiting.send(());
    }
}

fn lives(dir: &InstanceDir) -> io::Result<bool> {
    dir.try_lock().map(|lock| lock.is_none())
}

/// Starts a keeper that does not depend on us: it makes a session of its own.
fn spawn(dir: &InstanceDir, executable: &Path) -> io::Result<tokio::process::Child> {
    let mut options = std::fs::OpenOptions::new();
    let log = options.append(true).create(true).mode(0o600).open(dir.keeper_log())?;
    tokio::process::Command::new(executable)
        .args(["keeper", "--dir"])
        .arg(dir.path())
        .current_dir(dir.path())
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
}

/// Lets the actor know that time passes, as a message among others.
async fn tick(launcher: Addr<Launcher>) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while launcher.send(Tick).await.is_ok() {
        interval.tick().await;
    }
}

const TICK: Duration = Duration::from_millis(100);

/// A server that is not known by then is told as starting.
const KNOWN_WITHIN: Duration = Duration::from_secs(5);
