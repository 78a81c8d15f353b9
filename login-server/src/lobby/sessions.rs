//! Sessions: a player's place, whether a connection stands behind it or not.

use std::{sync::Arc, time::Duration};

use accounts::Permissions;
use protocol::{
    Goodbye, LastSeen, LoggedIn, Refusal, RequestId, ServerId, SessionToken, Text, TicketId,
    ToGameClient, encoded_len,
};

use super::{
    Effect, KnownSession, LinkId, Lobby, Mute, SessionId, Ticket,
    clients::ClientState,
    limits::TokenBucket,
    queue::Place,
    stream::{Resumed, Stream, StreamId},
};

/// One player's place.
#[derive(Debug)]
pub(super) struct Session {
    /// The account's name.
    pub(super) name: Text<64>,
    pub(super) presence: Presence,
    /// Wants to see the servers.
    pub(super) watching: bool,
    /// The server it has joined. Changed by `set_joined` only.
    pub(super) joined: Option<ServerId>,
    /// What it was let in there with.
    pub(super) ticket: Option<TicketId>,
    /// Here, and not at the connection: a new one is no new voice.
    pub(super) chat: TokenBucket,
    pub(super) stream: Stream,
    /// Which of the account's sessions it is.
    pub(super) number: u64,
    /// What the account's role allows.
    pub(super) permissions: Permissions,
    pub(super) mute: Option<Mute>,
}

/// When sessions of an account were ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settled {
    /// What the store was asked until then.
    until: Ticket,
    at: Duration,
}

/// Whether a session is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    Here(LinkId),
    Lost { since: Duration },
}

/// Who waits for an answer: a connection before its login, then a conversation, whatever
/// connection it is on by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    Link(LinkId),
    Session(SessionId, StreamId),
}

impl Asker {
    /// Who that is when the place of a guest has the number of an account.
    pub(super) fn of(self, guest: SessionId, account: SessionId) -> Self {
        match self {
            Self::Session(id, stream) if id == guest => Self::Session(account, stream),
            other => other,
        }
    }
}

impl Session {
    pub(super) fn link(&self) -> Option<LinkId> {
        match self.presence {
            Presence::Here(link) => Some(link),
            Presence::Lost { .. } => None,
        }
    }
}

impl Lobby {
    /// The store knows who `link` is. An older connection of the same account has to go.
    pub(super) fn logged_in(
        &mut self,
        link: LinkId,
        request: RequestId,
        known: KnownSession,
        last: Option<LastSeen>,
    ) {
        if !self.clients.contains_key(&link) {
            return;
        }
        match self.place(link, request, &known) {
            Place::Taken => self.enter(link, request, known, last),
            Place::Queued => {}
            Place::Refused(reason) => self.refuse(link, request, reason),
        }
    }

    /// The store knows this session, or knew it a moment ago.
    pub(super) fn resumption(
        &mut self,
        link: LinkId,
        request: RequestId,
        known: KnownSession,
        last: Option<LastSeen>,
    ) {
        if self.ended.contains_key(&known.token.0) {
            return self.refuse(link, request, Refusal::SessionEnded);
        }
        self.logged_in(link, request, known, last);
    }

    /// Sessions of an account are over: whoever the store has let in before may come with one of
    /// them, and has to ask again.
    pub(super) fn settle(&mut self, account: SessionId) {
        if self.settled.len() >= MAX_ENDED {
            let oldest = self.settled.iter().min_by_key(|(_, settled)| settled.at);
            if let Some(oldest) = oldest.map(|(account, _)| *account) {
                self.settled.remove(&oldest);
            }
        }
        let settled = Settled { until: self.waiting.last(), at: self.now.running };
        self.settled.insert(account, settled);
    }

    /// Whether what the store was asked then may have been true only before that.
    pub(super) fn is_outdated(&self, account: SessionId, asked: Ticket) -> bool {
        self.settled.get(&account).is_some_and(|settled| asked <= settled.until)
    }

