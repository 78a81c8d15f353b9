//! The life of a game with a game controller in it.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use bytes::BytesMut;
use framing::{
    FrameError,
    chunks::{self, ChunkReader, ChunkSize, Progress},
};
use game_controller::{ConnectError, Environment, GameController};
use protocol::{
    Admission, ControllerToken, FromGameController, Goodbye, Hello, ServerState, Text,
    ToGameController, ToLauncher, controller_hello,
};
use rustix::process::Signal;

use crate::{
    arena::{self, Player},
    launcher::{Launcher, runs, send, until_gone},
    login_server::{LoginServer, Server},
};

const GAME_LOG: &str = "data/servers/one/game.log";
const KEEPER_LOG: &str = "data/servers/one/keeper.log";

/// An arena of two players with `arguments`, and with `more` in its table.
fn config(arguments: &[&str], more: &str) -> String {
    let program = arena::program().display();
    format!(
        r#"
        [[server]]
        name = "one"
        game = "controller"
        title = "A friendly arena"
        program = "{program}"
        bind = "127.0.0.1"
        max_players = 2
        {more}
        [server.controller]
        game = "arena"
        arguments = {arguments:?}
        "#
    )
}

/// A match that does not end while anybody looks.
const ENDLESS: &[&str] = &["--bots", "0", "--match-ms", "3600000"];

/// One after the other.
const SHORT: &[&str] = &["--bots", "2", "--match-ms", "1200", "--vote-ms", "200"];

async fn ready(config: &str) -> (LoginServer, Launcher) {
    let mut login = LoginServer::start().await;
    let launcher = Launcher::enrolled(config, &login).await;
    login.until_state(ServerState::Ready).await;
    (login, launcher)
}

fn arena_is(login: &LoginServer, is_so: impl Fn(&Server) -> bool) -> bool {
    login.servers.values().any(is_so)
}

#[actix::test]
async fn what_is_played_is_seen_and_one_map_follows_the_other() {
    let (mut login, launcher) = ready(&config(SHORT, "")).await;
    let known = login.server().1;
    assert_eq!((known.title.as_str(), known.game.as_str()), ("A friendly arena", "arena"));
    assert_eq!(known.max_players, 2);
    login.until("the mode", |login| arena_is(login, |s| s.details.contains_key("mode"))).await;
    assert_eq!(login.server().1.details["mode"], "team points");
    login.until_players(&["Bot 1", "Bot 2"]).await;
    let clock = |s: &Server| s.details.get("clock").is_some_and(|clock| clock.ends_with(" UTC"));
    login.until("a clock that runs", |login| arena_is(login, clock)).await;
    let points = |s: &Server| {
        s.details.get("score").is_some_and(|score| score.starts_with("Red ") && score.contains('1'))
    };
    login.until("points", |login| arena_is(login, points)).await;
    login.until("the second map", |login| arena_is(login, |s| s.map == "quarry")).await;
    login.until("the third map", |login| arena_is(login, |s| s.map == "ridge")).await;
    launcher.until_written(KEEPER_LOG, "a match is over").await;
    assert_eq!(login.server().1.state, Some(ServerState::Ready), "it goes on in place");
}

