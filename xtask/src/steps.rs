//! `cargo xtask test`: every check there is, one after the other.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{
    console::{bad, faint, good, heading},
    deny,
    packages::{self, Consent},
};

/// Run every check that continuous integration runs, in the same order.
///
/// The first step looks for the Debian packages that the tests need. As root, or where `sudo -n`
/// works, it installs what is missing; otherwise it names it and says what to type. Steps go on
/// after a failed one unless they need it, a summary comes last, and the exit code is 0 only when
/// nothing failed. It needs no network once the dependencies are downloaded.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Run this step only; may be given several times. `--list` names them.
    #[arg(long, value_name = "STEP", value_parser = STEPS.map(|step| step.name))]
    only: Vec<String>,
    /// List the steps and what they do, and run none.
    #[arg(long)]
    list: bool,
}

/// Runs the steps that were asked for.
///
/// # Errors
///
/// When the steps cannot even be run. That a step failed is the exit code.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    if options.list {
        for step in &STEPS {
            println!("{:10} {}", step.name, step.what);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut run = Run { ourselves: env::current_exe()?, done: Vec::new() };
    for step in &STEPS {
        if options.only.is_empty() || options.only.iter().any(|only| only == step.name) {
            let ended = step.run(&run);
            run.done.push(ended);
        }
    }
    Ok(summarise(&run.done))
}

/// Cargo, for the root of this repository, as all steps use it.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the root");
    // What is compiled here is compiled once: state for compiling it again is a third of the disk.
    cargo.current_dir(root).env("CARGO_INCREMENTAL", "0").stdin(Stdio::null());
    cargo
}

/// What later steps know of earlier ones.
struct Run {
    /// This program's file, asked for before the build replaces it.
    ourselves: PathBuf,
    done: Vec<Ended>,
}

impl Run {
    fn has_failed(&self, step: &str) -> bool {
        self.done.iter().any(|ended| ended.step == step && ended.outcome.is_err())
    }

    /// The tests build our programs themselves, unless a step before just did.
    fn tell_what_is_built(&self, command: &mut Command) {
        if self.done.iter().any(|ended| ended.step == "build") {
            command.env("PROGRAMS_ARE_BUILT", "1");
        }
    }
}

struct Step {
    name: &'static str,
    what: &'static str,
    /// Steps without which this one makes no sense.
    needs: &'static [&'static str],
    action: fn(&Run) -> Result<Outcome>,
}

enum Outcome {
    Passed(String),
    Skipped(String),
}

struct Ended {
    step: &'static str,
    took: Duration,
    outcome: Result<Outcome>,
}

const STEPS: [Step; 9] = [
    Step {
        name: "packages",
        what: "the Debian packages that the tests need are there, or get installed",
        needs: &[],
        action: |_| Ok(Outcome::Passed(packages::ensure_installed(packages::ALL, Consent::Given)?)),
    },
    Step {
        name: "fmt",
        what: "cargo fmt --all --check",
        needs: &[],
        action: |_| succeeds(cargo().args(["fmt", "--all", "--check"])),
    },
    Step {
        name: "clippy",
        what: "cargo clippy on everything, warnings are errors",
        needs: &[],
        action: |_| succeeds(everything("clippy").args(["--all-targets", "--", "-D", "warnings"])),
    },
    Step {
        name: "build",
        what: "cargo build of everything",
        needs: &[],
        action: |_| succeeds(everything("build").arg("--all-targets")),
    },
    Step {
        name: "test",
        what: "all tests, whole programs and real games among them; cargo-nextest where installed",
        needs: &["packages", "build"],
        action: run_tests,
    },
    Step {
        name: "demo",
        what: "cargo demo -- --once: the whole story is seen to happen",
        needs: &["packages", "build"],
        action: run_demo,
    },
    Step {
        name: "doctest",
        what: "the examples in the documentation",
        needs: &["build"],
        action: |_| succeeds(everything("test").args(["--doc", "--quiet"])),
    },
    Step {
        name: "doc",
        what: "cargo doc, warnings are errors",
        needs: &["build"],
        action: |_| succeeds(everything("doc").arg("--no-deps").env("RUSTDOCFLAGS", "-D warnings")),
    },
    Step {
        name: "deny",
        what: "cargo deny: licences, sources, bans; skipped where it is not installed",
        needs: &[],
        action: run_deny,
    },
];

impl Step {
    fn run(&self, run: &Run) -> Ended {
        println!("\n{} {}", heading(format!("── {}", self.name)), faint(self.what));
        let start = Instant::now();
        let outcome = match self.needs.iter().find(|need| run.has_failed(need)) {
            Some(need) => Ok(Outcome::Skipped(format!("needs {need}"))),
            None => (self.action)(run),
        };
        let ended = Ended { step: self.name, took: start.elapsed(), outcome };
        if let Err(error) = &ended.outcome {
            println!("{error:#}");
        }
        println!("{}", ended.line());
        ended
    }
}

impl Ended {
    fn line(&self) -> String {
        let (mark, said) = match &self.outcome {
            Ok(Outcome::Passed(said)) => (good("ok     "), said.as_str()),
            Ok(Outcome::Skipped(why)) => (faint("skipped"), why.as_str()),
            Err(_) => (bad("FAILED "), ""),
        };
        format!("{mark} {:10} {:7.1} s  {said}", self.step, self.took.as_secs_f64())
    }
}

fn summarise(done: &[Ended]) -> ExitCode {
    println!("\n{}", heading("── summary"));
    for ended in done {
        println!("{}", ended.line());
    }
    let took: Duration = done.iter().map(|ended| ended.took).sum();
    let failed: Vec<_> = done.iter().filter(|e| e.outcome.is_err()).map(|e| e.step).collect();
    if failed.is_empty() {
        println!("{} in {:.0} s", good("all is well"), took.as_secs_f64());
        ExitCode::SUCCESS
    } else {
        println!("{}: {}", bad("failed"), failed.join(", "));
        ExitCode::FAILURE
    }
}

fn everything(command: &str) -> Command {
    let mut cargo = cargo();
    cargo.args([command, "--workspace", "--all-features"]);
    cargo
}

fn succeeds(command: &mut Command) -> Result<Outcome> {
    let status = command.status()?;
    if !status.success() {
        bail!("{status}: {command:?}");
    }
    Ok(Outcome::Passed(String::new()))
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

fn is_installed(subcommand: &str) -> bool {
    let mut cargo = cargo();
    cargo.args([subcommand, "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    cargo.status().is_ok_and(|status| status.success())
}
