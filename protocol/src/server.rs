//! A game server, as a list of what is known of it: a new property is one more variant.

use serde::{Deserialize, Serialize};

use crate::{
    GamePlayerId, List, ServerId, Text,
    codec::{Decode, Encode},
};

/// What became different in the list of servers. A whole list is told the same way.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct ServerEvents {
    /// Forget every server known from before: what follows is the whole list, or its beginning.
    pub fresh: bool,
    /// In the order in which they happened.
    pub events: List<ServerEvent, 256>,
}

/// Something that happened to one game server.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub enum ServerEvent {
    /// There is a server with this id. Nothing else is known of it yet.
    Appeared {
        /// Its id.
        server: ServerId,
    },
    /// Something about it is different, or known now.
    Changed {
        /// Its id.
        server: ServerId,
        /// What.
        change: ServerChange,
    },
    /// It is gone from the list.
    Disappeared {
        /// Its id.
        server: ServerId,
    },
}

/// What can be different about one server.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub enum ServerChange {
    /// A property has this value now.
    Property(ServerProperty),
    /// A player is in the game, or has this name now.
    PlayerEntered {
        /// The player, as the game counts them.
        player: GamePlayerId,
        /// The name the player has in the game. Games let players choose: it proves nothing.
        name: Text<64>,
    },
    /// A player has left the game.
    PlayerLeft {
        /// The player, as the game counts them.
        player: GamePlayerId,
    },
    /// Every player is out: the game has ended or lost them.
    AllPlayersLeft,
}

/// A fact about one server.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub enum ServerProperty {
    /// What players see in the list.
    Title(Text<64>),
    /// Which game it is: `openttd`, `teeworlds`.
    Game(Text<32>),
    /// Whether players can join.
    State(ServerState),
    /// The map, as the game names it.
    Map(Text<64>),
    /// How many players fit in.
    MaxPlayers(u16),
    /// Anything else worth showing, by a key of the game's own: `date`, `landscape`.
    Detail {
        /// What it is. A later value replaces an earlier one of the same key.
        key: Text<32>,
        /// How it is; empty: no longer known.
        value: Text<64>,
    },
}

/// Where a game server is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub enum ServerState {
    /// Its process runs, or will in a moment, and does not answer yet.
    Starting,
    /// It answers: players can join.
    Ready,
    /// It has crashed, and is started again after a pause.
    Restarting,
    /// It is being stopped.
    Stopping,
    /// It does not run, because somebody wants it so.
    Stopped,
    /// It does not run, because it crashed too often: its operator has to look.
    Failed,
    /// Its launcher cannot be reached, so nobody knows. The game itself goes on.
    Unreachable,
}