#[actix::test]
async fn a_player_comes_in_with_a_secret_of_their_own_speaks_and_is_thrown_out() {
    let (mut login, launcher) = ready(&config(ENDLESS, "")).await;
    let server = login.server().0;
    let (secret, port) = login.secret("ann").await;
    let mut ann = Player::join("Ann", port, &secret).await;
    ann.hears("welcome").await;
    login.until_players(&["Ann"]).await;
    assert_eq!(launcher.status()["players"], serde_json::json!(["Ann"]));
    launcher.until_written(GAME_LOG, "arena: ann plays as Ann").await;
    launcher.until_written(GAME_LOG, "arena: loadout: Unavailable").await;

    let (speaker, text) = (Text::lossy("bob"), Text::lossy("hello \"ann\""));
    login.send(ToLauncher::Say { server, speaker, text });
    assert_eq!(ann.hears("said bob").await, "hello \"ann\"");
    ann.say("hello, world").await;
    login.until("what ann said", |login| !login.said.is_empty()).await;
    assert_eq!(login.said, [("Ann".to_owned(), "hello, world".to_owned())]);

    let player = *login.server().1.players.keys().next().unwrap();
    login.send(ToLauncher::Kick { server, player, reason: Text::lossy("be \"nice\"") });
    assert_eq!(ann.hears("removed").await, "be \"nice\"");
    login.until_players(&[]).await;
    let log = std::fs::read_to_string(launcher.path().join(GAME_LOG)).unwrap();
    assert!(!log.contains(&secret), "secrets are not logged");
}

#[actix::test]
async fn a_secret_lets_one_player_in_once_and_a_full_game_takes_no_more() {
    let (mut login, _launcher) = ready(&config(ENDLESS, "")).await;
    let server = login.server().0;
    let (secret, port) = login.secret("ann").await;
    Player::join("Guess", port, "guess").await.hears("refused").await;
    let mut ann = Player::join("Ann", port, &secret).await;
    ann.hears("welcome").await;
    Player::join("Friend", port, &secret).await.hears("refused").await;

    let (late, _) = login.secret("bob").await;
    assert_ne!(late, secret);
    login.send(ToLauncher::Dismiss { server, player: Text::lossy("bob") });
    // The game hears of it before it is asked again.
    let (next, _) = login.secret("bob").await;
    Player::join("Late", port, &late).await.hears("refused").await;
    let mut bob = Player::join("Bob", port, &next).await;
    bob.hears("welcome").await;
    login.until_players(&["Ann", "Bob"]).await;
    assert_eq!(login.admit("cid").await, Admission::Full);
    drop(ann);
    login.until_players(&["Bob"]).await;
    assert!(matches!(login.admit("cid").await, Admission::Granted { .. }));
}

#[actix::test]
async fn a_game_that_is_killed_goes_on_where_its_last_match_has_ended() {
    let (mut login, launcher) = ready(&config(SHORT, "")).await;
    login.until("the second map", |login| arena_is(login, |s| s.map == "quarry")).await;
    let (game, keeper) = (launcher.pid("pid"), launcher.pid("keeper_pid"));
    send(game, Signal::KILL);
    login.until_state(ServerState::Restarting).await;
    assert!(login.server().1.details.is_empty(), "{:?}", login.server().1.details);
    let last = rounds(&launcher).into_iter().max().unwrap();
    login.until_state(ServerState::Ready).await;
    assert_ne!(launcher.pid("pid"), game);
    assert_eq!(launcher.pid("keeper_pid"), keeper);
    launcher.until_written(GAME_LOG, &format!("round {} on", last + 1)).await;
    let rounds = rounds(&launcher);
    let firsts = rounds.iter().filter(|round| **round == 1).count();
    assert_eq!(firsts, 1, "it does not begin anew: {rounds:?}");
}

/// The numbers of the matches that were begun.
fn rounds(launcher: &Launcher) -> Vec<u32> {
    let log = std::fs::read_to_string(launcher.path().join(GAME_LOG)).unwrap();
    let lines = log.lines().filter_map(|line| line.split_once("round ")?.1.split_once(' '));
    lines.map(|(round, _)| round.parse().unwrap()).collect()
}

#[actix::test]
async fn a_game_that_hangs_is_killed_and_started_again() {
    let limits = "limits = { silent_after = 1, hung_after = 3, first_pause = 0.2 }";
    let (mut login, launcher) = ready(&config(ENDLESS, limits)).await;
    let game = launcher.pid("pid");
    send(game, Signal::STOP);
    launcher.until_written(KEEPER_LOG, "no answer for 1 s").await;
    login.until_state(ServerState::Restarting).await;
    login.until_state(ServerState::Ready).await;
    assert_ne!(launcher.pid("pid"), game);
}

