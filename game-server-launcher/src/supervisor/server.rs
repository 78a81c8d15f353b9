//! One game server: what is known of it, and how its keeper is found, started and stopped.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use protocol::{
    GamePlayerId, KeeperChange, KeeperChanges, ServerChange, ServerId, ServerProperty, ServerState,
    SignedTicket, Text, TicketId, ToKeeper,
};

use super::{Effect, chat::Chat};
use crate::{
    config::{ServerConfig, ServerName},
    listing::Listing,
};

/// One game server.
#[derive(Debug)]
pub(super) struct Server {
    wanted: Option<Wanted>,
    keeper: Keeper,
    /// The pause before a keeper that has died is started again.
    pause: Duration,
    port: Option<u16>,
    trouble: Text<256>,
    listing: Listing,
    chat: Chat,
    /// Who is in the game with a ticket, as the keeper says.
    players: BTreeMap<TicketId, (SignedTicket, GamePlayerId)>,
    /// When the keeper was last heard, or expected to speak. None: there is none.
    heard: Option<Instant>,
    next_ping: Option<Instant>,
}

#[derive(Debug)]
struct Wanted {
    id: ServerId,
    config: ServerConfig,
}

/// What is known of a keeper.
#[derive(Debug)]
enum Keeper {
    /// Somebody looks whether it lives.
    LookedFor { since: Instant },
    /// It lives, or was just started, and should be connected soon. If not, it is looked for then.
    Expected { look_at: Instant },
    /// It is connected.
    Connected { since: Instant, version: u16 },
    /// There is none, and one is started then.
    Dead { start_at: Instant },
    /// There is none, and none is wanted.
    Gone,
}

/// What others have to know of changes.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) changes: Vec<ServerChange>,
    /// Players reach the game elsewhere now.
    pub(super) reachable: bool,
}

impl Server {
    /// A server that shall run.
    pub(super) fn wanted(id: ServerId, config: ServerConfig) -> Self {
        let mut listing = Listing::default();
        for property in [
            ServerProperty::Title(Text::lossy(config.title())),
            ServerProperty::Game(config.game_name()),
            ServerProperty::State(ServerState::Starting),
            ServerProperty::MaxPlayers(config.max_players),
        ] {
            listing.apply(&ServerChange::Property(property));
        }
        Self { wanted: Some(Wanted { id, config }), listing, ..Self::leftover() }
    }

    /// A server that shall not run any more.
    pub(super) fn leftover() -> Self {
        Self {
            wanted: None,
            keeper: Keeper::Gone,
            pause: FIRST_PAUSE,
            port: None,
            trouble: Text::default(),
            listing: Listing::default(),
            chat: Chat::default(),
            players: BTreeMap::new(),
            heard: None,
            next_ping: None,
        }
    }

    /// Its id, if it is wanted: of others nobody is told.
    pub(super) fn id(&self) -> Option<ServerId> {
        self.wanted.as_ref().map(|wanted| wanted.id)
    }

    pub(super) fn config(&self) -> Option<&ServerConfig> {
        self.wanted.as_ref().map(|wanted| &wanted.config)
    }

    pub(super) fn port(&self) -> Option<u16> {
        self.port
    }

    pub(super) fn listing(&self) -> &Listing {
        &self.listing
    }

    pub(super) fn is_connected(&self) -> bool {
        matches!(self.keeper, Keeper::Connected { .. })
    }

    pub(super) fn is_gone(&self) -> bool {
        matches!(self.keeper, Keeper::Gone)
    }

    /// Whether its game has a port, or at least a problem.
    pub(super) fn is_known(&self) -> bool {
        let told = self.port.is_some() || !self.trouble.is_empty();
        self.wanted.is_none() || (self.is_connected() && told)
    }

    pub(super) fn look(&mut self, name: &ServerName, now: Instant, effects: &mut Vec<Effect>) {
        self.keeper = Keeper::LookedFor { since: now };
        effects.push(Effect::Look(name.clone()));
    }

