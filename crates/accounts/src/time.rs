//! Points in time, as everything durable stores them.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in time: milliseconds since 1970-01-01 00:00 UTC.
///
/// Nothing in this crate reads the wall clock: the caller passes the time in, so that tests and
/// simulations decide what time it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UnixMillis(u64);

impl UnixMillis {
    /// The latest point in time a store can keep, some 292 million years from now.
    pub const MAX: Self = Self(i64::MAX as u64);

    /// The point `millis` milliseconds after 1970 began; later than [`UnixMillis::MAX`] becomes it.
    pub const fn from_millis(millis: u64) -> Self {
        if millis > Self::MAX.0 { Self::MAX } else { Self(millis) }
    }

    /// Milliseconds since 1970 began.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The point `duration` later, at most [`UnixMillis::MAX`].
    pub fn saturating_add(self, duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// The point `duration` earlier, at least 1970.
    #[must_use]
    pub fn saturating_sub(self, duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_sub(millis))
    }

    /// How long ago `earlier` was; zero when it is in the future.
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// As databases keep it: they have no unsigned integers.
    pub(crate) fn as_database(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }
}

impl From<SystemTime> for UnixMillis {
    /// A clock that stands before 1970 counts as 1970.
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self(0).saturating_add(since)
    }
}

impl fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_before_1970_counts_as_1970() {
        let before = UNIX_EPOCH - Duration::from_secs(5);
        assert_eq!(UnixMillis::from(before).as_millis(), 0);
    }

    #[test]
    fn no_point_in_time_overflows_the_database() {
        let late = UnixMillis::from_millis(u64::MAX);
        assert_eq!(late, UnixMillis::MAX);
        assert_eq!(late.saturating_add(Duration::MAX).as_database(), i64::MAX);
    }

    #[test]
    fn time_since_the_future_is_zero() {
        let (early, late) = (UnixMillis::from_millis(1_000), UnixMillis::from_millis(3_500));
        assert_eq!(late.saturating_since(early), Duration::from_millis(2_500));
        assert_eq!(early.saturating_since(late), Duration::ZERO);
    }
}
