//! What a lost connection costs a session: nothing.
//!
//! Both sides count the messages that matter. What the client may not have heard is kept until it
//! says that it has; who comes back and tells the count hears the rest, and sends again what we have
//! not counted. So nothing is missing, nothing comes twice, and a request is done once.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use protocol::{Continuation, Refusal, RequestId, SessionToken, ToGameClient};

/// One conversation with a game client, over however many connections. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct StreamId(pub(super) u64);

/// The conversation of a session.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) id: StreamId,
    /// Whose it is: the same account on another device has another one.
    pub(super) token: SessionToken,
    /// Counted messages that have come, and how many of them the client knows of.
    seen: u64,
    told: u64,
    /// When the first came of those it does not know of.
    untold_since: Duration,
    /// Counted messages that were sent.
    sent: u64,
    /// The last of them, as far as there is room for.
    kept: VecDeque<Kept>,
    /// Bytes that are kept.
    size: usize,
    /// Requests without an answer. As many as may wait.
    waiting: BTreeSet<RequestId>,
    /// Answers the client may not have heard, in the order of their numbers.
    answered: VecDeque<Answered>,
}

#[derive(Debug)]
struct Kept {
    message: Arc<ToGameClient>,
    size: usize,
}

#[derive(Debug)]
struct Answered {
    number: u64,
    request: RequestId,
    message: Arc<ToGameClient>,
}

/// What is to be done about a request.
#[derive(Debug, PartialEq)]
pub(super) enum Begun {
    /// It is new: do it.
    New,
    /// It is being done.
    Waits,
    /// It was done, and this came of it.
    Answered(Arc<ToGameClient>),
}

/// The client says it has heard what was never said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unheard;

/// Where a conversation goes on.
#[derive(Debug, PartialEq)]
pub(super) struct Resumed {
    pub(super) continuation: Continuation,
    /// What is said again, under its old number.
    pub(super) again: Vec<Arc<ToGameClient>>,
    /// When something is lost: the answers that were, to be said anew.
    pub(super) lost: Option<Vec<Arc<ToGameClient>>>,
}

impl Stream {
    pub(super) fn new(id: StreamId, token: SessionToken) -> Self {
        Self {
            id,
            token,
            seen: 0,
            told: 0,
            untold_since: Duration::ZERO,
            sent: 0,
            kept: VecDeque::new(),
            size: 0,
            waiting: BTreeSet::new(),
            answered: VecDeque::new(),
        }
    }

    /// A counted message has come. Says how many, when the client should know.
    pub(super) fn received(&mut self, now: Duration) -> Option<u64> {
        if self.seen == self.told {
            self.untold_since = now;
        }
        self.seen += 1;
        (self.seen - self.told >= ACK_EVERY).then(|| self.tell())
    }

    /// Says how many messages have come, when the client has not been told for long.
    pub(super) fn overdue(&mut self, now: Duration) -> Option<u64> {
        let waits = self.seen > self.told && now.saturating_sub(self.untold_since) >= ACK_AFTER;
        waits.then(|| self.tell())
    }

    /// Counts what is sent now, and keeps it.
    pub(super) fn sent(&mut self, message: &Arc<ToGameClient>, size: usize) {
        self.sent += 1;
        if let Some(request) = message.answers() {
            self.waiting.remove(&request);
            if self.answered.len() >= MAX_ANSWERED {
                self.answered.pop_front();
            }
            // What may be long is not kept twice: it changes nothing, and can be asked for again.
            let message = match **message {
                ToGameClient::Data { .. }
                | ToGameClient::DataKeys { .. }
                | ToGameClient::Exported(_)
                | ToGameClient::Sessions(_) => {
                    Arc::new(ToGameClient::Refused { request, reason: Refusal::Unavailable })
                }
                _ => message.clone(),
            };
            self.answered.push_back(Answered { number: self.sent, request, message });
        }
        let size = size + OVERHEAD;
        self.kept.push_back(Kept { message: message.clone(), size });
        self.size += size;
        while self.size > MAX_KEPT {
            self.forget_first();
        }
    }

    /// The client has heard so many.
    pub(super) fn heard(&mut self, count: u64) -> Result<(), Unheard> {
        let missing = self.sent.checked_sub(count).ok_or(Unheard)?;
        while self.kept.len() as u64 > missing {
            self.forget_first();
        }
        while self.answered.front().is_some_and(|answered| answered.number <= count) {
            self.answered.pop_front();
        }
        Ok(())
    }

