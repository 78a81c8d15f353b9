//! How much a peer may say in a second.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// So many in a second, in the long run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many. 0 is taken for 1.
    pub per_second: u32,
    /// How many more at once, after a while without any.
    pub burst: u32,
}

/// How much a peer may say, or several together.
///
/// What is above is noticed after a read: at most one batch more than this is accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimit {
    /// Messages, each counted as often as [`Peer::cost`](crate::Peer::cost) says. `None`: any number.
    pub messages: Option<Rate>,
    /// Bytes, framing included. `None`: any number.
    pub bytes: Option<Rate>,
}

impl RateLimit {
    fn is_none(&self) -> bool {
        self.messages.is_none() && self.bytes.is_none()
    }
}

/// What to do with a peer that says more than its [`RateLimit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenExceeded {
    /// Read nothing more of it until it may: its own socket slows it down. Nothing is lost.
    Wait,
    /// Disconnect it, for [`RateExceeded`](crate::DisconnectReason::RateExceeded), after the
    /// messages that were within the limit.
    Disconnect,
}

/// Which limit a peer has exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateExceeded {
    /// Of what it was too much.
    pub unit: RateUnit,
    /// Whether the limit is one of several connections together, a [`SharedRate`].
    pub shared: bool,
}

/// What a [`RateLimit`] counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateUnit {
    /// Messages, by their cost.
    Messages,
    /// Bytes.
    Bytes,
}

impl fmt::Display for RateExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.unit {
            RateUnit::Messages => "too many messages",
            RateUnit::Bytes => "too many bytes",
        })?;
        f.write_str(if self.shared { " from several connections" } else { "" })
    }
}

/// A [`RateLimit`] that several connections share, such as all from one address or of one account.
///
/// Give it to them with [`PeerLink::share_rate`](crate::PeerLink::share_rate). Clones are the same.
#[derive(Clone, Debug)]
pub struct SharedRate(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limit: RateLimit,
    begun: Instant,
    /// When all that was said will have been allowed, in nanoseconds since it has begun.
    messages: AtomicU64,
    bytes: AtomicU64,
}

