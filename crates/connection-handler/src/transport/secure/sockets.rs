//! Sockets that were bound by somebody else.

use std::net::{TcpListener, UdpSocket};

/// The sockets that a [`SecurePort`](super::SecurePort) accepts from, bound by a service manager.
#[derive(Debug, Default)]
pub struct PortSockets {
    /// For TLS and whatever else there is over TCP. They listen already.
    pub tcp: Vec<TcpListener>,
    /// For QUIC.
    pub udp: Vec<UdpSocket>,
}

impl PortSockets {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.tcp.is_empty() && self.udp.is_empty()
    }
}
