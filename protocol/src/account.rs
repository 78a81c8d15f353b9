//! What players have: sessions, values that games keep for them, what they have achieved.

use serde::{Deserialize, Serialize};

use crate::{
    Blob, DataVersion, List, RequestId, SessionNumber, Text, UnixMillis,
    codec::{Decode, Encode},
    ids::decimal,
};

/// Most bytes of a value that a game keeps for a player.
pub const MAX_VALUE: usize = 16 * 1024;

/// Most bytes of an export in one message: of those some fit into what is kept for a client that
/// has lost its connection.
pub const MAX_EXPORT_PART: usize = 32 * 1024;

/// The sessions of an account, the one seen last first.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct SessionList {
    /// The request it answers.
    pub request: RequestId,
    /// As many as an account has.
    pub sessions: List<SessionInfo, 32>,
}

/// A session, as its owner knows it from the others.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct SessionInfo {
    /// Which one.
    pub number: SessionNumber,
    /// Whether it is the one that asks.
    pub this: bool,
    /// When it was opened.
    pub opened: UnixMillis,
    /// When it was last continued.
    pub seen: UnixMillis,
    /// When it ends by itself.
    pub expires: UnixMillis,
    /// The network it was last continued from; empty when that was long ago.
    pub network: Text<64>,
    /// What the program that opened it calls itself.
    pub program: Text<64>,
}

/// A part of everything that is kept about a player: JSON, in UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct ExportPart {
    /// The request it answers.
    pub request: RequestId,
    /// Bytes of all parts.
    #[serde(with = "decimal")]
    pub total: u64,
    /// Those from the offset that was asked for.
    pub part: Blob<MAX_EXPORT_PART>,
}

/// What has to be there for a value to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
pub enum Expect {
    /// Whatever there is.
    Anything,
    /// No value.
    Nothing,
    /// The value of this version.
    Version(DataVersion),
}

/// A value that a game keeps for a player.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct DataValue {
    /// Changes with every write.
    pub version: DataVersion,
    /// As it was written.
    pub bytes: Blob<MAX_VALUE>,
}

/// A value in a list, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct DataEntry {
    /// Its name.
    pub key: Text<64>,
    /// Its version.
    pub version: DataVersion,
    /// Its length in bytes.
    pub length: u32,
    /// When it was written.
    pub updated: UnixMillis,
}

/// What a player has achieved in a game, as far as launchers that may say so have reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Progress {
    /// Milliseconds played.
    #[serde(with = "decimal")]
    pub played_ms: u64,
    /// Matches played.
    #[serde(with = "decimal")]
    pub matches: u64,
    /// Matches won.
    #[serde(with = "decimal")]
    pub wins: u64,
    /// Experience.
    #[serde(with = "decimal")]
    pub xp: u64,
}
