//! Strangers who mean no good, and a polite player who must not notice them.
//!
//! Each test says how long an offender may stay, what the log says about it, how long the polite
//! player may wait for an answer meanwhile, and how much memory it all may cost.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use protocol::{FromGameClient, Hello};
use tests::{LoginServer, World, memory_kib};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};

use crate::{
    over_quic::OverQuic,
    raw::{RawClient, address_of, connect_tcp, frame},
};

/// What a polite player notices of the strangers.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    longest_wait: Duration,
    most_memory_kib: u64,
}

/// A login server with a polite player on it.
pub(crate) struct Place {
    pub(crate) world: World,
    pub(crate) server: LoginServer,
    polite: JoinHandle<Result<Seen>>,
    enough: Arc<AtomicBool>,
    memory_before_kib: u64,
}

impl Place {
    pub(crate) async fn open() -> Result<Self> {
        Self::open_with("").await
    }

    /// Of a login server with this configuration.
    pub(crate) async fn open_with(config: &str) -> Result<Self> {
        let world = World::new()?;
        let server = world.login_server_configured(config)?;
        let mut client = RawClient::greeted(server.address, POLITE).await?;
        client.register("polite", "a good password").await?;
        let memory_before_kib = memory_kib(server.process.id()).context("its memory")?;
        let enough = Arc::new(AtomicBool::new(false));
        let polite = tokio::spawn(play(client, server.process.id(), Arc::clone(&enough)));
        Ok(Self { world, server, polite, enough, memory_before_kib })
    }

    fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Demands that the log says `what`, within the time between two summaries.
    async fn demand_log(&self, what: &str) -> Result<()> {
        let start = Instant::now();
        while !self.server.process.log_text().contains(what) {
            ensure!(
                start.elapsed() < LOGGED_WITHIN,
                "no {what:?}; {}",
                self.server.process.report()
            );
            sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Demands what holds whatever strangers do: each answer in time, and memory within bounds.
    pub(crate) async fn close(mut self) -> Result<()> {
        self.enough.store(true, Ordering::SeqCst);
        let seen = self.polite.await?.context("the polite player was not served")?;
        let grown = seen.most_memory_kib.saturating_sub(self.memory_before_kib);
        println!("memory grew by {grown} KiB from {} KiB; {seen:?}", self.memory_before_kib);
        ensure!(grown <= MEMORY_KIB, "memory grew by {grown} KiB; {seen:?}");
        ensure!(seen.longest_wait <= ANSWER, "the polite player waited too long: {seen:?}");
        // Whoever wants to come now still can.
        let from = address_of(999);
        RawClient::greeted(self.server.address, from).await?.register("late", "a password").await?;
        let ended = self.server.process.stop(Duration::from_secs(20))?;
        ensure!(ended.success(), "{ended}: {}", self.server.process.report());
        drop(self.world);
        Ok(())
    }
}

/// Asks something every now and then, and looks at the server's memory.
async fn play(mut client: RawClient, server: u32, enough: Arc<AtomicBool>) -> Result<Seen> {
    let mut seen = Seen::default();
    while !enough.load(Ordering::SeqCst) {
        seen.longest_wait = seen.longest_wait.max(client.ping().await?);
        let memory = memory_kib(server).context("the server has ended")?;
        seen.most_memory_kib = seen.most_memory_kib.max(memory);
        sleep(Duration::from_millis(100)).await;
    }
    Ok(seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_on_tcp_and_udp_is_turned_away() -> Result<()> {
    let place = Place::open().await?;
    let address = place.address();
    let mut offenders = JoinSet::new();
    for number in 0..100_u8 {
        offenders.spawn(async move {
            let mut stream = connect_tcp(address, address_of(u16::from(number % 5))).await?;
            // It may be closed while we still write.
            let _ = stream.write_all(&garbage(number, 4096)).await;
            until_closed(&mut stream, HANDSHAKE).await
        });
    }
    let udp = UdpSocket::bind("127.0.0.2:0").await?;
    for number in 0..=u8::MAX {
        for length in [1, 20, 1200, 1452, 8000] {
            let mut datagram = garbage(number, length);
            // Every other one begins like QUIC.
            datagram[0] |= if number % 2 == 0 { 0xC0 } else { 0 };
            udp.send_to(&datagram, address).await?;
        }
    }
    while let Some(ended) = offenders.join_next().await {
        ended??;
    }
    place.demand_log("unknown_protocol").await?;
    place.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_of_65535_bytes_before_login_ends_the_connection() -> Result<()> {
    let place = Place::open().await?;
    let mut long = 65_535_u16.to_le_bytes().to_vec();
    long.resize(2 + 65_535, 0);
    for greeted in [false, true] {
        let mut client = match greeted {
            false => RawClient::connect(place.address(), STRANGER).await?,
            true => RawClient::greeted(place.address(), STRANGER).await?,
        };
        let _ = client.stream.write_all(&long).await;
        let _ = client.stream.flush().await;
        client.wait_until_closed(AT_ONCE).await?;
    }
    place.demand_log("invalid message").await?;
    place.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_byte_a_second_holds_no_connection() -> Result<()> {
    let place = Place::open().await?;
    let address = place.address();
    let mut without_tls = connect_tcp(address, STRANGER).await?;
    let first = RawClient::connect(address, STRANGER).await?;
    let later = RawClient::greeted(address, STRANGER).await?;
    let hello = frame(&FromGameClient::Hello(Hello::from_us(&"x".repeat(64))))?;
    let mut chat = 4000_u16.to_le_bytes().to_vec();
    chat.resize(4002, 1);
    let mut silent_in_tls = connect_tcp(address, STRANGER).await?;
    let client_hello = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3, 0, 0, 0];
    silent_in_tls.write_all(&client_hello[..6]).await?;
    let (a, b, c, d) = tokio::join!(
        trickle(&mut without_tls, &client_hello, HANDSHAKE),
        async {
            let mut client = first;
            trickle(&mut client.stream, &hello, FIRST_MESSAGE).await
        },
        async {
            let mut client = later;
            trickle(&mut client.stream, &chat, MESSAGE).await
        },
        trickle(&mut silent_in_tls, &client_hello[6..], HANDSHAKE),
    );
    a.context("before TLS")?;
    b.context("the first message")?;
    c.context("a later message")?;
    d.context("within TLS")?;
    place.demand_log("sniff_timed_out").await?;
    place.demand_log("handshake_timed_out").await?;
    place.demand_log("no message in time").await?;
    place.demand_log("a message took too long").await?;
    place.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_floods_requests_and_never_reads_is_thrown_out() -> Result<()> {
    let place = Place::open().await?;
    let mut client = RawClient::greeted(place.address(), STRANGER).await?;
    client.register("flood", "a good password").await?;
    let ping = frame(&FromGameClient::Ping { nonce: 1 })?;
    let watch = frame(&FromGameClient::WatchServers)?;
    let flood: Vec<u8> = [ping, watch].concat().repeat(500);
    let start = Instant::now();
    let written = async {
        let mut bytes = 0;
        while client.stream.write_all(&flood).await.is_ok() {
            bytes += flood.len();
        }
        bytes
    };
    let bytes = timeout(FLOOD, written).await.context("the flood goes on")?;
    println!("thrown out after {bytes} bytes and {:?}", start.elapsed());
    place.demand_log("too many").await?;
    place.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_floods_over_quic_and_never_reads_is_thrown_out() -> Result<()> {
    let place = Place::open().await?;
    let mut client = OverQuic::greeted(place.address()).await?;
    let ping = frame(&FromGameClient::Ping { nonce: 1 })?.repeat(500);
    let flood = async { while client.write.write_all(&ping).await.is_ok() {} };
    timeout(FLOOD, flood).await.context("the flood goes on")?;
    place.demand_log("too many").await?;
    place.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_silent_connections_are_closed_and_keep_nobody_out() -> Result<()> {
    let place = Place::open().await?;
    let address = place.address();
    let mut silent = JoinSet::new();
    for number in 0..500_u16 {
        let from = address_of(number / 50);
        silent.spawn(async move {
            if number % 2 == 0 {
                let mut stream = connect_tcp(address, from).await?;
                until_closed(&mut stream, HANDSHAKE).await
            } else {
                let mut client = RawClient::connect(address, from).await?;
                client.wait_until_closed(FIRST_MESSAGE).await.map(drop)
            }
        });
    }
    while let Some(ended) = silent.join_next().await {
        ended??;
    }
    place.demand_log("sniff_timed_out").await?;
    place.demand_log("no message in time").await?;
    place.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_has_only_so_many_places() -> Result<()> {
    let place = Place::open().await?;
    let mut streams = Vec::new();
    for _ in 0..300 {
        streams.push(connect_tcp(place.address(), STRANGER).await?);
    }
    // The others are told at once, those within the limits when their time is over.
    let mut at_once = 0;
    for stream in &mut streams {
        at_once += usize::from(until_closed(stream, Duration::from_millis(1)).await.is_ok());
    }
    ensure!(at_once >= 200, "only {at_once} of 300 were turned away at once");
    for stream in &mut streams {
        until_closed(stream, HANDSHAKE).await?;
    }
    place.demand_log("too_many_").await?;
    place.close().await
}

/// Writes a byte a second until the other side closes, which it must within `limit`.
async fn trickle<S>(stream: &mut S, bytes: &[u8], limit: Duration) -> Result<()>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let start = Instant::now();
    let mut bytes = bytes.iter();
    let mut received = [0; 1024];
    loop {
        ensure!(start.elapsed() < limit, "still open after {limit:?}");
        let byte = bytes.next().context("all bytes were taken")?;
        let written = async {
            stream.write_all(&[*byte]).await?;
            stream.flush().await
        };
        if written.await.is_err() {
            return Ok(());
        }
        // What it says meanwhile, a goodbye, is not what is waited for.
        let read = timeout(Duration::from_secs(1), stream.read(&mut received)).await;
        if let Ok(Ok(0) | Err(_)) = read {
            return Ok(());
        }
    }
}

async fn until_closed(stream: &mut TcpStream, limit: Duration) -> Result<()> {
    let mut received = [0; 1024];
    let closed = async { while stream.read(&mut received).await.is_ok_and(|n| n > 0) {} };
    timeout(limit, closed).await.with_context(|| format!("still open after {limit:?}"))
}

/// The same bytes each time, of which no handshake is made.
fn garbage(seed: u8, length: usize) -> Vec<u8> {
    let mut state = u64::from(seed) + 0x9E37_79B9_7F4A_7C15;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(length).collect()
}

const POLITE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 66, 6, 1));
/// Its handshake may take 5 s from when it is accepted; the rest is for a machine that is busy.
const HANDSHAKE: Duration = Duration::from_secs(20);
/// Its first message may take 10 s more.
const FIRST_MESSAGE: Duration = Duration::from_secs(35);
/// A message that has begun may take 30 s, and a goodbye 5 s.
const MESSAGE: Duration = Duration::from_secs(45);
/// For what needs no deadline to be seen as wrong; a goodbye has 5 s.
const AT_ONCE: Duration = Duration::from_secs(10);
/// For a flood to be stopped.
const FLOOD: Duration = Duration::from_secs(20);
/// Summaries of who was refused come every 10 s.
const LOGGED_WITHIN: Duration = Duration::from_secs(20);
/// Longest a polite player waits for an answer: what people call a hiccup, on a machine whose two
/// cores the strangers use, too.
const ANSWER: Duration = Duration::from_secs(1);
/// What strangers may cost: 19 MiB for the hash of a password on each of two threads, and less than
/// 20 KiB for each of 500 connections, half of them with TLS.
const MEMORY_KIB: u64 = 48 * 1024;
