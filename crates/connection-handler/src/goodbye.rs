//! What one side says to the other about the end.

use std::fmt;

use crate::{DisconnectReason, Timeout};

/// Why a connection was ended, as the side that ended it has told the other one.
///
/// Over QUIC it is the application's close code and reason. Other transports may not be able to
/// carry it; then nobody hears it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goodbye {
    /// Why, for programs.
    pub code: CloseCode,
    /// Why, for people: at most 200 bytes, without control characters. It was said by the other
    /// side and may be anything else.
    pub reason: String,
}

impl Goodbye {
    /// What was heard, made harmless.
    pub fn heard(code: u64, reason: &[u8]) -> Self {
        Self { code: CloseCode::from(code), reason: harmless(&String::from_utf8_lossy(reason)) }
    }
}

impl From<&DisconnectReason> for Goodbye {
    /// What the other side may know of `reason`. What has gone wrong here is not its business.
    fn from(reason: &DisconnectReason) -> Self {
        let code = CloseCode::from(reason);
        let text = match reason {
            DisconnectReason::Bug
            | DisconnectReason::Drop
            | DisconnectReason::InvalidMessage(_)
            | DisconnectReason::Io(_)
            | DisconnectReason::RemoteClose => String::new(),
            DisconnectReason::Drain
            | DisconnectReason::Idle
            | DisconnectReason::Kick(_)
            | DisconnectReason::RateExceeded(_)
            | DisconnectReason::SlowConsumer
            | DisconnectReason::Timeout(_) => harmless(&reason.to_string()),
        };
        Self { code, reason: text }
    }
}

impl fmt::Display for Goodbye {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason.as_str() {
            "" => self.code.fmt(f),
            reason => write!(f, "{}: {reason}", self.code),
        }
    }
}

/// Why a connection was ended, as a number on the wire. Numbers are never given a new meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseCode {
    /// Everything was said and acknowledged, and there is nothing more to say. 0.
    Done,
    /// The last words were not acknowledged in time. 1.
    CutOff,
    /// The server asked for it, and its reason says why. 2.
    Kicked,
    /// The whole program is going away: come back later. 3.
    ShuttingDown,
    /// Silent for too long. 4.
    Idle,
    /// Something was said that is not a message, or not allowed. 5.
    InvalidMessage,
    /// More was said than is allowed. 6.
    RateExceeded,
    /// What was said was not read fast enough. 7.
    SlowConsumer,
    /// No first message in time, or not all of a message. 8.
    TooSlow,
    /// Something went wrong on the side that ended it. 9.
    InternalError,
    /// A code of somebody else's.
    Other(u64),
}

impl CloseCode {
    /// Its number: below 2^62, as QUIC has it (RFC 9000, section 20.2).
    pub fn as_u64(self) -> u64 {
        match self {
            Self::Done => 0,
            Self::CutOff => 1,
            Self::Kicked => 2,
            Self::ShuttingDown => 3,
            Self::Idle => 4,
            Self::InvalidMessage => 5,
            Self::RateExceeded => 6,
            Self::SlowConsumer => 7,
            Self::TooSlow => 8,
            Self::InternalError => 9,
            Self::Other(code) => code,
        }
    }
}

impl From<u64> for CloseCode {
    fn from(code: u64) -> Self {
        KNOWN.into_iter().find(|known| known.as_u64() == code).unwrap_or(Self::Other(code))
    }
}

impl From<&DisconnectReason> for CloseCode {
    fn from(reason: &DisconnectReason) -> Self {
        match reason {
            DisconnectReason::Drop | DisconnectReason::RemoteClose => Self::Done,
            DisconnectReason::Drain => Self::ShuttingDown,
            DisconnectReason::Idle => Self::Idle,
            DisconnectReason::InvalidMessage(_) => Self::InvalidMessage,
            DisconnectReason::Kick(_) => Self::Kicked,
            DisconnectReason::RateExceeded(_) => Self::RateExceeded,
            DisconnectReason::SlowConsumer => Self::SlowConsumer,
            DisconnectReason::Timeout(Timeout::FirstMessage | Timeout::Message) => Self::TooSlow,
            DisconnectReason::Bug | DisconnectReason::Io(_) => Self::InternalError,
        }
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done => "done",
            Self::CutOff => "cut off",
            Self::Kicked => "kicked",
            Self::ShuttingDown => "shutting down",
            Self::Idle => "idle",
            Self::InvalidMessage => "invalid message",
            Self::RateExceeded => "rate exceeded",
            Self::SlowConsumer => "slow consumer",
            Self::TooSlow => "too slow",
            Self::InternalError => "internal error",
            Self::Other(code) => return write!(f, "code {code}"),
        })
    }
}

/// The beginning of `text`, on one line.
fn harmless(text: &str) -> String {
    let mut harmless: String = text.chars().filter(|char| !char.is_control()).collect();
    harmless.truncate(harmless.floor_char_boundary(LONGEST));
    harmless
}

/// One packet has room for it, whatever else is in it.
const LONGEST: usize = 200;

const KNOWN: [CloseCode; 10] = [
    CloseCode::Done,
    CloseCode::CutOff,
    CloseCode::Kicked,
    CloseCode::ShuttingDown,
    CloseCode::Idle,
    CloseCode::InvalidMessage,
    CloseCode::RateExceeded,
    CloseCode::SlowConsumer,
    CloseCode::TooSlow,
    CloseCode::InternalError,
];

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_code_is_heard_as_it_was_said() {
        for code in KNOWN.into_iter().chain([CloseCode::Other(99)]) {
            assert_eq!(CloseCode::from(code.as_u64()), code);
        }
    }

    #[test]
    fn the_other_side_hears_why_but_not_what_went_wrong_here() {
        for (reason, code, text) in [
            (DisconnectReason::from("banned"), CloseCode::Kicked, "banned"),
            (DisconnectReason::Drain, CloseCode::ShuttingDown, "shutting down"),
            (io::Error::other("/var/secret").into(), CloseCode::InternalError, ""),
        ] {
            assert_eq!(Goodbye::from(&reason), Goodbye { code, reason: text.into() });
        }
    }

    #[test]
    fn what_is_heard_is_short_and_on_one_line() {
        let heard = Goodbye::heard(2, "a\nb\u{1b}[31m\u{7f}".as_bytes());
        assert_eq!((heard.code, heard.reason.as_str()), (CloseCode::Kicked, "ab[31m"));
        assert_eq!(heard.to_string(), "kicked: ab[31m");
        let long = Goodbye::heard(77, "é".repeat(1000).as_bytes());
        assert_eq!((long.code, long.reason.len()), (CloseCode::Other(77), LONGEST));
        assert!(Goodbye::heard(0, &[0xff; 4]).reason.len() <= 12);
    }
}
