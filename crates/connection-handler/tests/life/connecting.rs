//! Connections that we open: where to, how often, and never two at once.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use actix::{Actor, Handler};
use connection_handler::{
    Activity, ConnectFailed, ConnectionConfig, Disconnect, DisconnectReason, Drain,
    OutgoingConnectionHandler, Reconnect, Resume, Status, Suspend,
    transport::{
        Connection, Connector, Listener,
        memory::{MemoryConnector, memory},
        tcp::{HappyEyeballs, TcpConnector},
    },
};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, ReadHalf, WriteHalf},
    net::TcpListener,
    sync::mpsc,
    time::{Instant, Sleep, sleep},
};

use crate::{
    LIMIT, again_after,
    central::Probe,
    handler::{Server, ServerHandler},
    log::Log,
    outgoing, soon, until,
};

const LONG: Duration = Duration::from_secs(600);

#[actix::test]
async fn of_several_addresses_the_first_that_answers_is_taken() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let open = listener.local_addr().unwrap();
    let connection = soon(HappyEyeballs::new(vec![closed, open]).connect()).await.unwrap();
    assert_eq!((connection.remote_addr, connection.transport), (open, "tcp"));

    let nowhere = soon(HappyEyeballs::new(vec![closed, closed]).connect()).await.unwrap_err();
    assert_eq!(nowhere.kind(), io::ErrorKind::ConnectionRefused);
    let said = nowhere.to_string();
    assert_eq!(said.matches(&closed.to_string()).count(), 2, "{said}");
}

#[actix::test]
async fn a_name_is_an_address_too() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let mut connector = HappyEyeballs::new(format!("localhost:{}", addr.port()));
    assert_eq!(soon(connector.connect()).await.unwrap().remote_addr, addr);
}

#[actix::test]
async fn who_asks_hears_of_every_attempt_that_fails() {
    let log = Log::default();
    let _guard = log.capture();
    let (_listener, inner) = memory(64);
    let failures = vec!["no route", "no route", "no route", "refused", "refused"];
    let connector = FailsAtFirst { inner, failures: failures.clone().into_iter() };
    let (sender, mut events) = mpsc::unbounded_channel();
    let (report, mut reported) = mpsc::unbounded_channel();
    let pause = Duration::from_millis(2);
    OutgoingConnectionHandler::new(
        ServerHandler,
        connector,
        Probe(sender).start(),
        again_after(pause),
    )
    .report_failures_to(Reporter(report).start())
    .start();
    let _connected = soon(events.recv()).await.unwrap();

    for (expected, attempt) in failures.into_iter().zip(1..) {
        let failed = soon(reported.recv()).await.unwrap();
        assert_eq!((failed.error.to_string().as_str(), failed.attempt), (expected, attempt));
        assert!(failed.next_in.is_some_and(|next_in| pause / 2 <= next_in && next_in <= pause));
    }
    let said = |text| log.lines(text).iter().filter(|line| line.contains("INFO")).count();
    assert_eq!(said("could not connect"), 2, "once per reason: {:?}", log.lines("connect"));
    assert_eq!(said("failed=5"), 1, "{:?}", log.lines("connected"));
}

