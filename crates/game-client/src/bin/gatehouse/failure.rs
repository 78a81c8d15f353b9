//! What went wrong, for people and for scripts.

use std::{fmt, io, process::ExitCode};

use game_client::{ConnectError, ConnectionLost, RequestError, SessionEnd, StartError};
use protocol::{Goodbye, Refusal};
use serde::{Deserialize, Serialize};

/// What went wrong, for people and for scripts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    /// For scripts: the same words for the same reason, always.
    pub(crate) reason: String,
    /// For people.
    pub(crate) message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// The login server said no.
    Refused,
    /// It did not work.
    Failed,
    /// It was asked for in a wrong way.
    Usage,
    /// Nobody listens to our output any more: nothing to say.
    Quiet,
}

impl Failure {
    pub(crate) fn failed(reason: &str, message: impl fmt::Display) -> Self {
        Self { kind: Kind::Failed, reason: reason.into(), message: message.to_string() }
    }

    pub(crate) fn usage(reason: &str, message: impl fmt::Display) -> Self {
        Self { kind: Kind::Usage, reason: reason.into(), message: message.to_string() }
    }

    pub(crate) fn quiet() -> Self {
        Self { kind: Kind::Quiet, reason: String::new(), message: String::new() }
    }

    /// With advice behind the message.
    pub(crate) fn hint(mut self, hint: &str) -> Self {
        self.message.push_str(": ");
        self.message.push_str(hint);
        self
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self.kind {
            Kind::Refused | Kind::Failed => ExitCode::from(1),
            Kind::Usage => ExitCode::from(2),
            Kind::Quiet => ExitCode::SUCCESS,
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let (reason, hint) = match &refusal {
            Refusal::NotLoggedIn => ("not_logged_in", Some("log in with `gatehouse login NAME`")),
            Refusal::AlreadyLoggedIn => ("already_logged_in", None),
            Refusal::NameTaken => {
                ("name_taken", Some("if it is yours, log in with `gatehouse login NAME`"))
            }
            Refusal::InvalidName { .. } => ("invalid_name", None),
            Refusal::InvalidPassword { .. } => ("invalid_password", None),
            Refusal::WrongNameOrPassword => ("wrong_name_or_password", None),
            Refusal::SessionEnded => ("session_ended", Some("log in with `gatehouse login NAME`")),
            Refusal::UnknownServer => ("unknown_server", Some("see `gatehouse servers`")),
            Refusal::ServerNotReady => ("server_not_ready", Some("see `gatehouse servers`")),
            Refusal::ServerFull => ("server_full", None),
            Refusal::NotOnServer => ("not_on_server", None),
            Refusal::Busy { .. } => ("busy", None),
            Refusal::Unavailable => ("unavailable", None),
            Refusal::Muted { .. } => ("muted", None),
            Refusal::NotAllowed => ("not_allowed", None),
            Refusal::UnknownSession => ("unknown_session", Some("see `gatehouse sessions`")),
            Refusal::NotForGuests => {
                ("not_for_guests", Some("take a name with `gatehouse claim NAME`"))
            }
            Refusal::NotAGuest => ("not_a_guest", None),
            Refusal::OnServer => ("on_server", Some("leave it with `gatehouse leave`")),
            Refusal::UnknownPlayer => ("unknown_player", None),
            Refusal::InvalidKey { .. } => ("invalid_key", None),
            Refusal::Changed { .. } => ("changed", None),
            Refusal::TooMany => ("too_many", None),
        };
        let failure =
            Self { kind: Kind::Refused, reason: reason.into(), message: refusal.to_string() };
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Refused(refusal) => refusal.into(),
            RequestError::Timeout => Self::failed("timeout", error),
            RequestError::ConnectionLost(lost) | RequestError::NotSaid(lost) => lost.into(),
            other => Self::failed("failed", other),
        }
    }
}

impl From<ConnectionLost> for Failure {
    fn from(lost: ConnectionLost) -> Self {
        let reason = match &lost {
            ConnectionLost::Goodbye(goodbye) => goodbye_reason(goodbye),
            _ => "connection_lost",
        };
        Self::failed(reason, format!("connection lost: {lost}"))
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        let reason = match &error {
            ConnectError::WrongKey { .. } => "wrong_key",
            ConnectError::Untrusted { .. } => "untrusted",
            ConnectError::Version { .. } => "version",
            ConnectError::TimedOut { .. } => "timeout",
            ConnectError::Lost { source: ConnectionLost::Goodbye(goodbye), .. } => {
                goodbye_reason(goodbye)
            }
            _ => "unreachable",
        };
        match &error {
            ConnectError::Unreachable { server, source }
                if source.kind() == io::ErrorKind::ConnectionRefused =>
            {
                Self::failed(reason, format!("nobody listens at {server}"))
                    .hint("check the host and the port, or the login server is down")
            }
            ConnectError::Unreachable { .. } => {
                Self::failed(reason, error).hint("check the host and the port")
            }
            ConnectError::TimedOut { .. } => Self::failed(reason, error).hint(
                "check the host and the port, or the login server is down, or a firewall is \
                 between you",
            ),
            _ => Self::failed(reason, error),
        }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Connect(error) => error.into(),
            StartError::Request(error) => error.into(),
        }
    }
}

impl From<SessionEnd> for Failure {
    fn from(end: SessionEnd) -> Self {
        match end {
            SessionEnd::Goodbye(goodbye) => Self::failed(goodbye_reason(&goodbye), goodbye),
            SessionEnd::Refused(refusal) => refusal.into(),
            SessionEnd::Connect(error) => error.into(),
            other => Self::failed("closed", other),
        }
    }
}

fn goodbye_reason(goodbye: &Goodbye) -> &'static str {
    match goodbye {
        Goodbye::YouAreTooOld { .. } | Goodbye::IAmTooOld { .. } => "version",
        Goodbye::ShuttingDown | Goodbye::ComeBack { .. } => "shutting_down",
        Goodbye::TakenOver => "taken_over",
        Goodbye::Violation { .. } => "protocol_violation",
        Goodbye::NotEnrolled | Goodbye::EnrollmentRefused => "not_enrolled",
        Goodbye::Busy { .. } => "busy",
        Goodbye::Revoked => "revoked",
        Goodbye::Silent => "silent",
        Goodbye::Banned { .. } => "banned",
    }
}