#[actix::test]
async fn a_game_that_never_says_it_is_ready_is_given_up() {
    let limits = "limits = { ready_within = 1, max_crashes = 2, first_pause = 0.1 }";
    let config = config(&["1000"], limits);
    let config = config.replace(&arena::program().display().to_string(), "/bin/sleep");
    let mut login = LoginServer::start().await;
    let launcher = Launcher::enrolled(&config, &login).await;
    login.until_state(ServerState::Failed).await;
    let status = launcher.status();
    let trouble = status["trouble"].as_str().unwrap();
    assert!(trouble.contains("killed, because it was not ready in time"), "{trouble}");
}

#[actix::test]
async fn a_game_is_told_to_stop_and_tells_its_players() {
    let (mut login, mut launcher) = ready(&config(ENDLESS, "")).await;
    let (secret, port) = login.secret("ann").await;
    let mut ann = Player::join("Ann", port, &secret).await;
    ann.hears("welcome").await;
    assert_eq!(launcher.end(Signal::TERM).await.code(), Some(0));
    ann.hears("closing").await;
    login.until_state(ServerState::Stopped).await;
    launcher.until_written(GAME_LOG, "arena: closed").await;
    let log = std::fs::read_to_string(launcher.path().join(KEEPER_LOG)).unwrap();
    assert!(log.contains("the game has ended cause=exit code 0"), "{log}");
}

#[actix::test]
async fn a_launcher_that_is_killed_finds_the_game_and_its_players_again() {
    let (mut login, mut launcher) = ready(&config(ENDLESS, "")).await;
    let (secret, port) = login.secret("ann").await;
    let mut ann = Player::join("Ann", port, &secret).await;
    ann.hears("welcome").await;
    login.until_players(&["Ann"]).await;
    let game = launcher.pid("pid");
    launcher.end(Signal::KILL).await;
    assert!(runs(game));
    launcher.start();
    login.until("a second snapshot", |login| login.snapshots == 2).await;
    login.until_players(&["Ann"]).await;
    let known = login.server().1;
    assert_eq!((known.map.as_str(), known.state), ("harbour", Some(ServerState::Ready)));
    assert_eq!(launcher.pid("pid"), game);
    ann.hears("score").await;
}

#[actix::test]
async fn another_process_goes_on_after_a_match_and_takes_the_players_along() {
    let arguments = ["--bots", "0", "--match-ms", "4000", "--vote-ms", "500"];
    let config = config(&arguments, "") + "second_port = 0";
    let (mut login, launcher) = ready(&config).await;
    let (secret, port) = login.secret("ann").await;
    let mut ann = Player::join("Ann", port, &secret).await;
    ann.hears("welcome").await;
    login.until_players(&["Ann"]).await;
    let (game, keeper) = (launcher.pid("pid"), launcher.pid("keeper_pid"));

    let go_on = ann.hears("go").await;
    let (next, secret) = go_on.split_once(' ').unwrap();
    let next: u16 = next.parse().unwrap();
    assert_ne!(next, port);
    let mut ann_goes_on = Player::join("Ann", next, secret).await;
    ann_goes_on.hears("welcome").await;
    assert_eq!(ann_goes_on.hears("map").await, "quarry");
    login.until("the second map", |login| arena_is(login, |s| s.map == "quarry")).await;
    login.until("the other port", |login| arena_is(login, |s| s.port == Some(next))).await;
    login.until_players(&["Ann"]).await;
    drop(ann);
    until_gone(game).await;
    assert_ne!(launcher.pid("pid"), game);
    assert_eq!(launcher.pid("keeper_pid"), keeper);
    launcher.until_written(KEEPER_LOG, "the process before has ended cause=exit code 0").await;

    // And back.
    let go_on = ann_goes_on.hears("go").await;
    assert!(go_on.starts_with(&format!("{port} ")), "{go_on}");
    login.until("the third map", |login| arena_is(login, |s| s.map == "ridge")).await;
    login.until("the first port", |login| arena_is(login, |s| s.port == Some(port))).await;
    let states = &login.server().1.states;
    assert_eq!(states.last(), Some(&ServerState::Ready));
    assert!(!states.contains(&ServerState::Restarting), "{states:?}");
}

