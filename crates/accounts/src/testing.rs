//! A private PostgreSQL, for tests and benchmarks.
//!
//! Started from Debian's package, in a directory of its own, reached through a Unix socket; gone
//! with its owner, also when that is killed. Everything panics when it does not work: a test cannot
//! go on without.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;

use crate::DatabaseUrl;

/// A PostgreSQL server that is ours alone.
#[derive(Debug)]
pub struct Postgres {
    directory: TempDir,
    programs: PathBuf,
    durable: Durable,
    running: Option<Child>,
    databases: AtomicU32,
}

/// Whether what is committed is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durable {
    /// As in production.
    Yes,
    /// For tests that end before the power does.
    No,
}

impl Postgres {
    /// Creates a server, and waits until it can be used.
    ///
    /// # Panics
    ///
    /// When the package is missing: with its name.
    pub fn start(durable: Durable) -> Self {
        let programs = programs().expect("Debian package postgresql-15 is missing");
        let directory = tempfile::tempdir().expect("a temporary directory");
        if let Some(user) = other_user() {
            chown(directory.path(), Some(user), None).expect("give the directory away");
        }
        let mut server =
            Self { directory, programs, durable, running: None, databases: AtomicU32::new(0) };
        let initialised = server
            .command("initdb")
            .args(["--auth=trust", "--username=gatehouse", "--no-sync", "--encoding=UTF8"])
            .args(["--locale=C.UTF-8", "--pgdata"])
            .arg(server.data())
            .output()
            .expect("initdb starts");
        assert!(initialised.status.success(), "{initialised:?}");
        server.run();
        server
    }

    /// A database nobody else uses, empty.
    pub async fn database(&self) -> DatabaseUrl {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let mut connection =
            PgConnection::connect(&self.url("postgres")).await.expect("the server runs");
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .execute(&mut connection)
            .await
            .expect("a database can be created");
        connection.close().await.expect("the connection can be closed");
        self.url(&name).parse().expect("this is an address")
    }

    /// Kills the server as `kill -9` does, and starts it again: it has to recover.
    pub fn kill_and_restart(&mut self) {
        let pid = fs::read_to_string(self.data().join("postmaster.pid")).expect("it runs");
        let pid = pid.lines().next().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
        kill_process(pid.expect("a process id"), Signal::KILL).expect("it can be killed");
        self.stop();
        self.run();
    }

    fn url(&self, database: &str) -> String {
        format!("postgres:///{database}?host={}&user=gatehouse", self.directory.path().display())
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// As another user where we are root: PostgreSQL refuses to run as root.
    fn command(&self, program: &str) -> Command {
        self.as_other_user(Command::new(self.programs.join(program)))
    }

    fn as_other_user(&self, mut command: Command) -> Command {
        command.current_dir(self.directory.path()).stdin(Stdio::null());
        if let Some(user) = other_user() {
            command.uid(user);
        }
        command
    }

    /// Starts the server. The last one may just be about to die: tries for a while.
    fn run(&mut self) {
        let begun = Instant::now();
        loop {
            match self.try_to_run() {
                Ok(running) => return self.running = Some(running),
                Err(said) => assert!(begun.elapsed() < LIMIT, "PostgreSQL does not start: {said}"),
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn try_to_run(&self) -> Result<Child, String> {
        // A shell that waits for the end of its input, which ends with us however we end.
        let mut command = self.as_other_user(Command::new("sh"));
        command
            .args(["-c", "\"$@\" & read -r _; kill -QUIT $! 2>/dev/null; wait", "sh"])
            .arg(self.programs.join("postgres"))
            .arg("-D")
            .arg(self.data())
            .arg("-k")
            .arg(self.directory.path())
            .args(["-c", "listen_addresses=", "-c", "shared_buffers=32MB"])
            .args(["-c", "max_connections=200"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        if self.durable == Durable::No {
            command.args(["-c", "fsync=off", "-c", "full_page_writes=off"]);
        }
        let mut running = command.spawn().map_err(|error| error.to_string())?;
        let lines = BufReader::new(running.stderr.take().ok_or("no output")?).lines();
        let (said, says) = mpsc::channel();
        // To the end: a server that cannot write its log stops.
        thread::spawn(move || lines.map_while(Result::ok).for_each(|line| drop(said.send(line))));
        let mut log = String::new();
        let begun = Instant::now();
        while let Ok(line) = says.recv_timeout(LIMIT.saturating_sub(begun.elapsed())) {
            if line.contains("ready to accept connections") {
                return Ok(running);
            }
            log = log + &line + "\n";
            if line.contains("FATAL") && !line.contains("starting up") {
                break;
            }
        }
        drop(running.stdin.take());
        let _ = running.wait();
        Err(log)
    }

    fn stop(&mut self) {
        if let Some(mut running) = self.running.take() {
            drop(running.stdin.take());
            let _ = running.wait();
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Where the newest PostgreSQL is that is installed.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let programs = versions.filter_map(|version| Some(version.ok()?.path().join("bin")));
    programs.filter(|programs| programs.join("initdb").is_file()).max_by_key(|path| version(path))
}

fn version(programs: &Path) -> Option<u32> {
    programs.parent()?.file_name()?.to_str()?.parse().ok()
}

/// `nobody`, where we are root.
fn other_user() -> Option<u32> {
    rustix::process::geteuid().is_root().then_some(65534)
}

/// Longest wait for the server: initialising takes seconds, recovering as well.
const LIMIT: Duration = Duration::from_secs(60);
