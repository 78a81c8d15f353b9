//! What scripts rely on: flags, files, signals and exit codes.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use anyhow::Result;
use serde_json::Value;
use tests::{Launcher, LauncherOptions, Process, Program, Stdio, World};

#[test]
fn every_program_explains_itself() -> Result<()> {
    let world = World::new()?;
    for program in Program::ALL {
        let output = run(world.command(program)?.arg("--help"))?;
        assert_eq!(output.status.code(), Some(0), "{program:?}");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("Usage:") && text.contains("--help"), "{program:?}: {text}");
        let version = run(world.command(program)?.arg("--version"))?;
        let expected = format!("{} {}\n", program.name(), env!("CARGO_PKG_VERSION"));
        assert_eq!(String::from_utf8_lossy(&version.stdout), expected);
    }
    Ok(())
}

#[test]
fn wrong_usage_is_exit_code_2() -> Result<()> {
    let world = World::new()?;
    for program in Program::ALL {
        for arguments in [&["--no-such-flag"][..], &["no-such-command"]] {
            let output = run(world.command(program)?.args(arguments))?;
            assert_eq!(output.status.code(), Some(2), "{program:?} {arguments:?}");
            assert!(!output.stderr.is_empty(), "{program:?} {arguments:?} says nothing");
        }
    }
    Ok(())
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest_known_one() -> Result<()> {
    let world = World::new()?;
    for (program, text, line, nearest) in [
        (Program::LoginServer, "# ours\nlisen = \"127.0.0.1:0\"\n", "2", "listen"),
        (
            Program::Launcher,
            "[[server]]\nname = \"a\"\ngame = \"openttd\"\n\nmax_plaiers = 3\n",
            "5",
            "max_players",
        ),
    ] {
        let config = world.scope.path().join("unknown.toml");
        fs::write(&config, text)?;
        let output = check_config(&world, program, &config)?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{program:?}: {said}");
        assert!(said.contains(line) && said.contains(nearest), "{program:?}: {said}");
    }
    Ok(())
}

#[test]
fn a_right_configuration_is_shown() -> Result<()> {
    let world = World::new()?;
    for (program, text) in [
        (Program::LoginServer, "listen = \"127.0.0.1:9123\"\n"),
        (Program::Launcher, "[[server]]\nname = \"a\"\ngame = \"openttd\"\nport = 9123\n"),
    ] {
        let config = world.scope.path().join("right.toml");
        fs::write(&config, text)?;
        let output = check_config(&world, program, &config)?;
        let shown = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{program:?}: {:?}", output.stderr);
        assert!(shown.contains("9123"), "{program:?}: {shown}");
    }
    Ok(())
}

#[test]
fn the_login_server_says_where_it_is_and_sigterm_ends_it_with_0() -> Result<()> {
    let world = World::new()?;
    let mut server = world.login_server()?;
    let ready = fs::read_to_string(world.scope.path().join("login-server.ready"))?;
    let ready: Value = serde_json::from_str(&ready)?;
    let mut keys: Vec<_> = ready.as_object().into_iter().flatten().map(|(key, _)| key).collect();
    keys.sort();
    assert_eq!(keys, ["game_clients", "launchers", "listen", "spki_fingerprint"]);
    assert_ne!(server.address.port(), 0);
    assert!(server.pin.strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64));
    assert_eq!(server.process.stop(ENDS)?.code(), Some(0), "{}", server.process.report());
    Ok(())
}

#[test]
fn sigterm_ends_the_launcher_and_its_games_with_0() -> Result<()> {
    let world = World::new()?;
    let server = world.login_server()?;
    let mut launcher = Launcher::start(&world, &server, &LauncherOptions::default())?;
    assert_ne!(launcher.game_address("openttd")?.port(), 0);
    assert!(launcher.ready["spki_fingerprint"].as_str().is_some_and(|f| f.starts_with("sha256:")));
    assert_eq!(launcher.process.stop(ENDS)?.code(), Some(0), "{}", launcher.process.report());
    let data = launcher.data.to_string_lossy().into_owned();
    let left: Vec<_> =
        world.scope.processes().into_iter().filter(|p| p.1.contains(&data)).collect();
    assert!(left.is_empty(), "still there: {left:?}");
    Ok(())
}

#[test]
fn a_second_login_server_on_the_same_data_is_refused() -> Result<()> {
    let world = World::new()?;
    let mut first = world.login_server()?;
    let mut second = world.command(Program::LoginServer)?;
    second.args(["--listen", "127.0.0.1:0", "--data-dir"]).arg(&first.data);
    refuses_to_start(&world, &first.data, second)?;
    assert!(first.process.runs());
    Ok(())
}

#[test]
fn a_second_launcher_on_the_same_data_is_refused() -> Result<()> {
    let world = World::new()?;
    let server = world.login_server()?;
    let mut first = Launcher::start(&world, &server, &LauncherOptions::default())?;
    let mut second = world.command(Program::Launcher)?;
    second.arg("--data-dir").arg(&first.data);
    second.arg("--config").arg(world.scope.path().join("launcher.toml"));
    refuses_to_start(&world, &first.data, second)?;
    assert!(first.process.runs());
    Ok(())
}

#[track_caller]
fn refuses_to_start(world: &World, data: &Path, command: Command) -> Result<()> {
    let data = data.to_str().expect("a temporary directory has a readable name");
    let mut process = Process::start(&world.scope, "second", command, Stdio::Log)?;
    let status = process.wait(ENDS)?;
    let said = process.log_text();
    assert!(matches!(status.code(), Some(1 | 2)), "{status}: {said}");
    assert!(said.contains(data), "does not name {data}: {said}");
    Ok(())
}

fn check_config(world: &World, program: Program, config: &Path) -> Result<Output> {
    run(world.command(program)?.arg("--config").arg(config).arg("check-config"))
}

fn run(command: &mut Command) -> Result<Output> {
    Ok(command.stdin(std::process::Stdio::null()).output()?)
}

const ENDS: Duration = Duration::from_secs(20);
