//! What one read has brought, on its way to the central actor.

use std::{
    collections::{VecDeque, vec_deque},
    fmt, mem,
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// Messages of one peer, in order. A `Vec` in all but name, whose memory is used again.
///
/// Iterate over it, by value or not; it is a slice as well.
pub struct Messages<M> {
    list: VecDeque<M>,
    /// Where the memory comes from, if it is worth it.
    home: Option<Arc<Spare<M>>>,
}

impl<M> Messages<M> {
    pub(crate) fn push(&mut self, message: M) {
        self.list.push_back(message);
    }

    pub(crate) fn pop(&mut self) -> Option<M> {
        self.list.pop_back()
    }
}

impl<M> Deref for Messages<M> {
    type Target = [M];

    fn deref(&self) -> &[M] {
        // Filled once, from empty, it has never wrapped around.
        self.list.as_slices().0
    }
}

impl<M> Default for Messages<M> {
    fn default() -> Self {
        Self { list: VecDeque::new(), home: None }
    }
}

impl<M> FromIterator<M> for Messages<M> {
    fn from_iter<I: IntoIterator<Item = M>>(messages: I) -> Self {
        Vec::from_iter(messages).into()
    }
}

impl<M> From<Vec<M>> for Messages<M> {
    fn from(messages: Vec<M>) -> Self {
        Self { list: messages.into(), home: None }
    }
}

impl<M> From<Messages<M>> for Vec<M> {
    fn from(mut messages: Messages<M>) -> Self {
        mem::take(&mut messages.list).into()
    }
}

impl<M> IntoIterator for Messages<M> {
    type Item = M;
    type IntoIter = IntoMessages<M>;

    fn into_iter(self) -> IntoMessages<M> {
        IntoMessages(self)
    }
}

impl<'a, M> IntoIterator for &'a Messages<M> {
    type Item = &'a M;
    type IntoIter = vec_deque::Iter<'a, M>;

    fn into_iter(self) -> vec_deque::Iter<'a, M> {
        self.list.iter()
    }
}

impl<M: fmt::Debug> fmt::Debug for Messages<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.list).finish()
    }
}

impl<M> Drop for Messages<M> {
    fn drop(&mut self) {
        if let Some(home) = &self.home {
            self.list.clear();
            home.give_back(mem::take(&mut self.list));
        }
    }
}

/// The messages of a batch, one after the other.
#[derive(Debug)]
pub struct IntoMessages<M>(Messages<M>);

impl<M> Iterator for IntoMessages<M> {
    type Item = M;

    #[inline]
    fn next(&mut self) -> Option<M> {
        self.0.list.pop_front()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.0.list.len(), Some(self.0.list.len()))
    }
}

impl<M> ExactSizeIterator for IntoMessages<M> {}

/// What the batches of one handler have in common.
pub(crate) struct Batches<M> {
    spare: Arc<Spare<M>>,
    turns: Arc<Semaphore>,
}

impl<M> Batches<M> {
    pub(crate) fn new() -> Self {
        Self { spare: Arc::default(), turns: Arc::new(Semaphore::new(UNDER_WAY / UNIT)) }
    }

    /// An empty batch, with room for about so many messages.
    pub(crate) fn begin(&self, about: usize) -> Messages<M> {
        if about * size_of::<M>() <= SMALL_BATCH {
            return Messages { list: VecDeque::with_capacity(about), home: None };
        }
        let list = self.spare.take().unwrap_or_else(|| VecDeque::with_capacity(about));
        Messages { list, home: Some(self.spare.clone()) }
    }

    /// The right to bring about so many bytes to the central actor, if there is room.
    pub(crate) fn try_turn(&self, bytes: usize) -> Option<Turn> {
        self.turns.clone().try_acquire_many_owned(units(bytes)).ok().map(Turn)
    }

    /// As [`try_turn`](Self::try_turn), after all who have asked before.
    pub(crate) fn turn(&self, bytes: usize) -> impl Future<Output = Turn> + 'static {
        let permit = self.turns.clone().acquire_many_owned(units(bytes));
        async move {
            let permit: Result<_, AcquireError> = permit.await;
            Turn(permit.expect("the semaphore is never closed"))
        }
    }
}

impl<M> fmt::Debug for Batches<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batches").field("turns", &self.turns).finish_non_exhaustive()
    }
}

/// The right to have so much under way to the central actor, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn(
    #[expect(dead_code, reason = "it is there to be dropped")] OwnedSemaphorePermit,
);

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.clamp(UNIT, UNDER_WAY) / UNIT).unwrap_or(1)
}

/// Memory of batches that have been handled.
struct Spare<M>(Mutex<Vec<VecDeque<M>>>);

impl<M> Spare<M> {
    fn take(&self) -> Option<VecDeque<M>> {
        self.lists().pop()
    }

    fn give_back(&self, list: VecDeque<M>) {
        let bytes = list.capacity() * size_of::<M>();
        if (1..=LARGEST_SPARE).contains(&bytes) {
            let mut lists = self.lists();
            if lists.len() < MOST_SPARE {
                lists.push(list);
            }
        }
    }

    fn lists(&self) -> MutexGuard<'_, Vec<VecDeque<M>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M> Default for Spare<M> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// Bytes of large reads that may be between the sockets of one handler and the central actor: what
/// stays in the cache of a CPU. Small reads are not held up by it.
const UNDER_WAY: usize = 32 * 1024;
const UNIT: usize = 1024;
/// A batch of so many bytes of memory is not worth keeping: the allocator is as fast.
const SMALL_BATCH: usize = 1024;
/// What a handler keeps is at most the product of the two: 4 MiB.
const MOST_SPARE: usize = 16;
const LARGEST_SPARE: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_a_large_batch_is_used_again() {
        let batches = Batches::<u64>::new();
        let fill = |mut batch: Messages<u64>| {
            (0..200).for_each(|message| batch.push(message));
            batch
        };
        let first = fill(batches.begin(200));
        let memory = first.as_ptr();
        assert_eq!(first.len(), 200);
        assert!(first.into_iter().take(10).eq(0..10), "the others are dropped");
        let second = fill(batches.begin(200));
        assert_eq!(second.as_ptr(), memory);
        assert!(second.iter().copied().eq(0..200), "and is in order");
        assert_eq!(Vec::from(second), Vec::from_iter(0..200));
    }

    #[test]
    fn what_is_kept_has_a_limit() {
        let batches = Batches::<u64>::new();
        let many: Vec<_> = (0..2 * MOST_SPARE).map(|_| batches.begin(200)).collect();
        drop(many);
        assert_eq!(batches.spare.lists().len(), MOST_SPARE);
        drop(batches.begin(LARGEST_SPARE));
        drop(batches.begin(1));
        assert!(batches.spare.lists().len() <= MOST_SPARE);
        let bytes = |list: &VecDeque<u64>| list.capacity() * size_of::<u64>();
        assert!(batches.spare.lists().iter().all(|list| bytes(list) <= LARGEST_SPARE));
    }

    #[test]
    fn so_much_is_under_way_and_no_more() {
        let batches = Batches::<u64>::new();
        let half = batches.try_turn(UNDER_WAY / 2).unwrap();
        let _rest = batches.try_turn(UNDER_WAY / 2).unwrap();
        assert!(batches.try_turn(1).is_none());
        drop(half);
        assert!(batches.try_turn(usize::MAX).is_none());
        drop(_rest);
        assert!(batches.try_turn(usize::MAX).is_some(), "one larger than all has its turn");
    }
}
