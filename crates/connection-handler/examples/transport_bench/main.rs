//! Each transport against the bare library: the same framing, codec, keys and clients.
//!
//! ```text
//! cargo run --release -p connection-handler --features secure,websocket --example transport_bench -- [--json] [--quick] [--only NAME] [--runs N]
//! ```
//!
//! `echo` is the time the server spends on a CPU for each message, `handshake` for each connection
//! that is made, greeted, answered and closed. The baseline is a task for each connection on
//! tokio's `TcpStream`, tokio-tungstenite, tokio-rustls, quinn or tokio's `UnixStream`. Both are
//! measured in turns, each time with a fresh server in a process of its own, on another CPU than its
//! clients. Over memory there is no other process: both sides count. `abuse` compares with a quiet
//! time before instead.

mod abuse;
#[path = "../bench/central.rs"]
mod central;
#[path = "../bench/codec.rs"]
#[allow(dead_code, reason = "shared with a benchmark that needs more of it")]
mod codec;
mod load;
#[path = "../bench/meter.rs"]
#[allow(dead_code, reason = "shared with a benchmark that needs more of it")]
mod meter;
mod plain;
#[path = "../bench/report.rs"]
#[allow(dead_code, reason = "shared with a benchmark that needs more of it")]
mod report;
mod serve;
mod strangers;
mod target;
mod tls;

use std::{env, io, path::Path, process::ExitCode, time::Duration};

use connection_handler::transport::keys::Identity;

use crate::report::{Figure, Row, Run, Target};

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["serve", design, transport, folder] => serve::serve(design, transport, folder.as_ref()),
        ["strangers", kind, server, folder] => abuse::strangers(kind, server, folder.as_ref()),
        _ => Options::parse(&arguments).and_then(|options| bench(&options)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

struct Options {
    json: bool,
    only: String,
    runs: usize,
    pace: Pace,
}

/// How long one run of one design lasts.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
}

impl Options {
    fn parse(arguments: &[&str]) -> io::Result<Self> {
        let [warm_up, measured] = [300, 1000].map(Duration::from_millis);
        let pace = Pace { warm_up, measured };
        let mut options = Self { json: false, only: String::new(), runs: 5, pace };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut value =
                || arguments.next().ok_or_else(|| io::Error::other("a value is missing"));
            match *argument {
                "--json" => options.json = true,
                "--quick" => {
                    let [warm_up, measured] = [100, 300].map(Duration::from_millis);
                    (options.runs, options.pace) = (1, Pace { warm_up, measured });
                }
                "--only" => options.only = (*value()?).into(),
                "--runs" => options.runs = value()?.parse().map_err(io::Error::other)?,
                other => return Err(io::Error::other(format!("what is {other}?"))),
            }
        }
        options.runs = options.runs.max(1);
        Ok(options)
    }
}

/// What is done over a transport.
#[derive(Clone, Copy)]
pub(crate) enum Work {
    /// Each of `clients` keeps `window` messages of 64 bytes in flight.
    Echo { clients: usize, window: usize },
    /// So many connect at the same time, again and again.
    Handshakes { clients: usize },
}

impl Work {
    fn name(self, transport: &str) -> String {
        match self {
            Self::Echo { clients, window } => format!("{transport} echo {clients}x{window}, 64 B"),
            Self::Handshakes { clients } => format!("{transport} handshake, {clients} at a time"),
        }
    }

    fn figures(self, transport: &str) -> [Figure; 2] {
        // Pipes within a machine cost so little that whatever is done beside them is much.
        let target = match transport {
            "unix" | "memory" => Target::Any,
            _ => Target::AtMost(1.1),
        };
        match self {
            Self::Echo { .. } => [Figure::new("CPU ns", target), Figure::new("k/s", Target::Any)],
            Self::Handshakes { .. } => [
                Figure::new("a second and core", Target::Any),
                Figure::new("a second", Target::Any),
            ],
        }
    }
}

fn bench(options: &Options) -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    Identity::load_or_create(folder.path(), "server").map_err(io::Error::other)?;
    if !options.json {
        print!("{}", Row::heading("ours", "library"));
    }
    for transport in ["tcp", "unix", "memory", "websocket", "tls", "quic"] {
        let mut works =
            vec![Work::Echo { clients: 64, window: 16 }, Work::Echo { clients: 64, window: 1 }];
        if matches!(transport, "tcp" | "websocket" | "tls" | "quic") {
            works.push(Work::Handshakes { clients: 8 });
        }
        for work in works {
            let name = work.name(transport);
            if name.contains(&options.only) {
                let [cpu, rate] = compare(transport, work, folder.path(), options)?;
                for (figure, runs) in work.figures(transport).into_iter().zip([cpu, rate]) {
                    let row = Row::new(&name, figure, runs);
                    println!("{}", if options.json { row.json() } else { row.line() });
                }
            }
        }
    }
    if "abuse".contains(&options.only) {
        abuse::bench(folder.path(), options)?;
    }
    Ok(())
}

/// Runs both designs in turns; who is first changes each time.
fn compare(
    transport: &str,
    work: Work,
    folder: &Path,
    options: &Options,
) -> io::Result<[Vec<Run>; 2]> {
    let mut runs = [Vec::new(), Vec::new()];
    for turn in 0..options.runs {
        let measure = |design| load::measure(design, transport, work, folder, options.pace);
        let (ours, baseline);
        if turn % 2 == 0 {
            baseline = measure("plain")?;
            ours = measure("ours")?;
        } else {
            ours = measure("ours")?;
            baseline = measure("plain")?;
        }
        for ((runs, ours), baseline) in runs.iter_mut().zip(ours).zip(baseline) {
            runs.push(Run { ours, baseline });
        }
    }
    Ok(runs)
}
