//! How records become bytes.

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{EndCause, Exposure};

/// The beginning of a file.
pub(super) fn header(now: SystemTime) -> Vec<u8> {
    let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut bytes = MAGIC.to_vec();
    bytes.push(VERSION);
    bytes.extend_from_slice(&micros(since_epoch).to_le_bytes());
    bytes
}

/// A record of any type that is being put together.
pub(super) struct Draft(Vec<u8>);

impl Draft {
    fn new(kind: u8, at: Duration, peer: u64, capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(LENGTH + PREFIX + capacity);
        bytes.extend_from_slice(&[0; LENGTH]);
        bytes.push(kind);
        bytes.extend_from_slice(&micros(at).to_le_bytes());
        bytes.extend_from_slice(&peer.to_le_bytes());
        Self(bytes)
    }

    pub(super) fn connected(
        at: Duration,
        peer: u64,
        kind: &str,
        transport: &str,
        addr: SocketAddr,
    ) -> Vec<u8> {
        Self::new(CONNECTED, at, peer, 64)
            .text(kind)
            .text(transport)
            .text(&addr.to_string())
            .finish()
    }

    /// A message of `length` bytes, of which some are in `payload`, if they may be seen.
    pub(super) fn message(
        at: Duration,
        peer: u64,
        outgoing: bool,
        exposure: Exposure,
        length: u32,
        payload: &[u8],
    ) -> Vec<u8> {
        let payload = if exposure.whole { payload } else { &[] };
        let cut = exposure.whole && payload.len() < length as usize;
        let flags = [(outgoing, OUTGOING), (!exposure.whole, REDACTED), (cut, CUT)];
        let flags = flags.iter().filter(|(set, _)| *set).fold(0, |all, (_, flag)| all | flag);
        let mut draft = Self::new(MESSAGE, at, peer, 64 + payload.len());
        draft.0.push(flags);
        draft = draft.text(exposure.kind);
        draft.0.extend_from_slice(&length.to_le_bytes());
        draft.0.extend_from_slice(payload);
        draft.finish()
    }

    pub(super) fn disconnected(at: Duration, peer: u64, reason: &str) -> Vec<u8> {
        Self::new(DISCONNECTED, at, peer, 32).text(reason).finish()
    }

    pub(super) fn gap(at: Duration, records: u64) -> Vec<u8> {
        let mut draft = Self::new(GAP, at, 0, 8);
        draft.0.extend_from_slice(&records.to_le_bytes());
        draft.finish()
    }

    pub(super) fn end(at: Duration, cause: EndCause) -> Vec<u8> {
        let mut draft = Self::new(END, at, 0, 1);
        draft.0.push(match cause {
            EndCause::Stopped => 0,
            EndCause::Full => 1,
        });
        draft.finish()
    }

    fn text(mut self, text: &str) -> Self {
        let text = &text[..text.floor_char_boundary(u8::MAX.into())];
        self.0.push(text.len() as u8);
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    fn finish(self) -> Vec<u8> {
        let Self(mut bytes) = self;
        let length = u32::try_from(bytes.len() - LENGTH).expect("payloads are far shorter");
        bytes[..LENGTH].copy_from_slice(&length.to_le_bytes());
        bytes
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

pub(super) const MAGIC: [u8; 8] = *b"GHCAPTUR";
pub(super) const VERSION: u8 = 1;

pub(super) const CONNECTED: u8 = 1;
pub(super) const MESSAGE: u8 = 2;
pub(super) const DISCONNECTED: u8 = 3;
pub(super) const GAP: u8 = 4;
pub(super) const END: u8 = 5;

pub(super) const OUTGOING: u8 = 1;
pub(super) const REDACTED: u8 = 2;
pub(super) const CUT: u8 = 4;

/// The length field of a record.
pub(super) const LENGTH: usize = 4;
/// What every record begins with.
pub(super) const PREFIX: usize = 1 + 8 + 8;
/// Most of a message that is written.
pub(super) const MAX_PAYLOAD: usize = 1024 * 1024;
/// Longest record without its length field.
pub(super) const MAX_RECORD: usize = MAX_PAYLOAD + 1024;
/// What the last two records need: a gap and the end.
pub(super) const LAST_WORDS: u64 = (2 * (LENGTH + PREFIX) + 8 + 1) as u64;
