//! The program itself, ended in every way.

use std::{net::SocketAddr, process::Stdio};

use connection_handler::transport::keys::Trust;
use login_server::Config;
use protocol::{Goodbye, ToGameClient};
use tokio::process::{Child, Command};

use crate::support::{LIMIT, PASSWORD, goodbye, greeted, log_in, ready, register, within};

/// The program, with its data in `config`.
async fn start(config: &Config) -> (Child, SocketAddr, Trust) {
    start_with(config, &[]).await
}

/// The program, with its data in `config` and more arguments.
pub(crate) async fn start_with(config: &Config, arguments: &[&str]) -> (Child, SocketAddr, Trust) {
    let file = config.ready_file.as_ref().unwrap();
    let _ = std::fs::remove_file(file);
    let mut child = Command::new(env!("CARGO_BIN_EXE_login-server"))
        .arg("--data-dir")
        .arg(&config.data_dir)
        .arg("--listen")
        .arg(config.listen[0].to_string())
        .arg("--ready-file")
        .arg(file)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let (addr, trust) = ready(file, || child.try_wait().unwrap().is_some()).await;
    (child, addr, trust)
}

fn config(directory: &tempfile::TempDir) -> Config {
    Config {
        data_dir: directory.path().join("data"),
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        ready_file: Some(directory.path().join("ready.json")),
        ..Default::default()
    }
}

#[actix::test]
async fn a_killed_server_is_back_at_once_on_its_port_with_every_account() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(&directory);
    let (mut server, addr, trust) = start(&config).await;
    let mut players = Vec::new();
    for name in ["ann", "bob", "cem"] {
        let mut player = greeted(addr, &trust).await;
        player.send(register(name, PASSWORD)).await;
        player.logged_in().await;
        players.push(player);
    }
    server.kill().await.unwrap();
    config.listen = vec![addr];
    let (_server, again, same) = start(&config).await;
    assert_eq!(again, addr);
    assert!(matches!((&same, &trust), (Trust::Pins(same), Trust::Pins(pins)) if same == pins));
    for name in ["ann", "bob", "cem"] {
        let mut player = greeted(addr, &trust).await;
        player.send(log_in(name, PASSWORD)).await;
        player.logged_in().await;
    }
}

#[actix::test]
async fn sigterm_and_sigint_end_it_with_goodbye_and_exit_code_0() {
    for signal in ["TERM", "INT"] {
        let directory = tempfile::tempdir().unwrap();
        let (mut server, addr, trust) = start(&config(&directory)).await;
        let mut player = greeted(addr, &trust).await;
        player.send(register("ann", PASSWORD)).await;
        player.logged_in().await;
        let pid = server.id().unwrap().to_string();
        let kill = Command::new("kill").arg(format!("-{signal}")).arg(pid).status();
        assert!(within(kill).await.unwrap().success());
        assert!(matches!(goodbye(&player.rest().await), Goodbye::ComeBack { .. }));
        let status = tokio::time::timeout(LIMIT, server.wait()).await.unwrap().unwrap();
        assert_eq!(status.code(), Some(0), "{signal}");
        let socket = directory.path().join("data/control.sock");
        assert!(!socket.exists(), "what nobody listens at is not left behind");
    }
}

#[actix::test]
async fn silent_and_slow_connections_do_not_keep_others_out() {
    let directory = tempfile::tempdir().unwrap();
    let (_server, addr, trust) = start(&config(&directory)).await;
    // As many as one address may have, and none of them says a word.
    let mut silent = Vec::new();
    for _ in 0..120 {
        silent.push(within(tokio::net::TcpStream::connect(addr)).await.unwrap());
    }
    let mut player = greeted(addr, &trust).await;
    player.send(register("ann", PASSWORD)).await;
    assert!(matches!(player.receive().await, ToGameClient::LoggedIn(_)));
}
