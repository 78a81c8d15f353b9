//! What is a player's own, from the command line: guests, sessions, passwords, copies, values, reports.

use std::{fs, os::unix::fs::PermissionsExt};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::{Event, Player, World};

/// The one event of this kind that a command says.
fn said(player: &Player, world: &World, kind: &str, arguments: &[&str]) -> Result<Event> {
    said_with(player, world, kind, arguments, None)
}

fn said_with(
    player: &Player,
    world: &World,
    kind: &str,
    arguments: &[&str],
    input: Option<&str>,
) -> Result<Event> {
    let events = player.run(world, arguments, input)?;
    let found = events.iter().find(|event| event.kind() == kind).cloned();
    found.with_context(|| format!("no {kind} among {events:?}"))
}

/// Why a command failed.
fn fails(
    player: &Player,
    world: &World,
    arguments: &[&str],
    input: Option<&str>,
) -> Result<String> {
    let (status, events) = player.try_run(world, arguments, input)?;
    ensure!(status.code() == Some(1), "{arguments:?}: {status}, said {events:?}");
    let last = events.last().context("it says why")?;
    Ok(last.text("reason").to_owned())
}

/// What `login-server` prints with `--json`, an object a line.
fn operator(world: &World, server: &tests::LoginServer, arguments: &[&str]) -> Result<Vec<Value>> {
    let mut command = world.command(tests::Program::LoginServer)?;
    command.arg("--data-dir").arg(&server.data).arg("--json").args(arguments);
    let output = command.output()?;
    ensure!(output.status.success(), "{arguments:?}: {output:?}");
    let text = String::from_utf8(output.stdout)?;
    let lines = text.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    // Where there is nothing to show, it says only that it is done.
    Ok(lines.into_iter().filter(|line| line.get("event").is_none()).collect())
}

#[test]
fn a_guest_saves_a_game_claims_a_name_and_has_it_on_another_device() -> Result<()> {
    let world = World::new()?;
    let mut server = world.login_server()?;
    let ann = world.player(&server, "ann")?;
    let guest = said(&ann, &world, "logged_in", &["guest"])?;
    ensure!(guest.text("name").starts_with('~'), "{guest:?}");
    ensure!(operator(&world, &server, &["account", "list"])?.is_empty(), "nobody is stored");
    let written = said(&ann, &world, "data_written", &["data", "set", "chess", "save", "e4"])?;
    ensure!(written.0["version"] == 1, "{written:?}");
    // The guest who has something is there after kill -9.
    server.kill_and_restart(&world)?;
    let data = said(&ann, &world, "data", &["data", "get", "chess", "save"])?;
    ensure!(data.text("text") == "e4", "{data:?}");

    let claim = ["claim", "ann", "--password-stdin"];
    let claimed = said_with(&ann, &world, "claimed", &claim, Some(&ann.password))?;
    ensure!(claimed.text("name") == "ann", "{claimed:?}");
    ensure!(fails(&ann, &world, &claim, Some(&ann.password))? == "not_a_guest");
    let elsewhere = ann.elsewhere(&world, "second")?;
    elsewhere.log_in(&world)?;
    let set = ["data", "set", "chess", "save", "d4", "--if-version", "1"];
    said(&elsewhere, &world, "data_written", &set)?;
    // The first device knows of the older one.
    let stale = ["data", "set", "chess", "save", "c4", "--if-version", "1"];
    ensure!(fails(&ann, &world, &stale, None)? == "changed");
    let key = said(&ann, &world, "data_key", &["data", "list", "chess"])?;
    ensure!(key.text("key") == "save" && key.0["version"] == 2, "{key:?}");
    Ok(())
}

