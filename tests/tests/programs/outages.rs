//! `kill -9` of each program, with a player in the game.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tests::{Event, Launcher, LauncherOptions, LoginServer, Player, Process, World};

/// A game with ann in it, and bob who watches.
struct Evening {
    world: World,
    login_server: LoginServer,
    launcher: Launcher,
    ann: Player,
    zoe: Player,
    game: Process,
    list: Process,
}

impl Evening {
    #[track_caller]
    fn begin() -> Result<Self> {
        let world = World::new()?;
        let login_server = world.login_server()?;
        let launcher = Launcher::start(&world, &login_server, &LauncherOptions::default())?;
        let bob = world.player(&login_server, "bob")?;
        bob.register(&world)?;
        let mut list = bob.watch(&world)?;
        list.events.wait("the server, ready", STARTS, Event::is_ready)?;
        let ann = world.player(&login_server, "ann")?;
        ann.register(&world)?;
        let zoe = world.player(&login_server, "zoe")?;
        zoe.register(&world)?;
        let (game, _) = ann.play(&world, "openttd", &mut list)?;
        Ok(Self { world, login_server, launcher, ann, zoe, game, list })
    }

    /// Ann ends what is left of her game, and joins again.
    #[track_caller]
    fn play_again(&mut self) -> Result<()> {
        self.game.stop(STARTS)?;
        (self.game, _) = self.ann.play(&self.world, "openttd", &mut self.list)?;
        Ok(())
    }

    /// Whether the game server is the same process and still has ann.
    #[track_caller]
    fn demand_same_game(&mut self, before: i32) -> Result<()> {
        ensure!(self.launcher.game_process(&self.world)? == before, "another game runs");
        ensure!(self.game.runs(), "ann's game client has ended: {}", self.game.report());
        let in_it = game_connections(self.launcher.game_address("openttd")?)?;
        ensure!(in_it >= 1, "nobody is connected to the game");
        Ok(())
    }

    /// Demands that the launcher does its work: zoe can join, which takes it and its game, and ann is
    /// still on the list. The list alone may not have changed, so that bob sees nothing.
    #[track_caller]
    fn demand_at_work(&mut self, since: Instant) -> Result<()> {
        loop {
            let (status, _) =
                self.zoe.try_run(&self.world, &["join", "openttd", "--", "true"], None)?;
            if status.success() {
                break;
            }
            ensure!(
                since.elapsed() < WHOLE_AGAIN,
                "nobody can join: {}",
                self.launcher.process.report()
            );
        }
        let (_, listed) = self.zoe.try_run(&self.world, &["servers"], None)?;
        let whole = |event: &Event| event.is_ready() && event.has_player("ann");
        ensure!(listed.iter().any(whole), "not as before: {listed:?}");
        ensure!(since.elapsed() < WHOLE_AGAIN, "only after {:?}", since.elapsed());
        Ok(())
    }

    /// Waits until bob's list, told anew, has the server with ann in it.
    #[track_caller]
    fn demand_whole(&mut self, since: Instant) -> Result<()> {
        let left = WHOLE_AGAIN.saturating_sub(since.elapsed());
        let whole = |event: &Event| event.is_ready() && event.has_player("ann");
        self.list.events.wait("all as before, ann too", left, whole)?;
        Ok(())
    }
}

#[test]
fn a_killed_game_is_started_again_and_takes_players() -> Result<()> {
    let mut evening = Evening::begin()?;
    let killed = evening.launcher.game_process(&evening.world)?;
    let since = Instant::now();
    kill(killed)?;
    let empty = |event: &Event| event.kind() == "server" && !event.has_player("ann");
    evening.list.events.wait("ann lost", WHOLE_AGAIN, empty)?;
    let left = WHOLE_AGAIN.saturating_sub(since.elapsed());
    let ready = evening.list.events.wait("the server, ready again", left, Event::is_ready);
    ready.map_err(|error| evening.launcher.explain(error))?;
    ensure!(evening.launcher.game_process(&evening.world)? != killed, "the killed game runs");

    // OpenTTD's client does not try again by itself after its server has died.
    evening.play_again()
}

#[test]
fn a_killed_launcher_finds_its_game_again_and_the_player_stays_in_it() -> Result<()> {
    let mut evening = Evening::begin()?;
    let before = evening.launcher.game_process(&evening.world)?;
    let since = Instant::now();
    evening.launcher.kill_and_restart(&evening.world)?;
    evening.demand_at_work(since)?;
    evening.demand_same_game(before)
}

#[test]
fn a_killed_login_server_is_told_everything_again_and_the_player_stays_in_the_game() -> Result<()> {
    let mut evening = Evening::begin()?;
    let before = evening.launcher.game_process(&evening.world)?;
    let since = Instant::now();
    evening.login_server.kill_and_restart(&evening.world)?;
    evening.demand_whole(since)?;
    evening.demand_same_game(before)?;

    // She is on the server again a moment after she is connected again.
    evening.game.events.kind("reconnected", STARTS)?;
    evening.game.events.kind("joined", STARTS)?;
    let text = "still here";
    evening.game.say(text)?;
    evening.game.events.wait("her own words", STARTS, |event| event.says(text))?;
    Ok(())
}

#[test]
fn game_launcher_and_login_server_are_killed_one_after_the_other() -> Result<()> {
    let mut evening = Evening::begin()?;
    for _ in 1..=2 {
        let before = evening.launcher.game_process(&evening.world)?;
        let since = Instant::now();
        evening.login_server.kill_and_restart(&evening.world)?;
        evening.demand_whole(since)?;
        let since = Instant::now();
        evening.launcher.kill_and_restart(&evening.world)?;
        evening.demand_at_work(since)?;
        evening.demand_same_game(before)?;

        let since = Instant::now();
        kill(before)?;
        let empty = |event: &Event| event.kind() == "server" && !event.has_player("ann");
        evening.list.events.wait("ann lost", WHOLE_AGAIN, empty)?;
        let left = WHOLE_AGAIN.saturating_sub(since.elapsed());
        let ready = evening.list.events.wait("the server, ready again", left, Event::is_ready);
        ready.map_err(|error| evening.launcher.explain(error))?;
        evening.play_again()?;
    }
    Ok(())
}

fn kill(pid: i32) -> Result<()> {
    let pid = Pid::from_raw(pid).expect("a process of the list has an id");
    Ok(kill_process(pid, Signal::KILL)?)
}

/// Established TCP connections to `address`, as its machine counts them.
fn game_connections(address: SocketAddr) -> Result<usize> {
    let port = format!(":{:04X}", address.port());
    let connections = std::fs::read_to_string("/proc/net/tcp")?;
    let to_the_game = |line: &&str| {
        let mut columns = line.split_whitespace().skip(1);
        let (local, _, state) = (columns.next(), columns.next(), columns.next());
        local.is_some_and(|local| local.ends_with(&port)) && state == Some(ESTABLISHED)
    };
    Ok(connections.lines().filter(to_the_game).count())
}

const ESTABLISHED: &str = "01";
/// The promise.
const WHOLE_AGAIN: Duration = Duration::from_secs(10);
/// For starting everything, on a busy machine.
const STARTS: Duration = Duration::from_secs(30);
