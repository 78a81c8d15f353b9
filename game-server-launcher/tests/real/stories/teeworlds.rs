//! The life of a real Teeworlds server.

use std::time::Duration;

use protocol::{Admission, ServerState, Text, ToLauncher};
use rustix::process::Signal;

use crate::{
    launcher::{Launcher, send},
    login_server::LoginServer,
    teeworlds_client::TeeworldsClient,
};

const CONFIG: &str = r#"
[[server]]
name = "one"
game = "teeworlds"
title = "Fast \"and\" friendly"
bind = "127.0.0.1"
max_players = 1
[server.teeworlds]
game_type = "ctf"
maps = ["ctf2", "ctf3"]
"#;

const GAME_LOG: &str = "data/servers/one/game.log";

async fn ready() -> (LoginServer, Launcher) {
    for program in ["/usr/games/teeworlds-server", "/usr/games/teeworlds"] {
        let there = std::path::Path::new(program).is_file();
        assert!(there, "{program} is missing: apt install teeworlds-server teeworlds");
    }
    let mut login = LoginServer::start().await;
    let launcher = Launcher::enrolled(CONFIG, &login).await;
    login.until_state(ServerState::Ready).await;
    (login, launcher)
}

#[actix::test]
async fn a_player_is_seen_entering_speaking_and_being_thrown_out() {
    let (mut login, launcher) = ready().await;
    let (server, known) = login.server();
    assert_eq!((known.game.as_str(), known.map.as_str()), ("teeworlds", "ctf2"));
    assert_eq!((known.title.as_str(), known.max_players), ("Fast \"and\" friendly", 1));

    let (secret, port) = login.secret("ann").await;
    let ann = enters(&mut login, &launcher, "ann", port, &secret).await;
    assert_eq!(login.admit("bob").await, Admission::Full);

    let (speaker, text) = (Text::lossy("bob"), Text::lossy("hello \"ann\"; shutdown"));
    login.send(ToLauncher::Say { server, speaker, text });
    launcher.until_written(GAME_LOG, "*** bob: hello 'ann'; shutdown").await;
    // A client that has just joined may not listen to its keyboard yet.
    for _ in 0..10 {
        ann.says("here I am");
        let said = |login: &LoginServer| login.said.contains(&("ann".into(), "here I am".into()));
        if login.sees(Duration::from_secs(3), said).await {
            break;
        }
    }
    assert!(login.said.contains(&("ann".into(), "here I am".into())), "{:?}", login.said);

    let player = *login.server().1.players.keys().next().unwrap();
    login.send(ToLauncher::Kick { server, player, reason: Text::lossy("be \"nice\"; really") });
    login.until_players(&[]).await;
    launcher.until_written("ann.log", "Kicked (be 'nice'; really)").await;

    let log = std::fs::read_to_string(launcher.path().join(GAME_LOG)).unwrap();
    assert!(!log.contains(&secret), "secrets are not logged");
}

#[actix::test]
async fn who_has_no_secret_or_an_old_one_stays_outside() {
    let (mut login, launcher) = ready().await;
    let (secret, port) = login.secret("ann").await;
    let _guess = TeeworldsClient::join(launcher.path(), "guess", port, "guess");
    launcher.until_written("guess.log", "Wrong password").await;

    let (server, player) = (login.server().0, Text::lossy("ann"));
    login.send(ToLauncher::Dismiss { server, player });
    let (next, _) = login.secret("bob").await;
    assert_ne!(secret, next);
    let _late = TeeworldsClient::join(launcher.path(), "late", port, &secret);
    launcher.until_written("late.log", "Wrong password").await;
}

#[actix::test]
async fn a_server_that_is_killed_or_hangs_is_started_again_and_one_that_is_stopped_says_so() {
    let mut login = LoginServer::start().await;
    let config = format!("{CONFIG}[server.limits]\nsilent_after = 2\nhung_after = 4\n");
    let mut launcher = Launcher::enrolled(&config, &login).await;
    for signal in [Signal::KILL, Signal::STOP] {
        login.until_state(ServerState::Ready).await;
        send(launcher.pid("pid"), signal);
        login.until_state(ServerState::Restarting).await;
    }
    login.until_state(ServerState::Ready).await;
    assert_eq!(launcher.end(Signal::TERM).await.code(), Some(0));
    login.until_state(ServerState::Stopped).await;
    let log = std::fs::read_to_string(launcher.path().join(GAME_LOG)).unwrap();
    assert!(log.contains("Closing console"), "it was told to stop:\n{log}");
}

/// Lets a player in. A client on a busy machine may give up connecting, and does not try again.
async fn enters(
    login: &mut LoginServer,
    launcher: &Launcher,
    name: &str,
    port: u16,
    secret: &str,
) -> TeeworldsClient {
    for _ in 0..4 {
        let client = TeeworldsClient::join(launcher.path(), name, port, secret);
        let is_in = |login: &LoginServer| {
            login.servers.values().any(|s| s.players.values().any(|player| player == name))
        };
        if login.sees(Duration::from_secs(20), is_in).await {
            return client;
        }
    }
    panic!("{name} does not get in; known: {:#?}", login.servers);
}
