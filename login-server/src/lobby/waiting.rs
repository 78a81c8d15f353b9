//! What waits for the store.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use protocol::{Counting, Goodbye, LastSeen, Refusal, RequestId, SessionToken, ToGameClient};

use super::{
    Answer, Effect, LauncherKey, Lobby, Owner, Query, SessionId, Task, Ticket, sessions::Asker,
    tasks::After,
};

/// Queries without an answer.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    by_ticket: BTreeMap<Ticket, Waiter>,
    /// What changes something here, although nobody waits for it any more: a token is worth
    /// nothing all the same.
    late: BTreeMap<Ticket, Waiter>,
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
    /// A session, for a guest.
    Guest { request: RequestId },
    /// A session, for a guest who has a place and is not kept.
    GuestResumption { request: RequestId, last: Option<LastSeen>, session: SessionId },
    /// That a guest is kept, to have something done then.
    Keep { request: RequestId, guest: SessionId, then: Box<(Owner, Task)> },
    /// That something is done for a player.
    Task {
        request: RequestId,
        owner: SessionId,
        /// Of the session that has asked.
        token: SessionToken,
        from: IpAddr,
        /// Whether a password is hashed for it.
        hashes: bool,
        after: After,
    },
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

    /// The last query there was.
    pub(super) fn last(&self) -> Ticket {
        Ticket(self.last)
    }

    /// Whether a password of somebody is being looked at.
    pub(super) fn hashes_for(&self, asker: Asker) -> bool {
        self.by_ticket.values().any(|waiter| {
            waiter.asker == asker && matches!(waiter.what, What::Task { hashes: true, .. })
        })
    }

    /// Whether a player is about to have a name.
    pub(super) fn claims(&self, session: SessionId) -> bool {
        self.by_ticket.values().chain(self.late.values()).any(|waiter| {
            matches!(&waiter.what, What::Task { owner, after: After::Claimed, .. } if *owner == session)
        })
    }

    /// Whether the store is about to keep a guest.
    pub(super) fn keeps(&self, session: SessionId) -> bool {
        let is_keeping =
            |waiter: &Waiter| matches!(&waiter.what, What::Keep { guest, .. } if *guest == session);
        self.claims(session) || self.by_ticket.values().chain(self.late.values()).any(is_keeping)
    }

    /// A guest's place has another number from now on.
    pub(super) fn now_is(&mut self, from: (Asker, SessionId), to: (Asker, SessionId)) {
        for waiter in self.by_ticket.values_mut().chain(self.late.values_mut()) {
            if waiter.asker == from.0 {
                waiter.asker = to.0;
            }
            waiter.what.now_is(from.1, to.1);
        }
    }

    /// From now on nobody waits for what was asked: which is returned.
    fn forget(&mut self, asker: Asker) -> Vec<(Ticket, Waiter)> {
        self.by_ticket.extract_if(.., |_, waiter| waiter.asker == asker).collect()
    }

    /// Remembers what this is for, although nobody waits for its answer.
    fn keep_late(&mut self, ticket: Ticket, waiter: Waiter) {
        if self.late.len() >= MAX_LATE {
            self.late.pop_first();
        }
        self.late.insert(ticket, waiter);
    }
}

impl What {
    /// Whether it is worth nothing without an answer. Passwords are: checking one is expensive, and
    /// who hangs up and comes again must not leave more and more of that behind. A logout is
    /// wanted all the same.
    fn is_for_its_answer(&self) -> bool {
        match self {
            Self::Registration { .. }
            | Self::Login { .. }
            | Self::Resumption { .. }
            | Self::Guest { .. }
            | Self::GuestResumption { .. } => true,
            Self::Keep { .. }
            | Self::Task { .. }
            | Self::LogOut { .. }
            | Self::Launcher { .. }
            | Self::Enrollment { .. } => false,
        }
    }

    /// Whether it changes something here, also when nobody waits for it any more.
    fn matters_later(&self) -> bool {
        match self {
            Self::LogOut { .. } | Self::Keep { .. } => true,
            Self::Task { after, .. } => *after != After::Nothing,
            Self::Registration { .. }
            | Self::Login { .. }
            | Self::Resumption { .. }
            | Self::Guest { .. }
            | Self::GuestResumption { .. }
            | Self::Launcher { .. }
            | Self::Enrollment { .. } => false,
        }
    }

    /// Where a password is being looked at, and for whom that counts if nobody hears the answer.
    fn tries_password(&self) -> Option<IpAddr> {
        match self {
            Self::Login { from, .. } | Self::Task { from, hashes: true, .. } => Some(*from),
            _ => None,
        }
    }

