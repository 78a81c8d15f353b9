//! How much may wait to be written to all peers together.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicI64, Ordering},
    },
};

use crate::PeerId;

/// A number of bytes that the outgoing queues of many connections share.
///
/// Each queue has a limit of its own, but a thousand peers that do not read are owed a thousand
/// times as much. When all together are owed more than the budget, the one that is owed most is
/// disconnected for [`SlowConsumer`](crate::DisconnectReason::SlowConsumer), and its queue is
/// thrown away, until the rest fits.
///
/// What a queue holds up to 16 KiB is not counted: connections that keep up cost nothing here.
#[derive(Clone)]
pub struct OutgoingBudget(Arc<Shared>);

struct Shared {
    limit: i64,
    /// Can be negative for a moment, while one queue gives back what another has not taken yet.
    used: AtomicI64,
    /// Those who are owed more than a little.
    consumers: Mutex<HashMap<PeerId, Weak<dyn Consumer>>>,
}

/// Somebody who is owed bytes.
pub(crate) trait Consumer: Send + Sync {
    /// How many of the budget.
    fn owed(&self) -> usize;
    /// Ends the connection, and gives back all of them.
    fn cut(&self);
}

impl OutgoingBudget {
    /// A budget of so many bytes. Clones share it.
    pub fn new(bytes: usize) -> Self {
        let limit = i64::try_from(bytes).unwrap_or(i64::MAX);
        Self(Arc::new(Shared { limit, used: AtomicI64::new(0), consumers: Mutex::default() }))
    }

    /// The bytes that are waiting for all peers, but for a little of each.
    pub fn used(&self) -> usize {
        usize::try_from(self.0.used.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// `consumer` is owed `bytes` more. Whether that is too much is for
    /// [`enforce`](Self::enforce), which must be called without a lock.
    pub(crate) fn take(
        &self,
        peer: PeerId,
        bytes: usize,
        consumer: &Weak<impl Consumer + 'static>,
    ) {
        self.0.used.fetch_add(signed(bytes), Ordering::Relaxed);
        self.consumers().entry(peer).or_insert_with(|| consumer.clone());
    }

    /// A consumer is no longer owed `bytes`, which were all.
    pub(crate) fn give_back(&self, peer: PeerId, bytes: usize) {
        self.0.used.fetch_sub(signed(bytes), Ordering::Relaxed);
        self.consumers().remove(&peer);
    }

    /// Cuts off whoever is owed most, until the rest fits.
    pub(crate) fn enforce(&self) {
        while self.0.used.load(Ordering::Relaxed) > self.0.limit {
            let Some(largest) = self.largest() else { return };
            largest.cut();
        }
    }

    fn largest(&self) -> Option<Arc<dyn Consumer>> {
        // Not under the lock: the last to hold a consumer drops it, which takes the lock.
        let alive: Vec<_> = self.consumers().values().filter_map(Weak::upgrade).collect();
        alive.into_iter().filter(|one| one.owed() > 0).max_by_key(|one| one.owed())
    }

    fn consumers(&self) -> MutexGuard<'_, HashMap<PeerId, Weak<dyn Consumer>>> {
        self.0.consumers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for OutgoingBudget {
    /// The one of this process: 512 MiB.
    fn default() -> Self {
        static PROCESS: LazyLock<OutgoingBudget> =
            LazyLock::new(|| OutgoingBudget::new(512 * 1024 * 1024));
        PROCESS.clone()
    }
}

impl fmt::Debug for OutgoingBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { limit, used, .. } = &*self.0;
        f.debug_struct("OutgoingBudget").field("limit", limit).field("used", used).finish()
    }
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