impl SharedRate {
    /// A limit of which nothing is used.
    pub fn new(limit: RateLimit) -> Self {
        let (messages, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        Self(Arc::new(Shared { limit, begun: Instant::now(), messages, bytes }))
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether forgetting it would change anything.
    fn matters(&self) -> bool {
        let now = since(self.0.begun);
        let owed = |until: &AtomicU64| until.load(Ordering::Relaxed) > now;
        Arc::strong_count(&self.0) > 1 || owed(&self.0.messages) || owed(&self.0.bytes)
    }

    fn charge(&self, said: Said) -> Option<Excess> {
        let Shared { limit, begun, messages, bytes } = &*self.0;
        let now = since(*begun);
        let charge = |until: &AtomicU64, rate: Rate, units| {
            let charge = |until| Some(rate.until(until, now, units));
            let before = until.fetch_update(Ordering::Relaxed, Ordering::Relaxed, charge);
            rate.until(before.unwrap_or_else(|until| until), now, units)
        };
        let over = |unit, until, rate: Option<Rate>, units| {
            let rate = rate?;
            rate.excess(charge(until, rate, units), now, RateExceeded { unit, shared: true })
        };
        worse(
            over(RateUnit::Messages, messages, limit.messages, said.messages),
            over(RateUnit::Bytes, bytes, limit.bytes, said.bytes),
        )
    }
}

/// The [`SharedRate`] of each key, such as an address or an account.
///
/// A key is forgotten some time after its last connection, when it has no more to make up for: to
/// come again helps nobody.
#[derive(Debug)]
pub struct SharedRates<K> {
    limit: RateLimit,
    rates: HashMap<K, SharedRate>,
    /// With so many keys it is time to look for some to forget.
    crowded: usize,
}

impl<K: Eq + Hash> SharedRates<K> {
    /// Allows every key the same.
    pub fn new(limit: RateLimit) -> Self {
        Self { limit, rates: HashMap::new(), crowded: FEW }
    }

    /// What all connections of `key` share.
    pub fn of(&mut self, key: K) -> SharedRate {
        if self.rates.len() >= self.crowded {
            self.rates.retain(|_, rate| rate.matters());
            self.crowded = FEW.max(2 * self.rates.len());
        }
        self.rates.entry(key).or_insert_with(|| SharedRate::new(self.limit)).clone()
    }
}

/// The limits of one connection: its own, and those it shares.
#[derive(Debug)]
pub(crate) struct Rates {
    limit: RateLimit,
    begun: Instant,
    messages: u64,
    bytes: u64,
    shared: Arc<[SharedRate]>,
}

impl Rates {
    /// `None` if there is nothing to hold a peer to.
    pub(crate) fn new(limit: RateLimit) -> Option<Box<Self>> {
        (!limit.is_none()).then(|| Box::new(Self::unlimited(limit)))
    }

    fn unlimited(limit: RateLimit) -> Self {
        Self { limit, begun: Instant::now(), messages: 0, bytes: 0, shared: Arc::default() }
    }

    /// Also holds the peer to `shared`, from now on.
    pub(crate) fn share(rates: &mut Option<Box<Self>>, shared: Arc<[SharedRate]>) {
        let rates = rates.get_or_insert_with(|| Box::new(Self::unlimited(RateLimit::default())));
        rates.shared = shared;
    }

    /// With how many limits others are charged too.
    pub(crate) fn shared(&self) -> usize {
        self.shared.len()
    }

    /// The peer has said something. What is too much of it, if anything.
    pub(crate) fn charge(&mut self, said: Said) -> Option<Excess> {
        let now = since(self.begun);
        let over = |unit, until: &mut u64, rate: Option<Rate>, units| {
            let rate = rate?;
            *until = rate.until(*until, now, units);
            rate.excess(*until, now, RateExceeded { unit, shared: false })
        };
        let own = worse(
            over(RateUnit::Messages, &mut self.messages, self.limit.messages, said.messages),
            over(RateUnit::Bytes, &mut self.bytes, self.limit.bytes, said.bytes),
        );
        self.shared.iter().map(|shared| shared.charge(said)).fold(own, worse)
    }
}

/// What a read has brought.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said {
    /// The cost of its messages.
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

/// More than is allowed.
#[derive(Debug)]
pub(crate) struct Excess {
    pub(crate) exceeded: RateExceeded,
    /// When it would have been allowed.
    pub(crate) wait: Duration,
    /// By how much, if they are messages.
    pub(crate) messages: u64,
}

impl Rate {
    /// When `units` more will have been allowed, if all before are at `until`.
    fn until(self, until: u64, now: u64, units: u64) -> u64 {
        until.max(now).saturating_add(self.time(units))
    }

    /// What is above the limit, if all that was said will have been allowed at `until`.
    fn excess(self, until: u64, now: u64, exceeded: RateExceeded) -> Option<Excess> {
        let wait = until.saturating_sub(now.saturating_add(self.time(self.burst.into())));
        let of_messages = exceeded.unit == RateUnit::Messages;
        let units = u128::from(wait) * u128::from(self.per_second.max(1));
        let messages = u64::try_from(units.div_ceil(NANOS)).unwrap_or(u64::MAX);
        (wait > 0).then_some(Excess {
            exceeded,
            wait: Duration::from_nanos(wait),
            messages: if of_messages { messages } else { 0 },
        })
    }

    /// In which time so many are allowed, in nanoseconds.
    fn time(self, units: u64) -> u64 {
        let nanos = u128::from(units) * NANOS / u128::from(self.per_second.max(1));
        u64::try_from(nanos).unwrap_or(u64::MAX)
    }
}

/// What takes longer to make up for.
fn worse(one: Option<Excess>, other: Option<Excess>) -> Option<Excess> {
    [one, other].into_iter().flatten().max_by_key(|excess| excess.wait)
}

/// Nanoseconds since then: enough for 584 years.
fn since(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

const NANOS: u128 = 1_000_000_000;
/// So many keys are not worth looking for some to forget.
const FEW: usize = 64;

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn limit(messages: (u32, u32), bytes: (u32, u32)) -> RateLimit {
        let rate = |(per_second, burst)| Some(Rate { per_second, burst });
        RateLimit { messages: rate(messages), bytes: rate(bytes) }
    }

    fn said(messages: u64, bytes: u64) -> Said {
        Said { messages, bytes }
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_free_and_what_follows_takes_its_time() {
        let mut rates = Rates::new(limit((10, 20), (1000, 1000))).unwrap();
        assert!(rates.charge(said(20, 0)).is_none());
        let excess = rates.charge(said(5, 0)).unwrap();
        assert_eq!((excess.wait, excess.messages), (SECOND / 2, 5));
        assert_eq!(excess.exceeded.to_string(), "too many messages");
        advance(SECOND / 2).await;
        assert!(rates.charge(said(0, 1000)).is_none());
        let excess = rates.charge(said(1, 500)).unwrap();
        assert_eq!((excess.exceeded.unit, excess.wait), (RateUnit::Bytes, SECOND / 2));
        assert_eq!(excess.messages, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn time_that_was_not_used_is_worth_no_more_than_a_burst() {
        let mut rates = Rates::new(limit((10, 20), (1000, 1000))).unwrap();
        advance(SECOND * 1000).await;
        assert!(rates.charge(said(20, 1000)).is_none());
        assert!(rates.charge(said(1, 0)).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn connections_with_one_key_share_and_others_do_not() {
        let mut keys = SharedRates::new(limit((10, 20), (1000, 1000)));
        let mut connections = ["ann", "ann", "bob"].map(|key| {
            let mut rates = None;
            Rates::share(&mut rates, Arc::new([keys.of(key)]));
            rates.unwrap()
        });
        assert!(connections[0].charge(said(20, 0)).is_none());
        let excess = connections[1].charge(said(10, 0)).unwrap();
        assert_eq!((excess.wait, excess.exceeded.shared), (SECOND, true));
        assert!(connections[2].charge(said(20, 1000)).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_again_is_remembered_until_nothing_is_owed() {
        let mut keys = SharedRates::new(limit((10, 20), (1000, 1000)));
        keys.of(0).charge(said(100, 0)).unwrap();
        (1..1000).for_each(|key| drop(keys.of(key)));
        assert!(keys.rates.len() <= 2 * FEW, "{} keys", keys.rates.len());
        assert!(keys.of(0).charge(said(1, 0)).is_some());
        advance(SECOND * 11).await;
        (1..1000).for_each(|key| drop(keys.of(key)));
        assert!(keys.of(0).charge(said(20, 0)).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn no_number_is_too_large() {
        let mut rates = Rates::new(limit((0, u32::MAX), (u32::MAX, 0))).unwrap();
        rates.charge(said(u64::MAX, u64::MAX)).unwrap();
        rates.charge(said(u64::MAX, u64::MAX)).unwrap();
    }

    #[test]
    fn without_a_limit_there_is_nothing_to_charge() {
        assert!(Rates::new(RateLimit::default()).is_none());
    }
}
