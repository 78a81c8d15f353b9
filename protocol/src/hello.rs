//! The first message of each side. These types never change, whatever the version.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::{
    BootId, Text,
    codec::{Decode, Encode},
    ids::decimal,
};

/// The version of this crate's messages. Version 0: both sides must be equal.
pub const VERSION: u16 = 0;

/// Most bytes of a [`Hello`] on the wire, its chunk's length not counted.
///
/// A port that tells protocols apart by their first bytes knows ours by it: the second byte of the
/// length is at most 2, as in no other protocol it serves.
pub const MAX_HELLO: usize = 767;

/// Milliseconds since 1970-01-01 00:00 UTC.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
pub struct UnixMillis(#[serde(with = "decimal")] pub u64);

/// The first message of the side that connects.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Hello {
    /// Name and version of the program, for the log of the other side: `gatehouse/0.1.0`.
    pub program: Text<64>,
    /// Lowest protocol version it speaks.
    pub lowest: u16,
    /// Highest protocol version it speaks.
    pub highest: u16,
    /// A bit for each optional feature it has. None is defined yet; unknown bits are ignored.
    #[serde(with = "decimal")]
    pub features: u64,
}

impl Hello {
    /// What a program of this version of Gatehouse says.
    pub fn from_us(program: &str) -> Self {
        Self { program: Text::lossy(program), lowest: VERSION, highest: VERSION, features: 0 }
    }
}

/// The answer when both sides understand each other.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Welcome {
    /// The version both speak from now on.
    pub version: u16,
    /// The clock of the side that answers.
    pub now: UnixMillis,
    /// Which life of the answering process this is: when it changes, everything it knew of
    /// connections is gone.
    pub boot: BootId,
    /// A bit for each optional feature both have.
    #[serde(with = "decimal")]
    pub features: u64,
}

/// The last message of a side that ends the connection.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize, thiserror::Error)]
pub enum Goodbye {
    /// The one who connects speaks no version this side still knows.
    #[error("this program is too old: the other side needs protocol version {lowest} or later")]
    YouAreTooOld {
        /// Lowest version this side speaks.
        lowest: u16,
    },
    /// The one who connects speaks only versions newer than this side knows.
    #[error("the other side is too old: it speaks protocol versions up to {highest}")]
    IAmTooOld {
        /// Highest version this side speaks.
        highest: u16,
    },
    /// This side stops, or starts again.
    #[error("the other side is shutting down")]
    ShuttingDown,
    /// Somebody continued the session on another connection. Do not reconnect by yourself.
    #[error("the session goes on elsewhere")]
    TakenOver,
    /// A message that may not be sent, or not now, or not so often.
    #[error("protocol violation: {what}")]
    Violation {
        /// Which rule was broken.
        what: Text<128>,
    },
    /// This launcher's key is not one of an enrolled launcher.
    #[error("this launcher is not enrolled")]
    NotEnrolled,
    /// The enrolment secret is unknown, used, or too old.
    #[error("the enrolment secret is unknown, used or expired")]
    EnrollmentRefused,
    /// Too many are here, or too much is asked at once.
    #[error("the other side is busy: try again in {retry_after_ms} ms")]
    Busy {
        /// Milliseconds after which another attempt makes sense.
        retry_after_ms: u32,
    },
    /// What this connection was allowed by was withdrawn: a session or an enrolment.
    #[error("the permission was withdrawn")]
    Revoked,
    /// No message arrived for too long, and no answer to a ping.
    #[error("silent for too long")]
    Silent,
    /// A moderator does not let this player in.
    #[error("banned: {reason}")]
    Banned {
        /// Until then. None: until somebody lifts it.
        until: Option<UnixMillis>,
        /// Why.
        reason: Text<128>,
    },
    /// This side stops, or starts again. Each peer is told another time to come back, so that they
    /// do not all come at once.
    #[error("the other side is shutting down: come back in {after_ms} ms")]
    ComeBack {
        /// Milliseconds after which to connect again.
        after_ms: u32,
    },
}

/// The version to speak with who said `hello`, or what to say to who we do not understand.
pub fn negotiate(hello: &Hello) -> Result<u16, Goodbye> {
    highest_common(hello, VERSION..=VERSION)
}

pub(crate) fn highest_common(hello: &Hello, ours: RangeInclusive<u16>) -> Result<u16, Goodbye> {
    let (lowest, highest) = ours.into_inner();
    if hello.lowest > hello.highest {
        let what = Text::lossy("lowest version above highest");
        return Err(Goodbye::Violation { what });
    }
    if hello.highest < lowest {
        return Err(Goodbye::YouAreTooOld { lowest });
    }
    if hello.lowest > highest {
        return Err(Goodbye::IAmTooOld { highest });
    }
    Ok(hello.highest.min(highest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FromGameClient, encode};

    #[test]
    fn the_longest_hello_is_short_enough_to_be_told_apart() {
        let program = Text::lossy(&"x".repeat(64));
        let hello = Hello { program, lowest: u16::MAX, highest: u16::MAX, features: u64::MAX };
        let mut bytes = Vec::new();
        encode(&FromGameClient::Hello(hello), &mut bytes);
        assert!(bytes.len() <= MAX_HELLO);
    }

    #[test]
    fn who_is_too_old_is_told_so() {
        let hello = |lowest, highest| Hello { lowest, highest, ..Hello::from_us("test") };
        for (theirs, expected) in [
            (hello(0, 9), Ok(4)),
            (hello(3, 3), Ok(3)),
            (hello(0, 1), Err(Goodbye::YouAreTooOld { lowest: 2 })),
            (hello(5, 9), Err(Goodbye::IAmTooOld { highest: 4 })),
        ] {
            assert_eq!(highest_common(&theirs, 2..=4), expected);
        }
        assert!(matches!(highest_common(&hello(4, 3), 2..=4), Err(Goodbye::Violation { .. })));
        assert_eq!(negotiate(&Hello::from_us("test")), Ok(VERSION));
    }
}
