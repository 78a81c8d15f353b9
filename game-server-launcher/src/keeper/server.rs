//! The central actor of a keeper: one game, its launcher, and what ties them together.

mod messages;
mod succession;

use std::{
    collections::HashMap,
    mem,
    path::PathBuf,
    time::{Duration, Instant},
};

use actix::{AsyncContext, Context};
use connection_handler::{Peer, PeerId};
use protocol::{
    Admission, Blob, BootId, ExitCause, Exited, FromKeeper, GamePlayerId, Goodbye, JoinSecret,
    KeeperChange, KeeperChanges, List, MAX_CONTEXT, RequestId, ServerChange, ServerProperty,
    ServerState, Text,
};
use rustix::process::Signal;
use tokio::sync::oneshot;

pub(crate) use self::messages::{GameEnded, NotLoaded, Stop};
use self::succession::Succession;
use super::{
    admissions::{self, Admissions},
    controller::ControllerLink,
    game::GameEvent,
    gate::{Newcomer, TicketGate},
    handlers::launcher::{Launcher, LauncherState},
    life::{self, Life, Means},
    link::{AnyLink, Controls, Language, Link},
    openttd::{Save, Saves},
    process::{Ended, Process, StartId},
    roster::{self, Holder, Roster, Whose},
    start::{self, Prepared, Slot},
};
use crate::{atomic_file, config::ServerConfig, instance::InstanceDir, listing::Listing, secrets};

/// The central actor of a keeper.
pub(crate) struct Keeper {
    dir: InstanceDir,
    executable: PathBuf,
    max_players: usize,
    pub(crate) boot: BootId,
    life: Life,
    admissions: Admissions,
    /// Whose tickets are looked at, and who waits to be let in.
    newcomers: HashMap<RequestId, Arrival>,
    pub(crate) roster: Roster,
    /// Since it runs.
    pub(crate) gate: Option<TicketGate>,
    pub(crate) launchers: HashMap<PeerId, Launcher>,
    /// The game that runs, or is being started.
    game: Option<Game>,
    starts: u64,
    /// How the game was to be ended while its process was still being made.
    end_wanted: Option<Means>,
    listing: Listing,
    game_pid: Option<u32>,
    port: Option<u16>,
    trouble: Text<256>,
    /// What became different since the launcher was told.
    changes: Vec<KeeperChange>,
    /// When it was.
    told: Instant,
    /// Told when the keeper has nothing left to do.
    over: Option<oneshot::Sender<Over>>,
    saves: Saves,
    next_ping: Instant,
    ping_every: Duration,
    slot: Slot,
    /// Processes before and after the game.
    succession: Succession,
}

/// A keeper has nothing left to do: its game was stopped.
#[derive(Debug)]
pub(crate) struct Over;

