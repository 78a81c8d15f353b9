//! `cargo xtask test`: every check there is, one after the other.

use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result};
use clap::Args;

use crate::{
    deny,
    packages::{self, Consent},
    steps::{self, Choice, Outcome, Run, Step, cargo, is_installed, succeeds},
};

/// Run every check that continuous integration runs, in the same order.
///
/// The first step looks for the Debian packages that the tests need. As root, or where `sudo -n`
/// works, it installs what is missing; otherwise it names it and says what to type. Steps go on
/// after a failed one unless they need it, a summary comes last, and the exit code is 0 only when
/// nothing failed. It needs no network once the dependencies are downloaded.
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
            "the Debian packages that the tests need are there, or get installed",
            |_| Ok(Outcome::Passed(packages::ensure_installed(packages::ALL, Consent::Given)?)),
        ),
        Step::new("fmt", "cargo fmt --all --check", |_| {
            succeeds(cargo().args(["fmt", "--all", "--check"]))
        }),
        Step::new("clippy", "cargo clippy on everything, warnings are errors", |_| {
            succeeds(everything("clippy").args(["--all-targets", "--", "-D", "warnings"]))
        }),
        Step::new("build", "cargo build of everything", |_| {
            succeeds(everything("build").arg("--all-targets"))
        }),
        Step::new(
            "test",
            "all tests, whole programs and real games among them; cargo-nextest where installed",
            run_tests,
        )
        .after(&["packages", "build"]),
        Step::new("demo", "cargo demo -- --once: the whole story is seen to happen", run_demo)
            .after(&["packages", "build"]),
        Step::new("doctest", "the examples in the documentation", |_| {
            succeeds(everything("test").args(["--doc", "--quiet"]))
        })
        .after(&["build"]),
        Step::new("doc", "cargo doc, warnings are errors", |_| {
            succeeds(everything("doc").arg("--no-deps").env("RUSTDOCFLAGS", "-D warnings"))
        })
        .after(&["build"]),
        Step::new(
            "deny",
            "cargo deny: licences, sources, bans; skipped where it is not installed",
            run_deny,
        ),
    ]
}

fn everything(command: &str) -> Command {
    let mut cargo = cargo();
    cargo.args([command, "--workspace", "--all-features"]);
    cargo
}

fn run_tests(run: &Run) -> Result<Outcome> {
    let nextest = is_installed("nextest");
    let mut tests = if nextest { cargo() } else { everything("test") };
    if nextest {
        tests.args(["nextest", "run", "--workspace", "--all-features", "--no-fail-fast"]);
    } else {
        tests.args(["--all-targets", "--no-fail-fast"]);
    }
    run.tell_what_is_built(&mut tests);
    succeeds(&mut tests)?;
    let hint = "with `cargo test`; `cargo install cargo-nextest --locked` makes it quicker";
    Ok(Outcome::Passed(if nextest { String::new() } else { hint.to_owned() }))
}

fn run_demo(run: &Run) -> Result<Outcome> {
    let mut demo = Command::new(&run.ourselves);
    demo.args(["demo", "--once"]).stdin(Stdio::null());
    run.tell_what_is_built(&mut demo);
    succeeds(&mut demo)
}

fn run_deny(run: &Run) -> Result<Outcome> {
    if is_installed("deny") {
        let scratch = run.ourselves.parent().context("this program is in no folder")?;
        return Ok(Outcome::Passed(deny::check(scratch)?));
    }
    let hint = "not installed; `cargo install cargo-deny --locked`";
    Ok(Outcome::Skipped(hint.to_owned()))
}
