//! Which game servers there are, who keeps them, and what the login server has to hear of them.
//!
//! Plain data: events and the time in, effects out. It has no sockets, no processes, no clock.

mod admissions;
mod chat;
mod server;
mod telling;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use protocol::{
    Admission, FromKeeper, FromLauncher, GamePlayerId, JoinSecret, List, RequestId, ServerChange,
    ServerId, ServerState, SignedTicket, Text, TicketId, TicketKey, ToKeeper,
};

use self::{admissions::Asked, server::Server};
use crate::config::{ServerConfig, ServerName};

/// What happens.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// The launcher runs.
    Start,
    /// Something about the keeper of one server.
    Keeper(ServerName, KeeperEvent),
    /// Something about the login server.
    LoginServer(LoginServerEvent),
    /// The launcher shall stop, and every game with it.
    Stop,
    /// Time has passed.
    Tick,
}

/// What happens to a keeper.
#[derive(Clone, Debug)]
pub(crate) enum KeeperEvent {
    /// It lives, which does not mean that it can be reached.
    Lives,
    /// There is none.
    Absent,
    /// It is connected, and understands us, in this version.
    Connected { version: u16 },
    /// The connection to it is lost.
    Lost,
    /// The process that we have started for it has ended.
    Ended,
    /// It has said something.
    Said(FromKeeper),
}

/// What happens to the login server.
#[derive(Clone, Debug)]
pub(crate) enum LoginServerEvent {
    /// It is connected, and has let us in.
    Up,
    /// The connection to it is lost.
    Lost,
    /// Tickets are signed with these keys. `launcher` is what the login server knows us by, and its
    /// clock is `ahead_ms` before ours.
    TicketKeys { launcher: [u8; 32], ahead_ms: i64, keys: List<TicketKey, 8> },
    /// A player wants to join.
    Admit {
        request: RequestId,
        server: ServerId,
        player: Text<64>,
        ticket: SignedTicket,
        code: JoinSecret,
    },
    /// A player no longer wants to.
    Dismiss { server: ServerId, player: Text<64> },
    /// Something is to be said in a game.
    Say { server: ServerId, speaker: Text<64>, text: Text<400> },
    /// A player is to be thrown out.
    Kick { server: ServerId, player: GamePlayerId, reason: Text<128> },
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// See whether a keeper lives: `Lives` or `Absent` is the answer.
    Look(ServerName),
    /// Start a keeper.
    StartKeeper(ServerName),
    /// Tell a keeper.
    ToKeeper(ServerName, ToKeeper),
    /// Kill a keeper that hangs. The kernel kills its game too.
    KillKeeper(ServerName),
    /// Tell the login server.
    ToLoginServer(FromLauncher),
    /// Log that so many lines of chat were not passed on.
    ChatDropped(ServerName, u64),
    /// Every server is known now: once.
    Known,
    /// No keeper lives any more: once, after a stop.
    Stopped,
}

/// What tickets are checked with.
#[derive(Debug)]
struct Keys {
    launcher: [u8; 32],
    ahead_ms: i64,
    keys: List<TicketKey, 8>,
}

/// The servers of one launcher.
#[derive(Debug)]
pub(crate) struct Supervisor {
    servers: BTreeMap<ServerName, Server>,
    /// Whether the login server listens.
    up: bool,
    asked: Asked,
    /// What keepers check tickets with.
    keys: Option<Keys>,
    stopping: bool,
    known_told: bool,
    stopped_told: bool,
    ticked: Option<Instant>,
}

impl Supervisor {
    /// A supervisor of `servers`, each with its id, and of `leftovers`: servers that nobody wants
    /// any more, whose keepers may still live.
    pub(crate) fn new(
        servers: impl IntoIterator<Item = (ServerId, ServerConfig)>,
        leftovers: impl IntoIterator<Item = ServerName>,
    ) -> Self {
        let wanted = servers.into_iter().map(|(id, config)| {
            let name = config.name.clone();
            (name, Server::wanted(id, config))
        });
        let leftovers = leftovers.into_iter().map(|name| (name, Server::leftover()));
        Self {
            servers: leftovers.chain(wanted).collect(),
            up: false,
            asked: Asked::default(),
            keys: None,
            stopping: false,
            known_told: false,
            stopped_told: false,
            ticked: None,
        }
    }

    /// Where the games listen, as far as is known.
    pub(crate) fn ports(&self) -> impl Iterator<Item = (&ServerConfig, Option<u16>)> {
        self.servers.values().filter_map(|server| Some((server.config()?, server.port())))
    }

    /// What is known of a server's state.
    pub(crate) fn state(&self, name: &ServerName) -> Option<ServerState> {
        self.servers.get(name)?.listing().state()
    }

