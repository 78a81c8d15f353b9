//! What the lobby does, seen from outside: events in, effects out.

mod clients;
mod conversations;
mod guests;
mod launcher_rules;
mod launchers;
mod moderation;
mod queue;
mod rules;
mod simulation;
mod streams;
mod tasks;
mod tickets;

use std::{net::IpAddr, sync::Arc, time::Duration};

use ::tickets::SigningKeys;
use accounts::{LauncherLimits, Permission, Permissions};
use protocol::{
    Admission, BootId, Continuation, EnrollmentSecret, FromGameClient, FromLauncher, Hello,
    JoinSecret, LastSeen, List, Password, Reachable, RequestId, ServerChange, ServerEvent,
    ServerEvents, ServerId, ServerProperty, ServerState, SessionToken, SignedTicket, Text,
    TicketId, TicketKey, ToGameClient, ToLauncher, UnixMillis,
};

use super::{
    Answer, Effect, Event, Issued, KnownSession, LauncherKey, Limits, LinkId, Lobby, Now, Query,
    SessionId, Shown, Subject, Ticket, TicketOffice, server_ids::OwnId,
};

/// A lobby and its clock.
struct Bench {
    lobby: Lobby,
    running: Duration,
    links: u64,
}

impl Bench {
    fn new() -> Self {
        // As rare as those of clients, so that stories are not full of them.
        let launcher_ping_interval = Duration::from_secs(15);
        Self::with(Limits { launcher_ping_interval, ..Default::default() })
    }

    fn with(limits: Limits) -> Self {
        let lobby = Lobby::new(limits, BootId(1), Box::new(Office::default()), now(Duration::ZERO));
        Self { lobby, running: Duration::ZERO, links: 0 }
    }

    fn apply(&mut self, event: Event) -> Vec<Effect> {
        self.lobby.apply(event, now(self.running))
    }

    /// Lets time pass, as the program does: half a second at a time.
    fn pass(&mut self, time: Duration) -> Vec<Effect> {
        let end = self.running + time;
        let mut effects = Vec::new();
        while self.running < end {
            self.running = (self.running + Duration::from_millis(500)).min(end);
            effects.extend(self.apply(Event::Tick));
        }
        effects
    }

    fn link(&mut self) -> LinkId {
        self.links += 1;
        LinkId(self.links)
    }

    fn client(&mut self) -> LinkId {
        let link = self.link();
        self.apply(Event::ClientConnected { link, from: NEAR });
        link
    }

    fn greeted(&mut self) -> LinkId {
        let link = self.client();
        self.says(link, FromGameClient::Hello(Hello::from_us("test")));
        link
    }

    /// A client with the session of account `id`.
    fn logged_in(&mut self, id: u64) -> LinkId {
        let link = self.greeted();
        let effects = self.says(link, log_in());
        self.answer(&effects, session(id));
        link
    }

    /// A client that has joined [`SERVER`] of launcher 1.
    fn joined(&mut self, id: u64, launcher: LinkId) -> LinkId {
        let link = self.logged_in(id);
        let effects = self.says(link, join());
        let effects = self.admit(launcher, &effects);
        assert_eq!(summary(&effects), "client Joined");
        link
    }

    /// Lets a client say something, that has heard everything that was said to it before.
    fn says(&mut self, link: LinkId, message: FromGameClient) -> Vec<Effect> {
        if let Some(id) = self.lobby.session_of(link)
            && let Some(session) = self.lobby.sessions.get_mut(&id)
        {
            let all = session.stream.count();
            session.stream.heard(all).unwrap();
        }
        self.apply(Event::FromClient { link, message })
    }

    /// Goes on with the session of account `id`, of which a client has heard `count` messages.
    fn resumes(&mut self, link: LinkId, id: u64, count: u64) -> Vec<Effect> {
        let last = Some(LastSeen { boot: BootId(1), count });
        let token = SessionToken([id as u8; 32]);
        let asked = self.says(link, FromGameClient::Resume { request: REQUEST, token, last });
        self.answer(&asked, session(id))
    }

    /// Answers the one query in `asked`.
    fn answer(&mut self, asked: &[Effect], answer: Answer) -> Vec<Effect> {
        let ticket = ticket(asked);
        self.apply(Event::Answered { ticket, answer })
    }

