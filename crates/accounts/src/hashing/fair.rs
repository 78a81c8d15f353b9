//! Jobs that wait, and whose turn it is.

use std::collections::{HashMap, HashSet, VecDeque};

use super::Origin;
use crate::prefix::Prefix;

/// A bounded queue in which prefixes take turns, and jobs of one prefix wait in line.
///
/// Knows nothing of threads or clocks.
#[derive(Debug)]
pub(super) struct FairQueue<J> {
    capacity: usize,
    waiting: usize,
    next_id: u64,
    lines: HashMap<Prefix, VecDeque<Waiting<J>>>,
    /// Every prefix that has a line, once; the first one's turn is next.
    turns: VecDeque<Prefix>,
    /// Connections with a job that waits or runs.
    connections: HashSet<u64>,
}

#[derive(Debug)]
struct Waiting<J> {
    id: JobId,
    connection: u64,
    job: J,
}

/// Which job, among those that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct JobId(u64);

/// What came of a job that wants to wait.
#[derive(Debug)]
pub(super) enum Pushed<J> {
    /// It waits. The other job had to make room for it.
    Waits(JobId, Option<J>),
    /// There is no room.
    Full(J),
    /// Its connection has a job already.
    SecondOfConnection(J),
}

impl<J> FairQueue<J> {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            waiting: 0,
            next_id: 0,
            lines: HashMap::new(),
            turns: VecDeque::new(),
            connections: HashSet::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting
    }

    /// How many of the jobs that wait now have their turn before this connection's.
    pub(super) fn position(&self, origin: Origin) -> Option<usize> {
        let line = self.lines.get(&origin.prefix)?;
        let place = line.iter().position(|waiting| waiting.connection == origin.connection)?;
        let turn = self.turns.iter().position(|prefix| *prefix == origin.prefix)?;
        let before = self.turns.iter().enumerate().filter(|(_, p)| **p != origin.prefix);
        // Who has their turn earlier in each round gets one more.
        let before =
            before.map(|(other, p)| self.line_length(*p).min(place + usize::from(other < turn)));
        Some(place + before.sum::<usize>())
    }

    /// Puts a job at the end of its prefix's line.
    ///
    /// When the queue is full, the last job of the longest line makes room, if that line stays at
    /// least as long as the newcomer's becomes: a flood from one network costs only that network.
    pub(super) fn push(&mut self, origin: Origin, job: J) -> Pushed<J> {
        if self.connections.contains(&origin.connection) {
            return Pushed::SecondOfConnection(job);
        }
        let mut displaced = None;
        if self.waiting >= self.capacity {
            match self.longest_line_beyond(self.line_length(origin.prefix) + 1) {
                Some(longest) => displaced = self.pop_last(longest),
                None => return Pushed::Full(job),
            }
        }
        let id = JobId(self.next_id);
        self.next_id += 1;
        let line = self.lines.entry(origin.prefix).or_default();
        if line.is_empty() {
            self.turns.push_back(origin.prefix);
        }
        line.push_back(Waiting { id, connection: origin.connection, job });
        self.waiting += 1;
        self.connections.insert(origin.connection);
        Pushed::Waits(id, displaced)
    }

    /// The job whose turn it is. Its connection counts as busy until [`FairQueue::done`].
    pub(super) fn pop(&mut self) -> Option<(u64, J)> {
        let prefix = self.turns.pop_front()?;
        let line = self.lines.get_mut(&prefix)?;
        let next = line.pop_front()?;
        if line.is_empty() {
            self.lines.remove(&prefix);
        } else {
            self.turns.push_back(prefix);
        }
        self.waiting -= 1;
        Some((next.connection, next.job))
    }

    /// A job of this connection, taken with [`FairQueue::pop`], is done.
    pub(super) fn done(&mut self, connection: u64) {
        self.connections.remove(&connection);
    }

    /// Takes a job out that still waits.
    pub(super) fn remove(&mut self, prefix: Prefix, id: JobId) -> Option<J> {
        let line = self.lines.get_mut(&prefix)?;
        let position = line.iter().position(|waiting| waiting.id == id)?;
        let removed = line.remove(position)?;
        self.left(prefix, removed.connection);
        Some(removed.job)
    }

    /// Takes all jobs out that wait.
    pub(super) fn clear(&mut self) -> Vec<J> {
        std::iter::from_fn(|| {
            let (connection, job) = self.pop()?;
            self.done(connection);
            Some(job)
        })
        .collect()
    }

    fn line_length(&self, prefix: Prefix) -> usize {
        self.lines.get(&prefix).map_or(0, VecDeque::len)
    }

    fn longest_line_beyond(&self, length: usize) -> Option<Prefix> {
        let (prefix, line) = self.lines.iter().max_by_key(|(_, line)| line.len())?;
        (line.len() > length).then_some(*prefix)
    }

    fn pop_last(&mut self, prefix: Prefix) -> Option<J> {
        let last = self.lines.get_mut(&prefix)?.pop_back()?;
        self.left(prefix, last.connection);
        Some(last.job)
    }

    /// A job left the line of `prefix` otherwise than by its turn.
    fn left(&mut self, prefix: Prefix, connection: u64) {
        self.waiting -= 1;
        self.connections.remove(&connection);
        if self.line_length(prefix) == 0 {
            self.lines.remove(&prefix);
            self.turns.retain(|turn| *turn != prefix);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(network: u8, connection: u64) -> Origin {
        Origin::new([192, 0, network, 1].into(), connection)
    }

    /// Queues one job for each of these networks, named after its place here.
    fn queue_of(capacity: usize, networks: &[u8]) -> (FairQueue<usize>, Vec<JobId>) {
        let mut queue = FairQueue::new(capacity);
        let push =
            |(job, network): (usize, &u8)| match queue.push(origin(*network, job as u64), job) {
                Pushed::Waits(id, None) => id,
                other => panic!("{other:?}"),
            };
        let ids = networks.iter().enumerate().map(push).collect();
        (queue, ids)
    }

    fn rest(queue: &mut FairQueue<usize>) -> Vec<usize> {
        std::iter::from_fn(|| queue.pop().map(|(_, job)| job)).collect()
    }

    #[test]
    fn networks_take_turns_and_each_keeps_its_order() {
        let (mut queue, _) = queue_of(10, &[1, 1, 1, 2, 3, 2]);
        assert_eq!(rest(&mut queue), [0, 3, 4, 1, 5, 2]);
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn a_position_is_how_many_come_before() {
        let networks = [1, 1, 1, 2, 3, 2, 4, 4, 1];
        let (mut queue, _) = queue_of(10, &networks);
        let positions: Vec<_> = (0..)
            .zip(networks)
            .map(|(connection, network)| queue.position(origin(network, connection)).unwrap())
            .collect();
        let order = rest(&mut queue);
        for (job, position) in positions.into_iter().enumerate() {
            assert_eq!(order[position], job);
        }
        assert_eq!(queue.position(origin(1, 0)), None);
    }

    #[test]
    fn who_comes_back_waits_for_everybody_elses_turn() {
        let (mut queue, _) = queue_of(10, &[1, 2, 3]);
        assert_eq!(queue.pop(), Some((0, 0)));
        queue.done(0);
        assert!(matches!(queue.push(origin(1, 0), 9), Pushed::Waits(_, None)));
        assert_eq!(rest(&mut queue), [1, 2, 9]);
    }

    #[test]
    fn a_removed_job_leaves_nothing_behind() {
        let (mut queue, ids) = queue_of(10, &[1, 2, 2]);
        let network = |n| origin(n, 0).prefix;
        assert_eq!(queue.remove(network(1), ids[0]), Some(0));
        assert_eq!(queue.remove(network(1), ids[0]), None);
        assert_eq!(queue.remove(network(2), ids[1]), Some(1));
        assert_eq!(queue.len(), 1);
        assert!(matches!(queue.push(origin(1, 0), 9), Pushed::Waits(_, None)));
        assert_eq!(rest(&mut queue), [2, 9]);
        assert!(queue.lines.is_empty() && queue.turns.is_empty());
    }

    #[test]
    fn when_full_only_a_longer_line_makes_room() {
        let (mut queue, _) = queue_of(4, &[1, 1, 1, 2]);
        // Network 1 has three, so that 2 gets a second one, but then they are even.
        assert!(matches!(queue.push(origin(2, 10), 10), Pushed::Waits(_, Some(2))));
        assert!(matches!(queue.push(origin(2, 11), 11), Pushed::Full(11)));
        assert!(matches!(queue.push(origin(1, 12), 12), Pushed::Full(12)));
        assert!(matches!(queue.push(origin(3, 13), 13), Pushed::Waits(_, Some(1 | 10))));
        assert_eq!(queue.len(), 4);
        assert_eq!(rest(&mut queue).len(), 4);
    }

    #[test]
    fn who_had_to_make_room_may_come_again() {
        let (mut queue, _) = queue_of(2, &[1, 1]);
        assert!(matches!(queue.push(origin(2, 10), 10), Pushed::Waits(_, Some(1))));
        assert!(matches!(queue.push(origin(3, 1), 1), Pushed::Full(1)));
        assert_eq!(queue.pop(), Some((0, 0)));
        assert!(matches!(queue.push(origin(3, 1), 1), Pushed::Waits(_, None)));
    }
}
