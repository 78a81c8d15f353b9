//! Tables, and a long random walk against what must always hold.

use std::collections::{HashMap, HashSet};

use protocol::{
    ExitCause, Exited, KEEPER_VERSION, KeeperChange, KeeperChanges, ServerEvent, ServerEvents,
    ServerProperty,
};

use super::*;
use crate::config::{GameKind, Limits};

struct Launcher {
    supervisor: Supervisor,
    now: Instant,
}

impl Launcher {
    fn new(names: &[&str], leftovers: &[&str]) -> Self {
        let servers =
            names.iter().enumerate().map(|(at, name)| (ServerId(at as u64 + 1), config(name)));
        let supervisor = Supervisor::new(servers, leftovers.iter().map(|name| called(name)));
        Self { supervisor, now: Instant::now() }
    }

    /// One server, whose keeper was found and whose game is ready.
    fn running() -> Self {
        let mut launcher = Self::new(&["one"], &[]);
        launcher.does(Event::Start);
        launcher.keeper(KeeperEvent::Lives);
        launcher.keeper(KeeperEvent::Connected { version: KEEPER_VERSION });
        launcher.keeper(fresh(vec![KeeperChange::GamePort(3979), state(ServerState::Ready)]));
        launcher
    }

    fn does(&mut self, event: Event) -> Vec<Effect> {
        self.supervisor.apply(event, self.now)
    }

    fn keeper(&mut self, event: KeeperEvent) -> Vec<Effect> {
        self.does(Event::Keeper(called("one"), event))
    }

    fn login(&mut self, event: LoginServerEvent) -> Vec<Effect> {
        self.does(Event::LoginServer(event))
    }

    /// The effects, without pings.
    fn after(&mut self, milliseconds: u64) -> Vec<Effect> {
        let mut effects = self.tick(milliseconds);
        effects.retain(|effect| *effect != ping());
        effects
    }

    fn tick(&mut self, milliseconds: u64) -> Vec<Effect> {
        self.now += Duration::from_millis(milliseconds);
        self.does(Event::Tick)
    }
}

fn called(name: &str) -> ServerName {
    ServerName::try_from(name.to_owned()).unwrap()
}

fn config(name: &str) -> ServerConfig {
    ServerConfig {
        name: called(name),
        game: GameKind::Openttd,
        title: None,
        bind: [127, 0, 0, 1].into(),
        port: 0,
        advertise: vec![[203, 0, 113, 5].into()],
        program: None,
        max_players: 16,
        limits: Limits::default(),
        openttd: crate::config::OpenttdConfig::default(),
        teeworlds: crate::config::TeeworldsConfig::default(),
        controller: crate::config::ControllerConfig::default(),
    }
}

fn fresh(changes: Vec<KeeperChange>) -> KeeperEvent {
    let changes = List::try_from(changes).unwrap();
    KeeperEvent::Said(FromKeeper::Changes(KeeperChanges { fresh: true, changes }))
}

fn news(change: ServerChange) -> KeeperEvent {
    let changes = List::first_of([KeeperChange::Server(change)]);
    KeeperEvent::Said(FromKeeper::Changes(KeeperChanges { fresh: false, changes }))
}

fn state(state: ServerState) -> KeeperChange {
    KeeperChange::Server(ServerChange::Property(ServerProperty::State(state)))
}

fn entered(player: u32) -> ServerChange {
    let name = Text::lossy("ann");
    ServerChange::PlayerEntered { player: GamePlayerId(player), name }
}

fn look() -> Effect {
    Effect::Look(called("one"))
}

fn start() -> Effect {
    Effect::StartKeeper(called("one"))
}

fn to_keeper(message: ToKeeper) -> Effect {
    Effect::ToKeeper(called("one"), message)
}

fn ping() -> Effect {
    to_keeper(ToKeeper::Ping { nonce: 0 })
}

fn admit(request: u32, server: u64) -> LoginServerEvent {
    let player = Text::lossy("ann");
    let (request, server) = (RequestId(request), ServerId(server));
    LoginServerEvent::Admit { request, server, player, ticket: ticket(), code: code() }
}

fn ticket() -> SignedTicket {
    SignedTicket(Text::lossy("ticket"))
}

fn code() -> JoinSecret {
    JoinSecret(Text::lossy("code"))
}

