//! Waiting for what no file descriptor tells of, with a limit.

use std::{
    panic::Location,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};

/// Asks until there is an answer.
///
/// # Errors
///
/// After `limit`, saying `what` was waited for and who waited.
#[track_caller]
pub fn eventually<T>(what: &str, limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Result<T> {
    let caller = Location::caller();
    let deadline = Instant::now() + limit;
    loop {
        if let Some(answer) = ask() {
            return Ok(answer);
        }
        if Instant::now() >= deadline {
            return Err(anyhow!("{caller}: waited {limit:?} for {what}"));
        }
        sleep(BETWEEN_QUESTIONS);
    }
}

/// Asks until it is so.
///
/// # Errors
///
/// As [`eventually`].
#[track_caller]
pub fn until(what: &str, limit: Duration, mut is_so: impl FnMut() -> bool) -> Result<()> {
    eventually(what, limit, || is_so().then_some(()))
}

const BETWEEN_QUESTIONS: Duration = Duration::from_millis(20);
