//! What a launcher and the keeper of one game server say to each other.
//!
//! A keeper outlives its launcher, and an old keeper talks to a new launcher: this link has
//! versions of its own, apart from [`VERSION`](crate::VERSION). Variants are only added at the
//! end, and not sent to a side that does not know them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    Admission, GamePlayerId, Goodbye, Hello, JoinSecret, List, RequestId, ServerChange,
    SignedTicket, Text, TicketId, TicketKey, Welcome,
    codec::{Decode, Encode},
    hello::highest_common,
    ids::decimal,
};

/// The version of the messages of this module.
pub const KEEPER_VERSION: u16 = 2;

/// The oldest version this side still speaks.
pub const KEEPER_LOWEST: u16 = 1;

/// What a launcher says to a keeper.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub enum ToKeeper {
    /// First, and once: [`keeper_hello`].
    Hello(Hello),
    /// I am the launcher: tell me all there is, then what changes, and do what I say. The one that
    /// was attached before hears `Goodbye::TakenOver`. Answered by `Changes`.
    Attach,
    /// Tell me, once, all there is. For who only looks. Answered by `Changes`.
    Report,
    /// Stop the game, and end. Only from the launcher, like all that follows but the pings.
    Stop,
    /// A player wants to join. Answered by `Admitted`.
    Admit {
        /// Ties the answer to it.
        request: RequestId,
        /// The player's account.
        player: Text<64>,
    },
    /// A player no longer wants to be there.
    Dismiss {
        /// The player's account.
        player: Text<64>,
    },
    /// Tell everybody in the game.
    Say {
        /// The account of who says it.
        speaker: Text<64>,
        /// What.
        text: Text<400>,
    },
    /// Throw a player out of the game.
    Kick {
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
    /// Believe tickets for `server` that are signed with one of these keys, and no others. Since
    /// version 2.
    TicketKeys {
        /// What the server is called in its tickets.
        server: Text<128>,
        /// How many milliseconds the login server's clock is ahead of the one here.
        ahead_ms: i64,
        /// The keys.
        keys: List<TicketKey, 8>,
    },
    /// A player with a ticket wants to join. Answered by `Admitted`. Since version 2: an older
    /// keeper hears `Admit`.
    AdmitTicket {
        /// Ties the answer to it.
        request: RequestId,
        /// The player's account.
        player: Text<64>,
        /// What the player holds.
        ticket: SignedTicket,
        /// For a game that takes no ticket.
        code: JoinSecret,
    },
}

/// What a keeper says to its launcher.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub enum FromKeeper {
    /// The answer to `Hello`.
    Welcome(Welcome),
    /// The connection ends, and why.
    Goodbye(Goodbye),
    /// All there is, or what became different.
    Changes(KeeperChanges),
    /// The answer to `Admit`.
    Admitted {
        /// The request it answers.
        request: RequestId,
        /// Whether the player may come.
        admission: Admission,
    },
    /// Somebody in the game said something to all who are in it.
    Said {
        /// The name the game knows.
        name: Text<64>,
        /// What.
        text: Text<400>,
    },
    /// The game's process has ended.
    Exited(Exited),
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
    /// A player is in the game, and has used this ticket up. Said again, of everybody who is in, to
    /// a launcher that attaches. Since version 2.
    Arrived {
        /// The ticket.
        ticket: SignedTicket,
        /// Its id.
        id: TicketId,
        /// The player, as the game counts them.
        player: GamePlayerId,
    },
    /// The player with this ticket is not in the game any more. Since version 2.
    Left {
        /// Which ticket.
        ticket: TicketId,
    },
}

/// What became different about a game server and its process.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct KeeperChanges {
    /// Forget what was known: what follows is everything, or its beginning.
    pub fresh: bool,
    /// In the order in which they happened.
    pub changes: List<KeeperChange, 256>,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub enum KeeperChange {
    /// Something everybody may know.
    Server(ServerChange),
    /// The process of the game; none: it does not run.
    GameProcess {
        /// Its process id.
        pid: Option<u32>,
    },
    /// The port on which players reach the game.
    GamePort(u16),
    /// Why the game does not run, or not well. Empty: nothing is wrong.
    Trouble(Text<256>),
}

/// The end of a game's process.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Exited {
    /// How it ended.
    pub cause: ExitCause,
    /// The last lines it wrote.
    pub last_lines: List<Text<256>, 20>,
}

/// How a game's process ended.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub enum ExitCause {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// There never was one.
    NotStarted {
        /// Why not.
        why: Text<128>,
    },
    /// It was killed, because it was not ready in time.
    TooSlow,
    /// It was killed, because it no longer answered.
    Hung,
}

impl fmt::Display for ExitCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
            Self::NotStarted { why } => write!(f, "not started: {why}"),
            Self::TooSlow => f.write_str("killed, because it was not ready in time"),
            Self::Hung => f.write_str("killed, because it no longer answered"),
        }
    }
}

