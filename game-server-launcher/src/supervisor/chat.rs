//! How much the players of one server may say to those who are not in the game.

use std::time::{Duration, Instant};

use crate::rarely::Rarely;

/// What is said in one game, measured: all servers of a launcher share one connection.
#[derive(Debug, Default)]
pub(super) struct Chat {
    /// When everything that was passed on has been paid for.
    paid_at: Option<Instant>,
    dropped: Rarely,
}

impl Chat {
    /// Whether one more line may be passed on. One that may not is counted.
    pub(super) fn allows(&mut self, now: Instant) -> bool {
        let paid_at = self.paid_at.map_or(now, |at| at.max(now));
        let allowed = paid_at - now <= ONE_LINE * (AT_ONCE - 1);
        if allowed {
            self.paid_at = Some(paid_at + ONE_LINE);
        } else {
            self.dropped.count();
        }
        allowed
    }

    /// How many lines were dropped, if it is time to say so.
    pub(super) fn dropped(&mut self, now: Instant) -> Option<u64> {
        self.dropped.due(now, SAID_EVERY)
    }
}

/// Lines after a pause; further ones are dropped. More than people write.
const AT_ONCE: u32 = 10;

/// Five lines a second, for ever.
const ONE_LINE: Duration = Duration::from_millis(200);

/// A game that talks without end must not fill the log either.
const SAID_EVERY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_lines_at_once_and_five_a_second_are_passed_on() {
        let (mut chat, start) = (Chat::default(), Instant::now());
        for (milliseconds, said, passed_on) in [
            (0, 15, 10),
            (199, 1, 0),
            (200, 3, 1),
            (1200, 100, 5),
            (100_000, 100, 10),
            (100_400, 1, 1),
            (100_400, 5, 1),
        ] {
            let now = start + Duration::from_millis(milliseconds);
            let allowed = (0..said).filter(|_| chat.allows(now)).count();
            assert_eq!(allowed, passed_on, "after {milliseconds} ms");
        }
    }
}
