//! The sockets of a port.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    sync::{Arc, Once},
};

use quinn::{AsyncUdpSocket, Runtime, TokioRuntime};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::net::TcpListener;

/// What an address for IPv6 stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Families {
    /// For whatever the system says: usually for IPv4 too.
    Both,
    /// For IPv6 alone, so that there can be another one for IPv4.
    One,
}

/// Listens with room for a burst. Where there is none, the kernel drops the last packet of a
/// handshake: the client thinks it is connected, and the server has never heard of it.
pub(super) fn listen(addr: SocketAddr, families: Families) -> io::Result<TcpListener> {
    let socket = socket(addr, Type::STREAM, families)?;
    // A server that was started again need not wait for what is left of its connections.
    socket.set_reuse_address(true)?;
    socket.bind(&SockAddr::from(addr))?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Takes a UDP port, with so many bytes of room in the kernel if it gives them.
pub(super) fn udp(
    addr: SocketAddr,
    families: Families,
    receive_buffer: usize,
) -> io::Result<Arc<dyn AsyncUdpSocket>> {
    let socket = socket(addr, Type::DGRAM, families)?;
    // What is too much becomes as much as there may be, without an error.
    let _ = socket.set_recv_buffer_size(receive_buffer);
    let given = socket.recv_buffer_size().unwrap_or_default();
    if given < receive_buffer {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            tracing::warn!(
                wanted = receive_buffer,
                given,
                "the kernel has less room for packets than it should, so bursts are lost: \
                 raise net.core.rmem_max"
            );
        });
    }
    socket.bind(&SockAddr::from(addr))?;
    TokioRuntime.wrap_udp_socket(UdpSocket::from(socket))
}

fn socket(addr: SocketAddr, kind: Type, families: Families) -> io::Result<Socket> {
    let protocol = if kind == Type::STREAM { Protocol::TCP } else { Protocol::UDP };
    let socket = Socket::new(Domain::for_address(addr), kind, Some(protocol))?;
    socket.set_nonblocking(true)?;
    if addr.is_ipv6() && families == Families::One {
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

/// Connections that wait to be accepted. The system may allow fewer (`net.core.somaxconn`).
const BACKLOG: i32 = 4096;
