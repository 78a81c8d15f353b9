//! The launcher as a process, and the processes it leads to.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};

use protocol::Enrollment;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;

use crate::login_server::LoginServer;

/// A data directory, a configuration, and perhaps a launcher that uses both.
///
/// Dropped, it leaves no process behind.
pub(crate) struct Launcher {
    dir: tempfile::TempDir,
    process: Option<Child>,
}

/// One small OpenTTD server that is nowhere to be seen but here.
pub(crate) const ONE_SERVER: &str = r#"
[[server]]
name = "one"
game = "openttd"
title = "A friendly server"
bind = "127.0.0.1"
max_players = 2
[server.openttd]
map_size = 6
seed = 12345
"#;

impl Launcher {
    pub(crate) fn new(config: &str) -> Self {
        crate::openttd();
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("config.toml"), config).unwrap();
        Self { dir, process: None }
    }

    /// Enrolled at `login`, and started.
    pub(crate) async fn enrolled(config: &str, login: &LoginServer) -> Self {
        let mut launcher = Self::new(config);
        let output = launcher.enroll(&login.enrollment()).await;
        assert!(output.status.success(), "{output:?}");
        launcher.start();
        launcher
    }

    /// Shows an enrolment string, while the login server goes on listening.
    pub(crate) async fn enroll(&self, enrollment: &Enrollment) -> Output {
        let mut command = tokio::process::Command::from(self.program());
        command.args(["enroll", &enrollment.to_string()]).output().await.unwrap()
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn configure(&self, config: &str) {
        fs::write(self.path().join("config.toml"), config).unwrap();
    }

    /// Runs a command to its end.
    pub(crate) fn command(&self, arguments: &[&str]) -> Output {
        self.program().args(arguments).output().unwrap()
    }

    pub(crate) fn start(&mut self) {
        // The one before has left it.
        let _ = fs::remove_file(self.path().join("ready.json"));
        let mut options = fs::OpenOptions::new();
        let log = options.append(true).create(true).open(self.path().join("launcher.log"));
        let log = log.unwrap();
        let process = self.program().stdin(Stdio::null()).stderr(log).spawn().unwrap();
        self.process = Some(process);
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.process.as_ref().expect("the launcher runs").id()
    }

    fn program(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_game-server-launcher"));
        command.arg("--config").arg(self.path().join("config.toml"));
        command.arg("--data-dir").arg(self.data_dir());
        command.arg("--ready-file").arg(self.path().join("ready.json"));
        command
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.path().join("data")
    }

    /// Sends a signal to the launcher and waits for its end.
    pub(crate) async fn end(&mut self, signal: Signal) -> ExitStatus {
        let mut process = self.process.take().expect("the launcher runs");
        send(process.id(), signal);
        let started = Instant::now();
        loop {
            if let Some(status) = process.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < crate::LIMIT, "the launcher does not end");
            tokio::time::sleep(POLL).await;
        }
    }

    /// What `status --json` says of the only server.
    pub(crate) fn status(&self) -> Value {
        let output = self.command(&["status", "--json"]);
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The process id in `status`: of the game (`pid`) or of the keeper (`keeper_pid`).
    pub(crate) fn pid(&self, key: &str) -> u32 {
        let status = self.status();
        u32::try_from(status[key].as_u64().unwrap_or_else(|| panic!("{status}"))).unwrap()
    }

    /// Waits until `file` contains `text`.
    #[track_caller]
    pub(crate) fn until_written(&self, file: &str, text: &str) -> impl Future<Output = ()> {
        let (path, text) = (self.path().join(file), text.to_owned());
        let caller = std::panic::Location::caller();
        async move {
            let started = Instant::now();
            loop {
                let content = fs::read_to_string(&path).unwrap_or_default();
                if content.contains(&text) {
                    return;
                }
                assert!(started.elapsed() < crate::LIMIT, "{caller}: no {text:?} in\n{content}");
                tokio::time::sleep(POLL).await;
            }
        }
    }
}

impl Drop for Launcher {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
        // A keeper takes its game along.
        if let Ok(output) = self.program().args(["status", "--json"]).output() {
            for line in output.stdout.split(|byte| *byte == b'\n') {
                let status: Value = serde_json::from_slice(line).unwrap_or_default();
                if let Some(pid) = status["keeper_pid"].as_u64() {
                    send(u32::try_from(pid).unwrap(), Signal::KILL);
                }
            }
        }
        if std::thread::panicking() {
            let keeper_and_game = ["data/servers/one/keeper.log", "data/servers/one/game.log"];
            for file in ["launcher.log", "ann.log", "bob.log"].iter().chain(&keeper_and_game) {
                let log = fs::read_to_string(self.path().join(file)).unwrap_or_default();
                eprintln!("---- {file}\n{log}");
            }
        }
    }
}

pub(crate) fn send(pid: u32, signal: Signal) {
    // A process that is gone already is as good.
    let _ = kill_process(raw(pid), signal);
}

/// Waits until a process is gone.
pub(crate) async fn until_gone(pid: u32) {
    let started = Instant::now();
    while test_kill_process(raw(pid)).is_ok() {
        assert!(started.elapsed() < crate::LIMIT, "process {pid} does not end");
        tokio::time::sleep(POLL).await;
    }
}

/// Whether a process runs.
pub(crate) fn runs(pid: u32) -> bool {
    test_kill_process(raw(pid)).is_ok()
}

fn raw(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).unwrap()).unwrap()
}

/// Files and processes do not say when they change.
const POLL: Duration = Duration::from_millis(20);
