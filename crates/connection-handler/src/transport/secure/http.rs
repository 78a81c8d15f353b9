//! The connections of a port that speak HTTP/1.1.

use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::mpsc,
};
use tokio_rustls::server::TlsStream;

use crate::{admission::Admitted, transport::mux::Rewind};

/// Where connections that speak HTTP/1.1 come from. See
/// [`SecurePort::http`](super::SecurePort::http).
///
/// When nobody accepts them they wait, a few of them and not for long; then they are closed.
#[derive(Debug)]
pub struct HttpListener {
    pub(super) arrived: mpsc::Receiver<HttpConnection>,
}

impl HttpListener {
    /// Waits for the next connection: all its bytes are still to be read, and no request may ever
    /// come. None: the port is closed.
    ///
    /// # Cancel safety
    ///
    /// No connection is lost when it is dropped.
    pub async fn accept(&mut self) -> Option<HttpConnection> {
        self.arrived.recv().await
    }
}

/// A connection that speaks HTTP/1.1.
#[derive(Debug)]
pub struct HttpConnection {
    /// Its bytes, decrypted.
    pub stream: HttpStream,
    /// Who is on the other side: as the proxy says, if they come through a trusted one. An IPv4
    /// address as such, even when it arrived at a socket for IPv6.
    pub remote_addr: SocketAddr,
    /// Whether it is encrypted.
    pub tls: bool,
}

/// The bytes of a connection that speaks HTTP/1.1.
///
/// Counts among [`max_connections`](super::SecurePortConfig::max_connections) of the port until it
/// is dropped.
pub struct HttpStream {
    pub(super) stream: Stream,
    pub(super) _admitted: Admitted,
}

pub(super) enum Stream {
    Plain(Rewind<TcpStream>),
    Tls(Box<Rewind<TlsStream<Rewind<TcpStream>>>>),
}

impl AsyncRead for HttpStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for HttpStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

impl fmt::Debug for HttpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpStream").finish_non_exhaustive()
    }
}
