//! `cargo xtask soak`: what is long, or breaks things.

mod fuzz;

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::steps::{self, Choice, Outcome, Step, cargo, needs_nextest, run_ignored, succeeds};
use fuzz::Target;

/// Run what takes long: fuzzing, a suite again and again, and tests for hours.
///
/// Every fuzz target (`fuzz:…`) gets its minutes. What libFuzzer has learnt stays in the folder
/// `corpus` beside the targets, so the next run begins where this one ended. A finding is a file in
/// `artifacts`, and is printed with the command that shows it again; it becomes a test, then it is
/// mended. Needed are cargo-fuzz (`cargo install cargo-fuzz --locked`) and a C++ compiler; any Rust
/// compiler will do, because nothing here is `unsafe`, and so nothing is lost without the sanitizers
/// that only nightly ones have.
///
/// `repeat` runs suites many times in a row and stops at the first failure: a flake is a bug.
/// `long` runs the tests that are `#[ignore = "soak"]` and lie in a module called `soak`, with
/// nextest's profile `long`, which has no limit but their own. Both need cargo-nextest.
///
/// A whole run with the numbers below takes hours. For a short one:
///
///     cargo xtask soak --minutes 1 --repeat 5 --only fuzz --only repeat
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct Options {
    #[command(flatten)]
    choice: Choice,
    /// How long each fuzz target runs, in minutes.
    #[arg(long, value_name = "MINUTES", default_value_t = 10)]
    minutes: u32,
    /// How often the suites run.
    #[arg(long, value_name = "TIMES", default_value_t = 100)]
    repeat: u32,
    /// Whose suite is repeated; may be given several times.
    #[arg(long, value_name = "PACKAGE", default_values = ["framing", "connection-handler"])]
    suite: Vec<String>,
}

/// Runs the steps that were asked for.
///
/// # Errors
///
/// When the steps cannot even be run. That a step failed is the exit code.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let minutes = options.minutes;
    let mut all = Vec::new();
    for target in Target::all()? {
        let what = format!("{} for {minutes} minutes", target.file());
        all.push(Step::new(format!("fuzz:{}", target.name), what, move |_| target.run(minutes)));
    }
    let (suite, times) = (options.suite.clone(), options.repeat);
    let what = format!("the tests of {}, {times} times in a row", suite.join(" and "));
    all.push(Step::new("repeat", what, move |_| repeat(&suite, times)));
    all.push(Step::new(
        "long",
        "tests that are ignored otherwise, in modules called soak",
        |run| run_ignored(&steps::in_module("soak"), run),
    ));
    steps::run(all, &options.choice)
}

fn repeat(suite: &[String], times: u32) -> Result<Outcome> {
    needs_nextest()?;
    let mut tests = cargo();
    tests.args(["nextest", "run", "--all-features", "--fail-fast", "--status-level", "fail"]);
    tests.args(["--stress-count", &times.to_string(), "--test-threads", AT_ONCE]);
    tests.args(suite.iter().flat_map(|package| ["--package", package]));
    succeeds(&mut tests)?;
    Ok(Outcome::Passed(format!("{times} times without a failure")))
}

/// Most tests wait most of the time, and those that depend on being alone are to be found.
const AT_ONCE: &str = "6";
