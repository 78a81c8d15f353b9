//! The link to one start of a game that connects to its keeper.

use std::{
    collections::HashMap,
    io,
    time::{Duration, Instant},
};

use actix::{Actor, Addr};
use connection_handler::{
    ConnectionConfig, Drain, IncomingConnectionHandler, Peer, PeerDisconnected, PeerId,
    PeerMessages,
};
use protocol::{
    Blob, BootId, ControllerToken, GamePlayerId, Goodbye, Hello, JoinSecret, MAX_CONTEXT, MatchEnd,
    PlayerDataAnswer, RequestId, Start, Text, Welcome, negotiate_controller,
};
use tokio::net::TcpListener;

use super::{
    codes::{Codes, not_ready},
    start::Access,
    world::World,
};
use crate::{
    keeper::{
        game::GameEvent,
        handlers::controller::{Controller, ControllerHandler, ControllerState, FromGame, ToGame},
        link::Controls,
        process::StartId,
        server::Keeper,
    },
    unix_now,
};

/// The link to one start of a game.
pub(crate) struct ControllerLink {
    start: StartId,
    token: ControllerToken,
    /// What the game is told when it has shown the token.
    what: Start,
    /// Not yet: another process still has the match.
    held: bool,
    stop_within: Duration,
    /// Who is connected, the game among them.
    callers: HashMap<PeerId, Controller>,
    game: Option<PeerId>,
    is_ready: bool,
    world: World,
    codes: Codes,
    /// A match is over: then this map follows.
    vote: Option<Vote>,
    handler: Addr<IncomingConnectionHandler<ControllerHandler, TcpListener>>,
}

struct Vote {
    until: Instant,
    next: Option<Text<64>>,
}

impl ControllerLink {
    /// Lets the game of `start` connect.
    ///
    /// # Errors
    ///
    /// When the runtime does not take the socket.
    pub(crate) fn open(
        start: StartId,
        Access { listener, token, start: what }: Access,
        stop_within: Duration,
        keeper: &Addr<Keeper>,
    ) -> io::Result<Self> {
        let config = ConnectionConfig {
            max_connections: MAX_CALLERS,
            first_message_timeout: Some(PROVEN_WITHIN),
            ..ConnectionConfig::default()
        };
        let listener = TcpListener::from_std(listener)?;
        let (handler, inbox) = (ControllerHandler { start }, keeper.clone());
        let handler = IncomingConnectionHandler::new(handler, listener, inbox, config).start();
        Ok(Self {
            start,
            token,
            what,
            held: false,
            stop_within,
            callers: HashMap::new(),
            game: None,
            is_ready: false,
            world: World::default(),
            codes: Codes::default(),
            vote: None,
            handler,
        })
    }

    /// Keeps the game from beginning, until [`begin`](Self::begin).
    pub(crate) fn hold(&mut self) {
        self.held = true;
    }

    /// Lets the game begin, on this map, where the process before it has left off.
    pub(crate) fn begin(&mut self, context: Blob<MAX_CONTEXT>, map: Option<Text<64>>) {
        (self.what.context, self.what.map) = (context, map);
        self.held = false;
        self.tell(ToGame::Start(self.what.clone()));
    }

    /// Lets the game go on by itself, on this map.
    pub(crate) fn next_map(&self, map: Option<Text<64>>) {
        self.tell(ToGame::NextMap { map });
    }

    /// Which start of the game this is.
    pub(crate) fn start(&self) -> StartId {
        self.start
    }

    /// Whether this peer belongs to it.
    pub(crate) fn knows(&self, peer: PeerId) -> bool {
        self.callers.contains_key(&peer)
    }

    /// The account of a player who is in, where the game has said it.
    pub(crate) fn account_of(&self, player: GamePlayerId) -> Option<Text<64>> {
        self.world.account_of(player).cloned()
    }

    /// The accounts of who is in.
    pub(crate) fn accounts(&self) -> Vec<Text<64>> {
        self.world.accounts().cloned().collect()
    }

    /// A player of the process before this one is to come here. When the game has confirmed that, it
    /// [`Takes`](GameEvent::Takes) the player.
    pub(crate) fn take(&mut self, account: Text<64>, secret: JoinSecret, now: Instant) {
        if let Some(question) = self.codes.expect(None, account, secret, now) {
            self.tell(question);
        }
    }

