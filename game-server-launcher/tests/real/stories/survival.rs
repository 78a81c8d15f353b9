//! Who survives whom.

use std::time::Duration;

use protocol::ServerState;
use rustix::process::Signal;

use crate::{
    launcher::{Launcher, ONE_SERVER, runs, send, until_gone},
    login_server::LoginServer,
};

async fn ready() -> (LoginServer, Launcher) {
    let mut login = LoginServer::start().await;
    let launcher = Launcher::enrolled(ONE_SERVER, &login).await;
    login.until_state(ServerState::Ready).await;
    (login, launcher)
}

#[actix::test]
async fn a_game_that_is_killed_is_ready_again_with_the_same_secret() {
    let (mut login, launcher) = ready().await;
    let (secret, port) = login.secret("ann").await;
    let (game, keeper) = (launcher.pid("pid"), launcher.pid("keeper_pid"));
    send(game, Signal::KILL);
    login.until_state(ServerState::Restarting).await;
    login.until_state(ServerState::Ready).await;
    assert_ne!(launcher.pid("pid"), game);
    assert_eq!(launcher.pid("keeper_pid"), keeper);
    assert_eq!(login.secret("ann").await, (secret.clone(), port));
    let _ann = login.enters(launcher.path(), "ann", port, &secret).await;
    login.until_players(&["ann"]).await;
}

#[actix::test]
async fn a_keeper_that_is_killed_takes_its_game_along_and_both_are_started_again() {
    let (mut login, launcher) = ready().await;
    let (game, keeper) = (launcher.pid("pid"), launcher.pid("keeper_pid"));
    send(keeper, Signal::KILL);
    until_gone(game).await;
    login.until_state(ServerState::Restarting).await;
    login.until_state(ServerState::Ready).await;
    assert_ne!(launcher.pid("pid"), game);
    assert_ne!(launcher.pid("keeper_pid"), keeper);
}

#[actix::test]
async fn a_launcher_that_is_killed_finds_its_game_and_its_players_again() {
    let (mut login, mut launcher) = ready().await;
    let (secret, port) = login.secret("ann").await;
    let mut ann = login.enters(launcher.path(), "ann", port, &secret).await;
    login.until_players(&["ann"]).await;
    let id = login.server().0;
    let (game, keeper) = (launcher.pid("pid"), launcher.pid("keeper_pid"));
    launcher.end(Signal::KILL).await;
    assert!(runs(game) && runs(keeper));

    // Without a launcher the keeper still restarts nothing that runs, and answers who asks.
    assert_eq!(launcher.status()["players"], serde_json::json!(["ann"]));
    launcher.start();
    login.until("a second snapshot", |login| login.snapshots == 2).await;
    login.until_players(&["ann"]).await;
    assert_eq!(login.server().0, id);
    assert_eq!(login.server().1.states, [ServerState::Ready], "it was ready all the time");
    assert_eq!((launcher.pid("pid"), launcher.pid("keeper_pid")), (game, keeper));
    assert!(ann.runs());
    drop(ann);
    login.until_players(&[]).await;
}

