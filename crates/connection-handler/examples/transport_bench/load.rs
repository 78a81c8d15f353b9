//! The clients, which are the same for both designs: bare libraries.

use std::{
    env,
    io::{self, BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, Command, Stdio},
    rc::Rc,
    time::{Duration, Instant},
};

use rustix::thread::{CpuSet, sched_setaffinity};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    task::{JoinSet, LocalSet},
    time::{sleep, timeout},
};

use crate::{
    Pace, Work,
    meter::on_cpu,
    target::{Link, Target, Words},
};

/// The figures of one design: CPU time for each message and thousands a second, or connections for
/// each second of a CPU and in a second.
pub(crate) fn measure(
    design: &str,
    transport: &str,
    work: Work,
    folder: &Path,
    pace: Pace,
) -> io::Result<[f64; 2]> {
    run_on(CLIENT_CPU);
    let mut server = Server::start(design, transport, folder)?;
    let measured = match (transport, work) {
        ("memory", Work::Echo { clients, window }) => server.measure(clients, window, pace)?,
        _ => runtime()?.block_on(LocalSet::new().run_until(async {
            let target = Target::new(transport, &server.said, folder)?;
            let count = Rc::new(Count::default());
            let mut clients = JoinSet::new();
            match work {
                Work::Echo { clients: number, window } => {
                    for _ in 0..number {
                        let link = timeout(PATIENCE, target.connect()).await??;
                        clients.spawn_local(echo(link, window, count.clone()));
                    }
                }
                Work::Handshakes { clients: number } => {
                    for _ in 0..number {
                        clients.spawn_local(handshakes(target.clone(), count.clone()));
                    }
                }
            }
            let id = server.process.id();
            watch(&mut clients, &count, pace, || on_cpu(id)).await
        }))?,
    };
    let Measured { done, cpu, seconds } = measured;
    Ok(match work {
        Work::Echo { .. } => [cpu / done, done / seconds / 1000.0],
        Work::Handshakes { .. } => [done / (cpu / 1e9), done / seconds],
    })
}

struct Measured {
    done: f64,
    /// Nanoseconds.
    cpu: f64,
    seconds: f64,
}

/// How much was done until now.
#[derive(Default)]
struct Count(std::cell::Cell<u64>);

impl Count {
    fn add(&self, more: usize) {
        self.0.set(self.0.get() + more as u64);
    }
}

/// Lets clients work, and measures from the end of the warm-up on.
async fn watch(
    clients: &mut JoinSet<io::Result<()>>,
    count: &Count,
    pace: Pace,
    cpu: impl Fn() -> io::Result<f64>,
) -> io::Result<Measured> {
    let measuring = async {
        sleep(pace.warm_up).await;
        let (begun, done, before) = (Instant::now(), count.0.get(), cpu()?);
        sleep(pace.measured).await;
        let done = (count.0.get() - done) as f64;
        if done == 0.0 {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "nothing was done"));
        }
        Ok(Measured { done, cpu: cpu()? - before, seconds: begun.elapsed().as_secs_f64() })
    };
    tokio::select! {
        measured = measuring => measured,
        Some(ended) = clients.join_next() => {
            ended.map_err(io::Error::other)??;
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }
}

/// Keeps `window` messages in flight, for ever.
async fn echo(link: Link, window: usize, count: Rc<Count>) -> io::Result<()> {
    let Link { mut read, mut write, words } = link;
    let (said, heard_each) = (words.said.len(), words.heard);
    let frames = words.said.repeat(window);
    write.write_all(&frames).await?;
    write.flush().await?;
    let (mut buffer, mut part) = (vec![0; 64 * 1024], 0);
    loop {
        let length = read.read(&mut buffer).await?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let heard = (part + length) / heard_each;
        part = (part + length) % heard_each;
        count.add(heard);
        write.write_all(&frames[..heard * said]).await?;
        write.flush().await?;
    }
}

