//! Bad networks between two programs: relays that the one connects to instead of the other.
//!
//! Chance begins with a seed: the same datagrams meet the same fate in every run, and the same
//! stream is cut into the same pieces. When that happens is up to the machine.

mod tcp;
mod udp;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
};

pub use self::{
    tcp::TcpRelay,
    udp::{DatagramImpairments, UdpCounts, UdpRelay},
};
use crate::testing::Impairments;

/// A relay for TCP and one for UDP on the same port number of this host, to the same `target`: as
/// a server that is reached in both ways needs.
///
/// # Errors
///
/// When there is no port that is free for both.
pub async fn relays(
    target: SocketAddr,
    streams: Impairments,
    datagrams: DatagramImpairments,
) -> io::Result<(TcpRelay, UdpRelay)> {
    let mut attempts = ATTEMPTS;
    loop {
        let tcp = TcpRelay::bind(ANY_PORT, target, streams.clone()).await?;
        attempts -= 1;
        match UdpRelay::bind(tcp.addr(), target, datagrams.clone()).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && attempts > 0 => {}
            Err(error) => return Err(error),
            Ok(udp) => return Ok((tcp, udp)),
        }
    }
}

/// A free port of this host.
const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const ATTEMPTS: usize = 20;
