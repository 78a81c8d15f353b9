//! Ports that nobody uses.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener, UdpSocket},
};

use crate::secrets;

/// A port that is free at `ip`, for TCP and UDP, a moment ago.
///
/// It is below those that the system gives to outgoing connections, so that none of them takes it
/// while a game is not running.
///
/// # Errors
///
/// When none is found, most likely because there is no such address here.
pub(crate) fn free_port(ip: IpAddr) -> io::Result<u16> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..ATTEMPTS {
        let offset = secrets::random_u64() % u64::from(LAST - FIRST);
        let port = FIRST + u16::try_from(offset).unwrap_or_default();
        match is_free(SocketAddr::new(ip, port)) {
            Ok(()) => return Ok(port),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Whether nobody else uses this port, for TCP and UDP.
///
/// # Errors
///
/// When somebody does, or there is no such address here.
pub(crate) fn is_free(addr: SocketAddr) -> io::Result<()> {
    let _tcp = TcpListener::bind(addr)?;
    let _udp = UdpSocket::bind(addr)?;
    Ok(())
}

const FIRST: u16 = 20_000;
const LAST: u16 = 32_000;
const ATTEMPTS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_port_can_be_used() {
        let port = free_port([127, 0, 0, 1].into()).unwrap();
        assert!((FIRST..LAST).contains(&port));
        TcpListener::bind(("127.0.0.1", port)).unwrap();
    }

    #[test]
    fn an_address_that_is_not_here_has_no_free_port() {
        assert!(free_port([192, 0, 2, 1].into()).is_err());
    }
}
