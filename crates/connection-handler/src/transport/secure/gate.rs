//! Whether somebody who knocks over QUIC is let in, before anything is kept of them.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use tokio::time::Instant;

use super::{SecurePortConfig, tally::Refusal};

/// Decides who is let in, from numbers alone.
///
/// Three tiers. Normally everybody is. When there are many, in flight or per second, newcomers first
/// have to show that their address is their own (Retry, RFC 9000, section 8.1.2): that costs them a
/// round trip, and us neither memory nor an answer longer than the question. Above a hard limit they
/// are not answered at all: an answer would go to whoever the sender claims to be.
///
/// What may be anybody's address is not held against it. Proven ones count by network: an IPv4 /24,
/// an IPv6 /56.
#[derive(Debug)]
pub(super) struct Gate {
    limits: Limits,
    /// Those who knock without a proof, all together.
    knocks: Bucket,
    /// Those of them who are let in, all together.
    unproven: Bucket,
    proven: HashMap<Network, Bucket>,
    /// Of networks for which there is no place in `proven`.
    others: Bucket,
    swept: Option<Instant>,
}

/// Somebody knocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    pub(super) ip: IpAddr,
    /// It has shown that the address is its own: by what it was given there before.
    pub(super) proven: bool,
    /// Handshakes that are under way.
    pub(super) in_flight: usize,
    /// Those of them from its own address.
    pub(super) from_there: usize,
    /// Connections that are over, and not forgotten yet.
    pub(super) lingering: usize,
}

/// What becomes of an [`Attempt`].
#[derive(Debug)]
pub(super) enum Verdict {
    Accept,
    Retry,
    Ignore(Refusal),
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    retry_above: usize,
    max_handshakes: usize,
    max_handshakes_per_ip: usize,
    network: Pace,
}

impl Gate {
    pub(super) fn new(config: &SecurePortConfig) -> Self {
        let count = |count: usize| count as f64;
        let per_ip = count(config.max_connections_per_ip.max(1));
        let limits = Limits {
            retry_above: config.retry_above,
            max_handshakes: config.max_handshakes,
            max_handshakes_per_ip: config.max_handshakes_per_ip,
            network: Pace { per_second: per_ip, burst: 5.0 * per_ip },
        };
        let pace = |most: f64| Pace { per_second: most, burst: most };
        Self {
            limits,
            knocks: Bucket::new(pace(10.0 * count(config.max_handshakes.max(1)))),
            unproven: Bucket::new(pace(count(config.retry_above))),
            proven: HashMap::new(),
            others: Bucket::new(limits.network),
            swept: None,
        }
    }

    /// What becomes of `attempt`, which is made `now`.
    pub(super) fn decide(&mut self, attempt: &Attempt, now: Instant) -> Verdict {
        let Limits { retry_above, max_handshakes, max_handshakes_per_ip, .. } = self.limits;
        if attempt.in_flight >= max_handshakes {
            return Verdict::Ignore(Refusal::TooManyHandshakes);
        }
        if attempt.proven {
            if attempt.from_there >= max_handshakes_per_ip {
                return Verdict::Ignore(Refusal::TooManyHandshakesFromThere);
            }
            return match self.network(attempt.ip, now).take(now) {
                true => Verdict::Accept,
                false => Verdict::Ignore(Refusal::TooFastFromThere),
            };
        }
        if !self.knocks.take(now) {
            return Verdict::Ignore(Refusal::TooFast);
        }
        // Who says goodbye with its first packet is no handshake any more, but is remembered.
        let many = attempt.in_flight.max(attempt.lingering) >= retry_above
            || attempt.from_there >= RETRY_ABOVE_PER_IP.min(max_handshakes_per_ip);
        if many || !self.unproven.take(now) { Verdict::Retry } else { Verdict::Accept }
    }

    fn network(&mut self, ip: IpAddr, now: Instant) -> &mut Bucket {
        let network = Network::of(ip);
        if !self.proven.contains_key(&network) && self.proven.len() >= MAX_NETWORKS {
            // Not for each of them: it looks at all.
            if self.swept.is_none_or(|swept| now.duration_since(swept).as_secs() >= 1) {
                self.swept = Some(now);
                self.proven.retain(|_, bucket| !bucket.is_full(now));
            }
            if self.proven.len() >= MAX_NETWORKS {
                return &mut self.others;
            }
        }
        self.proven.entry(network).or_insert_with(|| Bucket::new(self.limits.network))
    }
}

/// So many at once, and so many more each second.
#[derive(Clone, Copy, Debug)]
struct Pace {
    per_second: f64,
    burst: f64,
}

#[derive(Debug)]
struct Bucket {
    pace: Pace,
    left: f64,
    /// When `left` was true.
    at: Option<Instant>,
}

impl Bucket {
    fn new(pace: Pace) -> Self {
        Self { pace, left: pace.burst, at: None }
    }

    fn take(&mut self, now: Instant) -> bool {
        self.refill(now);
        let may = self.left >= 1.0;
        if may {
            self.left -= 1.0;
        }
        may
    }

    fn is_full(&mut self, now: Instant) -> bool {
        self.refill(now);
        self.left >= self.pace.burst
    }

    fn refill(&mut self, now: Instant) {
        let Pace { per_second, burst } = self.pace;
        let since = self.at.replace(now).map(|at| now.saturating_duration_since(at));
        let more = since.unwrap_or_default().as_secs_f64() * per_second;
        self.left = (self.left + more).min(burst);
    }
}

/// What one operator usually controls: an IPv4 /24, an IPv6 /56.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Network(IpAddr);

