//! Who has guessed too often, and has to wait.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use crate::prefix::Prefix;
use crate::time::UnixMillis;

/// How many wrong passwords are too many.
///
/// Counted are wrong passwords for one name from one network, and wrong passwords for whatever name
/// from one network. What somebody does from elsewhere never counts: nobody can lock somebody else
/// out. The price is that a guesser with many networks gets [`LockoutRules::for_name`] guesses from
/// each; against those help the length a password has, and the cost of each try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockoutRules {
    /// Wrong passwords for one name from one network (/24, /56) before it has to wait. 5.
    pub for_name: u32,
    /// Wrong passwords from one network, whatever the names. 50: a school has one, too.
    pub for_network: u32,
    /// The first wait; it doubles with every further wrong password. 1 minute.
    pub first_wait: Duration,
    /// The longest wait. 1 hour.
    pub longest_wait: Duration,
    /// Without a wrong password for so long, nothing is remembered. 24 hours.
    pub forget_after: Duration,
    /// Most names and networks that are remembered, of each; past it those are forgotten whose
    /// last wrong password is longest ago, a tenth at a time. 100,000: some 15 MB.
    pub capacity: usize,
}

impl Default for LockoutRules {
    fn default() -> Self {
        Self {
            for_name: 5,
            for_network: 50,
            first_wait: Duration::from_secs(60),
            longest_wait: Duration::from_secs(3600),
            forget_after: Duration::from_secs(24 * 3600),
            capacity: 100_000,
        }
    }
}

/// Counts wrong passwords. Plain data: in memory, forgotten when the program ends.
///
/// Every try counts as wrong from its beginning until it turns out to be right, so that many at once
/// are not more than one after the other. Names count whether anybody has them or not.
///
/// ```
/// use accounts::{Lockout, LockoutRules, Prefix, UnixMillis};
///
/// let mut lockout = Lockout::new(LockoutRules::default());
/// let (prefix, now) = (Prefix::of("192.0.2.7".parse().unwrap()), UnixMillis::from_millis(0));
/// for _ in 0..5 {
///     lockout.try_password("rosa", prefix, now).unwrap();
/// }
/// let wait = lockout.try_password("rosa", prefix, now).unwrap_err();
/// assert_eq!(wait.retry_after.as_secs(), 60);
/// let elsewhere = Prefix::of("198.51.100.1".parse().unwrap());
/// assert!(lockout.try_password("rosa", elsewhere, now).is_ok());
/// ```
#[derive(Clone, Debug)]
pub struct Lockout {
    rules: LockoutRules,
    names: Counters<(Box<str>, Prefix)>,
    networks: Counters<Prefix>,
}

/// Too many wrong passwords: the next one is not even looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many wrong passwords, try again in {} s", retry_after.as_secs())]
pub struct LockedOut {
    /// When it is worth another try.
    pub retry_after: Duration,
}

impl Lockout {
    /// Nobody has guessed yet.
    pub fn new(rules: LockoutRules) -> Self {
        Self { rules, names: Counters::new(), networks: Counters::new() }
    }

    /// Somebody wants to try a password for the name with this [key](crate::AccountName::key).
    /// Counts as wrong until [`Lockout::was_right`].
    ///
    /// # Errors
    ///
    /// When they have to wait; that does not count.
    pub fn try_password(
        &mut self,
        name_key: &str,
        prefix: Prefix,
        now: UnixMillis,
    ) -> Result<(), LockedOut> {
        let rules = self.rules;
        let name = (name_key.into(), prefix);
        let wait = self.names.wait(&name, now).max(self.networks.wait(&prefix, now));
        if !wait.is_zero() {
            return Err(LockedOut { retry_after: wait });
        }
        self.names.add(name, rules.for_name, &rules, now);
        self.networks.add(prefix, rules.for_network, &rules, now);
        Ok(())
    }

    /// That password was right: what was wrong before it for this name from there is forgiven, of
    /// the network only this try.
    pub fn was_right(&mut self, name_key: &str, prefix: Prefix) {
        self.names.by_key.remove(&(name_key.into(), prefix));
        self.networks.take_back(&prefix, self.rules.for_network);
    }

    /// That password was not looked at after all: nothing was wrong with it.
    pub fn was_not_tried(&mut self, name_key: &str, prefix: Prefix) {
        self.names.take_back(&(name_key.into(), prefix), self.rules.for_name);
        self.networks.take_back(&prefix, self.rules.for_network);
    }
}

#[derive(Clone, Debug)]
struct Counters<K> {
    by_key: HashMap<K, Counter>,
}

#[derive(Clone, Copy, Debug)]
struct Counter {
    wrong: u32,
    last: UnixMillis,
    locked_until: UnixMillis,
}

impl<K: Clone + Eq + Hash> Counters<K> {
    fn new() -> Self {
        Self { by_key: HashMap::new() }
    }

    fn wait(&self, key: &K, now: UnixMillis) -> Duration {
        self.by_key.get(key).map_or(Duration::ZERO, |c| c.locked_until.saturating_since(now))
    }