    pub(super) fn lives(&mut self, now: Instant) {
        if let Keeper::LookedFor { .. } = self.keeper {
            self.heard.get_or_insert(now);
            self.keeper = Keeper::Expected { look_at: now + LOOK_AGAIN_AFTER };
        }
    }

    /// There is no keeper, and so no game. What is different now.
    pub(super) fn absent(&mut self, stopping: bool, now: Instant) -> Vec<ServerChange> {
        if !matches!(self.keeper, Keeper::LookedFor { .. }) {
            return Vec::new();
        }
        self.heard = None;
        if stopping || self.wanted.is_none() {
            self.keeper = Keeper::Gone;
            return self.game_gone(ServerState::Stopped);
        }
        let first = self.port.is_none() && self.pause == FIRST_PAUSE;
        let pause = if first { Duration::ZERO } else { self.pause };
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        self.keeper = Keeper::Dead { start_at: now + pause };
        match first {
            true => Vec::new(),
            false => self.game_gone(ServerState::Restarting),
        }
    }

    fn game_gone(&mut self, state: ServerState) -> Vec<ServerChange> {
        let changes =
            [ServerChange::Property(ServerProperty::State(state)), ServerChange::AllPlayersLeft];
        changes.into_iter().filter(|change| self.listing.apply(change)).collect()
    }

    pub(super) fn connected(
        &mut self,
        name: &ServerName,
        version: u16,
        stopping: bool,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        self.keeper = Keeper::Connected { since: now, version };
        self.heard = Some(now);
        self.next_ping = Some(now + PING_EVERY);
        effects.push(Effect::ToKeeper(name.clone(), ToKeeper::Attach));
        if stopping || self.wanted.is_none() {
            effects.push(Effect::ToKeeper(name.clone(), ToKeeper::Stop));
        }
    }

    pub(super) fn lost(&mut self, now: Instant) {
        if let Keeper::Connected { since, .. } = self.keeper {
            if now - since >= STABLE_AFTER {
                self.pause = FIRST_PAUSE;
            }
            self.keeper = Keeper::Expected { look_at: now + LOOK_AFTER_LOSS };
        }
    }

    /// A process has ended. It may have been a second one, which found the first one there.
    pub(super) fn ended(&mut self, now: Instant) {
        if let Keeper::Expected { .. } = self.keeper {
            self.keeper = Keeper::Expected { look_at: now };
        }
    }

    pub(super) fn stop(&mut self, name: &ServerName, now: Instant, effects: &mut Vec<Effect>) {
        match self.keeper {
            Keeper::Connected { .. } => {
                effects.push(Effect::ToKeeper(name.clone(), ToKeeper::Stop));
            }
            Keeper::Dead { .. } => self.keeper = Keeper::Gone,
            Keeper::Expected { .. } => self.keeper = Keeper::Expected { look_at: now },
            Keeper::LookedFor { .. } | Keeper::Gone => {}
        }
    }

    /// Whether its keeper is of an age with tickets.
    pub(super) fn knows_tickets(&self) -> bool {
        matches!(self.keeper, Keeper::Connected { version, .. } if version >= WITH_TICKETS)
    }

    /// A player is in the game. Whether that is to be told: there may be so many.
    pub(super) fn arrived(
        &mut self,
        id: TicketId,
        ticket: SignedTicket,
        player: GamePlayerId,
    ) -> bool {
        let is_room = self.players.len() < MAX_PLAYERS || self.players.contains_key(&id);
        if is_room {
            self.players.insert(id, (ticket, player));
        }
        is_room
    }

    /// A player is not in the game any more. Nothing when that is known.
    pub(super) fn left(&mut self, id: TicketId) -> Vec<TicketId> {
        self.players.remove(&id).map(|_| id).into_iter().collect()
    }

    /// Nobody is known to be in the game any more.
    pub(super) fn everybody_left(&mut self) -> Vec<TicketId> {
        std::mem::take(&mut self.players).into_keys().collect()
    }

    pub(super) fn players(&self) -> impl Iterator<Item = (&SignedTicket, GamePlayerId)> {
        self.players.values().map(|(ticket, player)| (ticket, *player))
    }

    /// Whether a line of its chat may be passed on.
    pub(super) fn may_say(&mut self, now: Instant) -> bool {
        self.chat.allows(now)
    }

