//! From an accepted connection to one whose protocol and origin are known.

use std::{fmt, io, net::SocketAddr, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use ipnet::IpNet;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::{Instant, timeout_at},
};

use super::{
    Kind, LONGEST_PATTERN, Patterns, Rewind, Sniff,
    proxy::{self, ProxyError},
    sniff,
};

/// Whose connections are looked at, and for how long.
#[derive(Clone, Debug)]
pub struct SnifferConfig {
    /// What they may speak. PROXY headers are always recognised.
    pub patterns: Patterns,
    /// The proxies in front of us. Each of their connections has to begin with one PROXY header,
    /// and nobody else's may.
    pub proxies: Vec<IpNet>,
    /// Longest from the beginning until the protocol is known. Not per read: a byte now and then
    /// does not make it longer.
    pub timeout: Duration,
    /// Longest PROXY header, in bytes. A longer one ends the connection.
    pub max_proxy_header: usize,
}

impl Default for SnifferConfig {
    fn default() -> Self {
        Self {
            patterns: Patterns::NONE,
            proxies: Vec::new(),
            timeout: Duration::from_secs(3),
            max_proxy_header: 1024,
        }
    }
}

/// Tells what somebody speaks, and who they are if they come through a proxy.
///
/// It writes nothing, and of each connection holds at most
/// [`max_proxy_header`](SnifferConfig::max_proxy_header) bytes, or [`LONGEST_PATTERN`] if that is
/// more.
#[derive(Clone, Debug)]
pub struct Sniffer {
    config: SnifferConfig,
}

impl Sniffer {
    /// A sniffer with these rules.
    pub fn new(config: SnifferConfig) -> Self {
        Self { config }
    }

    /// Whether connections from `addr` have to begin with a PROXY header.
    pub fn is_proxy(&self, addr: SocketAddr) -> bool {
        let ip = addr.ip().to_canonical();
        self.config.proxies.iter().any(|network| network.contains(&ip))
    }

    /// Finds out who it is that has connected from `from`: for proxies by the PROXY header, for
    /// everybody else without waiting. The time of the connection begins.
    ///
    /// # Errors
    ///
    /// When a proxy does not say, or not in time.
    ///
    /// # Cancel safety
    ///
    /// Dropping it closes the connection.
    pub async fn arrive<S: AsyncRead + Unpin>(
        &self,
        stream: S,
        from: SocketAddr,
    ) -> Result<Arrival<'_, S>, SniffError> {
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        let mut arrival = Arrival {
            sniffer: self,
            stream,
            read: BytesMut::new(),
            deadline: Instant::now() + self.config.timeout,
            peer: PeerInfo { remote_addr: from, proxy: None },
        };
        if self.is_proxy(from) {
            arrival.read_proxy_header().await?;
        }
        Ok(arrival)
    }
}

/// A connection of which it is known who it comes from, but not yet what it is.
///
/// The place to ask whether they may come in.
pub struct Arrival<'a, S> {
    sniffer: &'a Sniffer,
    stream: S,
    read: BytesMut,
    deadline: Instant,
    peer: PeerInfo,
}

