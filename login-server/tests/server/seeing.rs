//! What an operator sees of a server that runs: over its real socket, with the real program.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use protocol::{Channel, FromGameClient, Text, ToGameClient};
use serde_json::Value;

use crate::{
    commands::command,
    launchers::enrolled,
    support::{PASSWORD, REQUEST, Server},
};

#[actix::test]
async fn the_status_counts_who_is_here() {
    let server = Server::start().await;
    let (_ann, _) = server.registered("ann").await;
    let _stranger = server.client().await;
    let status = json(&command(&server, &["--json", "status"]).await.unwrap());
    assert_eq!(status["event"], "status");
    assert_eq!((&status["game_clients"], &status["sessions"]), (&2.into(), &1.into()));
    assert_eq!((&status["launchers"], &status["servers"]), (&0.into(), &0.into()));
    assert_eq!(status["capture"], Value::Null);
    let text = command(&server, &["status"]).await.unwrap();
    assert!(text.contains("game clients\t2\nsessions\t1\n"), "{text}");
    server.stop().await;
}

#[actix::test]
async fn the_metrics_count_what_was_said_by_kind() {
    let server = Server::start().await;
    let (_ann, _) = server.registered("ann").await;
    let text = command(&server, &["metrics"]).await.unwrap();
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse::<f64>().unwrap()
    };
    let messages = "connection_handler_messages_total";
    assert!(value(&format!("{messages}{{kind=\"GameClient\",direction=\"in\"}}")) >= 2.0);
    assert!(value("connection_handler_open{kind=\"GameClient\",transport=\"quic\"}") >= 1.0);
    assert!(text.contains("# TYPE connection_handler_batch_messages histogram"), "{text}");
    server.stop().await;
}

#[actix::test]
async fn a_capture_shows_what_was_said_and_no_secret() {
    let server = Server::start().await;
    let file = command(&server, &["capture", "start", "--kind", "game-client"]).await.unwrap();
    let again = command(&server, &["capture", "start"]).await.unwrap_err();
    assert!(again.contains("stop it first"), "{again}");
    let status = json(&command(&server, &["--json", "status"]).await.unwrap());
    assert_eq!(status["capture"], *file);

    let (mut ann, logged_in) = server.registered("ann").await;
    ann.send(FromGameClient::Chat {
        request: REQUEST,
        channel: Channel::Lobby,
        text: Text::lossy("between us"),
    })
    .await;
    assert!(matches!(ann.receive().await, ToGameClient::Said(_)));
    let _home = enrolled(&server, "home").await;

    assert_eq!(command(&server, &["capture", "stop"]).await.unwrap(), file);
    let stopped = command(&server, &["capture", "stop"]).await.unwrap_err();
    assert_eq!(stopped, "nothing is being captured");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let path = Path::new(&file);
    assert!(path.starts_with(&server.config.data_dir));
    assert_eq!((mode(path), mode(path.parent().unwrap())), (0o600, 0o700));
    let bytes = fs::read(path).unwrap();
    let token = logged_in.token.0;
    for secret in [PASSWORD.as_bytes(), b"between us", &token] {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret), "{secret:?}");
    }

    let shown = command(&server, &["--json", "capture", "show", &file]).await.unwrap();
    let records: Vec<_> = shown.lines().map(json).collect();
    let found = |name: &str, value: &str| records.iter().find(|record| record[name] == value);
    assert!(found("kind", "Hello").unwrap()["message"]["Hello"]["program"].is_string());
    for redacted in ["Register", "LoggedIn", "Chat", "Said"] {
        let record = found("kind", redacted).unwrap_or_else(|| panic!("{redacted} in {shown}"));
        assert_eq!(record["message"], "redacted");
    }
    assert!(records.iter().all(|record| record["kind"] != "Launcher"), "{shown}");
    assert_eq!(records.last().unwrap()["reason"], "stopped");
    let text = command(&server, &["capture", "show", &file]).await.unwrap();
    assert!(text.contains("message bytes="), "{text}");
    server.stop().await;
}

#[actix::test]
async fn a_capture_of_one_peer_shows_that_peer_only() {
    let server = Server::start().await;
    let all = command(&server, &["capture", "start"]).await.unwrap();
    let (mut ann, _) = server.registered("ann").await;
    let (mut bob, _) = server.registered("bob").await;
    command(&server, &["capture", "stop"]).await.unwrap();
    let shown = command(&server, &["--json", "capture", "show", &all]).await.unwrap();
    let peers: Vec<_> = shown.lines().map(json).filter(|r| r["event"] == "connected").collect();
    assert_eq!(peers.len(), 2, "{shown}");

    let first = format!("#{}", peers[0]["peer"]);
    let one = command(&server, &["capture", "start", "--peer", &first]).await.unwrap();
    assert_ne!(one, all);
    for client in [&mut ann, &mut bob] {
        client.send(FromGameClient::Ping { nonce: 7 }).await;
        assert_eq!(client.receive().await, ToGameClient::Pong { nonce: 7 });
    }
    command(&server, &["capture", "stop"]).await.unwrap();
    let shown = command(&server, &["--json", "capture", "show", &one]).await.unwrap();
    let records: Vec<_> = shown.lines().map(json).collect();
    let pings = records.iter().filter(|record| record["kind"] == "Ping").count();
    assert_eq!(pings, 1, "{shown}");
    let of_others =
        |record: &&Value| record["peer"] != peers[0]["peer"] && record["event"] != "end";
    assert_eq!(records.iter().filter(of_others).count(), 0, "{shown}");
    server.stop().await;
}

#[actix::test]
async fn a_capture_ends_with_its_size_and_with_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_in(directory.path()).await;
    let full = command(&server, &["capture", "start", "--max-mib", "0"]).await.unwrap();
    let _ann = server.registered("ann").await;
    let next = command(&server, &["capture", "start"]).await.unwrap();
    let data = server.config.data_dir.clone();
    server.stop().await;
    let end = |file: &str| {
        let show = ["--json", "--data-dir", data.to_str().unwrap(), "capture", "show", file];
        let show =
            std::process::Command::new(env!("CARGO_BIN_EXE_login-server")).args(show).output();
        let shown = String::from_utf8(show.unwrap().stdout).unwrap();
        json(shown.lines().last().unwrap())["reason"].clone()
    };
    assert_eq!((end(&full), end(&next)), ("full".into(), "stopped".into()));
}

#[actix::test]
async fn what_is_no_capture_is_not_shown() {
    let server = Server::start().await;
    let file = server.config.ready_file.clone().unwrap();
    let shown = command(&server, &["capture", "show", file.to_str().unwrap()]).await;
    assert!(shown.unwrap_err().contains("not a capture"));
    server.stop().await;
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}
