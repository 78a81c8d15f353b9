//! What a game server with a game controller in it and the keeper of its process say to each other.
//!
//! Game servers are built when their authors find the time: this link has versions of its own, apart
//! from [`VERSION`](crate::VERSION). Variants are only added at the end, and not sent to a side that
//! does not know them.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{
    Blob, ControllerToken, GamePlayerId, Goodbye, Hello, JoinSecret, List, RequestId, Text,
    Welcome,
    codec::{Decode, Encode},
    hello::highest_common,
    ids::decimal,
};

/// The version of the messages of this module.
pub const CONTROLLER_VERSION: u16 = 1;

/// The oldest version this side still speaks.
pub const CONTROLLER_LOWEST: u16 = 1;

/// What a game server says to its keeper.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub enum FromGameController {
    /// First, and once: [`controller_hello`].
    Hello(Hello),
    /// I am the process you have started. After the `Welcome`, once. Answered by `Start`.
    Prove {
        /// What its environment says.
        token: ControllerToken,
    },
    /// Players can join.
    Ready,
    /// All there is, or what became different.
    Changes(GameChanges),
    /// The answer to `Expect`: that player, with that secret, will be let in.
    Expected {
        /// The request it answers.
        request: RequestId,
    },
    /// Somebody in the game said something to all who are in it.
    Said {
        /// The name the game knows.
        name: Text<64>,
        /// What.
        text: Text<400>,
    },
    /// A match is over. Answered by `NextMap`, or by a successor that goes on with the context.
    MatchEnded(MatchEnd),
    /// What is kept for a player who is in? Answered by `PlayerData`.
    AskPlayerData {
        /// Ties the answer to it.
        request: RequestId,
        /// The player's account.
        account: Text<64>,
        /// Under which name it is kept: `loadout/medium/2`.
        key: Text<64>,
    },
    /// Are you there? Answered by `Pong`.
    Ping {
        /// Comes back in the answer.
        #[serde(with = "decimal")]
        nonce: u64,
    },
    /// The answer to `Ping`: the game itself goes on, and not only its connection.
    Pong {
        /// What the ping said.
        #[serde(with = "decimal")]
        nonce: u64,
    },
}

/// What a keeper says to its game server.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub enum ToGameController {
    /// The answer to `Hello`.
    Welcome(Welcome),
    /// The connection ends, and why.
    Goodbye(Goodbye),
    /// The answer to `Prove`: what this start of the game is to be.
    Start(Start),
    /// A player wants to join: let in who shows the secret, once. Answered by `Expected`.
    Expect {
        /// Ties the answer to it.
        request: RequestId,
        /// The player's account.
        account: Text<64>,
        /// What the player will show.
        secret: JoinSecret,
        /// How long it is good for.
        within_ms: u32,
    },
    /// That player no longer wants to join: the secret is good for nothing.
    Dismiss {
        /// The player's account.
        account: Text<64>,
    },
    /// Throw a player out.
    Remove {
        /// Whom, as the game counts them.
        player: GamePlayerId,
        /// Shown to the player.
        reason: Text<128>,
    },
    /// Tell everybody in the game.
    Say {
        /// The account of who says it.
        speaker: Text<64>,
        /// What.
        text: Text<400>,
    },
    /// The vote is over: play this map. Answers `MatchEnded`.
    NextMap {
        /// As the game named it. None: whatever comes next.
        map: Option<Text<64>>,
    },
    /// The answer to `AskPlayerData`.
    PlayerData {
        /// The request it answers.
        request: RequestId,
        /// What there is.
        answer: PlayerDataAnswer,
    },
    /// End, by yourself, and soon.
    Stop {
        /// After so long it is ended by a signal.
        within_ms: u32,
    },
    /// Are you there? Answered by `Pong`, as soon as the game itself comes round to it.
    Ping {
        /// Comes back in the answer.
        #[serde(with = "decimal")]
        nonce: u64,
    },
    /// The answer to `Ping`.
    Pong {
        /// What the ping said.
        #[serde(with = "decimal")]
        nonce: u64,
    },
    /// Another process goes on with the next match. Tell this player, who is in, how to get there.
    /// `Stop` follows.
    GoOn {
        /// The player's account.
        account: Text<64>,
        /// The port of the other process, at the same addresses.
        port: u16,
        /// What the player shows there.
        secret: JoinSecret,
    },
}

/// What a start of a game server is to be.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Start {
    /// What players see in the list.
    pub title: Text<64>,
    /// The address to listen at for players.
    pub bind: IpAddr,
    /// The port to listen at for players.
    pub port: u16,
    /// How many players may be in.
    pub max_players: u16,
    /// What the game had to say to its successor when its last match ended. Empty: nothing.
    pub context: Blob<MAX_CONTEXT>,
    /// The map to begin with. None: whatever comes next.
    pub map: Option<Text<64>>,
}

