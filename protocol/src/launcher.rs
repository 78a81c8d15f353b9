//! What a game server launcher and the login server say to each other.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{
    EnrollmentSecret, GamePlayerId, Goodbye, Hello, JoinSecret, KeyPin, List, MatchId, RequestId,
    ServerEvents, ServerId, SignedTicket, Text, TicketId, TicketKey, UnixMillis, Welcome,
    codec::{Decode, Encode},
    ids::decimal,
    kind::kinds,
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
    /// A player is in the game of a server, and has shown this ticket for it, or the code that came
    /// with it. Said again, of everybody who is in, on every new connection.
    Arrived {
        /// The ticket.
        ticket: SignedTicket,
        /// The player, as the game counts them.
        player: GamePlayerId,
    },
    /// The player with this ticket is not in the game any more.
    Left {
        /// Which ticket, of one that has arrived.
        ticket: TicketId,
    },
    /// The player with this ticket has played a match. Answered by `Counted`; said again it counts
    /// once.
    Played {
        /// Ties the answer to it.
        request: RequestId,
        /// Which ticket.
        ticket: TicketId,
        /// Which match.
        id: MatchId,
        /// When the player began.
        started: UnixMillis,
        /// When the player ended.
        ended: UnixMillis,
        /// Whether the player has won.
        won: bool,
        /// Experience the player has earned.
        xp: u32,
    },
}

/// What became of a match that was reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub enum Counting {
    /// It counts, now or since it was reported before.
    Counts,
    /// The operator does not let this launcher count for progress.
    NotAllowed,
    /// It cannot have been so, or was too long ago.
    Impossible,
    /// There is no such player any more.
    UnknownPlayer,
    /// Not now: report it again later.
    Unavailable,
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
    /// Believe tickets that are signed with one of these keys, and no others. Comes before the first
    /// `Admit`, and again when a key is another one.
    TicketKeys {
        /// What the login server's clock shows: tickets are good for minutes.
        now: UnixMillis,
        /// The key that signs, the next one, and some that have signed lately.
        keys: List<TicketKey, 8>,
    },
    /// A player wants to join. Answered by `Admitted`.
    Admit {
        /// Ties the answer to it.
        request: RequestId,
        /// Which server.
        server: ServerId,
        /// The player's account.
        player: Text<64>,
        /// What the player holds. What is said about this player has to name it.
        ticket: SignedTicket,
        /// 20 characters for a game that takes no ticket: its password, or what its gate lets in.
        code: JoinSecret,
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
    /// Something the launcher has said is not taken.
    Refused(LauncherRefusal),
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
    /// What became of a match that was reported.
    Counted {
        /// The request it answers.
        request: RequestId,
        /// What.
        counting: Counting,
    },
    /// The login server's key will be another one. Comes after the welcome, and when it is decided:
    /// who pins keys has to know it by then.
    NextKey {
        /// The next key.
        pin: KeyPin,
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
    /// The player's ticket is not good, or was used before.
    TicketRefused,
}

/// Why something a launcher has said is not taken.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize, thiserror::Error)]
pub enum LauncherRefusal {
    /// A server is not listed: its operator lets this launcher have no more.
    #[error("server {server} is not listed: no more than {most} are allowed")]
    TooManyServers {
        /// Which one.
        server: ServerId,
        /// How many there may be.
        most: u32,
    },
    /// Nothing is heard about a player whose ticket for a server of this launcher is not known.
    #[error("no player with this ticket is on a server of this launcher")]
    NotYourPlayer {
        /// The ticket, if one could be read.
        ticket: Option<TicketId>,
    },
}

kinds! {
    /// What a launcher says, without its fields.
    FromLauncherKind of FromLauncher {
        Hello, Enroll, Servers, Reachable, Admitted, Said, Ping, Pong, Arrived, Left, Played,
    }
}
