//! What a launcher may say, when, how long it may be and what it costs: one rule beside every kind
//! of message.
//!
//! What it says about players has a condition more: their ticket, see [`super::tickets`].

use protocol::{FromLauncherKind as Kind, MAX_HELLO};

/// What holds for one kind of message.
#[derive(Clone, Copy, Debug)]
pub(super) struct LauncherRule {
    who: Who,
    /// Most bytes it has, encoded. Longer ones end the connection.
    pub(super) max_bytes: usize,
    /// What it costs of the rate of messages.
    pub(super) cost: u32,
}

/// Who may say something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// Who has said nothing before.
    Newcomer,
    /// Who was greeted.
    Anybody,
    /// Who is enrolled.
    Enrolled,
}

/// How far a launcher has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It has said nothing yet.
    Connected,
    /// The store is asked who it is.
    Unknown,
    /// It is not enrolled, and may enrol.
    Stranger,
    /// It is enrolled.
    Enrolled,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LauncherVerdict {
    Allowed,
    /// It counts once it is known who says it.
    Kept,
    /// Only who is enrolled may say it: the connection ends.
    NotEnrolled,
    /// The connection ends.
    Violation(&'static str),
}

/// The rule of a kind. A kind without one does not compile.
pub(super) const fn launcher_rule(kind: Kind) -> LauncherRule {
    match kind {
        Kind::Hello => LauncherRule::new(Who::Newcomer, MAX_HELLO),
        Kind::Enroll => LauncherRule::new(Who::Anybody, 40),
        Kind::Ping | Kind::Pong => LauncherRule::new(Who::Anybody, 16),
        // 256 players, each with the longest name.
        Kind::Servers => LauncherRule::new(Who::Enrolled, 32 * 1024),
        Kind::Reachable => LauncherRule::new(Who::Enrolled, 160),
        Kind::Admitted => LauncherRule::new(Who::Enrolled, 48),
        Kind::Said => LauncherRule::new(Who::Enrolled, 480),
        // A signature is checked.
        Kind::Arrived => LauncherRule::new(Who::Enrolled, 1040).costs(2),
        Kind::Left => LauncherRule::new(Who::Enrolled, 20),
        // A commit each.
        Kind::Played => LauncherRule::new(Who::Enrolled, 64).costs(5),
    }
}

impl LauncherRule {
    const fn new(who: Who, max_bytes: usize) -> Self {
        Self { who, max_bytes, cost: 1 }
    }

    const fn costs(self, cost: u32) -> Self {
        Self { cost, ..self }
    }

    /// What becomes of a message of this kind, from who has come so far.
    pub(super) fn judge(&self, standing: Standing) -> LauncherVerdict {
        match (standing, self.who) {
            (Standing::Connected, Who::Newcomer) => LauncherVerdict::Allowed,
            (Standing::Connected, _) => LauncherVerdict::Violation("the first message is Hello"),
            (_, Who::Newcomer) => LauncherVerdict::Violation("Hello is said once"),
            (Standing::Unknown, _) => LauncherVerdict::Kept,
            (Standing::Stranger, Who::Enrolled) => LauncherVerdict::NotEnrolled,
            (Standing::Stranger, Who::Anybody) | (Standing::Enrolled, _) => {
                LauncherVerdict::Allowed
            }
        }
    }
}
