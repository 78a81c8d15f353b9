//! The central actor of the launcher: carries out what the supervisor decides.

mod keepers;
mod messages;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io,
    path::PathBuf,
    time::{Duration, Instant},
};

use actix::{Actor as _, Addr, AsyncContext as _, Context};
use connection_handler::{ConnectionConfig, Drain, OutgoingConnectionHandler, Peer as _};
use protocol::ServerState;
use rustix::process::Signal;
use tokio::sync::oneshot;

pub(crate) use self::messages::{KeeperProcess, Leave, Ports, Stop};
use self::{
    keepers::{Keepers, lives, spawn},
    messages::{Ended, Seen},
};
use crate::{
    config::ServerName,
    handlers::keeper::{IntroducingConnector, KeeperConnector, KeeperHandler},
    instance::InstanceDir,
    login::LoginLink,
    patient::Patient,
    pidfd::ProcessHandle,
    supervisor::{Effect, Event, KeeperEvent, Supervisor},
};

/// How this program calls itself.
pub(crate) const PROGRAM: &str = concat!("game-server-launcher/", env!("CARGO_PKG_VERSION"));

/// The central actor of the launcher.
pub(crate) struct Launcher {
    supervisor: Supervisor,
    dirs: BTreeMap<ServerName, InstanceDir>,
    executable: PathBuf,
    /// Whose keepers are being looked for.
    looking: HashSet<ServerName>,
    /// What keeps connecting to a keeper, while there is one.
    connectors: HashMap<ServerName, Addr<KeeperConnections>>,
    pub(crate) keepers: Keepers,
    /// Keepers as processes, to kill one that hangs.
    processes: HashMap<ServerName, ProcessHandle>,
    pub(crate) login: LoginLink,
    /// Told once every server is known.
    known: Option<oneshot::Sender<()>>,
    /// Told once no keeper lives any more, after a stop.
    stopped: Option<oneshot::Sender<()>>,
    /// The login server is not told of servers before they are known, but not later than this.
    login_at: Option<Instant>,
}

type KeeperConnections = OutgoingConnectionHandler<KeeperHandler, Patient<IntroducingConnector>>;

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
            looking: HashSet::new(),
            connectors: HashMap::new(),
            keepers: Keepers::default(),
            processes: HashMap::new(),
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
                Effect::KillKeeper(name) => {
                    tracing::error!(server = %name, "the keeper hangs: killed, with its game");
                    if let Some(process) = self.processes.get(&name) {
                        process.signal(Signal::KILL);
                    }
                }
                Effect::ToLoginServer(message) => self.login.send(message),
                Effect::ChatDropped(server, lines) => {
                    tracing::warn!(%server, lines, "the game talks too much: lines were dropped");
                }
                Effect::Known => {
                    tell(&mut self.known);
                    self.open_login(ctx);
                }
                Effect::Stopped => tell(&mut self.stopped),
            }
        }
    }

    /// Whether the game of a server ends because it is wanted so.
    pub(crate) fn is_stopping(&self, name: &ServerName) -> bool {
        self.supervisor.state(name) == Some(ServerState::Stopping)
    }

    fn open_login(&mut self, ctx: &mut Context<Self>) {
        if self.login_at.take().is_some() {
            self.login.open(ctx.address());
        }
    }

    /// Who holds the lock lives.
    fn look(&mut self, name: ServerName, ctx: &mut Context<Self>) {
        let Some(dir) = self.dirs.get(&name).cloned() else { return };
        // The answer of an earlier look would be about a keeper that is there no more, or not yet.
        if !self.looking.insert(name.clone()) {
            return;
        }
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
        self.looking.remove(&name);
        if lives {
            self.connect(&name, ctx);
        } else {
            self.processes.remove(&name);
            if let Some(connections) = self.connectors.remove(&name) {
                connections.do_send(Drain { patience: Duration::ZERO });
            }
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
            let connector = Patient(IntroducingConnector {
                keeper: KeeperConnector { dir },
                name: name.clone(),
                launcher: ctx.address(),
            });
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
                    // A child keeps its id until it is waited for.
                    match keeper.id().map(ProcessHandle::open) {
                        Some(Ok(process)) => {
                            launcher.do_send(KeeperProcess { name: name.clone(), process });
                        }
                        Some(Err(error)) => tracing::warn!(server = %name, %error, "no pidfd"),
                        None => {}
                    }
                    let status = keeper.wait().await;
                    tracing::info!(server = %name, ?status, "keeper ended");
                }
                Err(error) => tracing::error!(server = %name, %error, "cannot start a keeper"),
            }
            launcher.do_send(Ended(name));
        });
    }
}

fn tell(waiting: &mut Option<oneshot::Sender<()>>) {
    if let Some(waiting) = waiting.take() {
        // Who does not wait any more does not have to know.
        let _ = waiting.send(());
    }
}

/// A server that is not known by then is told as starting.
const KNOWN_WITHIN: Duration = Duration::from_secs(5);
