//! How much everybody may have of what costs them nothing.

use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use crate::Rate;

/// A limit for each network, an IPv4 /24 or an IPv6 /56, and one for all together.
///
/// Its memory is what it is: networks whose hash is the same share a cell. Which ones these are
/// nobody outside can know, and whoever sends from many addresses, or in many names, only makes
/// cells full of which others may have one.
#[derive(Debug)]
pub(super) struct Buckets {
    rate: Rate,
    begun: Instant,
    /// When all that was taken will have been allowed, in nanoseconds since it has begun.
    cells: Box<[AtomicU64]>,
    all: AtomicU64,
    hasher: RandomState,
}

impl Buckets {
    pub(super) fn new(rate: Rate) -> Self {
        let cells = (0..CELLS).map(|_| AtomicU64::new(0)).collect();
        let (all, hasher) = (AtomicU64::new(0), RandomState::new());
        Self { rate, begun: Instant::now(), cells, all, hasher }
    }

    /// Takes one for the network of `ip`, if there is one.
    pub(super) fn take(&self, ip: IpAddr) -> bool {
        self.take_at(ip, u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    fn take_at(&self, ip: IpAddr, now: u64) -> bool {
        let hash = self.hasher.hash_one(network(ip));
        let cell = &self.cells[hash as usize % self.cells.len()];
        take(cell, self.rate, now) && take(&self.all, ALL, now)
    }
}

/// The network whose hosts are one to us. Who has an IPv6 address has a few million of them.
fn network(ip: IpAddr) -> [u8; 7] {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            // No address of IPv6 that can send begins like this.
            [0xFF, 0xFF, 0xFF, 0xFF, a, b, c]
        }
        IpAddr::V6(ip) => {
            let [a, b, c, d, e, f, g, ..] = ip.octets();
            [a, b, c, d, e, f, g]
        }
    }
}

fn take(until: &AtomicU64, rate: Rate, now: u64) -> bool {
    let each = SECOND / u64::from(rate.per_second.max(1));
    let most = now.saturating_add(each.saturating_mul(u64::from(rate.burst) + 1));
    let taken = until.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |until| {
        let until = until.max(now).saturating_add(each);
        (until <= most).then_some(until)
    });
    taken.is_ok()
}

const SECOND: u64 = 1_000_000_000;
/// 64 KiB: room for as many networks at the same time as people are likely to play from.
const CELLS: usize = 8192;
/// What all may have together: answering so many takes a few percent of a core.
const ALL: Rate = Rate { per_second: 10_000, burst: 1000 };

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn neighbours_share_and_others_do_not() {
        let buckets = Buckets::new(Rate { per_second: 10, burst: 4 });
        let (ours, theirs) = (["192.0.2.1", "::ffff:192.0.2.200"], "192.0.3.1");
        let taken = |from: &str, now| buckets.take_at(ip(from), now);
        assert_eq!((0..20).filter(|n| taken(ours[n % 2], 0)).count(), 5);
        assert_eq!((0..20).filter(|_| taken(theirs, 0)).count(), 5);
        // A second later there are ten more, of which five may be had at once.
        assert_eq!((0..20).filter(|_| taken(ours[0], SECOND)).count(), 5);
        assert!(!taken(ours[0], SECOND) && taken(ours[0], SECOND + SECOND / 10));
        let [home, next] = ["2001:db8:0:aa00::1", "2001:db8:0:aaff:1::"].map(ip);
        assert_eq!(network(home), network(next));
        assert_ne!(network(home), network(ip("2001:db8:0:ab00::1")));
    }

    #[test]
    fn all_together_have_a_limit_too() {
        let buckets = Buckets::new(Rate { per_second: 1000, burst: 1000 });
        let from = |n: u32| IpAddr::from((0x0100_0000 + (n << 8)).to_be_bytes());
        let taken = (0..5000).filter(|n| buckets.take_at(from(*n), 0)).count();
        assert_eq!(taken, ALL.burst as usize + 1);
    }
}
