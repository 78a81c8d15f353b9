//! Saying something once that happens many times in a row.

use std::time::Duration;

use tokio::time::Instant;

/// Failures that come in bursts, of which each is worth a line when it begins and one when it ends.
///
/// A success between two failures does not begin a new one: without file descriptors, every
/// connection that ends lets one more in.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    last: Option<Instant>,
    end_is_said: bool,
}

impl Outage {
    /// Something failed. Whether this begins a burst.
    pub(crate) fn failed(&mut self) -> bool {
        let begins = self.last.is_none_or(|last| last.elapsed() >= QUIET);
        self.last = Some(Instant::now());
        self.end_is_said &= !begins;
        begins
    }

    /// Something worked. Whether this is the first time in a burst.
    pub(crate) fn worked(&mut self) -> bool {
        self.last.is_some() && !std::mem::replace(&mut self.end_is_said, true)
    }
}

/// How long nothing has to fail until a failure is news again.
const QUIET: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_said_once_and_its_end_once() {
        let mut outage = Outage::default();
        assert!(!outage.worked());
        for _ in 0..2 {
            assert!(outage.failed());
            assert!(!outage.failed());
            assert!(outage.worked());
            for _ in 0..100 {
                advance(QUIET / 2).await;
                assert!(!outage.failed());
                assert!(!outage.worked());
            }
            advance(QUIET).await;
        }
    }
}
