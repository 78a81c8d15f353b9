//! The two halves of a connection, whichever way it came.

use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::LazyLock,
    task::{Context, Poll},
    time::Duration,
};

use quinn::{Endpoint, RecvStream, SendStream};
use rustls::pki_types::CertificateDer;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf, ReadHalf, WriteHalf},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};
use tokio_rustls::TlsStream;
use tokio_util::task::TaskTracker;

use super::verify::fingerprint;
pub(super) use crate::transport::quic::canonical;
use crate::{
    admission::Admitted,
    transport::{Connection, keys::KeyFingerprint, mux::Rewind, quic::QuicWrite},
};

/// The reading half of a connection.
pub struct SecureRead {
    stream: Read,
    /// The place among all connections of the port. A connection reads until it is over.
    _admitted: Option<Admitted>,
}

enum Read {
    Plain(Rewind<OwnedReadHalf>),
    Tls(ReadHalf<TlsStream<Rewind<TcpStream>>>),
    Quic(RecvStream),
}

/// The writing half of a connection. A shutdown of QUIC waits until the other side has everything.
pub struct SecureWrite(Write);

enum Write {
    Plain(OwnedWriteHalf),
    Tls(WriteHalf<TlsStream<Rewind<TcpStream>>>),
    // The order matters: the connection is closed before its endpoint is left alone.
    Quic(
        QuicWrite,
        #[expect(dead_code, reason = "does its work when dropped")] Option<OwnEndpoint>,
    ),
}

/// The connection over `stream`, without any protection.
pub(super) fn over_plain(
    stream: Rewind<TcpStream>,
    remote_addr: SocketAddr,
    admitted: Admitted,
) -> Connection<SecureRead, SecureWrite> {
    let (first, stream) = stream.into_parts();
    let (read, write) = stream.into_split();
    let stream = Read::Plain(Rewind::new(first, read));
    let read = SecureRead { stream, _admitted: Some(admitted) };
    Connection::new(remote_addr, "tcp", read, SecureWrite(Write::Plain(write)))
}

/// The connection over `stream`, whose handshake is done.
pub(super) fn over_tls(
    stream: TlsStream<Rewind<TcpStream>>,
    remote_addr: SocketAddr,
    admitted: Option<Admitted>,
) -> io::Result<Connection<SecureRead, SecureWrite>> {
    let identity = identity(stream.get_ref().1.peer_certificates())?;
    let (read, write) = tokio::io::split(stream);
    let read = SecureRead { stream: Read::Tls(read), _admitted: admitted };
    let write = SecureWrite(Write::Tls(write));
    Ok(Connection { identity, ..Connection::new(remote_addr, "tls", read, write) })
}

/// The connection over the first stream of `connection`, whose handshake is done.
pub(super) fn over_quic(
    connection: quinn::Connection,
    (write, read): (SendStream, RecvStream),
    admitted: Option<Admitted>,
    endpoint: Option<OwnEndpoint>,
) -> io::Result<Connection<SecureRead, SecureWrite>> {
    let remote_addr = canonical(connection.remote_address());
    let certificates = connection
        .peer_identity()
        .and_then(|identity| identity.downcast::<Vec<CertificateDer<'static>>>().ok());
    let identity = identity(certificates.as_deref().map(Vec::as_slice))?;
    let read = SecureRead { stream: Read::Quic(read), _admitted: admitted };
    let write = QuicWrite::new(connection, write);
    let carrier = Some(write.carrier());
    let write = SecureWrite(Write::Quic(write, endpoint));
    Ok(Connection { identity, carrier, ..Connection::new(remote_addr, "quic", read, write) })
}

fn identity(certificates: Option<&[CertificateDer<'_>]>) -> io::Result<Option<KeyFingerprint>> {
    certificates
        .and_then(<[_]>::first)
        .map(fingerprint)
        .transpose()
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// The local end of one outgoing connection, which lives until that is closed on both sides.
pub(super) struct OwnEndpoint(pub(super) Endpoint);

impl Drop for OwnEndpoint {
    fn drop(&mut self) {
        // The news that it is closed has to be sent, and may have to be sent again.
        let endpoint = self.0.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let told = async move {
                let _ = tokio::time::timeout(Duration::from_secs(3), endpoint.wait_idle()).await;
            };
            FAREWELLS.spawn_on(told, &runtime);
        }
    }
}

/// Waits until the other side of every outgoing connection that has ended knows so; 3 seconds at
/// most for each.
///
/// For a program to call before it exits: over QUIC the end of a connection has to be sent, and who
/// does not hear of it keeps the connection until it has been silent for too long.
///
/// # Cancel safety
///
/// Nothing is lost when it is dropped.
pub async fn farewells() {
    FAREWELLS.close();
    FAREWELLS.wait().await;
}

static FAREWELLS: LazyLock<TaskTracker> = LazyLock::new(TaskTracker::new);

impl AsyncRead for SecureRead {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Read::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Read::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
            Read::Quic(stream) => AsyncRead::poll_read(Pin::new(stream), cx, buf),
        }
    }
}

impl AsyncWrite for SecureWrite {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Write::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Write::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
            Write::Quic(stream, _) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Write::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Write::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Write::Quic(stream, _) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Write::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Write::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Write::Quic(stream, _) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

impl fmt::Debug for SecureRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecureRead").finish_non_exhaustive()
    }
}

impl fmt::Debug for SecureWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecureWrite").finish_non_exhaustive()
    }
}
