//! Onto a game server, and off it.

use std::{collections::BTreeMap, time::Duration};

use protocol::{
    Admission, JoinSecret, JoinTicket, Reachable, Refusal, RequestId, ServerId, ToGameClient,
    ToLauncher,
};

use super::{
    Effect, LinkId, Lobby, SessionId, clients::BUSY, reachable_address, server_ids::OwnId,
};

/// Who waits for a launcher's word.
#[derive(Debug, Default)]
pub(super) struct Admissions {
    by_request: BTreeMap<u32, Admitting>,
    last: u32,
}

#[derive(Clone, Copy, Debug)]
struct Admitting {
    /// Whose request it is.
    link: LinkId,
    request: RequestId,
    session: SessionId,
    server: ServerId,
    /// Who has to answer.
    launcher: LinkId,
    since: Duration,
}

impl Admissions {
    fn of(&self, link: LinkId) -> Option<u32> {
        self.by_request.iter().find(|(_, waits)| waits.link == link).map(|(request, _)| *request)
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
            Ok((session, launcher, own)) => {
                let Some(player) = self.sessions.get(&session).map(|s| s.name.clone()) else {
                    return;
                };
                self.admissions.last = self.admissions.last.wrapping_add(1);
                let number = self.admissions.last;
                let since = self.now.running;
                let admitting = Admitting { link, request, session, server, launcher, since };
                self.admissions.by_request.insert(number, admitting);
                let request = RequestId(number);
                let admit = ToLauncher::Admit { request, server: own.0, player };
                self.effects.push(Effect::ToLauncher(launcher, admit));
            }
            Err(reason) => self.refuse(link, request, reason),
        }
    }

    /// What a launcher says to an `Admit`. Late answers are ignored: the player was dismissed.
    pub(super) fn admitted(&mut self, launcher: LinkId, request: RequestId, admission: Admission) {
        let waits = self.admissions.by_request.get(&request.0);
        let Some(&waits) = waits.filter(|waits| waits.launcher == launcher) else { return };
        self.admissions.by_request.remove(&request.0);
        let reason = match admission {
            Admission::Granted { secret } => return self.let_in(waits, secret),
            Admission::UnknownServer => Refusal::UnknownServer,
            Admission::NotReady => Refusal::ServerNotReady,
            Admission::Full => Refusal::ServerFull,
        };
        self.refuse(waits.link, waits.request, reason);
    }

    /// A player has left the server, or does not want to join it any more.
    pub(super) fn leave(&mut self, link: LinkId, request: RequestId) {
        let Some(session) = self.session_of(link) else {
            return self.refuse(link, request, Refusal::NotLoggedIn);
        };
        let cancelled = self.cancel_admission_of(link, Refusal::NotOnServer);
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
            self.forget_admission(number, Refusal::UnknownServer);
        }
        for session in self.joined.get(&server).cloned().unwrap_or_default() {
            self.set_joined(session, None);
            if let Some(link) = self.sessions.get(&session).and_then(|session| session.link()) {
                self.reply(link, ToGameClient::Left { request: None });
            }
        }
    }

    /// A launcher is gone: it will not answer.
    pub(super) fn cancel_admissions_by(&mut self, launcher: LinkId) {
        for number in self.admissions.matching(|waits| waits.launcher == launcher) {
            self.forget_admission(number, Refusal::Unavailable);
        }
    }

    /// A player waits no more. Says whether one did.
    pub(super) fn cancel_admission_of(&mut self, link: LinkId, reason: Refusal) -> bool {
        let waiting = self.admissions.of(link);
        waiting.into_iter().for_each(|number| self.end_admission(number, reason.clone()));
        waiting.is_some()
    }

    pub(super) fn expire_admissions(&mut self) {
        let (now, limit) = (self.now.running, self.limits.join_timeout);
        let late = |waits: &Admitting| now.saturating_sub(waits.since) >= limit;
        for number in self.admissions.matching(late) {
            self.end_admission(number, Refusal::Unavailable);
        }
    }

    /// Who has joined `server` and is connected.
    pub(super) fn players_on(&self, server: ServerId) -> Vec<LinkId> {
        let sessions = self.joined.get(&server).into_iter().flatten();
        sessions.filter_map(|session| self.sessions.get(session)?.link()).collect()
    }

    fn may_join(
        &self,
        link: LinkId,
        server: ServerId,
    ) -> Result<(SessionId, LinkId, OwnId), Refusal> {
        let session = self.session_of(link).ok_or(Refusal::NotLoggedIn)?;
        if self.admissions.of(link).is_some() || !self.may_wait(link) {
            return Err(BUSY);
        }
        self.servers.get(server).ok_or(Refusal::UnknownServer)?;
        let (launcher, own) = self.launcher_of(server).ok_or(Refusal::Unavailable)?;
        self.servers.place(server).ok_or(Refusal::ServerNotReady)?;
        Ok((session, launcher, own))
    }

    fn let_in(&mut self, waits: Admitting, secret: JoinSecret) {
        let Admitting { link, request, session, server, launcher, .. } = waits;
        let (Some(client), Some(launcher)) =
            (self.clients.get(&link), self.launchers.get(&launcher))
        else {
            return;
        };
        let address =
            self.servers.place(server).and_then(|Reachable { addresses, port, .. }| {
                Some((reachable_address(client.from, launcher.from, addresses)?, *port))
            });
        let Some((address, port)) = address else {
            if self.servers.may_warn(server, self.now.running) {
                tracing::warn!(%server, viewer = %client.from, "no address for this player is known: its launcher should advertise one");
            }
            self.dismiss_unless_joined(session, server);
            return self.refuse(link, request, Refusal::Unavailable);
        };
        let before = self.sessions.get(&session).and_then(|session| session.joined);
        if before != Some(server) {
            self.leave_server(session);
            self.set_joined(session, Some(server));
        }
        let ticket = JoinTicket { request, server, address, port, secret };
        self.reply(link, ToGameClient::Joined(ticket));
    }

    /// Waits no longer for a launcher that may still let the player in.
    fn end_admission(&mut self, number: u32, reason: Refusal) {
        if let Some(waits) = self.admissions.by_request.get(&number) {
            self.dismiss_unless_joined(waits.session, waits.server);
        }
        self.forget_admission(number, reason);
    }

    fn forget_admission(&mut self, number: u32, reason: Refusal) {
        if let Some(waits) = self.admissions.by_request.remove(&number) {
            self.refuse(waits.link, waits.request, reason);
        }
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
        if let Some(server) = server {
            self.joined.entry(server).or_default().insert(id);
        }
    }
}