    /// Lets in the one player who waits in `asked`.
    fn admit(&mut self, launcher: LinkId, asked: &[Effect]) -> Vec<Effect> {
        let secret = JoinSecret(Text::lossy("secret"));
        let admission = Admission::Granted { secret };
        self.reports(launcher, FromLauncher::Admitted { request: admission_of(asked), admission })
    }

    fn launcher(&mut self, key: u8) -> LinkId {
        let link = self.link();
        let key = Some(LauncherKey([key; 32]));
        self.apply(Event::LauncherConnected { link, from: NEAR, key });
        link
    }

    /// A launcher that is enrolled, and has listed nothing yet.
    fn enrolled(&mut self, key: u8) -> LinkId {
        let link = self.launcher(key);
        let effects = self.reports(link, FromLauncher::Hello(Hello::from_us("test")));
        let name = Text::lossy(&format!("launcher-{key}"));
        let effects = self.answer(&effects, Answer::Launcher(name, LauncherLimits::default()));
        let summary = summary(&effects).replace("launcher NextKey, ", "");
        let expected = "trust, launcher Welcome, launcher Enrolled, launcher TicketKeys";
        assert!(summary.ends_with(expected));
        link
    }

    /// A launcher with one server that players can join.
    fn with_server(&mut self, key: u8, server: ServerId) -> LinkId {
        let link = self.enrolled(key);
        self.reports(link, FromLauncher::Servers(whole_list(&[server])));
        let reachable = Reachable { server, addresses: List::default(), port: 3979 };
        self.reports(link, FromLauncher::Reachable(reachable));
        link
    }

    fn reports(&mut self, link: LinkId, message: FromLauncher) -> Vec<Effect> {
        self.apply(Event::FromLauncher { link, message })
    }

    fn gone(&mut self, link: LinkId) -> Vec<Effect> {
        self.apply(Event::Disconnected { link })
    }
}

/// Makes tickets that say what they are: `id launcher server account issued`.
#[derive(Debug, Default)]
struct Office {
    made: std::cell::Cell<u8>,
}

impl TicketOffice for Office {
    fn issue(&self, subject: &Subject, now: UnixMillis) -> Option<Issued> {
        self.made.set(self.made.get().wrapping_add(1));
        let number = self.made.get();
        let Subject { account, launcher, server, .. } = subject;
        let text = format!("{number} {} {} {} {}", launcher.0[0], server.0, account.0, now.0);
        let code = JoinSecret(Text::lossy(&format!("code-{number}")));
        Some(Issued { id: TicketId([number; 16]), ticket: SignedTicket(Text::lossy(&text)), code })
    }

    fn read(&self, ticket: &SignedTicket) -> Option<Shown> {
        let numbers: Vec<u64> =
            ticket.reveal().split(' ').map(|n| n.parse().ok()).collect::<Option<_>>()?;
        let [number, launcher, server, account, issued] = numbers[..] else { return None };
        let subject = Subject {
            account: SessionId(account),
            player: Text::default(),
            launcher: LauncherKey([launcher as u8; 32]),
            server: ServerId(server),
        };
        let worthless_from = UnixMillis(issued + 300_000);
        let id = TicketId([number as u8; 16]);
        Some(Shown { id, subject, issued: UnixMillis(issued), worthless_from })
    }

    fn keys(&self, _: UnixMillis) -> List<TicketKey, 8> {
        List::first_of([TicketKey([7; 32])])
    }

    fn use_keys(&mut self, _: Arc<SigningKeys>) {}
}

/// What is to be done, in short.
fn summary(effects: &[Effect]) -> String {
    let parts: Vec<_> = effects.iter().map(one).collect();
    parts.join(", ")
}

fn one(effect: &Effect) -> String {
    match effect {
        Effect::ToClient(_, ToGameClient::Refused { reason, .. }) => {
            format!("refused {}", variant(reason))
        }
        Effect::ToClient(_, message) => format!("client {}", variant(message)),
        Effect::ToClients(_, message) => format!("clients {}", variant(message)),
        Effect::ToLauncher(_, message) => format!("launcher {}", variant(message)),
        Effect::Trust(_) => "trust".into(),
        Effect::Goodbye(_, goodbye) => format!("goodbye {}", variant(goodbye)),
        Effect::Ask(_, query) => format!("ask {}", variant(query)),
        Effect::Abandon(_) => "abandon".into(),
    }
}