#[actix::test]
async fn without_a_pause_there_is_one_attempt() {
    let (listener, connector) = memory(64);
    drop(listener);
    let (_client, handler) = outgoing(connector, ConnectionConfig::default());
    let mut status = soon(handler.send(Status)).await.unwrap();
    let status = until(&mut status, |activity| matches!(activity, Activity::Ended(_))).await;
    let Activity::Ended(Some(error)) = status.activity else { panic!("{status:?}") };
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    soon(async {
        while handler.connected() {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

#[actix::test]
async fn reconnecting_ends_a_pause() {
    let (_listener, inner) = memory(64);
    let connector = FailsAtFirst { inner, failures: vec!["not yet"].into_iter() };
    let (mut client, handler) = outgoing(connector, again_after(LONG));
    let mut status = handler.send(Status).await.unwrap();
    until(&mut status, |activity| matches!(activity, Activity::Failing(_))).await;
    handler.send(Reconnect).await.unwrap();
    client.connected().await;
    assert!(matches!(status.borrow().activity, Activity::Running));
}

#[actix::test]
async fn reconnecting_replaces_the_connection_there_is() {
    let (connector, counts) = counting();
    let (mut client, handler) = outgoing(connector, again_after(LONG));
    for connection in 1..=3 {
        let _peer = client.connected().await;
        assert_eq!(counts.made.load(Ordering::Relaxed), connection);
        handler.send(Reconnect).await.unwrap();
        assert!(matches!(client.end().await, DisconnectReason::Kick(_)));
    }
    client.connected().await;
    assert_eq!(counts.most.load(Ordering::Relaxed), 1);
}

#[actix::test]
async fn a_disconnected_handler_stays_so_until_it_is_resumed() {
    let (connector, counts) = counting();
    let (mut client, handler) = outgoing(connector, again_after(Duration::from_millis(1)));
    for again in [true, false] {
        let _peer = client.connected().await;
        soon(handler.send(Disconnect)).await.unwrap();
        assert_eq!(counts.alive.load(Ordering::Relaxed), 0, "it is gone when that resolves");
        client.end().await;
        assert!(client.silent_for(Duration::from_millis(30)).await);
        match again {
            true => handler.send(Resume).await.unwrap(),
            false => handler.send(Reconnect).await.unwrap(),
        }
    }
    client.connected().await;
}

#[actix::test]
async fn an_attempt_that_hangs_is_given_up_when_nobody_wants_it() {
    // Connected by the kernel, but nobody is there to accept: a handshake over it would hang.
    let (_client, handler) =
        outgoing(Hangs, ConnectionConfig { handshake_timeout: LONG, ..again_after(LONG) });
    let mut status = handler.send(Status).await.unwrap();
    for _ in 0..2 {
        soon(status.wait_for(|status| status.handshakes == 1)).await.unwrap();
        soon(handler.send(Suspend)).await.unwrap();
        assert_eq!(status.borrow().handshakes, 0);
        handler.send(Resume).await.unwrap();
    }
    soon(handler.send(Drain { patience: LONG })).await.unwrap();
}

#[actix::test]
async fn there_are_never_two_connections_whatever_is_demanded() {
    for seed in 0..20 {
        let (connector, counts) = counting();
        let (mut client, handler) = outgoing(connector, again_after(Duration::from_millis(1)));
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..60 {
            match random.u8(..5) {
                0 => handler.do_send(Suspend),
                1 => handler.do_send(Disconnect),
                2 => handler.do_send(Resume),
                _ => handler.do_send(Reconnect),
            }
            if random.bool() {
                sleep(Duration::from_micros(random.u64(..4000))).await;
            }
        }
        handler.do_send(Reconnect);
        let mut status = handler.send(Status).await.unwrap();
        soon(status.wait_for(|status| status.open == 1)).await.unwrap();
        // In the middle of a replacement.
        handler.do_send(Reconnect);
        soon(handler.send(Drain { patience: Duration::ZERO })).await.unwrap();
        assert_eq!(counts.most.load(Ordering::Relaxed), 1, "seed {seed}");
        assert_eq!(counts.alive.load(Ordering::Relaxed), 0, "seed {seed}");
        let made = counts.made.load(Ordering::Relaxed);
        handler.do_send(Reconnect);
        handler.do_send(Resume);
        sleep(Duration::from_millis(10)).await;
        assert_eq!(counts.made.load(Ordering::Relaxed), made, "drained is drained");
        while let Ok(event) = client.0.try_recv() {
            drop(event);
        }
    }
}

#[actix::test]
async fn a_connection_that_lasted_starts_the_pauses_anew() {
    const FIRST: Duration = Duration::from_millis(10);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let config = ConnectionConfig {
        reconnect_delay: Some(FIRST),
        max_reconnect_delay: 8 * FIRST,
        ..Default::default()
    };
    let (_client, _handler) = outgoing(TcpConnector { addr }, config);
    let gap = async |lasts| {
        let socket = soon(listener.accept()).await.unwrap();
        sleep(lasts).await;
        drop(socket);
        let begin = Instant::now();
        let socket = soon(listener.accept()).await.unwrap();
        drop(socket);
        begin.elapsed()
    };
    for _ in 0..3 {
        gap(Duration::ZERO).await;
    }
    let after_failures = gap(Duration::ZERO).await;
    assert!(after_failures >= 4 * FIRST, "{after_failures:?}");
    let mut shortest = LIMIT;
    for _ in 0..3 {
        shortest = shortest.min(gap(16 * FIRST).await);
    }
    assert!(shortest < 4 * FIRST, "{shortest:?}");
}

/// Passes on what it hears of attempts.
struct Reporter(mpsc::UnboundedSender<ConnectFailed<Server>>);

impl Actor for Reporter {
    type Context = actix::Context<Self>;
}

impl Handler<ConnectFailed<Server>> for Reporter {
    type Result = ();

    fn handle(&mut self, failed: ConnectFailed<Server>, _: &mut Self::Context) {
        let _ = self.0.send(failed);
    }
}

/// Fails for these reasons before it connects.
struct FailsAtFirst {
    inner: MemoryConnector,
    failures: std::vec::IntoIter<&'static str>,
}

impl Connector for FailsAtFirst {
    type Read = ReadHalf<DuplexStream>;
    type Write = WriteHalf<DuplexStream>;

    async fn connect(&mut self) -> io::Result<Connection<Self::Read, Self::Write>> {
        match self.failures.next() {
            Some(reason) => Err(io::Error::other(reason)),
            None => self.inner.connect().await,
        }
    }
}

/// Never connects.
struct Hangs;

impl Connector for Hangs {
    type Read = ReadHalf<DuplexStream>;
    type Write = WriteHalf<DuplexStream>;

    async fn connect(&mut self) -> io::Result<Connection<Self::Read, Self::Write>> {
        std::future::pending().await
    }
}

/// A connector that is slow to connect and slow to close, and what it has seen.
fn counting() -> (Counting, Arc<Counts>) {
    let (mut listener, inner) = memory(64);
    actix::spawn(async move {
        let mut accepted = Vec::new();
        while let Ok(handshake) = listener.accept().await {
            accepted.push(handshake.await);
        }
    });
    let counts = Arc::<Counts>::default();
    (Counting { inner, counts: counts.clone() }, counts)
}

/// How many connections there were, are, and were at most at the same time.
#[derive(Default)]
struct Counts {
    made: AtomicUsize,
    alive: AtomicUsize,
    most: AtomicUsize,
}

struct Counting {
    inner: MemoryConnector,
    counts: Arc<Counts>,
}

impl Connector for Counting {
    type Read = Half<ReadHalf<DuplexStream>>;
    type Write = Half<WriteHalf<DuplexStream>>;

    async fn connect(&mut self) -> io::Result<Connection<Self::Read, Self::Write>> {
        let alive = Arc::new(Alive::new(self.counts.clone()));
        sleep(Duration::from_millis(1)).await;
        let Connection { remote_addr, transport, read, write, .. } = self.inner.connect().await?;
        let read = Half { inner: read, closing: None, _alive: alive.clone() };
        let write = Half { inner: write, closing: None, _alive: alive };
        Ok(Connection::new(remote_addr, transport, read, write))
    }
}

/// Counts a connection until both halves of it are gone.
struct Alive(Arc<Counts>);

impl Alive {
    fn new(counts: Arc<Counts>) -> Self {
        counts.made.fetch_add(1, Ordering::Relaxed);
        let alive = counts.alive.fetch_add(1, Ordering::Relaxed) + 1;
        counts.most.fetch_max(alive, Ordering::Relaxed);
        Self(counts)
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Half<T> {
    inner: T,
    closing: Option<Pin<Box<Sleep>>>,
    _alive: Arc<Alive>,
}

impl<T: AsyncRead + Unpin> AsyncRead for Half<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Half<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closing = self.closing.get_or_insert_with(|| Box::pin(sleep(Duration::from_millis(3))));
        ready!(closing.as_mut().poll(cx));
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
