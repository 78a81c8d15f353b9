//! What became of datagrams that are not QUIC.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use metrics::{Unit, counter, describe_counter};

/// What became of datagrams that are not QUIC, since the port was bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DatagramCounts {
    /// Pings that were answered.
    pub pings_answered: u64,
    /// Pings that were not, because their network, or all together, had too many.
    pub pings_over_limit: u64,
    /// Pings that were not, because nothing could be sent just then.
    pub pings_not_sent: u64,
    /// Queries for game servers, which there are none of at this port. Dropped.
    pub game_queries: u64,
    /// Answers to pings that we never sent, STUN, DTLS. Dropped.
    pub other_protocols: u64,
    /// What cannot be told apart. Dropped.
    pub unknown: u64,
}

/// Counts datagrams that are not QUIC.
#[derive(Debug, Default)]
pub(super) struct Tally([AtomicU64; KINDS.len()]);

impl Tally {
    pub(super) const PING_ANSWERED: usize = 0;
    pub(super) const PING_OVER_LIMIT: usize = 1;
    pub(super) const PING_NOT_SENT: usize = 2;
    pub(super) const GAME_QUERY: usize = 3;
    pub(super) const OTHER_PROTOCOL: usize = 4;
    pub(super) const UNKNOWN: usize = 5;

    /// Counts one of this kind.
    pub(super) fn count(&self, kind: usize) {
        self.0[kind].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn counts(&self) -> DatagramCounts {
        let of = |kind: usize| self.0[kind].load(Ordering::Relaxed);
        DatagramCounts {
            pings_answered: of(Self::PING_ANSWERED),
            pings_over_limit: of(Self::PING_OVER_LIMIT),
            pings_not_sent: of(Self::PING_NOT_SENT),
            game_queries: of(Self::GAME_QUERY),
            other_protocols: of(Self::OTHER_PROTOCOL),
            unknown: of(Self::UNKNOWN),
        }
    }

    /// Passes on to the metrics what has happened, and logs what was dropped, every [`PERIOD`] in
    /// which something has: a flood of datagrams does not become a flood of lines.
    pub(super) async fn summarise(&self) {
        describe_counter!(DATAGRAMS, Unit::Count, "Datagrams that are not QUIC, by kind");
        let mut known = [0; KINDS.len()];
        loop {
            tokio::time::sleep(PERIOD).await;
            let mut dropped = 0;
            for (kind, (count, known)) in self.0.iter().zip(&mut known).enumerate() {
                let new = count.load(Ordering::Relaxed) - *known;
                *known += new;
                if new > 0 {
                    counter!(DATAGRAMS, "kind" => KINDS[kind]).increment(new);
                    dropped += if kind == Self::PING_ANSWERED { 0 } else { new };
                }
            }
            if dropped > 0 {
                let seconds = PERIOD.as_secs();
                tracing::info!(seconds, dropped, counts = ?self.counts(), "datagrams dropped");
            }
        }
    }
}

const KINDS: [&str; 6] = [
    "ping_answered",
    "ping_over_limit",
    "ping_not_sent",
    "game_query",
    "other_protocol",
    "unknown",
];
const DATAGRAMS: &str = "connection_handler_datagrams_total";
const PERIOD: Duration = Duration::from_secs(10);
