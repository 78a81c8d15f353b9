//! Connections that are cut at any moment while everything flows, against a model that has none.
//!
//! Each player has a network that loses what is on its way, and keeps to PROTOCOL.md. The model
//! knows what was said, and that all of it arrives, in order and once. After each seed's steps the
//! networks are mended, and every view has to be equal to the lobby's.
//!
//! `GATEHOUSE_SEED` chooses the first seed, `GATEHOUSE_STEPS` how many steps there are.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    env,
};

use fastrand::Rng;
use protocol::{Channel, GamePlayerId, Goodbye, Refusal};

use super::*;
use crate::lobby::{Rate, View};

const PLAYERS: u64 = 8;
const SERVERS: u64 = 3;

#[test]
fn connections_may_be_cut_a_million_times_and_nobody_misses_anything() {
    let number = |name| env::var(name).ok().map(|value| value.parse::<u64>().expect("a number"));
    let (first, steps) = (number("GATEHOUSE_SEED"), number("GATEHOUSE_STEPS"));
    let steps = steps.unwrap_or(1_000_000);
    let mut seen = BTreeMap::<&str, u64>::new();
    for seed in (first.unwrap_or(0)..).take(if first.is_some() { 1 } else { 20 }) {
        let mut world = World::new(seed);
        for _ in 0..steps / 20 {
            world.step();
        }
        world.mend();
        world.seen.into_iter().for_each(|(what, times)| *seen.entry(what).or_default() += times);
    }
    // Where nothing happens nothing is lost.
    if first.is_none() && steps >= 1_000_000 {
        let enough = [
            ("anew", 100),
            ("continued", 10_000),
            ("cut", 10_000),
            ("done", 20_000),
            ("gap", 20),
            ("joined", 1_000),
            ("left", 1_000),
            ("list", 10_000),
            ("replayed", 10_000),
            ("said", 100_000),
            ("said again", 1_000),
            ("task", 3_000),
        ];
        for (what, times) in enough {
            assert!(seen.get(what).is_some_and(|n| *n >= times), "{what}: {seen:#?}");
        }
    }
}

struct World {
    seed: u64,
    step: u64,
    rng: Rng,
    bench: Bench,
    launcher: LinkId,
    players: Vec<Player>,
    asked: VecDeque<(Ticket, Query)>,
    admits: VecDeque<RequestId>,
    /// What the store was asked to do: each once.
    tasks: BTreeSet<(SessionId, u32)>,
    /// Texts are told apart.
    lines: u32,
    /// Which servers are listed.
    listed: BTreeSet<u64>,
    seen: BTreeMap<&'static str, u64>,
}

/// What a player knows, and what the model knows that the player has to learn.
struct Player {
    id: u64,
    line: Option<Line>,
    /// None: not logged in since it last began.
    conversation: Option<Conversation>,
    /// The model: what was said to the lobby and heard by it since the conversation began.
    said_to_all: VecDeque<String>,
    /// Requests that the lobby has taken in, and what it has made of them.
    taken: BTreeSet<u32>,
    requests: u32,
}

/// One connection, and what is on its way.
struct Line {
    link: LinkId,
    to_server: VecDeque<FromGameClient>,
    to_client: VecDeque<ToGameClient>,
    logged_in: bool,
}

/// As PROTOCOL.md has it.
#[derive(Default)]
struct Conversation {
    seen: u64,
    unheard: VecDeque<FromGameClient>,
    said: u64,
    /// Requests without an answer.
    open: BTreeSet<u32>,
    watching: bool,
    list: Option<HashMap<ServerId, View>>,
    joined: Option<ServerId>,
}

