//! Every metric of the documentation has its name, its labels and the right values.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::pending,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix::Actor;
use connection_handler::{
    ConnectionConfig, IncomingConnectionHandler, Peer,
    transport::{
        Carrier, Connection, Connector, Handshake, LinkStatistics, Listener, Moved,
        memory::{MemoryListener, memory},
        mux::{Kind, MuxConfig, PortMux},
    },
};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};

use crate::{
    LIMIT, Server,
    central::Probe,
    handler::ClientHandler,
    hear,
    protocol::{ToClient, ToServer},
    wire,
};

#[actix::test]
async fn every_metric_of_the_documentation_is_counted() {
    let recorder = DebuggingRecorder::new();
    let mut seen = Seen::new(recorder.snapshotter());
    let _guard = metrics::set_default_local_recorder(&recorder);

    converse(&mut seen).await;
    be_carried(&mut seen).await;
    refuse_handshakes(&mut seen).await;
    be_nothing_known(&mut seen).await;
    #[cfg(feature = "secure")]
    be_no_quic(&mut seen).await;

    let mut documented = documented();
    if cfg!(not(feature = "secure")) {
        documented.retain(|(name, ..)| name != "connection_handler_datagrams_total");
    }
    assert_eq!(seen.documentation(), documented);
}

/// One connection says two messages at once, hears two, and leaves; another one is too many.
async fn converse(seen: &mut Seen) {
    let config = ConnectionConfig { max_connections_per_ip: 1, ..Default::default() };
    let mut server = Server::start(ClientHandler, config);
    let mut pipe = server.connector.connect().await.unwrap();
    let peer = server.connected().await;
    let mut too_many = server.connector.connect().await.unwrap();
    assert_eq!(timeout(LIMIT, too_many.read.read(&mut [0])).await.unwrap().unwrap(), 0);

    let both = [wire(&ToServer::Quit), wire(&ToServer::Quit)].concat();
    pipe.write.write_all(&both).await.unwrap();
    server.message().await;
    server.message().await;
    let words = [ToClient::Said("hello".into()), ToClient::Bye];
    let words_length: usize = words.iter().map(|word| wire(word).len()).sum();
    for word in words {
        peer.send(word);
    }
    hear(&mut pipe, &ToClient::Said("hello".into())).await;
    hear(&mut pipe, &ToClient::Bye).await;
    seen.check("connection_handler_open kind=Client transport=memory", &[1.0]);

    drop(pipe);
    server.end().await;
    let words_length = words_length as f64;
    for (series, values) in [
        ("connection_handler_open kind=Client transport=memory", &[0.0][..]),
        ("connection_handler_connected_total kind=Client transport=memory", &[1.0]),
        ("connection_handler_disconnected_total kind=Client reason=remote_close", &[1.0]),
        ("connection_handler_handshakes kind=Client", &[0.0]),
        ("connection_handler_refused_total kind=Client reason=per_address", &[1.0]),
        ("connection_handler_messages_total kind=Client direction=in", &[2.0]),
        ("connection_handler_bytes_total kind=Client direction=in", &[both.len() as f64]),
        ("connection_handler_batch_messages kind=Client direction=in", &[2.0]),
        ("connection_handler_messages_total kind=Client direction=out", &[2.0]),
        ("connection_handler_bytes_total kind=Client direction=out", &[words_length]),
        ("connection_handler_batch_messages kind=Client direction=out", &[2.0]),
        ("connection_handler_queue_bytes kind=Client", &[words_length]),
    ] {
        seen.check(series, values);
    }
    let lasted = seen.values("connection_handler_duration_seconds kind=Client");
    assert!(matches!(lasted[..], [seconds] if 0.0 < seconds && seconds < LIMIT.as_secs_f64()));
}

