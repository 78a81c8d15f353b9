//! `gatehouse`: logs in, shows the servers, joins one and chats, from the command line.

mod args;
mod commands;
mod control;
mod failure;
mod game;
mod link;
mod listening;
mod output;
mod place;
mod profile;
mod prompt;
mod signals;
mod template;

use std::process::ExitCode;

use clap::{Parser, error::ErrorKind};
use tracing_subscriber::filter::LevelFilter;

use crate::{args::Args, failure::Failure, output::Output};

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return wrong_usage(&error),
    };
    log(args.global.verbose);
    let output = Output::new(args.global.json);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = match runtime {
        Ok(runtime) => {
            let done = runtime.block_on(commands::run(args, output));
            // A thread that still waits for somebody to type does not keep us.
            runtime.shutdown_background();
            done
        }
        Err(error) => Err(Failure::failed("runtime", error)),
    };
    match done {
        Ok(code) => code,
        Err(failure) => {
            output.failure(&failure);
            failure.exit_code()
        }
    }
}

/// Help, or what is wrong with the command line.
fn wrong_usage(error: &clap::Error) -> ExitCode {
    let is_error = error.use_stderr();
    let json = std::env::args_os().take_while(|arg| arg != "--").any(|arg| arg == "--json");
    if is_error && json && error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        Output::new(true).failure(&Failure::usage("usage", error.render()));
    } else {
        // Nobody can be told that nobody can be told.
        let _ = error.print();
    }
    ExitCode::from(if is_error { 2 } else { 0 })
}

fn log(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::OFF,
        1 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).init();
}
