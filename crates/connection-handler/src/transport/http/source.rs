//! Where HTTP connections come from.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};

use crate::transport::tcp::closed_if_final;

/// Where HTTP connections come from: a TCP port, or a port that others share.
pub trait HttpSource: Send + 'static {
    /// The bytes of a connection, decrypted.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// Waits for the next connection.
    ///
    /// # Errors
    ///
    /// After an error of kind [`NotConnected`](io::ErrorKind::NotConnected) there will be no more
    /// connections. After any other it is worth trying again, a little later.
    ///
    /// # Cancel safety
    ///
    /// No connection is lost when it is dropped.
    fn accept(&mut self) -> impl Future<Output = io::Result<HttpArrival<Self::Stream>>> + Send;
}

/// A connection of which nothing has been read.
#[derive(Debug)]
pub struct HttpArrival<S> {
    /// Its bytes.
    pub stream: S,
    /// Who is on the other side.
    pub remote_addr: SocketAddr,
}

/// Without encryption: for a proxy in front of us that takes it off, or for this host.
impl HttpSource for TcpListener {
    type Stream = TcpStream;

    async fn accept(&mut self) -> io::Result<HttpArrival<TcpStream>> {
        let (stream, mut remote_addr) = Self::accept(self).await.map_err(closed_if_final)?;
        remote_addr.set_ip(remote_addr.ip().to_canonical());
        stream.set_nodelay(true)?;
        Ok(HttpArrival { stream, remote_addr })
    }
}

#[cfg(feature = "secure")]
impl HttpSource for crate::transport::secure::HttpListener {
    type Stream = crate::transport::secure::HttpStream;

    async fn accept(&mut self) -> io::Result<HttpArrival<Self::Stream>> {
        let arrived = Self::accept(self).await.ok_or(io::ErrorKind::NotConnected)?;
        Ok(HttpArrival { stream: arrived.stream, remote_addr: arrived.remote_addr })
    }
}
