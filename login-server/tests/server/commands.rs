//! The command line, with a server that runs and without one.

use std::process::Output;

use protocol::Enrollment;
use serde_json::Value;
use tokio::process::Command;

use crate::support::{Server, within};

/// Runs the program with the data of `server`.
pub(crate) async fn command(server: &Server, arguments: &[&str]) -> Result<String, String> {
    let data_dir = server.config.data_dir.to_str().unwrap();
    let arguments = [&["--data-dir", data_dir], arguments].concat();
    let Output { status, stdout, stderr } = program(&arguments).await;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim().to_owned();
    if status.success() {
        return Ok(text(stdout));
    }
    assert_eq!(status.code(), Some(1));
    Err(text(stderr).trim_start_matches("login-server: ").to_owned())
}

/// The string for a new launcher.
pub(crate) async fn enroll(server: &Server, name: &str) -> Enrollment {
    command(server, &["launcher", "enroll", name]).await.unwrap().parse().unwrap()
}

pub(crate) async fn program(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_login-server"));
    let command = command.args(arguments).env_remove("RUST_LOG").kill_on_drop(true);
    within(command.output()).await.unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

#[actix::test]
async fn a_launcher_is_enrolled_while_the_server_runs() {
    let server = Server::start().await;
    let enrollment = enroll(&server, "ours").await;
    assert_eq!(enrollment.address, server.addr.to_string());
    let told = ["launcher", "enroll", "ours", "--address", "play.example:1234"];
    let enrollment: Enrollment = command(&server, &told).await.unwrap().parse().unwrap();
    assert_eq!(enrollment.address, "play.example:1234");
    let no_name = command(&server, &["launcher", "enroll", "a b"]).await.unwrap_err();
    assert!(no_name.contains("may not stand in a name"), "{no_name}");
    let no_address = ["launcher", "enroll", "ours", "--address", "nowhere"];
    let no_address = command(&server, &no_address).await.unwrap_err();
    assert_eq!(no_address, "\"nowhere\" is not HOST:PORT");
    let unknown = command(&server, &["launcher", "revoke", "other"]).await.unwrap_err();
    assert!(unknown.contains("no launcher"), "{unknown}");
    server.stop().await;
}

#[actix::test]
async fn a_launcher_is_enrolled_while_no_server_runs() {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = directory.path().join("data");
    let base = ["--data-dir", data_dir.to_str().unwrap(), "--json", "launcher"];
    let output = program(&[&base, &["enroll", "ours"][..]].concat()).await;
    let invitation: Value = serde_json::from_slice(&output.stdout).unwrap();
    let enrollment: Enrollment = invitation["enrollment"].as_str().unwrap().parse().unwrap();
    assert_eq!(enrollment.address, "127.0.0.1:9000");
    let revoked = program(&[&base, &["revoke", "ours"][..]].concat()).await;
    assert!(revoked.status.success());
    let nothing = program(&[&base, &["list"][..]].concat()).await;
    assert!(nothing.status.success());
    assert_eq!(stdout(&nothing), "");

    let server = Server::start_in(directory.path()).await;
    assert_eq!(enroll(&server, "ours").await.pin, enrollment.pin, "it is the same server");
    server.stop().await;
}

#[actix::test]
async fn two_servers_do_not_share_their_data() {
    let server = Server::start().await;
    let error = command(&server, &["--listen", "127.0.0.1:0"]).await.unwrap_err();
    assert!(error.contains("is in use by process"), "{error}");
    server.stop().await;
}

#[actix::test]
async fn a_port_that_is_taken_is_named() {
    let server = Server::start().await;
    let directory = tempfile::tempdir().unwrap();
    let (data_dir, addr) = (directory.path().join("data"), server.addr.to_string());
    let output = program(&["--data-dir", data_dir.to_str().unwrap(), "--listen", &addr]).await;
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains(&format!("cannot listen at {addr}")), "{error}");
    server.stop().await;
}

#[actix::test]
async fn wrong_usage_and_wrong_configuration_are_exit_code_2() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.toml");
    std::fs::write(&path, "[limits]\nmax_conections = 3\n").unwrap();
    let config = ["--config", path.to_str().unwrap(), "check-config"];
    for arguments in [&config[..], &["--nonsense"], &["--listen", "here"], &["--log", "a=b=c"]] {
        let output = program(arguments).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty());
    }
    std::fs::write(&path, "[limits]\nmax_connections = 3\n").unwrap();
    let output = program(&config).await;
    assert!(output.status.success());
    assert!(stdout(&output).contains("max_connections = 3"));
    assert!(stdout(&output).contains("listen = \"0.0.0.0:9000\""));
}

#[actix::test]
async fn completions_are_printed() {
    let output = program(&["completion", "bash"]).await;
    assert!(stdout(&output).contains("complete -F _login__server"));
}

#[actix::test]
async fn the_help_of_a_command_names_what_matters_to_it() {
    let run = program(&["run", "--help"]).await;
    assert!(stdout(&run).contains("--listen") && stdout(&run).contains("--data-dir"));
    for arguments in [&["launcher", "list"][..], &["server", "kick"], &["completion"]] {
        let output = program(&[arguments, &["--help"]].concat()).await;
        assert!(stdout(&output).contains("--data-dir"), "{arguments:?}");
        for irrelevant in ["--listen", "--ready-file", "--log-format"] {
            assert!(!stdout(&output).contains(irrelevant), "{arguments:?}: {irrelevant}");
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let data_dir = directory.path().join("data");
    let listen = ["--listen", "127.0.0.1:1234", "--data-dir", data_dir.to_str().unwrap()];
    for arguments in [
        [&["launcher", "enroll", "ours"][..], &listen].concat(),
        [&listen, &["launcher", "enroll", "ours"][..]].concat(),
    ] {
        let output = program(&arguments).await;
        assert!(stdout(&output).contains("127.0.0.1:1234"), "it counts all the same");
    }
}
