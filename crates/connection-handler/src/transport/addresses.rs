//! Where a server is, when that is more than one place.

use std::{io, iter, net::SocketAddr, time::Duration};

use tokio::{net::lookup_host, task::JoinSet, time::sleep};

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addresses {
    /// At one of these, to be tried in this order.
    Fixed(Vec<SocketAddr>),
    /// At `host:port`, which is resolved anew with every attempt to connect. The first eight
    /// addresses count, IPv6 and IPv4 in turn.
    Name(String),
}

impl Addresses {
    /// The addresses in the order in which they are to be tried.
    pub(crate) async fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        match self {
            Self::Fixed(addresses) => Ok(addresses.clone()),
            Self::Name(name) => Ok(in_turn(lookup_host(name).await?)),
        }
    }
}

impl From<SocketAddr> for Addresses {
    fn from(addr: SocketAddr) -> Self {
        Self::Fixed(vec![addr])
    }
}

impl From<Vec<SocketAddr>> for Addresses {
    fn from(addresses: Vec<SocketAddr>) -> Self {
        Self::Fixed(addresses)
    }
}

impl From<String> for Addresses {
    fn from(name: String) -> Self {
        Self::Name(name)
    }
}

impl From<&str> for Addresses {
    fn from(name: &str) -> Self {
        Self::Name(name.into())
    }
}

/// Makes an attempt at each of `addresses` in turn, and takes the first that succeeds: the next one
/// begins when one has failed, or after a quarter of a second. The others are dropped.
///
/// The error has the kind of the first that failed, and says what went wrong with each.
///
/// Cancel-safe: all attempts end with it.
pub(crate) async fn first_of<T, A>(
    addresses: Vec<SocketAddr>,
    attempt: impl Fn(SocketAddr) -> A,
) -> io::Result<T>
where
    T: Send + 'static,
    A: Future<Output = io::Result<T>> + Send + 'static,
{
    let mut waiting = addresses.into_iter().enumerate();
    let (mut attempts, mut errors) = (JoinSet::new(), Vec::new());
    loop {
        if let Some((index, addr)) = waiting.next() {
            let attempt = attempt(addr);
            attempts.spawn(async move { attempt.await.map_err(|error| (index, error)) });
        }
        let ended = tokio::select! {
            ended = attempts.join_next() => ended,
            () = sleep(NEXT_ADDRESS), if waiting.len() > 0 => continue,
        };
        match ended {
            Some(Ok(Ok(connection))) => return Ok(connection),
            Some(Ok(Err(error))) => errors.push(error),
            Some(Err(panic)) => errors.push((usize::MAX, panic.into())),
            None => return Err(all(errors)),
        }
    }
}

/// What went wrong with each address, in their order: for the same reasons it reads the same.
fn all(mut errors: Vec<(usize, io::Error)>) -> io::Error {
    match errors.len() {
        0 => io::Error::new(io::ErrorKind::NotFound, "no address to connect to"),
        1 => errors.remove(0).1,
        _ => {
            let kind = errors[0].1.kind();
            errors.sort_by_key(|(index, _)| *index);
            let errors: Vec<_> = errors.iter().map(|(_, error)| error.to_string()).collect();
            io::Error::new(kind, errors.join("; "))
        }
    }
}