fn admitted(request: u32, admission: Admission) -> Effect {
    Effect::ToLoginServer(FromLauncher::Admitted { request: RequestId(request), admission })
}

fn told(changes: impl IntoIterator<Item = ServerChange>) -> Effect {
    let server = ServerId(1);
    let events = changes.into_iter().map(|change| ServerEvent::Changed { server, change });
    let events = List::first_of(events);
    Effect::ToLoginServer(FromLauncher::Servers(ServerEvents { fresh: false, events }))
}

fn property_state(state: ServerState) -> ServerChange {
    ServerChange::Property(ServerProperty::State(state))
}

#[test]
fn a_server_without_a_keeper_gets_one() {
    let mut launcher = Launcher::new(&["one"], &[]);
    assert_eq!(launcher.does(Event::Start), [look()]);
    assert_eq!(launcher.keeper(KeeperEvent::Absent), []);
    assert_eq!(launcher.after(0), [start()]);
    assert_eq!(launcher.after(4999), []);
    assert_eq!(
        launcher.keeper(KeeperEvent::Connected { version: KEEPER_VERSION }),
        [to_keeper(ToKeeper::Attach)]
    );
    assert_eq!(launcher.keeper(fresh(vec![KeeperChange::GamePort(1)])), [Effect::Known]);
}

#[test]
fn a_keeper_that_lives_is_not_started_again() {
    let mut launcher = Launcher::new(&["one"], &[]);
    launcher.does(Event::Start);
    assert_eq!(launcher.keeper(KeeperEvent::Lives), []);
    assert_eq!(launcher.after(1000), [look()]);
    assert_eq!(
        launcher.keeper(KeeperEvent::Connected { version: KEEPER_VERSION }),
        [to_keeper(ToKeeper::Attach)]
    );
    assert_eq!(launcher.after(100_000), []);
}

#[test]
fn a_keeper_that_has_died_is_started_after_pauses_that_double() {
    let mut launcher = Launcher::running();
    for pause in [250, 500, 1000, 2000] {
        launcher.keeper(KeeperEvent::Lost);
        assert_eq!(launcher.after(100), [look()]);
        assert_eq!(launcher.keeper(KeeperEvent::Absent), []);
        assert_eq!(launcher.after(pause - 1), []);
        assert_eq!(launcher.after(1), [start()]);
        launcher.keeper(KeeperEvent::Connected { version: KEEPER_VERSION });
    }
    launcher.after(60_000);
    launcher.keeper(KeeperEvent::Lost);
    launcher.after(100);
    launcher.keeper(KeeperEvent::Absent);
    assert_eq!(launcher.after(250), [start()]);
}

#[test]
fn the_death_of_a_keeper_is_that_of_its_game() {
    let mut launcher = Launcher::running();
    launcher.login(LoginServerEvent::Up);
    assert_eq!(launcher.keeper(news(entered(1))), [told([entered(1)])]);
    assert_eq!(launcher.keeper(KeeperEvent::Lost), []);
    launcher.after(100);
    let gone = [property_state(ServerState::Restarting), ServerChange::AllPlayersLeft];
    assert_eq!(launcher.keeper(KeeperEvent::Absent), [told(gone)]);
}

#[test]
fn a_lost_connection_to_a_keeper_that_lives_says_nothing_about_its_game() {
    let mut launcher = Launcher::running();
    launcher.login(LoginServerEvent::Up);
    launcher.keeper(KeeperEvent::Lost);
    assert_eq!(launcher.after(100), [look()]);
    assert_eq!(launcher.keeper(KeeperEvent::Lives), []);
    launcher.keeper(KeeperEvent::Connected { version: KEEPER_VERSION });
    let same = fresh(vec![KeeperChange::GamePort(3979), state(ServerState::Ready)]);
    assert_eq!(launcher.keeper(same), []);
}

