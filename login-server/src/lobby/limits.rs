//! The numbers the lobby lives within, and what counts against them.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use accounts::Prefix;

/// How much, how often and how long.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Longest a game client may take to log in, from the welcome or from its logout. Then
    /// `Goodbye::Silent`: nobody only looks.
    pub login_timeout: Duration,
    /// Longest a launcher that is not enrolled may take to enrol. Then `Goodbye::NotEnrolled`.
    pub enrollment_timeout: Duration,
    /// Time between two pings of a game client. Who has said nothing at all after two of them, and
    /// as long again, gets `Goodbye::Silent`.
    pub ping_interval: Duration,
    /// The same for a launcher. Short: within 10 s players have to see that it is gone, and a
    /// killed one does not say so.
    pub launcher_ping_interval: Duration,
    /// How long a session without connection keeps its place in the lobby.
    pub lobby_grace: Duration,
    /// How long a session without connection keeps its place on a game server.
    pub server_grace: Duration,
    /// How long the servers of a launcher that is gone stay in the list.
    pub launcher_grace: Duration,
    /// Longest a request waits for the store. Then `Refusal::Unavailable`.
    pub store_timeout: Duration,
    /// Longest a request waits for a launcher. Then `Refusal::Unavailable`.
    pub join_timeout: Duration,
    /// Most requests of one connection that wait for an answer from elsewhere. Further ones are
    /// refused as `Busy`.
    pub waiting_per_link: usize,
    /// Most requests that wait for the store. Further ones are refused as `Busy`.
    pub waiting: usize,
    /// Most sessions, connected or not. Who logs in then waits for a place.
    pub sessions: usize,
    /// Most who wait for a place. Further ones are refused as `Busy`.
    pub queue: usize,
    /// Accounts made from one network (IPv4 /24, IPv6 /56) in an hour, those included that guests
    /// have claimed. Further ones are refused
    /// as `Busy`.
    pub registrations_per_hour: u32,
    /// Guests let in from one network (IPv4 /24, IPv6 /56) in an hour. Further ones are refused as
    /// `Busy`. 0: no guests, who are refused as `NotAllowed`.
    pub guests_per_hour: u32,
    /// Reports of players from one network (IPv4 /24, IPv6 /56) in an hour. Further ones are refused
    /// as `Busy`.
    pub reports_per_hour: u32,
    /// Logins from one network (IPv4 /24, IPv6 /56) in an hour that came to nothing: a wrong
    /// password, or nobody waited for the answer; and registrations of a name that is taken.
    /// Further logins, registrations, and other requests with a password are refused as `Busy`.
    pub failed_logins_per_hour: u32,
    /// Messages of a game client; `WatchServers` counts as five. Beyond it requests are
    /// refused as `Busy` and other messages are ignored; ten times beyond it is a violation.
    pub client_messages: Rate,
    /// What a session says. Beyond it: `Busy`.
    pub chat: Rate,
    /// Messages of a launcher. Ten times beyond it is a violation.
    pub launcher_messages: Rate,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            login_timeout: Duration::from_secs(60),
            enrollment_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(15),
            launcher_ping_interval: Duration::from_millis(2500),
            lobby_grace: Duration::from_secs(60),
            server_grace: Duration::from_secs(5 * 60),
            launcher_grace: Duration::from_secs(5 * 60),
            store_timeout: Duration::from_secs(10),
            join_timeout: Duration::from_secs(5),
            waiting_per_link: 4,
            waiting: 1024,
            sessions: 50_000,
            queue: 10_000,
            registrations_per_hour: 10,
            guests_per_hour: 100,
            reports_per_hour: 30,
            failed_logins_per_hour: 100,
            client_messages: Rate { burst: 100, per_second: 10 },
            chat: Rate { burst: 5, per_second: 1 },
            launcher_messages: Rate { burst: 500, per_second: 200 },
        }
    }
}

/// So many at once, and so many more each second.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// At once, after a pause.
    pub burst: u32,
    /// Each second, for ever. At least 1.
    pub per_second: u32,
}

/// Measures against a [`Rate`]. What is beyond it still counts, so that who does not slow down
/// gets ever deeper.
#[derive(Clone, Debug)]
pub(super) struct TokenBucket {
    rate: Rate,
    /// In thousandths. Negative: so much was taken beyond the rate.
    level: i64,
    filled: Duration,
}

/// What a [`TokenBucket`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is within the rate.
    Within,
    /// It is not; so long until the same would be.
    Beyond { retry_after_ms: u32 },
    /// It is far beyond it: by ten bursts.
    FarBeyond,
}

impl TokenBucket {
    pub(super) fn new(rate: Rate, now: Duration) -> Self {
        Self { rate, level: i64::from(rate.burst) * 1000, filled: now }
    }

    pub(super) fn take(&mut self, now: Duration) -> Taken {
        self.take_many(1, now)
    }

    /// Takes what costs as much as `count` messages.
    pub(super) fn take_many(&mut self, count: u32, now: Duration) -> Taken {
        let burst = i64::from(self.rate.burst) * 1000;
        let elapsed = now.saturating_sub(self.filled);
        let elapsed = i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX);
        self.filled = now;
        let added = elapsed.saturating_mul(self.rate.per_second.into());
        self.level = self.level.saturating_add(added).min(burst);
        self.level = (self.level - 1000 * i64::from(count)).max(-11 * burst);
        if self.level >= 0 {
            return Taken::Within;
        }
        if self.level <= -10 * burst {
            return Taken::FarBeyond;
        }
        // Until there is room for as much again: what was just refused has been counted.
        let missing = 1000 * i64::from(count) - self.level;
        let wait = missing / i64::from(self.rate.per_second.max(1));
        Taken::Beyond { retry_after_ms: u32::try_from(wait + 1).unwrap_or(u32::MAX) }
    }
}

