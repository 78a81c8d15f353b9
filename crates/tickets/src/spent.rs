//! Which tickets were used, for as long as they could be used again.

use std::collections::{BTreeSet, HashMap};

use crate::ticket::TicketId;

/// The ids of tickets that were used. Plain data, in memory.
///
/// An id is forgotten when its ticket is worthless anyway. There is room for
/// [`Spent::CAPACITY`]: past it nothing more is spent, rather than something forgotten too early.
#[derive(Clone, Debug, Default)]
pub struct Spent {
    by_id: HashMap<TicketId, u64>,
    /// The same by time, to forget the earliest.
    by_time: BTreeSet<(u64, TicketId)>,
}

/// Why a ticket cannot be spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpendError {
    /// It was before.
    #[error("used before")]
    Before,
    /// It is worthless already.
    #[error("expired")]
    Expired,
    /// [`Spent::CAPACITY`] tickets were used within the few minutes one is valid.
    #[error("too many tickets at once")]
    Full,
}

impl Spent {
    /// Most ids at once: a server with so many players in eleven minutes is none. 65,536.
    pub const CAPACITY: usize = 65_536;

    /// None was used yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Uses a ticket that is worthless from `until_ms` on.
    ///
    /// # Errors
    ///
    /// See [`SpendError`]; nothing has changed then.
    pub fn spend(&mut self, id: TicketId, until_ms: u64, now_ms: u64) -> Result<(), SpendError> {
        self.forget(now_ms);
        if self.by_id.contains_key(&id) {
            return Err(SpendError::Before);
        }
        if until_ms <= now_ms {
            return Err(SpendError::Expired);
        }
        if self.by_id.len() >= Self::CAPACITY {
            return Err(SpendError::Full);
        }
        self.by_id.insert(id, until_ms);
        self.by_time.insert((until_ms, id));
        Ok(())
    }

    /// Takes back what [`Spent::spend`] did, when it could not be written down.
    pub(crate) fn take_back(&mut self, id: TicketId) {
        if let Some(until) = self.by_id.remove(&id) {
            self.by_time.remove(&(until, id));
        }
    }

    /// Whether an id is remembered.
    pub fn contains(&self, id: TicketId) -> bool {
        self.by_id.contains_key(&id)
    }

    /// How many ids are remembered.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// All that are remembered, with the time from which on they need not be.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (TicketId, u64)> + '_ {
        self.by_time.iter().map(|(until, id)| (*id, *until))
    }

    fn forget(&mut self, now_ms: u64) {
        while let Some((until, id)) = self.by_time.first().copied() {
            if until > now_ms {
                return;
            }
            self.by_time.remove(&(until, id));
            self.by_id.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> TicketId {
        TicketId((u128::from(number)).to_be_bytes())
    }

    #[test]
    fn a_ticket_is_spent_once_and_forgotten_when_it_is_worthless() {
        let mut spent = Spent::new();
        assert_eq!(spent.spend(id(1), 100, 0), Ok(()));
        assert_eq!(spent.spend(id(1), 100, 99), Err(SpendError::Before));
        assert_eq!(spent.spend(id(1), 100, 100), Err(SpendError::Expired));
        assert!(spent.is_empty());
        assert_eq!(spent.spend(id(2), 100, 100), Err(SpendError::Expired));
    }

    #[test]
    fn when_it_is_full_nothing_is_forgotten() {
        let mut spent = Spent::new();
        for number in 0..Spent::CAPACITY as u64 {
            spent.spend(id(number), 1000 + number, 0).unwrap();
        }
        assert_eq!(spent.spend(id(u64::MAX), 5000, 0), Err(SpendError::Full));
        assert_eq!(spent.spend(id(0), 1000, 0), Err(SpendError::Before));
        assert_eq!(spent.spend(id(u64::MAX), 5000, 1000), Ok(()), "one is over");
    }
}