impl World {
    fn new(seed: u64) -> Self {
        let often = Rate { burst: 1_000_000, per_second: 1_000_000 };
        let mut bench = Bench::with(Limits {
            client_messages: often,
            chat: often,
            launcher_messages: often,
            ping_interval: Duration::from_secs(1_000_000_000),
            launcher_ping_interval: Duration::from_secs(1_000_000_000),
            ..Default::default()
        });
        let launcher = bench.with_server(1, ServerId(0));
        for server in 1..SERVERS {
            let server = ServerId(server);
            let appeared = [
                ServerEvent::Appeared { server },
                property(server, ServerProperty::State(ServerState::Ready)),
            ];
            let events = ServerEvents { fresh: false, events: List::first_of(appeared) };
            bench.reports(launcher, FromLauncher::Servers(events));
            let reachable = Reachable { server, addresses: List::default(), port: 3979 };
            bench.reports(launcher, FromLauncher::Reachable(reachable));
        }
        let players = (1..=PLAYERS).map(|id| Player {
            id,
            line: None,
            conversation: None,
            said_to_all: VecDeque::new(),
            taken: BTreeSet::new(),
            requests: 0,
        });
        Self {
            seed,
            step: 0,
            rng: Rng::with_seed(seed),
            bench,
            launcher,
            players: players.collect(),
            asked: VecDeque::new(),
            admits: VecDeque::new(),
            tasks: BTreeSet::new(),
            lines: 0,
            listed: (0..SERVERS).collect(),
            seen: BTreeMap::new(),
        }
    }

    fn when(&self) -> String {
        format!("seed {}, step {}", self.seed, self.step)
    }

