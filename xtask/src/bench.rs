//! `cargo xtask bench`: what speed claims are made of.

use std::{ffi::OsString, process::ExitCode};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};

use crate::steps::cargo;

/// Measure, against a plain loop in the same run, and print the ratio.
///
/// Benchmarks are built with optimisation and alternate between ours and the baseline. Machines are
/// shared and noisy: CPU per message and system calls mean more than time.
#[derive(Args, Debug)]
pub(crate) struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The connection handler against a plain Tokio loop: echo, fan-out, memory, abuse.
    Connection {
        /// For the benchmark: --json, --quick, --only NAME, --runs N, --svg FILE; --help has more.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTION")]
        options: Vec<OsString>,
    },
    /// Registrations, logins and resumptions, in both databases, against bare argon2 and commits.
    Login {
        /// For the benchmark: --json, --quick, --runs N.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTION")]
        options: Vec<OsString>,
    },
    /// Each transport of the connection handler against the bare library: echo, handshakes, abuse.
    Transport {
        /// For the benchmark: --json, --quick, --only NAME, --runs N.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTION")]
        options: Vec<OsString>,
    },
}

/// Runs the benchmark that was asked for.
///
/// # Errors
///
/// When it cannot be started. That it failed is the exit code.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let (package, features, example, options) = match &options.what {
        What::Connection { options } => ("connection-handler", "", "bench", options),
        What::Login { options } => ("accounts", "", "bench", options),
        What::Transport { options } => {
            ("connection-handler", "secure,websocket", "transport_bench", options)
        }
    };
    let mut bench = cargo();
    bench.args(["run", "--release", "--package", package, "--features", features]);
    bench.args(["--example", example, "--"]);
    let status = bench.args(options).status().context("cannot run cargo")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
