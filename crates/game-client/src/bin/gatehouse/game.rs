//! The game that `join` starts.

use std::{
    io,
    os::{fd::AsFd, unix::process::ExitStatusExt},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    process::{Child, Command},
    time::{Instant, timeout_at},
};

use crate::{failure::Failure, output::Event};

/// The game that `join` has started, in a process group of its own, so that a signal reaches all of
/// it, and only once.
#[derive(Debug)]
pub(crate) struct Game {
    child: Child,
    group: Option<Pid>,
    /// How long it may take to end when it has to.
    stop_timeout: Duration,
    /// When it is killed.
    kill_at: Option<Instant>,
    /// How often it was asked to end.
    asked: u32,
}

impl Game {
    /// Starts the game. Its standard input is ours, unless that is for chat; what it prints goes to
    /// standard error when standard output is `reserved`.
    pub(crate) fn start(
        program: &str,
        arguments: &[String],
        chat: bool,
        reserved: bool,
        stop_timeout: Duration,
    ) -> Result<Self, Failure> {
        let start = || {
            let mut command = Command::new(program);
            command.args(arguments).process_group(0);
            if chat {
                command.stdin(Stdio::null());
            }
            if reserved {
                command.stdout(io::stderr().as_fd().try_clone_to_owned()?);
            }
            command.spawn()
        };
        let child = start().map_err(|error: io::Error| {
            Failure::failed("command", format!("{program} cannot be started: {error}"))
        })?;
        let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        Ok(Self { child, group, stop_timeout, kill_at: None, asked: 0 })
    }

    /// Waits for its end, and kills it when it takes too long over it. Cancel-safe.
    pub(crate) async fn ended(&mut self) -> io::Result<ExitStatus> {
        if let Some(kill_at) = self.kill_at {
            match timeout_at(kill_at, self.child.wait()).await {
                Ok(ended) => return ended,
                Err(_) => self.signal(Signal::KILL),
            }
        }
        // Killed, it cannot refuse.
        self.child.wait().await
    }

    /// Passes a signal on. Whoever has to ask a third time means it: then it is killed.
    ///
    /// After `TERM` it has to end in time: many games ask "really quit?" then, and a service that
    /// is stopped has nobody to answer. After the others somebody may be there.
    pub(crate) fn ask_to_end(&mut self, signal: Signal) {
        self.asked += 1;
        if signal == Signal::TERM {
            self.limit();
        }
        self.signal(if self.asked > 2 { Signal::KILL } else { signal });
    }

    /// Ends it: asks, and kills it when it does not listen.
    pub(crate) async fn end(&mut self) {
        self.signal(Signal::TERM);
        self.limit();
        // How it ended is of no interest to who ends it.
        let _ = self.ended().await;
    }

    /// Asking again does not give it more time.
    fn limit(&mut self) {
        self.kill_at.get_or_insert_with(|| Instant::now() + self.stop_timeout);
    }

    fn signal(&self, signal: Signal) {
        // Once it was waited for, its number may be somebody else's.
        if let (Some(group), Some(_)) = (self.group, self.child.id()) {
            // When it has just ended there is nothing to do.
            let _ = kill_process_group(group, signal);
        }
    }
}

/// How a game ended.
pub(crate) fn event(status: ExitStatus) -> Event {
    Event::CommandEnded { code: status.code(), signal: status.signal() }
}
