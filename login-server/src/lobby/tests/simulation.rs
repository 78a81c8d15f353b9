//! A hundred thousand things that happen by chance, and what holds after each of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use fastrand::Rng;
use protocol::{Channel, GamePlayerId, Goodbye, Refusal};

use super::*;
use crate::lobby::{
    Task, View,
    clients::ClientState,
    sessions::{Asker, Presence},
};

#[test]
fn nothing_that_happens_breaks_the_lobby() {
    let steps = 100_000;
    let mut seen = BTreeMap::<String, u32>::new();
    for seed in 0..4 {
        let mut world = World::new(seed);
        for step in 0..steps / 4 {
            world.step();
            world.check(&format!("seed {seed}, step {step}"));
        }
        world.come_to_rest();
        world.seen.into_iter().for_each(|(what, times)| *seen.entry(what).or_default() += times);
    }
    // Where nothing happens nothing breaks.
    for what in [
        "client Joined",
        "ask KeepGuest",
        "ask LogInAsGuest",
        "ask Task",
        "client Done",
        "client Left",
        "client LoggedIn",
        "client LoggedOut",
        "client Servers",
        "clients Said",
        "clients Servers",
        "goodbye Revoked",
        "goodbye Silent",
        "goodbye TakenOver",
        "goodbye Violation",
        "launcher Dismiss",
        "launcher Refused",
        "launcher Say",
        "refused Busy",
        "refused Unavailable",
    ] {
        assert!(seen.get(what).is_some_and(|times| *times >= 10), "{what}: {seen:#?}");
    }
}

/// Everybody outside of the lobby.
struct World {
    rng: Rng,
    bench: Bench,
    clients: BTreeMap<LinkId, Watcher>,
    launchers: BTreeSet<LinkId>,
    asked: Vec<(Ticket, Query)>,
    admissions: Vec<(LinkId, RequestId)>,
    tickets: Vec<SignedTicket>,
    /// Launchers that have listed their servers.
    listed: BTreeSet<LinkId>,
    requests: u32,
    /// Guests that are kept.
    accounts: BTreeMap<SessionId, u64>,
    seen: BTreeMap<String, u32>,
}

/// What a client has made of what it was told.
#[derive(Default)]
struct Watcher {
    /// None: it was not told a whole list yet.
    list: Option<HashMap<ServerId, View>>,
    unanswered: BTreeSet<u32>,
}

impl World {
    fn new(seed: u64) -> Self {
        let limits = Limits {
            registrations_per_hour: 1000,
            guests_per_hour: 10_000,
            reports_per_hour: 1000,
            failed_logins_per_hour: 1000,
            client_messages: crate::lobby::Rate { burst: 200, per_second: 10 },
            ..Default::default()
        };
        Self {
            rng: Rng::with_seed(seed),
            bench: Bench::with(limits),
            clients: BTreeMap::new(),
            launchers: BTreeSet::new(),
            asked: Vec::new(),
            admissions: Vec::new(),
            tickets: Vec::new(),
            listed: BTreeSet::new(),
            requests: 0,
            accounts: BTreeMap::new(),
            seen: BTreeMap::new(),
        }
    }

    fn step(&mut self) {
        match self.rng.u32(..1000) {
            0..30 if self.clients.len() < 12 => {
                let link = self.bench.link();
                self.clients.insert(link, Watcher::default());
                self.apply(Event::ClientConnected { link, from: NEAR });
                if self.rng.u32(..10) > 0 {
                    self.client_says(link, FromGameClient::Hello(Hello::from_us("sim")));
                }
            }
            30..40 if self.launchers.len() < 5 => {
                let link = self.bench.link();
                self.launchers.insert(link);
                let key = Some(LauncherKey([self.rng.u8(..4); 32]));
                self.apply(Event::LauncherConnected { link, from: NEAR, key });
                self.launcher_says(link, FromLauncher::Hello(Hello::from_us("sim")));
            }
            40..50 => self.disconnect(),
            50..200 => self.store_answers(),
            200..250 => self.pass_time(),
            250 => {
                let key = LauncherKey([self.rng.u8(..4); 32]);
                self.apply(Event::Revoked { key });
            }
            251 if self.rng.u32(..20) == 0 => self.apply(Event::ShuttingDown),
            252..600 => {
                if let Some(link) = self.any_client() {
                    let message = self.client_message();
                    self.client_says(link, message);
                }
            }
            _ => {
                let links: Vec<_> = self.launchers.iter().copied().collect();
                if let Some(link) = self.rng.choice(links)
                    && (!self.waits(link) || self.rng.u32(..100) == 0)
                {
                    let message = self.launcher_message(link);
                    self.launcher_says(link, message);
                }
            }
        }
    }

