//! Names for things. In JSON a 64-bit number is a string: JavaScript has no such numbers. Those of
//! ids are hexadecimal, as they are shown everywhere; all others are decimal.

use std::{fmt, num::ParseIntError, str::FromStr};

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

use crate::codec::{Decode, Encode};

/// Ties an answer to its request. Chosen by who asks, used once within one session.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
pub struct RequestId(pub u32);

/// A player as the game counts them: unique among those who are in that game now.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
pub struct GamePlayerId(pub u32);

/// Which of an account's sessions: no secret, and never given out twice.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
pub struct SessionNumber(#[serde(with = "decimal")] pub u64);

/// Which state of a value a game keeps for a player: none comes twice for one account.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
pub struct DataVersion(#[serde(with = "decimal")] pub u64);

macro_rules! id_of_64_bits {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:016x}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }

        impl FromStr for $name {
            type Err = ParseIntError;

            fn from_str(text: &str) -> Result<Self, ParseIntError> {
                u64::from_str_radix(text, 16).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = ParseIntError;

            fn try_from(text: String) -> Result<Self, ParseIntError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
    };
}

id_of_64_bits! {
    /// A game server. 16 hexadecimal digits as text.
    ///
    /// On a launcher's link it is the launcher's own: random, chosen once, and kept. Game clients
    /// and operators know the server by another, which the login server derives from that one and
    /// the launcher's key: it is as lasting, and no launcher can take another's.
    ServerId
}

id_of_64_bits! {
    /// One life of a process: random, so that two of them are told apart.
    BootId
}

/// Which ticket: 16 random bytes, which only say something on a launcher's link. As text 22
/// characters of base64url.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct TicketId(pub [u8; 16]);

/// A public key with which tickets are checked: Ed25519. As text 43 characters of base64url.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TicketKey(pub [u8; 32]);

macro_rules! public_bytes {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&BASE64URL_NOPAD.encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }

        impl TryFrom<String> for $name {
            type Error = &'static str;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| "not base64url")?;
                bytes.try_into().map(Self).map_err(|_| "of another length")
            }
        }

        impl From<$name> for String {
            fn from(bytes: $name) -> Self {
                bytes.to_string()
            }
        }
    };
}

/// Which match: 16 bytes its launcher has drawn at random. Reported twice, it counts once. As text
/// 22 characters of base64url.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct MatchId(pub [u8; 16]);

public_bytes!(TicketId);
public_bytes!(MatchId);
public_bytes!(TicketKey);

/// Serde of a 64-bit number that is no id: decimal digits, as a string.
pub(crate) mod decimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(number: &u64, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(number)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}
