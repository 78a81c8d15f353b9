//! Game clients: what each may say, and when.

use std::{net::IpAddr, time::Duration};

use protocol::{
    FromGameClient, Goodbye, Hello, Refusal, RequestId, Text, ToGameClient, Welcome, encoded_len,
    negotiate,
};

use super::{
    LinkId, Lobby, Query, SessionId,
    limits::{Taken, TokenBucket},
    pulse::Pulse,
    rules::{MAX_STRIKES, Verdict, rule},
    sessions::Asker,
    stream::Begun,
    tasks::Task,
    waiting::What,
};

/// A connection of a game client.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) from: IpAddr,
    /// What it calls itself. Empty before its greeting.
    pub(super) program: Text<64>,
    pub(super) state: ClientState,
    /// Since it was greeted.
    pub(super) pulse: Option<Pulse>,
    messages: TokenBucket,
    /// Messages that may not be sent, or not then.
    strikes: u32,
}

/// How far it has come.
#[derive(Debug)]
pub(super) enum ClientState {
    /// It has said nothing yet.
    Connected,
    /// It may log in, or does.
    Greeted { since: Duration },
    /// It has logged in, and waits for a place.
    Queued { session: SessionId },
    /// It has a session.
    LoggedIn { session: SessionId },
}

impl Client {
    /// Whether it should have logged in by now.
    pub(super) fn is_late(&self, now: Duration, limit: Duration) -> bool {
        match self.state {
            ClientState::Greeted { since } => now.saturating_sub(since) >= limit,
            // Who has not greeted is the transport's to end.
            ClientState::Connected | ClientState::Queued { .. } | ClientState::LoggedIn { .. } => {
                false
            }
        }
    }
}

impl Lobby {
    pub(super) fn client_connected(&mut self, link: LinkId, from: IpAddr) {
        let messages = TokenBucket::new(self.limits.client_messages, self.now.running);
        let client = Client {
            from,
            program: Text::default(),
            state: ClientState::Connected,
            pulse: None,
            messages,
            strikes: 0,
        };
        self.clients.insert(link, client);
    }

    pub(super) fn client_says(&mut self, link: LinkId, message: FromGameClient) {
        let Some(client) = self.clients.get_mut(&link) else { return };
        client.pulse.as_mut().into_iter().for_each(Pulse::heard);
        let rule = rule(message.kind());
        let taken = client.messages.take_many(rule.cost, self.now.running);
        if taken == Taken::FarBeyond {
            return self.violation(link, "far too many messages");
        }
        if message.is_counted() && self.is_known(link, &message, taken == Taken::Within) {
            return;
        }
        match taken {
            Taken::Within => {}
            Taken::Beyond { retry_after_ms } => {
                if let Some(request) = message.request() {
                    self.refuse(link, request, Refusal::Busy { retry_after_ms });
                }
                return;
            }
            Taken::FarBeyond => return,
        }
        if encoded_len(&message) > rule.max_bytes {
            return self.violation(link, "a message longer than any of its kind");
        }
        let Some(client) = self.clients.get(&link) else { return };
        let session = self.session_of(link).and_then(|id| self.sessions.get(&id));
        let may = |p| session.is_some_and(|session| session.permissions.contains(p));
        match rule.judge(&client.state, may) {
            Verdict::Allowed => self.client_may_say(link, message),
            Verdict::Violation(what) => self.violation(link, what),
            Verdict::Refused(reason) => self.against_the_rules(link, message.request(), reason),
        }
    }

    fn against_the_rules(&mut self, link: LinkId, request: Option<RequestId>, reason: Refusal) {
        let Some(client) = self.clients.get_mut(&link) else { return };
        client.strikes += 1;
        if client.strikes > MAX_STRIKES {
            return self.violation(link, "again and again what is not allowed");
        }
        if let Some(request) = request {
            self.refuse(link, request, reason);
        }
    }

    pub(super) fn client_gone(&mut self, link: LinkId) {
        let Some(client) = self.clients.remove(&link) else { return };
        match client.state {
            ClientState::Connected | ClientState::Greeted { .. } => {}
            ClientState::Queued { session } => self.queued_lost(session, link),
            ClientState::LoggedIn { session } => self.session_lost(session, link),
        }
    }

    /// Counts a message of a conversation. Says whether nothing else is to be done, because it is
    /// a request that was made before: which is answered again, if there is time for it.
    fn is_known(&mut self, link: LinkId, message: &FromGameClient, answer_again: bool) -> bool {
        let Some(id) = self.session_of(link) else { return false };
        let Some(session) = self.sessions.get_mut(&id) else { return false };
        let ack = session.stream.received(self.now.running);
        let begun = message.request().map_or(Begun::New, |request| session.stream.begin(request));
        if let Some(seen) = ack {
            self.reply(link, ToGameClient::Ack { seen });
        }
        match begun {
            Begun::New => false,
            Begun::Waits => true,
            Begun::Answered(answer) => {
                if answer_again {
                    self.send(id, answer);
                }
                true
            }
        }
    }

