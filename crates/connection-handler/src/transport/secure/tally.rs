//! Who was turned away, and why.

use std::{
    fmt::Write,
    io,
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::{admission::Crowded, transport::mux::SniffError};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("too many connections")]
    TooManyConnections,
    #[error("too many connections from one address")]
    TooManyFromThere,
    #[error("too many unfinished handshakes")]
    TooManyHandshakes,
    #[error("too many unfinished handshakes from one address")]
    TooManyHandshakesFromThere,
    #[error("too many newcomers")]
    TooFast,
    #[error("too many newcomers from one network")]
    TooFastFromThere,
    #[error("handshake took too long")]
    TimedOut,
    #[error("handshake failed: {0}")]
    Failed(#[from] io::Error),
    #[error("no application protocol asked for")]
    NoProtocol,
    #[error("application protocol that nobody listens for")]
    UnknownProtocol,
    #[error("its listener takes no more connections")]
    NobodyListens,
    #[error(transparent)]
    Sniff(#[from] SniffError),
}

impl Refusal {
    pub(super) fn of_connections(crowded: Crowded) -> Self {
        match crowded {
            Crowded::Everywhere => Self::TooManyConnections,
            Crowded::FromThere => Self::TooManyFromThere,
        }
    }

    pub(super) fn of_handshakes(crowded: Crowded) -> Self {
        match crowded {
            Crowded::Everywhere => Self::TooManyHandshakes,
            Crowded::FromThere => Self::TooManyHandshakesFromThere,
        }
    }

    /// Its place in the tally, and its name there.
    fn kind(&self) -> (usize, &'static str) {
        let index = match self {
            Self::TooManyConnections => 0,
            Self::TooManyFromThere => 1,
            Self::TooManyHandshakes => 2,
            Self::TooManyHandshakesFromThere => 3,
            Self::TimedOut => 4,
            Self::Failed(_) => 5,
            Self::NoProtocol => 6,
            Self::UnknownProtocol => 7,
            Self::NobodyListens => 8,
            Self::Sniff(error) => match error {
                SniffError::TimedOut => 9,
                SniffError::Left => 10,
                SniffError::Io(_) => 11,
                SniffError::Unknown(_) => 12,
                SniffError::ProxyMissing => 13,
                SniffError::ProxyUntrusted => 14,
                SniffError::ProxyNested => 15,
                SniffError::Proxy(_) => 16,
            },
            Self::TooFast => 17,
            Self::TooFastFromThere => 18,
        };
        (index, KINDS[index])
    }
}

const KINDS: [&str; 19] = [
    "too_many_connections",
    "too_many_connections_from_one_address",
    "too_many_handshakes",
    "too_many_handshakes_from_one_address",
    "handshake_timed_out",
    "handshake_failed",
    "no_application_protocol",
    "unknown_application_protocol",
    "listener_full_or_gone",
    "sniff_timed_out",
    "sniff_left",
    "sniff_failed",
    "unknown_protocol",
    "proxy_header_missing",
    "proxy_header_untrusted",
    "proxy_header_nested",
    "proxy_header_invalid",
    "too_many_newcomers",
    "too_many_newcomers_from_one_network",
];

/// Counts those who were turned away since the last summary.
///
/// Each is logged for developers. Operators get a summary, so that a flood of strangers does not
/// become a flood of lines.
#[derive(Debug, Default)]
pub(super) struct Tally([AtomicU64; KINDS.len()]);

impl Tally {
    pub(super) fn refused(&self, remote_addr: SocketAddr, transport: &str, refusal: &Refusal) {
        let (index, kind) = refusal.kind();
        self.0[index].fetch_add(1, Ordering::Relaxed);
        tracing::debug!(%remote_addr, transport, kind, "refused: {refusal}");
    }

    /// Logs what has happened, every [`PERIOD`] in which something has.
    pub(super) async fn summarise(&self) {
        loop {
            tokio::time::sleep(PERIOD).await;
            if let Some(summary) = self.take_summary() {
                let seconds = PERIOD.as_secs();
                tracing::info!(seconds, "connections refused: {summary}");
            }
        }
    }

    fn take_summary(&self) -> Option<String> {
        let mut summary = String::new();
        for (kind, count) in KINDS.iter().zip(&self.0) {
            let count = count.swap(0, Ordering::Relaxed);
            if count > 0 {
                let comma = if summary.is_empty() { "" } else { ", " };
                let _ = write!(summary, "{comma}{kind} {count}");
            }
        }
        (!summary.is_empty()).then_some(summary)
    }
}

const PERIOD: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_counts_by_reason_and_starts_anew() {
        let (tally, addr) = (Tally::default(), "127.0.0.1:1".parse().unwrap());
        assert_eq!(tally.take_summary(), None);
        tally.refused(addr, "tls", &Refusal::TimedOut);
        tally.refused(addr, "quic", &Refusal::TimedOut);
        tally.refused(addr, "tls", &Refusal::NoProtocol);
        let summary = tally.take_summary();
        assert_eq!(summary.unwrap(), "handshake_timed_out 2, no_application_protocol 1");
        assert_eq!(tally.take_summary(), None);
    }
}
