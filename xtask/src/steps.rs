//! Steps, one after the other: what `cargo xtask test`, `interop` and `soak` are made of.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};
use clap::Args;

use crate::console::{bad, faint, good, heading};

// No documentation comment: it would replace that of whoever flattens it.
#[derive(Args, Debug)]
pub(crate) struct Choice {
    /// Run this step only, or, of those called `A:B`, all of `A`; may be given several times.
    #[arg(long, value_name = "STEP")]
    only: Vec<String>,
    /// List the steps and what they do, and run none.
    #[arg(long)]
    list: bool,
}

impl Choice {
    /// Whether a step is to be run.
    fn has(&self, step: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| is_called(step, only))
    }
}

/// Runs those of `steps` that were asked for. They go on after a failed one unless they need it.
///
/// # Errors
///
/// When the steps cannot even be run. That a step failed is the exit code.
pub(crate) fn run(steps: Vec<Step>, choice: &Choice) -> Result<ExitCode> {
    if let Some(unknown) =
        choice.only.iter().find(|only| !steps.iter().any(|s| is_called(&s.name, only)))
    {
        let names: Vec<_> = steps.iter().map(|step| step.name.as_str()).collect();
        eprintln!("{}: there is no step {unknown:?}, but {}", bad("error"), names.join(", "));
        return Ok(ExitCode::from(WRONG_USAGE));
    }
    let chosen = || steps.iter().filter(|step| choice.has(&step.name));
    if choice.list {
        let width = chosen().map(|step| step.name.len()).max().unwrap_or_default();
        chosen().for_each(|step| println!("{:width$} {}", step.name, step.what));
        return Ok(ExitCode::SUCCESS);
    }
    let width = chosen().map(|step| step.name.len()).max().unwrap_or_default();
    let mut run = Run { ourselves: env::current_exe()?, done: Vec::new(), width };
    for step in chosen() {
        let ended = step.run(&run);
        run.done.push(ended);
    }
    Ok(run.summarise())
}

/// The root of this repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the root")
}

/// Cargo, for the root of this repository, as all steps use it.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // What is compiled here is compiled once: state for compiling it again is a third of the disk.
    cargo.current_dir(root()).env("CARGO_INCREMENTAL", "0").stdin(Stdio::null());
    cargo
}

/// Runs `command`, which is all that a step does.
///
/// # Errors
///
/// When it fails.
pub(crate) fn succeeds(command: &mut Command) -> Result<Outcome> {
    let status = command.status()?;
    if !status.success() {
        bail!("{status}: {command:?}");
    }
    Ok(Outcome::Passed(String::new()))
}

/// Runs those tests that are ignored otherwise and that `filter`, one of nextest's, names.
///
/// # Errors
///
/// When one of them fails, or cargo-nextest is not installed.
pub(crate) fn run_ignored(filter: &str, run: &Run) -> Result<Outcome> {
    needs_nextest()?;
    let mut tests = cargo();
    tests.args(["nextest", "run", "--workspace", "--all-features", "--run-ignored", "only"]);
    // They may take hours: who writes one gives it limits of its own.
    tests.args(["--no-fail-fast", "--profile", "long"]);
    tests.args(["-E", filter]);
    run.tell_what_is_built(&mut tests);
    let status = tests.status()?;
    match status.code() {
        Some(0) => Ok(Outcome::Passed(String::new())),
        Some(NO_TESTS) => Ok(Outcome::Skipped(format!("there is no {filter} yet"))),
        _ => bail!("{status}: {tests:?}"),
    }
}

/// The tests that lie in a module called `module`, as a filter of nextest.
pub(crate) fn in_module(module: &str) -> String {
    format!("test(/(^|::){module}::/)")
}

/// Makes sure of a tool that can do what `cargo test` cannot.
///
/// # Errors
///
/// When it is not there, with what to type.
pub(crate) fn needs_nextest() -> Result<()> {
    ensure!(is_installed("nextest"), "not installed; `cargo install cargo-nextest --locked`");
    Ok(())
}

