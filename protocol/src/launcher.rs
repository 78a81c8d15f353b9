//! What a game server launcher and the login server say to each other.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{
    EnrollmentSecret, GamePlayerId, Goodbye, Hello, JoinSecret, List, RequestId, ServerEvents,
    ServerId, Text, Welcome,
    codec::{Decode, Encode},
    ids::decimal,
};

/// What a launcher says to the login server. Who it is was proved by its key in the handshake.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub enum FromLauncher {
    /// First, and once.
    Hello(Hello),
    /// From now on my key is that of an enrolled launcher. Answered by `Enrolled`.
    Enroll {
        /// What the operator was given.
        secret: EnrollmentSecret,
    },
    /// My servers, or what became different about them. The first one is `fresh`.
    Servers(ServerEvents),
    /// Where players find a server.
    Reachable(Reachable),
    /// The answer to `Admit`.
    Admitted {
        /// The request it answers.
        request: RequestId,
        /// Whether the player may come.
        admission: Admission,
    },
    /// Somebody in a game said something to all who are in it.
    Said {
        /// In which server.
        server: ServerId,
        /// The name the game knows.
        name: Text<64>,
        /// What.
        text: Text<400>,
    },
    /// Are you there? Answered by `Pong`.
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
}

/// What the login server says to a launcher.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub enum ToLauncher {
    /// The answer to `Hello`.
    Welcome(Welcome),
    /// The connection ends, and why.
    Goodbye(Goodbye),
    /// The launcher's key is enrolled.
    Enrolled {
        /// The name the operator gave it.
        name: Text<64>,
    },
    /// A player wants to join. Answered by `Admitted`.
    Admit {
        /// Ties the answer to it.
        request: RequestId,
        /// Which server.
        server: ServerId,
        /// The player's account.
        player: Text<64>,
    },
    /// A player no longer wants to be there: the game should not wait for them.
    Dismiss {
        /// Which server.
        server: ServerId,
        /// The player's account.
        player: Text<64>,
    },
    /// Tell everybody in the game.
    Say {
        /// Which server.
        server: ServerId,
        /// The account of who says it.
        speaker: Text<64>,
        /// What.
        text: Text<400>,
    },
    /// Throw a player out of the game.
    Kick {
        /// Which server.
        server: ServerId,
        /// Whom, as the game counts them.
        player: GamePlayerId,
        /// Shown to the player.
        reason: Text<128>,
    },
    /// Are you there? Answered by `Pong`.
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
}

/// Where players find a server.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Reachable {
    /// Which server.
    pub server: ServerId,
    /// Addresses its operator wants used. None: the one the launcher connects from.
    pub addresses: List<IpAddr, 8>,
    /// The port, the same at each of them.
    pub port: u16,
}

/// A launcher's word on a player who wants to join.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub enum Admission {
    /// The game server takes this secret now.
    Granted {
        /// What the player has to show.
        secret: JoinSecret,
    },
    /// The launcher has no such server.
    UnknownServer,
    /// The server takes no players now.
    NotReady,
    /// The server has as many players as fit in.
    Full,
}
