//! A UDP socket that does not end with its errors.

use std::{
    fmt,
    io::{self, IoSliceMut},
    mem,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use quinn::{
    AsyncUdpSocket, UdpPoller,
    udp::{RecvMeta, Transmit},
};
use tokio::{
    sync::watch,
    time::{Sleep, sleep},
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::transport::Health;

/// Tries again when receiving has failed, and binds anew when that does not help.
///
/// To quinn any error is the end of the endpoint, and with it of every connection, although most
/// of them pass: a network that is down, a kernel without memory. Connections do not notice even a
/// new socket: it has the same address, and what was lost meanwhile is sent again.
pub(super) struct SturdySocket {
    addr: SocketAddr,
    bind: Box<Bind>,
    /// `None` while there is none.
    live: RwLock<Option<Live>>,
    trouble: Mutex<Trouble>,
    /// How often it had no room for what was to be sent.
    blocked: AtomicUsize,
    health: watch::Sender<Health>,
}

type Bind = dyn Fn(SocketAddr) -> io::Result<Arc<dyn AsyncUdpSocket>> + Send + Sync;

struct Live {
    socket: Arc<dyn AsyncUdpSocket>,
    /// Cancelled when the socket is given up: who waits for it lets go of it.
    given_up: CancellationToken,
}

impl Live {
    fn new(socket: Arc<dyn AsyncUdpSocket>) -> Self {
        Self { socket, given_up: CancellationToken::new() }
    }
}

#[derive(Default)]
struct Trouble {
    /// Errors since the last success.
    errors: u32,
    pause: Option<Pin<Box<Sleep>>>,
}

impl SturdySocket {
    /// A socket at `addr` that is made by `bind`, again and again if need be, and tells `health` how
    /// it is. Port 0 becomes one, and is the same from then on.
    ///
    /// # Errors
    ///
    /// When the first attempt fails.
    pub(super) fn bind(
        addr: SocketAddr,
        bind: impl Fn(SocketAddr) -> io::Result<Arc<dyn AsyncUdpSocket>> + Send + Sync + 'static,
        health: watch::Sender<Health>,
    ) -> io::Result<Arc<Self>> {
        let socket = bind(addr)?;
        let addr = socket.local_addr()?;
        let live = RwLock::new(Some(Live::new(socket)));
        let (trouble, blocked) = Default::default();
        Ok(Arc::new(Self { addr, bind: Box::new(bind), live, trouble, blocked, health }))
    }

    /// The socket of now, for a moment: with each packet, so that nothing is counted or allocated.
    fn live(&self) -> RwLockReadGuard<'_, Option<Live>> {
        self.live.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn replace(&self, live: Option<Live>) {
        let mut current = self.live.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(former) = mem::replace(&mut *current, live) {
            former.given_up.cancel();
        }
    }

    fn trouble(&self) -> MutexGuard<'_, Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, trouble: &mut Trouble, error: io::Error) {
        if trouble.errors == 0 {
            tracing::warn!(addr = %self.addr, %error, "cannot receive over UDP, trying again");
        }
        trouble.errors = trouble.errors.saturating_add(1);
        trouble.pause = Some(Box::pin(sleep(PAUSE)));
        let message = format!("udp {}: {error}", self.addr);
        let error = io::Error::new(error.kind(), message);
        self.health.send_modify(|health| health.fails(self.addr, error));
    }

    fn works(&self, trouble: &mut Trouble) {
        if mem::take(&mut trouble.errors) > 0 {
            tracing::info!(addr = %self.addr, "receiving over UDP again");
            self.health.send_modify(|health| health.works(self.addr));
        }
    }
}

impl AsyncUdpSocket for SturdySocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        let blocked = self.blocked.load(Ordering::Relaxed);
        Box::pin(SturdyPoller { socket: self, blocked, waiting: None })
    }

    /// Only fails for want of room: what cannot be sent is lost, as it may be anywhere else.
    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let live = self.live();
        let Some(live) = live.as_ref() else { return Ok(()) };
        match live.socket.try_send(transmit) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.blocked.fetch_add(1, Ordering::Relaxed);
                Err(error)
            }
            Err(error) => {
                tracing::debug!(addr = %self.addr, to = %transmit.destination, %error, "not sent");
                Ok(())
            }
            sent => sent,
        }
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut trouble = self.trouble();
        loop {
            if let Some(pause) = &mut trouble.pause {
                ready!(pause.as_mut().poll(cx));
                trouble.pause = None;
            }
            let live = self.live();
            let received = live.as_ref().map(|live| live.socket.poll_recv(cx, bufs, meta));
            drop(live);
            let Some(received) = received else {
                match (self.bind)(self.addr) {
                    Ok(socket) => self.replace(Some(Live::new(socket))),
                    Err(error) => self.failed(&mut trouble, error),
                }
                continue;
            };
            match received {
                Poll::Ready(Err(error)) => {
                    if is_final(&error) || trouble.errors + 1 >= PATIENCE {
                        self.replace(None);
                    }
                    self.failed(&mut trouble, error);
                }
                Poll::Ready(received) => {
                    self.works(&mut trouble);
                    return Poll::Ready(received);
                }
                // It would say so if something were wrong.
                Poll::Pending => {
                    self.works(&mut trouble);
                    return Poll::Pending;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.addr)
    }

    fn max_transmit_segments(&self) -> usize {
        self.live().as_ref().map_or(1, |live| live.socket.max_transmit_segments())
    }

    fn max_receive_segments(&self) -> usize {
        self.live().as_ref().map_or(1, |live| live.socket.max_receive_segments())
    }

    fn may_fragment(&self) -> bool {
        self.live().as_ref().is_none_or(|live| live.socket.may_fragment())
    }
}