    /// The client says how much of the conversation it has heard.
    fn heard(&mut self, link: LinkId, seen: u64) {
        let id = self.session_of(link);
        if let Some(session) = id.and_then(|id| self.sessions.get_mut(&id))
            && session.stream.heard(seen).is_err()
        {
            self.violation(link, "an Ack of what was never said");
        }
    }

    /// Who `link` is to those who answer later.
    pub(super) fn asker_of(&self, link: LinkId) -> Asker {
        let id = self.session_of(link);
        let session = id.and_then(|id| Some((id, self.sessions.get(&id)?)));
        session.map_or(Asker::Link(link), |(id, session)| Asker::Session(id, session.stream.id))
    }

    /// The answer to this request comes later.
    pub(super) fn waits(&mut self, link: LinkId, request: RequestId) {
        let id = self.session_of(link);
        if let Some(session) = id.and_then(|id| self.sessions.get_mut(&id)) {
            session.stream.waits(request);
        }
    }

    pub(super) fn refuse(&mut self, link: LinkId, request: RequestId, reason: Refusal) {
        if self.clients.contains_key(&link) {
            self.reply(link, ToGameClient::Refused { request, reason });
        }
    }

    pub(super) fn violation(&mut self, link: LinkId, what: &str) {
        self.goodbye(link, Goodbye::Violation { what: Text::lossy(what) });
    }

    /// The session of who is logged in.
    pub(super) fn session_of(&self, link: LinkId) -> Option<SessionId> {
        match self.clients.get(&link)?.state {
            ClientState::LoggedIn { session } => Some(session),
            ClientState::Connected | ClientState::Greeted { .. } | ClientState::Queued { .. } => {
                None
            }
        }
    }

    fn client_may_say(&mut self, link: LinkId, message: FromGameClient) {
        match message {
            FromGameClient::Hello(hello) => self.greet(link, &hello),
            FromGameClient::Register { request, name, password } => {
                self.register(link, request, name, password);
            }
            FromGameClient::LogIn { request, name, password } => {
                self.log_in(link, request, name, password);
            }
            FromGameClient::Resume { request, token, last } => {
                if let Some(from) = self.may_log_in(link, request)
                    && !self.resume_guest(link, request, (&token, from), last)
                {
                    let what = What::Resumption { request, last };
                    let program = self.program_of(link);
                    self.ask(Asker::Link(link), what, Query::Resume { token, from, program });
                }
            }
            FromGameClient::LogOut { request } => self.log_out(link, request),
            FromGameClient::WatchServers => self.watch(link, true),
            FromGameClient::UnwatchServers => self.watch(link, false),
            FromGameClient::Join { request, server } => self.join(link, request, server),
            FromGameClient::Leave { request } => self.leave(link, request),
            FromGameClient::Chat { request, channel, text } => {
                self.chat(link, request, channel, text);
            }
            FromGameClient::Ping { nonce } => self.reply(link, ToGameClient::Pong { nonce }),
            FromGameClient::Pong { .. } => {}
            FromGameClient::Ack { seen } => self.heard(link, seen),
            FromGameClient::LogInAsGuest { request } => self.log_in_as_guest(link, request),
            FromGameClient::Claim { request, name, password } => {
                self.task(link, request, Task::Claim { name, password });
            }
            FromGameClient::ListSessions { request } => {
                self.task(link, request, Task::ListSessions);
            }
            FromGameClient::RevokeSessions { request, number } => {
                self.task(link, request, Task::RevokeSessions { number });
            }
            FromGameClient::ChangePassword { request, old, new } => {
                self.task(link, request, Task::ChangePassword { old, new });
            }
            FromGameClient::DeleteAccount { request, password } => {
                self.task(link, request, Task::Delete { password });
            }
            FromGameClient::Export { request, offset } => {
                self.task(link, request, Task::Export { offset });
            }
            FromGameClient::ListData { request, game } => {
                self.task(link, request, Task::ListData { game });
            }
            FromGameClient::GetData { request, game, key } => {
                self.task(link, request, Task::GetData { game, key });
            }
            FromGameClient::SetData { request, game, key, value, expect } => {
                self.task(link, request, Task::SetData { game, key, value, expect });
            }
            FromGameClient::GetProgress { request, game } => {
                self.task(link, request, Task::GetProgress { game });
            }
            FromGameClient::Report { request, player, text } => {
                let place = Text::default();
                self.task(link, request, Task::Report { player, place, text });
            }
        }
    }

