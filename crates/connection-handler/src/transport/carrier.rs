//! What some transports can do beside carrying bytes.

use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{DisconnectReason, Goodbye, MessageLimit};

/// What the transport of one connection can do beside carrying bytes both ways.
///
/// A [`Connection`](super::Connection) has one if its transport can do any of it. By default it can
/// do nothing: each transport implements what it can.
pub trait Carrier: fmt::Debug + Send + Sync {
    /// Where the other side is now. `None`: where it was at the beginning, for ever.
    fn remote_addr(&self) -> Option<SocketAddr> {
        None
    }

    /// How the connection has been doing so far.
    fn statistics(&self) -> Option<LinkStatistics> {
        None
    }

    /// The connection is ending for `reason`, of which the other side may hear what
    /// [`Goodbye`] makes of it. Called once, before the last words are written.
    fn say_goodbye(&self, reason: &DisconnectReason) {
        let _ = reason;
    }

    /// What the other side has said when it closed the connection.
    fn heard_goodbye(&self) -> Option<Goodbye> {
        None
    }

    /// What messages look like.
    fn format(&self) -> Format {
        Format::Binary
    }

    /// How long a message may be that the transport puts together. `None`: it carries bytes, and
    /// knows nothing of messages.
    fn message_limit(&self) -> Option<MessageLimit> {
        None
    }

    /// Makes what the transport carries of the message that the writer has appended to `bytes` from
    /// `start` on. Called once for each message, where it is sent: it must not block.
    ///
    /// # Errors
    ///
    /// When the transport cannot carry it; then `bytes` ends where it began. The connection ends.
    fn frame(&self, bytes: &mut BytesMut, start: usize) -> Result<(), DisconnectReason> {
        let _ = (bytes, start);
        Ok(())
    }

    /// How long an unreliable message may be, as of now. `None`: there are none.
    fn max_datagram(&self) -> Option<usize> {
        None
    }

    /// Sends an unreliable message, or drops older ones that still wait. It must not block.
    fn send_datagram(&self, datagram: Bytes) {
        let _ = datagram;
    }

    /// The next unreliable message, or `None` when there will be no more. Only ever polled by one
    /// task.
    fn poll_datagram(&self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let _ = cx;
        Poll::Pending
    }

    /// Whether there can be streams beside the first.
    fn has_lanes(&self) -> bool {
        false
    }

    /// Opens a stream beside the first, if there can be any. While there is not room for all, those
    /// of higher `priority` go first; that of the first is 0.
    fn open_lane(&self, priority: i32) -> Option<OpenLane> {
        let _ = priority;
        None
    }

    /// The next stream that the other side has opened beside the first, or `None` when there will
    /// be no more. Only ever polled by one task.
    fn poll_accept_lane(&self, cx: &mut Context<'_>) -> Poll<Option<LaneRead>> {
        let _ = cx;
        Poll::Pending
    }

    /// Whether the other side is somewhere else than when this was asked the last time. Asked before
    /// every read, so it must be cheap.
    fn moved(&self) -> Option<Moved> {
        None
    }

    /// Ready when the connection is of no use any more, and no byte will tell. Wakes the task now and
    /// then, if there is something to look for.
    ///
    /// Only ever polled by one task. `patience` is how long the other side may leave everything
    /// unacknowledged.
    fn poll_lost(&self, cx: &mut Context<'_>, patience: Duration) -> Poll<DisconnectReason> {
        let _ = (cx, patience);
        Poll::Pending
    }
}

/// What the messages of a connection look like: what both sides have agreed on before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// Bytes. On every transport that carries nothing but bytes.
    #[default]
    Binary,
    /// Text, for who reads JSON more easily than bytes.
    Text,
}

/// A stream to the other side. Its shutdown waits until the other side has everything.
pub type LaneWrite = Box<dyn AsyncWrite + Send + Unpin>;

/// A stream from the other side.
pub type LaneRead = Box<dyn AsyncRead + Send + Unpin>;

/// A stream that is being opened.
pub type OpenLane = Pin<Box<dyn Future<Output = io::Result<LaneWrite>> + Send>>;

/// The other side is somewhere else now: its NAT has given it another port, or it has changed
/// networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Where it was before.
    pub from: SocketAddr,
    /// Where it is now. It has shown that it hears what is sent there.
    pub to: SocketAddr,
}

/// How a connection has been doing so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkStatistics {
    /// The round-trip time, as of now.
    pub rtt: Duration,
    /// How many bytes may be on their way at once, as of now.
    pub congestion_window: u64,
    /// The size of the largest packet that gets through, in bytes, as of now.
    pub mtu: u16,
    /// Packets that were sent.
    pub packets_sent: u64,
    /// Packets that were sent and have not arrived.
    pub packets_lost: u64,
    /// Bytes that were sent, all headers of QUIC included.
    pub bytes_sent: u64,
    /// Bytes that were received, likewise.
    pub bytes_received: u64,
    /// How often the other side was somewhere else than before.
    pub moves: u32,
}
