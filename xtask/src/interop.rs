//! `cargo xtask interop`: our programs and other people's.

use std::process::{Command, ExitCode};

use anyhow::Result;
use clap::Args;

use crate::{
    packages::{self, Consent},
    steps::{self, Choice, Outcome, Step, cargo, in_module, run_ignored, succeeds},
};

/// Run what needs other people's implementations of the same protocols.
///
/// It installs the Debian packages it needs, as `cargo xtask test` does; what is from PyPI the tests
/// install where they run, in `target`. A test belongs here when it is `#[ignore = "interop"]` and
/// lies in a module called `interop`: they run with nextest's profile `long`, which has no limit but
/// their own. What not every machine can run is a step of its own, and skipped with its reason.
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
        Step::new("build", "cargo build of everything, as the tests want it", |_| {
            let mut build = cargo();
            succeeds(build.args(["build", "--workspace", "--all-features", "--all-targets"]))
        }),
        Step::new("tests", "tests that are ignored otherwise, in modules called interop", |run| {
            run_ignored(&format!("{} - test(autobahn)", in_module("interop")), run)
        })
        .after(&["packages", "build"]),
        Step::new(
            "autobahn",
            "300 conversations over WebSockets; where there is Python 2.7",
            |run| match python27() {
                true => run_ignored("test(interop::autobahn)", run),
                false => Ok(Outcome::Skipped("no Python 2.7; `pyenv install 2.7.18`".into())),
            },
        )
        .after(&["build"]),
    ]
}

/// Whether there is the Python that Autobahn is made for, where its test looks for it.
fn python27() -> bool {
    let mut python = Command::new("python");
    python.args(["-m", "pip", "--version"]).env("PYENV_VERSION", "2.7.18");
    python.output().is_ok_and(|said| {
        said.status.success() && String::from_utf8_lossy(&said.stdout).contains("(python 2.7)")
    })
}
