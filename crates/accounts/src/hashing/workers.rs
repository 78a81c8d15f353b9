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

    pub(super) fn position(&self, origin: Origin) -> Option<usize> {
        self.0.lock().queue.position(origin)
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Whoever comes from the network of this number.
    fn origin(network: u8, connection: u64) -> Origin {
        Origin::new([192, 0, network, 1].into(), connection)
    }

    /// Keeps the only thread busy until the returned sender is dropped.
    fn hold(
        workers: &Workers,
        connection: u64,
    ) -> (impl Future<Output = Result<(), HashError>> + use<>, mpsc::Sender<()>) {
        let (release, held) = mpsc::channel::<()>();
        let (begun, has_begun) = mpsc::channel();
        let job = workers.submit(origin(255, connection), move || {
            begun.send(()).unwrap();
            let _ = held.recv_timeout(LIMIT);
            Ok(())
        });
        has_begun.recv_timeout(LIMIT).unwrap();
        (job, release)
    }

    async fn within_limit<T>(future: impl Future<Output = T>) -> T {
        tokio::time::timeout(LIMIT, future).await.expect("takes far too long")
    }

    #[tokio::test]
    async fn networks_take_turns() {
        let workers = Workers::start(1, 100).unwrap();
        let (held, release) = hold(&workers, 0);
        let (order, done) = mpsc::channel();
        let mut jobs = Vec::new();
        for (connection, network) in (1..).zip([1, 1, 1, 1, 2, 2, 3]) {
            let order = order.clone();
            jobs.push(workers.submit(origin(network, connection), move || {
                order.send(network).unwrap();
                Ok(())
            }));
        }
        drop(release);
        within_limit(held).await.unwrap();
        for job in jobs {
            within_limit(job).await.unwrap();
        }
        drop(order);
        assert_eq!(done.iter().collect::<Vec<_>>(), [1, 2, 3, 1, 2, 1, 1]);
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once_and_says_when_to_come_back() {
        let workers = Workers::start(1, 2).unwrap();
        let (_held, _release) = hold(&workers, 0);
        let _first = workers.submit(origin(1, 1), || Ok(()));
        let _second = workers.submit(origin(2, 2), || Ok(()));
        let error = within_limit(workers.submit(origin(3, 3), || Ok(()))).await.unwrap_err();
        let HashError::Busy { retry_after } = error else { panic!("{error:?}") };
        assert!((SHORTEST_RETRY..=LONGEST_RETRY).contains(&retry_after));
        assert_eq!(workers.statistics().waiting, 2);
    }

    #[tokio::test]
    async fn the_longest_line_makes_room_for_another_network() {
        let workers = Workers::start(1, 3).unwrap();
        let (_held, release) = hold(&workers, 0);
        let flood: Vec<_> = (1..=3).map(|n| workers.submit(origin(1, n), move || Ok(n))).collect();
        let other = workers.submit(origin(2, 4), || Ok(4));
        // The flood itself gets nothing by coming again.
        let again = workers.submit(origin(1, 5), || Ok(5));
        drop(release);
        let mut results = Vec::new();
        for job in flood {
            results.push(within_limit(job).await.is_ok());
        }
        assert_eq!(results, [true, true, false]);
        assert_eq!(within_limit(other).await, Ok(4));
        assert!(matches!(within_limit(again).await, Err(HashError::Busy { .. })));
    }

    #[tokio::test]
    async fn a_connection_has_one_job_at_a_time_waiting_or_running() {
        let workers = Workers::start(1, 10).unwrap();
        let (held, release) = hold(&workers, 7);
        let while_running = within_limit(workers.submit(origin(1, 7), || Ok(()))).await;
        assert_eq!(while_running, Err(HashError::SecondOfConnection));
        let waiting = workers.submit(origin(1, 8), || Ok(()));
        let while_waiting = within_limit(workers.submit(origin(2, 8), || Ok(()))).await;
        assert_eq!(while_waiting, Err(HashError::SecondOfConnection));
        drop(release);
        within_limit(held).await.unwrap();
        within_limit(waiting).await.unwrap();
        // Who has the answer may ask again at once.
        for _ in 0..100 {
            assert_eq!(within_limit(workers.submit(origin(1, 7), || Ok(()))).await, Ok(()));
        }
    }

    #[tokio::test]
    async fn a_dropped_future_takes_its_job_out_of_the_queue() {
        let workers = Workers::start(1, 10).unwrap();
        let (held, release) = hold(&workers, 0);
        let (ran, runs) = mpsc::channel();
        let job = workers.submit(origin(1, 1), move || {
            ran.send(()).unwrap();
            Ok(())
        });
        drop(job);
        assert_eq!(workers.statistics().waiting, 0);
        let same_connection = workers.submit(origin(1, 1), || Ok(()));
        drop(release);
        within_limit(held).await.unwrap();
        within_limit(same_connection).await.unwrap();
        assert!(runs.try_recv().is_err(), "the job was dropped, not run");
    }

    #[tokio::test]
    async fn a_job_nobody_waits_for_keeps_its_connection_until_it_ends() {
        let workers = Workers::start(1, 10).unwrap();
        let (held, release) = hold(&workers, 7);
        drop(held);
        let second = within_limit(workers.submit(origin(1, 7), || Ok(()))).await;
        assert_eq!(second, Err(HashError::SecondOfConnection));
        assert_eq!(workers.statistics().running, 1);
        drop(release);
        within_limit(workers.submit(origin(1, 8), || Ok(()))).await.unwrap();
        within_limit(workers.submit(origin(1, 7), || Ok(()))).await.unwrap();
    }

    #[tokio::test]
    async fn a_panic_costs_only_its_own_job() {
        let workers = Workers::start(1, 10).unwrap();
        for connection in [1, 1, 2] {
            let panics =
                workers.submit(origin(1, connection), || -> Result<(), _> { panic!("on purpose") });
            assert_eq!(within_limit(panics).await, Err(HashError::Failed));
        }
        assert_eq!(within_limit(workers.submit(origin(1, 1), || Ok(5))).await, Ok(5));
        let expected = HashQueueStatistics { waiting: 0, running: 0, finished: 4 };
        assert_eq!(workers.statistics(), expected);
    }

    #[tokio::test]
    async fn dropping_the_workers_refuses_what_waits_and_ends_the_threads() {
        let workers = Workers::start(1, 10).unwrap();
        let shared = Arc::downgrade(&workers.0);
        let (held, release) = hold(&workers, 0);
        let waiting = workers.submit(origin(1, 1), || Ok(()));
        drop(workers);
        assert_eq!(within_limit(waiting).await, Err(HashError::Closed));
        drop(release);
        assert_eq!(within_limit(held).await, Ok(()), "what runs is finished");
        within_limit(async {
            while shared.strong_count() > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    const LIMIT: Duration = Duration::from_secs(20);
}
