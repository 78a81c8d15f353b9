//! How long a test waits.

use std::{
    panic::Location,
    pin::pin,
    time::{Duration, Instant},
};

use tokio::time::timeout;

/// What `future` resolves to.
///
/// # Panics
///
/// In the name of `caller`, when it takes too long.
pub(super) async fn limited<T>(
    caller: &Location<'_>,
    what: &str,
    future: impl Future<Output = T>,
) -> T {
    let (mut future, begun) = (pin!(future), Instant::now());
    for _ in 0..PAUSED_LIMITS {
        if let Ok(output) = timeout(LIMIT, future.as_mut()).await {
            return output;
        }
        // Has it really been that long? Paused time runs when there is nothing else to do.
        if begun.elapsed() > LIMIT / 2 {
            break;
        }
    }
    panic!("{caller}: waited in vain for {what}");
}

/// Long enough for any machine, short enough for who waits.
const LIMIT: Duration = Duration::from_secs(10);
/// An hour.
const PAUSED_LIMITS: usize = 360;