impl fmt::Debug for SturdySocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SturdySocket").field("addr", &self.addr).finish_non_exhaustive()
    }
}

/// Waits until a [`SturdySocket`] takes more. Holds the socket behind it only while it waits.
///
/// quinn asks it before each packet. That there is room is taken for granted until a packet was
/// refused, of whichever connection: to ask the socket itself takes three allocations.
struct SturdyPoller {
    socket: Arc<SturdySocket>,
    /// How often it had no room when it was asked last.
    blocked: usize,
    waiting: Option<Waiting>,
}

struct Waiting {
    poller: Pin<Box<dyn UdpPoller>>,
    given_up: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl UdpPoller for SturdyPoller {
    fn poll_writable(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { socket, blocked, waiting } = &mut *self;
        let now = socket.blocked.load(Ordering::Relaxed);
        if waiting.is_none() && mem::replace(blocked, now) == now {
            return Poll::Ready(Ok(()));
        }
        let current = match waiting {
            Some(waiting) => waiting,
            None => {
                let live = socket.live();
                let Some(live) = live.as_ref() else { return Poll::Ready(Ok(())) };
                let given_up = Box::pin(live.given_up.clone().cancelled_owned());
                waiting.insert(Waiting { poller: live.socket.clone().create_io_poller(), given_up })
            }
        };
        if current.given_up.as_mut().poll(cx).is_pending() {
            // Whatever is wrong, sending will find out.
            let _ = ready!(current.poller.as_mut().poll_writable(cx));
        }
        *waiting = None;
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for SturdyPoller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SturdyPoller").field("socket", &self.socket).finish_non_exhaustive()
    }
}

/// Whether a socket will never receive again after `error`: it is none.
fn is_final(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, NotConnected, Unsupported};

    matches!(error.kind(), InvalidInput | NotConnected | Unsupported)
        || error.raw_os_error() == Some(EBADF)
}