    fn apply(&mut self, event: Event) {
        let effects = self.bench.apply(event);
        assert!(effects.len() <= 200, "{} effects", effects.len());
        effects.into_iter().for_each(|effect| self.carry_out(effect));
    }

    fn carry_out(&mut self, effect: Effect) {
        *self.seen.entry(one(&effect)).or_default() += 1;
        match effect {
            Effect::ToClient(link, message) => self.client_hears(link, &message),
            Effect::ToClients(links, message) => {
                assert!(!links.is_empty());
                links.into_iter().for_each(|link| self.client_hears(link, &message));
            }
            Effect::ToLauncher(link, message) => {
                assert!(self.launchers.contains(&link), "{message:?} to a launcher that is gone");
                if let ToLauncher::Admit { request, ticket, .. } = message {
                    self.admissions.push((link, request));
                    self.tickets.push(ticket);
                }
            }
            Effect::Trust(link) => {
                assert!(self.clients.contains_key(&link) || self.launchers.contains(&link));
            }
            Effect::Goodbye(link, goodbye) => {
                let known = self.clients.remove(&link).is_some() || self.launchers.remove(&link);
                assert!(known, "{goodbye:?} to somebody who is gone");
            }
            Effect::Ask(ticket, query) => self.asked.push((ticket, query)),
            // Its answer may come all the same.
            Effect::Abandon(_) => {}
        }
    }

    fn client_hears(&mut self, link: LinkId, message: &ToGameClient) {
        let Some(client) = self.clients.get_mut(&link) else {
            panic!("{message:?} to a client that is gone");
        };
        if let ToGameClient::Servers(list) = message {
            client.hear_list(list);
        }
        let answered = message.answers();
        if let Some(request) = answered {
            assert!(client.unanswered.remove(&request.0), "a second answer to {request:?}");
        }
    }

    fn client_says(&mut self, link: LinkId, message: FromGameClient) {
        let request = message.request();
        if let (Some(client), Some(request)) = (self.clients.get_mut(&link), request) {
            client.unanswered.insert(request.0);
        }
        let unwatch = matches!(message, FromGameClient::UnwatchServers);
        self.apply(Event::FromClient { link, message });
        if let Some(client) = self.clients.get_mut(&link)
            && unwatch
        {
            client.list = None;
        }
    }

    fn launcher_says(&mut self, link: LinkId, message: FromLauncher) {
        if matches!(message, FromLauncher::Servers(_)) {
            self.listed.insert(link);
        }
        self.apply(Event::FromLauncher { link, message });
    }

    fn client_message(&mut self) -> FromGameClient {
        self.requests += 1;
        let request = RequestId(self.requests);
        let (name, password) = (Text::lossy("name"), Password(Text::lossy("password")));
        match self.rng.u32(..34) {
            24 | 25 => FromGameClient::LogInAsGuest { request },
            26 => FromGameClient::Claim { request, name, password },
            27 => {
                let number = self.rng.bool().then(|| protocol::SessionNumber(self.rng.u64(..14)));
                FromGameClient::RevokeSessions { request, number }
            }
            28 => FromGameClient::ChangePassword { request, old: password.clone(), new: password },
            29 if self.rng.u32(..4) == 0 => {
                FromGameClient::DeleteAccount { request, password: None }
            }
            30 => FromGameClient::GetData { request, game: name.clone(), key: name },
            31 => {
                let (game, key, value) = (name.clone(), name, None);
                let expect = protocol::Expect::Anything;
                FromGameClient::SetData { request, game, key, value, expect }
            }
            32 => {
                let guests: Vec<_> = self.guests().collect();
                let player = self.rng.choice(guests).unwrap_or(name);
                FromGameClient::Report { request, player, text: Text::lossy("text") }
            }
            0 => FromGameClient::Register { request, name, password },
            1..4 => FromGameClient::LogIn { request, name, password },
            4..7 => FromGameClient::Resume { request, token: SessionToken([1; 32]), last: None },
            7 if self.rng.bool() => FromGameClient::LogOut { request },
            8..11 => FromGameClient::WatchServers,
            11 => FromGameClient::UnwatchServers,
            12..17 => FromGameClient::Join { request, server: self.public_server() },
            17 if self.rng.bool() => FromGameClient::Leave { request },
            18..21 => {
                let lobby = self.rng.u32(..4) == 0;
                let channel = if lobby { Channel::Lobby } else { Channel::Server };
                FromGameClient::Chat { request, channel, text: Text::lossy("text") }
            }
            21 => FromGameClient::Ping { nonce: 1 },
            22 if self.rng.u32(..20) == 0 => FromGameClient::Hello(Hello::from_us("again")),
            _ => FromGameClient::Pong { nonce: 1 },
        }
    }

