//! Ports that nobody uses.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    time::Duration,
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
    let _udp = UdpSocket::bind(addr)?;
    match TcpListener::bind(addr) {
        // What is left of the connections of a game that was killed, for a minute: it does not
        // keep the next game from listening, as games ask for the port in another way than we do.
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && !is_listening(addr) => Ok(()),
        bound => bound.map(drop),
    }
}

/// Whether somebody listens there. Who does not answer in time may do.
fn is_listening(addr: SocketAddr) -> bool {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let connected = TcpStream::connect_timeout(&SocketAddr::new(ip, addr.port()), ANSWERS_WITHIN);
    !matches!(connected, Err(error) if error.kind() == io::ErrorKind::ConnectionRefused)
}

const FIRST: u16 = 20_000;
const LAST: u16 = 32_000;
const ATTEMPTS: usize = 100;
/// Our own machine refuses at once.
const ANSWERS_WITHIN: Duration = Duration::from_millis(200);

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
    fn a_port_that_somebody_listens_on_is_not_free() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = is_free(listener.local_addr().unwrap()).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn an_address_that_is_not_here_has_no_free_port() {
        assert!(free_port([192, 0, 2, 1].into()).is_err());
    }
}
