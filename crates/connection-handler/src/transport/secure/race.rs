//! Two ways to the same server, of which one is taken.

use std::{
    io,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::time::sleep;

/// That QUIC did not get through lately, so that TLS is tried first. Clones are the same.
///
/// A [`SecureConnector`](super::SecureConnector) has one of its own and remembers by itself, for ten
/// minutes each time TLS was needed. Give it another one to remember across connectors, or store
/// what it knows across processes.
#[derive(Clone, Debug, Default)]
pub struct QuicBlocked(Arc<Mutex<Option<SystemTime>>>);

impl QuicBlocked {
    /// What was known before: TLS first until then.
    pub fn known_until(until: Option<SystemTime>) -> Self {
        Self(Arc::new(Mutex::new(until)))
    }

    /// Until when TLS is tried first, if it is.
    pub fn until(&self) -> Option<SystemTime> {
        let now = SystemTime::now();
        let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back does not make it last longer than it ever does.
        until.filter(|until| *until > now && *until <= now + REMEMBERED)
    }

    pub(super) fn learn(&self, is_blocked: bool) {
        let until = is_blocked.then(|| SystemTime::now() + REMEMBERED);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}

/// Which of two was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Winner {
    First,
    Second,
}

/// Takes what succeeds first of two ways. The second begins when the first has failed, or after
/// [`HEAD_START`]. What is not taken is dropped.
///
/// # Errors
///
/// Those of both, when both have failed.
pub(super) async fn race<T>(
    first: impl Future<Output = io::Result<T>>,
    second: impl Future<Output = io::Result<T>>,
) -> Result<(T, Winner), (io::Error, io::Error)> {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let failed = tokio::select! {
        biased;
        done = &mut first => match done {
            Ok(taken) => return Ok((taken, Winner::First)),
            Err(error) => Some(error),
        },
        () = sleep(HEAD_START) => None,
    };
    let first_error = match failed {
        Some(error) => error,
        None => tokio::select! {
            biased;
            done = &mut first => match done {
                Ok(taken) => return Ok((taken, Winner::First)),
                Err(error) => error,
            },
            done = &mut second => match done {
                Ok(taken) => return Ok((taken, Winner::Second)),
                Err(error) => {
                    let taken = first.await.map(|taken| (taken, Winner::First));
                    return taken.map_err(|first| (first, error));
                }
            },
        },
    };
    match second.await {
        Ok(taken) => Ok((taken, Winner::Second)),
        Err(error) => Err((first_error, error)),
    }
}

/// How long the first way has the network for itself: longer than a handshake takes on most
/// networks, and shorter than a player notices.
const HEAD_START: Duration = Duration::from_millis(250);
/// Long enough to spare a player the head start of every connection, and short enough to come back
/// to the better way after a night in a strange network.
const REMEMBERED: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    type Way = Result<u64, u64>;

    /// Ends after so many milliseconds, well or not.
    async fn way(way: Way) -> io::Result<u64> {
        let (Ok(ms) | Err(ms)) = way;
        sleep(Duration::from_millis(ms)).await;
        way.map_err(|ms| io::Error::other(ms.to_string()))
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_way_has_a_head_start_and_the_second_need_not_wait_for_its_failure() {
        use Winner::{First, Second};
        let head_start = HEAD_START.as_millis() as u64;
        for (first, second, won, after) in [
            (Ok(100), Ok(0), Some(First), 100),
            (Ok(head_start + 50), Ok(100), Some(First), head_start + 50),
            (Ok(head_start + 50), Ok(10), Some(Second), head_start + 10),
            (Ok(9000), Err(10), Some(First), 9000),
            (Err(20), Ok(30), Some(Second), 50),
            (Err(head_start + 20), Ok(30), Some(Second), head_start + 30),
            (Err(head_start + 20), Ok(90), Some(Second), head_start + 90),
            (Err(20), Err(30), None, 50),
            (Err(9000), Err(30), None, 9000),
            (Err(head_start + 20), Err(90), None, head_start + 90),
        ] {
            let begin = Instant::now();
            let ended = race(way(first), way(second)).await;
            assert_eq!(begin.elapsed().as_millis() as u64, after, "{first:?} {second:?}");
            match won {
                Some(won) => assert_eq!(ended.unwrap().1, won, "{first:?} {second:?}"),
                None => {
                    let (one, two) = ended.unwrap_err();
                    let told = (one.to_string(), two.to_string());
                    let [one, two] = [first, second].map(|way| way.unwrap_err().to_string());
                    assert_eq!(told, (one, two));
                }
            }
        }
    }

    #[test]
    fn what_was_learnt_is_forgotten() {
        let now = SystemTime::now();
        let known = |until: SystemTime| QuicBlocked::known_until(Some(until)).until().is_some();
        assert!(known(now + Duration::from_secs(60)));
        assert!(!known(now - Duration::from_secs(60)));
        assert!(!known(now + Duration::from_secs(86_400)));
        let blocked = QuicBlocked::default();
        assert_eq!(blocked.until(), None);
        blocked.clone().learn(true);
        assert!(blocked.until().is_some());
        blocked.learn(false);
        assert_eq!(blocked.until(), None);
    }
}
