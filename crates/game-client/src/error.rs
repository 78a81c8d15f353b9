//! What can go wrong between a player and the login server.

use std::{io, sync::Arc};

use connection_handler::transport::keys::KeyFingerprint;
use framing::FrameError;
use protocol::{DecodeError, Goodbye, Refusal};

/// Why there is no connection.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Nobody who speaks our protocol answers there, or not now.
    #[error("{server} cannot be reached: {source}")]
    Unreachable {
        /// Where we tried.
        server: String,
        /// What the network says.
        source: Arc<io::Error>,
    },
    /// It took longer than the connect timeout.
    #[error("{server} does not answer")]
    TimedOut {
        /// Where we tried.
        server: String,
    },
    /// Somebody answers who does not have the key we expect.
    #[error(
        "{server} is not the server we know: its key is {seen}, expected was {}. \
         If its operator says that the key has changed, log in again with --trust and the new pin \
         that the login server prints when it starts; otherwise somebody else answers in its place",
        list(.expected)
    )]
    WrongKey {
        /// Where we tried.
        server: String,
        /// Any of these would have been right.
        expected: Vec<KeyFingerprint>,
        /// Whose signature the other side has proved.
        seen: KeyFingerprint,
    },
    /// Its certificate is not one that the trusted authorities vouch for.
    #[error("the certificate of {server} is not trusted: {reason}")]
    Untrusted {
        /// Where we tried.
        server: String,
        /// What is wrong with the certificate.
        reason: String,
    },
    /// We are too old for the server, or the server for us. Another attempt changes nothing.
    #[error("{server} speaks another version: {goodbye}")]
    Version {
        /// Where we tried.
        server: String,
        /// Which side is too old.
        goodbye: Goodbye,
    },
    /// The server ended the connection, or it broke, before its welcome.
    #[error("{server} does not let us in: {source}")]
    Lost {
        /// Where we tried.
        server: String,
        /// How it ended.
        source: ConnectionLost,
    },
}

/// How a connection ended.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionLost {
    /// The server said why.
    #[error("{0}")]
    Goodbye(Goodbye),
    /// The server closed it without a word, or died.
    #[error("closed by the server")]
    Closed,
    /// No word from the server for too long.
    #[error("the server is silent")]
    Silent,
    /// The server sent what is no message, or not one for this moment.
    #[error("the server does not keep to the protocol: {0}")]
    Invalid(Arc<str>),
    /// The transport failed.
    #[error("{0}")]
    Io(Arc<io::Error>),
    /// We closed it: every [`Client`](crate::Client) was dropped.
    #[error("closed")]
    Local,
}

/// Why a request has no answer, or another one than hoped for.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The server said no. Nothing has changed.
    #[error("{0}")]
    Refused(Refusal),
    /// The connection ended before it was said: it was not done.
    #[error("connection lost before: {0}")]
    NotSaid(ConnectionLost),
    /// No answer in time. It may have been done all the same.
    #[error("no answer in time")]
    Timeout,
    /// The connection ended first. It may have been done all the same.
    #[error("connection lost: {0}")]
    ConnectionLost(ConnectionLost),
}

/// Why a session could not begin.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StartError {
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The server did not log us in.
    #[error(transparent)]
    Request(#[from] RequestError),
}

/// Why a session is over for good: it does not reconnect by itself any more.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionEnd {
    /// It goes on over another connection, or its permission was withdrawn.
    #[error("{0}")]
    Goodbye(Goodbye),
    /// The server refused to continue it: most often because it has expired.
    #[error("{0}")]
    Refused(Refusal),
    /// Another attempt to connect would end like this one: other key, other version.
    #[error(transparent)]
    Connect(ConnectError),
    /// We logged out.
    #[error("logged out")]
    LoggedOut,
    /// Every [`Session`](crate::Session) was dropped.
    #[error("closed")]
    Closed,
}

impl ConnectError {
    /// Whether another attempt would end the same way, until a person changes something.
    pub fn is_final(&self) -> bool {
        match self {
            Self::WrongKey { .. } | Self::Untrusted { .. } | Self::Version { .. } => true,
            Self::Lost { source, .. } => source.is_final(),
            Self::Unreachable { .. } | Self::TimedOut { .. } => false,
        }
    }
}

impl ConnectionLost {
    /// Whether to reconnect would be wrong.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Goodbye(goodbye) => is_final(goodbye),
            Self::Local => true,
            Self::Closed | Self::Silent | Self::Invalid(_) | Self::Io(_) => false,
        }
    }
}

/// Whether to reconnect after `goodbye` would be wrong.
fn is_final(goodbye: &Goodbye) -> bool {
    match goodbye {
        Goodbye::YouAreTooOld { .. }
        | Goodbye::IAmTooOld { .. }
        | Goodbye::TakenOver
        | Goodbye::NotEnrolled
        | Goodbye::EnrollmentRefused
        | Goodbye::Revoked
        | Goodbye::Banned { .. } => true,
        Goodbye::ShuttingDown
        | Goodbye::ComeBack { .. }
        | Goodbye::Violation { .. }
        | Goodbye::Busy { .. }
        | Goodbye::Silent => false,
    }
}

impl From<io::Error> for ConnectionLost {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Closed,
            _ => Self::Io(Arc::new(error)),
        }
    }
}

impl From<FrameError> for ConnectionLost {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::UnexpectedEnd => Self::Closed,
            other => Self::Invalid(other.to_string().into()),
        }
    }
}

impl From<DecodeError> for ConnectionLost {
    fn from(error: DecodeError) -> Self {
        Self::Invalid(error.to_string().into())
    }
}

fn list(fingerprints: &[KeyFingerprint]) -> String {
    let fingerprints: Vec<_> = fingerprints.iter().map(ToString::to_string).collect();
    match fingerprints.is_empty() {
        true => "none yet".to_owned(),
        false => fingerprints.join(" or "),
    }
}