    /// Gives `link` its place.
    pub(super) fn enter(
        &mut self,
        link: LinkId,
        request: RequestId,
        known: KnownSession,
        last: Option<LastSeen>,
    ) {
        let KnownSession { session: id, name, token, expires, number, permissions, mute } = known;
        if let Some(older) = self.sessions.get(&id).and_then(Session::link) {
            self.goodbye(older, Goodbye::TakenOver);
        }
        let resumed = last.and_then(|last| self.resumed(id, &token, last));
        if resumed.is_none() {
            self.begin_stream(id, &name, token.clone());
        }
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.presence = Presence::Here(link);
        (session.number, session.permissions, session.mute) = (number, permissions, mute);
        let (on_server, watching) = (session.joined, session.watching);
        if let Some(client) = self.clients.get_mut(&link) {
            client.state = ClientState::LoggedIn { session: id };
        }
        tracing::debug!(link = link.0, %name, continues = resumed.is_some(), "logged in");
        self.guest_entered(id, name.clone(), token.clone());
        self.effects.push(Effect::Trust(link));
        let continues = resumed.as_ref().map(|resumed| resumed.continuation);
        let logged_in = LoggedIn { request, name, token, expires, on_server, continues };
        self.effects.push(Effect::ToClient(link, ToGameClient::LoggedIn(logged_in)));
        let Some(Resumed { again, lost, .. }) = resumed else { return };
        for message in again {
            self.effects.push(Effect::ToClient(link, message.as_ref().clone()));
        }
        if let Some(lost) = lost {
            let mut joins = lost.iter().rev().filter_map(|answer| match answer.as_ref() {
                ToGameClient::Joined(_) => Some(true),
                ToGameClient::Left { .. } => Some(false),
                _ => None,
            });
            // That the server is gone was no answer, and is lost.
            let is_old = joins.next() == Some(true) && on_server.is_none();
            lost.into_iter().for_each(|answer| self.send(id, answer));
            if is_old {
                self.send(id, ToGameClient::Left { request: None }.into());
            }
            if watching {
                self.send_list(id);
            }
        }
    }

    /// Where the conversation goes on, if it is the one `last` tells of.
    fn resumed(&mut self, id: SessionId, token: &SessionToken, last: LastSeen) -> Option<Resumed> {
        let stream = &mut self.sessions.get_mut(&id)?.stream;
        if last.boot != self.boot || stream.token != *token {
            return None;
        }
        stream.resume(last.count).ok()
    }

    /// A conversation begins. What the one before asked for is nobody's business any more.
    fn begin_stream(&mut self, id: SessionId, name: &Text<64>, token: SessionToken) {
        self.end_stream(id);
        self.last_stream += 1;
        let stream = Stream::new(StreamId(self.last_stream), token);
        let now = self.now.running;
        match self.sessions.get_mut(&id) {
            Some(session) => (session.stream, session.watching) = (stream, false),
            None => {
                let session = Session {
                    name: name.clone(),
                    presence: Presence::Lost { since: now },
                    watching: false,
                    joined: None,
                    ticket: None,
                    chat: TokenBucket::new(self.limits.chat, now),
                    stream,
                    number: 0,
                    permissions: Permissions::NONE,
                    mute: None,
                };
                self.sessions.insert(id, session);
            }
        }
    }

    /// Nobody waits any more for what was asked in the conversation of this session.
    fn end_stream(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        let asker = Asker::Session(id, session.stream.id);
        self.forget_waiting(asker);
        self.cancel_admission_of(asker, None);
    }

    /// The store has ended the session with this token. `asked`: who waits to hear so.
    pub(super) fn logged_out(
        &mut self,
        asked: Option<(Asker, RequestId)>,
        id: SessionId,
        token: SessionToken,
    ) {
        self.token_ended(token.clone());
        let session = self.sessions.get(&id).filter(|session| session.stream.token == token);
        let Some(session) = session else { return };
        let link = session.link();
        let here = Asker::Session(id, session.stream.id);
        let waiting: Vec<_> = session.stream.waiting().collect();
        self.end_session(id);
        let Some(link) = link else { return };
        let Some((_, request)) = asked.filter(|(asker, _)| *asker == here) else {
            return self.goodbye(link, Goodbye::Revoked);
        };
        if let Some(client) = self.clients.get_mut(&link) {
            client.state = ClientState::Greeted { since: self.now.running };
        }
        for other in waiting.into_iter().filter(|other| *other != request) {
            self.refuse(link, other, Refusal::NotLoggedIn);
        }
        self.effects.push(Effect::ToClient(link, ToGameClient::LoggedOut { request }));
    }

