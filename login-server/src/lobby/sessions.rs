//! Sessions: a player's place, whether a connection stands behind it or not.

use std::time::Duration;

use protocol::{Goodbye, LoggedIn, Refusal, RequestId, ServerId, Text, ToGameClient};

use super::{
    Effect, KnownSession, LinkId, Lobby, SessionId,
    clients::{BUSY, ClientState},
    limits::TokenBucket,
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
    /// Here, and not at the connection: a new one is no new voice.
    pub(super) chat: TokenBucket,
}

/// Whether a session is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    Here(LinkId),
    Lost { since: Duration },
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
        resumed: bool,
    ) {
        let KnownSession { session: id, name, token, expires } = known;
        let Some(client) = self.clients.get(&link) else { return };
        let watch = match client.state {
            ClientState::Greeted { watch, .. } => watch,
            ClientState::Connected | ClientState::LoggedIn { .. } => false,
        };
        if !self.sessions.contains_key(&id) && self.sessions.len() >= self.limits.sessions {
            return self.refuse(link, request, BUSY);
        }
        if let Some(older) = self.sessions.get(&id).and_then(Session::link) {
            self.goodbye(older, Goodbye::TakenOver);
        }
        let chat = TokenBucket::new(self.limits.chat, self.now.running);
        let session = self.sessions.entry(id).or_insert_with(|| Session {
            name: name.clone(),
            presence: Presence::Here(link),
            watching: false,
            joined: None,
            chat,
        });
        session.presence = Presence::Here(link);
        session.watching = watch || (resumed && session.watching);
        let (on_server, watching) = (session.joined, session.watching);
        if let Some(client) = self.clients.get_mut(&link) {
            client.state = ClientState::LoggedIn { session: id, token: token.clone() };
        }
        tracing::debug!(link = link.0, %name, resumed, "logged in");
        self.effects.push(Effect::Trust(link));
        let logged_in = LoggedIn { request, name, token, expires, on_server };
        self.reply(link, ToGameClient::LoggedIn(logged_in));
        if watching {
            self.send_list(link);
        }
    }

    /// The store has ended the session of `link`.
    pub(super) fn logged_out(&mut self, link: LinkId, request: RequestId) {
        let Some(session) = self.session_of(link) else {
            return self.refuse(link, request, Refusal::NotLoggedIn);
        };
        self.cancel_admission_of(link, Refusal::NotLoggedIn);
        self.end_session(session);
        if let Some(client) = self.clients.get_mut(&link) {
            client.state = ClientState::Greeted { since: self.now.running, watch: false };
        }
        self.reply(link, ToGameClient::LoggedOut { request });
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
    }

    /// Everybody who is logged in and connected.
    pub(super) fn everybody(&self) -> Vec<LinkId> {
        self.sessions.values().filter_map(Session::link).collect()
    }

    /// Who wants to see the servers.
    pub(super) fn watchers(&self) -> Vec<LinkId> {
        let watching = self.sessions.values().filter(|session| session.watching);
        watching.filter_map(Session::link).collect()
    }

    fn end_session(&mut self, session: SessionId) {
        self.leave_server(session);
        self.sessions.remove(&session);
    }
}