    fn saw(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    fn step(&mut self) {
        self.step += 1;
        let at = self.rng.usize(..self.players.len());
        match self.rng.u32(..1000) {
            0..20 => self.cut(at),
            20..80 => self.connect(at),
            80..330 => self.deliver_to_server(at),
            330..700 => self.deliver_to_client(at),
            700..780 => self.speak(at),
            780..800 => {
                self.bench.running += Duration::from_millis(self.rng.u64(..1500));
                self.apply(Event::Tick);
            }
            800..801 if self.rng.u32(..20) == 0 => {
                // Long enough to lose a place.
                self.bench.running += Duration::from_secs(self.rng.u64(..400));
                self.apply(Event::Tick);
            }
            800..803 if self.rng.u32(..50) == 0 => self.flood(),
            800..803 => {}
            803..860 => self.launcher_reports(),
            860..930 => self.store_answers(),
            _ => self.launcher_answers(),
        }
    }

    /// What is on its way is lost, in either direction.
    fn cut(&mut self, at: usize) {
        if let Some(line) = self.players[at].line.take() {
            self.saw("cut");
            self.apply(Event::Disconnected { link: line.link });
        }
    }

    fn connect(&mut self, at: usize) {
        if self.players[at].line.is_some() {
            return;
        }
        let link = self.bench.greeted();
        let player = &mut self.players[at];
        player.requests += 1;
        let count = player.conversation.as_ref().map(|conversation| conversation.seen);
        let last = count.map(|count| LastSeen { boot: BootId(1), count });
        let (request, token) = (RequestId(player.requests), SessionToken([player.id as u8; 32]));
        let resume = FromGameClient::Resume { request, token, last };
        let to_server = VecDeque::from([resume]);
        player.line = Some(Line { link, to_server, to_client: VecDeque::new(), logged_in: false });
    }

    /// A player says something, now or when the connection is back.
    fn speak(&mut self, at: usize) {
        self.lines += 1;
        let text = Text::lossy(&format!("line {}", self.lines));
        let server = public(1, ServerId(self.rng.u64(..SERVERS)));
        let player = &mut self.players[at];
        player.requests += 1;
        let request = RequestId(player.requests);
        if !player.may_ask() {
            return;
        }
        let Some(conversation) = &mut player.conversation else { return };
        let message = match self.rng.u32(..14) {
            12.. => {
                let (game, key, value) = (Text::lossy("game"), text_of(&text), None);
                let expect = protocol::Expect::Anything;
                FromGameClient::SetData { request, game, key, value, expect }
            }
            0 => FromGameClient::Join { request, server },
            1 => FromGameClient::Leave { request },
            2 if conversation.watching => FromGameClient::UnwatchServers,
            2..5 if !conversation.watching => FromGameClient::WatchServers,
            5..7 => FromGameClient::Chat { request, channel: Channel::Server, text },
            _ => FromGameClient::Chat { request, channel: Channel::Lobby, text },
        };
        match &message {
            FromGameClient::WatchServers => conversation.watching = true,
            FromGameClient::UnwatchServers => conversation.watching = false,
            _ => {}
        }
        player.say(message);
    }

    /// So much is said that not everything can be kept for who does not listen.
    fn flood(&mut self) {
        for at in 0..self.players.len() {
            while self.players[at].may_ask() && self.players[at].is_here() {
                self.lines += 1;
                let text = format!("{:x>390}{}", "", self.lines);
                let player = &mut self.players[at];
                player.requests += 1;
                let request = RequestId(player.requests);
                let (channel, text) = (Channel::Lobby, Text::lossy(&text));
                player.say(FromGameClient::Chat { request, channel, text });
            }
        }
    }

    fn deliver_to_server(&mut self, at: usize) {
        let player = &mut self.players[at];
        let Some(line) = &mut player.line else { return };
        let Some(message) = line.to_server.pop_front() else { return };
        let link = line.link;
        // A request is taken in once in a conversation; what is heard of it is up to the lobby.
        if message.is_counted()
            && let Some(request) = message.request()
        {
            let first = player.taken.insert(request.0);
            assert!(first, "{}: {request:?} came twice", self.when());
        }
        self.apply(Event::FromClient { link, message });
    }

    fn deliver_to_client(&mut self, at: usize) {
        let when = self.when();
        let player = &mut self.players[at];
        let Some(line) = &mut player.line else { return };
        let Some(message) = line.to_client.pop_front() else { return };
        let counted = line.logged_in && message.is_counted();
        if !line.logged_in && matches!(message, ToGameClient::Refused { .. }) {
            // The store took too long: try again.
            return self.cut(at);
        }
        if counted {
            player.conversation.as_mut().expect("it is logged in").seen += 1;
        }
        let mut seen = Vec::new();
        player.hear(message, &when, &mut seen);
        if counted && self.rng.u32(..40) == 0 {
            let seen = player.conversation.as_ref().map_or(0, |conversation| conversation.seen);
            let line = player.line.as_mut().expect("it was just there");
            line.to_server.push_back(FromGameClient::Ack { seen });
        }
        seen.into_iter().for_each(|what| self.saw(what));
    }

    fn launcher_reports(&mut self) {
        let server = ServerId(self.rng.u64(..SERVERS));
        let player = GamePlayerId(self.rng.u32(..6));
        let name = Text::lossy(&self.rng.u32(..9).to_string());
        let there = self.listed.contains(&server.0);
        let events = match self.rng.u32(..40) {
            0 if there => {
                self.listed.remove(&server.0);
                vec![ServerEvent::Disappeared { server }]
            }
            1..10 if !there => {
                self.listed.insert(server.0);
                let ready = ServerProperty::State(ServerState::Ready);
                vec![ServerEvent::Appeared { server }, property(server, ready)]
            }
            _ if !there => return,
            2..10 => vec![property(server, ServerProperty::Title(name))],
            10..20 => {
                let change = ServerChange::PlayerLeft { player };
                vec![ServerEvent::Changed { server, change }]
            }
            _ => {
                let change = ServerChange::PlayerEntered { player, name };
                vec![ServerEvent::Changed { server, change }]
            }
        };
        let report = ServerEvents { fresh: false, events: List::first_of(events) };
        let (link, message) = (self.launcher, FromLauncher::Servers(report));
        self.apply(Event::FromLauncher { link, message });
    }

    fn store_answers(&mut self) {
        let Some((ticket, query)) = self.asked.pop_front() else { return };
        let answer = match query {
            Query::Resume { token, .. } => session(token.0[0].into()),
            Query::Task { request, owner, .. } => {
                let first = self.tasks.insert((owner.account, request.0));
                assert!(first, "{}: {request:?} is to be done twice", self.when());
                self.saw("task");
                Answer::Done(ToGameClient::Done { request })
            }
            other => panic!("nobody asks for {other:?}"),
        };
        self.apply(Event::Answered { ticket, answer });
    }

    fn launcher_answers(&mut self) {
        let Some(request) = self.admits.pop_front() else { return };
        let admission = match self.rng.u32(..5) {
            0 => Admission::Full,
            _ => Admission::Granted { secret: JoinSecret(Text::lossy("secret")) },
        };
        let link = self.launcher;
        self.apply(Event::FromLauncher {
            link,
            message: FromLauncher::Admitted { request, admission },
        });
    }

    fn apply(&mut self, event: Event) {
        let said = match &event {
            Event::FromClient {
                message: FromGameClient::Chat { channel: Channel::Lobby, text, .. },
                ..
            } => Some(text.to_string()),
            _ => None,
        };
        // The model: everybody who has a place hears it, once, whatever happens to connections.
        let places: Vec<u64> = self.bench.lobby.sessions.keys().map(|id| id.0).collect();
        for effect in self.bench.apply(event) {
            self.carry_out(effect);
        }
        if let Some(said) = said {
            for player in self.players.iter_mut().filter(|player| places.contains(&player.id)) {
                player.said_to_all.push_back(said.clone());
            }
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::ToClient(link, message) => self.send(link, message),
            Effect::ToClients(links, message) => {
                links.into_iter().for_each(|link| self.send(link, message.clone()));
            }
            Effect::ToLauncher(_, ToLauncher::Admit { request, .. }) => {
                self.admits.push_back(request);
            }
            Effect::ToLauncher(..) | Effect::Trust(_) | Effect::Abandon(_) => {}
            Effect::Goodbye(link, Goodbye::Silent) => {
                // It took a minute to log in.
                self.players.iter_mut().for_each(|player| {
                    player.line.take_if(|line| line.link == link);
                });
            }
            Effect::Goodbye(_, goodbye) => panic!("{}: {goodbye:?}", self.when()),
            Effect::Ask(ticket, query) => self.asked.push_back((ticket, query)),
        }
    }

    fn send(&mut self, link: LinkId, message: ToGameClient) {
        let when = self.when();
        let player = self
            .players
            .iter_mut()
            .find(|player| player.line.as_ref().is_some_and(|line| line.link == link))
            .unwrap_or_else(|| panic!("{when}: {message:?} to nobody"));
        if let ToGameClient::LoggedIn(logged_in) = &message {
            let begins_anew = logged_in.continues.is_none();
            let count = player.conversation.as_ref().map_or(0, |conversation| conversation.seen);
            let gap = logged_in.continues.is_some_and(|at| at.next > count + 1);
            // The model forgets what the player is told to be lost.
            if begins_anew || gap {
                player.said_to_all.clear();
            }
            if begins_anew {
                player.taken.clear();
            }
        }
        player.line.as_mut().expect("it was just there").to_client.push_back(message);
    }

    /// Nothing is lost any more, and everybody comes to know everything.
    fn mend(&mut self) {
        for _ in 0..3 {
            for at in 0..self.players.len() {
                self.connect(at);
            }
            loop {
                while !self.asked.is_empty() {
                    self.store_answers();
                }
                while !self.admits.is_empty() {
                    self.launcher_answers();
                }
                for at in 0..self.players.len() {
                    while self.players[at].line.as_ref().is_some_and(|l| !l.to_server.is_empty()) {
                        self.deliver_to_server(at);
                    }
                    while self.players[at].line.as_ref().is_some_and(|l| !l.to_client.is_empty()) {
                        self.deliver_to_client(at);
                    }
                }
                let idle = |player: &Player| {
                    player.line.as_ref().is_none_or(|line| line.to_server.is_empty())
                };
                if self.asked.is_empty() && self.admits.is_empty() && self.players.iter().all(idle)
                {
                    break;
                }
            }
            self.bench.running += Duration::from_millis(500);
            self.apply(Event::Tick);
        }
        let when = self.when();
        for player in &self.players {
            player.check(&self.bench.lobby, &when);
        }
    }
}

fn text_of(text: &Text<400>) -> Text<64> {
    Text::lossy(text)
}

impl Player {
    fn is_here(&self) -> bool {
        self.line.as_ref().is_some_and(|line| line.logged_in)
    }

