//! The central actor of a keeper: one game, its launcher, and what ties them together.

mod messages;

use std::{
    collections::HashMap,
    mem,
    net::SocketAddr,
    path::PathBuf,
    time::{Duration, Instant},
};

use actix::{Actor, Addr, AsyncContext, Context};
use connection_handler::{
    ConnectionConfig, Drain, OutgoingConnectionHandler, Peer, PeerId, transport::tcp::TcpConnector,
};
use protocol::{
    BootId, ExitCause, Exited, FromKeeper, GamePlayerId, Goodbye, KeeperChange, KeeperChanges,
    List, ServerChange, ServerProperty, ServerState, Text,
};
use rustix::process::Signal;
use tokio::sync::oneshot;

pub(crate) use self::messages::{GameEnded, NotLoaded, Stop};
use super::{
    admissions::{self, Admissions},
    game::GameEvent,
    handlers::{
        launcher::{Launcher, LauncherState},
        openttd::{OpenttdAdmin, OpenttdHandler, ToOpenttd},
    },
    life::{self, Life, Means},
    openttd::{Save, Saves, World},
    process::{Ended, Process, StartId},
    start::{self, Prepared},
};
use crate::{
    config::ServerConfig, instance::InstanceDir, listing::Listing, patient::Patient, secrets,
};

/// The central actor of a keeper.
pub(crate) struct Keeper {
    dir: InstanceDir,
    executable: PathBuf,
    max_players: usize,
    pub(crate) boot: BootId,
    life: Life,
    admissions: Admissions,
    pub(crate) launchers: HashMap<PeerId, Launcher>,
    /// The game that runs, or is being started.
    pub(crate) game: Option<Game>,
    starts: u64,
    /// How the game was to be ended while its process was still being made.
    end_wanted: Option<Means>,
    listing: Listing,
    game_pid: Option<u32>,
    port: Option<u16>,
    trouble: Text<256>,
    /// What became different since the launcher was told.
    changes: Vec<KeeperChange>,
    /// Told when the keeper has nothing left to do.
    over: Option<oneshot::Sender<Over>>,
    saves: Saves,
    next_ping: Instant,
    ping_every: Duration,
}

/// A keeper has nothing left to do: its game was stopped.
#[derive(Debug)]
pub(crate) struct Over;

/// One start of the game.
pub(crate) struct Game {
    pub(crate) start: StartId,
    pub(crate) admin_password: String,
    pub(crate) world: World,
    pub(crate) admin: Option<OpenttdAdmin>,
    process: Option<Process>,
    /// The world it goes on with, until it is ready.
    save: Option<Save>,
    keep_world: bool,
    connector: Option<Addr<OutgoingConnectionHandler<OpenttdHandler, Patient<TcpConnector>>>>,
}

impl Keeper {
    /// A keeper of the game server in `dir`, which tells `over` when it has nothing left to do.
    pub(crate) fn new(
        dir: InstanceDir,
        executable: PathBuf,
        server: &ServerConfig,
        over: oneshot::Sender<Over>,
    ) -> Self {
        Self {
            dir,
            executable,
            max_players: server.max_players.into(),
            boot: BootId(secrets::random_u64()),
            life: Life::new(server.limits),
            admissions: Admissions::new(secrets::join_secret()),
            launchers: HashMap::new(),
            game: None,
            starts: 0,
            end_wanted: None,
            listing: Listing::default(),
            game_pid: None,
            port: None,
            trouble: Text::default(),
            changes: Vec::new(),
            over: Some(over),
            saves: Saves::default(),
            next_ping: Instant::now(),
            ping_every: PING_EVERY.min(server.limits.silent_after / 4),
        }
    }

    /// Something happens to the game's process.
    pub(crate) fn live(&mut self, event: life::Event, now: Instant, ctx: &mut Context<Self>) {
        for effect in self.life.apply(event, now) {
            match effect {
                life::Effect::Spawn => self.spawn(ctx),
                life::Effect::End(means) => self.end(means),
                life::Effect::State(state) => self.state(state),
                life::Effect::Trouble(trouble) => self.trouble(trouble),
                life::Effect::Report(cause) => tracing::warn!(%cause, "the game has ended"),
                life::Effect::Ended(cause) => tracing::info!(%cause, "the game has ended"),
                life::Effect::Over => {
                    if let Some(over) = self.over.take() {
                        self.flush();
                        self.tell_everybody(&FromKeeper::Goodbye(Goodbye::ShuttingDown));
                        // Nobody waits for it only if the process is about to end anyway.
                        let _ = over.send(Over);
                    }
                }
            }
        }
    }