#[actix::test]
async fn where_no_other_process_can_go_on_the_game_does() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let config = config(SHORT, "");
    let config = format!("{config}second_port = {}", taken.local_addr().unwrap().port());
    let (mut login, launcher) = ready(&config).await;
    let game = launcher.pid("pid");
    login.until("the second map", |login| arena_is(login, |s| s.map == "quarry")).await;
    launcher.until_written(KEEPER_LOG, "the next process cannot be started").await;
    assert_eq!(launcher.pid("pid"), game);
}

#[actix::test]
async fn a_stop_between_two_matches_stops_both_processes() {
    // The vote lasts longer than anybody looks: the next process is there, and waits.
    let arguments = ["--bots", "0", "--match-ms", "500", "--vote-ms", "200000"];
    let config = config(&arguments, "") + "second_port = 0";
    let (mut login, mut launcher) = ready(&config).await;
    launcher.until_written(KEEPER_LOG, "the next process is started pid=").await;
    let log = std::fs::read_to_string(launcher.path().join(KEEPER_LOG)).unwrap();
    let next = log.split("the next process is started pid=").nth(1).unwrap();
    let next: u32 = next.split(' ').next().unwrap().parse().unwrap();
    let game = launcher.pid("pid");
    assert!(runs(game) && runs(next));
    assert_eq!(launcher.end(Signal::TERM).await.code(), Some(0));
    login.until_state(ServerState::Stopped).await;
    until_gone(game).await;
    until_gone(next).await;
}

#[actix::test]
async fn a_next_process_that_is_killed_leaves_the_match_to_the_game() {
    let arguments = ["--bots", "0", "--match-ms", "500", "--vote-ms", "3000"];
    let config = config(&arguments, "") + "second_port = 0";
    let (mut login, launcher) = ready(&config).await;
    let game = launcher.pid("pid");
    launcher.until_written(KEEPER_LOG, "the next process is started pid=").await;
    let log = std::fs::read_to_string(launcher.path().join(KEEPER_LOG)).unwrap();
    let next = log.split("the next process is started pid=").nth(1).unwrap();
    send(next.split(' ').next().unwrap().parse().unwrap(), Signal::KILL);
    launcher.until_written(KEEPER_LOG, "the next process has ended cause=signal 9").await;
    login.until("the second map", |login| arena_is(login, |s| s.map == "quarry")).await;
    assert_eq!(launcher.pid("pid"), game);
    assert_eq!(login.server().1.states.last(), Some(&ServerState::Ready));
}

#[actix::test]
async fn a_game_written_from_the_document_alone_gets_along() {
    let game = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/python/gatehouse_controller.py");
    let config = config(&["-B", game], "limits = { first_pause = 0.1 }");
    let python = "/usr/bin/python3";
    assert!(std::path::Path::new(python).is_file(), "{python} is missing: apt install python3");
    let config = config.replace(&arena::program().display().to_string(), python);
    let (mut login, mut launcher) = ready(&config).await;
    let server = login.server().0;
    assert_eq!(login.server().1.details["mode"], "solitaire");
    let (secret, port) = login.secret("ann").await;
    Player::join("Guess", port, "guess").await.hears("refused").await;
    let mut ann = Player::join("Ann", port, &secret).await;
    ann.hears("welcome").await;
    login.until_players(&["Ann"]).await;
    ann.send("point").await;
    let points = |s: &Server| s.details.get("score").is_some_and(|score| score == "All 1");
    login.until("a point", |login| arena_is(login, points)).await;
    assert_eq!(login.server().1.details["leader"], "Ann: 1");
    ann.say("well played").await;
    login.until("what ann said", |login| !login.said.is_empty()).await;
    ann.send("over").await;
    login.until("the next map", |login| arena_is(login, |s| s.map == "quarry")).await;

    let player = *login.server().1.players.keys().next().unwrap();
    login.send(ToLauncher::Kick { server, player, reason: Text::lossy("enough") });
    assert_eq!(ann.hears("removed").await, "enough");
    login.until_players(&[]).await;
    send(launcher.pid("pid"), Signal::KILL);
    login.until_state(ServerState::Restarting).await;
    login.until_state(ServerState::Ready).await;
    launcher.until_written(GAME_LOG, ", after 07").await;
    assert_eq!(launcher.end(Signal::TERM).await.code(), Some(0));
    launcher.until_written(GAME_LOG, "closed").await;
}