/// What a launcher says first to a keeper.
pub fn keeper_hello(program: &str) -> Hello {
    Hello {
        program: Text::lossy(program),
        lowest: KEEPER_LOWEST,
        highest: KEEPER_VERSION,
        features: 0,
    }
}

/// The version to speak with the launcher that said `hello`, or what to say to one that is not
/// understood.
pub fn negotiate_keeper(hello: &Hello) -> Result<u16, Goodbye> {
    highest_common(hello, KEEPER_LOWEST..=KEEPER_VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ServerProperty, ServerState, Wire, decode, encode};

    #[track_caller]
    fn check<M: Wire + PartialEq + fmt::Debug>(message: &M, expected: &[u8]) {
        let mut bytes = Vec::new();
        encode(message, &mut bytes);
        assert_eq!(bytes, expected, "{message:?}");
        assert_eq!(&decode::<M>(&bytes).unwrap(), message);
    }

    #[test]
    fn an_old_keeper_and_a_new_launcher_agree_on_the_bytes() {
        check(&ToKeeper::Hello(keeper_hello("a")), &[0, 1, b'a', 1, 2, 0]);
        check(&ToKeeper::Attach, &[1]);
        check(&ToKeeper::Report, &[2]);
        check(&ToKeeper::Stop, &[3]);
        let (player, ann) = (GamePlayerId(2), Text::lossy("ann"));
        check(
            &ToKeeper::Admit { request: RequestId(7), player: ann.clone() },
            &[4, 7, 3, b'a', b'n', b'n'],
        );
        check(&ToKeeper::Dismiss { player: ann.clone() }, &[5, 3, b'a', b'n', b'n']);
        check(
            &ToKeeper::Say { speaker: ann, text: Text::lossy("hi") },
            &[6, 3, b'a', b'n', b'n', 2, b'h', b'i'],
        );
        check(&ToKeeper::Kick { player, reason: Text::lossy("x") }, &[7, 2, 1, b'x']);
        check(&ToKeeper::Ping { nonce: 5 }, &[8, 5]);
        check(&ToKeeper::Pong { nonce: 5 }, &[9, 5]);
        let (ticket, id) = (SignedTicket(Text::lossy("t")), TicketId([7; 16]));
        let server = Text::lossy("s");
        let keys = ToKeeper::TicketKeys { server, ahead_ms: -1, keys: List::default() };
        check(&keys, &[10, 1, b's', 1, 0]);
        let (player, code) = (Text::lossy("ann"), JoinSecret(Text::lossy("c")));
        let admit =
            ToKeeper::AdmitTicket { request: RequestId(7), player, ticket: ticket.clone(), code };
        check(&admit, &[11, 7, 3, b'a', b'n', b'n', 1, b't', 1, b'c']);

        check(&FromKeeper::Goodbye(Goodbye::TakenOver), &[1, 3]);
        let changes = vec![
            KeeperChange::Server(ServerChange::Property(ServerProperty::State(ServerState::Ready))),
            KeeperChange::GameProcess { pid: Some(3) },
            KeeperChange::GamePort(4),
            KeeperChange::Trouble(Text::default()),
        ];
        check(
            &FromKeeper::Changes(KeeperChanges { fresh: true, changes: List::first_of(changes) }),
            &[2, 1, 4, 0, 0, 2, 1, 1, 1, 3, 2, 4, 3, 0],
        );
        let admission = Admission::Granted { secret: JoinSecret(Text::lossy("s")) };
        check(&FromKeeper::Admitted { request: RequestId(7), admission }, &[3, 7, 0, 1, b's']);
        check(
            &FromKeeper::Said { name: Text::lossy("a"), text: Text::lossy("b") },
            &[4, 1, b'a', 1, b'b'],
        );
        let exited = Exited { cause: ExitCause::Signal(9), last_lines: List::default() };
        check(&FromKeeper::Exited(exited), &[5, 1, 18, 0]);
        check(&FromKeeper::Ping { nonce: 1 }, &[6, 1]);
        check(&FromKeeper::Pong { nonce: 1 }, &[7, 1]);
        let arrived = FromKeeper::Arrived { ticket, id, player: GamePlayerId(2) };
        check(&arrived, &[&[8, 1, b't'][..], &[7; 16], &[2]].concat());
        check(&FromKeeper::Left { ticket: id }, &[&[9][..], &[7; 16]].concat());
    }

    #[test]
    fn the_highest_version_both_know_is_spoken() {
        let hello = |lowest, highest| Hello { lowest, highest, ..keeper_hello("test") };
        assert_eq!(negotiate_keeper(&hello(1, 9)), Ok(KEEPER_VERSION));
        assert_eq!(negotiate_keeper(&hello(0, 0)), Err(Goodbye::YouAreTooOld { lowest: 1 }));
        assert_eq!(negotiate_keeper(&hello(8, 9)), Err(Goodbye::IAmTooOld { highest: 2 }));
        assert!(matches!(negotiate_keeper(&hello(2, 1)), Err(Goodbye::Violation { .. })));
    }
}
