//! The clients, which are the same for both designs: bare libraries.

use std::{
    env,
    io::{self, BufRead, BufReader, Read, Write},
    net::Ipv4Addr,
    path::Path,
    process::{Child, Command, Stdio},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use quinn::{Endpoint, crypto::rustls::QuicClientConfig};
use rustix::thread::{CpuSet, sched_setaffinity};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    task::{JoinSet, LocalSet},
    time::{sleep, timeout},
};
use tokio_rustls::TlsConnector;

use crate::{Pace, Work, codec::Message, meter::on_cpu, tls};

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
            let target = Target::new(transport, server.said.trim(), folder)?;
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

type Halves = (Box<dyn AsyncRead + Unpin>, Box<dyn AsyncWrite + Unpin>);

/// Keeps `window` messages in flight, for ever.
async fn echo((mut read, mut write): Halves, window: usize, count: Rc<Count>) -> io::Result<()> {
    let frame = Message::login().frame();
    let frames = frame.repeat(window);
    write.write_all(&frames).await?;
    write.flush().await?;
    let (mut buffer, mut part) = (vec![0; 64 * 1024], 0);
    loop {
        let length = read.read(&mut buffer).await?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let heard = (part + length) / frame.len();
        part = (part + length) % frame.len();
        count.add(heard);
        write.write_all(&frames[..heard * frame.len()]).await?;
        write.flush().await?;
    }
}

/// Connects, says something, hears it, closes; again and again.
async fn handshakes(target: Rc<Target>, count: Rc<Count>) -> io::Result<()> {
    let frame = Message::login().frame();
    let mut heard = vec![0; frame.len()];
    loop {
        let once = async {
            let (mut read, mut write) = target.connect().await?;
            write.write_all(&frame).await?;
            write.flush().await?;
            read.read_exact(&mut heard).await?;
            write.shutdown().await
        };
        timeout(PATIENCE, once).await??;
        count.add(1);
    }
}

/// Where the server is, and how to get there.
enum Target {
    Tcp(String),
    Unix(String),
    Tls(String, TlsConnector),
    Quic(String, Endpoint),
}

impl Target {
    fn new(transport: &str, said: &str, folder: &Path) -> io::Result<Rc<Self>> {
        let said = said.to_owned();
        Ok(Rc::new(match transport {
            "tcp" => Self::Tcp(said),
            "unix" => Self::Unix(said),
            "tls" => Self::Tls(said, TlsConnector::from(Arc::new(tls::client(folder)?))),
            _ => {
                let crypto = QuicClientConfig::try_from(tls::client(folder)?);
                let crypto = Arc::new(crypto.map_err(io::Error::other)?);
                let mut endpoint = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into())?;
                endpoint.set_default_client_config(quinn::ClientConfig::new(crypto));
                Self::Quic(said, endpoint)
            }
        }))
    }

    async fn connect(&self) -> io::Result<Halves> {
        Ok(match self {
            Self::Tcp(addr) => {
                let stream = TcpStream::connect(addr).await?;
                stream.set_nodelay(true)?;
                let (read, write) = stream.into_split();
                (Box::new(read), Box::new(write))
            }
            Self::Unix(path) => {
                let (read, write) = UnixStream::connect(path).await?.into_split();
                (Box::new(read), Box::new(write))
            }
            Self::Tls(addr, connector) => {
                let stream = TcpStream::connect(addr).await?;
                stream.set_nodelay(true)?;
                let name = ServerName::try_from(tls::NAME).map_err(io::Error::other)?;
                let (read, write) = tokio::io::split(connector.connect(name, stream).await?);
                (Box::new(read), Box::new(write))
            }
            Self::Quic(addr, endpoint) => {
                let addr = addr.parse().map_err(io::Error::other)?;
                let connecting = endpoint.connect(addr, tls::NAME).map_err(io::Error::other)?;
                let (write, read) = connecting.await?.open_bi().await?;
                (Box::new(read), Box::new(write))
            }
        })
    }
}

/// A process of this program that serves. Ends when dropped.
struct Server {
    process: Child,
    output: BufReader<std::process::ChildStdout>,
    said: String,
}

impl Server {
    fn start(design: &str, transport: &str, folder: &Path) -> io::Result<Self> {
        // Left behind by the one before.
        let _ = std::fs::remove_file(folder.join("socket"));
        let mut command = Command::new(env::current_exe()?);
        command.args(["serve", design, transport]).arg(folder);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut output = BufReader::new(process.stdout.take().expect("it is piped"));
        let mut said = String::new();
        output.read_line(&mut said)?;
        Ok(Self { process, output, said })
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
        let _ = self.process.kill();
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
                let link: Halves = (Box::new(read), Box::new(write));
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

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

pub(crate) const SERVER_CPU: usize = 0;
const CLIENT_CPU: usize = 1;
const PATIENCE: Duration = Duration::from_secs(20);
