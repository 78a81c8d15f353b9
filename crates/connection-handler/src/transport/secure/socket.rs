//! A UDP socket whose errors do not end the endpoint.

use std::{
    io::{self, IoSliceMut},
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use quinn::{
    AsyncUdpSocket, UdpPoller,
    udp::{RecvMeta, Transmit},
};
use tokio::time::{Sleep, sleep};

/// Tries again when receiving has failed.
///
/// To quinn any error is the end of the endpoint, and with it of every connection, although most
/// of them pass: a network that is down, a kernel without memory.
#[derive(Debug)]
pub(super) struct SturdySocket {
    inner: Arc<dyn AsyncUdpSocket>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failing: bool,
    pause: Option<Pin<Box<Sleep>>>,
}

impl SturdySocket {
    pub(super) fn new(inner: Arc<dyn AsyncUdpSocket>) -> Self {
        Self { inner, state: Mutex::default() }
    }
}

impl AsyncUdpSocket for SturdySocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        self.inner.clone().create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.inner.try_send(transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(pause) = &mut state.pause {
                ready!(pause.as_mut().poll(cx));
                state.pause = None;
            }
            match self.inner.poll_recv(cx, bufs, meta) {
                Poll::Ready(Err(error)) => {
                    if !state.failing {
                        tracing::warn!(%error, "cannot receive over UDP, trying again");
                    }
                    state.failing = true;
                    state.pause = Some(Box::pin(sleep(PAUSE)));
                }
                Poll::Ready(received) => {
                    state.failing = false;
                    return Poll::Ready(received);
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.inner.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.inner.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.inner.may_fragment()
    }
}

const PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use std::{
        future::poll_fn,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    /// Fails so many times, and receives something then.
    #[derive(Debug)]
    struct Failing(AtomicUsize);

    impl AsyncUdpSocket for Failing {
        fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
            unreachable!("nothing is sent")
        }

        fn try_send(&self, _: &Transmit<'_>) -> io::Result<()> {
            unreachable!("nothing is sent")
        }

        fn poll_recv(
            &self,
            _: &mut Context<'_>,
            _: &mut [IoSliceMut<'_>],
            _: &mut [RecvMeta],
        ) -> Poll<io::Result<usize>> {
            match self.0.fetch_sub(1, Ordering::Relaxed) {
                0 => Poll::Ready(Ok(7)),
                _ => Poll::Ready(Err(io::ErrorKind::NetworkDown.into())),
            }
        }

        fn local_addr(&self) -> io::Result<SocketAddr> {
            unreachable!("nobody asks")
        }
    }

    #[tokio::test(start_paused = true)]
    async fn receiving_goes_on_when_the_network_is_back() {
        let socket = SturdySocket::new(Arc::new(Failing(AtomicUsize::new(3))));
        let begin = tokio::time::Instant::now();
        let received = poll_fn(|cx| socket.poll_recv(cx, &mut [], &mut [])).await;
        assert_eq!(received.unwrap(), 7);
        assert!(begin.elapsed() >= 3 * PAUSE);
    }
}
