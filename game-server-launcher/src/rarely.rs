//! What happens too often to be logged each time.

use std::time::{Duration, Instant};

/// Counts something, to be told with the count, and not more often than every so often.
#[derive(Debug, Default)]
pub(crate) struct Rarely {
    count: u64,
    not_before: Option<Instant>,
}

impl Rarely {
    /// It has happened once more.
    pub(crate) fn count(&mut self) {
        self.count += 1;
    }

    /// How often it has happened since it was last told. `None`: not at all, or that is less than
    /// `every` ago.
    pub(crate) fn due(&mut self, now: Instant, every: Duration) -> Option<u64> {
        if self.count == 0 || self.not_before.is_some_and(|at| now < at) {
            return None;
        }
        self.not_before = Some(now + every);
        Some(std::mem::take(&mut self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_often_is_told_once_with_its_count() {
        let (mut rarely, start) = (Rarely::default(), Instant::now());
        let every = Duration::from_secs(1);
        assert_eq!(rarely.due(start, every), None);
        for (milliseconds, more, told) in
            [(0, 1, Some(1)), (10, 3, None), (999, 2, None), (1000, 0, Some(5)), (3000, 0, None)]
        {
            (0..more).for_each(|_| rarely.count());
            let now = start + Duration::from_millis(milliseconds);
            assert_eq!(rarely.due(now, every), told, "after {milliseconds} ms");
        }
    }
}
