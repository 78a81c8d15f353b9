//! What waits for the store.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use protocol::{Goodbye, LastSeen, Refusal, RequestId, SessionToken, ToGameClient};

use super::{Answer, Effect, LauncherKey, Lobby, Query, SessionId, Ticket, sessions::Asker};

/// Queries without an answer.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    by_ticket: BTreeMap<Ticket, Waiter>,
    /// Logouts nobody waits for any more: the token is worth nothing all the same.
    logouts: BTreeMap<Ticket, Waiter>,
    last: u64,
}

#[derive(Clone, Debug)]
struct Waiter {
    asker: Asker,
    since: Duration,
    what: What,
}

/// For what an answer is waited.
#[derive(Clone, Debug)]
pub(super) enum What {
    /// A session, for a request to register.
    Registration { request: RequestId, from: IpAddr },
    /// A session, for a password.
    Login { request: RequestId, from: IpAddr },
    /// A session, for its token.
    Resumption { request: RequestId, last: Option<LastSeen> },
    /// The end of one.
    LogOut { request: RequestId, session: SessionId, token: SessionToken },
    /// Who a launcher is.
    Launcher { key: LauncherKey },
    /// Whether a secret is right.
    Enrollment { key: LauncherKey },
}

impl Waiting {
    pub(super) fn len(&self) -> usize {
        self.by_ticket.len()
    }

    pub(super) fn of(&self, asker: Asker) -> usize {
        self.by_ticket.values().filter(|waiter| waiter.asker == asker).count()
    }

    /// From now on nobody waits for what was asked: which is returned.
    fn forget(&mut self, asker: Asker) -> Vec<(Ticket, Waiter)> {
        self.by_ticket.extract_if(.., |_, waiter| waiter.asker == asker).collect()
    }

    /// Remembers what this logout is for, although nobody waits for its answer.
    fn keep_logout(&mut self, ticket: Ticket, waiter: Waiter) {
        if self.logouts.len() >= MAX_LOGOUTS {
            self.logouts.pop_first();
        }
        self.logouts.insert(ticket, waiter);
    }
}

impl What {
    /// Whether it is worth nothing without an answer. Passwords are: checking one is expensive, and
    /// who hangs up and comes again must not leave more and more of that behind. A logout is
    /// wanted all the same.
    fn is_for_its_answer(&self) -> bool {
        match self {
            Self::Registration { .. } | Self::Login { .. } | Self::Resumption { .. } => true,
            Self::LogOut { .. } | Self::Launcher { .. } | Self::Enrollment { .. } => false,
        }
    }
}

impl Lobby {
    /// Asks the store on behalf of `asker`.
    pub(super) fn ask(&mut self, asker: Asker, what: What, query: Query) {
        self.waiting.last += 1;
        let ticket = Ticket(self.waiting.last);
        let waiter = Waiter { asker, since: self.now.running, what };
        self.waiting.by_ticket.insert(ticket, waiter);
        self.effects.push(Effect::Ask(ticket, query));
    }

    /// From now on `asker` waits for nothing.
    pub(super) fn forget_waiting(&mut self, asker: Asker) {
        for (ticket, waiter) in self.waiting.forget(asker) {
            // It has begun, and may be repeated: that counts as much as a wrong password.
            if let What::Login { from, .. } = waiter.what {
                self.failed_logins.add(from, self.now.running);
            }
            self.give_up(ticket, waiter);
        }
    }

    /// The store has answered. Late and second answers find nobody who waits.
    pub(super) fn answered(&mut self, ticket: Ticket, answer: Answer) {
        if let Some(Waiter { asker, what, .. }) = self.waiting.by_ticket.remove(&ticket) {
            self.take_answer(asker, what, answer);
        } else if let Some(Waiter { what, .. }) = self.waiting.logouts.remove(&ticket)
            && let (What::LogOut { session, token, .. }, Answer::LoggedOut) = (what, answer)
        {
            self.logged_out(None, session, token);
        }
    }

    /// What the store did not answer in time is not available.
    pub(super) fn expire_waiting(&mut self) {
        let (now, limit) = (self.now.running, self.limits.store_timeout);
        let late = |waiter: &Waiter| now.saturating_sub(waiter.since) >= limit;
        let tickets: Vec<_> = self.waiting.by_ticket.extract_if(.., |_, w| late(w)).collect();
        for (ticket, waiter) in tickets {
            let (asker, what) = (waiter.asker, waiter.what.clone());
            self.give_up(ticket, waiter);
            self.not_answered(asker, what, Refusal::Unavailable);
        }
        let late = |waiter: &Waiter| now.saturating_sub(waiter.since) >= LOGOUT_TIMEOUT;
        self.waiting.logouts.retain(|_, waiter| !late(waiter));
    }

    fn give_up(&mut self, ticket: Ticket, waiter: Waiter) {
        if waiter.what.is_for_its_answer() {
            self.effects.push(Effect::Abandon(ticket));
        } else if matches!(waiter.what, What::LogOut { .. }) {
            self.waiting.keep_logout(ticket, waiter);
        }
    }

    fn take_answer(&mut self, asker: Asker, what: What, answer: Answer) {
        match (asker, what, answer) {
            (
                Asker::Link(link),
                What::Registration { request, .. } | What::Login { request, .. },
                Answer::Session(session),
            ) => self.logged_in(link, request, session, None),
            (Asker::Link(link), What::Resumption { request, last }, Answer::Session(session)) => {
                self.resumption(link, request, session, last)
            }
            (asker, What::LogOut { request, session, token }, Answer::LoggedOut) => {
                self.logged_out(Some((asker, request)), session, token);
            }
            (
                Asker::Link(link),
                What::Launcher { key } | What::Enrollment { key },
                Answer::Launcher(name, limits),
            ) => self.launcher_known(link, key, name, limits),
            (Asker::Link(link), What::Launcher { .. }, Answer::NoLauncher) => {
                self.launcher_unknown(link);
            }
            (Asker::Link(link), What::Enrollment { .. }, Answer::NoLauncher) => {
                self.goodbye(link, Goodbye::EnrollmentRefused);
            }
            (asker, what, Answer::Refused(reason)) => self.not_answered(asker, what, reason),
            // Our own store never answers so; a request must not stay without an answer even then.
            (asker, what, _) => self.not_answered(asker, what, Refusal::Unavailable),
        }
    }

    fn not_answered(&mut self, asker: Asker, what: What, reason: Refusal) {
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
                self.answer(asker, ToGameClient::Refused { request, reason });
            }
            What::Login { request, from } => {
                if reason == Refusal::WrongNameOrPassword {
                    self.failed_logins.add(from, self.now.running);
                }
                self.answer(asker, ToGameClient::Refused { request, reason });
            }
            What::Resumption { request, .. } | What::LogOut { request, .. } => {
                self.answer(asker, ToGameClient::Refused { request, reason });
            }
            What::Launcher { .. } | What::Enrollment { .. } => {
                let retry_after_ms = match reason {
                    Refusal::Busy { retry_after_ms } => retry_after_ms,
                    _ => RETRY_AFTER_MS,
                };
                if let Asker::Link(link) = asker {
                    self.goodbye(link, Goodbye::Busy { retry_after_ms });
                }
            }
        }
    }
}

/// When a launcher should come back while the store does not work.
const RETRY_AFTER_MS: u32 = 5_000;

/// Logouts remembered without anybody who waits for them. One more makes the oldest be forgotten.
const MAX_LOGOUTS: usize = 1024;

/// Longest the store may take to end a session after all.
const LOGOUT_TIMEOUT: Duration = Duration::from_secs(60);
