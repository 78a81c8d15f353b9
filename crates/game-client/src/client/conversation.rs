//! What a session has said and heard, over all the connections it has had.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, atomic::AtomicU32},
    time::Duration,
};

use protocol::{BootId, Continuation, FromGameClient, LastSeen, RequestId};
use tokio::time::Instant;

use super::{Command, Reply};

/// Both sides' counts, and what the server may not have heard.
#[derive(Debug)]
pub(crate) struct Conversation {
    boot: BootId,
    /// Counted messages that have come, and how many of them the server knows of.
    seen: u64,
    told: u64,
    /// When the first came of those it does not know of.
    untold_since: Instant,
    /// Counted messages that the server may not have heard.
    unheard: VecDeque<FromGameClient>,
    /// Counted messages that were said.
    said: u64,
}

/// What a connection leaves to the next one of its session.
#[derive(Debug)]
pub(crate) struct Carried {
    pub(super) conversation: Option<Conversation>,
    /// Who waits for the answer to what was said.
    pub(super) requests: HashMap<RequestId, Reply>,
    /// What was not said yet.
    pub(super) commands: Vec<Command>,
    pub(super) next_request: Arc<AtomicU32>,
}

impl Conversation {
    pub(super) fn new(boot: BootId) -> Self {
        let untold_since = Instant::now();
        Self { boot, seen: 0, told: 0, untold_since, unheard: VecDeque::new(), said: 0 }
    }

    /// A counted message has come.
    pub(super) fn received(&mut self) {
        if self.seen == self.told {
            self.untold_since = Instant::now();
        }
        self.seen += 1;
    }

    /// When the server is to be told what has come. None: it knows.
    pub(super) fn ack_at(&self) -> Option<Instant> {
        match self.seen - self.told {
            0 => None,
            ACK_EVERY.. => Some(self.untold_since),
            _ => Some(self.untold_since + ACK_AFTER),
        }
    }

    /// Tells the server what has come.
    pub(super) fn ack(&mut self) -> FromGameClient {
        self.told = self.seen;
        FromGameClient::Ack { seen: self.seen }
    }

    /// Keeps what is said until the server has heard it.
    pub(super) fn said(&mut self, message: &FromGameClient) {
        self.said += 1;
        self.unheard.push_back(message.clone());
    }

    /// The server has heard so many. False: more than were said.
    pub(super) fn heard(&mut self, count: u64) -> bool {
        let Some(missing) = self.said.checked_sub(count) else { return false };
        while self.unheard.len() as u64 > missing {
            self.unheard.pop_front();
        }
        true
    }

    /// Whether there is room for one more that may have to be said again.
    pub(super) fn has_room(&self) -> bool {
        self.unheard.len() < MAX_UNHEARD
    }

    /// Goes on where the server does: what is to be said again. None: that is not possible.
    pub(super) fn resume(
        &mut self,
        at: Continuation,
    ) -> Option<impl Iterator<Item = &FromGameClient>> {
        if at.next <= self.seen || !self.heard(at.seen) {
            return None;
        }
        self.seen = at.next - 1;
        self.told = self.seen;
        Some(self.unheard.iter())
    }
}

impl Carried {
    /// How far it has come, for the server to go on from there.
    pub(crate) fn last(&self) -> Option<LastSeen> {
        let conversation = self.conversation.as_ref()?;
        Some(LastSeen { boot: conversation.boot, count: conversation.seen })
    }
}

/// Counted messages after which the server is told that they have come.
const ACK_EVERY: u64 = 64;

/// Longest until it is.
const ACK_AFTER: Duration = Duration::from_secs(5);

/// Messages kept to be said again. Further ones wait until the server has heard these, which it
/// says after 64 of them, or 5 s.
const MAX_UNHEARD: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn leave(request: u32) -> FromGameClient {
        FromGameClient::Leave { request: RequestId(request) }
    }

    #[test]
    fn what_the_server_has_not_heard_is_said_again() {
        let mut conversation = Conversation::new(BootId(1));
        (1..=3).for_each(|request| conversation.said(&leave(request)));
        (0..5).for_each(|_| conversation.received());
        assert!(conversation.heard(1));
        let again = conversation.resume(Continuation { seen: 2, next: 6 }).unwrap();
        assert!(again.eq([&leave(3)]));
        assert!(!conversation.heard(4), "it has heard more than was said");
        assert!(conversation.resume(Continuation { seen: 2, next: 5 }).is_none(), "seen before");
    }

    #[test]
    fn what_is_lost_is_skipped() {
        let mut conversation = Conversation::new(BootId(1));
        assert!(conversation.resume(Continuation { seen: 0, next: 100 }).is_some());
        conversation.received();
        assert_eq!(conversation.ack(), FromGameClient::Ack { seen: 100 });
        assert_eq!(conversation.ack_at(), None);
    }
}
