//! The servers, each in a process of its own.

use std::{
    env,
    future::pending,
    io::{self, BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use connection_handler::{ConnectionConfig, Rate, RateLimit, capture::Capture};
use metrics_exporter_prometheus::PrometheusBuilder;
use rustix::{
    process::{Resource, Rlimit, getrlimit, setrlimit},
    thread::{CpuSet, sched_setaffinity},
};
use tokio::net::{TcpListener, TcpSocket};

use crate::{
    central,
    codec::{Bare, Chunked, Derived, Serde, Wire},
    plain,
};

/// A process of this program with other arguments, that has said it is ready. Ends when dropped.
pub(crate) struct Helper {
    process: Child,
    pub(crate) said: String,
}

impl Helper {
    pub(crate) fn start(arguments: &[&str]) -> io::Result<Self> {
        Self::spawn(Command::new(env::current_exe()?).args(arguments))
    }

    fn spawn(command: &mut Command) -> io::Result<Self> {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut helper = Self { process: command.spawn()?, said: String::new() };
        let stdout = helper.process.stdout.take().expect("it is piped");
        let (sender, line) = mpsc::channel();
        thread::spawn(move || sender.send(BufReader::new(stdout).lines().next()));
        let silent = || io::Error::new(io::ErrorKind::TimedOut, "a process has not started");
        helper.said = line.recv_timeout(START).ok().flatten().ok_or_else(silent)??;
        Ok(helper)
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One of the designs, serving.
pub(crate) struct Server {
    process: Helper,
    pub(crate) port: u16,
}

impl Server {
    pub(crate) fn start(design: &str, wire: &str) -> io::Result<Self> {
        Self::of(Helper::start(&["serve", design, wire])?)
    }

    /// One whose instructions are counted. It is slow, and says how many there were when it
    /// [ends](Self::end).
    pub(crate) fn start_counting(design: &str, wire: &str) -> io::Result<Self> {
        let mut command = Command::new("valgrind");
        // For who wants to know which: a file for `callgrind_annotate`.
        let profile = env::var("CALLGRIND_OUT")
            .map_or_else(|_| "/dev/null".into(), |file| format!("{file}.{design}"));
        command.args(["--tool=callgrind", &format!("--callgrind-out-file={profile}")]);
        command.arg(env::current_exe()?).args(["serve", design, wire]);
        let process = Helper::spawn(command.stderr(Stdio::piped())).map_err(|error| {
            io::Error::new(io::ErrorKind::Unsupported, format!("valgrind: {error}"))
        })?;
        Self::of(process)
    }

    fn of(process: Helper) -> io::Result<Self> {
        let port = process.said.trim().parse().map_err(io::Error::other)?;
        Ok(Self { process, port })
    }

    /// Ends it in peace, and returns what it has said.
    pub(crate) fn end(mut self) -> io::Result<String> {
        drop(self.process.process.stdin.take());
        let mut said = String::new();
        if let Some(mut stderr) = self.process.process.stderr.take() {
            stderr.read_to_string(&mut said)?;
        }
        Ok(said)
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }
}

/// The process of a [`Server`]: serves on the first CPU until standard input ends.
pub(crate) fn serve(design: &str, wire: &str) -> io::Result<()> {
    run_on(SERVER_CPU);
    end_with_stdin();
    actix::System::new().block_on(async {
        let socket = TcpSocket::new_v4()?;
        socket.bind(([127, 0, 0, 1], 0).into())?;
        // As many as a `TcpPort` lets wait, in both designs.
        let listener = socket.listen(4096)?;
        println!("{}", listener.local_addr()?.port());
        match wire {
            "derive" => serve_wire::<Chunked<Derived>>(design, listener).await,
            "serde" => serve_wire::<Chunked<Serde>>(design, listener).await,
            "bare" => serve_wire::<Bare>(design, listener).await,
            _ => Err(io::Error::other("no such codec")),
        }
    })
}

async fn serve_wire<W: Wire>(design: &str, listener: TcpListener) -> io::Result<()> {
    match design {
        "plain" => plain::serve::<W>(listener).await,
        "ours" => {
            central::start::<W, _>(listener);
            pending().await
        }
        "held" => {
            central::start_with::<W, _>(listener, held());
            pending().await
        }
        "seen" => {
            central::start_with::<W, _>(listener, seen()?);
            pending().await
        }
        _ => Err(io::Error::other("no such design")),
    }
}

/// With a limit an operator would set: twice what a client says here that waits for each answer.
fn held() -> ConnectionConfig {
    let messages = Some(Rate { per_second: 5000, burst: 5000 });
    let incoming_rate = RateLimit { messages, bytes: None };
    ConnectionConfig { incoming_rate, ..ConnectionConfig::default() }
}

/// With all that a program has to be looked at: metrics, a log, and a capture that could be started.
fn seen() -> io::Result<ConnectionConfig> {
    let recorder = PrometheusBuilder::new().set_buckets(&[1.0, 16.0, 256.0, 4096.0, 65_536.0]);
    let recorder = recorder.and_then(PrometheusBuilder::install_recorder);
    let recorder = recorder.map_err(io::Error::other)?;
    thread::spawn(move || {
        loop {
            thread::sleep(Duration::from_secs(1));
            recorder.run_upkeep();
        }
    });
    tracing_subscriber::fmt().with_writer(io::sink).init();
    Ok(ConnectionConfig { capture: Some(Capture::default()), ..ConnectionConfig::default() })
}

/// Ends the process when whoever started it has.
pub(crate) fn end_with_stdin() {
    thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
}

/// Stays on one CPU from now on. Where that is not possible, figures are only less steady.
pub(crate) fn run_on(cpu: usize) {
    let mut cpus = CpuSet::new();
    cpus.set(cpu);
    let _ = sched_setaffinity(None, &cpus);
}

/// Raises the number of open files, here and for servers to come, to what it may be.
pub(crate) fn raise_open_files() -> usize {
    let (limit, wanted) = (getrlimit(Resource::Nofile), Some(WANTED_FILES));
    // Only root may raise the hard limit.
    if limit.maximum.is_some_and(|files| files < WANTED_FILES) {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: wanted, maximum: wanted });
    }
    let maximum = getrlimit(Resource::Nofile).maximum;
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let current = getrlimit(Resource::Nofile).current;
    current.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX))
}

pub(crate) const SERVER_CPU: usize = 0;
pub(crate) const CLIENT_CPU: usize = 1;
const WANTED_FILES: u64 = 11_000;
const START: Duration = Duration::from_secs(30);
