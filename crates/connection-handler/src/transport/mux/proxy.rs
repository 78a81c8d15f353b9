//! The PROXY protocol: who it was that connected to a proxy in front of us.
//!
//! Both versions of <https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt>, without state
//! and without I/O.

mod crc32c;
mod v1;
mod v2;

use std::net::SocketAddr;

/// Reads the PROXY header that `bytes` begin with. `None`: it is not complete yet.
///
/// It never asks for more bytes than the header has, refuses a header as soon as it cannot become
/// valid, and looks at no more than `limit` bytes.
///
/// ```
/// use connection_handler::transport::mux::proxy;
///
/// let bytes = b"PROXY TCP4 192.0.2.1 203.0.113.7 50000 9000\r\nhello";
/// let header = proxy::parse(bytes, 1024)?.expect("it is complete");
/// assert_eq!(header.source, Some("192.0.2.1:50000".parse().unwrap()));
/// assert_eq!(&bytes[header.length..], b"hello");
/// assert!(proxy::parse(b"PROXY TCP4 192.0.2.1 20", 1024)?.is_none());
/// # Ok::<(), proxy::ProxyError>(())
/// ```
///
/// # Errors
///
/// When the bytes are no PROXY header, or not one that may be believed.
pub fn parse(bytes: &[u8], limit: usize) -> Result<Option<Header>, ProxyError> {
    match bytes.first() {
        None => Ok(None),
        Some(b'P') => v1::parse(bytes, limit),
        Some(_) => v2::parse(bytes, limit),
    }
}

/// What a proxy says about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// How many bytes it takes.
    pub length: usize,
    /// Who connected to the proxy. None: the proxy speaks for itself (`LOCAL`, as health checks
    /// do), or does not know (`UNKNOWN`), or it was no IP address: the address of the connection
    /// counts.
    pub source: Option<SocketAddr>,
    /// What they connected to.
    pub destination: Option<SocketAddr>,
}

/// Why a PROXY header is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// It does not follow the specification.
    #[error("malformed PROXY header")]
    Malformed,
    /// It is for something other than a byte stream, or from a later version.
    #[error("PROXY header of a kind that has no place here")]
    Unsupported,
    /// It is longer than it may be.
    #[error("PROXY header is too long")]
    TooLong,
    /// Its checksum is wrong.
    #[error("PROXY header with a wrong checksum")]
    Checksum,
}
