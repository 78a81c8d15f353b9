//! Another key of the login server, while everybody plays on.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use connection_handler::transport::keys::KnownKeys;
use serde_json::Value;
use tests::{Launcher, LauncherOptions, LoginServer, Player, Program, World, until};

#[test]
fn a_launcher_and_a_player_go_on_with_the_key_that_was_announced() -> Result<()> {
    let world = World::new()?;
    let mut server = world.login_server()?;
    let options = LauncherOptions { servers: Vec::new(), ..Default::default() };
    let (data, config) = Launcher::prepare(&world, &options)?;
    Launcher::enroll(&world, &data, &server.enrollment(&world, "demo")?)?;
    let launcher = Launcher::start_enrolled(&world, data, config)?;
    let ann = world.player(&server, "ann")?;
    ann.register(&world)?;
    // Both know the key of now, and hear of the next one: the one while connected, the other when
    // she connects.
    let launcher_knows = || known(&launcher.data.join("login-server.json"), "pin");
    let ann_knows = || {
        let file = fs::read_dir(&ann.profile).ok()?.flatten().map(|entry| entry.path());
        let mut json = file.filter(|path| path.extension().is_some_and(|end| end == "json"));
        known(&json.next()?, "trust")
    };
    let old = server.pin.clone();
    until("the launcher on the login server", LIMIT, || is_connected(&world, &server))?;
    ensure!(launcher_knows() == Some(old.clone()) && ann_knows() == Some(old.clone()));
    operate(&world, &server, &["key", "rotate"])?;
    until("the launcher with both keys", LIMIT, || {
        launcher_knows().is_some_and(|known| known.starts_with(&format!("{old}>")))
    })?;
    list_servers(&world, &ann)?;
    ensure!(ann_knows() == launcher_knows(), "{:?} {:?}", ann_knows(), launcher_knows());

    operate(&world, &server, &["key", "rotate", "--days", "0"])?;
    until("the next key", LIMIT, || server.process.log_text().contains("another key"))?;
    list_servers(&world, &ann)?;
    ensure!(is_connected(&world, &server), "nobody is sent away for it");
    server.kill_and_restart(&world)?;
    ensure!(server.pin != old, "it is the same key");
    until("the launcher on the login server again", LIMIT, || is_connected(&world, &server))?;
    until("the launcher with the new key alone", LIMIT, || {
        launcher_knows().as_ref() == Some(&server.pin)
    })?;
    list_servers(&world, &ann)?;
    ensure!(ann_knows() == Some(server.pin.clone()));

    // Who has not been there meanwhile is not fooled either: it is not the key they know.
    let late = ann.elsewhere(&world, "late")?;
    let (status, said) =
        late.try_run(&world, &["login", "ann", "--password-stdin"], Some(&late.password))?;
    ensure!(status.code() == Some(1), "{said:?}");
    let said = format!("{said:?}");
    ensure!(said.contains(&server.pin) && said.contains(&old), "{said}");
    Ok(())
}

/// What is remembered in `file` of the keys of a login server.
fn known(file: &Path, member: &str) -> Option<String> {
    let json: Value = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    let known: KnownKeys = json[member].as_str()?.parse().ok()?;
    Some(known.to_string())
}

/// As somebody who says nothing of keys any more.
fn list_servers(world: &World, player: &Player) -> Result<()> {
    let mut command = world.command(Program::Gatehouse)?;
    command.args(["--server", &player.server, "--profile"]).arg(&player.profile).arg("servers");
    let output = command.output().context("gatehouse")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn is_connected(world: &World, server: &LoginServer) -> bool {
    operate(world, server, &["launcher", "list"]).is_ok_and(|list| list.contains("\tconnected"))
}

fn operate(world: &World, server: &LoginServer, arguments: &[&str]) -> Result<String> {
    let mut command = world.command(Program::LoginServer)?;
    let output = command.arg("--data-dir").arg(&server.data).args(arguments).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

const LIMIT: Duration = Duration::from_secs(30);