    /// Nobody resumes with this token any more: not even with an answer that is on its way.
    pub(super) fn token_ended(&mut self, token: SessionToken) {
        if self.ended.len() >= MAX_ENDED {
            let oldest = self.ended.iter().min_by_key(|(_, since)| **since);
            if let Some(oldest) = oldest.map(|(token, _)| *token) {
                self.ended.remove(&oldest);
            }
        }
        self.ended.insert(token.0, self.now.running);
    }

    /// The connection of a session is gone. It keeps its place for a while.
    pub(super) fn session_lost(&mut self, session: SessionId, link: LinkId) {
        if let Some(session) = self.sessions.get_mut(&session)
            && session.presence == Presence::Here(link)
        {
            session.presence = Presence::Lost { since: self.now.running };
        }
    }

    /// Ends sessions that were without connection for too long.
    pub(super) fn expire_sessions(&mut self) {
        let (now, limits) = (self.now.running, &self.limits);
        let over = |session: &Session| match session.presence {
            Presence::Here(_) => false,
            Presence::Lost { since } => {
                let on_server = session.joined.is_some();
                let grace = if on_server { limits.server_grace } else { limits.lobby_grace };
                now.saturating_sub(since) >= grace
            }
        };
        let ended: Vec<_> =
            self.sessions.iter().filter(|(_, session)| over(session)).map(|(id, _)| *id).collect();
        ended.into_iter().for_each(|session| self.end_session(session));
        let limit = self.limits.store_timeout;
        self.ended.retain(|_, since| now.saturating_sub(*since) <= limit);
        self.settled.retain(|_, settled| now.saturating_sub(settled.at) <= limit);
    }

    /// Tells clients how much of what they have said has come.
    pub(super) fn acknowledge(&mut self) {
        let now = self.now.running;
        for session in self.sessions.values_mut() {
            if let Some(link) = session.link()
                && let Some(seen) = session.stream.overdue(now)
            {
                self.effects.push(Effect::ToClient(link, ToGameClient::Ack { seen }));
            }
        }
    }

    /// Everybody who is logged in.
    pub(super) fn everybody(&self) -> Vec<SessionId> {
        self.sessions.keys().copied().collect()
    }

    /// Who wants to see the servers.
    pub(super) fn watchers(&self) -> Vec<SessionId> {
        let watching = self.sessions.iter().filter(|(_, session)| session.watching);
        watching.map(|(id, _)| *id).collect()
    }

    /// Says something that counts to everybody of `sessions`: at once, or when they are back.
    pub(super) fn tell(&mut self, sessions: &[SessionId], message: ToGameClient) {
        let size = encoded_len(&message);
        let message = Arc::new(message);
        let mut links = Vec::new();
        for id in sessions {
            let Some(session) = self.sessions.get_mut(id) else { continue };
            session.stream.sent(&message, size);
            links.extend(session.link());
        }
        if !links.is_empty() {
            self.effects.push(Effect::ToClients(links, message.as_ref().clone()));
        }
    }

    /// Says something that counts.
    pub(super) fn send(&mut self, id: SessionId, message: Arc<ToGameClient>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.stream.sent(&message, encoded_len(message.as_ref()));
        if let Some(link) = session.link() {
            self.effects.push(Effect::ToClient(link, message.as_ref().clone()));
        }
    }

    /// Says something to who has asked, if that is still to be found.
    pub(super) fn answer(&mut self, asker: Asker, message: ToGameClient) {
        match asker {
            Asker::Link(link) if self.clients.contains_key(&link) => {
                self.effects.push(Effect::ToClient(link, message));
            }
            Asker::Session(id, stream)
                if self.sessions.get(&id).is_some_and(|session| session.stream.id == stream) =>
            {
                self.send(id, Arc::new(message));
            }
            Asker::Link(_) | Asker::Session(..) => {}
        }
    }

    /// A session is over, whoever wanted it so.
    pub(super) fn session_over(&mut self, session: SessionId) {
        if self.sessions.contains_key(&session) {
            self.end_session(session);
        }
    }

    fn end_session(&mut self, session: SessionId) {
        self.guest_gone(session);
        self.end_stream(session);
        self.leave_server(session);
        self.sessions.remove(&session);
    }
}

/// Tokens remembered for as long as the store may still say something about them. One more makes
/// the oldest be forgotten.
const MAX_ENDED: usize = 10_000;
