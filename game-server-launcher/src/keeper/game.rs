//! What every game tells its keeper, whatever it speaks itself.

use protocol::{Admission, Blob, JoinSecret, MAX_CONTEXT, RequestId, ServerChange, Text};

/// Something a game has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum GameEvent {
    /// It answers: players can join.
    Ready,
    /// It gave a sign of life.
    Alive,
    /// Something about it is different.
    Change(ServerChange),
    /// Somebody in it said something to all.
    Said {
        /// The name the game knows.
        name: Text<64>,
        /// What.
        text: Text<400>,
    },
    /// It takes this join secret now, and no other.
    SecretSet(JoinSecret),
    /// Whether a player who wanted to come in may. Of games that know each player's secret.
    Admitted {
        /// Who asked.
        request: RequestId,
        /// The answer.
        admission: Admission,
    },
    /// A match is over. The game has this to say to whichever of its processes goes on after it.
    MatchEnded(Blob<MAX_CONTEXT>),
    /// It is decided what is played next.
    VoteOver {
        /// On this map. None: the game knows.
        map: Option<Text<64>>,
    },
    /// It takes a player of its predecessor, with this secret.
    Takes {
        /// The player's account.
        account: Text<64>,
        /// What the player has to show.
        secret: JoinSecret,
    },
}
