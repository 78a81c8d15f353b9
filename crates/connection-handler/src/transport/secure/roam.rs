//! An outgoing QUIC connection whose own network changes under it.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    time::Duration,
};

use quinn::{Connection, ConnectionStats, Endpoint};
use tokio::time::{Instant, sleep};

/// Gives `endpoint` a new socket when this host has another address towards the other side of
/// `connection`, and when nothing is answered any more: until the connection is closed.
///
/// The connection itself lives on (RFC 9000, section 9): a packet from the new socket follows at
/// once, so that the other side answers there. A NAT between us sees a new flow, which helps when
/// it has lost the old one and, as some do, drops what belongs to it.
pub(super) async fn follow(endpoint: Endpoint, connection: Connection) {
    let remote_addr = connection.remote_address();
    let mut watch = Watch::new(source(remote_addr), &connection.stats());
    loop {
        tokio::select! {
            _ = connection.closed() => return,
            () = sleep(LOOK_EVERY) => {}
        }
        let Some(why) = watch.look(source(remote_addr), &connection.stats()) else { continue };
        match local(remote_addr).and_then(|socket| endpoint.rebind(socket)) {
            Ok(()) => tracing::debug!(%remote_addr, why, "a new socket for a connection"),
            // The old one stays, and the next look may find a better time.
            Err(error) => tracing::debug!(%remote_addr, why, %error, "no new socket"),
        }
    }
}

/// A socket that reaches `remote_addr`, on a free port.
pub(super) fn local(remote_addr: SocketAddr) -> io::Result<UdpSocket> {
    let any = match remote_addr {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    UdpSocket::bind(any)
}

/// The address from which the system would send to `remote_addr`. Sends nothing. `None` while there
/// is no way.
fn source(remote_addr: SocketAddr) -> Option<IpAddr> {
    let socket = local(remote_addr).ok()?;
    socket.connect(remote_addr).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// What was seen at the last look.
#[derive(Debug)]
struct Watch {
    source: Option<IpAddr>,
    received: u64,
    /// How much was sent when something was received.
    sent: u64,
    /// Since when something was sent to which there is no answer.
    unanswered: Option<Instant>,
    patience: Duration,
}

impl Watch {
    fn new(source: Option<IpAddr>, stats: &ConnectionStats) -> Self {
        let (sent, received) = (stats.udp_tx.datagrams, stats.udp_rx.datagrams);
        Self { source, received, sent, unanswered: None, patience: PATIENCE }
    }

    /// Why there should be a new socket, if so.
    fn look(&mut self, source: Option<IpAddr>, stats: &ConnectionStats) -> Option<&'static str> {
        let (sent, received) = (stats.udp_tx.datagrams, stats.udp_rx.datagrams);
        // Without a way there is nothing to do but to wait for the next one.
        let moved = source.is_some() && source != self.source;
        self.source = source.or(self.source);
        if received != self.received {
            (self.received, self.sent, self.unanswered) = (received, sent, None);
            self.patience = PATIENCE;
        }
        if moved {
            self.unanswered = None;
            return Some("this host has another address");
        }
        if sent == self.sent {
            return None;
        }
        let since = *self.unanswered.get_or_insert_with(Instant::now);
        if since.elapsed() < self.patience {
            return None;
        }
        // Perhaps nobody is there. Then it is closed after half a minute, and we need not hurry.
        self.patience *= 2;
        self.unanswered = None;
        Some("nothing is answered")
    }
}

const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Longer than a lost packet and its repetition take on bad networks, and short enough that the
/// connection is back before a player's program takes it for dead, which takes 7 s.
const PATIENCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));
    const AWAY: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1)));

    fn stats(sent: u64, received: u64) -> ConnectionStats {
        let mut stats = ConnectionStats::default();
        (stats.udp_tx.datagrams, stats.udp_rx.datagrams) = (sent, received);
        stats
    }

    #[tokio::test(start_paused = true)]
    async fn another_address_means_another_socket_once() {
        let mut watch = Watch::new(HOME, &stats(1, 1));
        assert_eq!(watch.look(HOME, &stats(1, 1)), None);
        assert!(watch.look(AWAY, &stats(1, 1)).is_some());
        assert_eq!(watch.look(AWAY, &stats(1, 1)), None);
        // A network that is away is waited for, and the same one again is no news.
        assert_eq!(watch.look(None, &stats(1, 1)), None);
        assert_eq!(watch.look(AWAY, &stats(1, 1)), None);
        assert!(watch.look(HOME, &stats(1, 1)).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn silence_means_another_socket_ever_more_rarely() {
        let mut watch = Watch::new(HOME, &stats(1, 1));
        sleep(PATIENCE * 10).await;
        assert_eq!(watch.look(HOME, &stats(1, 1)), None, "nobody was asked anything");
        let mut times = Vec::new();
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(30) {
            if watch.look(HOME, &stats(2, 1)).is_some() {
                times.push(begin.elapsed().as_secs());
            }
            sleep(LOOK_EVERY).await;
        }
        assert!((2..5).contains(&times.len()) && times[0] == 2, "{times:?}");
        assert_eq!(watch.look(HOME, &stats(3, 2)), None, "it is answered again");
        sleep(PATIENCE / 2).await;
        assert_eq!(watch.look(HOME, &stats(4, 3)), None);
    }

    #[test]
    fn the_address_towards_this_host_is_its_own() {
        assert_eq!(source("127.0.0.1:9".parse().unwrap()), Some(Ipv4Addr::LOCALHOST.into()));
    }
}