    /// Whether one more request may wait for an answer.
    fn may_ask(&self) -> bool {
        self.conversation.as_ref().is_some_and(|conversation| conversation.open.len() < 64)
    }

    fn say(&mut self, message: FromGameClient) {
        let conversation = self.conversation.as_mut().expect("it is logged in");
        conversation.open.extend(message.request().map(|request| request.0));
        conversation.said += 1;
        conversation.unheard.push_back(message.clone());
        if let Some(line) = self.line.as_mut().filter(|line| line.logged_in) {
            line.to_server.push_back(message);
        }
    }

    fn hear(&mut self, message: ToGameClient, when: &str, saw: &mut Vec<&'static str>) {
        if let ToGameClient::LoggedIn(logged_in) = message {
            return self.logged_in(logged_in, when, saw);
        }
        let conversation = self.conversation.as_mut();
        let answered = message.answers();
        match message {
            ToGameClient::Welcome(_) => return,
            ToGameClient::Ack { seen } => {
                conversation.expect("Ack follows LoggedIn").heard(seen, when);
                return;
            }
            _ => {}
        }
        let conversation = conversation.expect("nothing else comes before LoggedIn");
        match message {
            ToGameClient::Said(said) if said.channel == Channel::Lobby => {
                saw.push("said");
                let expected = self.said_to_all.pop_front();
                assert_eq!(Some(said.text.as_str()), expected.as_deref(), "{when}: {}", self.id);
            }
            ToGameClient::Servers(list) => {
                saw.push("list");
                conversation.hear_list(&list, when);
            }
            ToGameClient::Joined(ticket) => {
                saw.push("joined");
                conversation.joined = Some(ticket.server);
            }
            ToGameClient::Left { .. } => {
                saw.push("left");
                conversation.joined = None;
            }
            ToGameClient::Done { .. } => saw.push("done"),
            ToGameClient::Refused { reason: Refusal::SessionEnded, .. } => {
                panic!("{when}: nobody ends sessions")
            }
            _ => {}
        }
        if let Some(request) = answered {
            let open = conversation.open.remove(&request.0);
            assert!(open, "{when}: a second answer to {request:?}");
        }
    }

