//! Who is expected, and with which secret.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use protocol::{JoinSecret, Text};

/// Who is expected.
#[derive(Debug, Default)]
pub(crate) struct Doors {
    expected: HashMap<Text<64>, Expected>,
}

#[derive(Debug)]
struct Expected {
    secret: JoinSecret,
    until: Instant,
}

impl Doors {
    /// `account` will come with `secret`, if at all, within this time. What was expected of it
    /// before is not any more. Whether that is noted: not while as many are expected as can be.
    pub(crate) fn expect(
        &mut self,
        account: Text<64>,
        secret: JoinSecret,
        within: Duration,
        now: Instant,
    ) -> bool {
        self.expected.retain(|_, expected| expected.until > now);
        if self.expected.len() >= MAX_EXPECTED && !self.expected.contains_key(&account) {
            return false;
        }
        self.expected.insert(account, Expected { secret, until: now + within });
        true
    }

    /// `account` is not expected any more.
    pub(crate) fn dismiss(&mut self, account: &Text<64>) {
        self.expected.remove(account);
    }

    /// Whose secret this is. It is good for nothing from then on.
    pub(crate) fn admit(&mut self, secret: &str, now: Instant) -> Option<Text<64>> {
        let is_it = |expected: &Expected| expected.until > now && same(expected, secret);
        let account = self.expected.iter().find(|(_, expected)| is_it(expected));
        let account = account.map(|(account, _)| account.clone())?;
        self.expected.remove(&account);
        Some(account)
    }
}

/// Takes as long whichever byte differs.
fn same(expected: &Expected, secret: &str) -> bool {
    let (one, other) = (expected.secret.reveal().as_bytes(), secret.as_bytes());
    one.len() == other.len() && one.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

/// Further ones are not confirmed to the keeper, which lets them try again.
const MAX_EXPECTED: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn secret(text: &str) -> JoinSecret {
        JoinSecret(Text::lossy(text))
    }

    fn ann() -> Text<64> {
        Text::lossy("ann")
    }

    #[test]
    fn a_secret_is_good_once_and_in_time() {
        let (mut doors, now) = (Doors::default(), Instant::now());
        assert!(doors.expect(ann(), secret("one"), MINUTE, now));
        assert_eq!(doors.admit("two", now), None);
        assert_eq!(doors.admit("", now), None);
        assert_eq!(doors.admit("one", now), Some(ann()));
        assert_eq!(doors.admit("one", now), None, "a second time");
        doors.expect(ann(), secret("one"), MINUTE, now);
        assert_eq!(doors.admit("one", now + MINUTE), None, "too late");
    }

    #[test]
    fn a_newer_secret_replaces_the_one_before() {
        let (mut doors, now) = (Doors::default(), Instant::now());
        doors.expect(ann(), secret("one"), MINUTE, now);
        doors.expect(ann(), secret("two"), MINUTE, now);
        assert_eq!(doors.admit("one", now), None);
        assert_eq!(doors.admit("two", now), Some(ann()));
        doors.expect(ann(), secret("three"), MINUTE, now);
        doors.dismiss(&ann());
        assert_eq!(doors.admit("three", now), None);
    }

    #[test]
    fn those_who_are_expected_are_bounded_and_make_room_with_time() {
        let (mut doors, now) = (Doors::default(), Instant::now());
        let name = |number: usize| Text::lossy(&number.to_string());
        for number in 0..MAX_EXPECTED {
            assert!(doors.expect(name(number), secret("x"), MINUTE, now));
        }
        assert!(!doors.expect(ann(), secret("x"), MINUTE, now));
        assert!(doors.expect(name(7), secret("y"), MINUTE, now), "expected already");
        assert!(doors.expect(ann(), secret("x"), MINUTE, now + MINUTE));
    }
}