#[actix::test]
async fn who_is_not_the_game_or_of_another_age_is_sent_away() {
    let (mut login, launcher) = ready(&config(ENDLESS, "")).await;
    let Environment { address, token } = environment_of(launcher.pid("pid"));
    let sent_away = tokio::task::spawn_blocking(move || {
        let token = ControllerToken(Text::lossy(&format!("x{}", token.reveal())));
        let wrong = GameController::connect_to(Environment { address, token }, "test/1");
        let old = Hello { lowest: 0, highest: 0, ..controller_hello("old/1") };
        let new = Hello { lowest: 9, highest: 9, ..controller_hello("new/1") };
        let ages = [old, new].map(|hello| answer(address, &FromGameController::Hello(hello)));
        (wrong.unwrap_err(), ages, answer(address, &FromGameController::Ready))
    });
    let (wrong, ages, eager) = sent_away.await.unwrap();
    let what = |what| Goodbye::Violation { what: Text::lossy(what) };
    let ConnectError::Refused(goodbye) = wrong else { panic!("{wrong}") };
    assert_eq!(goodbye, what("not the token"));
    let [old, new] = ages;
    assert_eq!(old, Goodbye::YouAreTooOld { lowest: 1 });
    assert_eq!(new, Goodbye::IAmTooOld { highest: 1 });
    assert_eq!(eager, what("the token comes first"));
    launcher.until_written(KEEPER_LOG, "somebody on this machine says to be the game").await;

    // The game has not noticed.
    let (secret, port) = login.secret("ann").await;
    Player::join("Ann", port, &secret).await.hears("welcome").await;
    assert_eq!(login.server().1.states.last(), Some(&ServerState::Ready));
}

/// What the game was told about its keeper.
fn environment_of(pid: u32) -> Environment {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
    let environment = String::from_utf8(environment).unwrap();
    let value = |name: &str| {
        let found = environment.split('\0').find_map(|variable| variable.strip_prefix(name));
        found.unwrap_or_else(|| panic!("no {name} in {environment}")).to_owned()
    };
    let token = ControllerToken(Text::lossy(&value("GATEHOUSE_TOKEN=")));
    Environment { address: value("GATEHOUSE_CONTROLLER=").parse().unwrap(), token }
}

/// The goodbye to who begins with `message`.
fn answer(address: SocketAddr, message: &FromGameController) -> Goodbye {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(crate::LIMIT)).unwrap();
    let mut bytes = BytesMut::new();
    chunks::encode::<FrameError>(ChunkSize::MAX, &mut bytes, |bytes| {
        protocol::encode(message, bytes);
        Ok(())
    })
    .unwrap();
    stream.write_all(&bytes).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the keeper ends it");
    let mut chunks = ChunkReader::new(ChunkSize::MAX);
    let answer = chunks.next(&mut BytesMut::from(&answer[..]), 4096, |bytes| {
        Ok::<_, FrameError>(Progress::Message(protocol::decode(bytes).unwrap()))
    });
    match answer.unwrap() {
        Some(ToGameController::Goodbye(goodbye)) => goodbye,
        other => panic!("{other:?}"),
    }
}
