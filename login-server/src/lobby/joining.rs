//! Onto a game server, and off it.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use protocol::{
    Admission, JoinSecret, JoinTicket, Reachable, Refusal, RequestId, ServerId, TicketId,
    ToGameClient, ToLauncher,
};

use super::{
    Effect, Issued, LinkId, Lobby, SessionId, Subject, clients::BUSY, reachable_address,
    server_ids::OwnId, sessions::Asker,
};

/// Who waits for a launcher's word.
#[derive(Debug, Default)]
pub(super) struct Admissions {
    by_request: BTreeMap<u32, Admitting>,
    last: u32,
}

#[derive(Clone, Debug)]
struct Admitting {
    /// Whose request it is.
    asker: Asker,
    request: RequestId,
    session: SessionId,
    /// Where the player asked from.
    from: IpAddr,
    server: ServerId,
    /// Who has to answer.
    launcher: LinkId,
    /// What the player will hold.
    issued: Issued,
    since: Duration,
}

impl Admissions {
    fn of(&self, asker: Asker) -> Option<u32> {
        self.by_request.iter().find(|(_, waits)| waits.asker == asker).map(|(request, _)| *request)
    }

    /// A guest's place has another number from now on.
    pub(super) fn now_is(&mut self, from: (Asker, SessionId), to: (Asker, SessionId)) {
        for waits in self.by_request.values_mut() {
            if waits.asker == from.0 {
                waits.asker = to.0;
            }
            if waits.session == from.1 {
                waits.session = to.1;
            }
        }
    }

    fn matching(&self, matches: impl Fn(&Admitting) -> bool) -> Vec<u32> {
        let matching = self.by_request.iter().filter(|(_, waits)| matches(waits));
        matching.map(|(request, _)| *request).collect()
    }
}

impl Lobby {
    /// Asks the launcher of `server` to let a player in.
    pub(super) fn join(&mut self, link: LinkId, request: RequestId, server: ServerId) {
        match self.may_join(link, server) {
            Ok((session, from, launcher, own)) => {
                let Some(player) = self.sessions.get(&session).map(|s| s.name.clone()) else {
                    return;
                };
                let key = self.servers.get(server).map(|(key, _)| key);
                let issued = key.and_then(|launcher| {
                    let player = player.clone();
                    let subject = Subject { account: session, player, launcher, server: own.0 };
                    self.tickets.issue(subject, self.now.clock)
                });
                let Some(issued) = issued else {
                    return self.refuse(link, request, Refusal::Unavailable);
                };
                self.admissions.last = self.admissions.last.wrapping_add(1);
                let number = self.admissions.last;
                let since = self.now.running;
                let asker = self.asker_of(link);
                let Issued { ticket, code, .. } = issued.clone();
                let admitting =
                    Admitting { asker, request, session, from, server, launcher, issued, since };
                self.admissions.by_request.insert(number, admitting);
                self.waits(link, request);
                let request = RequestId(number);
                let admit = ToLauncher::Admit { request, server: own.0, player, ticket, code };
                self.effects.push(Effect::ToLauncher(launcher, admit));
            }
            Err(reason) => self.refuse(link, request, reason),
        }
    }

    /// What a launcher says to an `Admit`. Late answers are ignored: the player was dismissed.
    pub(super) fn admitted(&mut self, launcher: LinkId, request: RequestId, admission: Admission) {
        let waits = self.admissions.by_request.get(&request.0);
        if waits.is_none_or(|waits| waits.launcher != launcher) {
            return;
        }
        let Some(waits) = self.admissions.by_request.remove(&request.0) else { return };
        let reason = match admission {
            Admission::Granted { secret } => return self.let_in(waits, secret),
            Admission::UnknownServer => Refusal::UnknownServer,
            Admission::NotReady => Refusal::ServerNotReady,
            Admission::Full => Refusal::ServerFull,
            Admission::TicketRefused => {
                let server = waits.server;
                if self.servers.may_warn(server, self.now.running) {
                    tracing::warn!(%server, "its launcher does not take our ticket: do its clock and ours differ?");
                }
                Refusal::Unavailable
            }
        };
        self.tickets.release(waits.issued.id, self.now.running);
        self.refuse_asker(waits.asker, waits.request, reason);
    }

    /// A player has left the server, or does not want to join it any more.
    pub(super) fn leave(&mut self, link: LinkId, request: RequestId) {
        let Some(session) = self.session_of(link) else {
            return self.refuse(link, request, Refusal::NotLoggedIn);
        };
        let asker = self.asker_of(link);
        let cancelled = self.cancel_admission_of(asker, Some(Refusal::NotOnServer));
        if self.leave_server(session) || cancelled {
            self.reply(link, ToGameClient::Left { request: Some(request) });
        } else {
            self.refuse(link, request, Refusal::NotOnServer);
        }
    }

    /// Takes a session off the server it has joined, and tells the launcher. Says whether there
    /// was one.
    pub(super) fn leave_server(&mut self, session: SessionId) -> bool {
        let joined = self.sessions.get(&session).and_then(|session| session.joined);
        if let Some(server) = joined {
            self.dismiss(session, server);
            self.set_joined(session, None);
        }
        joined.is_some()
    }

    /// A server is gone for good.
    pub(super) fn server_gone(&mut self, server: ServerId) {
        for number in self.admissions.matching(|waits| waits.server == server) {
            self.forget_admission(number, Some(Refusal::UnknownServer));
        }
        for session in self.joined.get(&server).cloned().unwrap_or_default() {
            self.set_joined(session, None);
            self.send(session, ToGameClient::Left { request: None }.into());
        }
    }