#[test]
fn the_login_server_is_told_everything_and_then_what_changes() {
    let mut launcher = Launcher::running();
    let effects = launcher.login(LoginServerEvent::Up);
    let [
        Effect::ToLoginServer(FromLauncher::Servers(ServerEvents { fresh: true, events })),
        Effect::ToLoginServer(FromLauncher::Reachable(reachable)),
    ] = &effects[..]
    else {
        panic!("{effects:?}");
    };
    assert_eq!(events[0], ServerEvent::Appeared { server: ServerId(1) });
    assert_eq!(events.len(), 5);
    assert_eq!((reachable.port, reachable.addresses.len()), (3979, 1));
    let said = FromKeeper::Said { name: Text::lossy("ann"), text: Text::lossy("hi") };
    let expected = FromLauncher::Said {
        server: ServerId(1),
        name: Text::lossy("ann"),
        text: Text::lossy("hi"),
    };
    let said = KeeperEvent::Said(said);
    assert_eq!(launcher.keeper(said.clone()), [Effect::ToLoginServer(expected)]);
    launcher.login(LoginServerEvent::Lost);
    assert_eq!(launcher.keeper(said), []);
    assert_eq!(launcher.keeper(news(entered(1))), []);
}

#[test]
fn a_game_that_talks_without_end_is_passed_on_in_part_and_that_is_said_once_a_minute() {
    let mut launcher = Launcher::running();
    launcher.login(LoginServerEvent::Up);
    let said = FromKeeper::Said { name: Text::lossy("ann"), text: Text::lossy("hi") };
    let (mut passed_on, mut dropped) = (0, Vec::new());
    for _ in 0..61 {
        for _ in 0..100 {
            passed_on += launcher.keeper(KeeperEvent::Said(said.clone())).len();
        }
        let effects = launcher.tick(1000);
        dropped.extend(effects.into_iter().filter_map(|effect| match effect {
            Effect::ChatDropped(_, lines) => Some(lines),
            _ => None,
        }));
    }
    assert_eq!(passed_on, 10 + 60 * 5);
    assert_eq!(dropped, [90, 60 * 95]);
}

#[test]
fn no_servers_are_told_too() {
    let mut launcher = Launcher::new(&[], &[]);
    assert_eq!(launcher.does(Event::Start), [Effect::Known]);
    let nothing = ServerEvents { fresh: true, events: List::default() };
    let nothing = Effect::ToLoginServer(FromLauncher::Servers(nothing));
    assert_eq!(launcher.login(LoginServerEvent::Up), [nothing]);
}