impl<S: AsyncRead + Unpin> Arrival<'_, S> {
    /// Who it is.
    pub fn peer(&self) -> PeerInfo {
        self.peer
    }

    /// Waits until it is certain what they speak.
    ///
    /// # Errors
    ///
    /// When it is nothing that is looked for, or not said in time.
    ///
    /// # Cancel safety
    ///
    /// Dropping it closes the connection.
    pub async fn sniff(mut self) -> Result<Sniffed<S>, SniffError> {
        let patterns = Patterns { proxy: true, ..self.sniffer.config.patterns };
        loop {
            match sniff(&self.read, &patterns) {
                Sniff::Is(kind) => {
                    let stream = Rewind::new(self.read.freeze(), self.stream);
                    return Ok(Sniffed { kind, stream, peer: self.peer });
                }
                Sniff::More => self.read_more(LONGEST_PATTERN).await?,
                Sniff::Proxy if self.peer.proxy.is_some() => return Err(SniffError::ProxyNested),
                Sniff::Proxy => return Err(SniffError::ProxyUntrusted),
                Sniff::Nothing => {
                    self.read.truncate(SHOWN);
                    return Err(SniffError::Unknown(FirstBytes(self.read.freeze())));
                }
            }
        }
    }

    async fn read_proxy_header(&mut self) -> Result<(), SniffError> {
        let only_proxy = Patterns { proxy: true, ..Patterns::NONE };
        let limit = self.sniffer.config.max_proxy_header;
        loop {
            match sniff(&self.read, &only_proxy) {
                Sniff::Proxy => {
                    if let Some(header) = proxy::parse(&self.read, limit)? {
                        let _ = self.read.split_to(header.length);
                        let proxy = Some(self.peer.remote_addr);
                        let source = header.source.unwrap_or(self.peer.remote_addr);
                        let ip = source.ip().to_canonical();
                        let remote_addr = SocketAddr::new(ip, source.port());
                        self.peer = PeerInfo { remote_addr, proxy };
                        return Ok(());
                    }
                }
                Sniff::More => {}
                Sniff::Is(_) | Sniff::Nothing => return Err(SniffError::ProxyMissing),
            }
            self.read_more(limit).await?;
        }
    }

    /// Reads at least one byte more, and holds at most `limit` of them.
    async fn read_more(&mut self, limit: usize) -> Result<(), SniffError> {
        let room = limit.saturating_sub(self.read.len());
        if room == 0 {
            return Err(SniffError::Proxy(ProxyError::TooLong));
        }
        // Who is silent should cost little: most need no more than this.
        self.read.reserve(room.min(LONGEST_PATTERN));
        let mut read = (&mut self.read).limit(room);
        match timeout_at(self.deadline, self.stream.read_buf(&mut read)).await {
            Ok(Ok(0)) => Err(SniffError::Left),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(SniffError::Io(error)),
            Err(_) => Err(SniffError::TimedOut),
        }
    }
}

impl<S> fmt::Debug for Arrival<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arrival").field("peer", &self.peer).finish_non_exhaustive()
    }
}

/// A connection whose protocol is known, with all its bytes still to be read.
#[derive(Debug)]
pub struct Sniffed<S> {
    /// What it is.
    pub kind: Kind,
    /// Its bytes, from the first one behind the PROXY header if there was one.
    pub stream: Rewind<S>,
    /// Who is on the other side.
    pub peer: PeerInfo,
}

/// Who is on the other side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerInfo {
    /// Their address, as the proxy says if they come through one. An IPv4 address as such, even
    /// when it arrived at a socket for IPv6.
    pub remote_addr: SocketAddr,
    /// The proxy they come through.
    pub proxy: Option<SocketAddr>,
}

/// Why a connection was closed before anybody had it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SniffError {
    /// It did not say what it is in time.
    #[error("silent for too long")]
    TimedOut,
    /// The other side ended it before it was clear what it is.
    #[error("left without saying enough")]
    Left,
    /// It broke.
    #[error("{0}")]
    Io(#[source] io::Error),
    /// It speaks nothing that we know.
    #[error("unknown protocol: {0}")]
    Unknown(FirstBytes),
    /// It comes from a proxy, and does not begin with a PROXY header.
    #[error("no PROXY header from a proxy")]
    ProxyMissing,
    /// It has a PROXY header, and comes from nobody who may say such things.
    #[error("PROXY header from somebody who is no proxy of ours")]
    ProxyUntrusted,
    /// It has a second PROXY header.
    #[error("PROXY header within another")]
    ProxyNested,
    /// It has a PROXY header that cannot be believed.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
}

impl SniffError {
    /// Its name in metrics and summaries.
    pub fn label(&self) -> &'static str {
        match self {
            Self::TimedOut => "sniff_timed_out",
            Self::Left => "sniff_left",
            Self::Io(_) => "sniff_failed",
            Self::Unknown(_) => "unknown_protocol",
            Self::ProxyMissing => "proxy_header_missing",
            Self::ProxyUntrusted => "proxy_header_untrusted",
            Self::ProxyNested => "proxy_header_nested",
            Self::Proxy(_) => "proxy_header_invalid",
        }
    }
}

/// The first bytes of a connection, some of them: shown escaped.
#[derive(Clone, PartialEq, Eq)]
pub struct FirstBytes(Bytes);

impl fmt::Display for FirstBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

impl fmt::Debug for FirstBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// As many bytes of something unknown stand in the log.
const SHOWN: usize = 8;