/// How often something was done in an hour, by network.
#[derive(Debug, Default)]
pub(super) struct Tally {
    by_network: BTreeMap<Prefix, Recent>,
}

#[derive(Debug)]
struct Recent {
    since: Duration,
    count: u32,
}

impl Tally {
    /// Whether one more from `ip` is possible, or after how many milliseconds it is.
    pub(super) fn check(&self, ip: IpAddr, per_hour: u32, now: Duration) -> Result<(), u32> {
        let recent = self.by_network.get(&Prefix::of(ip));
        let (since, count) = recent.map_or((now, 0), |recent| (recent.since, recent.count));
        let left = HOUR.saturating_sub(now.saturating_sub(since));
        if left.is_zero() || count < per_hour {
            return Ok(());
        }
        Err(u32::try_from(left.as_millis()).unwrap_or(u32::MAX))
    }

    /// Counts one from `ip`.
    pub(super) fn add(&mut self, ip: IpAddr, now: Duration) {
        let network = Prefix::of(ip);
        if self.by_network.len() >= MAX_NETWORKS && !self.by_network.contains_key(&network) {
            self.forget_the_oldest();
        }
        let recent = self.by_network.entry(network).or_insert(Recent { since: now, count: 0 });
        if now.saturating_sub(recent.since) >= HOUR {
            *recent = Recent { since: now, count: 0 };
        }
        recent.count = recent.count.saturating_add(1);
    }

    /// Takes back one that does not count after all.
    pub(super) fn take_back(&mut self, ip: IpAddr) {
        if let Some(recent) = self.by_network.get_mut(&Prefix::of(ip)) {
            recent.count = recent.count.saturating_sub(1);
        }
    }

    /// Forgets what is too long ago to matter.
    pub(super) fn tick(&mut self, now: Duration) {
        self.by_network.retain(|_, recent| now.saturating_sub(recent.since) < HOUR);
    }

    fn forget_the_oldest(&mut self) {
        let oldest = self.by_network.iter().min_by_key(|(_, recent)| recent.since);
        if let Some(network) = oldest.map(|(network, _)| *network) {
            self.by_network.remove(&network);
        }
    }
}

const HOUR: Duration = Duration::from_secs(3600);

/// Networks remembered: a few hundred kilobytes. For yet another one the oldest is forgotten: who
/// has so many networks must not keep everybody else out.
const MAX_NETWORKS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_lets_a_burst_through_then_so_many_a_second() {
        let mut bucket = TokenBucket::new(Rate { burst: 3, per_second: 2 }, Duration::ZERO);
        let mut take = |ms| bucket.take(Duration::from_millis(ms));
        assert!((0..3).all(|_| take(0) == Taken::Within));
        assert_eq!(take(0), Taken::Beyond { retry_after_ms: 1001 });
        assert_eq!(take(1001), Taken::Within);
        assert!(matches!(take(1001), Taken::Beyond { .. }));
        assert!((0..3).all(|_| take(60_000) == Taken::Within));
        assert!(matches!(take(60_000), Taken::Beyond { .. }));
    }

    #[test]
    fn who_does_not_slow_down_is_far_beyond() {
        let mut bucket = TokenBucket::new(Rate { burst: 3, per_second: 1 }, Duration::ZERO);
        let first = (1..).find(|_| bucket.take(Duration::ZERO) == Taken::FarBeyond);
        assert_eq!(first, Some(33));
    }

    #[test]
    fn what_costs_more_is_taken_as_often_as_it_fits() {
        let mut bucket = TokenBucket::new(Rate { burst: 10, per_second: 1 }, Duration::ZERO);
        let taken: Vec<_> = (0..3).map(|_| bucket.take_many(5, Duration::ZERO)).collect();
        assert_eq!(taken[..2], [Taken::Within, Taken::Within]);
        assert_eq!(taken[2], Taken::Beyond { retry_after_ms: 10_001 });
    }

    fn count(tally: &mut Tally, ip: &str, per_hour: u32, seconds: u64) -> bool {
        let (ip, now) = (ip.parse().unwrap(), Duration::from_secs(seconds));
        let may = tally.check(ip, per_hour, now).is_ok();
        if may {
            tally.add(ip, now);
        }
        may
    }

    #[test]
    fn a_network_does_it_so_often_in_an_hour() {
        let mut tally = Tally::default();
        let mut count = |ip, seconds| count(&mut tally, ip, 2, seconds);
        assert!(count("192.0.2.1", 0));
        assert!(count("192.0.2.2", 1));
        assert!(!count("192.0.2.3", 2));
        assert!(count("192.0.3.3", 2));
        assert!(!count("192.0.2.1", 3599));
        assert!(count("192.0.2.1", 3600));
    }

    #[test]
    fn what_came_to_nothing_does_not_count() {
        let mut tally = Tally::default();
        assert!(count(&mut tally, "192.0.2.1", 1, 0));
        tally.take_back([192, 0, 2, 1].into());
        assert!(count(&mut tally, "192.0.2.1", 1, 0));
        assert!(!count(&mut tally, "192.0.2.1", 1, 0));
    }

    #[test]
    fn who_has_many_networks_keeps_nobody_else_out() {
        let mut tally = Tally::default();
        for n in 0..=MAX_NETWORKS as u32 {
            let ip = std::net::Ipv4Addr::from(n << 8).to_string();
            assert!(count(&mut tally, &ip, 1, 1), "{ip}");
        }
        assert_eq!(tally.by_network.len(), MAX_NETWORKS);
    }
}
