//! Guests: players without an account, who are nowhere but here until they have earned something.

use std::{collections::BTreeMap, net::IpAddr};

use accounts::Permissions;
use protocol::{BootId, Goodbye, LastSeen, Refusal, RequestId, SessionToken, Text, UnixMillis};

use super::{
    Answer, KnownSession, LinkId, Lobby, Query, SessionId,
    clients::{BUSY, ClientState},
    sessions::Asker,
    waiting::What,
};

/// A guest nobody keeps.
#[derive(Clone, Debug, PartialEq)]
pub struct Guest {
    /// Whose place it is.
    pub session: SessionId,
    /// The name, which no account can have.
    pub name: Text<64>,
    /// What proves who they are.
    pub token: SessionToken,
}

/// The guests nobody keeps who have a place. As many as have one, at most.
#[derive(Debug)]
pub(super) struct Guests {
    by_token: BTreeMap<[u8; 32], SessionId>,
    by_name: BTreeMap<Text<64>, Guest>,
    last: u64,
}

impl SessionId {
    /// Of a guest nobody keeps: no account has such a number.
    const fn of_guest(number: u64) -> Self {
        Self(number | GUEST)
    }

    /// Whether the store knows it. Others are guests who have earned nothing yet.
    pub const fn is_kept(self) -> bool {
        self.0 & GUEST == 0
    }
}

impl Guests {
    /// There are none. Their numbers begin where no run of the program before has any: tickets that
    /// were given out then may be shown now.
    pub(super) fn new(boot: BootId) -> Self {
        let last = boot.0 & (GUEST / 2 - 1);
        Self { by_token: BTreeMap::new(), by_name: BTreeMap::new(), last }
    }

    /// The guest of this name.
    pub(super) fn named(&self, name: &Text<64>) -> Option<Guest> {
        self.by_name.get(name).cloned()
    }

    fn insert(&mut self, guest: Guest) {
        self.by_token.insert(guest.token.0, guest.session);
        self.by_name.insert(guest.name.clone(), guest);
    }

    fn remove(&mut self, token: &SessionToken, name: &Text<64>) {
        self.by_token.remove(&token.0);
        self.by_name.remove(name);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        assert_eq!(self.by_name.len(), self.by_token.len());
        self.by_name.len()
    }
}

impl Lobby {
    pub(super) fn log_in_as_guest(&mut self, link: LinkId, request: RequestId) {
        let Some(from) = self.may_log_in(link, request) else { return };
        let (per_hour, now) = (self.limits.guests_per_hour, self.now.running);
        if per_hour == 0 {
            return self.refuse(link, request, Refusal::NotAllowed);
        }
        match self.guest_logins.check(from, per_hour, now) {
            Ok(()) => {
                self.guest_logins.add(from, now);
                self.guests.last += 1;
                let session = SessionId::of_guest(self.guests.last);
                let what = What::Guest { request };
                self.ask(Asker::Link(link), what, Query::LogInAsGuest { session, from });
            }
            Err(retry_after_ms) => self.refuse(link, request, Refusal::Busy { retry_after_ms }),
        }
    }

    /// The store lets a guest in.
    pub(super) fn guest_let_in(&mut self, link: LinkId, request: RequestId, known: KnownSession) {
        // One in a thousand million.
        if self.guests.by_name.contains_key(&known.name) {
            return self.refuse(link, request, BUSY);
        }
        let expires = self.guest_expires();
        self.logged_in(link, request, KnownSession { expires, ..known }, None);
    }

    /// A guest comes back who is not kept. False: there is none with this token.
    pub(super) fn resume_guest(
        &mut self,
        link: LinkId,
        request: RequestId,
        (token, from): (&SessionToken, IpAddr),
        last: Option<LastSeen>,
    ) -> bool {
        let Some(session) = self.guests.by_token.get(&token.0).copied() else { return false };
        let Some(name) = self.sessions.get(&session).map(|s| s.name.clone()) else { return false };
        let guest = Guest { session, name, token: token.clone() };
        let what = What::GuestResumption { request, last, session };
        self.ask(Asker::Link(link), what, Query::ResumeGuest { guest, from });
        true
    }

