//! What QUIC connections are like.

use std::{sync::Arc, time::Duration};

use quinn::{IdleTimeout, MtuDiscoveryConfig, TransportConfig, VarInt};

/// What QUIC connections are like. The defaults are for games: little, often, and soon.
///
/// # What it costs
///
/// A connection buffers at most [`connection_window`](Self::connection_window) bytes that were
/// received, [`send_window`](Self::send_window) that were sent and are not acknowledged, and
/// [`datagram_buffer`](Self::datagram_buffer) each way: 1.6 MiB with the defaults, for one that does
/// its worst both ways. All connections of one socket share 3 MiB to receive into, and
/// [`receive_buffer`](Self::receive_buffer) in the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuicConfig {
    /// Bytes of one stream that are received before they are read. Then the sender waits.
    pub stream_window: u32,
    /// Likewise of all streams of a connection.
    pub connection_window: u32,
    /// Bytes that are sent and not acknowledged yet. Then a write waits, up to
    /// [`write_timeout`](crate::ConnectionConfig::write_timeout).
    pub send_window: u32,
    /// Longest silence of the other side, before the connection is given up. The shorter one of
    /// both sides counts. At most 10 minutes.
    pub idle_timeout: Duration,
    /// Longest silence of ours: then the other side is asked whether it is there. It keeps the
    /// entries of NATs, too. Less than a third of the idle timeout, so that a lost packet or two
    /// are not the end. `None` where the other side does it: one is enough.
    pub keep_alive: Option<Duration>,
    /// The round-trip time before one was measured: how soon the first packet is sent again.
    pub initial_rtt: Duration,
    /// Whether the kernel cuts what is sent into packets. Faster; some virtual network cards fail
    /// at it.
    pub segmentation_offload: bool,
    /// Whether larger packets are tried. Some VPNs do not get along with it.
    pub mtu_discovery: bool,
    /// Streams beside the first that the other side may have open at the same time, see
    /// [`Peer::lane`](crate::Peer::lane).
    pub max_streams: u8,
    /// Bytes of unreliable messages that wait to be sent, and to be read, each. Then the oldest are
    /// dropped. 0: none are received.
    pub datagram_buffer: usize,
    /// Bytes of packets that wait in the kernel. If it gives less, a warning says so.
    pub receive_buffer: usize,
}

impl Default for QuicConfig {
    fn default() -> Self {
        Self {
            stream_window: 256 * 1024,
            connection_window: 512 * 1024,
            send_window: 1024 * 1024,
            idle_timeout: Duration::from_secs(20),
            keep_alive: Some(Duration::from_secs(4)),
            initial_rtt: Duration::from_millis(100),
            segmentation_offload: true,
            mtu_discovery: true,
            max_streams: 4,
            datagram_buffer: 64 * 1024,
            receive_buffer: 2 * 1024 * 1024,
        }
    }
}

impl QuicConfig {
    /// Whether connections like this can be.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn validate(&self) -> Result<(), QuicConfigError> {
        if !(Duration::from_secs(1)..=MAX_IDLE).contains(&self.idle_timeout) {
            return Err(QuicConfigError::IdleTimeout(self.idle_timeout));
        }
        if let Some(keep_alive) = self.keep_alive
            && (keep_alive.is_zero() || keep_alive >= self.idle_timeout / 3)
        {
            let idle_timeout = self.idle_timeout;
            return Err(QuicConfigError::KeepAlive { keep_alive, idle_timeout });
        }
        for (name, window) in [
            ("stream_window", self.stream_window),
            ("connection_window", self.connection_window),
            ("send_window", self.send_window),
        ] {
            if window < MIN_WINDOW {
                return Err(QuicConfigError::Window(name, window));
            }
        }
        if self.connection_window < self.stream_window {
            return Err(QuicConfigError::Window("connection_window", self.connection_window));
        }
        if !(Duration::from_millis(1)..=Duration::from_secs(10)).contains(&self.initial_rtt) {
            return Err(QuicConfigError::InitialRtt(self.initial_rtt));
        }
        Ok(())
    }

    pub(super) fn transport(&self) -> Arc<TransportConfig> {
        let idle = u32::try_from(self.idle_timeout.min(MAX_IDLE).as_millis()).unwrap_or(u32::MAX);
        let datagrams = (self.datagram_buffer > 0).then_some(self.datagram_buffer);
        let mut transport = TransportConfig::default();
        transport
            .max_concurrent_bidi_streams(VarInt::from_u32(1))
            .max_concurrent_uni_streams(VarInt::from_u32(self.max_streams.into()))
            .datagram_receive_buffer_size(datagrams)
            .datagram_send_buffer_size(self.datagram_buffer)
            .stream_receive_window(VarInt::from_u32(self.stream_window))
            .receive_window(VarInt::from_u32(self.connection_window))
            .send_window(self.send_window.into())
            .initial_rtt(self.initial_rtt)
            .enable_segmentation_offload(self.segmentation_offload)
            .mtu_discovery_config(self.mtu_discovery.then(MtuDiscoveryConfig::default))
            .allow_spin(false)
            .keep_alive_interval(self.keep_alive)
            .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(idle))));
        Arc::new(transport)
    }
}

/// Why QUIC connections cannot be as they should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuicConfigError {
    /// Less than a second, or more than ten minutes.
    #[error("idle timeout of {0:?}, not from 1 s to 10 min")]
    IdleTimeout(Duration),
    /// One lost packet would end the connection.
    #[error(
        "keep-alive of {keep_alive:?}, not less than a third of the idle timeout of {idle_timeout:?}"
    )]
    KeepAlive {
        /// What was asked for.
        keep_alive: Duration,
        /// How long silence may last.
        idle_timeout: Duration,
    },
    /// Less than 4 KiB, or for a connection less than for one of its streams.
    #[error("{0} of {1} bytes is too small")]
    Window(&'static str, u32),
    /// Less than a millisecond, or more than ten seconds.
    #[error("initial round-trip time of {0:?}, not from 1 ms to 10 s")]
    InitialRtt(Duration),
}

const MAX_IDLE: Duration = Duration::from_secs(600);
/// A message before login fits.
const MIN_WINDOW: u32 = 4 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_valid() {
        assert_eq!(QuicConfig::default().validate(), Ok(()));
    }

    #[test]
    fn what_cannot_work_is_refused_with_its_reason() {
        let second = Duration::from_secs(1);
        type Spoil = fn(&mut QuicConfig);
        let cases: [(Spoil, &str); 5] = [
            (|config| config.keep_alive = Some(config.idle_timeout / 3), "keep-alive of 6.66"),
            (|config| config.keep_alive = Some(Duration::ZERO), "keep-alive of 0ns"),
            (|config| config.idle_timeout = Duration::from_millis(1), "idle timeout of 1ms"),
            (|config| config.send_window = 100, "send_window of 100 bytes"),
            (|config| config.connection_window = 8192, "connection_window of 8192 bytes"),
        ];
        for (spoil, expected) in cases {
            let mut config = QuicConfig::default();
            spoil(&mut config);
            let error = config.validate().unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
        let patient = QuicConfig { idle_timeout: 12 * second, ..Default::default() };
        assert!(patient.validate().is_err(), "4 s is a third of 12 s");
    }
}