impl Network {
    fn of(ip: IpAddr) -> Self {
        Self(match ip.to_canonical() {
            IpAddr::V4(ip) => Ipv4Addr::from_bits(ip.to_bits() & (u32::MAX << 8)).into(),
            IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 72)).into(),
        })
    }
}

/// Unfinished handshakes from one address from which on newcomers have to prove it is theirs.
const RETRY_ABOVE_PER_IP: usize = 8;
/// Networks that are told apart: 1 MiB at most. The others share one bucket.
const MAX_NETWORKS: usize = 8192;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn gate() -> Gate {
        Gate::new(&SecurePortConfig {
            max_connections_per_ip: 10,
            max_handshakes: 100,
            max_handshakes_per_ip: 20,
            retry_above: 30,
            ..SecurePortConfig::default()
        })
    }

    fn attempt(ip: &str, proven: bool, in_flight: usize, from_there: usize) -> Attempt {
        Attempt { ip: ip.parse().unwrap(), proven, in_flight, from_there, lingering: 0 }
    }

    fn word(verdict: &Verdict) -> &'static str {
        match verdict {
            Verdict::Accept => "accept",
            Verdict::Retry => "retry",
            Verdict::Ignore(_) => "ignore",
        }
    }

    #[test]
    fn the_number_in_flight_decides_the_tier() {
        let now = Instant::now();
        for (in_flight, from_there, stranger, proven) in [
            (0, 0, "accept", "accept"),
            (29, 0, "accept", "accept"),
            (30, 0, "retry", "accept"),
            (10, 8, "retry", "accept"),
            (25, 20, "retry", "ignore"),
            (99, 0, "retry", "accept"),
            (100, 0, "ignore", "ignore"),
        ] {
            for (is_proven, expected) in [(false, stranger), (true, proven)] {
                let attempt = attempt("192.0.2.1", is_proven, in_flight, from_there);
                let verdict = gate().decide(&attempt, now);
                assert_eq!(word(&verdict), expected, "{attempt:?}");
            }
        }
    }

    #[test]
    fn who_is_gone_and_not_forgotten_counts_as_one_in_flight() {
        let now = Instant::now();
        for (lingering, expected) in [(29, "accept"), (30, "retry"), (1000, "retry")] {
            let attempt = Attempt { lingering, ..attempt("192.0.2.1", false, 0, 0) };
            assert_eq!(word(&gate().decide(&attempt, now)), expected, "{lingering}");
            let attempt = Attempt { proven: true, ..attempt };
            assert_eq!(word(&gate().decide(&attempt, now)), "accept", "it has an address");
        }
    }

    /// What becomes of so many attempts, one after the other.
    fn tiers(gate: &mut Gate, times: usize, proven: bool, ip: &str, at: Instant) -> String {
        let mut words: Vec<(&str, usize)> = Vec::new();
        for _ in 0..times {
            let word = word(&gate.decide(&attempt(ip, proven, 0, 0), at));
            match words.last_mut() {
                Some((last, count)) if *last == word => *count += 1,
                _ => words.push((word, 1)),
            }
        }
        let words: Vec<_> = words.iter().map(|(word, count)| format!("{count} {word}")).collect();
        words.join(", ")
    }

    #[test]
    fn many_a_second_must_prove_their_address_and_too_many_hear_nothing() {
        let (mut gate, now) = (gate(), Instant::now());
        let tiers = |gate: &mut Gate, at| tiers(gate, 1100, false, "192.0.2.1", at);
        assert_eq!(tiers(&mut gate, now), "30 accept, 970 retry, 100 ignore");
        let later = now + Duration::from_millis(500);
        assert_eq!(tiers(&mut gate, later), "15 accept, 485 retry, 600 ignore");
    }

    #[test]
    fn proven_addresses_count_by_network() {
        let (mut gate, now) = (gate(), Instant::now());
        let tiers = |gate: &mut Gate, ip, at| tiers(gate, 60, true, ip, at);
        assert_eq!(tiers(&mut gate, "192.0.2.1", now), "50 accept, 10 ignore");
        assert_eq!(tiers(&mut gate, "192.0.2.99", now), "60 ignore");
        assert_eq!(tiers(&mut gate, "::ffff:192.0.2.7", now), "60 ignore");
        assert_eq!(tiers(&mut gate, "192.0.3.1", now), "50 accept, 10 ignore");
        assert_eq!(tiers(&mut gate, "2001:db8:0:aa00::1", now), "50 accept, 10 ignore");
        assert_eq!(tiers(&mut gate, "2001:db8:0:aaff::1", now), "60 ignore");
        assert_eq!(tiers(&mut gate, "2001:db8:0:ab00::1", now), "50 accept, 10 ignore");
        let later = now + Duration::from_secs(2);
        assert_eq!(tiers(&mut gate, "192.0.2.1", later), "20 accept, 40 ignore");
    }

    #[test]
    fn strangers_cannot_use_up_what_the_owner_of_an_address_may() {
        let (mut gate, now) = (gate(), Instant::now());
        tiers(&mut gate, 2000, false, "192.0.2.1", now);
        assert_eq!(tiers(&mut gate, 1, true, "192.0.2.1", now), "1 accept");
    }

    #[test]
    fn no_number_of_networks_takes_more_than_its_memory() {
        let (mut gate, now) = (gate(), Instant::now());
        for i in 0..u32::try_from(MAX_NETWORKS).unwrap() + 1000 {
            let ip = Ipv4Addr::from_bits(i << 8).to_string();
            gate.decide(&attempt(&ip, true, 0, 0), now);
        }
        assert_eq!(gate.proven.len(), MAX_NETWORKS);
        let later = now + Duration::from_secs(60);
        gate.decide(&attempt("203.0.113.1", true, 0, 0), later);
        assert_eq!(gate.proven.len(), 1, "who is quiet is forgotten");
    }
}
