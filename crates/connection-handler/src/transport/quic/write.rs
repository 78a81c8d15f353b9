//! The writing half of a connection over QUIC.

use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use quinn::SendStream;
use tokio::{io::AsyncWrite, time::timeout};

use super::QuicCarrier;
use crate::transport::Carrier;

/// A [`SendStream`] whose shutdown waits until the other side has everything.
///
/// Dropping it closes the connection, and tells the other side why if its
/// [carrier](Self::carrier) knows. Without a shutdown before, what is not acknowledged is lost.
pub struct QuicWrite {
    stream: SendStream,
    carrier: Arc<QuicCarrier>,
    acknowledged: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    done: bool,
}

impl QuicWrite {
    /// The writing half of `connection`, whose first stream is `stream`.
    pub fn new(connection: quinn::Connection, stream: SendStream) -> Self {
        let carrier = Arc::new(QuicCarrier::new(connection));
        Self { stream, carrier, acknowledged: None, done: false }
    }

    /// What the connection can do beside carrying bytes.
    pub fn carrier(&self) -> Arc<dyn Carrier> {
        self.carrier.clone()
    }
}

impl AsyncWrite for QuicWrite {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(Pin::new(&mut self.stream), cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(Pin::new(&mut self.stream), cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, carrier, acknowledged, done } = &mut *self;
        if *done {
            return Poll::Ready(Ok(()));
        }
        let acknowledged = acknowledged.get_or_insert_with(|| {
            // Fails only when already finished or stopped, and then there is nothing to finish.
            let _ = stream.finish();
            let (stopped, carrier) = (stream.stopped(), carrier.clone());
            Box::pin(async move {
                let _ = stopped.await;
                // Who has said first that there will be no more says why, once they know that we
                // have heard all of it. Closing before they do would be faster, and silence them.
                if carrier.answers() {
                    let _ = timeout(LISTEN, carrier.connection().closed()).await;
                }
            })
        });
        ready!(acknowledged.as_mut().poll(cx));
        *done = true;
        Poll::Ready(Ok(()))
    }
}

impl Drop for QuicWrite {
    fn drop(&mut self) {
        self.carrier.close(self.done);
    }
}

impl fmt::Debug for QuicWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuicWrite").finish_non_exhaustive()
    }
}

/// A stream beside the first. Like [`QuicWrite`], but the connection does not end with it.
pub(super) struct QuicLane {
    stream: SendStream,
    acknowledged: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl QuicLane {
    pub(super) fn new(stream: SendStream) -> Self {
        Self { stream, acknowledged: None }
    }
}

impl AsyncWrite for QuicLane {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(Pin::new(&mut self.stream), cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(Pin::new(&mut self.stream), cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, acknowledged } = &mut *self;
        let acknowledged = acknowledged.get_or_insert_with(|| {
            // Fails only when already finished or stopped, and then there is nothing to finish.
            let _ = stream.finish();
            let stopped = stream.stopped();
            Box::pin(async move { drop(stopped.await) })
        });
        acknowledged.as_mut().poll(cx).map(Ok)
    }
}

/// How long we wait to hear why the other side has ended the connection.
const LISTEN: Duration = Duration::from_secs(1);