    /// The names of all guests who are not kept.
    fn guests(&self) -> impl Iterator<Item = Text<64>> {
        let sessions = self.bench.lobby.sessions.iter();
        sessions.filter(|(id, _)| !id.is_kept()).map(|(_, session)| session.name.clone())
    }

    /// What the store says to a guest: names and tokens are as different as guests are.
    fn guest(&self, id: SessionId) -> Answer {
        let mut token = [0xff; 32];
        token[..8].copy_from_slice(&id.0.to_le_bytes());
        Answer::Session(KnownSession {
            session: id,
            name: Text::lossy(&format!("~{}", id.0)),
            token: SessionToken(token),
            expires: UnixMillis(1),
            number: 0,
            permissions: player(),
            mute: None,
        })
    }

    /// The store keeps a guest: as always the same account.
    fn kept(&mut self, id: SessionId) -> Answer {
        if id.is_kept() {
            return Answer::Kept { account: id, number: id.0 };
        }
        let next = 100 + self.accounts.len() as u64;
        let account = *self.accounts.entry(id).or_insert(next);
        Answer::Kept { account: SessionId(account), number: account }
    }

    fn launcher_message(&mut self, link: LinkId) -> FromLauncher {
        let ready = self.bench.lobby.enrolled.values().any(|enrolled| *enrolled == link);
        if self.rng.u32(..50) > 0 {
            if !ready {
                // One that waits says nothing at all; a stranger enrols.
                return enroll();
            }
            if !self.listed.contains(&link) {
                return FromLauncher::Servers(self.report(true));
            }
        }
        match self.rng.u32(..40) {
            0..8 => FromLauncher::Servers(self.report(true)),
            8..20 => FromLauncher::Servers(self.report(false)),
            20..26 => {
                let addresses = List::first_of((self.rng.bool()).then_some(NEAR));
                FromLauncher::Reachable(Reachable { server: self.server(), addresses, port: 1 })
            }
            26..34 => {
                let mine = self.admissions.iter().position(|(launcher, _)| *launcher == link);
                let request = match mine {
                    Some(at) if self.rng.u32(..10) > 0 => self.admissions.remove(at).1,
                    _ => RequestId(self.rng.u32(..50)),
                };
                let admission = match self.rng.u32(..5) {
                    0 => Admission::Full,
                    1 => Admission::UnknownServer,
                    _ => Admission::Granted { secret: JoinSecret(Text::lossy("secret")) },
                };
                FromLauncher::Admitted { request, admission }
            }
            34..36 => FromLauncher::Said {
                server: self.server(),
                name: Text::default(),
                text: Text::default(),
            },
            36 => enroll(),
            37 => FromLauncher::Arrived {
                ticket: self
                    .rng
                    .choice(self.tickets.clone())
                    .unwrap_or_else(|| SignedTicket(Text::lossy("none"))),
                player: GamePlayerId(self.rng.u32(..6)),
            },
            38 => FromLauncher::Left { ticket: TicketId([self.rng.u8(..); 16]) },
            _ => FromLauncher::Pong { nonce: 1 },
        }
    }