/// Whether cargo knows `subcommand`.
pub(crate) fn is_installed(subcommand: &str) -> bool {
    let mut cargo = cargo();
    cargo.args([subcommand, "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    cargo.status().is_ok_and(|status| status.success())
}

/// What later steps know of earlier ones.
pub(crate) struct Run {
    /// This program's file, asked for before the build replaces it.
    pub(crate) ourselves: PathBuf,
    done: Vec<Ended>,
    /// Length of the longest name.
    width: usize,
}

impl Run {
    fn has_failed(&self, step: &str) -> bool {
        self.done.iter().any(|ended| ended.step == step && ended.outcome.is_err())
    }

    /// The tests build our programs themselves, unless a step before just did.
    pub(crate) fn tell_what_is_built(&self, command: &mut Command) {
        if self.done.iter().any(|ended| ended.step == "build") {
            command.env("PROGRAMS_ARE_BUILT", "1");
        }
    }

    fn summarise(&self) -> ExitCode {
        println!("\n{}", heading("── summary"));
        for ended in &self.done {
            println!("{}", ended.line(self.width));
        }
        let took: Duration = self.done.iter().map(|ended| ended.took).sum();
        let failed: Vec<_> = self.done.iter().filter(|e| e.outcome.is_err()).collect();
        if failed.is_empty() {
            println!("{} in {:.0} s", good("all is well"), took.as_secs_f64());
            ExitCode::SUCCESS
        } else {
            let names: Vec<_> = failed.iter().map(|ended| ended.step.as_str()).collect();
            println!("{}: {}", bad("failed"), names.join(", "));
            ExitCode::FAILURE
        }
    }
}

/// What a step does.
type Action = dyn Fn(&Run) -> Result<Outcome>;

/// Something that passes, fails or is left out.
pub(crate) struct Step {
    name: String,
    what: String,
    needs: &'static [&'static str],
    action: Box<Action>,
}

impl Step {
    pub(crate) fn new(
        name: impl Into<String>,
        what: impl Into<String>,
        action: impl Fn(&Run) -> Result<Outcome> + 'static,
    ) -> Self {
        Self { name: name.into(), what: what.into(), needs: &[], action: Box::new(action) }
    }

    /// Says without which steps, if they were run and failed, this one makes no sense.
    pub(crate) fn after(self, needs: &'static [&'static str]) -> Self {
        Self { needs, ..self }
    }

    fn run(&self, run: &Run) -> Ended {
        println!("\n{} {}", heading(format!("── {}", self.name)), faint(&self.what));
        let start = Instant::now();
        let outcome = match self.needs.iter().find(|need| run.has_failed(need)) {
            Some(need) => Ok(Outcome::Skipped(format!("needs {need}"))),
            None => (self.action)(run),
        };
        let ended = Ended { step: self.name.clone(), took: start.elapsed(), outcome };
        if let Err(error) = &ended.outcome {
            println!("{error:#}");
        }
        println!("{}", ended.line(run.width));
        ended
    }
}

/// How a step has ended that did not fail.
pub(crate) enum Outcome {
    /// It did what it is for; what there is to say about that.
    Passed(String),
    /// It did nothing, and why.
    Skipped(String),
}

struct Ended {
    step: String,
    took: Duration,
    outcome: Result<Outcome>,
}

impl Ended {
    fn line(&self, width: usize) -> String {
        let (mark, said) = match &self.outcome {
            Ok(Outcome::Passed(said)) => (good("ok     "), said.as_str()),
            Ok(Outcome::Skipped(why)) => (faint("skipped"), why.as_str()),
            Err(_) => (bad("FAILED "), ""),
        };
        format!("{mark} {:width$} {:7.1} s  {said}", self.step, self.took.as_secs_f64())
    }
}

fn is_called(step: &str, name: &str) -> bool {
    step.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

const WRONG_USAGE: u8 = 2;

/// What cargo-nextest says when a filter leaves nothing.
const NO_TESTS: i32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_called_by_its_name_or_with_others_of_its_family() {
        for (step, name, is) in [
            ("fmt", "fmt", true),
            ("fuzz:lines", "fuzz", true),
            ("fuzz:lines", "fuzz:lines", true),
            ("fuzz:lines", "lines", false),
            ("fuzz:lines", "fuzz:", false),
            ("doctest", "doc", false),
        ] {
            assert_eq!(is_called(step, name), is, "{step} {name}");
        }
    }
}
