//! The process of a game: how it is started, ended, and how its end is noticed.

use std::{
    ffi::OsString,
    io,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use protocol::{ExitCause, Text};
use rustix::process::Signal;
use tokio::{
    process::{Child, Command},
    sync::oneshot,
    time::timeout,
};

use super::log::{GameLog, LastLines};
use crate::pidfd::ProcessHandle;

/// Which start of the game this is: counted by its keeper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StartId(pub(crate) u64);

/// What to run.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    /// What its environment says beside what every game is told.
    pub(crate) environment: Vec<(String, String)>,
    /// Where it runs, and what it takes for its home.
    pub(crate) dir: PathBuf,
}

/// A process that runs, or has ended and was not yet said to.
#[derive(Debug)]
pub(crate) struct Process {
    pid: u32,
    handle: ProcessHandle,
}

/// The end of a process.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) cause: ExitCause,
    pub(crate) last_lines: LastLines,
}

impl Process {
    /// Starts `program`, with its output going to `log`. `executable` is this program: it becomes
    /// the other one after it has arranged that this does not outlive us.
    ///
    /// Must be called on the main thread: the game lives as long as the thread that starts it.
    ///
    /// # Errors
    ///
    /// When no process can be made.
    pub(crate) fn spawn(
        program: &Program,
        executable: &Path,
        log: GameLog,
    ) -> io::Result<(Self, Running)> {
        let (output, output_writer) = io::pipe()?;
        let child = Command::new(executable)
            .args(["exec", "--parent", &std::process::id().to_string(), "--"])
            .arg(&program.path)
            .args(&program.arguments)
            .env_clear()
            .env("HOME", &program.dir)
            .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/games")
            .env("LANG", "C.UTF-8")
            .envs(program.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&program.dir)
            .stdin(Stdio::null())
            .stdout(output_writer.try_clone()?)
            .stderr(output_writer)
            .kill_on_drop(true)
            .spawn()?;
        let pid = child.id().ok_or_else(|| io::Error::other("the process has no id"))?;
        let handle = ProcessHandle::open(pid)?;
        let last_lines = log.follow(output)?;
        Ok((Self { pid, handle }, Running { child, last_lines }))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        self.handle.signal(Signal::TERM);
    }

    /// Sends SIGKILL.
    pub(crate) fn kill(&self) {
        self.handle.signal(Signal::KILL);
    }
}

/// A process whose end is still to be awaited.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    last_lines: oneshot::Receiver<LastLines>,
}

impl Running {
    /// Waits for the end.
    pub(crate) async fn ended(mut self) -> Ended {
        let cause = match self.child.wait().await {
            Ok(status) => cause(status),
            Err(error) => ExitCause::NotStarted { why: Text::lossy(&error.to_string()) },
        };
        // Somebody the game has started may still hold its output.
        let last_lines = timeout(LAST_LINES_WITHIN, self.last_lines).await;
        let last_lines = last_lines.ok().and_then(Result::ok).unwrap_or_default();
        Ended { cause, last_lines }
    }
}

fn cause(status: ExitStatus) -> ExitCause {
    match status.signal() {
        Some(signal) => ExitCause::Signal(signal),
        None => ExitCause::Code(status.code().unwrap_or_default()),
    }
}

const LAST_LINES_WITHIN: Duration = Duration::from_secs(1);