#[test]
fn sessions_are_seen_and_ended_and_a_new_password_puts_everybody_else_out() -> Result<()> {
    let world = World::new()?;
    let server = world.login_server()?;
    let ann = world.player(&server, "ann")?;
    ann.register(&world)?;
    let [second, third] = ["second", "third"].map(|place| ann.elsewhere(&world, place));
    let (second, third) = (second?, third?);
    second.log_in(&world)?;
    third.log_in(&world)?;
    let sessions = ann.run(&world, &["sessions"], None)?;
    ensure!(sessions.len() == 3, "{sessions:?}");
    let this: Vec<_> = sessions.iter().filter(|session| session.0["this"] == true).collect();
    ensure!(this.len() == 1, "{sessions:?}");
    ensure!(sessions.iter().all(|s| s.text("program").starts_with("gatehouse/")), "{sessions:?}");
    // The second was opened before the third.
    let mut numbers: Vec<_> = sessions.iter().filter_map(|s| s.0["number"].as_u64()).collect();
    numbers.sort_unstable();
    let number = numbers[1].to_string();
    said(&ann, &world, "sessions_revoked", &["sessions", "revoke", &number])?;
    ensure!(fails(&second, &world, &["sessions"], None)? == "session_ended");
    ensure!(fails(&ann, &world, &["sessions", "revoke", &number], None)? == "unknown_session");
    said(&third, &world, "session", &["sessions"])?;

    let change = ["password", "--password-stdin"];
    let wrong = format!("not hers at all\n{}", "another password");
    ensure!(fails(&ann, &world, &change, Some(&wrong))? == "wrong_name_or_password");
    let right = format!("{}\nanother password", ann.password);
    said_with(&ann, &world, "password_changed", &change, Some(&right))?;
    ensure!(fails(&third, &world, &["sessions"], None)? == "session_ended");
    ensure!(ann.run(&world, &["sessions"], None)?.len() == 1);
    let login = ["login", "ann", "--password-stdin"];
    ensure!(fails(&third, &world, &login, Some(&ann.password))? == "wrong_name_or_password");
    said_with(&third, &world, "logged_in", &login, Some("another password"))?;
    said(&third, &world, "sessions_revoked", &["sessions", "revoke", "--others"])?;
    ensure!(fails(&ann, &world, &["sessions"], None)? == "session_ended");
    Ok(())
}

#[test]
fn a_player_takes_a_copy_and_is_forgotten() -> Result<()> {
    let world = World::new()?;
    let server = world.login_server()?;
    let ann = world.player(&server, "ann")?;
    ann.register(&world)?;
    let long = "x".repeat(10_000);
    for key in ["one", "two", "three", "four"] {
        said(&ann, &world, "data_written", &["data", "set", "chess", key, &long, "--if-new"])?;
    }
    let file = world.scope.path().join("ann.json");
    let name = file.to_str().context("a readable name")?;
    said(&ann, &world, "exported", &["export", name])?;
    ensure!(fs::metadata(&file)?.permissions().mode() & 0o777 == 0o600);
    let copy: Value = serde_json::from_slice(&fs::read(&file)?)?;
    ensure!(copy["account"]["name"] == "ann", "{copy}");
    ensure!(copy["data"].as_array().map(Vec::len) == Some(4), "{copy}");
    ensure!(copy["sessions"][0]["client"] != "", "{copy}");

    let delete = ["delete-account", "--password-stdin"];
    ensure!(fails(&ann, &world, &delete, Some("not hers at all"))? == "wrong_name_or_password");
    said_with(&ann, &world, "account_deleted", &delete, Some(&ann.password))?;
    ensure!(fails(&ann, &world, &["sessions"], None)? == "not_logged_in");
    ensure!(operator(&world, &server, &["account", "list"])?.is_empty());
    ann.register(&world)?;
    ensure!(ann.run(&world, &["data", "list", "chess"], None)?.is_empty(), "it is another ann");
    Ok(())
}

#[test]
fn a_report_reaches_the_operator() -> Result<()> {
    let world = World::new()?;
    let server = world.login_server()?;
    let (ann, bob) = (world.player(&server, "ann")?, world.player(&server, "bob")?);
    ann.register(&world)?;
    bob.register(&world)?;
    said(&ann, &world, "reported", &["report", "bob", "moves my pieces"])?;
    ensure!(fails(&ann, &world, &["report", "nobody", "is there"], None)? == "unknown_player");
    let reports = operator(&world, &server, &["report", "list"])?;
    ensure!(reports.len() == 1 && reports[0]["said"] == "moves my pieces", "{reports:?}");
    let progress = said(&ann, &world, "progress", &["progress", "chess"])?;
    ensure!(progress.0["matches"] == 0, "{progress:?}");
    Ok(())
}