const PAUSE: Duration = Duration::from_millis(100);
/// No such file descriptor, on every Unix.
const EBADF: i32 = 9;
/// Errors in a row after which another socket is tried.
const PATIENCE: u32 = 10;

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, future::poll_fn};

    use tokio::time::Instant;

    use super::*;

    /// Says one after the other, and nothing any more then.
    #[derive(Debug)]
    struct Script(Mutex<VecDeque<Result<usize, io::ErrorKind>>>);

    impl AsyncUdpSocket for Script {
        fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
            Box::pin(Never(self))
        }

        fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
            Err(match transmit.contents {
                TOO_MUCH => io::ErrorKind::WouldBlock.into(),
                _ => io::ErrorKind::HostUnreachable.into(),
            })
        }

        fn poll_recv(
            &self,
            _: &mut Context<'_>,
            _: &mut [IoSliceMut<'_>],
            _: &mut [RecvMeta],
        ) -> Poll<io::Result<usize>> {
            match self.0.lock().unwrap().pop_front() {
                Some(said) => Poll::Ready(said.map_err(Into::into)),
                None => Poll::Pending,
            }
        }

        fn local_addr(&self) -> io::Result<SocketAddr> {
            Ok("127.0.0.1:7".parse().unwrap())
        }
    }

    #[derive(Debug)]
    #[expect(dead_code, reason = "holds the socket")]
    struct Never(Arc<Script>);

    impl UdpPoller for Never {
        fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    type Said = Result<usize, io::ErrorKind>;

    /// A socket that is made of these, one after the other, how often one was made, and how it is.
    fn sturdy(
        scripts: impl IntoIterator<Item = Vec<Said>>,
    ) -> (Arc<SturdySocket>, Arc<AtomicUsize>, watch::Receiver<Health>) {
        let scripts: VecDeque<_> = scripts.into_iter().collect();
        let (scripts, made) = (Mutex::new(scripts), Arc::new(AtomicUsize::new(0)));
        let count = made.clone();
        let bind = move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            let script = scripts.lock().unwrap().pop_front();
            let script = script.ok_or(io::ErrorKind::AddrInUse)?;
            Ok(Arc::new(Script(Mutex::new(script.into()))) as Arc<dyn AsyncUdpSocket>)
        };
        let (health, healthy) = watch::channel(Health::default());
        let addr = "127.0.0.1:7".parse().unwrap();
        (SturdySocket::bind(addr, bind, health).unwrap(), made, healthy)
    }

    fn transmit(contents: &[u8]) -> Transmit<'_> {
        let destination = "192.0.2.1:7".parse().unwrap();
        Transmit { destination, ecn: None, contents, segment_size: None, src_ip: None }
    }

    const TOO_MUCH: &[u8] = b"too much";

    async fn receive(socket: &SturdySocket) -> usize {
        poll_fn(|cx| socket.poll_recv(cx, &mut [], &mut [])).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn receiving_goes_on_when_the_network_is_back() {
        let down = Err(io::ErrorKind::NetworkDown);
        let (socket, made, _) = sturdy([vec![down, down, down, Ok(7)]]);
        let begin = Instant::now();
        assert_eq!(receive(&socket).await, 7);
        assert!(begin.elapsed() >= 3 * PAUSE);
        assert_eq!(made.load(Ordering::Relaxed), 1, "the same socket");
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_socket_is_replaced_and_one_that_only_fails_too() {
        for script in [
            vec![Err(io::ErrorKind::NotConnected)],
            vec![Err(io::ErrorKind::NetworkDown); PATIENCE as usize],
        ] {
            let (socket, made, _) = sturdy([script, vec![Ok(7)]]);
            assert_eq!(receive(&socket).await, 7);
            assert_eq!(made.load(Ordering::Relaxed), 2);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn its_health_is_told_while_it_fails_and_when_it_works() {
        let (socket, _, mut health) = sturdy([vec![Err(io::ErrorKind::NotConnected)], vec![]]);
        let receiving = receive(&socket);
        tokio::select! {
            _ = receiving => panic!("nothing was sent"),
            failing = health.wait_for(|health| health.error().is_some()) => {
                let error = failing.unwrap().error().unwrap().to_string();
                assert!(error.starts_with("udp 127.0.0.1:7: "), "{error}");
            }
        }
        tokio::select! {
            _ = receive(&socket) => panic!("nothing was sent"),
            works = health.wait_for(|health| health.error().is_none()) => assert!(works.is_ok()),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_a_dead_socket_lets_go_of_it() {
        let (socket, _, _) = sturdy([vec![Err(io::ErrorKind::NotConnected)], vec![Ok(7)]]);
        let held = Arc::downgrade(&socket.live().as_ref().unwrap().socket);
        let mut poller = socket.clone().create_io_poller();
        poll_fn(|cx| poller.as_mut().poll_writable(cx)).await.unwrap();
        assert!(socket.try_send(&transmit(TOO_MUCH)).is_err());
        let waiting = tokio::spawn(poll_fn(move |cx| poller.as_mut().poll_writable(cx)));
        tokio::task::yield_now().await;
        assert_eq!(receive(&socket).await, 7);
        waiting.await.unwrap().unwrap();
        assert!(held.upgrade().is_none(), "the port would still be taken");
    }

    #[tokio::test]
    async fn who_was_refused_waits_for_room() {
        let (socket, ..) = sturdy([vec![]]);
        let [mut one, mut other] = [(); 2].map(|()| socket.clone().create_io_poller());
        async fn waits(poller: &mut Pin<Box<dyn UdpPoller>>) -> bool {
            poll_fn(|cx| Poll::Ready(poller.as_mut().poll_writable(cx).is_pending())).await
        }
        assert!(!waits(&mut one).await);
        assert!(socket.try_send(&transmit(TOO_MUCH)).is_err());
        assert!(waits(&mut one).await && waits(&mut one).await);
        assert!(waits(&mut other).await, "there is one socket for all");
    }

    #[tokio::test]
    async fn what_cannot_be_sent_is_lost_and_nobody_is_to_blame() {
        let (socket, ..) = sturdy([vec![]]);
        assert!(socket.try_send(&transmit(b"hello")).is_ok());
        socket.replace(None);
        assert!(socket.try_send(&transmit(b"hello")).is_ok());
    }
}
