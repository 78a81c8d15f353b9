//! What a game holds, and calls.

use std::{
    fmt,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, TryRecvError, sync_channel},
    },
    time::{Duration, Instant},
};

use protocol::{
    Blob, Clock, FromGameController, GameChange, GamePlayerId, List, MatchEnd, PlayerDataAnswer,
    RequestId, Start, TeamId, Text, ToGameController,
};

use crate::{
    ConnectError, Environment,
    connection::Connection,
    doors::Doors,
    link::{self, Shared},
};

/// The game's side of its link to the launcher.
///
/// Nothing here waits, unless it says so, and nothing fails: see the [crate](crate). Text of the game
/// may be any; what may not be shown is replaced by spaces, and what is too long is cut off.
///
/// Dropped, it says what is left to be said, for at most a second.
#[derive(Debug)]
pub struct GameController {
    shared: Arc<Shared>,
    heard: Receiver<ToGameController>,
    doors: Doors,
    next_request: u32,
}

/// Something the game is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Throw a player out, and say that the player has [left](GameController::player_left).
    Remove {
        /// Whom.
        player: u32,
        /// Shown to the player.
        reason: String,
    },
    /// Show everybody in the game what somebody outside of it says.
    Say {
        /// Who.
        speaker: String,
        /// What.
        text: String,
    },
    /// Begin the next match: the answer to [`match_ended`](GameController::match_ended).
    NextMap {
        /// On this map. None: whatever comes next.
        map: Option<String>,
    },
    /// The answer to [`ask_player_data`](GameController::ask_player_data).
    PlayerData {
        /// The question.
        request: RequestId,
        /// The answer.
        answer: PlayerDataAnswer,
    },
    /// Another process goes on with the next match: tell the player of this account how to get
    /// there. [`Stop`](Self::Stop) follows.
    GoOn {
        /// Whose player.
        account: Account,
        /// The port of the other process, at the same address.
        port: u16,
        /// What the player shows there.
        secret: String,
    },
    /// Tell the players, keep what is to be kept, and end with exit code 0.
    Stop {
        /// After so long comes SIGTERM.
        within: Duration,
    },
}

/// Somebody who has come through the login server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Account(Text<64>);

