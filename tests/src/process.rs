//! One started program.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio as StdStdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::{Events, Scope, eventually};

/// What becomes of a program's standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stdio {
    /// It is read as [`Events`].
    Events,
    /// It goes to the log, as standard error does.
    Log,
}

/// A running program, in a process group of its own. Dropping it kills the group.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    /// What it says on its standard output; nothing with [`Stdio::Log`].
    pub events: Events,
    input: Option<ChildStdin>,
}

impl Process {
    /// Starts `command`; what it writes goes to `NAME.log` in the folder `logs` of `scope`.
    ///
    /// # Errors
    ///
    /// When there is no such program.
    pub fn start(scope: &Scope, name: &str, mut command: Command, output: Stdio) -> Result<Self> {
        let log = scope.folder("logs")?.join(format!("{name}.log"));
        let file = OpenOptions::new().create(true).append(true).open(&log)?;
        command.env(Scope::MARK, scope.path()).process_group(0);
        command.stdin(StdStdio::piped()).stderr(file.try_clone()?);
        command.stdout(match output {
            Stdio::Events => StdStdio::piped(),
            Stdio::Log => StdStdio::from(file),
        });
        let mut child = command
            .spawn()
            .with_context(|| format!("{} did not start", command.get_program().display()))?;
        let events = match child.stdout.take() {
            Some(stdout) => Events::of(stdout),
            None => Events::of(std::io::empty()),
        };
        let input = child.stdin.take();
        Ok(Self { name: name.to_owned(), child, log, events, input })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Writes a line to its standard input.
    ///
    /// # Errors
    ///
    /// When it does not read any more.
    pub fn say(&mut self, line: &str) -> Result<()> {
        let input = self.input.as_mut().context("its input is closed")?;
        writeln!(input, "{line}").with_context(|| format!("{} does not read", self.name))
    }

    /// Closes its standard input.
    pub fn close_input(&mut self) {
        self.input = None;
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
            // It is our child and not yet waited for: the id is still its own.
            let _ = kill_process(pid, signal);
        }
    }

    /// Kills it, as `kill -9` does, and nobody else.
    ///
    /// # Errors
    ///
    /// When it cannot be waited for.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    ///
    /// After `limit`, with the end of its log.
    #[track_caller]
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let what = format!("the end of {}", self.name);
        let ended = eventually(&what, limit, || self.child.try_wait().ok().flatten());
        ended.map_err(|error| self.explain(error))
    }

    /// Asks it to end, with SIGTERM, and waits until it has.
    ///
    /// # Errors
    ///
    /// After `limit`.
    #[track_caller]
    pub fn stop(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM);
        self.wait(limit)
    }

    /// Where its log is.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// All of its log until now.
    pub fn log_text(&self) -> String {
        read_lossy(&self.log)
    }

    /// What it said lately, for whom something went wrong.
    pub fn report(&self) -> String {
        format!("{}: said {}\n  log:\n{}", self.name, self.events.seen(), tail(&self.log))
    }

    /// An error, and what this process said lately.
    pub fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        anyhow::anyhow!("{error:#}\n{}", self.report())
    }

    /// Runs `command` to its end, within `limit`, and demands that it succeeds.
    ///
    /// # Errors
    ///
    /// When it does not, with what it wrote.
    #[track_caller]
    pub fn run(scope: &Scope, name: &str, command: Command, limit: Duration) -> Result<()> {
        let mut process = Self::start(scope, name, command, Stdio::Log)?;
        process.close_input();
        let status = process.wait(limit)?;
        if !status.success() {
            bail!("{status}: {}", process.report());
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(group) = Pid::from_raw(self.child.id().cast_signed())
            && self.runs()
        {
            let _ = kill_process_group(group, Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// The resident memory of a process in KiB, or none when it has ended.
pub fn memory_kib(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// The last lines of a log, indented.
pub(crate) fn tail(log: &Path) -> String {
    let text = read_lossy(log);
    let lines: Vec<_> = text.lines().collect();
    let lines = &lines[lines.len().saturating_sub(LOG_LINES)..];
    lines.iter().map(|line| format!("    {line}\n")).collect()
}

fn read_lossy(path: &Path) -> String {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|mut f| std::io::Read::read_to_end(&mut f, &mut bytes));
    match read {
        Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => format!("({error})"),
    }
}

const LOG_LINES: usize = 40;
