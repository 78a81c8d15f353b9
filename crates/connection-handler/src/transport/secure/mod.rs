//! One port for QUIC and for TLS over TCP, and who connects to it.
//!
//! TLS 1.3 in both cases, so that a connection is the same whichever way it came: encrypted, for
//! the application protocol (ALPN) that both sides have named, and with the key that the other side
//! has proved to own, if it has one.
//!
//! What a stranger can cost before that is bounded by [`SecurePortConfig`]. Early data (0-RTT) is
//! off: nothing that is received can have been sent twice. Over QUIC a session may be resumed, which
//! saves the signatures; then the other side is who it was. Over TLS only HTTP clients get tickets.
//!
//! ```
//! use connection_handler::transport::{
//!     Listener,
//!     keys::Identity,
//!     secure::{SecureConnector, SecurePort, SecurePortConfig},
//! };
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A server keeps its identity in files, see `Identity::load_or_create`.
//! let identity = Identity::ephemeral()?;
//! let addr = "127.0.0.1:0".parse()?;
//! let mut port = SecurePort::bind(addr, &identity, SecurePortConfig::default()).await?;
//! // Give it to an `IncomingConnectionHandler`, or accept by hand.
//! let mut listener = port.listener("example/1");
//! let handle = port.start();
//!
//! let trust = identity.fingerprint().into();
//! let connector = SecureConnector::new(handle.local_addr(), "example/1", trust, None);
//! let mut client = connector.connect().await?;
//! client.write.write_all(b"hello").await?;
//! client.write.shutdown().await?;
//!
//! let mut server = listener.accept().await?.await?;
//! let mut heard = String::new();
//! server.read.read_to_string(&mut heard).await?;
//! assert_eq!(heard, "hello");
//! drop((client, server));
//! handle.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! Over QUIC a connection exists for the server once the client has sent something on it: the side
//! that connects speaks first.

mod accept;
#[cfg(any(doc, doctest))]
pub mod acceptance {
    #![doc = include_str!("ACCEPTANCE.md")]
}
#[cfg(any(doc, doctest))]
pub mod capabilities {
    #![doc = include_str!("CAPABILITIES.md")]
}
mod bind;
mod connector;
mod demux;
mod endpoints;
mod gate;
mod http;
mod listener;
mod port;
mod quic_config;
mod race;
mod reset;
mod roam;
mod socket;
mod sockets;
mod streams;
mod tally;
#[cfg(test)]
mod tests;
pub(crate) mod verify;

use std::time::Duration;

use ipnet::IpNet;

use crate::Rate;

pub use self::{
    connector::SecureConnector,
    demux::DatagramCounts,
    endpoints::{EndpointError, EndpointSet},
    http::{HttpConnection, HttpListener, HttpStream},
    listener::SecureListener,
    port::{SecurePort, SecurePortHandle},
    quic_config::{QuicConfig, QuicConfigError},
    race::QuicBlocked,
    sockets::PortSockets,
    streams::{SecureRead, SecureWrite, farewells},
};

/// The limits of a [`SecurePort`], for all its listeners together.
#[derive(Clone, Debug)]
pub struct SecurePortConfig {
    /// Connections open at the same time, unfinished ones included. Further ones are closed before
    /// their handshake.
    pub max_connections: usize,
    /// Connections open at the same time from one address: an IPv4 address, or the first 64 bits
    /// of an IPv6 address. Further ones are closed before their handshake.
    ///
    /// Over QUIC, so many handshakes a second, and at most five times as many at once, may come from
    /// one network (IPv4 /24, IPv6 /56) of those who have shown that their address is their own.
    pub max_connections_per_ip: usize,
    /// Unfinished handshakes at the same time, over TCP and over QUIC each. Further ones are closed
    /// over TCP, and not answered over QUIC.
    pub max_handshakes: usize,
    /// Unfinished handshakes at the same time from one address, likewise.
    pub max_handshakes_per_ip: usize,
    /// Unfinished handshakes over QUIC, or newcomers per second, from which on newcomers have to
    /// show that their address is their own (Retry), which costs them a round trip. Ten times
    /// `max_handshakes` per second are not answered at all.
    pub retry_above: usize,
    /// What connections over QUIC are like.
    pub quic: QuicConfig,
    /// The proxies in front of this port. Each of their TCP connections has to begin with a PROXY
    /// header, and nobody else's may. Limits by address then count who is behind them.
    pub proxies: Vec<IpNet>,
    /// Whether [`SecurePort::http`] hands out connections without TLS, too.
    pub plain_http: bool,
    /// How many pings of one network, an IPv4 /24 or an IPv6 /56, are answered over UDP, see
    /// [`Ping`](crate::transport::datagram::Ping); 10,000 a second for all together. Further ones
    /// are dropped and counted, as all are where this is `None`.
    pub pings: Option<Rate>,
    /// Longest a TCP connection may take to say what it is, and as long again inside of TLS if it
    /// has not named its protocol there. Then it is closed.
    pub sniff_timeout: Duration,
    /// Longest a connection may take from its first packet until a handler has it.
    pub handshake_timeout: Duration,
    /// Longest [`SecurePortHandle::close`] waits for others to leave.
    pub close_timeout: Duration,
}

impl Default for SecurePortConfig {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_connections_per_ip: 100,
            max_handshakes: 1000,
            max_handshakes_per_ip: 50,
            retry_above: 64,
            quic: QuicConfig::default(),
            proxies: Vec::new(),
            plain_http: false,
            pings: Some(Rate { per_second: 100, burst: 200 }),
            sniff_timeout: Duration::from_secs(3),
            handshake_timeout: Duration::from_secs(5),
            close_timeout: Duration::from_secs(3),
        }
    }
}