    /// Whether somebody waits to be let in.
    pub(super) fn is_joining(&self, asker: Asker) -> bool {
        self.admissions.of(asker).is_some()
    }

    /// A launcher is gone: it will not answer.
    pub(super) fn cancel_admissions_by(&mut self, launcher: LinkId) {
        for number in self.admissions.matching(|waits| waits.launcher == launcher) {
            self.forget_admission(number, Some(Refusal::Unavailable));
        }
    }

    /// A player waits no more, and is told so if there is a reason. Says whether one did.
    pub(super) fn cancel_admission_of(&mut self, asker: Asker, reason: Option<Refusal>) -> bool {
        let waiting = self.admissions.of(asker);
        waiting.into_iter().for_each(|number| self.end_admission(number, reason.clone()));
        waiting.is_some()
    }

    pub(super) fn expire_admissions(&mut self) {
        let (now, limit) = (self.now.running, self.limits.join_timeout);
        let late = |waits: &Admitting| now.saturating_sub(waits.since) >= limit;
        for number in self.admissions.matching(late) {
            self.end_admission(number, Some(Refusal::Unavailable));
        }
    }

    /// Who has joined `server`.
    pub(super) fn players_on(&self, server: ServerId) -> Vec<SessionId> {
        self.joined.get(&server).into_iter().flatten().copied().collect()
    }

    fn may_join(
        &self,
        link: LinkId,
        server: ServerId,
    ) -> Result<(SessionId, IpAddr, LinkId, OwnId), Refusal> {
        let session = self.session_of(link).ok_or(Refusal::NotLoggedIn)?;
        let from = self.clients.get(&link).ok_or(Refusal::NotLoggedIn)?.from;
        // Launchers are told one name, and not two.
        if self.is_joining(self.asker_of(link))
            || self.waiting.claims(session)
            || !self.may_wait(link)
        {
            return Err(BUSY);
        }
        self.servers.get(server).ok_or(Refusal::UnknownServer)?;
        let (launcher, own) = self.launcher_of(server).ok_or(Refusal::Unavailable)?;
        self.servers.place(server).ok_or(Refusal::ServerNotReady)?;
        Ok((session, from, launcher, own))
    }

    fn let_in(&mut self, waits: Admitting, secret: JoinSecret) {
        let Admitting { asker, request, session, from, server, launcher, issued, .. } = waits;
        let Issued { id, ticket, .. } = issued;
        let Some(launcher) = self.launchers.get(&launcher) else { return };
        let address =
            self.servers.place(server).and_then(|Reachable { addresses, port, .. }| {
                Some((reachable_address(from, launcher.from, addresses)?, *port))
            });
        let Some((address, port)) = address else {
            if self.servers.may_warn(server, self.now.running) {
                tracing::warn!(%server, viewer = %from, "no address for this player is known: its launcher should advertise one");
            }
            self.tickets.release(id, self.now.running);
            self.dismiss_unless_joined(session, server);
            return self.refuse_asker(asker, request, Refusal::Unavailable);
        };
        let before = self.sessions.get(&session).and_then(|session| session.joined);
        if before != Some(server) {
            self.leave_server(session);
            self.set_joined(session, Some(server));
        }
        self.set_ticket(session, Some(id));
        let ticket = JoinTicket { request, server, address, port, secret, ticket };
        self.answer(asker, ToGameClient::Joined(ticket));
    }

    /// Waits no longer for a launcher that may still let the player in.
    fn end_admission(&mut self, number: u32, reason: Option<Refusal>) {
        if let Some(waits) = self.admissions.by_request.get(&number) {
            let (session, server) = (waits.session, waits.server);
            self.dismiss_unless_joined(session, server);
        }
        self.forget_admission(number, reason);
    }

    fn forget_admission(&mut self, number: u32, reason: Option<Refusal>) {
        let Some(waits) = self.admissions.by_request.remove(&number) else { return };
        self.tickets.release(waits.issued.id, self.now.running);
        if let Some(reason) = reason {
            self.refuse_asker(waits.asker, waits.request, reason);
        }
    }

    fn refuse_asker(&mut self, asker: Asker, request: RequestId, reason: Refusal) {
        self.answer(asker, ToGameClient::Refused { request, reason });
    }

    fn dismiss_unless_joined(&mut self, session: SessionId, server: ServerId) {
        if self.sessions.get(&session).is_some_and(|session| session.joined != Some(server)) {
            self.dismiss(session, server);
        }
    }

    fn dismiss(&mut self, session: SessionId, server: ServerId) {
        let launcher = self.launcher_of(server);
        let player = self.sessions.get(&session).map(|session| session.name.clone());
        if let (Some((launcher, own)), Some(player)) = (launcher, player) {
            let dismiss = ToLauncher::Dismiss { server: own.0, player };
            self.effects.push(Effect::ToLauncher(launcher, dismiss));
        }
    }

    fn set_joined(&mut self, id: SessionId, server: Option<ServerId>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let before = std::mem::replace(&mut session.joined, server);
        if let Some(before) = before
            && let Some(sessions) = self.joined.get_mut(&before)
        {
            sessions.remove(&id);
            if sessions.is_empty() {
                self.joined.remove(&before);
            }
        }
        match server {
            Some(server) => {
                self.joined.entry(server).or_default().insert(id);
            }
            None => self.set_ticket(id, None),
        }
    }

    /// What a player was let in with last counts; what before, only for a while.
    fn set_ticket(&mut self, id: SessionId, ticket: Option<TicketId>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if let Some(before) = std::mem::replace(&mut session.ticket, ticket) {
            self.tickets.release(before, self.now.running);
        }
    }
}