/// What became different about a game.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct GameChanges {
    /// Forget what was known: what follows is everything, or its beginning.
    pub fresh: bool,
    /// In the order in which they happened.
    pub changes: List<GameChange, 256>,
}

/// One difference. Until something is said it is not known.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub enum GameChange {
    /// What is played: `capture the flag`.
    Mode(Text<32>),
    /// The map, as the game names it.
    Map(Text<64>),
    /// How many players fit in.
    MaxPlayers(u16),
    /// There is a team, or it has this name now.
    Team {
        /// The team, as the game counts them.
        team: TeamId,
        /// Its name.
        name: Text<32>,
    },
    /// A team has this score.
    Score {
        /// The team, as the game counts them.
        team: TeamId,
        /// The score.
        score: i32,
    },
    /// The clock of the match.
    Clock(Clock),
    /// Anything else worth showing.
    Detail {
        /// What it is. A later value replaces an earlier one of the same key.
        key: Text<32>,
        /// How it is; empty: no longer known.
        value: Text<64>,
    },
    /// A player is in the game, or has this name now.
    PlayerEntered {
        /// The player, as the game counts them.
        player: GamePlayerId,
        /// The name the player has in the game.
        name: Text<64>,
        /// Whose secret the player has shown. None: a bot, or somebody who needed none.
        account: Option<Text<64>>,
    },
    /// A player is in this team now.
    PlayerTeam {
        /// The player, as the game counts them.
        player: GamePlayerId,
        /// None: in none, a spectator.
        team: Option<TeamId>,
    },
    /// A player has this score.
    PlayerScore {
        /// The player, as the game counts them.
        player: GamePlayerId,
        /// The score.
        score: i32,
    },
    /// A player has left the game.
    PlayerLeft {
        /// The player, as the game counts them.
        player: GamePlayerId,
    },
}

/// A team as the game counts them.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
pub struct TeamId(pub u8);

/// The clock of a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Clock {
    /// Milliseconds until it ends. None: it has no end.
    pub left_ms: Option<u32>,
    /// Whether the clock runs.
    pub runs: bool,
}

/// How a match has ended, and what may follow.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct MatchEnd {
    /// For the successor, or for this game when it is started again: where the rotation stands.
    /// Nobody else understands it.
    pub context: Blob<MAX_CONTEXT>,
    /// The map that follows when nobody votes. None: the game does not know yet.
    pub next: Option<Text<64>>,
    /// What players can choose from.
    pub votable: List<Text<64>, 32>,
    /// How long they have for it. Then comes `NextMap`.
    pub vote_ms: u32,
    /// What there is to say of those who played.
    pub results: List<PlayerResult, 1024>,
}

/// What a match was for one account.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct PlayerResult {
    /// The player's account.
    pub account: Text<64>,
    /// How long the player has played in this match.
    pub played_ms: u32,
    /// Whether the player's side has won.
    pub won: bool,
}

/// What is kept for a player.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub enum PlayerDataAnswer {
    /// This.
    Value(Blob<MAX_PLAYER_DATA>),
    /// Nothing, under this name.
    Nothing,
    /// This player is not in the game, as far as is known.
    NotHere,
    /// It cannot be had now: the login server is away, or keeps nothing for players.
    Unavailable,
}

/// Most bytes of what a game says to its successor.
pub const MAX_CONTEXT: usize = 64 * 1024;

/// Most bytes of one thing that is kept for a player.
pub const MAX_PLAYER_DATA: usize = 16 * 1024;

/// What a game server says first to its keeper.
pub fn controller_hello(program: &str) -> Hello {
    Hello {
        program: Text::lossy(program),
        lowest: CONTROLLER_LOWEST,
        highest: CONTROLLER_VERSION,
        features: 0,
    }
}

/// The version to speak with the game server that said `hello`, or what to say to one that is not
/// understood.
///
/// # Errors
///
/// The last message to it.
pub fn negotiate_controller(hello: &Hello) -> Result<u16, Goodbye> {
    highest_common(hello, CONTROLLER_LOWEST..=CONTROLLER_VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_version_both_know_is_spoken() {
        let hello = |lowest, highest| Hello { lowest, highest, ..controller_hello("test") };
        assert_eq!(negotiate_controller(&controller_hello("test")), Ok(CONTROLLER_VERSION));
        assert_eq!(negotiate_controller(&hello(1, 9)), Ok(CONTROLLER_VERSION));
        assert_eq!(negotiate_controller(&hello(0, 0)), Err(Goodbye::YouAreTooOld { lowest: 1 }));
        assert_eq!(negotiate_controller(&hello(8, 9)), Err(Goodbye::IAmTooOld { highest: 1 }));
    }
}
