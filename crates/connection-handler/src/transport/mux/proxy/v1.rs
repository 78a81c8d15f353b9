//! The first version: a line.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Header, ProxyError};

/// Reads a line such as `PROXY TCP4 192.0.2.1 203.0.113.7 50000 9000`.
pub(super) fn parse(bytes: &[u8], limit: usize) -> Result<Option<Header>, ProxyError> {
    let max = MAX_LENGTH.min(limit);
    let head = bytes.get(..max).unwrap_or(bytes);
    let Some(end) = head.iter().position(|byte| *byte == b'\n') else {
        Fields::of(head)?.check_beginning()?;
        // The end of the line would not fit any more.
        return if head.len() == max { Err(ProxyError::TooLong) } else { Ok(None) };
    };
    let line = head[..end].strip_suffix(b"\r").ok_or(ProxyError::Malformed)?;
    let ends = Fields::of(line)?.read()?;
    Ok(Some(Header {
        length: end + 1,
        source: ends.map(|(source, _)| source),
        destination: ends.map(|(_, destination)| destination),
    }))
}

/// What stands between the spaces.
struct Fields<'a> {
    fields: Vec<&'a str>,
    unknown: bool,
}

impl<'a> Fields<'a> {
    fn of(line: &'a [u8]) -> Result<Self, ProxyError> {
        // What follows is to be ignored, whatever it is.
        let unknown = line.strip_prefix(UNKNOWN).is_some_and(|rest| match rest {
            [] | [b' ' | b'\r', ..] => true,
            [..] => false,
        });
        if unknown {
            return Ok(Self { fields: Vec::new(), unknown });
        }
        let text = str::from_utf8(line).map_err(|_| ProxyError::Malformed)?;
        Ok(Self { fields: text.split(' ').collect(), unknown })
    }

    fn read(&self) -> Result<Option<(SocketAddr, SocketAddr)>, ProxyError> {
        if self.unknown {
            return Ok(None);
        }
        let ["PROXY", family, source, destination, source_port, destination_port] = self.fields[..]
        else {
            return Err(ProxyError::Malformed);
        };
        let family = Family::of(family)?;
        Ok(Some((
            SocketAddr::new(family.ip(source)?, port(source_port)?),
            SocketAddr::new(family.ip(destination)?, port(destination_port)?),
        )))
    }

    /// Whether this can still become a header: fields that are followed by another are complete.
    fn check_beginning(&self) -> Result<(), ProxyError> {
        if self.unknown {
            return Ok(());
        }
        let Some((last, complete)) = self.fields.split_last() else { return Ok(()) };
        let mut family = None;
        for (index, field) in complete.iter().enumerate() {
            match (index, family) {
                (0, _) if *field == "PROXY" => {}
                (1, _) => family = Some(Family::of(field)?),
                (2 | 3, Some(family)) => family.ip(field).map(drop)?,
                (4, _) => port(field).map(drop)?,
                _ => return Err(ProxyError::Malformed),
            }
        }
        let may_become = match complete.len() {
            0 => "PROXY".starts_with(last),
            1 => ["TCP4", "TCP6", "UNKNOWN"].iter().any(|word| word.starts_with(last)),
            2 | 3 => family.is_some_and(|family| family.may_begin(last)),
            // The last one is followed by the end of the line.
            4 => port_may_begin(last),
            _ => last
                .strip_suffix('\r')
                .map_or_else(|| port_may_begin(last), |last| port(last).is_ok()),
        };
        may_become.then_some(()).ok_or(ProxyError::Malformed)
    }
}

#[derive(Clone, Copy)]
enum Family {
    V4,
    V6,
}

impl Family {
    fn of(word: &str) -> Result<Self, ProxyError> {
        match word {
            "TCP4" => Ok(Self::V4),
            "TCP6" => Ok(Self::V6),
            _ => Err(ProxyError::Malformed),
        }
    }

    fn ip(self, text: &str) -> Result<IpAddr, ProxyError> {
        let ip = match self {
            Self::V4 => text.parse::<Ipv4Addr>().map(IpAddr::from),
            Self::V6 => text.parse::<Ipv6Addr>().map(IpAddr::from),
        };
        ip.map_err(|_| ProxyError::Malformed)
    }

    fn may_begin(self, text: &str) -> bool {
        let (longest, fits): (usize, fn(u8) -> bool) = match self {
            Self::V4 => ("255.255.255.255".len(), |byte| matches!(byte, b'0'..=b'9' | b'.')),
            Self::V6 => (45, |byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')),
        };
        text.len() <= longest && text.bytes().all(fits)
    }
}

fn port(text: &str) -> Result<u16, ProxyError> {
    if !port_may_begin(text) {
        return Err(ProxyError::Malformed);
    }
    text.parse().map_err(|_| ProxyError::Malformed)
}

/// Without a sign, and without a zero in front, which others may read as octal.
fn port_may_begin(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
        && (text.len() <= 1 || !text.starts_with('0'))
        && (text.is_empty() || text.parse::<u16>().is_ok())
}

/// As the specification has it, the end of the line included.
const MAX_LENGTH: usize = 107;
const UNKNOWN: &[u8] = b"PROXY UNKNOWN";