impl Account {
    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its name, as messages have it.
    pub fn to_text(&self) -> Text<64> {
        self.0.clone()
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl GameController {
    /// Connects to the keeper that has started this process. `program` is the name and version of
    /// the game, for logs.
    ///
    /// Waits for the keeper, which is there before the game is; and, where this process is to go on
    /// after another, until the vote for its map is over. So load first what takes long.
    ///
    /// # Errors
    ///
    /// [`ConnectError::Environment`] when this process was not started by a launcher; anything else
    /// when it was, and something is wrong: then better end.
    pub fn connect(program: &str) -> Result<(Self, Start), ConnectError> {
        Self::connect_to(Environment::of_this_process()?, program)
    }

    /// As [`connect`](Self::connect), with what another environment says.
    ///
    /// # Errors
    ///
    /// As `connect`.
    pub fn connect_to(
        environment: Environment,
        program: &str,
    ) -> Result<(Self, Start), ConnectError> {
        let (connection, start) = Connection::open(&environment, program)?;
        let shared = Arc::new(Shared::new());
        let (sender, heard) = sync_channel(MAX_HEARD);
        link::start(connection, environment, program.to_owned(), shared.clone(), sender)
            .map_err(ConnectError::NoThread)?;
        Ok((Self { shared, heard, doors: Doors::default(), next_request: 0 }, start))
    }

    /// Players can join. Until this is said none is sent here, and a game that never says it is
    /// ended (`ready_within`, 60 s).
    pub fn ready(&mut self) {
        self.shared.say(|outbox| outbox.ready());
    }

    /// What the game is asked to do next, if anything. Call it in every round of the game's loop,
    /// until there is nothing: that is also the sign of life.
    pub fn poll(&mut self) -> Option<Event> {
        loop {
            match self.heard.try_recv() {
                Ok(message) => {
                    if let Some(event) = self.event(message) {
                        return Some(event);
                    }
                }
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return None,
            }
        }
    }

    /// As [`poll`](Self::poll), but waits up to `patience` for something to come.
    pub fn wait(&mut self, patience: Duration) -> Option<Event> {
        let until = Instant::now() + patience;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.heard.recv_timeout(left) {
                Ok(message) => {
                    if let Some(event) = self.event(message) {
                        return Some(event);
                    }
                }
                Err(RecvTimeoutError::Timeout) => return None,
                Err(RecvTimeoutError::Disconnected) => {
                    // The keeper wants nothing more of us. The game may have other things to do.
                    std::thread::sleep(left);
                    return None;
                }
            }
        }
    }

    /// Whether there is a connection now. Lost ones are made again; a game need not care.
    pub fn is_connected(&self) -> bool {
        self.shared.is_connected()
    }

    /// Who has this secret, which the login server has given to somebody who wants to play here.
    /// None: nobody, or not any more; such a player has to stay outside.
    ///
    /// A secret is good once: who comes in and loses the connection needs another one.
    pub fn admit(&mut self, secret: &str) -> Option<Account> {
        self.doors.admit(secret, Instant::now()).map(Account)
    }

    /// A player is in the game, or has another name now. `player` is the game's own number for the
    /// player, `account` what [`admit`](Self::admit) said; bots have none.
    pub fn player_entered(&mut self, player: u32, name: &str, account: Option<&Account>) {
        let account = account.map(|account| account.0.clone());
        let (player, name) = (GamePlayerId(player), Text::lossy(name));
        self.change(GameChange::PlayerEntered { player, name, account });
    }

    /// A player has left the game, by itself or not.
    pub fn player_left(&mut self, player: u32) {
        self.change(GameChange::PlayerLeft { player: GamePlayerId(player) });
    }

    /// A player is in this team, or (none) watches.
    pub fn player_team(&mut self, player: u32, team: Option<u8>) {
        let (player, team) = (GamePlayerId(player), team.map(TeamId));
        self.change(GameChange::PlayerTeam { player, team });
    }

    /// A player has this score.
    pub fn player_score(&mut self, player: u32, score: i32) {
        self.change(GameChange::PlayerScore { player: GamePlayerId(player), score });
    }

    /// What is played.
    pub fn mode(&mut self, mode: &str) {
        self.change(GameChange::Mode(Text::lossy(mode)));
    }

    /// Which map is played.
    pub fn map(&mut self, map: &str) {
        self.change(GameChange::Map(Text::lossy(map)));
    }

    /// How many players fit in, if fewer than the operator allows.
    pub fn max_players(&mut self, max: u16) {
        self.change(GameChange::MaxPlayers(max));
    }

    /// There is a team of this name. At most 16.
    pub fn team(&mut self, team: u8, name: &str) {
        self.change(GameChange::Team { team: TeamId(team), name: Text::lossy(name) });
    }

    /// A team has this score.
    pub fn score(&mut self, team: u8, score: i32) {
        self.change(GameChange::Score { team: TeamId(team), score });
    }

    /// The time that is left in the match (none: it has no end), and whether it passes. Say it when
    /// the clock starts, stops or jumps, not with every second.
    pub fn clock(&mut self, left: Option<Duration>, runs: bool) {
        let left_ms = left.map(milliseconds);
        self.change(GameChange::Clock(Clock { left_ms, runs }));
    }

    /// Anything else worth showing in the list of servers. An empty value removes it. At most 32.
    pub fn detail(&mut self, key: &str, value: &str) {
        let (key, value) = (Text::lossy(key), Text::lossy(value));
        self.change(GameChange::Detail { key, value });
    }

    /// Somebody in the game said something to all who are in it. Further lines than five a second
    /// are dropped on their way.
    pub fn said(&mut self, name: &str, text: &str) {
        let (name, text) = (Text::lossy(name), Text::lossy(text));
        self.message(FromGameController::Said { name, text });
    }

    /// The match is over. After [`MatchEnd::vote_ms`] comes [`Event::NextMap`], or
    /// [`Event::Stop`] when another process goes on.
    pub fn match_ended(&mut self, end: MatchEnd) {
        self.message(FromGameController::MatchEnded(end));
    }

    /// Asks what is kept for a player who is in: a loadout, say. [`Event::PlayerData`] answers.
    ///
    /// Launchers of today have nobody to ask in turn: the answer for who is in is
    /// [`Unavailable`](PlayerDataAnswer::Unavailable). A game should have a default anyway.
    pub fn ask_player_data(&mut self, account: &Account, key: &str) -> RequestId {
        let request = RequestId(self.next_request);
        self.next_request = self.next_request.wrapping_add(1);
        let (account, key) = (account.0.clone(), Text::lossy(key));
        self.message(FromGameController::AskPlayerData { request, account, key });
        request
    }

    fn change(&self, change: GameChange) {
        self.shared.say(|outbox| outbox.change(change, Instant::now()));
    }

    fn message(&self, message: FromGameController) {
        if !self.shared.say(|outbox| outbox.message(message)) {
            tracing::warn!("the keeper takes nothing: a message to it is dropped");
        }
    }

    /// What a message means for the game. What only concerns us is done.
    fn event(&mut self, message: ToGameController) -> Option<Event> {
        match message {
            ToGameController::Expect { request, account, secret, within_ms } => {
                let (within, now) = (Duration::from_millis(within_ms.into()), Instant::now());
                if self.doors.expect(account, secret, within, now) {
                    self.message(FromGameController::Expected { request });
                }
                None
            }
            ToGameController::Dismiss { account } => {
                self.doors.dismiss(&account);
                None
            }
            ToGameController::Ping { nonce } => {
                self.message(FromGameController::Pong { nonce });
                None
            }
            ToGameController::Remove { player, reason } => {
                Some(Event::Remove { player: player.0, reason: reason.into() })
            }
            ToGameController::Say { speaker, text } => {
                Some(Event::Say { speaker: speaker.into(), text: text.into() })
            }
            ToGameController::NextMap { map } => {
                Some(Event::NextMap { map: map.map(String::from) })
            }
            ToGameController::PlayerData { request, answer } => {
                Some(Event::PlayerData { request, answer })
            }
            ToGameController::GoOn { account, port, secret } => {
                let (account, secret) = (Account(account), secret.reveal().to_owned());
                Some(Event::GoOn { account, port, secret })
            }
            ToGameController::Stop { within_ms } => {
                Some(Event::Stop { within: Duration::from_millis(within_ms.into()) })
            }
            ToGameController::Welcome(_)
            | ToGameController::Goodbye(_)
            | ToGameController::Start(_)
            | ToGameController::Pong { .. } => None,
        }
    }
}

impl Drop for GameController {
    fn drop(&mut self) {
        self.shared.close(LAST_WORDS_WITHIN);
    }
}

/// The end of a match after which the game goes on with its own rotation.
///
/// `context` is for whoever goes on: this game, or its next process. Of more than 64 KiB, which is
/// more than may be kept, nothing is.
pub fn match_end(
    context: Vec<u8>,
    next: Option<&str>,
    votable: &[&str],
    vote: Duration,
) -> MatchEnd {
    let context = Blob::try_from(context).unwrap_or_else(|error| {
        tracing::error!(%error, "the context of the match is not kept");
        Blob::default()
    });
    MatchEnd {
        context,
        next: next.map(Text::lossy),
        votable: List::first_of(votable.iter().map(|map| Text::lossy(map))),
        vote_ms: milliseconds(vote),
        results: List::default(),
    }
}

fn milliseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

/// What was heard and not polled for. Then nothing more is read.
const MAX_HEARD: usize = 256;

const LAST_WORDS_WITHIN: Duration = Duration::from_secs(1);