async fn refuse_handshakes(seen: &mut Seen) {
    let (sender, _events) = mpsc::unbounded_channel();
    let config =
        ConnectionConfig { handshake_timeout: Duration::from_millis(20), ..Default::default() };
    let (nobody_left, mut all_accepted) = mpsc::unbounded_channel();
    let listener = Unlucky { accepted: 0, nobody_left };
    let central = Probe(sender).start();
    IncomingConnectionHandler::new(ClientHandler, listener, central, config).start();
    timeout(LIMIT, all_accepted.recv()).await.unwrap();
    tokio::task::yield_now().await;
    seen.check("connection_handler_handshakes kind=Client", &[1.0]);

    let timed_out = "connection_handler_refused_total kind=Client reason=handshake_timeout";
    let until_timed_out = async {
        while seen.values(timed_out).is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(LIMIT, until_timed_out).await.unwrap();
    seen.check(timed_out, &[1.0]);
    seen.check("connection_handler_refused_total kind=Client reason=handshake_failed", &[1.0]);
    seen.check("connection_handler_handshakes kind=Client", &[0.0]);
}

/// One connection over a transport that knows how it is doing, and whose other side moves once.
async fn be_carried(seen: &mut Seen) {
    let (listener, mut connector) = memory(64);
    let (sender, mut events) = mpsc::unbounded_channel();
    let (central, config) = (Probe(sender).start(), ConnectionConfig::default());
    IncomingConnectionHandler::new(ClientHandler, Carried(listener), central, config).start();
    drop(connector.connect().await.unwrap());
    for _ in ["connected", "disconnected"] {
        timeout(LIMIT, events.recv()).await.unwrap();
    }
    seen.check("connection_handler_rtt_seconds kind=Client", &[0.25]);
    seen.check("connection_handler_packets_total kind=Client fate=sent", &[100.0]);
    seen.check("connection_handler_packets_total kind=Client fate=lost", &[3.0]);
    seen.check("connection_handler_moves_total kind=Client", &[1.0]);
}

/// One connection to a port for several protocols says what none of them begins with.
async fn be_nothing_known(seen: &mut Seen) {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = tcp.local_addr().unwrap();
    let mut port = PortMux::new(tcp, MuxConfig::default());
    let _listener = port.listener(Kind::Http1);
    let port = port.start();
    let mut socket = TcpStream::connect(addr).await.unwrap();
    socket.write_all(b"\xff\xff\xff\xff").await.unwrap();
    // With a reset, if what was said had not been read.
    let _ = timeout(LIMIT, socket.read(&mut [0])).await.unwrap();
    let closed = port.closed();
    assert_eq!(closed.values().sum::<u64>(), 1, "{closed:?}");
    for reason in closed.keys() {
        seen.check(&format!("connection_handler_mux_closed_total reason={reason}"), &[1.0]);
    }
}

/// One datagram at a port of QUIC asks for a game server.
#[cfg(feature = "secure")]
async fn be_no_quic(seen: &mut Seen) {
    use connection_handler::transport::{
        keys::Identity,
        secure::{SecurePort, SecurePortConfig},
    };

    let identity = Identity::ephemeral().unwrap();
    let addr = "127.0.0.1:0".parse().unwrap();
    let port = SecurePort::bind(addr, &identity, SecurePortConfig::default()).await.unwrap();
    let port = port.start();
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(b"\xff\xff\xff\xffTSource Engine Query\0", port.local_addr()).await.unwrap();
    let asked = async {
        while port.datagrams().game_queries == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(LIMIT, asked).await.unwrap();
    // They are summed up now and then.
    tokio::time::pause();
    let counted = "connection_handler_datagrams_total kind=game_query";
    while seen.values(counted).is_empty() {
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    tokio::time::resume();
    seen.check(counted, &[1.0]);
}

/// Makes connections of memory more than they are.
struct Carried(MemoryListener);

impl Listener for Carried {
    type Read = ReadHalf<DuplexStream>;
    type Write = WriteHalf<DuplexStream>;

    async fn accept(&mut self) -> io::Result<Handshake<Self::Read, Self::Write>> {
        let handshake = self.0.accept().await?;
        Ok(Handshake::new(handshake.remote_addr, async {
            let carrier: Arc<dyn Carrier> = Arc::new(Moving(AtomicBool::new(true)));
            Ok(Connection { carrier: Some(carrier), ..handshake.await? })
        }))
    }
}

#[derive(Debug)]
struct Moving(AtomicBool);

impl Carrier for Moving {
    fn statistics(&self) -> Option<LinkStatistics> {
        let mut statistics = LinkStatistics::default();
        statistics.rtt = Duration::from_millis(250);
        (statistics.packets_sent, statistics.packets_lost) = (100, 3);
        Some(statistics)
    }

    fn moved(&self) -> Option<Moved> {
        let at = |port| SocketAddr::from(([192, 0, 2, 1], port));
        self.0.swap(false, Ordering::Relaxed).then(|| Moved { from: at(1), to: at(2) })
    }
}

/// Accepts somebody whose handshake fails, then somebody whose handshake does not end, then nobody.
struct Unlucky {
    accepted: usize,
    nobody_left: mpsc::UnboundedSender<()>,
}

impl Listener for Unlucky {
    type Read = ReadHalf<DuplexStream>;
    type Write = WriteHalf<DuplexStream>;

    async fn accept(&mut self) -> io::Result<Handshake<Self::Read, Self::Write>> {
        let remote_addr = SocketAddr::from(([192, 0, 2, 1], 1));
        self.accepted += 1;
        match self.accepted {
            1 => Ok(Handshake::new(remote_addr, async { Err(io::ErrorKind::InvalidData.into()) })),
            2 => Ok(Handshake::new(remote_addr, pending())),
            _ => {
                let _ = self.nobody_left.send(());
                pending().await
            }
        }
    }
}

/// What the recorder was told, summed up.
struct Seen {
    snapshotter: Snapshotter,
    /// By name and labels. Several values for a histogram.
    series: BTreeMap<String, Vec<f64>>,
    /// What a table says of those that have changed: name, type, labels.
    documentation: BTreeSet<(String, &'static str, Vec<String>)>,
}

impl Seen {
    fn new(snapshotter: Snapshotter) -> Self {
        Self { snapshotter, series: BTreeMap::new(), documentation: BTreeSet::new() }
    }

    #[track_caller]
    fn check(&mut self, series: &str, expected: &[f64]) {
        assert_eq!(self.values(series), expected, "{series}");
    }

    fn values(&mut self, series: &str) -> Vec<f64> {
        self.look();
        self.series.get(series).cloned().unwrap_or_default()
    }

    fn documentation(&self) -> BTreeSet<(String, &'static str, Vec<String>)> {
        self.documentation.clone()
    }

    /// Adds what has happened since it was last looked at.
    fn look(&mut self) {
        for (key, _, description, value) in self.snapshotter.snapshot().into_vec() {
            let key = key.key();
            assert!(description.is_some_and(|text| !text.is_empty()), "{key} says nothing");
            let labels: Vec<_> = key.labels().map(|label| label.key().to_owned()).collect();
            let mut series = key.name().to_owned();
            for label in key.labels() {
                series += &format!(" {}={}", label.key(), label.value());
            }
            let values = self.series.entry(series);
            let has_changed = match &value {
                DebugValue::Counter(more) => *more > 0,
                DebugValue::Gauge(change) => change.0 != 0.0,
                DebugValue::Histogram(more) => !more.is_empty(),
            };
            let kind = match value {
                DebugValue::Counter(more) => {
                    sum(values.or_default(), more as f64);
                    "counter"
                }
                DebugValue::Gauge(change) => {
                    sum(values.or_default(), change.0);
                    "gauge"
                }
                DebugValue::Histogram(more) => {
                    values.or_default().extend(more.into_iter().map(|value| value.0));
                    "histogram"
                }
            };
            if has_changed {
                self.documentation.insert((key.name().to_owned(), kind, labels));
            }
        }
    }
}

fn sum(values: &mut Vec<f64>, more: f64) {
    match &mut values[..] {
        [] => values.push(more),
        [value, ..] => *value += more,
    }
}

/// The table in the documentation.
fn documented() -> BTreeSet<(String, &'static str, Vec<String>)> {
    let documentation = include_str!("../../src/observe/mod.rs");
    let rows = documentation.lines().filter_map(|line| line.strip_prefix("//! | `connection_"));
    rows.map(|row| {
        let mut columns = row.split('|').map(|column| column.trim().replace('`', ""));
        let mut column = || columns.next().unwrap();
        let name = format!("connection_{}", column());
        let kind = match column().as_str() {
            "counter" => "counter",
            "gauge" => "gauge",
            "histogram" => "histogram",
            other => panic!("{name} is a {other}"),
        };
        (name, kind, column().split(", ").map(String::from).collect())
    })
    .collect()
}
