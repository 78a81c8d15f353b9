//! Strangers who mean no good: what those who play notice of them, what they cost, and how much of
//! what they send comes back.

use std::{
    cell::RefCell,
    io::{self, BufRead, BufReader},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::{JoinSet, LocalSet},
    time::{sleep, timeout},
};

use crate::{
    Options,
    load::{CLIENT_CPU, PATIENCE, Server, run_on, runtime},
    meter::{NOW, PEAK, forget_peak, resident},
    report::{Figure, Row, Run, Target as Goal},
    strangers::Strangers,
    target::{Link, Target},
};

/// Measures it all, and says so.
pub(crate) fn bench(folder: &Path, options: &Options) -> io::Result<()> {
    let (ours, theirs) = ("meanwhile", "before");
    if !options.json {
        print!("{}", Row::heading(ours, theirs));
    }
    let figures = FIGURES.map(|(name, unit, limit)| (name, Figure::new(unit, limit)));
    let mut runs = vec![Vec::new(); figures.len()];
    for _ in 0..options.runs {
        let crowd = played_among_strangers(folder, options)?;
        let reflected = ["open", "retrying"].map(|design| reflected(design, folder));
        for (runs, run) in runs.iter_mut().zip(crowd.into_iter().map(Ok).chain(reflected)) {
            runs.push(run?);
        }
    }
    for ((name, figure), runs) in figures.into_iter().zip(runs) {
        let row = Row::new(name, figure, runs);
        println!("{}", if options.json { row.json() } else { row.line() });
    }
    Ok(())
}

/// Where the target is a limit: of what strangers change, and of what they may get back.
const FIGURES: [(&str, &str, Goal); 6] = [
    ("abuse, players over quic", "echo p99 us", Goal::AtMost(1.5)),
    ("abuse, players over tls", "echo p99 us", Goal::AtMost(1.5)),
    ("abuse, server at its peak", "KiB", Goal::Any),
    ("abuse, server afterwards", "KiB", Goal::AtMost(1.1)),
    ("abuse, came back of what was sent", "bytes", Goal::AtMost(3.2)),
    ("abuse, the same with Retry", "bytes", Goal::AtMost(0.1)),
];

/// How players fare among 500 half-open handshakes and 500 silent connections a second, and what
/// becomes of the server's memory.
fn played_among_strangers(folder: &Path, options: &Options) -> io::Result<[Run; 4]> {
    run_on(CLIENT_CPU);
    let server = Server::start("guarded", "quic", folder)?;
    runtime()?.block_on(LocalSet::new().run_until(async {
        let [over_quic, over_tls] = [Times::default(), Times::default()];
        let mut players = JoinSet::new();
        for (transport, times) in [("quic", &over_quic), ("tls", &over_tls)] {
            let target = Target::new(transport, &server.said, folder)?;
            for _ in 0..PLAYERS {
                let link = timeout(PATIENCE, target.connect()).await??;
                players.spawn_local(play(link, times.clone()));
            }
        }
        let measured = async {
            let (period, pause) = (options.pace.measured * 4, options.pace.warm_up);
            // The first handshakes are paid for by nobody who is measured.
            sleep(pause).await;
            let mut quiet = [Vec::new(), Vec::new()];
            let mut meanwhile = quiet.clone();
            let collect = |into: &mut [Vec<f64>; 2]| {
                for (times, into) in [&over_quic, &over_tls].into_iter().zip(into) {
                    into.append(&mut times.borrow_mut());
                }
            };
            let memory = |field| resident(server.id(), field);
            let mut before = f64::NAN;
            for turn in 0..TURNS {
                // After the first crowd, whose memory the allocator keeps for the next.
                if turn == 1 {
                    sleep(FORGOTTEN).await;
                    before = memory(NOW)?;
                    forget_peak(server.id())?;
                }
                collect(&mut [Vec::new(), Vec::new()]);
                sleep(period).await;
                collect(&mut quiet);
                let strangers = Crowd::start("flood", &server.said, folder)?;
                // Until there are as many as there may be.
                sleep(pause).await;
                collect(&mut [Vec::new(), Vec::new()]);
                sleep(period).await;
                collect(&mut meanwhile);
                strangers.end()?;
                sleep(pause).await;
            }
            let peak = memory(PEAK)?;
            let mut after = memory(NOW)?;
            let begun = Instant::now();
            while after > before && begun.elapsed() < FORGOTTEN {
                sleep(Duration::from_millis(100)).await;
                after = memory(NOW)?;
            }
            let [quic, tls] =
                [0, 1].map(|i| Run { ours: p99(&mut meanwhile[i]), baseline: p99(&mut quiet[i]) });
            let kib = |ours| Run { ours: ours / 1024.0, baseline: before / 1024.0 };
            Ok([quic, tls, kib(peak), kib(after)])
        };
        tokio::select! {
            measured = measured => measured,
            Some(ended) = players.join_next() => {
                ended.map_err(io::Error::other)??;
                Err(io::ErrorKind::UnexpectedEof.into())
            }
        }
    }))
}

