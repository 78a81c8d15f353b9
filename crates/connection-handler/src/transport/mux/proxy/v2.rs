//! The second version: bytes, with properties behind the addresses.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Header, ProxyError, crc32c::crc32c};
use crate::transport::mux::sniff::PROXY_V2 as SIGNATURE;

/// Reads a header that begins with the signature.
pub(super) fn parse(bytes: &[u8], limit: usize) -> Result<Option<Header>, ProxyError> {
    let signature = bytes.get(..SIGNATURE.len()).unwrap_or(bytes);
    if !SIGNATURE.starts_with(signature) {
        return Err(ProxyError::Malformed);
    }
    let command = bytes.get(12).copied().map(Command::of).transpose()?;
    let ends = match (command, bytes.get(13)) {
        (Some(Command::Proxy), Some(family)) => Ends::of(*family)?,
        _ => Ends::Ignored,
    };
    let Some(length) = bytes.get(14..HEAD) else { return Ok(None) };
    let length = HEAD + usize::from(u16::from_be_bytes([length[0], length[1]]));
    if length > limit {
        return Err(ProxyError::TooLong);
    }
    let Some(header) = bytes.get(..length) else { return Ok(None) };
    let (source, destination) = match command {
        Some(Command::Proxy) => {
            let (ends, properties) = ends.read(&header[HEAD..])?;
            check(header, length - properties.len())?;
            (ends.map(|(source, _)| source), ends.map(|(_, destination)| destination))
        }
        // To be skipped, whatever it says.
        Some(Command::Local) | None => (None, None),
    };
    Ok(Some(Header { length, source, destination }))
}

#[derive(Clone, Copy)]
enum Command {
    Local,
    Proxy,
}

impl Command {
    fn of(byte: u8) -> Result<Self, ProxyError> {
        match byte {
            0x20 => Ok(Self::Local),
            0x21 => Ok(Self::Proxy),
            _ => Err(ProxyError::Unsupported),
        }
    }
}

/// What kind of addresses there are.
#[derive(Clone, Copy)]
enum Ends {
    Ignored,
    V4,
    V6,
    Unix,
}

type Pair = (SocketAddr, SocketAddr);

impl Ends {
    fn of(family: u8) -> Result<Self, ProxyError> {
        match family {
            0x00 => Ok(Self::Ignored),
            0x11 => Ok(Self::V4),
            0x21 => Ok(Self::V6),
            0x31 => Ok(Self::Unix),
            // Datagrams do not arrive over TCP.
            _ => Err(ProxyError::Unsupported),
        }
    }

    /// The addresses, and the properties behind them.
    fn read(self, bytes: &[u8]) -> Result<(Option<Pair>, &[u8]), ProxyError> {
        match self {
            Self::Ignored => Ok((None, bytes)),
            Self::V4 => {
                let (head, rest) = bytes.split_first_chunk::<12>().ok_or(ProxyError::Malformed)?;
                let [a, b, c, d, e, f, g, h, ports @ ..] = *head;
                let ends = (Ipv4Addr::new(a, b, c, d), Ipv4Addr::new(e, f, g, h));
                Ok((Some(with_ports(ends, ports)), rest))
            }
            Self::V6 => {
                let (source, rest) =
                    bytes.split_first_chunk::<16>().ok_or(ProxyError::Malformed)?;
                let (destination, rest) =
                    rest.split_first_chunk::<16>().ok_or(ProxyError::Malformed)?;
                let (ports, rest) = rest.split_first_chunk::<4>().ok_or(ProxyError::Malformed)?;
                let ends = (Ipv6Addr::from(*source), Ipv6Addr::from(*destination));
                Ok((Some(with_ports(ends, *ports)), rest))
            }
            Self::Unix => {
                let (_, rest) = bytes.split_first_chunk::<216>().ok_or(ProxyError::Malformed)?;
                Ok((None, rest))
            }
        }
    }
}

fn with_ports<A: Into<std::net::IpAddr>>((source, destination): (A, A), ports: [u8; 4]) -> Pair {
    let [a, b, c, d] = ports;
    (
        SocketAddr::new(source.into(), u16::from_be_bytes([a, b])),
        SocketAddr::new(destination.into(), u16::from_be_bytes([c, d])),
    )
}

/// Skips the properties of `header`, which begin at `properties`. Only the checksum is looked at.
fn check(header: &[u8], properties: usize) -> Result<(), ProxyError> {
    let mut at = properties;
    while at < header.len() {
        let head = header.get(at..at + PROPERTY_HEAD).ok_or(ProxyError::Malformed)?;
        let length = usize::from(u16::from_be_bytes([head[1], head[2]]));
        let begin = at + PROPERTY_HEAD;
        let value = header.get(begin..begin + length).ok_or(ProxyError::Malformed)?;
        if head[0] == CRC32C {
            let expected = value.try_into().map_err(|_| ProxyError::Malformed)?;
            // As if the checksum itself were zero.
            let bytes = header.iter().enumerate().map(|(index, byte)| {
                if (begin..begin + length).contains(&index) { 0 } else { *byte }
            });
            if crc32c(bytes) != u32::from_be_bytes(expected) {
                return Err(ProxyError::Checksum);
            }
        }
        at = begin + length;
    }
    Ok(())
}

/// Signature, version and command, family, length.
const HEAD: usize = 16;
const PROPERTY_HEAD: usize = 3;
/// `PP2_TYPE_CRC32C`.
const CRC32C: u8 = 3;
