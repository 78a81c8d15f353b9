//! Passwords are hashed here, on threads of their own, in fair order.

mod fair;
mod password_hash;
mod workers;

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;
use std::{io, thread};

use crate::password::Password;
use crate::prefix::Prefix;

use password_hash::MakeError;
pub use password_hash::{HashParameters, HashParametersError, PasswordHash, PasswordHashError};
use workers::Workers;

/// Hashes passwords, a bounded number at a time, in fair order.
///
/// Prefixes of addresses take turns, so that a flood from one network delays only that network;
/// when the queue is full, the longest line gives up its last job to somebody from a shorter one.
/// A connection has one job at a time.
///
/// A handle: cheap to clone. When the last clone is dropped, what waits is refused with
/// [`HashError::Closed`] and the threads end after the job they are at; dropping never waits.
///
/// ```
/// # use accounts::{HashParameters, HashQueue, HashQueueConfig, Origin, Password, Verified};
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// # let cheap = HashParameters { memory_kib: 8, iterations: 1, parallelism: 1 };
/// # let config = HashQueueConfig { parameters: cheap, ..Default::default() };
/// let queue = HashQueue::new(config)?;
/// let origin = Origin::new("192.0.2.1".parse()?, 1);
/// let hash = queue.hash(origin, Password::new("correct horse".to_owned())?).await?;
/// let again = Password::new("correct horse".to_owned())?;
/// let verified = queue.verify(origin, again, Some(hash)).await?;
/// assert!(matches!(verified, Verified::Right { stronger: None }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct HashQueue {
    workers: Arc<Workers>,
    parameters: HashParameters,
}

impl HashQueue {
    /// Starts the threads.
    ///
    /// # Errors
    ///
    /// When the parameters are out of bounds, or the system gives no threads.
    pub fn new(config: HashQueueConfig) -> Result<Self, HashQueueError> {
        config.parameters.check()?;
        let workers = Workers::start(config.threads.get(), config.capacity.get())?;
        Ok(Self { workers: Arc::new(workers), parameters: config.parameters })
    }

    /// Hashes a new password.
    ///
    /// The job is in the queue when this returns, in the order of the calls; the future only waits
    /// for it.
    ///
    /// # Errors
    ///
    /// See [`HashError`]. Refusals are there at once.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future takes the job out of the queue, unless it has begun. Then it ends by
    /// itself, and its connection has to wait for that.
    pub fn hash(
        &self,
        origin: Origin,
        password: Password,
    ) -> impl Future<Output = Result<PasswordHash, HashError>> + Send + 'static + use<> {
        let parameters = self.parameters;
        self.workers.submit(origin, move || Ok(PasswordHash::make(&password, parameters)?))
    }

    /// Whether `hash` is the hash of this password; if it is, and was made with parameters that
    /// are weaker than those of now in any respect, a new one comes with the answer.
    ///
    /// `None` is for a name nobody has: it costs a hash all the same and is wrong, so that the time
    /// an answer takes does not say which names exist. (While old hashes of another cost are left,
    /// it may say whose they are.)
    ///
    /// # Errors
    ///
    /// As [`HashQueue::hash`].
    ///
    /// # Cancel safety
    ///
    /// As [`HashQueue::hash`].
    pub fn verify(
        &self,
        origin: Origin,
        password: Password,
        hash: Option<PasswordHash>,
    ) -> impl Future<Output = Result<Verified, HashError>> + Send + 'static + use<> {
        let parameters = self.parameters;
        self.workers.submit(origin, move || {
            let Some(hash) = hash else {
                PasswordHash::make(&password, parameters)?;
                return Ok(Verified::Wrong);
            };
            if !hash.verify(&password)? {
                return Ok(Verified::Wrong);
            }
            let outdated = hash.parameters().are_weaker_than(&parameters);
            let stronger =
                outdated.then(|| PasswordHash::make(&password, parameters)).transpose()?;
            Ok(Verified::Right { stronger })
        })
    }

    /// How many jobs are served before the one that waits for this connection; none when it has
    /// none that waits. What comes later may still be served earlier, from networks that wait less.
    pub fn position(&self, origin: Origin) -> Option<usize> {
        self.workers.position(origin)
    }

    /// What is going on.
    pub fn statistics(&self) -> HashQueueStatistics {
        self.workers.statistics()
    }
}

impl fmt::Debug for HashQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashQueue")
            .field("parameters", &self.parameters)
            .field("statistics", &self.statistics())
            .finish()
    }
}

/// How a [`HashQueue`] works.
#[derive(Clone, Copy, Debug)]
pub struct HashQueueConfig {
    /// Threads that hash. Half the processors, at least one: the other half serves who is in.
    pub threads: NonZeroUsize,
    /// Most jobs that wait; who comes then is told to come back. 256: some eight seconds of work
    /// for one thread, less than the ten a player waits for an answer.
    pub capacity: NonZeroUsize,
    /// Cost of a new hash. Memory in use is this times `threads`.
    pub parameters: HashParameters,
}

impl Default for HashQueueConfig {
    fn default() -> Self {
        let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            threads: NonZeroUsize::new(processors / 2).unwrap_or(NonZeroUsize::MIN),
            capacity: const { NonZeroUsize::new(256).expect("256 is not zero") },
            parameters: HashParameters::default(),
        }
    }
}

/// For whom a password is hashed: what fairness goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Where it comes from; these take turns.
    pub prefix: Prefix,
    /// Which connection; each has one job at a time.
    pub connection: u64,
}

impl Origin {
    /// A connection from `address`, known by the number the caller gave it.
    pub fn new(address: IpAddr, connection: u64) -> Self {
        Self { prefix: Prefix::of(address), connection }
    }
}

