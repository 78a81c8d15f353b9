//! The threads that hash, and the queue in front of them.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::fair::{FairQueue, JobId, Pushed};
use super::{HashError, HashQueueStatistics, Origin};

/// Threads that do one job after the other, until this is dropped.
///
/// Dropping refuses what waits and does not wait for what runs: the threads end after it.
pub(super) struct Workers(Arc<Shared>);

impl Workers {
    pub(super) fn start(threads: usize, capacity: usize) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                queue: FairQueue::new(capacity),
                threads,
                running: 0,
                finished: 0,
                typical: FIRST_GUESS,
                closed: false,
            }),
            changed: Condvar::new(),
        });
        let workers = Self(shared);
        for number in 0..threads {
            let shared = Arc::clone(&workers.0);
            thread::Builder::new().name(format!("hash-{number}")).spawn(move || shared.work())?;
        }
        Ok(workers)
    }

    /// Queues `work` at once; the future only waits for its result.
    pub(super) fn submit<T, W>(
        &self,
        origin: Origin,
        work: W,
    ) -> impl Future<Output = Result<T, HashError>> + Send + 'static + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce() -> Result<T, HashError> + Send + 'static,
    {
        let (reply, result) = oneshot::channel();
        let queued = self.push(origin, job(work, reply));
        async move {
            let _waiting = queued?;
            // Without a reply, a thread died of something that was not a panic.
            result.await.unwrap_or(Err(HashError::Failed))
        }
    }

    pub(super) fn statistics(&self) -> HashQueueStatistics {
        let state = self.0.lock();
        HashQueueStatistics {
            waiting: state.queue.len(),
            running: state.running,
            finished: state.finished,
        }
    }

    fn push(&self, origin: Origin, job: Job) -> Result<Waiting, HashError> {
        let mut state = self.0.lock();
        let busy = HashError::Busy { retry_after: state.retry_after() };
        let (id, displaced) = match state.queue.push(origin, job) {
            Pushed::Waits(id, displaced) => (id, displaced),
            Pushed::Full(_) => return Err(busy),
            Pushed::SecondOfConnection(_) => return Err(HashError::SecondOfConnection),
        };
        drop(state);
        self.0.changed.notify_one();
        if let Some(displaced) = displaced {
            displaced(Order::Refuse(busy));
        }
        Ok(Waiting { shared: Arc::clone(&self.0), origin, id })
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        let refused = {
            let mut state = self.0.lock();
            state.closed = true;
            state.queue.clear()
        };
        self.0.changed.notify_all();
        for job in refused {
            job(Order::Refuse(HashError::Closed));
        }
    }
}

/// The caller still waits for this job; dropping it takes the job out, unless it has begun.
struct Waiting {
    shared: Arc<Shared>,
    origin: Origin,
    id: JobId,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // The job is dropped after the lock.
        let _removed = self.shared.lock().queue.remove(self.origin.prefix, self.id);
    }
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    queue: FairQueue<Job>,
    threads: usize,
    running: usize,
    finished: u64,
    /// How long one job usually takes.
    typical: Duration,
    closed: bool,
}

/// Does the work and replies, or only replies.
type Job = Box<dyn FnOnce(Order<'_>) + Send>;

enum Order<'a> {
    /// `finished` is to be called before the reply, so that who hears it may ask again at once.
    Run {
        finished: &'a dyn Fn(),
    },
    Refuse(HashError),
}

fn job<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, HashError> + Send + 'static,
    reply: oneshot::Sender<Result<T, HashError>>,
) -> Job {
    Box::new(move |order| {
        let result = match order {
            Order::Run { finished } => {
                let result = catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(HashError::Failed));
                finished();
                result
            }
            Order::Refuse(error) => Err(error),
        };
        // Who dropped the future does not want to know.
        let _ = reply.send(result);
    })
}

impl Shared {
    /// Nothing panics while it holds the lock, and every change is complete when it is released.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        while let Some((connection, job)) = self.next() {
            let begun = Instant::now();
            job(Order::Run { finished: &|| self.finished(connection, begun.elapsed()) });
        }
    }

    fn next(&self) -> Option<(u64, Job)> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(next) = state.queue.pop() {
                state.running += 1;
                return Some(next);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn finished(&self, connection: u64, took: Duration) {
        let mut state = self.lock();
        state.queue.done(connection);
        state.running -= 1;
        state.finished += 1;
        state.typical = (state.typical * 7 + took) / 8;
    }
}

impl State {
    /// When the jobs that wait now will be done, as far as one can know.
    fn retry_after(&self) -> Duration {
        let jobs = (self.queue.len() + self.running).div_ceil(self.threads);
        let estimate = self.typical.saturating_mul(u32::try_from(jobs).unwrap_or(u32::MAX));
        estimate.clamp(SHORTEST_RETRY, LONGEST_RETRY)
    }
}

/// Until the first job is done; about what the default parameters cost.
const FIRST_GUESS: Duration = Duration::from_millis(30);

/// Nobody needs to come back faster than this, or to wait longer before asking again.
const SHORTEST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(60);
