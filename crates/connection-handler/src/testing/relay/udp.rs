//! A network for datagrams that loses, delays, repeats and reorders them, behind a NAT that forgets.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use fastrand::Rng;
use tokio::{
    net::UdpSocket,
    sync::{Notify, Semaphore},
    task::AbortHandle,
    time::sleep,
};

use super::ANY_PORT;

/// What is wrong with a network for datagrams, in both directions. By default nothing.
#[derive(Clone, Debug, Default)]
pub struct DatagramImpairments {
    /// Where chance begins.
    pub seed: u64,
    /// Of a hundred datagrams so many are lost, on average.
    pub loss_percent: u8,
    /// Of a hundred datagrams so many arrive twice, on average.
    pub duplicate_percent: u8,
    /// Each takes so long.
    pub delay: Duration,
    /// Each takes a random time more, up to this: some overtake others.
    pub jitter: Duration,
    /// So often the NAT forgets whom it knew: the target sees everybody come from a new port, and
    /// what it sends to the old one is lost.
    pub rebind_every: Option<Duration>,
}

/// What a [`UdpRelay`] has done until now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UdpCounts {
    /// Datagrams that were to be passed on.
    pub arrived: u64,
    /// Those of them that were not.
    pub lost: u64,
    /// Copies of them that are delayed at present.
    pub on_their_way: usize,
    /// How often the NAT has forgotten everybody.
    pub rebinds: u64,
}

/// Passes datagrams on between a target and those who send to it instead. Dropping it ends that.
///
/// At most 1024 others at the same time, and at most 4096 datagrams on their way; further ones are
/// lost, as in a router.
#[derive(Debug)]
pub struct UdpRelay {
    addr: SocketAddr,
    network: Arc<Network>,
    task: AbortHandle,
}

impl UdpRelay {
    /// A relay to `target`, on a free port of this host.
    ///
    /// # Errors
    ///
    /// When there is none.
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime, which does the work.
    pub async fn start(target: SocketAddr, impairments: DatagramImpairments) -> io::Result<Self> {
        Self::bind(ANY_PORT, target, impairments).await
    }

    /// A relay to `target`, at `addr`.
    ///
    /// # Errors
    ///
    /// When the address is taken.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start).
    pub async fn bind(
        addr: SocketAddr,
        target: SocketAddr,
        impairments: DatagramImpairments,
    ) -> io::Result<Self> {
        let front = UdpSocket::bind(addr).await?;
        front.writable().await?;
        let addr = front.local_addr()?;
        let network = Arc::new(Network::new(front, target, impairments));
        let task = tokio::spawn(network.clone().run()).abort_handle();
        Ok(Self { addr, network, task })
    }

    /// Where to send to instead of the target.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Has the NAT forget everybody, once.
    pub fn rebind(&self) {
        self.network.forget.notify_one();
    }

    /// From now on nothing passes from or to those who have sent something until now. Who sends
    /// from another port is served: as behind a NAT that has lost a port, and does not say so.
    pub fn forsake(&self) {
        self.network.forsake.notify_one();
    }

    /// From now on everything is lost, or no longer.
    pub fn set_black_hole(&self, is_black_hole: bool) {
        self.network.black_hole.store(is_black_hole, Ordering::Relaxed);
    }

    /// What it has done until now.
    pub fn counts(&self) -> UdpCounts {
        let Network { arrived, lost, rebinds, .. } = &*self.network;
        let [arrived, lost, rebinds] = [arrived, lost, rebinds].map(|n| n.load(Ordering::Relaxed));
        let on_their_way = MAX_ON_THEIR_WAY - self.network.on_their_way.available_permits();
        UdpCounts { arrived, lost, on_their_way, rebinds }
    }
}

impl Drop for UdpRelay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Debug)]
struct Network {
    front: Arc<UdpSocket>,
    target: SocketAddr,
    impairments: DatagramImpairments,
    chance: Mutex<Rng>,
    on_their_way: Arc<Semaphore>,
    forget: Notify,
    forsake: Notify,
    black_hole: AtomicBool,
    arrived: AtomicU64,
    lost: AtomicU64,
    rebinds: AtomicU64,
}

/// Somebody the NAT knows: the port they have at the target.
struct Flow {
    port: Arc<UdpSocket>,
    answers: AbortHandle,
    is_forsaken: bool,
}

impl Drop for Flow {
    fn drop(&mut self) {
        self.answers.abort();
    }
}