fn variant(value: &impl std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

/// Where a conversation goes on, if it does.
fn continues(effects: &[Effect]) -> Option<Continuation> {
    effects.iter().find_map(|effect| match effect {
        Effect::ToClient(_, ToGameClient::LoggedIn(logged_in)) => logged_in.continues,
        _ => None,
    })
}

fn ticket(effects: &[Effect]) -> Ticket {
    let asked = effects.iter().find_map(|effect| match effect {
        Effect::Ask(ticket, _) => Some(*ticket),
        _ => None,
    });
    asked.unwrap_or_else(|| panic!("nothing was asked: {effects:?}"))
}

fn admission_of(effects: &[Effect]) -> RequestId {
    let admit = effects.iter().find_map(|effect| match effect {
        Effect::ToLauncher(_, ToLauncher::Admit { request, .. }) => Some(*request),
        _ => None,
    });
    admit.unwrap_or_else(|| panic!("nobody is to be let in: {effects:?}"))
}

fn now(running: Duration) -> Now {
    Now { running, clock: UnixMillis(1_700_000_000_000) }
}

fn session(id: u64) -> Answer {
    Answer::Session(KnownSession {
        session: SessionId(id),
        name: Text::lossy(&format!("player-{id}")),
        token: SessionToken([id as u8; 32]),
        expires: UnixMillis(1),
        number: id,
        permissions: player(),
        mute: None,
    })
}

fn player() -> Permissions {
    [Permission::Chat, Permission::Join, Permission::Report].into_iter().collect()
}

fn log_in() -> FromGameClient {
    let (name, password) = (Text::lossy("name"), Password(Text::lossy("password")));
    FromGameClient::LogIn { request: REQUEST, name, password }
}

fn register() -> FromGameClient {
    let (name, password) = (Text::lossy("name"), Password(Text::lossy("password")));
    FromGameClient::Register { request: REQUEST, name, password }
}

fn resume() -> FromGameClient {
    FromGameClient::Resume { request: REQUEST, token: SessionToken([1; 32]), last: None }
}

/// Has [`SERVER`] of launcher 1 joined.
fn join() -> FromGameClient {
    FromGameClient::Join { request: REQUEST, server: public(1, SERVER) }
}

fn enroll() -> FromLauncher {
    FromLauncher::Enroll { secret: EnrollmentSecret([1; 32]) }
}

fn whole_list(servers: &[ServerId]) -> ServerEvents {
    let events = servers.iter().flat_map(|server| {
        let ready = ServerProperty::State(ServerState::Ready);
        [ServerEvent::Appeared { server: *server }, property(*server, ready)]
    });
    ServerEvents { fresh: true, events: List::first_of(events) }
}

/// What watchers are told when a launcher lists its `servers`.
fn listed(key: u8, servers: &[ServerId]) -> Vec<ServerEvent> {
    let servers: Vec<_> = servers.iter().map(|own| public(key, *own)).collect();
    whole_list(&servers).events.into_iter().collect()
}

/// The id by which clients know a launcher's server.
fn public(key: u8, own: ServerId) -> ServerId {
    OwnId(own).public(LauncherKey([key; 32]))
}

fn property(server: ServerId, property: ServerProperty) -> ServerEvent {
    ServerEvent::Changed { server, change: ServerChange::Property(property) }
}

/// The events watchers are told in `effects`.
fn told(effects: &[Effect]) -> Vec<ServerEvent> {
    let told = effects.iter().filter_map(|effect| match effect {
        Effect::ToClient(_, ToGameClient::Servers(list))
        | Effect::ToClients(_, ToGameClient::Servers(list)) => Some(list.events.to_vec()),
        _ => None,
    });
    told.flatten().collect()
}

const NEAR: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const REQUEST: RequestId = RequestId(9);
/// As its launcher names it.
const SERVER: ServerId = ServerId(5);
