//! What the command line says before anything runs.

use rustix::process::Signal;

use crate::launcher::{Launcher, ONE_SERVER};

#[test]
fn a_mistake_is_said_with_its_line_and_exit_code() {
    let config = ONE_SERVER.replace("title", "titel");
    let launcher = Launcher::new(&config);
    for command in ["check-config", "run"] {
        let output = launcher.command(&[command]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains("config.toml:5: "), "{error}");
        assert!(error.contains("did you mean `title`?"), "{error}");
    }
    assert_eq!(launcher.command(&["no-such-command"]).status.code(), Some(2));
}

#[test]
fn a_game_that_is_not_installed_is_named_with_its_packages() {
    let config = ONE_SERVER.replace("max_players", "program = \"/nowhere\"\nmax_players");
    let launcher = Launcher::new(&config);
    let output = launcher.command(&["check-config"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("/nowhere is missing: apt install openttd"), "{error}");
}

#[test]
fn the_result_of_a_configuration_is_printed() {
    let launcher = Launcher::new(ONE_SERVER);
    let output = launcher.command(&["check-config", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    let server: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(server["name"], "one");
    assert_eq!(server["bind"], "127.0.0.1");
}

#[actix::test]
async fn two_launchers_do_not_share_a_data_directory() {
    let mut launcher = Launcher::new("");
    launcher.start();
    launcher.until_written("ready.json", "servers").await;
    let output = launcher.command(&["run"]);
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("a launcher (process"), "{error}");
    assert_eq!(launcher.end(Signal::TERM).await.code(), Some(0));
}
