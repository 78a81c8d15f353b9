//! What waits for the store.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use protocol::{Goodbye, Refusal, RequestId};

use super::{Answer, Effect, LauncherKey, LinkId, Lobby, Query, Ticket};

/// Queries without an answer.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    by_ticket: BTreeMap<Ticket, Waiter>,
    last: u64,
}

#[derive(Clone, Copy, Debug)]
struct Waiter {
    link: LinkId,
    since: Duration,
    what: What,
}

/// For what an answer is waited.
#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    /// A session, for a request to register.
    Registration { request: RequestId, from: IpAddr },
    /// A session, for a password.
    Login { request: RequestId, from: IpAddr },
    /// A session, for its token.
    Resumption { request: RequestId },
    /// The end of one.
    LogOut { request: RequestId },
    /// Who a launcher is.
    Launcher { key: LauncherKey },
    /// Whether a secret is right.
    Enrollment { key: LauncherKey },
}

impl Waiting {
    pub(super) fn len(&self) -> usize {
        self.by_ticket.len()
    }

    pub(super) fn of(&self, link: LinkId) -> usize {
        self.by_ticket.values().filter(|waiter| waiter.link == link).count()
    }

    /// From now on nobody waits for what `link` has asked: which is returned.
    fn forget(&mut self, link: LinkId) -> Vec<(Ticket, What)> {
        let forgotten = self.by_ticket.extract_if(.., |_, waiter| waiter.link == link);
        forgotten.map(|(ticket, waiter)| (ticket, waiter.what)).collect()
    }
}

impl What {
    /// Whether it is worth nothing without an answer. Passwords are: checking one is expensive, and
    /// who hangs up and comes again must not leave more and more of that behind. A logout is
    /// wanted all the same.
    fn is_for_its_answer(self) -> bool {
        match self {
            Self::Registration { .. } | Self::Login { .. } | Self::Resumption { .. } => true,
            Self::LogOut { .. } | Self::Launcher { .. } | Self::Enrollment { .. } => false,
        }
    }
}

impl Lobby {
    /// Asks the store on behalf of `link`.
    pub(super) fn ask(&mut self, link: LinkId, what: What, query: Query) {
        self.waiting.last += 1;
        let ticket = Ticket(self.waiting.last);
        let waiter = Waiter { link, since: self.now.running, what };
        self.waiting.by_ticket.insert(ticket, waiter);
        self.effects.push(Effect::Ask(ticket, query));
    }

    /// From now on `link` waits for nothing.
    pub(super) fn forget_waiting(&mut self, link: LinkId) {
        for (ticket, what) in self.waiting.forget(link) {
            // It has begun, and may be repeated: that counts as much as a wrong password.
            if let What::Login { from, .. } = what {
                self.failed_logins.add(from, self.now.running);
            }
            if what.is_for_its_answer() {
                self.effects.push(Effect::Abandon(ticket));
            }
        }
    }

    /// The store has answered. Late and second answers find nobody who waits.
    pub(super) fn answered(&mut self, ticket: Ticket, answer: Answer) {
        if let Some(Waiter { link, what, .. }) = self.waiting.by_ticket.remove(&ticket) {
            self.take_answer(link, what, answer);
        }
    }

    /// What the store did not answer in time is not available.
    pub(super) fn expire_waiting(&mut self) {
        let (now, limit) = (self.now.running, self.limits.store_timeout);
        let late = |waiter: &Waiter| now.saturating_sub(waiter.since) >= limit;
        let tickets = self.waiting.by_ticket.iter();
        let tickets: Vec<_> = tickets.filter(|(_, w)| late(w)).map(|(t, w)| (*t, w.what)).collect();
        for (ticket, what) in tickets {
            if what.is_for_its_answer() {
                self.effects.push(Effect::Abandon(ticket));
            }
            self.answered(ticket, Answer::Refused(Refusal::Unavailable));
        }
    }

    fn take_answer(&mut self, link: LinkId, what: What, answer: Answer) {
        match (what, answer) {
            (What::Registration { request, .. }, Answer::Session(session)) => {
                self.logged_in(link, request, session, false);
            }
            (What::Login { request, .. }, Answer::Session(session)) => {
                self.logged_in(link, request, session, false);
            }
            (What::Resumption { request }, Answer::Session(session)) => {
                self.logged_in(link, request, session, true);
            }
            (What::LogOut { request }, Answer::LoggedOut) => self.logged_out(link, request),
            (What::Launcher { key } | What::Enrollment { key }, Answer::Launcher(name)) => {
                self.launcher_known(link, key, name);
            }
            (What::Launcher { .. }, Answer::NoLauncher) => self.launcher_unknown(link),
            (What::Enrollment { .. }, Answer::NoLauncher) => {
                self.goodbye(link, Goodbye::EnrollmentRefused);
            }
            (what, Answer::Refused(reason)) => self.not_answered(link, what, reason),
            // Our own store never answers so; a request must not stay without an answer even then.
            (what, _) => self.not_answered(link, what, Refusal::Unavailable),
        }
    }

    fn not_answered(&mut self, link: LinkId, what: What, reason: Refusal) {
        match what {
            What::Registration { request, from } => {
                // Whoever got no answer may have an account now: that counts.
                if reason != Refusal::Unavailable {
                    self.registrations.take_back(from);
                }
                // Trying out names tells which there are, as a login does not.
                if reason == Refusal::NameTaken {
                    self.failed_logins.add(from, self.now.running);
                }
                self.refuse(link, request, reason);
            }
            What::Login { request, from } => {
                if reason == Refusal::WrongNameOrPassword {
                    self.failed_logins.add(from, self.now.running);
                }
                self.refuse(link, request, reason);
            }
            What::Resumption { request } | What::LogOut { request } => {
                self.refuse(link, request, reason);
            }
            What::Launcher { .. } | What::Enrollment { .. } => {
                let retry_after_ms = match reason {
                    Refusal::Busy { retry_after_ms } => retry_after_ms,
                    _ => RETRY_AFTER_MS,
                };
                self.goodbye(link, Goodbye::Busy { retry_after_ms });
            }
        }
    }
}

/// When a launcher should come back while the store does not work.
const RETRY_AFTER_MS: u32 = 5_000;
