//! WebSocket (RFC 6455): for browsers, and for game engines that speak nothing else.
//!
//! The same handler serves it as every other transport. A message of ours is a message of the
//! WebSocket: the marks that the reader and the writer of a handler put between messages on a
//! stream of bytes ([`Framing`]) are taken off and put on here. Whether messages are bytes or text
//! ([`Format`](super::Format)) is agreed on by the name of a subprotocol, and a handler asks
//! [`PeerLink::format`](crate::PeerLink::format).
//!
//! Where connections come from is the business of an [`HttpServer`](super::http::HttpServer); the
//! end of one is told by a [`CloseCode`].
//!
//! # What is different
//!
//! * A message is known to be too long from the head of its first frame, by the limit that
//!   [`PeerLink::message_limit`](crate::PeerLink::message_limit) has given the reader. Of a message
//!   in several frames no more than that is kept.
//! * Nothing is compressed: no extension is ever agreed on.
//! * We ping who is silent; while nothing is read, for back-pressure, pings are not answered either.
//! * After our last words comes a close frame, and the connection is over when the other side has
//!   answered it: then it has heard them all.
//!
//! The frames are taken apart here and not by a library. Those there are own both directions and a
//! buffer for each, know one limit for all times, and take a message out of its buffer before it
//! can be framed: a message that is encoded once for a thousand players would be copied a thousand
//! times, and every idle player would keep buffers. Autobahn's test suite holds it to the standard.

mod close;
mod decode;
mod frame;
mod framing;
mod listener;
mod socket;
mod utf8;

use std::time::Duration;

pub use self::{
    close::CloseCode,
    framing::Framing,
    listener::{Subprotocol, WebSocketListener},
    socket::{WebSocketRead, WebSocketWrite},
};
pub(crate) use self::{listener::Arriving, socket::over};

/// The limits of a WebSocket, beside those of every connection.
#[derive(Clone, Debug)]
pub struct WebSocketConfig {
    /// How readers and writers mark where a message ends.
    pub framing: Framing,
    /// Longest message in bytes, unless the handler says otherwise. A longer one ends the
    /// connection. With [`Framing::Stream`] there is no limit: nothing is kept.
    pub max_message: usize,
    /// Longest time in which a message in several frames stays incomplete; then the connection ends.
    /// One that is in a single frame has
    /// [`message_timeout`](crate::ConnectionConfig::message_timeout).
    pub message_timeout: Duration,
    /// Who has been silent for so long is sent a ping.
    pub ping_interval: Duration,
    /// Longest time until an answer to it; then the connection ends.
    pub pong_timeout: Duration,
    /// Frames within a [`ping_interval`](Self::ping_interval) that bring no byte of a message: pings
    /// and empty ones. More end the connection. Of the pings only the last 16 are answered, where
    /// the answers cannot be written as fast.
    pub max_empty_frames: u32,
    /// Longest wait for the other side to answer our close frame. Then the connection ends all the
    /// same.
    pub close_timeout: Duration,
}

impl Default for WebSocketConfig {
    fn default() -> Self {
        Self {
            framing: Framing::default(),
            max_message: 256 * 1024,
            message_timeout: Duration::from_secs(30),
            ping_interval: Duration::from_secs(20),
            pong_timeout: Duration::from_secs(20),
            max_empty_frames: 2000,
            close_timeout: Duration::from_secs(2),
        }
    }
}

/// The body of a fuzz target for the frames of clients, which are private.
#[cfg(feature = "testing")]
#[doc(hidden)]
pub fn fuzz(bytes: &[u8]) {
    decode::fuzz::fuzz(bytes);
}

/// What a WebSocket may not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebSocketError {
    /// A message that readers cannot have.
    #[error("empty message")]
    Empty,
    /// Too many frames that say nothing.
    #[error("too many frames that say nothing")]
    Flood,
    /// What should be text is not.
    #[error("text that is not UTF-8")]
    NotText,
    /// A frame that is against the rules.
    #[error("broken WebSocket: {0}")]
    Protocol(&'static str),
    /// A message is longer than its reader accepts.
    #[error("message of at least {length} bytes exceeds {max}")]
    TooLong {
        /// What is known of it so far, in bytes.
        length: u64,
        /// What it may have, in bytes.
        max: usize,
    },
    /// Bytes where text was agreed on, or text where bytes were.
    #[error("not the kind of message that was agreed on")]
    WrongFormat,
}

impl WebSocketError {
    fn code(&self) -> CloseCode {
        match self {
            Self::Empty | Self::NotText => CloseCode::INVALID,
            Self::Flood => CloseCode::POLICY,
            Self::Protocol(_) => CloseCode::PROTOCOL,
            Self::TooLong { .. } => CloseCode::TOO_BIG,
            Self::WrongFormat => CloseCode::UNSUPPORTED,
        }
    }
}