    fn greet(&mut self, link: LinkId, hello: &Hello) {
        let version = match negotiate(hello) {
            Ok(version) => version,
            Err(goodbye) => return self.goodbye(link, goodbye),
        };
        let since = self.now.running;
        if let Some(client) = self.clients.get_mut(&link) {
            client.state = ClientState::Greeted { since };
            client.program = hello.program.clone();
            client.pulse = Some(Pulse::new(since));
        }
        self.reply(link, ToGameClient::Welcome(self.welcome(version)));
        if let Some(pin) = self.next_key {
            self.reply(link, ToGameClient::NextKey { pin });
        }
    }

    pub(super) fn welcomed_clients(&self) -> Vec<LinkId> {
        let welcomed = |client: &Client| !matches!(client.state, ClientState::Connected);
        let links = self.clients.iter().filter(|(_, client)| welcomed(client));
        links.map(|(link, _)| *link).collect()
    }

    pub(super) fn welcome(&self, version: u16) -> Welcome {
        Welcome { version, now: self.now.clock, boot: self.boot, features: 0 }
    }

    fn register(
        &mut self,
        link: LinkId,
        request: RequestId,
        name: Text<64>,
        password: protocol::Password,
    ) {
        let Some(from) = self.may_log_in(link, request) else { return };
        let (per_hour, now) = (self.limits.registrations_per_hour, self.now.running);
        let guesses = self.limits.failed_logins_per_hour;
        let may = self.registrations.check(from, per_hour, now);
        match may.and_then(|()| self.failed_logins.check(from, guesses, now)) {
            Ok(()) => {
                self.registrations.add(from, now);
                let what = What::Registration { request, from };
                let program = self.program_of(link);
                let query = Query::Register { name, password, from, program, link };
                self.ask(Asker::Link(link), what, query);
            }
            Err(retry_after_ms) => {
                self.refuse(link, request, Refusal::Busy { retry_after_ms });
            }
        }
    }

    fn log_in(
        &mut self,
        link: LinkId,
        request: RequestId,
        name: Text<64>,
        password: protocol::Password,
    ) {
        let Some(from) = self.may_log_in(link, request) else { return };
        let per_hour = self.limits.failed_logins_per_hour;
        match self.failed_logins.check(from, per_hour, self.now.running) {
            Ok(()) => {
                let what = What::Login { request, from };
                let program = self.program_of(link);
                let query = Query::LogIn { name, password, from, program, link };
                self.ask(Asker::Link(link), what, query);
            }
            Err(retry_after_ms) => {
                self.refuse(link, request, Refusal::Busy { retry_after_ms });
            }
        }
    }

    /// What `link` calls itself.
    fn program_of(&self, link: LinkId) -> Text<64> {
        self.clients.get(&link).map(|client| client.program.clone()).unwrap_or_default()
    }

    /// Where the player is, if a login may begin; else it is refused. One at a time.
    pub(super) fn may_log_in(&mut self, link: LinkId, request: RequestId) -> Option<IpAddr> {
        let client = self.clients.get(&link)?;
        let from = client.from;
        let reason = match client.state {
            ClientState::LoggedIn { .. } => Refusal::AlreadyLoggedIn,
            ClientState::Queued { .. } => BUSY,
            _ if self.waiting.of(Asker::Link(link)) > 0
                || self.waiting.len() >= self.limits.waiting =>
            {
                BUSY
            }
            ClientState::Connected | ClientState::Greeted { .. } => return Some(from),
        };
        self.refuse(link, request, reason);
        None
    }

    fn log_out(&mut self, link: LinkId, request: RequestId) {
        let id = self.session_of(link);
        let Some((session, token)) =
            id.and_then(|id| Some((id, self.sessions.get(&id)?.stream.token.clone())))
        else {
            return self.refuse(link, request, Refusal::NotLoggedIn);
        };
        if !session.is_kept() {
            return self.log_out_guest(link, request, session);
        }
        if !self.may_wait(link) {
            return self.refuse(link, request, BUSY);
        }
        self.waits(link, request);
        let what = What::LogOut { request, session, token: token.clone() };
        self.ask(self.asker_of(link), what, Query::LogOut { token });
    }

    /// Whether one more request of `link` may wait for somebody else.
    pub(super) fn may_wait(&self, link: LinkId) -> bool {
        self.waiting.of(self.asker_of(link)) < self.limits.waiting_per_link
            && self.waiting.len() < self.limits.waiting
    }

    fn watch(&mut self, link: LinkId, watch: bool) {
        let Some(id) = self.session_of(link) else { return };
        if let Some(session) = self.sessions.get_mut(&id) {
            session.watching = watch;
        }
        if watch {
            self.send_list(id);
        }
    }

    /// Tells a session the whole list.
    pub(super) fn send_list(&mut self, session: SessionId) {
        for message in self.servers.snapshot() {
            self.send(session, ToGameClient::Servers(message).into());
        }
    }
}

/// Something else of the same connection, or of everybody, has to be done first.
pub(super) const BUSY: Refusal = Refusal::Busy { retry_after_ms: 1000 };