#[actix::test]
async fn a_keeper_without_a_launcher_restarts_its_game() {
    let (_login, mut launcher) = ready().await;
    let game = launcher.pid("pid");
    launcher.end(Signal::KILL).await;
    send(game, Signal::KILL);
    let log = "data/servers/one/keeper.log";
    launcher.until_written(log, "crashed: signal 9").await;
    let ready_again = async {
        while launcher.status()["state"] != "Ready" {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(crate::LIMIT, ready_again).await.expect("the game is ready again");
    assert_ne!(launcher.pid("pid"), game);
}

#[actix::test]
async fn a_login_server_that_is_gone_is_told_everything_when_it_is_back() {
    let (mut login, launcher) = ready().await;
    let (secret, port) = login.secret("ann").await;
    let mut ann = login.enters(launcher.path(), "ann", port, &secret).await;
    login.die().await;
    launcher.until_written("launcher.log", "the login server is gone").await;
    assert!(login.servers.is_empty());
    login.begin(true).await;
    login.until_players(&["ann"]).await;
    assert_eq!(login.server().1.state, Some(ServerState::Ready));
    assert!(ann.runs());
}

#[actix::test]
async fn a_keeper_that_hangs_is_killed_with_its_game_and_both_are_started_again() {
    let (mut login, launcher) = ready().await;
    let (game, keeper) = (launcher.pid("pid"), launcher.pid("keeper_pid"));
    send(keeper, Signal::STOP);
    login.until_state(ServerState::Unreachable).await;
    assert!(runs(game) && runs(keeper), "it may come back");
    login.until_state(ServerState::Restarting).await;
    until_gone(game).await;
    login.until_state(ServerState::Ready).await;
    assert_ne!(launcher.pid("keeper_pid"), keeper);
}

#[actix::test]
async fn a_second_keeper_of_a_game_ends_by_itself() {
    let (_login, launcher) = ready().await;
    let game = launcher.pid("pid");
    let mut keeper = tokio::process::Command::new(env!("CARGO_BIN_EXE_game-server-launcher"));
    keeper.arg("keeper").arg("--dir").arg(launcher.data_dir().join("servers/one"));
    let output = keeper.kill_on_drop(true).output();
    let output = tokio::time::timeout(Duration::from_secs(10), output).await;
    let output = output.expect("it ends").unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("another keeper has"));
    assert_eq!(launcher.pid("pid"), game);
}

#[actix::test]
async fn sigterm_stops_the_games_too() {
    let (mut login, mut launcher) = ready().await;
    let (game, keeper) = (launcher.pid("pid"), launcher.pid("keeper_pid"));
    let status = launcher.end(Signal::TERM).await;
    assert_eq!(status.code(), Some(0), "{status}");
    assert!(!runs(game) && !runs(keeper));
    for log in ["launcher.log", "data/servers/one/keeper.log"] {
        let log = std::fs::read_to_string(launcher.path().join(log)).unwrap();
        assert!(!log.contains("WARN"), "{log}");
    }
    login.until_state(ServerState::Stopped).await;
    assert_eq!(launcher.status()["state"], serde_json::Value::Null);
}

#[actix::test]
async fn sigusr2_leaves_the_games_alone() {
    let (_login, mut launcher) = ready().await;
    let game = launcher.pid("pid");
    let status = launcher.end(Signal::USR2).await;
    assert_eq!(status.code(), Some(0), "{status}");
    assert_eq!(launcher.status()["state"], "Ready");
    assert_eq!(launcher.pid("pid"), game);
    launcher.start();
    launcher.until_written("ready.json", "spki_fingerprint").await;
    assert_eq!(launcher.end(Signal::TERM).await.code(), Some(0));
    until_gone(game).await;
}

#[actix::test]
async fn a_server_that_is_no_longer_wanted_is_stopped() {
    let (_login, mut launcher) = ready().await;
    let (game, keeper) = (launcher.pid("pid"), launcher.pid("keeper_pid"));
    launcher.end(Signal::USR2).await;
    launcher.configure("");
    launcher.start();
    until_gone(game).await;
    until_gone(keeper).await;
    launcher.until_written("ready.json", r#""servers":{}"#).await;
}

#[actix::test]
async fn a_game_that_hangs_is_killed_and_started_again() {
    let mut login = LoginServer::start().await;
    let config = ONE_SERVER
        .replace("max_players", "limits = { silent_after = 1, hung_after = 3 }\nmax_players");
    let launcher = Launcher::enrolled(&config, &login).await;
    login.until_state(ServerState::Ready).await;
    let game = launcher.pid("pid");
    send(game, Signal::STOP);
    launcher.until_written("data/servers/one/keeper.log", "no answer for 1 s").await;
    login.until_state(ServerState::Restarting).await;
    until_gone(game).await;
    login.until_state(ServerState::Ready).await;
}

#[actix::test]
async fn a_game_that_always_crashes_is_given_up_with_its_last_words() {
    let mut login = LoginServer::start().await;
    let config = ONE_SERVER.replace(
        "max_players",
        "program = \"/bin/uname\"\nlimits = { max_crashes = 2, first_pause = 0.1 }\nmax_players",
    );
    let launcher = Launcher::enrolled(&config, &login).await;
    login.until_state(ServerState::Failed).await;
    let status = launcher.status();
    assert!(status["trouble"].as_str().unwrap().starts_with("crashed 2 times"), "{status}");
    launcher.until_written("launcher.log", "uname: ").await;
}
