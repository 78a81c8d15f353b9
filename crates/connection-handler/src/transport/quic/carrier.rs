//! What QUIC can do beside carrying bytes.

use std::{
    fmt,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use quinn::{ConnectionError, ConnectionStats, RecvStream, VarInt};
use tokio::time::{Instant, Sleep, sleep};

use super::write::QuicLane;

use crate::{
    CloseCode, DisconnectReason, Goodbye,
    transport::{Carrier, LaneRead, LaneWrite, LinkStatistics, Moved, OpenLane},
};

/// One connection of QUIC, beside its streams.
pub struct QuicCarrier {
    connection: quinn::Connection,
    /// What to say when it is closed.
    goodbye: OnceLock<Goodbye>,
    /// The other side was first to say that there will be no more.
    answers: AtomicBool,
    watch: Mutex<Watch>,
}

/// What is looked at now and then.
struct Watch {
    remote_addr: SocketAddr,
    moves: u32,
    acknowledged: Acknowledged,
    /// Rings when it is time to look. Exists from the first time on.
    alarm: Option<Pin<Box<Sleep>>>,
    /// The next unreliable message, if anybody waits for it.
    datagrams: Option<Pin<Box<dyn Future<Output = Option<Bytes>> + Send>>>,
    /// The next stream beside the first, likewise.
    lanes: Option<Pin<Box<dyn Future<Output = Option<RecvStream>> + Send>>>,
}

impl QuicCarrier {
    pub(super) fn new(connection: quinn::Connection) -> Self {
        let watch = Watch {
            remote_addr: canonical(connection.remote_address()),
            moves: 0,
            acknowledged: Acknowledged::default(),
            alarm: None,
            datagrams: None,
            lanes: None,
        };
        Self {
            connection,
            goodbye: OnceLock::new(),
            answers: AtomicBool::new(false),
            watch: Mutex::new(watch),
        }
    }

    pub(super) fn connection(&self) -> &quinn::Connection {
        &self.connection
    }

    /// Whether the other side was first to say that there will be no more.
    pub(super) fn answers(&self) -> bool {
        self.answers.load(Ordering::Relaxed)
    }

    /// Ends the connection. `all_said` is whether the other side has everything.
    pub(super) fn close(&self, all_said: bool) {
        // Or nobody could ask any more why the other side has ended it.
        if self.connection.close_reason().is_some() {
            return;
        }
        let otherwise = if all_said { CloseCode::Done } else { CloseCode::CutOff };
        let (code, reason) = match self.goodbye.get() {
            Some(Goodbye { code: CloseCode::Done, .. }) | None => (otherwise, ""),
            Some(Goodbye { code, reason }) => (*code, reason.as_str()),
        };
        let code = VarInt::from_u64(code.as_u64()).unwrap_or_default();
        self.connection.close(code, reason.as_bytes());
    }

    fn watch(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Carrier for QuicCarrier {
    fn remote_addr(&self) -> Option<SocketAddr> {
        Some(canonical(self.connection.remote_address()))
    }

    fn statistics(&self) -> Option<LinkStatistics> {
        let ConnectionStats { udp_tx, udp_rx, path, .. } = self.connection.stats();
        Some(LinkStatistics {
            rtt: path.rtt,
            congestion_window: path.cwnd,
            mtu: path.current_mtu,
            packets_sent: path.sent_packets,
            packets_lost: path.lost_packets,
            bytes_sent: udp_tx.bytes,
            bytes_received: udp_rx.bytes,
            moves: self.watch().moves,
        })
    }

    fn say_goodbye(&self, reason: &DisconnectReason) {
        let answers = matches!(reason, DisconnectReason::RemoteClose);
        self.answers.store(answers, Ordering::Relaxed);
        let _ = self.goodbye.set(Goodbye::from(reason));
    }

    fn heard_goodbye(&self) -> Option<Goodbye> {
        match self.connection.close_reason()? {
            ConnectionError::ApplicationClosed(close) => {
                Some(Goodbye::heard(close.error_code.into_inner(), &close.reason))
            }
            _ => None,
        }
    }

    fn max_datagram(&self) -> Option<usize> {
        self.connection.max_datagram_size()
    }

    fn send_datagram(&self, datagram: Bytes) {
        // It may be lost on the way, too. When the connection is over, the reader says so.
        let _ = self.connection.send_datagram(datagram);
    }

    fn poll_datagram(&self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut watch = self.watch();
        let next = watch.datagrams.get_or_insert_with(|| {
            let connection = self.connection.clone();
            Box::pin(async move { connection.read_datagram().await.ok() })
        });
        let datagram = ready!(next.as_mut().poll(cx));
        watch.datagrams = None;
        Poll::Ready(datagram)
    }

    fn has_lanes(&self) -> bool {
        true
    }

    fn open_lane(&self, priority: i32) -> Option<OpenLane> {
        let connection = self.connection.clone();
        Some(Box::pin(async move {
            let stream = connection.open_uni().await?;
            // Fails only when it is closed, which writing will find out.
            let _ = stream.set_priority(priority);
            Ok(Box::new(QuicLane::new(stream)) as LaneWrite)
        }))
    }

    fn poll_accept_lane(&self, cx: &mut Context<'_>) -> Poll<Option<LaneRead>> {
        let mut watch = self.watch();
        let next = watch.lanes.get_or_insert_with(|| {
            let connection = self.connection.clone();
            Box::pin(async move { connection.accept_uni().await.ok() })
        });
        let stream = ready!(next.as_mut().poll(cx));
        watch.lanes = None;
        Poll::Ready(stream.map(|stream| Box::new(stream) as LaneRead))
    }

    fn moved(&self) -> Option<Moved> {
        let to = canonical(self.connection.remote_address());
        let mut watch = self.watch();
        let from = std::mem::replace(&mut watch.remote_addr, to);
        let moved = from != to;
        watch.moves = watch.moves.saturating_add(u32::from(moved));
        moved.then_some(Moved { from, to })
    }

    fn poll_lost(&self, cx: &mut Context<'_>, patience: Duration) -> Poll<DisconnectReason> {
        let mut watch = self.watch();
        let Watch { acknowledged, alarm, .. } = &mut *watch;
        let alarm = alarm.get_or_insert_with(|| Box::pin(sleep(PERIOD)));
        while alarm.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            alarm.as_mut().reset(now + PERIOD);
            if acknowledged.is_overdue(&Progress::from(&self.connection.stats()), now, patience) {
                return Poll::Ready(DisconnectReason::SlowConsumer);
            }
        }
        Poll::Pending
    }
}

impl fmt::Debug for QuicCarrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuicCarrier").field("connection", &self.connection).finish_non_exhaustive()
    }
}