    /// A request has come, perhaps not for the first time.
    pub(super) fn begin(&mut self, request: RequestId) -> Begun {
        if let Some(known) = self.answered.iter().find(|answered| answered.request == request) {
            return Begun::Answered(known.message.clone());
        }
        if self.waiting.contains(&request) { Begun::Waits } else { Begun::New }
    }

    /// The answer to `request` comes later.
    pub(super) fn waits(&mut self, request: RequestId) {
        self.waiting.insert(request);
    }

    /// Requests without an answer.
    pub(super) fn waiting(&self) -> impl Iterator<Item = RequestId> {
        self.waiting.iter().copied()
    }

    /// The client is back, and has heard so many.
    pub(super) fn resume(&mut self, count: u64) -> Result<Resumed, Unheard> {
        self.heard(count)?;
        let missing = self.sent - count;
        let lost = (self.kept.len() as u64) < missing;
        let lost = lost.then(|| {
            self.kept.clear();
            self.size = 0;
            self.answered.drain(..).map(|answered| answered.message).collect()
        });
        let next = self.sent + 1 - self.kept.len() as u64;
        let again = self.kept.iter().map(|kept| kept.message.clone()).collect();
        let continuation = Continuation { seen: self.tell(), next };
        Ok(Resumed { continuation, again, lost })
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> u64 {
        self.sent
    }

    /// Bytes that are kept for the client.
    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.size
    }

    fn tell(&mut self) -> u64 {
        self.told = self.seen;
        self.seen
    }

    fn forget_first(&mut self) {
        if let Some(first) = self.kept.pop_front() {
            self.size -= first.size;
        }
    }
}

/// Bytes kept for a client that may not have heard them. When there are more the oldest are
/// forgotten; who would need them is told the state anew.
pub(super) const MAX_KEPT: usize = 64 * 1024;

/// Answers kept beyond that: as many requests as a client may have open. The oldest gives way.
const MAX_ANSWERED: usize = 64;

/// What a kept message costs beside its bytes.
const OVERHEAD: usize = 16;

/// Counted messages after which the client is told that they have come.
const ACK_EVERY: u64 = 64;

/// Longest until it is.
const ACK_AFTER: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Stream {
        Stream::new(StreamId(1), SessionToken([1; 32]))
    }

    fn done(request: u32) -> Arc<ToGameClient> {
        Arc::new(ToGameClient::Done { request: RequestId(request) })
    }

    fn left() -> Arc<ToGameClient> {
        Arc::new(ToGameClient::Left { request: None })
    }

    #[test]
    fn what_was_not_heard_is_said_again() {
        let mut stream = stream();
        (1..=3).for_each(|request| stream.sent(&done(request), 2));
        assert_eq!(stream.heard(1), Ok(()));
        let resumed = stream.resume(2).unwrap();
        assert_eq!(resumed.continuation, Continuation { seen: 0, next: 3 });
        assert_eq!((resumed.again, resumed.lost), (vec![done(3)], None));
        assert_eq!(stream.heard(4), Err(Unheard));
        assert_eq!(stream.resume(4), Err(Unheard));
    }

    #[test]
    fn what_does_not_fit_is_lost_but_for_answers() {
        let mut stream = stream();
        stream.sent(&done(1), 2);
        stream.sent(&done(2), 2);
        (0..10).for_each(|_| stream.sent(&left(), MAX_KEPT / 4));
        assert!(stream.size() <= MAX_KEPT);
        let resumed = stream.resume(1).unwrap();
        assert_eq!(resumed.continuation.next, 13);
        assert_eq!((resumed.again, resumed.lost), (vec![], Some(vec![done(2)])));
    }

    #[test]
    fn a_request_is_begun_once() {
        let (mut stream, request) = (stream(), RequestId(7));
        assert_eq!(stream.begin(request), Begun::New);
        stream.waits(request);
        assert_eq!(stream.begin(request), Begun::Waits);
        stream.sent(&done(7), 2);
        assert_eq!(stream.begin(request), Begun::Answered(done(7)));
        stream.heard(1).unwrap();
        assert_eq!(stream.begin(request), Begun::New, "the client has its answer");
    }

    #[test]
    fn the_client_is_told_what_has_come() {
        let (mut stream, second) = (stream(), Duration::from_secs);
        let told: Vec<_> = (0..130).filter_map(|_| stream.received(second(1))).collect();
        assert_eq!(told, [64, 128]);
        assert_eq!(stream.overdue(second(5)), None);
        assert_eq!(stream.overdue(second(6)), Some(130));
        assert_eq!(stream.overdue(second(60)), None);
    }
}