    fn now_is(&mut self, from: SessionId, to: SessionId) {
        let id = match self {
            Self::GuestResumption { session, .. } => session,
            Self::Task { owner, .. } => owner,
            Self::Keep { guest, then, .. } => {
                if then.0.account == from {
                    then.0.account = to;
                }
                guest
            }
            _ => return,
        };
        if *id == from {
            *id = to;
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
            if let Some(from) = waiter.what.tries_password() {
                self.failed_logins.add(from, self.now.running);
            }
            self.give_up(ticket, waiter);
        }
    }

    /// The store has answered. Late and second answers find nobody who waits.
    pub(super) fn answered(&mut self, ticket: Ticket, answer: Answer) {
        if let Some(Waiter { asker, what, .. }) = self.waiting.by_ticket.remove(&ticket) {
            self.take_answer((asker, ticket), what, answer);
        } else if let Some(Waiter { what, .. }) = self.waiting.late.remove(&ticket) {
            self.take_late_answer(what, answer);
        }
    }

    /// What was asked for is done, and whoever has asked is gone.
    fn take_late_answer(&mut self, what: What, answer: Answer) {
        match (what, answer) {
            (What::LogOut { session, token, .. }, Answer::LoggedOut) => {
                self.logged_out(None, session, token);
            }
            (What::Task { owner, token, after, .. }, Answer::Done(message)) => {
                self.task_done(None, owner, (token, after), message);
            }
            (What::Task { owner: guest, .. } | What::Keep { guest, .. }, answer) => {
                self.guest_changed(guest, &answer);
            }
            _ => {}
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
        self.waiting.late.retain(|_, waiter| !late(waiter));
    }

    fn give_up(&mut self, ticket: Ticket, waiter: Waiter) {
        if waiter.what.is_for_its_answer() {
            self.effects.push(Effect::Abandon(ticket));
        } else if waiter.what.matters_later() {
            self.waiting.keep_late(ticket, waiter);
        }
    }

    fn take_answer(&mut self, (asker, ticket): (Asker, Ticket), what: What, answer: Answer) {
        match (asker, what, answer) {
            (
                Asker::Link(link),
                What::Login { request, .. } | What::Resumption { request, .. },
                Answer::Session(session),
            ) if self.is_outdated(session.session, ticket)
                && !self.ended.contains_key(&session.token.0) =>
            {
                self.refuse(link, request, Refusal::Unavailable);
            }
            (
                Asker::Link(link),
                What::Registration { request, .. } | What::Login { request, .. },
                Answer::Session(session),
            ) => self.logged_in(link, request, session, None),
            (Asker::Link(link), What::Guest { request }, Answer::Session(session)) => {
                self.guest_let_in(link, request, session);
            }
            (
                Asker::Link(link),
                What::GuestResumption { request, last, session },
                Answer::Session(known),
            ) => self.guest_resumed(link, request, (session, last), known),
            (asker, What::Keep { request, guest, then }, Answer::Kept { account, number }) => {
                self.kept(guest, account, number);
                let (mut owner, task) = *then;
                if owner.account == guest {
                    owner.account = account;
                }
                self.advance_task(asker.of(guest, account), request, owner, task);
            }
            (asker, What::Task { request, owner, token, after, .. }, Answer::Done(message)) => {
                self.task_done(Some((asker, request)), owner, (token, after), message);
            }
            (Asker::Link(link), What::Task { request, .. }, Answer::Counted(counting)) => {
                self.counted(link, request, counting);
            }
            (
                asker,
                What::Task { request, owner: guest, .. },
                Answer::Claimed { account, number, name, permissions },
            ) => {
                self.claimed(guest, (account, number), name, permissions);
                let done = ToGameClient::Done { request };
                self.answer(asker.of(guest, account), done);
            }
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
        // Of players' conversations none is a link.
        if let (Asker::Link(link), What::Task { request, .. } | What::Keep { request, .. }) =
            (asker, &what)
        {
            return self.counted(link, *request, Counting::Unavailable);
        }
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
            What::Task { request, from, hashes, after, .. } => {
                if after == After::Claimed && reason != Refusal::Unavailable {
                    self.registrations.take_back(from);
                }
                if hashes && matches!(reason, Refusal::NameTaken | Refusal::WrongNameOrPassword) {
                    self.failed_logins.add(from, self.now.running);
                }
                self.answer(asker, ToGameClient::Refused { request, reason });
            }
            What::Resumption { request, .. }
            | What::LogOut { request, .. }
            | What::Guest { request }
            | What::GuestResumption { request, .. }
            | What::Keep { request, .. } => {
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

/// Answers nobody waits for that still change something. One more makes the oldest be forgotten.
const MAX_LATE: usize = 1024;

/// Longest the store may take to end a session after all.
const LOGOUT_TIMEOUT: Duration = Duration::from_secs(60);
