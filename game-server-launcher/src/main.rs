//! Starts game servers, keeps them alive, lists them at the login server.

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use game_server_launcher::{Bug, keeper};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Keep one game server. Started by the launcher.
    #[command(hide = true)]
    Keeper {
        /// The folder of the game server.
        #[arg(long)]
        dir: PathBuf,
    },
    /// Become another program that does not outlive its keeper. Started by the keeper.
    #[command(hide = true)]
    Exec {
        #[arg(long)]
        parent: u32,
        #[arg(last = true, required = true)]
        program: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt().with_ansi(false).init();
    match arguments.command {
        Command::Keeper { dir } => {
            let exe = PathBuf::from("/proc/self/exe");
            let result = actix::System::new().block_on(async move {
                let mut term = signal(SignalKind::terminate())?;
                keeper::run(dir, exe, async move { drop(term.recv().await) }).await
            });
            match result {
                Ok(()) => ExitCode::SUCCESS,
                Err(e) => {
                    tracing::error!("{e:#}");
                    if e.is::<Bug>() { ExitCode::from(70) } else { ExitCode::FAILURE }
                }
            }
        }
        Command::Exec { parent, program } => game_server_launcher::exec(parent, &program),
    }
}