/// One start of the game.
struct Game {
    start: StartId,
    process: Option<Process>,
    /// How it is talked to, once it runs.
    link: Option<AnyLink>,
    /// The world it goes on with, until it is ready.
    save: Option<Save>,
    keep_world: bool,
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
            newcomers: HashMap::new(),
            roster: Roster::default(),
            gate: None,
            launchers: HashMap::new(),
            game: None,
            starts: 0,
            end_wanted: None,
            listing: Listing::default(),
            game_pid: None,
            port: None,
            trouble: Text::default(),
            changes: Vec::new(),
            told: Instant::now(),
            over: Some(over),
            saves: Saves::default(),
            next_ping: Instant::now(),
            ping_every: PING_EVERY.min(server.limits.silent_after / 4),
            slot: Slot::default(),
            succession: Succession::default(),
        }
    }

    /// Something happens to the game's process.
    pub(crate) fn live(&mut self, event: life::Event, now: Instant, ctx: &mut Context<Self>) {
        if matches!(event, life::Event::Stop) {
            self.no_succession(now);
        }
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
                    if let Some(game) = self.controls() {
                        game.set_secret(&secret);
                    }
                }
                admissions::Effect::Answer { request, admission } => {
                    self.admitted(request, admission);
                }
            }
        }
    }

    fn open_gate(&mut self, ctx: &Context<Self>) {
        self.gate = Some(TicketGate::start(self.dir.spent_tickets(), ctx.address().downgrade()));
    }

    /// A player with a ticket wants to come in.
    pub(crate) fn admit_ticket(&mut self, newcomer: Newcomer) {
        let (request, player) = (newcomer.request, newcomer.player.clone());
        let is_room = self.newcomers.len() < MAX_NEWCOMERS;
        let checked = self.gate.as_ref().filter(|_| is_room).map(|gate| gate.check(newcomer));
        if let Some(Ok(())) = checked {
            self.newcomers.insert(request, Arrival::IsChecked(player));
        } else {
            let admission = Admission::NotReady;
            self.tell_launcher(FromKeeper::Admitted { request, admission });
        }
    }

    /// A player's ticket was looked at. Who was dismissed meanwhile was answered.
    pub(crate) fn ticket_checked(&mut self, newcomer: Newcomer, holder: Option<Holder>) {
        let Newcomer { request, player, code, .. } = newcomer;
        let Some(Arrival::IsChecked(_)) = self.newcomers.remove(&request) else { return };
        let Some(holder) = holder else {
            let admission = Admission::TicketRefused;
            return self.tell_launcher(FromKeeper::Admitted { request, admission });
        };
        self.newcomers.insert(request, Arrival::Waits(holder));
        self.expect(request, player, Some(code), Instant::now());
    }

    /// Does what follows from who is in.
    pub(crate) fn carry_out(&mut self, effects: Vec<roster::Effect>) {
        for effect in effects {
            match effect {
                roster::Effect::Spend(player, holder) => {
                    let id = holder.id;
                    let spends = self.gate.as_ref().map(|gate| gate.spend(player, holder));
                    if !matches!(spends, Some(Ok(()))) {
                        tracing::warn!("a ticket cannot be used up: there is too much to do");
                        self.roster.spent(player, id, false);
                    }
                }
                roster::Effect::Arrived(player, holder) => {
                    tracing::info!(account = ?holder.player, player = player.0, "is in the game");
                    self.tell_of_player(arrived(player, &holder));
                }
                roster::Effect::Left(ticket) => self.tell_of_player(FromKeeper::Left { ticket }),
            }
        }
    }

    /// The game has said something.
    pub(crate) fn game_said(&mut self, event: GameEvent, now: Instant, ctx: &mut Context<Self>) {
        match event {
            GameEvent::Ready => {
                self.world_is_good();
                self.live(life::Event::Ready, now, ctx);
                if self.controller().is_none() {
                    self.admit(admissions::Event::GameReady, now);
                }
            }
            GameEvent::Alive => self.live(life::Event::Alive, now, ctx),
            GameEvent::Change(change) => self.change(change),
            GameEvent::Said { name, text } => self.tell_launcher(FromKeeper::Said { name, text }),
            GameEvent::SecretSet(secret) => self.admit(admissions::Event::Confirmed(secret), now),
            GameEvent::Admitted { request, admission } => self.admitted(request, admission),
            GameEvent::MatchEnded(context) => self.match_ended(context, ctx),
            GameEvent::VoteOver { map } => self.vote_over(map, now),
            GameEvent::Takes { account, secret } => self.takes(account, secret),
        }
    }

    /// A player wants to come in.
    pub(crate) fn expect(
        &mut self,
        request: RequestId,
        player: Text<64>,
        code: Option<JoinSecret>,
        now: Instant,
    ) {
        let full = self.is_full();
        match self.controller() {
            Some(link) => {
                let admission = Admission::Full;
                let answer = match full {
                    true => Some(GameEvent::Admitted { request, admission }),
                    false => {
                        let secret = code.unwrap_or_else(secrets::join_secret);
                        link.expect(request, player, secret, now)
                    }
                };
                self.answered(answer);
            }
            None => self.admit(admissions::Event::Admit { request, player, code, full }, now),
        }
    }

    /// A player does not want to come in any more.
    pub(crate) fn dismiss(&mut self, player: Text<64>, now: Instant) {
        self.roster.dismiss(&player);
        let is_meant = |arrival: &Arrival| matches!(arrival, Arrival::IsChecked(p) if *p == player);
        let dismissed: Vec<_> =
            self.newcomers.extract_if(|_, arrival| is_meant(arrival)).map(|(r, _)| r).collect();
        for request in dismissed {
            self.admitted(request, Admission::NotReady);
        }
        match self.controller() {
            Some(link) => {
                let answers = link.dismiss(player);
                self.answered(answers);
            }
            None => self.admit(admissions::Event::Dismiss { player }, now),
        }
    }

    /// Tells the launcher who may come in.
    fn answered(&mut self, events: impl IntoIterator<Item = GameEvent>) {
        for event in events {
            if let GameEvent::Admitted { request, admission } = event {
                self.admitted(request, admission);
            }
        }
    }

    /// Tells the launcher whether a player may come in. Who may, with a ticket, is expected.
    fn admitted(&mut self, request: RequestId, admission: Admission) {
        let granted = matches!(admission, Admission::Granted { .. });
        self.tell_launcher(FromKeeper::Admitted { request, admission });
        if let Some(Arrival::Waits(holder)) = self.newcomers.remove(&request)
            && granted
        {
            let effects = self.roster.expect(holder, Instant::now());
            self.carry_out(effects);
        }
    }

    /// Keeps what the game has to say to its successor. One that is not written in time costs the
    /// place in the rotation, no more.
    fn keep_context(&self, context: Blob<MAX_CONTEXT>) {
        let path = self.dir.context();
        actix::spawn(async move {
            let write = move || atomic_file::write(&path, &context);
            match tokio::task::spawn_blocking(write).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "the context of the game is not kept"),
                Err(error) => tracing::warn!(%error, "the context of the game is not kept"),
            }
        });
    }

    /// The link to the game, if it is one that connects to us.
    pub(crate) fn controller(&mut self) -> Option<&mut ControllerLink> {
        match self.game.as_mut()?.link.as_mut()? {
            AnyLink::Controller(link) => Some(link),
            AnyLink::Openttd(_) | AnyLink::Teeworlds(_) => None,
        }
    }

    pub(crate) fn is_full(&mut self) -> bool {
        let max_players = self.max_players;
        self.controls().is_some_and(|game| game.player_count() >= max_players)
    }

    pub(crate) fn say(&mut self, speaker: &str, text: &str) {
        if let Some(game) = self.controls() {
            game.say(speaker, text);
        }
    }

    pub(crate) fn kick(&mut self, player: GamePlayerId, reason: &str) {
        if let Some(game) = self.controls() {
            game.kick(player, reason);
        }
    }

    /// The link to the game, if it is one of this kind.
    pub(crate) fn link<L: Language>(&mut self) -> Option<&mut Link<L>> {
        L::of(self.game.as_mut()?.link.as_mut()?)
    }

    fn controls(&mut self) -> Option<&mut dyn Controls> {
        Some(self.game.as_mut()?.link.as_mut()?.controls())
    }

    /// Tells the launcher what became different since the last time.
    ///
    /// Details alone, such as a score, wait for a moment: games change them faster than anybody can
    /// read, and a login server takes only so many messages of a launcher.
    pub(crate) fn flush(&mut self) {
        let only_details = self.changes.iter().all(|change| detail_key(change).is_some());
        if only_details && self.told.elapsed() < DETAILS_EVERY {
            return;
        }
        self.told = Instant::now();
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

    /// Tells the launcher, if it is of an age with tickets.
    fn tell_of_player(&self, message: FromKeeper) {
        if self.launchers.values().any(|l| l.state == LauncherState::Attached && l.knows_tickets())
        {
            self.tell_launcher(message);
        }
    }

    fn tell_everybody(&self, message: &FromKeeper) {
        Peer::send_to_all(self.launchers.values(), message.clone());
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
        let now = Instant::now();
        let effects = match &change {
            ServerChange::PlayerEntered { player, name } => {
                let whose = match self.controller() {
                    Some(link) => link.account_of(*player).map_or(Whose::Nobodys, Whose::Account),
                    None => Whose::Unknown,
                };
                self.roster.entered(*player, name, &whose, now)
            }
            ServerChange::PlayerLeft { player } => self.roster.left(*player),
            ServerChange::AllPlayersLeft => self.roster.all_left(now),
            ServerChange::Property(_) => Vec::new(),
        };
        if self.listing.apply(&change) {
            let change = KeeperChange::Server(change);
            // Of a detail only the last value is of interest.
            if let Some(key) = detail_key(&change) {
                self.changes.retain(|earlier| detail_key(earlier) != Some(key));
            }
            self.changes.push(change);
        }
        if !effects.is_empty() {
            // What is told of a player comes after that there is one.
            self.flush();
            self.carry_out(effects);
        }
    }

    /// Nobody is in, and nothing is shown beside the map.
    fn nothing_is_known(&mut self) {
        self.change(ServerChange::AllPlayersLeft);
        for key in self.listing.detail_keys() {
            let value = Text::default();
            self.change(ServerChange::Property(ServerProperty::Detail { key, value }));
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
        self.game = Some(Game { start, process: None, link: None, save: None, keep_world: false });
        let (keeper, dir) = (ctx.address(), self.dir.clone());
        actix::spawn(start::run(
            start,
            self.slot,
            dir,
            self.executable.clone(),
            self.saves.clone(),
            keeper,
        ));
    }

    fn end(&mut self, means: Means) {
        self.end_wanted = Some(means);
        let Some(game) = &mut self.game else { return };
        let Some(process) = &game.process else { return };
        let link = game.link.as_mut().map(AnyLink::controls).filter(|link| link.is_connected());
        match (means, link) {
            (Means::Command, Some(link)) => link.quit(game.keep_world),
            (Means::Command, None) | (Means::Terminate, _) => process.terminate(),
            (Means::Kill, _) => process.kill(),
        }
    }

    fn started(&mut self, prepared: Prepared, process: Process, ctx: &mut Context<Self>) {
        let Prepared { server, port, access, save, .. } = prepared;
        let world = save.as_ref().map_or_else(|| "a new one".to_owned(), Save::name);
        tracing::info!(pid = process.pid(), port, world, "the game is started");
        self.max_players = server.max_players.into();
        self.succession.configured(&server);
        self.port = Some(port);
        self.changes.push(KeeperChange::GamePort(port));
        self.game_process(Some(process.pid()));
        let max_players = ServerProperty::MaxPlayers(server.max_players);
        self.change(ServerChange::Property(max_players));
        if let Some(game) = &mut self.game {
            let (stop_within, keeper) = (server.limits.stop_within, ctx.address());
            game.process = Some(process);
            match AnyLink::open(access, game.start, stop_within, &keeper) {
                Ok(link) => game.link = Some(link),
                // It is not ready in time, then, and started again.
                Err(error) => tracing::error!(%error, "the game cannot be talked to"),
            }
            game.save = save;
            game.keep_world = server.keeps_world();
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
            if let Some(mut link) = game.link {
                if let AnyLink::Controller(link) = &mut link {
                    let answers = link.ended();
                    self.answered(answers);
                }
                link.controls().close();
            }
        }
        self.no_successor();
        self.nothing_is_known();
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
        let due = now >= self.next_ping;
        if due {
            self.next_ping = now + self.ping_every;
        }
        let Some(game) = self.controls() else { return };
        if let Some(commands) = game.left_out(now) {
            tracing::warn!(commands, "the game does not answer: commands were left out");
        }
        if due {
            game.ping();
        }
    }
}

/// Which detail a change is about, if it is about one.
fn detail_key(change: &KeeperChange) -> Option<&Text<32>> {
    match change {
        KeeperChange::Server(ServerChange::Property(ServerProperty::Detail { key, .. })) => {
            Some(key)
        }
        _ => None,
    }
}

/// How far a player with a ticket has come.
#[derive(Debug)]
enum Arrival {
    /// The ticket is looked at.
    IsChecked(Text<64>),
    /// It is good, and the game has yet to take the password.
    Waits(Holder),
}

/// That a player is in.
pub(crate) fn arrived(player: GamePlayerId, holder: &Holder) -> FromKeeper {
    FromKeeper::Arrived { ticket: holder.ticket.clone(), id: holder.id, player }
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

/// A launcher may have 64 servers, and say 200 things a second.
const DETAILS_EVERY: Duration = Duration::from_secs(1);

const MAX_LIST: usize = 256;

/// Players who ask to come in at a time. Further ones are told that the server is not ready.
const MAX_NEWCOMERS: usize = 1024;