/// What came of a password.
#[derive(Clone, Debug)]
pub enum Verified {
    /// It is another one.
    Wrong,
    /// It is the one.
    Right {
        /// A hash of it with the parameters of now, if the one it was checked against is weaker:
        /// to be [stored](crate::Store::replace_password_hash) in its place.
        stronger: Option<PasswordHash>,
    },
}

impl Verified {
    /// Whether it is the one.
    pub fn is_right(&self) -> bool {
        matches!(self, Self::Right { .. })
    }
}

/// A glance at a [`HashQueue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashQueueStatistics {
    /// Jobs that wait.
    pub waiting: usize,
    /// Jobs that run, also those nobody waits for any more.
    pub running: usize,
    /// Jobs that ran to their end since the start.
    pub finished: u64,
}

/// Why a password was not hashed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// Too many are waiting. Known at once, or later when the job had to make room.
    #[error("too many logins at once, try again in {} s", retry_after.as_secs())]
    Busy {
        /// When it is worth another try; between one second and one minute.
        retry_after: Duration,
    },
    /// This connection has a job already that waits or runs.
    #[error("this connection has asked already")]
    SecondOfConnection,
    /// The queue was dropped.
    #[error("the queue is closed")]
    Closed,
    /// The hash could not be calculated; logged where it happened.
    #[error("hashing does not work")]
    Failed,
}

impl From<MakeError> for HashError {
    fn from(error: MakeError) -> Self {
        tracing::error!(%error, "a password could not be hashed");
        Self::Failed
    }
}

/// Why there is no [`HashQueue`].
#[derive(Debug, thiserror::Error)]
pub enum HashQueueError {
    /// Parameters nobody should hash with.
    #[error(transparent)]
    Parameters(#[from] HashParametersError),
    /// The system gives no threads.
    #[error("no thread to hash on")]
    Thread(#[from] io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> HashQueue {
        let parameters = HashParameters { memory_kib: 8, iterations: 1, parallelism: 1 };
        HashQueue::new(HashQueueConfig { parameters, ..Default::default() }).unwrap()
    }

    fn origin(connection: u64) -> Origin {
        Origin::new([192, 0, 2, 1].into(), connection)
    }

    fn password(text: &str) -> Password {
        Password::new(text.to_owned()).unwrap()
    }

    #[tokio::test]
    async fn the_right_password_is_told_from_a_wrong_one() {
        let queue = queue();
        let hash = queue.hash(origin(1), password("correct horse")).await.unwrap();
        let right = queue.verify(origin(1), password("correct horse"), Some(hash.clone())).await;
        let wrong = queue.verify(origin(1), password("correct hearse"), Some(hash)).await;
        assert!(matches!(right, Ok(Verified::Right { stronger: None })), "{right:?}");
        assert!(matches!(wrong, Ok(Verified::Wrong)), "{wrong:?}");
    }

    #[tokio::test]
    async fn an_unknown_name_costs_a_job_and_is_never_right() {
        let queue = queue();
        let verified = queue.verify(origin(1), password("correct horse"), None).await;
        assert!(matches!(verified, Ok(Verified::Wrong)), "{verified:?}");
        assert_eq!(queue.statistics().finished, 1);
    }

    #[tokio::test]
    async fn a_right_password_gets_a_new_hash_when_the_parameters_have_risen() {
        let old = queue().hash(origin(1), password("correct horse")).await.unwrap();
        let parameters = HashParameters { memory_kib: 16, iterations: 2, parallelism: 1 };
        let queue = HashQueue::new(HashQueueConfig { parameters, ..Default::default() }).unwrap();
        let wrong = queue.verify(origin(1), password("correct hearse"), Some(old.clone())).await;
        assert!(matches!(wrong, Ok(Verified::Wrong)));
        let right = queue.verify(origin(1), password("correct horse"), Some(old)).await;
        let Ok(Verified::Right { stronger: Some(new) }) = right else { panic!("{right:?}") };
        assert_eq!(new.parameters(), parameters);
        let again = queue.verify(origin(1), password("correct horse"), Some(new)).await;
        assert!(matches!(again, Ok(Verified::Right { stronger: None })), "{again:?}");
    }

    /// With a cost high enough to be measured: the dummy takes at least half of what a real one
    /// takes, best of several.
    #[tokio::test]
    async fn an_unknown_name_takes_as_long_as_a_known_one() {
        let parameters = HashParameters { memory_kib: 4096, iterations: 4, parallelism: 1 };
        let queue = HashQueue::new(HashQueueConfig { parameters, ..Default::default() }).unwrap();
        let hash = queue.hash(origin(1), password("correct horse")).await.unwrap();
        let mut fastest = [Duration::MAX; 2];
        for _ in 0..5 {
            for (fastest, hash) in fastest.iter_mut().zip([Some(hash.clone()), None]) {
                let begun = std::time::Instant::now();
                queue.verify(origin(1), password("wrong password"), hash).await.unwrap();
                *fastest = begun.elapsed().min(*fastest);
            }
        }
        let [known, unknown] = fastest;
        assert!(unknown * 2 > known && known * 2 > unknown, "{known:?} and {unknown:?}");
    }

    #[test]
    fn parameters_nobody_should_use_are_refused() {
        let parameters = HashParameters { memory_kib: 0, ..Default::default() };
        let result = HashQueue::new(HashQueueConfig { parameters, ..Default::default() });
        assert!(matches!(result, Err(HashQueueError::Parameters(_))));
    }

    #[tokio::test]
    async fn nothing_of_a_password_shows_while_it_waits() {
        let queue = queue();
        let job = queue.hash(origin(1), password("correct horse"));
        assert!(!format!("{queue:?}").contains("correct"));
        job.await.unwrap();
    }
}
