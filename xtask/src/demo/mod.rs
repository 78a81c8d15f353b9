//! `cargo demo`: the whole of it on one machine, told as it happens.

mod ending;
mod story;
mod teller;

use std::{env, process::ExitCode, thread, time::Duration};

use anyhow::{Result, bail};
use clap::Args;
use tests::{Launcher, LoginServer, Program, World};

use self::{ending::Ending, teller::Teller};
use crate::{
    console::{bad, faint, heading},
    packages::{self, Consent},
};

/// Show the whole of it: a login server, a launcher with a real OpenTTD server, and two players.
///
/// Builds the programs, starts them in a temporary directory on ports that the system chooses, and
/// tells what two players do, each line after it was seen to happen. Then the servers stay until
/// Ctrl-C, for you to join. Needs the Debian packages openttd and openttd-opengfx.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// End after the story: with 0 only if every step was seen to happen.
    #[arg(long)]
    once: bool,
    /// Install missing Debian packages without asking.
    #[arg(long)]
    yes: bool,
}

/// Tells the story.
///
/// # Errors
///
/// When a package is missing or the programs do not build. A step that was not seen to happen is
/// told, and is the exit code.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let consent = if options.yes { Consent::Given } else { Consent::Ask };
    packages::ensure_installed(packages::GAME, consent)?;
    if env::var_os("PROGRAMS_ARE_BUILT").is_none() {
        println!("{}", heading("Building the three programs"));
        tests::build(false)?;
    }
    let world = World::in_scope(tests::Scope::new()?);
    let ending = Ending::on_signals(world.scope.path())?;
    println!("{}", faint(format!("Working in {}", world.scope.path().display())));
    let mut teller = Teller::new();
    let told = story::tell(&world, &mut teller).and_then(|(login_server, launcher)| {
        if options.once {
            story::end(&mut teller, login_server, launcher)
        } else {
            stay(&world, login_server, launcher)
        }
    });
    if ending.has_begun() {
        // What failed then failed because of it; the process ends when everything else has.
        ending.wait();
    }
    let Err(error) = told else { return Ok(ExitCode::SUCCESS) };
    println!("{}: step {} was not seen to happen", bad("failed"), teller.next());
    println!("{error:#}\n");
    print_logs(&world);
    Ok(ExitCode::FAILURE)
}

fn stay(world: &World, mut login_server: LoginServer, mut launcher: Launcher) -> Result<()> {
    let folder = tests::programs()?.display();
    let gatehouse = Program::Gatehouse.name();
    println!(
        "\n{}\n
    export GATEHOUSE_SERVER={}
    export GATEHOUSE_TRUST={}
    {folder}/{gatehouse} register YOUR_NAME
    {folder}/{gatehouse} servers
    {folder}/{gatehouse} join openttd -- {} -n '{{address}}:{{port}}#255' -p '{{secret}}'

Logs are in {}; Ctrl-C stops everything and removes it.",
        heading("The servers stay. To join by hand, type in another terminal:"),
        login_server.address,
        login_server.pin,
        tests::OPENTTD,
        world.scope.path().join("logs").display(),
    );
    while login_server.process.runs() && launcher.process.runs() {
        thread::sleep(Duration::from_millis(500));
    }
    bail!("a server ended")
}

fn print_logs(world: &World) {
    let logs = std::fs::read_dir(world.scope.path().join("logs")).into_iter().flatten().flatten();
    for log in logs {
        let text = std::fs::read_to_string(log.path()).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        println!("{}", heading(log.file_name().display()));
        for line in &lines[lines.len().saturating_sub(LOG_LINES)..] {
            println!("    {line}");
        }
    }
}

const LOG_LINES: usize = 30;
