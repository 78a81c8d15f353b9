//! Who may say what, when, how long it may be and what it costs: one rule beside every kind of
//! message of game clients.
//!
//! What is against a rule is refused as what it is, or ignored where nobody waits for an answer.
//! Whoever does not stop is sent away.

use accounts::Permission;
use protocol::{FromGameClientKind as Kind, MAX_VALUE, Refusal};

use super::clients::{BUSY, ClientState};

/// What holds for one kind of message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    when: When,
    /// What the role of who says it has to allow.
    permission: Option<Permission>,
    /// Most bytes it has, encoded. Longer ones end the connection.
    pub(super) max_bytes: usize,
    /// What it costs of the rate of messages.
    pub(super) cost: u32,
}

/// In which state something may be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// As the first word.
    First,
    /// After that.
    Greeted,
    /// Without a session.
    LoggedOut,
    /// With one.
    LoggedIn,
}

/// What becomes of a message.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    Allowed,
    /// Its request is refused; what makes no request is ignored.
    Refused(Refusal),
    /// The connection ends.
    Violation(&'static str),
}

/// The rule of a kind. A kind without one does not compile.
pub(super) const fn rule(kind: Kind) -> Rule {
    match kind {
        Kind::Hello => Rule::new(When::First, 767),
        Kind::Register | Kind::LogIn => Rule::new(When::LoggedOut, 256),
        Kind::Resume => Rule::new(When::LoggedOut, 64),
        Kind::LogOut => Rule::new(When::LoggedIn, 8),
        // Its answer can be two megabytes long.
        Kind::WatchServers => Rule::new(When::LoggedIn, 8).costs(5),
        Kind::UnwatchServers => Rule::new(When::LoggedIn, 8),
        Kind::Join => Rule::new(When::LoggedIn, 16).needs(Permission::Join),
        Kind::Leave => Rule::new(When::LoggedIn, 8),
        Kind::Chat => Rule::new(When::LoggedIn, 416).needs(Permission::Chat),
        Kind::Ping | Kind::Pong => Rule::new(When::Greeted, 16),
        Kind::Ack => Rule::new(When::Greeted, 16),
        Kind::LogInAsGuest => Rule::new(When::LoggedOut, 8),
        Kind::Claim => Rule::new(When::LoggedIn, 256),
        Kind::ListSessions => Rule::new(When::LoggedIn, 8),
        Kind::RevokeSessions => Rule::new(When::LoggedIn, 24),
        Kind::ChangePassword => Rule::new(When::LoggedIn, 288),
        Kind::DeleteAccount => Rule::new(When::LoggedIn, 160),
        // All that is kept is read for it.
        Kind::Export => Rule::new(When::LoggedIn, 24).costs(5),
        Kind::ListData | Kind::GetProgress => Rule::new(When::LoggedIn, 80),
        Kind::GetData => Rule::new(When::LoggedIn, 144),
        // A commit each.
        Kind::SetData => Rule::new(When::LoggedIn, MAX_VALUE + 176).costs(5),
        Kind::Report => Rule::new(When::LoggedIn, 480).needs(Permission::Report).costs(5),
    }
}

impl Rule {
    const fn new(when: When, max_bytes: usize) -> Self {
        Self { when, permission: None, max_bytes, cost: 1 }
    }

    const fn needs(self, permission: Permission) -> Self {
        Self { permission: Some(permission), ..self }
    }

    const fn costs(self, cost: u32) -> Self {
        Self { cost, ..self }
    }

    /// What becomes of a message of this kind from a client in `state`, whose role allows what
    /// `may` says.
    pub(super) fn judge(&self, state: &ClientState, may: impl Fn(Permission) -> bool) -> Verdict {
        match (state, self.when) {
            (ClientState::Connected, When::First) | (_, When::Greeted) => match state {
                ClientState::Connected if self.when != When::First => {
                    Verdict::Violation("the first message is Hello")
                }
                _ => Verdict::Allowed,
            },
            (ClientState::Connected, _) => Verdict::Violation("the first message is Hello"),
            (_, When::First) => Verdict::Violation("Hello is said once"),
            (ClientState::Greeted { .. }, When::LoggedOut) => Verdict::Allowed,
            (ClientState::Queued { .. }, When::LoggedOut) => Verdict::Refused(BUSY),
            (ClientState::LoggedIn { .. }, When::LoggedOut) => {
                Verdict::Refused(Refusal::AlreadyLoggedIn)
            }
            (ClientState::Greeted { .. } | ClientState::Queued { .. }, When::LoggedIn) => {
                Verdict::Refused(Refusal::NotLoggedIn)
            }
            (ClientState::LoggedIn { .. }, When::LoggedIn) => match self.permission {
                Some(permission) if !may(permission) => Verdict::Refused(Refusal::NotAllowed),
                _ => Verdict::Allowed,
            },
        }
    }
}

/// Messages against a rule after which a connection ends.
pub(super) const MAX_STRIKES: u32 = 50;