    /// Tells a player where to go on.
    pub(crate) fn go_on(&self, account: Text<64>, port: u16, secret: JoinSecret) {
        self.tell(ToGame::GoOn { account, port, secret });
    }

    /// Somebody has connected. Who belongs to another start is dropped, and with that ended.
    pub(crate) fn connected(&mut self, peer: Controller) {
        if peer.start == self.start {
            self.callers.insert(peer.id(), peer);
        }
    }

    /// What was said means.
    pub(crate) fn heard(
        &mut self,
        batch: PeerMessages<Controller>,
        boot: BootId,
        now: Instant,
    ) -> Vec<GameEvent> {
        let mut events = Vec::new();
        for message in batch.messages {
            match message {
                FromGame::Hello(hello) => self.greet(batch.peer, &hello, boot),
                FromGame::Prove { token } => self.prove(batch.peer, &token),
                message if self.game == Some(batch.peer) => {
                    self.game_heard(message, now, &mut events);
                }
                _ => self.violation(batch.peer, "the token comes first"),
            }
        }
        events
    }

    /// Whether that matters is seen from whether the process ends, or no longer answers.
    pub(crate) fn disconnected(&mut self, gone: &PeerDisconnected<Controller>) {
        self.callers.remove(&gone.peer);
        if self.game.take_if(|game| *game == gone.peer).is_some() {
            tracing::warn!(reason = %gone.reason, "the connection of the game is lost");
        }
    }

    /// A player wants to come in, with this secret. What is to be answered at once.
    pub(crate) fn expect(
        &mut self,
        request: RequestId,
        player: Text<64>,
        secret: JoinSecret,
        now: Instant,
    ) -> Option<GameEvent> {
        let question = match self.is_ready && self.is_connected() {
            true => self.codes.expect(Some(request), player, secret, now),
            false => None,
        };
        let Some(question) = question else { return Some(not_ready(request)) };
        self.tell(question);
        None
    }

    /// A player does not want to come in any more.
    pub(crate) fn dismiss(&mut self, player: Text<64>) -> Vec<GameEvent> {
        let events = self.codes.dismissed(&player);
        self.tell(ToGame::Dismiss { account: player });
        events
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, now: Instant) -> Vec<GameEvent> {
        for caller in self.callers.values() {
            if caller.state != ControllerState::Proven && now - caller.since >= PROVEN_WITHIN {
                caller.disconnect("no token");
            }
        }
        let mut events = self.codes.tick(now);
        if let Some(Vote { next, .. }) = self.vote.take_if(|vote| vote.until <= now) {
            events.push(GameEvent::VoteOver { map: next });
        }
        events
    }

    /// The process has ended.
    pub(crate) fn ended(&mut self) -> Vec<GameEvent> {
        self.codes.lost()
    }

    fn greet(&mut self, peer: PeerId, hello: &Hello, boot: BootId) {
        let Some(caller) = self.callers.get_mut(&peer) else { return };
        if caller.state != ControllerState::Connected {
            return self.violation(peer, "a second hello");
        }
        match negotiate_controller(hello) {
            Ok(version) => {
                caller.state = ControllerState::Greeted;
                let welcome = Welcome { version, now: unix_now(), boot, features: 0 };
                caller.send(ToGame::Welcome(welcome));
            }
            Err(goodbye) => {
                tracing::warn!(%goodbye, program = ?hello.program, "a game of another age");
                caller.send(ToGame::Goodbye(goodbye));
                caller.disconnect("no common version");
            }
        }
    }

    fn prove(&mut self, peer: PeerId, token: &ControllerToken) {
        let Some(caller) = self.callers.get_mut(&peer) else { return };
        if caller.state != ControllerState::Greeted {
            return self.violation(peer, "the token comes once, after hello");
        }
        if !is_same(token, &self.token) {
            tracing::warn!("somebody on this machine says to be the game, and is not");
            return self.violation(peer, "not the token");
        }
        caller.trust();
        if !self.held {
            caller.send(ToGame::Start(self.what.clone()));
        }
        self.codes.questions().for_each(|question| caller.send(question));
        tracing::debug!("the game is connected");
        // The newest wins: the one before may be half dead.
        if let Some(before) = self.game.replace(peer)
            && let Some(before) = self.callers.get(&before)
        {
            before.send(ToGame::Goodbye(Goodbye::TakenOver));
            before.disconnect("taken over by another connection");
        }
    }