/// The families in turn, beginning with that of the first: when one of them is not routed, the
/// other is tried second and not last.
fn in_turn(addresses: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut distinct = Vec::new();
    for addr in addresses {
        if !distinct.contains(&addr) {
            distinct.push(addr);
        }
    }
    let first_is_ipv6 = distinct.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        distinct.into_iter().partition(|addr| addr.is_ipv6() == first_is_ipv6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let pairs = iter::from_fn(|| match (first.next(), second.next()) {
        (None, None) => None,
        pair => Some(pair),
    });
    pairs.flat_map(|(one, other)| one.into_iter().chain(other)).take(MAX_ADDRESSES).collect()
}

const NEXT_ADDRESS: Duration = Duration::from_millis(250);
/// Of those that a name stands for.
const MAX_ADDRESSES: usize = 8;

#[cfg(test)]
mod tests {
    use std::{
        future::pending,
        sync::{Arc, Mutex},
    };

    use tokio::time::Instant;

    use super::*;

    fn addr(addr: &str) -> SocketAddr {
        addr.parse().unwrap()
    }

    #[test]
    fn families_take_turns_and_neither_crowds_out_the_other() {
        let name = |family: &str, number: usize| match family {
            "6" => addr(&format!("[2001:db8::{number}]:1")),
            _ => addr(&format!("192.0.2.{number}:1")),
        };
        let resolved = (1..=9).map(|n| name("6", n)).chain((1..=3).map(|n| name("4", n)));
        let expected = ["6", "4", "6", "4", "6", "4", "6", "6"].map(|family| family == "6");
        let tried = in_turn(resolved);
        assert_eq!(tried.iter().map(SocketAddr::is_ipv6).collect::<Vec<_>>(), expected);
        assert_eq!(tried[..2], [name("6", 1), name("4", 1)]);

        let ipv4_first =
            in_turn([name("4", 1), name("4", 1), name("4", 2), name("6", 1)].into_iter());
        assert_eq!(ipv4_first, [name("4", 1), name("6", 1), name("4", 2)]);
    }

    /// Attempts at three addresses of which each behaves as told, and when each was made.
    async fn attempt(
        behaviour: fn(u16) -> Option<io::Result<u16>>,
    ) -> (io::Result<u16>, Vec<(u16, Duration)>) {
        let (begin, made) = (Instant::now(), Arc::new(Mutex::new(Vec::new())));
        let addresses = (1..=3).map(|port| SocketAddr::from(([192, 0, 2, 1], port))).collect();
        let result = first_of(addresses, |addr| {
            made.lock().unwrap().push((addr.port(), begin.elapsed()));
            async move {
                match behaviour(addr.port()) {
                    Some(result) => result,
                    None => pending().await,
                }
            }
        });
        let result = result.await;
        let made = made.lock().unwrap().clone();
        (result, made)
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_address_is_tried_a_quarter_of_a_second_later() {
        let (result, made) = attempt(|port| (port == 3).then_some(Ok(port))).await;
        assert_eq!(result.unwrap(), 3);
        let expected = [(1, Duration::ZERO), (2, NEXT_ADDRESS), (3, 2 * NEXT_ADDRESS)];
        for ((port, at), (expected_port, expected_at)) in made.into_iter().zip(expected) {
            assert_eq!(port, expected_port);
            assert!(at.abs_diff(expected_at) < Duration::from_millis(5), "{port} after {at:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_failure_the_next_address_is_tried_at_once() {
        let refused = io::ErrorKind::ConnectionRefused;
        let begin = Instant::now();
        let (result, _) = attempt(|port| {
            Some(if port == 3 { Ok(port) } else { Err(io::ErrorKind::ConnectionRefused.into()) })
        })
        .await;
        assert_eq!(result.unwrap(), 3);
        assert!(begin.elapsed() < NEXT_ADDRESS);

        let (result, made) = attempt(|port| {
            Some(Err(io::Error::new(io::ErrorKind::ConnectionRefused, format!("no {port}"))))
        })
        .await;
        let error = result.unwrap_err();
        assert_eq!((error.kind(), made.len()), (refused, 3));
        assert_eq!(error.to_string(), "no 1; no 2; no 3");
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_address_wins_if_it_answers_in_time() {
        let (result, made) = attempt(|port| Some(Ok(port))).await;
        assert_eq!((result.unwrap(), made.len()), (1, 1));
    }

    #[tokio::test]
    async fn no_address_is_an_error() {
        let result = first_of(Vec::new(), |_| async { Ok(()) }).await;
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
