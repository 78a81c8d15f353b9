//! Players of a real game, as the login server sees them.

use std::time::Duration;

use protocol::{Admission, ServerState, Text, ToLauncher};

use crate::{
    game_client::GameClient,
    launcher::{Launcher, ONE_SERVER},
    login_server::LoginServer,
};

const GAME_LOG: &str = "data/servers/one/game.log";

#[actix::test]
async fn a_server_is_listed_with_all_that_is_known_of_it() {
    let mut login = LoginServer::start().await;
    let launcher = Launcher::enrolled(ONE_SERVER, &login).await;
    login.until_state(ServerState::Ready).await;
    login.until("a date", |login| login.server().1.details.contains_key("date")).await;
    let (id, server) = login.server();
    assert_eq!(server.title, "A friendly server");
    assert_eq!(server.game, "openttd");
    assert_eq!(server.map, "64x64 temperate, seed 12345");
    assert_eq!(server.max_players, 2);
    launcher.until_written("ready.json", &server.port.unwrap().to_string()).await;
    let instance = std::fs::read(launcher.data_dir().join("servers/one/instance.json")).unwrap();
    let instance: serde_json::Value = serde_json::from_slice(&instance).unwrap();
    assert_eq!(instance["id"], id.to_string());
}

#[actix::test]
async fn a_player_is_seen_entering_and_leaving() {
    let mut login = LoginServer::start().await;
    let launcher = Launcher::enrolled(ONE_SERVER, &login).await;
    login.until_state(ServerState::Ready).await;
    let (secret, port) = login.secret("ann").await;
    let client = login.enters(launcher.path(), "ann", port, &secret).await;
    login.until_players(&["ann"]).await;
    assert_eq!(launcher.status()["players"], serde_json::json!(["ann"]));

    let (speaker, text) = (Text::lossy("bob"), Text::lossy("hello \"ann\""));
    login.send(ToLauncher::Say { server: login.server().0, speaker, text });
    launcher.until_written(GAME_LOG, "[Gatehouse] bob: hello \"ann\"").await;

    drop(client);
    login.until_players(&[]).await;
}

#[actix::test]
async fn who_has_no_secret_or_an_old_one_stays_outside() {
    let mut login = LoginServer::start().await;
    let launcher = Launcher::enrolled(ONE_SERVER, &login).await;
    login.until_state(ServerState::Ready).await;
    let (secret, port) = login.secret("ann").await;
    refused(&launcher, "guess", port, "guess").await;

    // Nobody is expected any more: the secret is replaced.
    let (server, player) = (login.server().0, Text::lossy("ann"));
    login.send(ToLauncher::Dismiss { server, player });
    let (next, _) = login.secret("bob").await;
    assert_ne!(secret, next);
    refused(&launcher, "late", port, &secret).await;
    let _bob = login.enters(launcher.path(), "bob", port, &next).await;
    login.until_players(&["bob"]).await;
    let log = || std::fs::read_to_string(launcher.path().join(GAME_LOG)).unwrap();
    assert!(!log().contains("late has joined"));
    assert!(!log().contains(&next), "secrets are not logged");
}

/// A client shows a wrong secret, and the game says so.
async fn refused(launcher: &Launcher, name: &str, port: u16, secret: &str) {
    let log = || std::fs::read_to_string(launcher.path().join(GAME_LOG)).unwrap();
    let refusals = || log().matches("wrong password").count();
    let before = refusals();
    for _ in 0..4 {
        let _client = GameClient::join(launcher.path(), name, port, secret);
        for _ in 0..400 {
            if refusals() > before {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    panic!("{name} was not refused:\n{}", log());
}

#[actix::test]
async fn a_player_is_thrown_out_and_a_full_server_takes_no_more() {
    let mut login = LoginServer::start().await;
    let config = ONE_SERVER.replace("max_players = 2", "max_players = 1");
    let launcher = Launcher::enrolled(&config, &login).await;
    login.until_state(ServerState::Ready).await;
    let (secret, port) = login.secret("ann").await;
    let _ann = login.enters(launcher.path(), "ann", port, &secret).await;
    login.until_players(&["ann"]).await;
    assert_eq!(login.admit("bob").await, Admission::Full);

    let (server, known) = login.server();
    let player = *known.players.keys().next().unwrap();
    login.send(ToLauncher::Kick { server, player, reason: Text::lossy("be \"nice\"") });
    login.until_players(&[]).await;
    launcher.until_written(GAME_LOG, "kicked by server").await;
    assert!(matches!(login.admit("bob").await, Admission::Granted { .. }));
}