    /// The store lets a guest in again, who may be kept by now, or gone.
    pub(super) fn guest_resumed(
        &mut self,
        link: LinkId,
        request: RequestId,
        (session, last): (SessionId, Option<LastSeen>),
        known: KnownSession,
    ) {
        let there = self.sessions.get(&session).filter(|s| s.stream.token == known.token);
        let Some(number) = there.map(|session| session.number) else {
            return self.refuse(link, request, Refusal::SessionEnded);
        };
        let expires = self.guest_expires();
        let known = KnownSession { session, number, expires, ..known };
        self.logged_in(link, request, known, last);
    }

    /// A guest who is not kept has a place.
    pub(super) fn guest_entered(
        &mut self,
        session: SessionId,
        name: Text<64>,
        token: SessionToken,
    ) {
        if !session.is_kept() {
            self.guests.insert(Guest { session, name, token });
        }
    }

    /// A session is over; perhaps a guest's.
    pub(super) fn guest_gone(&mut self, id: SessionId) {
        if !id.is_kept()
            && let Some(session) = self.sessions.get(&id)
        {
            self.guests.remove(&session.stream.token, &session.name);
        }
    }

    /// Ends the session of a guest who is not kept, and so leaves nothing.
    pub(super) fn log_out_guest(&mut self, link: LinkId, request: RequestId, guest: SessionId) {
        // What the store is about to keep would be left behind.
        if self.waiting.keeps(guest) {
            return self.refuse(link, request, BUSY);
        }
        let token = self.sessions.get(&guest).map(|session| session.stream.token.clone());
        if let Some(token) = token {
            self.logged_out(Some((self.asker_of(link), request)), guest, token);
        }
    }

    /// The store keeps a guest from now on, under the number of an account.
    pub(super) fn kept(&mut self, guest: SessionId, account: SessionId, number: u64) {
        if guest.is_kept() || !self.sessions.contains_key(&guest) {
            return;
        }
        // Claimed a moment ago, and somebody has logged in with the password already.
        if self.sessions.contains_key(&account) {
            let link = self.sessions.get(&guest).and_then(|session| session.link());
            self.session_over(guest);
            link.into_iter().for_each(|link| self.goodbye(link, Goodbye::TakenOver));
            return;
        }
        self.guest_gone(guest);
        let Some(mut session) = self.sessions.remove(&guest) else { return };
        session.number = number;
        let (stream, link) = (session.stream.id, session.link());
        if let Some(joined) = session.joined.and_then(|server| self.joined.get_mut(&server)) {
            joined.remove(&guest);
            joined.insert(account);
        }
        self.sessions.insert(account, session);
        if let Some(client) = link.and_then(|link| self.clients.get_mut(&link)) {
            client.state = ClientState::LoggedIn { session: account };
        }
        let (from, to) = (Asker::Session(guest, stream), Asker::Session(account, stream));
        self.waiting.now_is((from, guest), (to, account));
        self.admissions.now_is((from, guest), (to, account));
        self.tickets.now_is(guest, account);
    }

    /// A guest, kept or not, has a name and a password from now on.
    pub(super) fn claimed(
        &mut self,
        guest: SessionId,
        (account, number): (SessionId, u64),
        name: Text<64>,
        permissions: Permissions,
    ) {
        self.kept(guest, account, number);
        if let Some(session) = self.sessions.get_mut(&account) {
            (session.name, session.permissions) = (name, permissions);
        }
    }

    /// A guest's token is good for as long as the place is.
    fn guest_expires(&self) -> UnixMillis {
        let grace = u64::try_from(self.limits.lobby_grace.as_millis()).unwrap_or(u64::MAX);
        UnixMillis(self.now.clock.0.saturating_add(grace))
    }

    /// What the store says to `KeepGuest`, or to `Task` with `Claim`, whoever waits for it.
    pub(super) fn guest_changed(&mut self, guest: SessionId, answer: &Answer) {
        match answer {
            Answer::Kept { account, number } => self.kept(guest, *account, *number),
            Answer::Claimed { account, number, name, permissions } => {
                self.claimed(guest, (*account, *number), name.clone(), *permissions);
            }
            _ => {}
        }
    }
}

/// The bit that accounts' numbers have not.
const GUEST: u64 = 1 << 63;
