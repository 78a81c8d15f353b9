//! What people type: `cargo demo`, and `cargo xtask` with what it is to do.

mod bench;
mod console;
mod demo;
mod deny;
mod interop;
mod packages;
mod soak;
mod steps;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Everything there is to run in this repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    Bench(bench::Options),
    Demo(demo::Options),
    Interop(interop::Options),
    Soak(soak::Options),
    Test(test::Options),
}

fn main() -> ExitCode {
    // Cargo's aliases end in `--` already, and people type `cargo demo -- --once` all the same.
    let mut dashes = 0;
    let arguments = std::env::args_os().filter(|word| {
        dashes += usize::from(word == "--");
        word != "--" || dashes > 1
    });
    let outcome = match Arguments::parse_from(arguments).task {
        Task::Bench(options) => bench::run(&options),
        Task::Demo(options) => demo::run(&options),
        Task::Interop(options) => interop::run(&options),
        Task::Soak(options) => soak::run(&options),
        Task::Test(options) => test::run(&options),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{}: {error:#}", console::bad("error"));
            ExitCode::FAILURE
        }
    }
}