    fn game_heard(&mut self, message: FromGame, now: Instant, events: &mut Vec<GameEvent>) {
        match message {
            FromGame::Hello(_) | FromGame::Prove { .. } => {}
            FromGame::Ready => {
                self.is_ready = true;
                events.push(GameEvent::Ready);
            }
            FromGame::Changes(changes) => {
                let changes = self.world.apply(changes, unix_now());
                events.extend(changes.into_iter().map(GameEvent::Change));
            }
            FromGame::Expected { request } => events.extend(self.codes.confirmed(request)),
            FromGame::Said { name, text } => events.push(GameEvent::Said { name, text }),
            FromGame::MatchEnded(end) => self.match_ended(end, now, events),
            FromGame::AskPlayerData { request, account, .. } => {
                // Nothing is kept for players yet that could be asked for from here.
                let answer = match self.world.is_in(&account) {
                    true => PlayerDataAnswer::Unavailable,
                    false => PlayerDataAnswer::NotHere,
                };
                self.tell(ToGame::PlayerData { request, answer });
            }
            FromGame::Ping { nonce } => self.tell(ToGame::Pong { nonce }),
            FromGame::Pong { .. } => events.push(GameEvent::Alive),
        }
    }

    fn match_ended(&mut self, end: MatchEnd, now: Instant, events: &mut Vec<GameEvent>) {
        let MatchEnd { context, next, vote_ms, results, .. } = end;
        tracing::info!(players = results.len(), next = ?next, "a match is over");
        // A game that is started again goes on behind it.
        self.what.context = context.clone();
        events.push(GameEvent::MatchEnded(context));
        let vote = Duration::from_millis(vote_ms.into()).min(LONGEST_VOTE);
        self.vote = Some(Vote { until: now + vote, next });
    }

    fn tell(&self, message: ToGame) {
        let game = self.game.and_then(|game| self.callers.get(&game));
        if let Some(game) = game {
            game.send(message);
        }
    }

    fn violation(&self, peer: PeerId, what: &'static str) {
        if let Some(caller) = self.callers.get(&peer) {
            caller.send(ToGame::Goodbye(Goodbye::Violation { what: Text::lossy(what) }));
            caller.disconnect(what);
        }
    }
}

impl Controls for ControllerLink {
    fn is_connected(&self) -> bool {
        self.game.is_some()
    }

    fn player_count(&self) -> usize {
        self.world.player_count()
    }

    /// Each player has one of their own.
    fn set_secret(&mut self, _secret: &JoinSecret) {}

    fn say(&mut self, speaker: &str, text: &str) {
        let (speaker, text) = (Text::lossy(speaker), Text::lossy(text));
        self.tell(ToGame::Say { speaker, text });
    }

    fn kick(&mut self, player: GamePlayerId, reason: &str) {
        self.tell(ToGame::Remove { player, reason: Text::lossy(reason) });
    }

    fn ping(&mut self) {
        self.tell(ToGame::Ping { nonce: unix_now().0 });
    }

    /// What is to be kept the game knows itself.
    fn quit(&mut self, _keep_world: bool) {
        let within_ms = u32::try_from(self.stop_within.as_millis()).unwrap_or(u32::MAX);
        self.tell(ToGame::Stop { within_ms });
    }

    /// Nothing is: it waits for the game.
    fn left_out(&mut self, _now: Instant) -> Option<u64> {
        None
    }

    fn close(&self) {
        self.handler.do_send(Drain { patience: Duration::ZERO });
    }
}

/// Takes as long whichever byte differs.
fn is_same(one: &ControllerToken, other: &ControllerToken) -> bool {
    let (one, other) = (one.reveal().as_bytes(), other.reveal().as_bytes());
    one.len() == other.len() && one.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

/// The game, and others of this machine. The next waits until one of them is sent away.
const MAX_CALLERS: usize = 64;

/// From the connection to the hello, and to the token. Then it is ended.
const PROVEN_WITHIN: Duration = Duration::from_secs(10);

/// A game cannot make its players wait longer.
const LONGEST_VOTE: Duration = Duration::from_secs(300);
