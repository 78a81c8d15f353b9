//! How long to wait before the next attempt.

use std::time::Duration;

/// Pauses that double with each failure and differ from client to client, so that a login server
/// which comes back is not overrun by everybody at once.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(crate) const FIRST: Duration = Duration::from_millis(200);
    pub(crate) const LONGEST: Duration = Duration::from_secs(5);

    pub(crate) fn new() -> Self {
        Self { next: Self::FIRST }
    }

    /// The pause after one more failure: between half of it and all of it, at random.
    pub(crate) fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(Self::LONGEST);
        pause.mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    /// The pause after a failure with which the server said how long to wait. What it says is
    /// believed up to a minute.
    pub(crate) fn pause_at_least(&mut self, server_says: Option<Duration>) -> Duration {
        let asked = server_says.unwrap_or_default().min(Duration::from_secs(60));
        self.pause().max(asked.mul_f64(1.0 + fastrand::f64() / 4.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut backoff = Backoff::new();
        for longest in [200, 400, 800, 1600, 3200, 5000, 5000].map(Duration::from_millis) {
            let pause = backoff.pause();
            assert!(longest / 2 <= pause && pause <= longest, "{pause:?} is not up to {longest:?}");
        }
    }

    #[test]
    fn a_server_can_ask_for_a_longer_pause_but_not_for_any() {
        let pause = Backoff::new().pause_at_least(Some(Duration::from_secs(2)));
        assert!((Duration::from_secs(2)..Duration::from_secs(3)).contains(&pause), "{pause:?}");
        let pause = Backoff::new().pause_at_least(Some(Duration::MAX));
        assert!(pause <= Duration::from_secs(75), "{pause:?}");
    }
}