/// Connects, says something, hears it, closes; again and again.
async fn handshakes(target: Rc<Target>, count: Rc<Count>) -> io::Result<()> {
    loop {
        let once = async {
            let Link { mut read, mut write, words } = target.connect().await?;
            write.write_all(&words.said).await?;
            write.flush().await?;
            read.read_exact(&mut vec![0; words.heard]).await?;
            write.write_all(words.goodbye).await?;
            write.shutdown().await
        };
        timeout(PATIENCE, once).await??;
        count.add(1);
    }
}

/// A process of this program that serves. Ends when dropped.
pub(crate) struct Server {
    process: Child,
    output: BufReader<std::process::ChildStdout>,
    /// Where it serves.
    pub(crate) said: String,
}

impl Server {
    pub(crate) fn start(design: &str, transport: &str, folder: &Path) -> io::Result<Self> {
        // Left behind by the one before.
        let _ = std::fs::remove_file(folder.join("socket"));
        let mut command = match env::var("CALLGRIND_OUT") {
            // For who wants to know which instructions: a file for `callgrind_annotate`.
            Ok(file) => {
                let mut command = Command::new("valgrind");
                let file = format!("{file}.{design}.{transport}");
                command.args(["--tool=callgrind", &format!("--callgrind-out-file={file}")]);
                command.arg(env::current_exe()?);
                command
            }
            Err(_) => Command::new(env::current_exe()?),
        };
        command.args(["serve", design, transport]).arg(folder);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut output = BufReader::new(process.stdout.take().expect("it is piped"));
        let mut said = String::new();
        output.read_line(&mut said)?;
        let said = said.trim().to_owned();
        Ok(Self { process, output, said })
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Of a server whose clients are in its own process.
    fn measure(&mut self, clients: usize, window: usize, pace: Pace) -> io::Result<Measured> {
        let input = self.process.stdin.as_mut().expect("it is piped");
        let [warm_up, measured] = [pace.warm_up, pace.measured].map(|time| time.as_millis());
        writeln!(input, "{clients} {window} {warm_up} {measured}")?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        let figures: Result<Vec<f64>, _> = line.split_whitespace().map(str::parse).collect();
        match figures.map_err(io::Error::other)?[..] {
            [done, cpu, seconds] => Ok(Measured { done, cpu, seconds }),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It ends with its input, and under valgrind has something to write then.
        drop(self.process.stdin.take());
        if env::var_os("CALLGRIND_OUT").is_none() {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

/// The clients of a server whose clients are in its own process: does what it is told by a line.
pub(crate) async fn serve_memory<R, W, C>(connect: impl Fn() -> C) -> io::Result<()>
where
    R: AsyncRead + Unpin + 'static,
    W: AsyncWrite + Unpin + 'static,
    C: Future<Output = io::Result<(R, W)>>,
{
    println!("memory");
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    let figures: Result<Vec<u64>, _> = line.split_whitespace().map(str::parse).collect();
    let [clients, window, warm_up, measured] = figures.map_err(io::Error::other)?[..] else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let [warm_up, measured] = [warm_up, measured].map(Duration::from_millis);
    let (count, mut tasks) = (Rc::new(Count::default()), JoinSet::new());
    LocalSet::new()
        .run_until(async {
            for _ in 0..clients {
                let (read, write) = connect().await?;
                let link = Link::new(read, write, Words::plain());
                tasks.spawn_local(echo(link, window as usize, count.clone()));
            }
            let ourselves = std::process::id();
            let pace = Pace { warm_up, measured };
            let Measured { done, cpu, seconds } =
                watch(&mut tasks, &count, pace, || on_cpu(ourselves)).await?;
            println!("{done} {cpu} {seconds}");
            Ok(())
        })
        .await
}

/// Ends the process when whoever started it has.
pub(crate) fn end_with_stdin() {
    std::thread::spawn(|| {
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

pub(crate) fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

pub(crate) const SERVER_CPU: usize = 0;
pub(crate) const CLIENT_CPU: usize = 1;
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