    fn logged_in(
        &mut self,
        logged_in: protocol::LoggedIn,
        when: &str,
        saw: &mut Vec<&'static str>,
    ) {
        let line = self.line.as_mut().expect("it hears something");
        line.logged_in = true;
        match (logged_in.continues, &mut self.conversation) {
            (None, conversation) => {
                saw.push("anew");
                *conversation = Some(Conversation::default());
            }
            (Some(_), None) => panic!("{when}: goes on where nothing was"),
            (Some(at), Some(conversation)) => {
                saw.push("continued");
                assert!(at.next > conversation.seen, "{when}: what was seen comes again");
                if at.next > conversation.seen + 1 {
                    saw.push("gap");
                } else {
                    saw.push("replayed");
                }
                conversation.seen = at.next - 1;
                conversation.heard(at.seen, when);
                for message in &conversation.unheard {
                    saw.push("said again");
                    line.to_server.push_back(message.clone());
                }
            }
        }
        let conversation = self.conversation.as_mut().expect("it has begun");
        conversation.joined = logged_in.on_server;
    }

    fn check(&self, lobby: &Lobby, when: &str) {
        let session = &lobby.sessions[&SessionId(self.id)];
        let conversation = self.conversation.as_ref().expect("everybody is logged in");
        assert!(self.said_to_all.is_empty(), "{when}: {} missed {:?}", self.id, self.said_to_all);
        assert!(conversation.open.is_empty(), "{when}: {:?}", conversation.open);
        assert_eq!(conversation.joined, session.joined, "{when}");
        assert_eq!(conversation.watching, session.watching, "{when}");
        if conversation.watching {
            let list = conversation.list.as_ref().unwrap_or_else(|| panic!("{when}: no list"));
            assert_eq!(list.len(), lobby.servers.iter().count(), "{when}");
            assert!(
                lobby.servers.iter().all(|(id, _, view)| list.get(&id) == Some(view)),
                "{when}"
            );
        }
    }
}

impl Conversation {
    fn heard(&mut self, count: u64, when: &str) {
        assert!(count <= self.said, "{when}: {count} of {} were heard", self.said);
        while self.unheard.len() as u64 > self.said - count {
            self.unheard.pop_front();
        }
    }

    fn hear_list(&mut self, message: &ServerEvents, when: &str) {
        if message.fresh {
            self.list = Some(HashMap::new());
        }
        let list = self.list.as_mut().expect("changes follow a whole list");
        for event in message.events.iter() {
            match event {
                ServerEvent::Appeared { server } => {
                    let twice = list.insert(*server, View::default()).is_some();
                    assert!(!twice, "{when}: {server} appeared twice");
                }
                ServerEvent::Changed { server, change } => {
                    let view = list.get_mut(server);
                    assert!(view.is_some_and(|view| view.apply(change)), "{when}: {server}");
                }
                ServerEvent::Disappeared { server } => {
                    assert!(list.remove(server).is_some(), "{when}: {server} was not there");
                }
            }
        }
    }
}