    /// Something happens to who may come in.
    pub(crate) fn admit(&mut self, event: admissions::Event, now: Instant) {
        for effect in self.admissions.apply(event, now, &mut secrets::join_secret) {
            match effect {
                admissions::Effect::Set(secret) => {
                    self.with_game(|game| game.world.set_secret(&secret));
                }
                admissions::Effect::Answer { request, admission } => {
                    self.tell_launcher(FromKeeper::Admitted { request, admission });
                }
            }
        }
    }

    /// The game has said something.
    pub(crate) fn game_said(&mut self, event: GameEvent, now: Instant, ctx: &mut Context<Self>) {
        match event {
            GameEvent::Ready => {
                self.world_is_good();
                self.live(life::Event::Ready, now, ctx);
                self.admit(admissions::Event::GameReady, now);
            }
            GameEvent::Alive => self.live(life::Event::Alive, now, ctx),
            GameEvent::Change(change) => self.change(change),
            GameEvent::Said { name, text } => self.tell_launcher(FromKeeper::Said { name, text }),
            GameEvent::SecretSet(secret) => self.admit(admissions::Event::Confirmed(secret), now),
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.game.as_ref().is_some_and(|game| game.world.player_count() >= self.max_players)
    }

    pub(crate) fn say(&mut self, speaker: &str, text: &str) {
        self.with_game(|game| [game.world.say(speaker, text)]);
    }

    pub(crate) fn kick(&mut self, player: GamePlayerId, reason: &str) {
        self.with_game(|game| game.world.kick(player, reason));
    }

    /// Tells the launcher what became different since the last time.
    pub(crate) fn flush(&mut self) {
        for changes in in_lists(mem::take(&mut self.changes), false) {
            self.tell_launcher(FromKeeper::Changes(changes));
        }
    }

    /// All that is known, as changes.
    pub(crate) fn snapshot(&self) -> impl Iterator<Item = KeeperChanges> + use<> {
        let mut all: Vec<_> = self.port.map(KeeperChange::GamePort).into_iter().collect();
        all.push(KeeperChange::GameProcess { pid: self.game_pid });
        all.push(KeeperChange::Trouble(self.trouble.clone()));
        all.extend(self.listing.snapshot().into_iter().map(KeeperChange::Server));
        in_lists(all, true)
    }

    fn tell_launcher(&self, message: FromKeeper) {
        let attached = |launcher: &&Launcher| launcher.state == LauncherState::Attached;
        if let Some(launcher) = self.launchers.values().find(attached) {
            launcher.send(message);
        }
    }

    fn tell_everybody(&self, message: &FromKeeper) {
        Peer::send_to_all(self.launchers.values(), message.clone());
    }

    /// Says something to the game, if it listens.
    fn with_game<I>(&mut self, say: impl FnOnce(&mut Game) -> I)
    where
        I: IntoIterator<Item = ToOpenttd>,
    {
        let Some(game) = &mut self.game else { return };
        let messages = say(game);
        if let Some(admin) = &game.admin {
            messages.into_iter().for_each(|message| admin.send(message));
        }
    }

    fn state(&mut self, state: ServerState) {
        tracing::info!(?state, "the game");
        self.change(ServerChange::Property(ServerProperty::State(state)));
    }

    fn trouble(&mut self, trouble: Text<256>) {
        if trouble == self.trouble {
            return;
        }
        if !trouble.is_empty() {
            tracing::warn!(?trouble, "the game has a problem");
        }
        self.trouble = trouble.clone();
        self.changes.push(KeeperChange::Trouble(trouble));
    }

    fn change(&mut self, change: ServerChange) {
        if self.listing.apply(&change) {
            self.changes.push(KeeperChange::Server(change));
        }
    }

    fn game_process(&mut self, pid: Option<u32>) {
        self.game_pid = pid;
        self.changes.push(KeeperChange::GameProcess { pid });
    }

    fn spawn(&mut self, ctx: &mut Context<Self>) {
        self.starts += 1;
        self.end_wanted = None;
        let start = StartId(self.starts);
        self.game = Some(Game {
            start,
            admin_password: String::new(),
            world: World::default(),
            admin: None,
            process: None,
            save: None,
            keep_world: false,
            connector: None,
        });
        let (keeper, dir) = (ctx.address(), self.dir.clone());
        actix::spawn(start::run(start, dir, self.executable.clone(), self.saves.clone(), keeper));
    }

    fn end(&mut self, means: Means) {
        self.end_wanted = Some(means);
        let Some(game) = &mut self.game else { return };
        let Some(process) = &game.process else { return };
        match (means, &game.admin) {
            (Means::Command, Some(admin)) => {
                game.world
                    .quit(game.keep_world)
                    .into_iter()
                    .for_each(|message| admin.send(message));
            }
            (Means::Command, None) | (Means::Terminate, _) => process.terminate(),
            (Means::Kill, _) => process.kill(),
        }
    }

    fn started(&mut self, prepared: Prepared, process: Process, ctx: &mut Context<Self>) {
        let Prepared { server, port, admin, admin_password, save, .. } = prepared;
        let world = save.as_ref().map_or_else(|| "a new one".to_owned(), Save::name);
        tracing::info!(pid = process.pid(), port, world, "the game is started");
        self.max_players = server.max_players.into();
        self.port = Some(port);
        self.changes.push(KeeperChange::GamePort(port));
        self.game_process(Some(process.pid()));
        let max_players = ServerProperty::MaxPlayers(server.max_players);
        self.change(ServerChange::Property(max_players));
        if let Some(game) = &mut self.game {
            game.admin_password = admin_password;
            game.process = Some(process);
            game.save = save;
            game.keep_world = server.openttd.keep_world;
            game.connector = Some(connect(game.start, admin, ctx));
        }
        if let Some(means) = self.end_wanted {
            self.end(means);
        }
    }

    fn ended(&mut self, ended: Ended, now: Instant, ctx: &mut Context<Self>) {
        let Ended { cause, last_lines } = ended;
        for line in &last_lines {
            tracing::info!(?line, "last lines of the game");
        }
        if let Some(game) = self.game.take() {
            let killed = self.end_wanted == Some(Means::Kill);
            if let Some(save) = game.save.filter(|_| killed || is_of_the_game(&cause)) {
                tracing::warn!(save = save.name(), "the game was not ready with it: left out");
                self.saves.failed(save);
            }
            if let Some(connector) = game.connector {
                connector.do_send(Drain { patience: Duration::ZERO });
            }
        }
        self.change(ServerChange::AllPlayersLeft);
        self.game_process(None);
        let last_lines = List::first_of(last_lines);
        self.tell_launcher(FromKeeper::Exited(Exited { cause: cause.clone(), last_lines }));
        self.admit(admissions::Event::GameLost, now);
        self.live(life::Event::Exited(cause), now, ctx);
    }

    fn world_is_good(&mut self) {
        // One that is being killed may have made a new map in its place.
        if let Some(game) = self.game.as_mut().filter(|_| self.end_wanted.is_none()) {
            game.save = None;
            self.saves.ready();
        }
    }

    /// The game makes a new map in place of the world it was given.
    fn not_loaded(&mut self, now: Instant, ctx: &mut Context<Self>) {
        let Some(game) = &mut self.game else { return };
        let save = game.save.take();
        game.keep_world = false;
        let name = save.as_ref().map_or_else(String::new, Save::name);
        if let Some(save) = save {
            self.saves.failed(save);
        }
        let why = Text::lossy(&format!("{name} cannot be loaded"));
        self.live(life::Event::Unusable(ExitCause::NotStarted { why }), now, ctx);
    }

    fn ping_game(&mut self, now: Instant) {
        if let Some(commands) = self.game.as_mut().and_then(|game| game.world.left_out(now)) {
            tracing::warn!(commands, "the game does not answer: commands were left out");
        }
        if now >= self.next_ping {
            self.next_ping = now + self.ping_every;
            self.with_game(|game| game.world.ping());
        }
    }
}

fn connect(
    start: StartId,
    admin: SocketAddr,
    ctx: &mut Context<Keeper>,
) -> Addr<OutgoingConnectionHandler<OpenttdHandler, Patient<TcpConnector>>> {
    let config = ConnectionConfig {
        reconnect_delay: Some(Duration::from_millis(50)),
        max_reconnect_delay: Duration::from_millis(500),
        ..ConnectionConfig::default()
    };
    let connector = Patient(TcpConnector { addr: admin });
    OutgoingConnectionHandler::new(OpenttdHandler { start }, connector, ctx.address(), config)
        .start()
}

/// Whether an exit says something about the world the game was given. A game that is killed by
/// others, or could not be started, would have been so with any.
fn is_of_the_game(cause: &ExitCause) -> bool {
    match cause {
        ExitCause::Code(_) => true,
        ExitCause::Signal(signal) => ![Signal::KILL, Signal::TERM, Signal::INT]
            .iter()
            .any(|of_others| of_others.as_raw() == *signal),
        ExitCause::NotStarted { .. } => false,
        ExitCause::TooSlow | ExitCause::Hung => true,
    }
}

/// As many lists as it takes. The first one is `fresh`, if they are.
fn in_lists(
    changes: Vec<KeeperChange>,
    fresh: bool,
) -> impl Iterator<Item = KeeperChanges> + use<> {
    let mut changes = changes.into_iter().peekable();
    let mut fresh = fresh;
    std::iter::from_fn(move || {
        changes.peek()?;
        let list = List::first_of(changes.by_ref().take(MAX_LIST));
        Some(KeeperChanges { fresh: mem::take(&mut fresh), changes: list })
    })
}

/// Or more often: several of them are unanswered before a game is called silent.
const PING_EVERY: Duration = Duration::from_secs(5);

const MAX_LIST: usize = 256;