/// What the other side was sent that it has to acknowledge, and what it has.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// Frames that have to be acknowledged.
    sent: u64,
    /// Acknowledgements that came.
    acknowledgements: u64,
}

impl From<&ConnectionStats> for Progress {
    fn from(stats: &ConnectionStats) -> Self {
        let sent = &stats.frame_tx;
        Self {
            sent: sent.stream + sent.ping + sent.datagram,
            acknowledgements: stats.frame_rx.acks,
        }
    }
}

/// Finds those who keep a connection alive and acknowledge nothing.
///
/// Whoever sends a packet now and then does not fall silent: the idle timeout of QUIC never ends
/// their connection, and what was sent to them is kept for ever.
#[derive(Debug, Default)]
struct Acknowledged {
    /// When the last acknowledgement came, or was seen.
    last: Progress,
    /// Since when something is waiting for one.
    waiting: Option<Instant>,
}

impl Acknowledged {
    /// Whether something has been waiting for an acknowledgement for `patience`, and none came.
    fn is_overdue(&mut self, progress: &Progress, now: Instant, patience: Duration) -> bool {
        if progress.acknowledgements > self.last.acknowledgements {
            self.last = *progress;
            self.waiting = None;
        } else if progress.sent > self.last.sent && self.waiting.is_none() {
            self.waiting = Some(now);
        }
        self.waiting.is_some_and(|since| now.duration_since(since) >= patience)
    }
}

/// An IPv4 address as such, even when it arrived at a socket for IPv6.
pub(crate) fn canonical(mut addr: SocketAddr) -> SocketAddr {
    addr.set_ip(addr.ip().to_canonical());
    addr
}

/// How long a move of somebody who says nothing may go unnoticed. Who says something is noticed at
/// once.
const PERIOD: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_acknowledges_nothing_for_too_long_is_overdue() {
        let (begin, second) = (Instant::now(), Duration::from_secs(1));
        let mut watch = Acknowledged::default();
        let mut at = |seconds, sent, acknowledgements| {
            let progress = Progress { sent, acknowledgements };
            watch.is_overdue(&progress, begin + second * seconds, second * 30)
        };
        assert!(!at(0, 10, 5), "it acknowledges");
        assert!(!at(100, 10, 5), "nothing was sent since");
        assert!(!at(105, 11, 5), "it has time");
        assert!(!at(130, 15, 5), "still");
        assert!(!at(134, 15, 6), "it has acknowledged");
        assert!(!at(200, 16, 6), "it has time again");
        assert!(at(230, 16, 6), "it has acknowledged nothing for 30 seconds");
    }
}