impl Network {
    fn new(front: UdpSocket, target: SocketAddr, impairments: DatagramImpairments) -> Self {
        Self {
            front: Arc::new(front),
            target,
            chance: Mutex::new(Rng::with_seed(impairments.seed)),
            impairments,
            on_their_way: Arc::new(Semaphore::new(MAX_ON_THEIR_WAY)),
            forget: Notify::new(),
            forsake: Notify::new(),
            black_hole: AtomicBool::new(false),
            arrived: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            rebinds: AtomicU64::new(0),
        }
    }

    async fn run(self: Arc<Self>) {
        let mut flows: HashMap<_, Flow> = HashMap::new();
        let mut buffer = vec![0; MAX_DATAGRAM];
        let mut rebind = Box::pin(self.next_rebind());
        loop {
            tokio::select! {
                biased;
                () = &mut rebind => {
                    flows.clear();
                    self.rebinds.fetch_add(1, Ordering::Relaxed);
                    rebind.set(self.next_rebind());
                }
                () = self.forsake.notified() => flows.values_mut().for_each(|flow| {
                    flow.answers.abort();
                    flow.is_forsaken = true;
                }),
                // What fails is what the network says of an earlier datagram.
                received = self.front.recv_from(&mut buffer) => if let Ok((length, from)) = received {
                    self.outgoing(&mut flows, from, &buffer[..length]).await;
                },
            }
        }
    }

    async fn next_rebind(&self) {
        match self.impairments.rebind_every {
            None => self.forget.notified().await,
            Some(every) => tokio::select! {
                () = self.forget.notified() => {}
                () = sleep(every) => {}
            },
        }
    }

    async fn outgoing(
        self: &Arc<Self>,
        flows: &mut HashMap<SocketAddr, Flow>,
        from: SocketAddr,
        datagram: &[u8],
    ) {
        if !flows.contains_key(&from) {
            match self.flow(from).await {
                Ok(flow) if flows.len() < MAX_FLOWS => flows.insert(from, flow),
                _ => return self.count_loss(),
            };
        }
        let flow = &flows[&from];
        match flow.is_forsaken {
            true => self.count_loss(),
            false => self.pass(datagram, &flow.port, self.target),
        }
    }

    async fn flow(self: &Arc<Self>, from: SocketAddr) -> io::Result<Flow> {
        let ip = match self.target {
            SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let port = Arc::new(UdpSocket::bind((ip, 0)).await?);
        // Nobody has looked yet whether it is, and what cannot be sent at once is lost.
        port.writable().await?;
        let answers = tokio::spawn(self.clone().incoming(port.clone(), from)).abort_handle();
        Ok(Flow { port, answers, is_forsaken: false })
    }

    async fn incoming(self: Arc<Self>, port: Arc<UdpSocket>, to: SocketAddr) {
        let mut buffer = vec![0; MAX_DATAGRAM];
        loop {
            if let Ok((length, from)) = port.recv_from(&mut buffer).await
                && from == self.target
            {
                self.pass(&buffer[..length], &self.front, to);
            }
        }
    }

    /// Lets chance decide what becomes of a datagram.
    fn pass(&self, datagram: &[u8], socket: &Arc<UdpSocket>, to: SocketAddr) {
        let DatagramImpairments { loss_percent, duplicate_percent, delay, jitter, .. } =
            self.impairments;
        self.arrived.fetch_add(1, Ordering::Relaxed);
        let mut chance = self.chance.lock().unwrap_or_else(PoisonError::into_inner);
        // All are drawn, always: what becomes of one changes nothing for the next.
        let is_lost = chance.u8(..100) < loss_percent;
        let copies = 1 + usize::from(chance.u8(..100) < duplicate_percent);
        let delays = [(); 2].map(|()| delay + jitter.mul_f64(chance.f64()));
        drop(chance);
        if is_lost || self.black_hole.load(Ordering::Relaxed) {
            return self.count_loss();
        }
        for delay in delays.into_iter().take(copies) {
            self.send_after(delay, datagram, socket, to);
        }
    }

    fn send_after(
        &self,
        delay: Duration,
        datagram: &[u8],
        socket: &Arc<UdpSocket>,
        to: SocketAddr,
    ) {
        if delay.is_zero() {
            if socket.try_send_to(datagram, to).is_err() {
                self.count_loss();
            }
            return;
        }
        let Ok(place) = self.on_their_way.clone().try_acquire_owned() else {
            return self.count_loss();
        };
        let (datagram, socket) = (datagram.to_vec(), socket.clone());
        tokio::spawn(async move {
            sleep(delay).await;
            // What does not arrive is lost: nobody promised more.
            let _ = socket.try_send_to(&datagram, to);
            drop(place);
        });
    }

    fn count_loss(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }
}

const MAX_DATAGRAM: usize = 65_535;
const MAX_FLOWS: usize = 1024;
const MAX_ON_THEIR_WAY: usize = 4096;
