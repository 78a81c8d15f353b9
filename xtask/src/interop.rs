//! `cargo xtask interop`: our programs and other people's.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::{
    packages::{self, Consent},
    steps::{self, Choice, Outcome, Step, run_ignored},
};

/// Run what needs other people's implementations of the same protocols.
///
/// It installs the Debian packages it needs, as `cargo xtask test` does. A test belongs here when it
/// is `#[ignore = "interop"]` and lies in a module called `interop`: they run with nextest's profile
/// `long`, which has no limit but their own. What is more than a test is a step of its own.
#[derive(Args, Debug)]
pub(crate) struct Options {
    #[command(flatten)]
    choice: Choice,
}

/// Runs the steps that were asked for.
///
/// # Errors
///
/// When the steps cannot even be run. That a step failed is the exit code.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    steps::run(all(), &options.choice)
}

fn all() -> Vec<Step> {
    vec![
        Step::new(
            "packages",
            "the Debian packages of other people's programs are there, or get installed",
            |_| Ok(Outcome::Passed(packages::ensure_installed(packages::INTEROP, Consent::Given)?)),
        ),
        Step::new("tests", "tests that are ignored otherwise, in modules called interop", |_| {
            run_ignored("interop")
        })
        .after(&["packages"]),
    ]
}