    /// What follows from `event`, now.
    pub(crate) fn apply(&mut self, event: Event, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Start => {
                for (name, server) in &mut self.servers {
                    server.look(name, now, &mut effects);
                }
            }
            Event::Keeper(name, event) => self.keeper(&name, event, now, &mut effects),
            Event::LoginServer(event) => self.login_server(event, now, &mut effects),
            Event::Stop => self.stop(now, &mut effects),
            Event::Tick => self.tick(now, &mut effects),
        }
        self.milestones(&mut effects);
        effects
    }

    fn keeper(
        &mut self,
        name: &ServerName,
        event: KeeperEvent,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let stopping = self.stopping;
        let Some(server) = self.servers.get_mut(name) else { return };
        match event {
            KeeperEvent::Lives => server.lives(now),
            KeeperEvent::Absent => {
                let changes = server.absent(stopping, now);
                let left = server.everybody_left();
                self.tell_left(left, effects);
                self.keeper_gone(name, effects);
                self.tell_changes(name, changes, effects);
            }
            KeeperEvent::Connected { version } => {
                server.connected(name, version, stopping, now, effects);
                self.give_keys(name, effects);
            }
            KeeperEvent::Lost => {
                server.lost(now);
                self.keeper_gone(name, effects);
            }
            KeeperEvent::Ended => server.ended(now),
            KeeperEvent::Said(message) => {
                server.heard(name, now, effects);
                self.keeper_said(name, message, now, effects);
            }
        }
    }

    fn keeper_said(
        &mut self,
        name: &ServerName,
        message: FromKeeper,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let Some(server) = self.servers.get_mut(name).filter(|server| server.is_connected()) else {
            return;
        };
        match message {
            FromKeeper::Changes(changes) => {
                // Who is in comes after it.
                let left = if changes.fresh { server.everybody_left() } else { Vec::new() };
                let told = server.changed(changes);
                self.tell_left(left, effects);
                self.tell_changes(name, told.changes, effects);
                if told.reachable {
                    self.tell_reachable(name, effects);
                }
            }
            FromKeeper::Admitted { request, admission } => {
                if let Some(request) = self.asked.answered(name, request) {
                    self.tell(FromLauncher::Admitted { request, admission }, effects);
                }
            }
            FromKeeper::Said { name, text } => {
                if let Some(server) = server.id().filter(|_| server.may_say(now)) {
                    self.tell(FromLauncher::Said { server, name, text }, effects);
                }
            }
            FromKeeper::Arrived { ticket, id, player } => {
                if server.arrived(id, ticket.clone(), player) && server.id().is_some() {
                    self.tell(FromLauncher::Arrived { ticket, player }, effects);
                }
            }
            FromKeeper::Left { ticket } => {
                let left = server.left(ticket);
                self.tell_left(left, effects);
            }
            FromKeeper::Ping { nonce } => {
                effects.push(Effect::ToKeeper(name.clone(), ToKeeper::Pong { nonce }));
            }
            FromKeeper::Exited(_)
            | FromKeeper::Welcome(_)
            | FromKeeper::Goodbye(_)
            | FromKeeper::Pong { .. } => {}
        }
    }

    /// Who waits for an answer of this keeper does not get one.
    fn keeper_gone(&mut self, name: &ServerName, effects: &mut Vec<Effect>) {
        for request in self.asked.keeper_gone(name) {
            self.not_admitted(request, Admission::NotReady, effects);
        }
    }

    fn login_server(&mut self, event: LoginServerEvent, now: Instant, effects: &mut Vec<Effect>) {
        match event {
            LoginServerEvent::Up => {
                self.up = true;
                self.tell_everything(effects);
            }
            LoginServerEvent::Lost => {
                self.up = false;
                self.asked.clear();
            }
            LoginServerEvent::TicketKeys { launcher, ahead_ms, keys } => {
                self.keys = Some(Keys { launcher, ahead_ms, keys });
                let names: Vec<_> = self.servers.keys().cloned().collect();
                names.iter().for_each(|name| self.give_keys(name, effects));
            }
            LoginServerEvent::Admit { request, server, player, ticket, code } => {
                self.admit(request, server, Newcomer { player, ticket, code }, now, effects);
            }
            LoginServerEvent::Dismiss { server, player } => {
                self.forward(server, ToKeeper::Dismiss { player }, effects);
            }
            LoginServerEvent::Say { server, speaker, text } => {
                self.forward(server, ToKeeper::Say { speaker, text }, effects);
            }
            LoginServerEvent::Kick { server, player, reason } => {
                self.forward(server, ToKeeper::Kick { player, reason }, effects);
            }
        }
    }

    fn admit(
        &mut self,
        request: RequestId,
        server: ServerId,
        newcomer: Newcomer,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let Some((name, server)) = self.find(server) else {
            return self.not_admitted(request, Admission::UnknownServer, effects);
        };
        let name = name.clone();
        let reachable = server.is_connected() && !self.stopping;
        let knows_tickets = server.knows_tickets();
        let Newcomer { player, ticket, code } = newcomer;
        match reachable.then(|| self.asked.ask(&name, request, now)).flatten() {
            Some(request) => {
                let admit = match knows_tickets {
                    true => ToKeeper::AdmitTicket { request, player, ticket, code },
                    // Started by a launcher of an age without tickets, and still there.
                    false => ToKeeper::Admit { request, player },
                };
                effects.push(Effect::ToKeeper(name, admit));
            }
            None => self.not_admitted(request, Admission::NotReady, effects),
        }
    }

    /// Lets the keeper of a server check tickets.
    fn give_keys(&self, name: &ServerName, effects: &mut Vec<Effect>) {
        let Some(Keys { launcher, ahead_ms, keys }) = &self.keys else { return };
        let Some(server) = self.servers.get(name) else { return };
        if let Some(id) = server.id()
            && server.is_connected()
            && server.knows_tickets()
        {
            let server = tickets::ServerName::of_launcher(launcher, id.0);
            let server = Text::lossy(server.as_str());
            let keys = ToKeeper::TicketKeys { server, ahead_ms: *ahead_ms, keys: keys.clone() };
            effects.push(Effect::ToKeeper(name.clone(), keys));
        }
    }

    fn tell_left(&self, left: Vec<TicketId>, effects: &mut Vec<Effect>) {
        for ticket in left {
            self.tell(FromLauncher::Left { ticket }, effects);
        }
    }

    fn not_admitted(&self, request: RequestId, admission: Admission, effects: &mut Vec<Effect>) {
        self.tell(FromLauncher::Admitted { request, admission }, effects);
    }

    fn forward(&self, server: ServerId, message: ToKeeper, effects: &mut Vec<Effect>) {
        if let Some((name, server)) = self.find(server)
            && server.is_connected()
        {
            effects.push(Effect::ToKeeper(name.clone(), message));
        }
    }

    fn find(&self, id: ServerId) -> Option<(&ServerName, &Server)> {
        self.servers.iter().find(|(_, server)| server.id() == Some(id))
    }

    fn stop(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        self.stopping = true;
        for (name, server) in &mut self.servers {
            server.stop(name, now, effects);
        }
    }

    fn tick(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        for request in self.asked.overdue(now) {
            self.not_admitted(request, Admission::NotReady, effects);
        }
        // Who slept has not listened either.
        let slept = self.ticked.replace(now).is_some_and(|before| now - before > AWAKE_WITHIN);
        let mut unreachable = Vec::new();
        for (name, server) in &mut self.servers {
            if slept {
                server.listen_anew(now);
            }
            server.tick(name, now, effects);
            if let Some(change) = server.listen(name, now, effects) {
                unreachable.push((name.clone(), change));
            }
        }
        for (name, change) in unreachable {
            self.tell_changes(&name, vec![change], effects);
        }
    }

    fn milestones(&mut self, effects: &mut Vec<Effect>) {
        if !self.known_told && self.servers.values().all(Server::is_known) {
            self.known_told = true;
            effects.push(Effect::Known);
        }
        if self.stopping && !self.stopped_told && self.servers.values().all(Server::is_gone) {
            self.stopped_told = true;
            effects.push(Effect::Stopped);
        }
    }

    fn tell(&self, message: FromLauncher, effects: &mut Vec<Effect>) {
        if self.up {
            effects.push(Effect::ToLoginServer(message));
        }
    }

    fn tell_changes(
        &self,
        name: &ServerName,
        changes: Vec<ServerChange>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(id) = self.servers.get(name).and_then(Server::id) else { return };
        for message in telling::changes(id, changes) {
            self.tell(message, effects);
        }
    }

    fn tell_reachable(&self, name: &ServerName, effects: &mut Vec<Effect>) {
        if let Some(message) = self.servers.get(name).and_then(telling::reachable) {
            self.tell(message, effects);
        }
    }

    fn tell_everything(&self, effects: &mut Vec<Effect>) {
        for message in telling::everything(self.servers.values()) {
            self.tell(message, effects);
        }
        for message in self.servers.values().filter_map(telling::reachable) {
            self.tell(message, effects);
        }
        for message in self.servers.values().flat_map(telling::players) {
            self.tell(message, effects);
        }
    }
}

/// Who wants to join, and what they hold.
struct Newcomer {
    player: Text<64>,
    ticket: SignedTicket,
    code: JoinSecret,
}

/// Ticks that are further apart: this process, or the whole host, was suspended.
const AWAKE_WITHIN: Duration = Duration::from_secs(3);

/// How long the login server waits for the answer of a keeper.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