    fn report(&mut self, fresh: bool) -> ServerEvents {
        let length = if self.rng.u32(..20) == 0 { 256 } else { self.rng.usize(..12) };
        let mut events = Vec::new();
        if fresh {
            let servers = (0..4).map(|_| self.server());
            events.extend(servers.map(|server| ServerEvent::Appeared { server }));
        }
        events.extend((0..length).map(|_| self.server_event()));
        ServerEvents { fresh, events: List::first_of(events) }
    }

    fn server_event(&mut self) -> ServerEvent {
        let server = self.server();
        let name = Text::lossy(&self.rng.u32(..3).to_string());
        let player = GamePlayerId(self.rng.u32(..6));
        let change = match self.rng.u32(..12) {
            0 => return ServerEvent::Appeared { server },
            3 if self.rng.u32(..4) == 0 => return ServerEvent::Disappeared { server },
            4 => ServerChange::Property(ServerProperty::Title(name)),
            5 => ServerChange::Property(ServerProperty::State(ServerState::Ready)),
            6 => ServerChange::Property(ServerProperty::MaxPlayers(self.rng.u16(..3))),
            7 => {
                let value = if self.rng.bool() { name } else { Text::default() };
                let key = Text::lossy(&self.rng.u32(..3).to_string());
                ServerChange::Property(ServerProperty::Detail { key, value })
            }
            8 => ServerChange::AllPlayersLeft,
            9 => ServerChange::PlayerLeft { player },
            _ => ServerChange::PlayerEntered { player, name },
        };
        ServerEvent::Changed { server, change }
    }

    fn store_answers(&mut self) {
        if self.asked.is_empty() {
            return;
        }
        let at = self.rng.usize(..self.asked.len());
        // Sometimes it answers again later, sometimes never.
        let (ticket, query) = match self.rng.u32(..20) {
            0 => self.asked[at].clone(),
            1 => {
                self.asked.swap_remove(at);
                return;
            }
            _ => self.asked.swap_remove(at),
        };
        let answer = match (self.rng.u32(..12), query) {
            (0, _) => Answer::Refused(Refusal::Unavailable),
            (1, _) => session(self.rng.u64(..14)),
            (2, _) => Answer::NoLauncher,
            (_, Query::Register { .. } | Query::LogIn { .. } | Query::Resume { .. }) => {
                session(self.rng.u64(..14))
            }
            (_, Query::LogOut { .. }) => Answer::LoggedOut,
            (_, Query::LogInAsGuest { session, .. }) => self.guest(session),
            (_, Query::ResumeGuest { guest, .. }) => self.guest(guest.session),
            (_, Query::KeepGuest { guest, .. }) => self.kept(guest.session),
            (_, Query::Task { task: Task::Claim { name, .. }, owner, .. }) => {
                match self.kept(owner.account) {
                    Answer::Kept { account, number } => {
                        Answer::Claimed { account, number, name, permissions: player() }
                    }
                    other => other,
                }
            }
            (_, Query::Task { request, task: Task::Delete { .. }, .. }) => {
                Answer::Done(ToGameClient::LoggedOut { request })
            }
            (_, Query::Task { request, .. }) => Answer::Done(ToGameClient::Done { request }),
            (_, Query::FindLauncher { key } | Query::Enroll { key, .. }) => {
                // Now and then one has got a new key.
                let new = self.rng.u32(..10) == 0;
                let name = if new { key.0[0] / 2 * 2 } else { key.0[0] };
                Answer::Launcher(Text::lossy(&name.to_string()), LauncherLimits::default())
            }
        };
        self.apply(Event::Answered { ticket, answer });
    }

    fn pass_time(&mut self) {
        let millis = if self.rng.u32(..200) == 0 { 400_000 } else { self.rng.u64(..2_000) };
        self.bench.running += Duration::from_millis(millis);
        self.apply(Event::Tick);
    }

    fn disconnect(&mut self) {
        let links: Vec<_> = self.clients.keys().chain(&self.launchers).copied().collect();
        if let Some(link) = self.rng.choice(links) {
            self.clients.remove(&link);
            self.launchers.remove(&link);
            self.apply(Event::Disconnected { link });
        }
    }

    /// Whether a launcher should wait for an answer of the store.
    fn waits(&self, link: LinkId) -> bool {
        self.bench.lobby.waiting.of(Asker::Link(link)) > 0
    }

    fn any_client(&mut self) -> Option<LinkId> {
        let links: Vec<_> = self.clients.keys().copied().collect();
        self.rng.choice(links)
    }