/// In microseconds.
type Times = Rc<RefCell<Vec<f64>>>;

/// Says something now and then, as a player does, and waits for the echo.
async fn play(link: Link, times: Times) -> io::Result<()> {
    let Link { mut read, mut write, words } = link;
    let mut heard = vec![0; words.heard];
    loop {
        let said = Instant::now();
        write.write_all(&words.said).await?;
        write.flush().await?;
        timeout(PATIENCE, read.read_exact(&mut heard)).await??;
        times.borrow_mut().push(said.elapsed().as_secs_f64() * 1e6);
        sleep(Duration::from_micros(fastrand::u64(2000..10_000))).await;
    }
}

fn p99(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() * 99 / 100).copied().unwrap_or(f64::NAN)
}

/// How many bytes come back to 500 who say their first words, each from its own address, and then
/// nothing: until the server has forgotten them.
fn reflected(design: &str, folder: &Path) -> io::Result<Run> {
    let server = Server::start(design, "quic", folder)?;
    let crowd = Crowd::start("reflect", &server.said, folder)?;
    std::thread::sleep(FORGOTTEN);
    let (sent, received) = crowd.end()?;
    Ok(Run { ours: received, baseline: sent })
}

/// A process of strangers.
struct Crowd {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Crowd {
    /// Returns when they begin.
    fn start(kind: &str, server: &str, folder: &Path) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["strangers", kind, server]).arg(folder);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (input, output) = (process.stdin.take(), process.stdout.take().expect("it is piped"));
        let mut crowd = Self { process, input, output: BufReader::new(output) };
        match crowd.line()?.trim() {
            "begun" => Ok(crowd),
            other => Err(io::Error::other(format!("strangers: {other:?}"))),
        }
    }

    /// How many bytes they have sent and received over UDP.
    fn end(mut self) -> io::Result<(f64, f64)> {
        drop(self.input.take());
        let line = self.line()?;
        let bytes: Result<Vec<f64>, _> = line.split_whitespace().map(str::parse).collect();
        match bytes.map_err(io::Error::other)?[..] {
            [sent, received] => Ok((sent, received)),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The process of a [`Crowd`].
pub(crate) fn strangers(kind: &str, server: &str, folder: &Path) -> io::Result<()> {
    run_on(CLIENT_CPU);
    // Those who play share this CPU and come first: not how busy they are kept is measured, but how
    // busy the server is.
    rustix::process::nice(19)?;
    let server = server.parse().map_err(io::Error::other)?;
    runtime()?.block_on(async {
        let strangers = Strangers::new(server, folder).await?;
        match kind {
            "flood" => strangers.flood().await,
            "reflect" => strangers.speak_once().await,
            _ => Err(io::Error::other("no such strangers")),
        }
    })
}

/// Over each of two transports.
const PLAYERS: usize = 16;
/// Quiet, and not.
const TURNS: usize = 4;
/// Everything that is kept of strangers is forgotten within the handshake timeout, 5 s, and three
/// probe timeouts of QUIC.
const FORGOTTEN: Duration = Duration::from_secs(8);
