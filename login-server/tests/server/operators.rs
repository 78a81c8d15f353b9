//! The operator's first day: everything from the command line, while players are here and without a
//! server.

use protocol::{Channel, FromGameClient, Goodbye, Refusal, RequestId, Text, ToGameClient};
use serde_json::Value;

use crate::{
    commands::command,
    support::{Client, PASSWORD, Server, goodbye, log_in},
};

fn chat(request: u32) -> FromGameClient {
    let (request, text) = (RequestId(request), Text::lossy("hello"));
    FromGameClient::Chat { request, channel: Channel::Lobby, text }
}

/// What the command prints with `--json`, an object a line.
async fn json(server: &Server, arguments: &[&str]) -> Vec<Value> {
    let arguments = [&["--json"], arguments].concat();
    let text = command(server, &arguments).await.unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn may_log_in(server: &Server, name: &str) -> bool {
    let mut client: Client = server.client().await;
    client.send(log_in(name, PASSWORD)).await;
    matches!(client.receive().await, ToGameClient::LoggedIn(_))
}

#[actix::test]
async fn a_ban_holds_at_once_and_until_it_is_lifted() {
    let server = Server::start().await;
    let (mut ann, _) = server.registered("ann").await;
    let ban = json(&server, &["ban", "add", "ann", "cheats", "--minutes", "60"]).await;
    let rest = ann.rest().await;
    let Goodbye::Banned { until: Some(_), reason } = goodbye(&rest) else { panic!("{rest:?}") };
    assert_eq!(reason.as_str(), "cheats");
    assert!(!may_log_in(&server, "ann").await, "she is banned");
    let listed = json(&server, &["ban", "list"]).await;
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!((&listed[0]["kind"], &listed[0]["reason"]), (&"ban".into(), &"cheats".into()));

    let number = ban[0]["number"].as_str().unwrap();
    command(&server, &["ban", "lift", number]).await.unwrap();
    assert!(may_log_in(&server, "ann").await);
    let audit = json(&server, &["audit"]).await;
    let actions: Vec<_> = audit.iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["sanction-lifted", "sanctioned"]);
    server.stop().await;
}

#[actix::test]
async fn a_ban_outlives_the_server_and_an_address_is_banned_with_all_behind_it() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_in(directory.path()).await;
    let (mut ann, _) = server.registered("ann").await;
    command(&server, &["ban", "add", "127.0.0.0/8", "noise"]).await.unwrap();
    assert!(matches!(goodbye(&ann.rest().await), Goodbye::Banned { until: None, .. }));
    let config = server.config.clone();
    server.stop().await;
    let server = Server::start_with(config).await;
    assert!(!may_log_in(&server, "ann").await, "her address is banned");
    server.stop().await;
}

#[actix::test]
async fn who_is_muted_is_told_so() {
    let server = Server::start().await;
    let (mut ann, _) = server.registered("ann").await;
    command(&server, &["ban", "add", "ann", "noise", "--kind", "mute"]).await.unwrap();
    ann.send(chat(1)).await;
    assert_eq!(ann.refused().await, Refusal::Muted { until: None });
    // Also after she has come again.
    let mut ann = server.client().await;
    ann.send(log_in("ann", PASSWORD)).await;
    ann.logged_in().await;
    ann.send(chat(1)).await;
    assert_eq!(ann.refused().await, Refusal::Muted { until: None });
    server.stop().await;
}

#[actix::test]
async fn sessions_are_listed_and_ended_and_accounts_shown_renamed_and_erased() {
    let server = Server::start().await;
    let (mut ann, _) = server.registered("ann").await;
    let sessions = json(&server, &["session", "list", "ann"]).await;
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    let number = sessions[0]["session"].as_str().unwrap();
    command(&server, &["session", "revoke", "ann", number]).await.unwrap();
    assert_eq!(goodbye(&ann.rest().await), &Goodbye::Revoked);
    assert_eq!(json(&server, &["account", "list"]).await.len(), 1);
    command(&server, &["account", "rename", "ann", "eve"]).await.unwrap();
    assert!(may_log_in(&server, "eve").await);
    let file = server.config.data_dir.join("eve.json");
    command(&server, &["account", "export", "eve", file.to_str().unwrap()]).await.unwrap();
    assert!(std::fs::read_to_string(&file).unwrap().contains("eve"));
    command(&server, &["account", "erase", "eve", "--yes"]).await.unwrap();
    assert!(!may_log_in(&server, "eve").await);
    let unknown = command(&server, &["account", "show", "eve"]).await.unwrap_err();
    assert_eq!(unknown, "there is no account eve");
    server.stop().await;
}

#[actix::test]
async fn an_operator_is_made_and_a_backup_brings_everything_back() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_in(directory.path()).await;
    server.registered("ann").await;
    command(&server, &["operator", "add", "ann"]).await.unwrap();
    let shown = json(&server, &["account", "show", "ann"]).await;
    assert_eq!(shown[0]["role"], "operator");
    let file = directory.path().join("backup");
    let file = file.to_str().unwrap();
    command(&server, &["backup", file]).await.unwrap();
    command(&server, &["account", "erase", "ann", "--yes"]).await.unwrap();
    let running = command(&server, &["restore", file]).await.unwrap_err();
    assert!(running.contains("in use") || running.contains("another"), "{running}");
    let config = server.config.clone();
    server.stop().await;
    let data_dir = config.data_dir.to_str().unwrap();
    let restored = crate::commands::program(&["--data-dir", data_dir, "restore", file]).await;
    assert!(restored.status.success(), "{restored:?}");
    let server = Server::start_with(config).await;
    assert!(may_log_in(&server, "ann").await);
    server.stop().await;
}
