//! One TCP port, and a listener for each protocol on it.

use std::{
    collections::{BTreeMap, HashMap},
    fmt, io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use metrics::{Unit, counter, describe_counter};
use tokio::{
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{Kind, PlainFrames, Rewind, SniffError, Sniffed, Sniffer, SnifferConfig};
use crate::{
    admission::{Admission, Crowded},
    outage::Outage,
    transport::{Connection, Handshake, Listener},
};

/// The limits of a [`PortMux`].
#[derive(Clone, Debug)]
pub struct MuxConfig {
    /// Who may be a proxy, and how long finding out takes at most. What is looked for is what
    /// there are listeners for; of `patterns` only the length of the first plain frame counts.
    pub sniffer: SnifferConfig,
    /// Connections whose protocol is not known yet, or whose listener has not taken them. Further
    /// ones are closed at once.
    pub max_waiting: usize,
    /// The same from one address: an IPv4 address, or the first 64 bits of an IPv6 address. Behind
    /// a proxy the address it names counts.
    pub max_waiting_per_ip: usize,
    /// Connections that wait for one listener to take them, beside those above: each of those
    /// waits as long again as for its protocol, then it is closed.
    pub queue: usize,
}

impl Default for MuxConfig {
    fn default() -> Self {
        Self {
            sniffer: SnifferConfig::default(),
            max_waiting: 1000,
            max_waiting_per_ip: 50,
            queue: 64,
        }
    }
}

/// One TCP port on which several protocols are spoken.
#[derive(Debug)]
pub struct PortMux {
    tcp: TcpListener,
    config: MuxConfig,
    routes: Routes,
}

type Routes = HashMap<Kind, mpsc::Sender<Sniffed<TcpStream>>>;

impl PortMux {
    /// Will accept from `tcp`, once started.
    pub fn new(tcp: TcpListener, config: MuxConfig) -> Self {
        Self { tcp, config, routes: HashMap::new() }
    }

    /// A listener for connections of this kind. Replaces an earlier one for the same.
    pub fn listener(&mut self, kind: Kind) -> MuxListener {
        let (sender, sniffed) = mpsc::channel(self.config.queue.max(1));
        self.routes.insert(kind, sender);
        MuxListener { sniffed, addr: self.tcp.local_addr().ok() }
    }

    /// Accepts from now on, until the handle is closed or dropped.
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime.
    pub fn start(self) -> MuxHandle {
        describe_counter!(
            CLOSED,
            Unit::Count,
            "Connections closed before anybody had them, by reason"
        );
        let Self { tcp, mut config, routes } = self;
        let patterns = &mut config.sniffer.patterns;
        let longest = patterns.plain.take().unwrap_or(PlainFrames::LONGEST);
        patterns.plain = routes.contains_key(&Kind::Plain).then_some(longest);
        patterns.tls = routes.contains_key(&Kind::Tls);
        patterns.http1 = routes.contains_key(&Kind::Http1);
        patterns.http2 = routes.contains_key(&Kind::Http2);
        let closed = Arc::new(Closed::default());
        let addr = tcp.local_addr().ok();
        let entrance = Arc::new(Entrance {
            waiting: Admission::new(config.max_waiting, config.max_waiting_per_ip),
            patience: config.sniffer.timeout,
            sniffer: Sniffer::new(config.sniffer),
            routes,
            closed: closed.clone(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(entrance.accept(tcp));
        MuxHandle { addr, tasks, closed }
    }
}

/// The connections of a [`PortMux`] that speak one protocol.
///
/// A [`Listener`], to be given to an
/// [`IncomingConnectionHandler`](crate::IncomingConnectionHandler), or to be asked by hand. Who has
/// been accepted, and by nobody [taken](Self::next), is closed when this is dropped.
#[derive(Debug)]
pub struct MuxListener {
    sniffed: mpsc::Receiver<Sniffed<TcpStream>>,
    addr: Option<SocketAddr>,
}

impl MuxListener {
    /// Waits for the next connection: none of its bytes has been read, and nothing written. None:
    /// the port is closed.
    ///
    /// # Cancel safety
    ///
    /// No connection is lost when it is dropped.
    pub async fn next(&mut self) -> Option<Sniffed<TcpStream>> {
        self.sniffed.recv().await
    }
}

impl Listener for MuxListener {
    type Read = Rewind<OwnedReadHalf>;
    type Write = OwnedWriteHalf;

    async fn accept(&mut self) -> io::Result<Handshake<Self::Read, Self::Write>> {
        let Sniffed { stream, peer, .. } = self.next().await.ok_or(io::ErrorKind::NotConnected)?;
        let (first, stream) = stream.into_parts();
        let (read, write) = stream.into_split();
        let connection = Connection::new(peer.remote_addr, "tcp", Rewind::new(first, read), write);
        Ok(Handshake::new(peer.remote_addr, async move { Ok(connection) }))
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        self.addr
    }
}

/// Keeps a [`PortMux`] accepting for as long as it exists.
///
/// Connections that a listener has live on without it.
#[must_use = "dropping it stops accepting"]
pub struct MuxHandle {
    addr: Option<SocketAddr>,
    tasks: JoinSet<()>,
    closed: Arc<Closed>,
}

impl MuxHandle {
    /// Where it listens.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.addr
    }

    /// How many connections were closed before a listener had them, by reason.
    pub fn closed(&self) -> BTreeMap<&'static str, u64> {
        self.closed.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stops accepting and closes whoever has not said what they speak: at once, however silent
    /// they are. Returns when the port is free.
    pub async fn close(mut self) {
        self.tasks.shutdown().await;
    }
}

impl fmt::Debug for MuxHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MuxHandle").field("addr", &self.addr).finish_non_exhaustive()
    }
}

/// Who may come in, and where they go then.
struct Entrance {
    sniffer: Sniffer,
    waiting: Admission,
    patience: Duration,
    routes: Routes,
    closed: Arc<Closed>,
}

impl Entrance {
    async fn accept(self: Arc<Self>, tcp: TcpListener) {
        let (mut sniffing, mut outage) = (JoinSet::new(), Outage::default());
        loop {
            let accepted = tokio::select! {
                accepted = tcp.accept() => accepted,
                Some(_) = sniffing.join_next() => continue,
            };
            match accepted {
                Ok((stream, from)) => {
                    if outage.worked() {
                        tracing::info!("accepting connections again");
                    }
                    let place = self.waiting.try_place();
                    let this = self.clone();
                    match place {
                        Ok(place) => drop(sniffing.spawn(async move {
                            if let Err(reason) = this.sniff(stream, from, place).await {
                                this.closed.count(from, &reason);
                            }
                        })),
                        Err(crowded) => self.closed.count(from, &crowded.into()),
                    }
                }
                Err(error) => {
                    if outage.failed() {
                        tracing::warn!(%error, "cannot accept connections, trying again");
                    }
                    sleep(PAUSE).await;
                }
            }
        }
    }

    async fn sniff(
        &self,
        stream: TcpStream,
        from: SocketAddr,
        place: tokio::sync::OwnedSemaphorePermit,
    ) -> Result<(), WhyClosed> {
        stream.set_nodelay(true).map_err(SniffError::Io)?;
        let arrival = self.sniffer.arrive(stream, from).await?;
        let ip = arrival.peer().remote_addr.ip();
        let _admitted = self.waiting.admit(place, ip).ok_or(Crowded::FromThere)?;
        let sniffed = arrival.sniff().await?;
        let route = self.routes.get(&sniffed.kind).ok_or(WhyClosed::NobodyListens)?;
        match timeout(self.patience, route.send(sniffed)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(WhyClosed::NobodyListens),
            Err(_) => Err(WhyClosed::NobodyTakesIt),
        }
    }
}

/// Why a connection was closed before a listener had it.
#[derive(Debug, thiserror::Error)]
enum WhyClosed {
    #[error(transparent)]
    Sniff(#[from] SniffError),
    #[error("too many connections wait")]
    TooMany,
    #[error("too many connections from one address wait")]
    TooManyFromThere,
    #[error("its listener is gone")]
    NobodyListens,
    #[error("its listener takes no more connections")]
    NobodyTakesIt,
}

impl From<Crowded> for WhyClosed {
    fn from(crowded: Crowded) -> Self {
        match crowded {
            Crowded::Everywhere => Self::TooMany,
            Crowded::FromThere => Self::TooManyFromThere,
        }
    }
}

impl WhyClosed {
    fn label(&self) -> &'static str {
        match self {
            Self::Sniff(error) => error.label(),
            Self::TooMany => "too_many_waiting",
            Self::TooManyFromThere => "too_many_waiting_from_one_address",
            Self::NobodyListens => "listener_gone",
            Self::NobodyTakesIt => "listener_full",
        }
    }
}

/// How many connections were closed, by reason.
#[derive(Debug, Default)]
struct Closed(Mutex<BTreeMap<&'static str, u64>>);

impl Closed {
    fn count(&self, from: SocketAddr, reason: &WhyClosed) {
        let label = reason.label();
        tracing::debug!(%from, reason = label, "closed: {reason}");
        counter!(CLOSED, "reason" => label).increment(1);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(label).or_default() += 1;
    }
}

const CLOSED: &str = "connection_handler_mux_closed_total";
/// After a failed accept. Out of file descriptors, most likely: at once would be in vain.
const PAUSE: Duration = Duration::from_millis(100);