    fn add(&mut self, key: K, allowed: u32, rules: &LockoutRules, now: UnixMillis) {
        if self.by_key.len() >= rules.capacity && !self.by_key.contains_key(&key) {
            self.make_room(rules, now);
        }
        let fresh = Counter { wrong: 0, last: now, locked_until: UnixMillis::from_millis(0) };
        let counter = self.by_key.entry(key).or_insert(fresh);
        if now.saturating_since(counter.last) >= rules.forget_after {
            *counter = fresh;
        }
        counter.wrong = counter.wrong.saturating_add(1);
        counter.last = now;
        if let Some(beyond) = counter.wrong.checked_sub(allowed) {
            let wait = rules.first_wait.saturating_mul(1 << beyond.min(20));
            counter.locked_until = now.saturating_add(wait.min(rules.longest_wait));
        }
    }

    fn take_back(&mut self, key: &K, allowed: u32) {
        let Some(counter) = self.by_key.get_mut(key) else { return };
        counter.wrong = counter.wrong.saturating_sub(1);
        if counter.wrong < allowed {
            counter.locked_until = UnixMillis::from_millis(0);
        }
        if counter.wrong == 0 {
            self.by_key.remove(key);
        }
    }

    fn make_room(&mut self, rules: &LockoutRules, now: UnixMillis) {
        self.by_key.retain(|_, counter| now.saturating_since(counter.last) < rules.forget_after);
        if self.by_key.len() < rules.capacity {
            return;
        }
        let mut times: Vec<_> = self.by_key.values().map(|counter| counter.last).collect();
        let tenth = times.len() / 10;
        let (_, oldest, _) = times.select_nth_unstable(tenth);
        let oldest = *oldest;
        // Of many at the same moment, not all.
        let mut surplus = tenth + 1;
        self.by_key.retain(|_, counter| {
            let goes = counter.last <= oldest && surplus > 0;
            surplus -= usize::from(goes);
            !goes
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> UnixMillis {
        UnixMillis::from_millis(1_700_000_000_000 + seconds * 1000)
    }

    fn network(number: u8) -> Prefix {
        Prefix::of([192, 0, number, 1].into())
    }

    fn lockout() -> Lockout {
        Lockout::new(LockoutRules::default())
    }

    #[test]
    fn the_sixth_try_waits_and_every_further_one_twice_as_long() {
        let mut lockout = lockout();
        for _ in 0..5 {
            lockout.try_password("rosa", network(1), at(0)).unwrap();
        }
        let mut now = 0;
        for wait in [60, 120, 240, 480, 960, 1920, 3600, 3600] {
            let locked = lockout.try_password("rosa", network(1), at(now)).unwrap_err();
            assert_eq!(locked.retry_after.as_secs(), wait);
            now += wait;
            lockout.try_password("rosa", network(1), at(now)).unwrap();
        }
    }

    #[test]
    fn nobody_can_lock_somebody_else_out() {
        let mut lockout = lockout();
        for number in 0..200 {
            for _ in 0..100 {
                let _ = lockout.try_password("rosa", network(number), at(0));
            }
        }
        lockout.try_password("rosa", network(201), at(0)).unwrap();
        lockout.try_password("karl", network(201), at(0)).unwrap();
    }

    #[test]
    fn a_network_that_tries_many_names_waits() {
        let mut lockout = lockout();
        for number in 0..50 {
            lockout.try_password(&format!("n{number}"), network(1), at(0)).unwrap();
        }
        assert!(lockout.try_password("rosa", network(1), at(0)).is_err());
        assert!(lockout.try_password("rosa", network(2), at(0)).is_ok());
    }

    #[test]
    fn who_knows_the_password_is_forgiven() {
        let mut lockout = lockout();
        for _ in 0..1000 {
            for _ in 0..4 {
                lockout.try_password("rosa", network(1), at(0)).unwrap();
                lockout.was_not_tried("rosa", network(1));
            }
            lockout.try_password("rosa", network(1), at(0)).unwrap();
            lockout.was_right("rosa", network(1));
        }
        assert!(lockout.names.by_key.is_empty() && lockout.networks.by_key.is_empty());
    }

    #[test]
    fn one_right_password_does_not_forgive_a_network_its_guesses() {
        let mut lockout = lockout();
        for number in 0..49 {
            lockout.try_password(&format!("n{number}"), network(1), at(0)).unwrap();
        }
        lockout.try_password("own", network(1), at(0)).unwrap();
        lockout.was_right("own", network(1));
        lockout.try_password("own", network(1), at(0)).unwrap();
        assert!(lockout.try_password("rosa", network(1), at(0)).is_err());
    }

    #[test]
    fn after_a_day_nothing_is_remembered() {
        let mut lockout = lockout();
        for _ in 0..5 {
            lockout.try_password("rosa", network(1), at(0)).unwrap();
        }
        let day = 24 * 3600;
        for _ in 0..5 {
            lockout.try_password("rosa", network(1), at(day)).unwrap();
        }
        assert!(lockout.try_password("rosa", network(1), at(day)).is_err());
    }

    #[test]
    fn memory_has_an_end_and_the_latest_are_remembered() {
        let rules = LockoutRules { capacity: 100, for_network: u32::MAX, ..Default::default() };
        let mut lockout = Lockout::new(rules);
        for number in 0..1000 {
            lockout.try_password(&format!("n{number}"), network(1), at(number)).unwrap();
            assert!(lockout.names.by_key.len() <= 100);
        }
        for number in 950..1000 {
            let key = (format!("n{number}").into(), network(1));
            assert!(lockout.names.by_key.contains_key(&key));
        }
        for number in 0..1000 {
            lockout.try_password(&format!("m{number}"), network(1), at(1000)).unwrap();
            assert!(lockout.names.by_key.len() <= 100, "all at one moment");
        }
    }
}