#[test]
fn more_than_a_message_holds_is_told_in_several() {
    let mut launcher = Launcher::running();
    for player in 0..600 {
        launcher.keeper(news(entered(player)));
    }
    let lengths: Vec<_> = launcher
        .login(LoginServerEvent::Up)
        .into_iter()
        .filter_map(|effect| match effect {
            Effect::ToLoginServer(FromLauncher::Servers(servers)) => {
                Some((servers.fresh, servers.events.len()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(lengths, [(true, 256), (false, 256), (false, 93)]);
}

#[test]
fn a_question_is_answered_by_the_keeper_or_in_its_place() {
    let mut launcher = Launcher::running();
    launcher.login(LoginServerEvent::Up);
    let player = Text::lossy("ann");
    let asks = |request| {
        let (request, player) = (RequestId(request), player.clone());
        to_keeper(ToKeeper::AdmitTicket { request, player, ticket: ticket(), code: code() })
    };
    let answer = |request| {
        let admission = Admission::Granted { secret: JoinSecret(Text::lossy("s")) };
        KeeperEvent::Said(FromKeeper::Admitted { request: RequestId(request), admission })
    };
    let granted = Admission::Granted { secret: JoinSecret(Text::lossy("s")) };

    assert_eq!(launcher.login(admit(7, 99)), [admitted(7, Admission::UnknownServer)]);
    assert_eq!(launcher.login(admit(7, 1)), [asks(1)]);
    assert_eq!(launcher.keeper(answer(1)), [admitted(7, granted)]);
    assert_eq!(launcher.keeper(answer(1)), [], "once is enough");

    assert_eq!(launcher.login(admit(8, 1)), [asks(2)]);
    assert_eq!(launcher.after(5000), [admitted(8, Admission::NotReady)]);
    assert_eq!(launcher.keeper(answer(2)), [], "too late");

    assert_eq!(launcher.login(admit(9, 1)), [asks(3)]);
    assert_eq!(launcher.keeper(KeeperEvent::Lost), [admitted(9, Admission::NotReady)]);
    assert_eq!(launcher.login(admit(10, 1)), [admitted(10, Admission::NotReady)]);

    launcher.keeper(KeeperEvent::Connected { version: KEEPER_VERSION });
    assert_eq!(launcher.login(admit(11, 1)), [asks(4)]);
    launcher.login(LoginServerEvent::Lost);
    launcher.login(LoginServerEvent::Up);
    assert_eq!(launcher.keeper(answer(4)), [], "that was asked in another life");
}

fn is_state(effects: &[Effect], wanted: ServerState) -> bool {
    effects.iter().any(|effect| format!("{effect:?}").contains(&format!("State({wanted:?})")))
}

#[test]
fn a_keeper_that_hangs_is_called_unreachable_and_then_killed() {
    let mut launcher = Launcher::running();
    launcher.login(LoginServerEvent::Up);
    let (mut pings, mut unreachable, mut killed) = (0, Vec::new(), Vec::new());
    for second in 1..=45 {
        let effects = launcher.tick(1000);
        pings += usize::from(effects.contains(&ping()));
        unreachable.extend(is_state(&effects, ServerState::Unreachable).then_some(second));
        killed.extend(effects.contains(&Effect::KillKeeper(called("one"))).then_some(second));
    }
    assert_eq!((pings, unreachable, killed), (11, vec![10], vec![30]));
}

#[test]
fn a_keeper_that_answers_again_is_asked_how_its_game_is() {
    let mut launcher = Launcher::running();
    launcher.login(LoginServerEvent::Up);
    let pong = || KeeperEvent::Said(FromKeeper::Pong { nonce: 0 });
    for _ in 0..100 {
        assert!(!is_state(&launcher.after(1000), ServerState::Unreachable));
        assert_eq!(launcher.keeper(pong()), []);
    }
    (0..12).for_each(|_| drop(launcher.after(1000)));
    assert_eq!(launcher.keeper(pong()), [to_keeper(ToKeeper::Report)]);
    let told = launcher.keeper(fresh(vec![state(ServerState::Ready)]));
    assert!(is_state(&told, ServerState::Ready), "{told:?}");
}

#[test]
fn a_keeper_that_lives_and_never_speaks_is_killed_too() {
    let mut launcher = Launcher::new(&["one"], &[]);
    launcher.does(Event::Start);
    let mut killed = false;
    for _ in 0..31 {
        launcher.keeper(KeeperEvent::Lives);
        killed |= launcher.after(1000).contains(&Effect::KillKeeper(called("one")));
    }
    assert!(killed);
}

#[test]
fn a_launcher_that_slept_blames_nobody() {
    let mut launcher = Launcher::running();
    launcher.after(100);
    assert_eq!(launcher.after(1_000_000), []);
}

#[test]
fn a_server_nobody_wants_any_more_is_stopped_and_not_told() {
    let mut launcher = Launcher::new(&[], &["one"]);
    assert_eq!(launcher.does(Event::Start), [look(), Effect::Known]);
    launcher.keeper(KeeperEvent::Lives);
    let stops = [to_keeper(ToKeeper::Attach), to_keeper(ToKeeper::Stop)];
    assert_eq!(launcher.keeper(KeeperEvent::Connected { version: KEEPER_VERSION }), stops);
    launcher.login(LoginServerEvent::Up);
    assert_eq!(launcher.keeper(news(entered(1))), []);
    launcher.keeper(KeeperEvent::Lost);
    assert_eq!(launcher.after(100), [look()]);
    assert_eq!(launcher.keeper(KeeperEvent::Absent), []);
    assert_eq!(launcher.after(100_000), []);
}

#[test]
fn a_stop_ends_when_no_keeper_lives() {
    let mut launcher = Launcher::running();
    assert_eq!(launcher.does(Event::Stop), [to_keeper(ToKeeper::Stop)]);
    launcher.keeper(KeeperEvent::Lost);
    assert_eq!(launcher.after(100), [look()]);
    launcher.keeper(KeeperEvent::Lives);
    assert_eq!(launcher.after(1000), [look()]);
    assert_eq!(launcher.keeper(KeeperEvent::Absent), [Effect::Stopped]);
    assert_eq!(launcher.after(100_000), []);
}

#[test]
fn a_keeper_that_ends_before_it_is_connected_is_missed_at_once() {
    let mut launcher = Launcher::new(&["one"], &[]);
    launcher.does(Event::Start);
    launcher.keeper(KeeperEvent::Absent);
    assert_eq!(launcher.after(0), [start()]);
    launcher.keeper(KeeperEvent::Ended);
    assert_eq!(launcher.after(0), [look()]);
    launcher.keeper(KeeperEvent::Lives);
    launcher.keeper(KeeperEvent::Connected { version: KEEPER_VERSION });
    launcher.keeper(KeeperEvent::Ended);
    assert_eq!(launcher.after(10_000), [], "that was another one");
}

#[test]
fn a_report_of_an_exit_changes_nothing_by_itself() {
    let mut launcher = Launcher::running();
    let exited = Exited { cause: ExitCause::Code(1), last_lines: List::default() };
    assert_eq!(launcher.keeper(KeeperEvent::Said(FromKeeper::Exited(exited))), []);
}

#[test]
fn whatever_happens_a_keeper_is_only_started_where_there_is_none() {
    for seed in 0..20 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut walk = Walk::new();
        for step in 0..5_000 {
            walk.step(&mut random).unwrap_or_else(|broken| panic!("{seed}/{step}: {broken}"));
        }
    }
}

/// A launcher, and beside it the simplest account of what there should be.
struct Walk {
    launcher: Launcher,
    /// Where a keeper lives, and where it is connected.
    alive: HashSet<ServerName>,
    connected: HashSet<ServerName>,
    looked_for: HashSet<ServerName>,
    died: HashMap<ServerName, Instant>,
    up: bool,
    unanswered: HashSet<u32>,
    requests: u32,
    stopping: bool,
}

impl Walk {
    fn new() -> Self {
        let mut walk = Self {
            launcher: Launcher::new(&["one", "two"], &["three"]),
            alive: HashSet::from([called("two"), called("three")]),
            connected: HashSet::new(),
            looked_for: HashSet::new(),
            died: HashMap::new(),
            up: false,
            unanswered: HashSet::new(),
            requests: 0,
            stopping: false,
        };
        let effects = walk.launcher.does(Event::Start);
        walk.check(effects).unwrap();
        walk
    }

    fn step(&mut self, random: &mut fastrand::Rng) -> Result<(), String> {
        if self.stopping && random.u16(..) < 200 {
            *self = Self::new();
        }
        self.launcher.now += Duration::from_millis(random.u64(..1_000));
        let name = called(["one", "two", "three"][random.usize(..3)]);
        let lives = self.alive.contains(&name);
        let linked = self.connected.contains(&name);
        let keeper = |event| Event::Keeper(name.clone(), event);
        let event = match random.u8(..100) {
            0..30 if self.looked_for.remove(&name) => {
                keeper(if lives { KeeperEvent::Lives } else { KeeperEvent::Absent })
            }
            30..45 if lives && !linked => {
                self.connected.insert(name.clone());
                keeper(KeeperEvent::Connected { version: KEEPER_VERSION })
            }
            45..48 if linked => {
                self.connected.remove(&name);
                keeper(KeeperEvent::Lost)
            }
            48..50 if lives && !linked => {
                self.alive.remove(&name);
                self.died.insert(name.clone(), self.launcher.now);
                Event::Tick
            }
            50..60 if linked => keeper(news(entered(random.u32(..9)))),
            60..65 if linked => {
                let request = RequestId(random.u32(..self.requests + 2));
                let admission = Admission::Full;
                keeper(KeeperEvent::Said(FromKeeper::Admitted { request, admission }))
            }
            65..70 => {
                self.up = !self.up;
                self.unanswered.clear();
                let up = if self.up { LoginServerEvent::Up } else { LoginServerEvent::Lost };
                Event::LoginServer(up)
            }
            70..80 if self.up => {
                self.requests += 1;
                self.unanswered.insert(self.requests);
                Event::LoginServer(admit(self.requests, random.u64(..4)))
            }
            80 if random.u8(..) < 50 => {
                self.stopping = true;
                Event::Stop
            }
            _ => Event::Tick,
        };
        let effects = self.launcher.does(event);
        self.check(effects)
    }

    fn check(&mut self, effects: Vec<Effect>) -> Result<(), String> {
        for effect in effects {
            match effect {
                Effect::Look(name) => drop(self.looked_for.insert(name)),
                Effect::StartKeeper(name) => self.started(name)?,
                Effect::ToKeeper(name, _) if !self.connected.contains(&name) => {
                    return Err(format!("{name} is not connected"));
                }
                Effect::ToLoginServer(_) if !self.up => {
                    return Err("the login server is not connected".into());
                }
                Effect::ToLoginServer(FromLauncher::Admitted { request, .. })
                    if !self.unanswered.remove(&request.0) =>
                {
                    return Err(format!("{request:?} was answered or not asked"));
                }
                Effect::Stopped if !self.stopping || !self.alive.is_empty() => {
                    return Err("keepers live".into());
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn started(&mut self, name: ServerName) -> Result<(), String> {
        if self.stopping || name == called("three") {
            return Err(format!("nobody wants {name}"));
        }
        let pause = self.died.get(&name).map(|died| self.launcher.now - *died);
        if pause.is_some_and(|pause| pause < Duration::from_millis(250)) {
            return Err(format!("{name} is started after {pause:?}"));
        }
        match self.alive.insert(name) {
            true => Ok(()),
            false => Err("a second keeper".into()),
        }
    }
}

fn arrives(number: u8) -> KeeperEvent {
    let (id, player) = (TicketId([number; 16]), GamePlayerId(number.into()));
    KeeperEvent::Said(FromKeeper::Arrived { ticket: ticket(), id, player })
}

fn arrived(number: u8) -> Effect {
    let player = GamePlayerId(number.into());
    Effect::ToLoginServer(FromLauncher::Arrived { ticket: ticket(), player })
}

fn left(number: u8) -> Effect {
    Effect::ToLoginServer(FromLauncher::Left { ticket: TicketId([number; 16]) })
}

#[test]
fn who_is_in_with_a_ticket_is_told_once_and_again_on_a_new_connection() {
    let mut launcher = Launcher::running();
    launcher.login(LoginServerEvent::Up);
    assert_eq!(launcher.keeper(arrives(1)), [arrived(1)]);
    assert_eq!(launcher.keeper(arrives(2)), [arrived(2)]);
    let leaves = KeeperEvent::Said(FromKeeper::Left { ticket: TicketId([1; 16]) });
    assert_eq!(launcher.keeper(leaves.clone()), [left(1)]);
    assert_eq!(launcher.keeper(leaves), [], "that is known");
    launcher.login(LoginServerEvent::Lost);
    assert_eq!(launcher.keeper(arrives(3)), []);
    let effects = launcher.login(LoginServerEvent::Up);
    assert_eq!(effects[effects.len() - 2..], [arrived(2), arrived(3)]);

    // The keeper tells everything anew, and then who is in.
    let same = fresh(vec![KeeperChange::GamePort(3979), state(ServerState::Ready)]);
    assert_eq!(launcher.keeper(same), [left(2), left(3)]);
    assert_eq!(launcher.keeper(arrives(3)), [arrived(3)]);
}

#[test]
fn keepers_get_the_keys_that_tickets_are_checked_with_if_they_know_tickets() {
    let keys = || List::first_of([TicketKey([9; 32])]);
    let told = || LoginServerEvent::TicketKeys { launcher: [1; 32], ahead_ms: 5, keys: keys() };
    let server = Text::lossy(tickets::ServerName::of_launcher(&[1; 32], 1).as_str());
    let given = to_keeper(ToKeeper::TicketKeys { server, ahead_ms: 5, keys: keys() });
    let mut launcher = Launcher::running();
    assert_eq!(launcher.login(told()), std::slice::from_ref(&given));
    launcher.keeper(KeeperEvent::Lost);
    let attach = to_keeper(ToKeeper::Attach);
    let connected = KeeperEvent::Connected { version: KEEPER_VERSION };
    assert_eq!(launcher.keeper(connected), [attach.clone(), given]);

    // One that was started by an older launcher goes on as it did.
    launcher.keeper(KeeperEvent::Lost);
    assert_eq!(launcher.keeper(KeeperEvent::Connected { version: 1 }), [attach]);
    assert_eq!(launcher.login(told()), []);
    let admit_without = ToKeeper::Admit { request: RequestId(1), player: Text::lossy("ann") };
    assert_eq!(launcher.login(admit(7, 1)), [to_keeper(admit_without)]);
}