    pub(super) fn tick(&mut self, name: &ServerName, now: Instant, effects: &mut Vec<Effect>) {
        if let Some(lines) = self.chat.dropped(now) {
            effects.push(Effect::ChatDropped(name.clone(), lines));
        }
        match self.keeper {
            Keeper::Expected { look_at } if now >= look_at => self.look(name, now, effects),
            Keeper::LookedFor { since } if now - since >= LOOK_AGAIN_AFTER => {
                self.look(name, now, effects);
            }
            Keeper::Dead { start_at } if now >= start_at => {
                self.keeper = Keeper::Expected { look_at: now + STARTED_WITHIN };
                self.heard = Some(now);
                effects.push(Effect::StartKeeper(name.clone()));
            }
            _ => {}
        }
    }

    /// The keeper has said something. One that was thought to hang tells everything anew.
    pub(super) fn heard(&mut self, name: &ServerName, now: Instant, effects: &mut Vec<Effect>) {
        let silence = self.heard.replace(now).map(|heard| now - heard);
        if self.is_connected()
            && silence.is_some_and(|silence| silence >= SILENT_AFTER)
            && self.listing.state() == Some(ServerState::Unreachable)
        {
            effects.push(Effect::ToKeeper(name.clone(), ToKeeper::Report));
        }
    }

    /// Nobody has listened for a while: silence counts from now.
    pub(super) fn listen_anew(&mut self, now: Instant) {
        self.heard = self.heard.map(|_| now);
    }

    /// Notices a keeper that hangs: asks, says so, and at last has it killed.
    pub(super) fn listen(
        &mut self,
        name: &ServerName,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) -> Option<ServerChange> {
        if self.is_connected() && self.next_ping.is_some_and(|at| at <= now) {
            self.next_ping = Some(now + PING_EVERY);
            effects.push(Effect::ToKeeper(name.clone(), ToKeeper::Ping { nonce: 0 }));
        }
        let silence = now - self.heard?;
        if silence >= HUNG_AFTER {
            effects.push(Effect::KillKeeper(name.clone()));
            self.heard = Some(now);
        }
        let change = ServerChange::Property(ServerProperty::State(ServerState::Unreachable));
        (silence >= SILENT_AFTER && self.listing.apply(&change)).then_some(change)
    }

    /// Takes note of what the keeper says.
    pub(super) fn changed(&mut self, told: KeeperChanges) -> Told {
        let mut changes = Vec::new();
        let port_before = self.port;
        if told.fresh && self.listing.apply(&ServerChange::AllPlayersLeft) {
            changes.push(ServerChange::AllPlayersLeft);
        }
        for change in told.changes {
            match change {
                KeeperChange::Server(change) => {
                    if self.listing.apply(&change) {
                        changes.push(change);
                    }
                }
                KeeperChange::GamePort(port) => self.port = Some(port),
                KeeperChange::Trouble(trouble) => self.trouble = trouble,
                KeeperChange::GameProcess { .. } => {}
            }
        }
        Told { changes, reachable: self.port != port_before }
    }
}

/// The first version of keepers that know tickets.
const WITH_TICKETS: u16 = 2;

/// Players with tickets in one game; of further ones nobody is told. More than any game takes.
const MAX_PLAYERS: usize = 1024;

/// The pause after the first death of a keeper; twice as long after each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A keeper that was connected for so long starts the row of pauses anew.
const STABLE_AFTER: Duration = Duration::from_secs(60);

/// The process may need a moment to end after its socket has.
const LOOK_AFTER_LOSS: Duration = Duration::from_millis(100);

const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// A keeper that lives and says nothing for so long is called unreachable: two pings unanswered.
const SILENT_AFTER: Duration = Duration::from_secs(10);

/// After so long it is killed, with its game, and both are started again.
const HUNG_AFTER: Duration = Duration::from_secs(30);

const PING_EVERY: Duration = Duration::from_secs(4);

/// How long a new keeper may take until it is connected, before it is looked for.
const STARTED_WITHIN: Duration = Duration::from_secs(5);