    fn server(&mut self) -> ServerId {
        ServerId(self.rng.u64(..8))
    }

    /// A server of some launcher, as clients know it.
    fn public_server(&mut self) -> ServerId {
        let key = self.rng.u8(..4);
        public(key, self.server())
    }

    /// With nobody doing anything any more, every request of who is still there was answered, and
    /// the lobby remembers nobody.
    fn come_to_rest(&mut self) {
        for _ in 0..60 {
            self.bench.running += Duration::from_millis(250);
            self.apply(Event::Tick);
        }
        for (link, client) in &self.clients {
            assert!(client.unanswered.is_empty(), "{link:?} waits for {:?}", client.unanswered);
        }
        self.apply(Event::ShuttingDown);
        self.bench.running += Duration::from_secs(3600);
        self.apply(Event::Tick);
        let lobby = &self.bench.lobby;
        assert!(lobby.clients.is_empty() && lobby.launchers.is_empty());
        assert!(lobby.sessions.is_empty() && lobby.joined.is_empty());
        assert_eq!(lobby.guests.len(), 0);
        assert_eq!((lobby.waiting.len(), lobby.servers.iter().count()), (0, 0));
        assert_eq!(lobby.tickets_held(), 0);
    }

    fn check(&self, when: &str) {
        let lobby = &self.bench.lobby;
        for (id, session) in &lobby.sessions {
            if let Presence::Here(link) = session.presence {
                assert_eq!(lobby.session_of(link), Some(*id), "{when}");
            }
            if let Some(server) = session.joined {
                assert!(lobby.joined[&server].contains(id), "{when}");
                assert!(
                    lobby.servers.get(server).is_some(),
                    "{when}: joined a server that is gone"
                );
            }
        }
        let guests = lobby.sessions.keys().filter(|id| !id.is_kept()).count();
        assert_eq!(lobby.guests.len(), guests, "{when}");
        for (server, sessions) in &lobby.joined {
            assert!(!sessions.is_empty(), "{when}");
            assert!(sessions.iter().all(|id| lobby.sessions[id].joined == Some(*server)), "{when}");
        }
        for (link, client) in &lobby.clients {
            assert!(self.clients.contains_key(link), "{when}");
            if let ClientState::LoggedIn { session } = client.state {
                assert_eq!(lobby.sessions[&session].link(), Some(*link), "{when}");
            }
        }
        assert!(lobby.enrolled.values().all(|link| lobby.launchers.contains_key(link)), "{when}");
        for id in lobby.watchers() {
            let Some(link) = lobby.sessions[&id].link() else { continue };
            let seen = self.clients[&link].list.as_ref();
            let seen = seen.unwrap_or_else(|| panic!("{when}: {link:?} was told no list"));
            assert_eq!(seen.len(), lobby.servers.iter().count(), "{when}");
            assert!(
                lobby.servers.iter().all(|(id, _, view)| seen.get(&id) == Some(view)),
                "{when}"
            );
        }
    }
}

impl Watcher {
    fn hear_list(&mut self, message: &ServerEvents) {
        if message.fresh {
            self.list = Some(HashMap::new());
        }
        let list = self.list.as_mut().expect("changes follow a whole list");
        for event in message.events.iter() {
            match event {
                ServerEvent::Appeared { server } => {
                    assert!(list.insert(*server, View::default()).is_none(), "appeared twice");
                }
                ServerEvent::Changed { server, change } => {
                    assert!(list.get_mut(server).expect("it has appeared").apply(change));
                }
                ServerEvent::Disappeared { server } => {
                    assert!(list.remove(server).is_some(), "it was there");
                }
            }
        }
    }
}

#[test]
fn the_same_events_have_the_same_effects() {
    let run = || {
        let mut world = World::new(11);
        (0..2_000).for_each(|_| world.step());
        let effects = world.bench.apply(Event::ShuttingDown);
        let expected = |effect: &Effect| {
            matches!(effect, Effect::Goodbye(_, Goodbye::ComeBack { .. }) | Effect::Abandon(_))
        };
        assert!(effects.iter().all(expected), "{effects:?}");
        (effects.len(), format!("{:?}", world.bench.lobby))
    };
    assert_eq!(run(), run());
}
