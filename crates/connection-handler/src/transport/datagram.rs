//! What a datagram is, at a UDP port that several protocols share.
//!
//! The first byte tells most protocols apart (RFC 9443). QUIC has two ranges of its own, provided
//! that our peers keep its fixed bit: a [`SecurePort`](super::secure::SecurePort) does not let them
//! clear it (RFC 9287).
//!
//! # Ping
//!
//! One protocol is ours: a request of [`Ping::LENGTH`] bytes is echoed in a reply of as many, which
//! begins differently. Whoever receives a reply never answers it, so that two who were told each
//! other's address by a third do not talk for ever, and nobody gets more bytes than were sent in
//! their name.
//!
//! ```
//! use connection_handler::transport::datagram::{DatagramKind, Ping};
//!
//! let ping = Ping { nonce: *b"twelve bytes" };
//! let request = ping.request();
//! assert_eq!(DatagramKind::of(&request), DatagramKind::PingRequest);
//!
//! // The other side.
//! let reply = Ping::from_request(&request).expect("it is a request").reply();
//! assert_eq!(reply.len(), request.len());
//! assert_eq!(DatagramKind::of(&reply), DatagramKind::PingReply);
//! assert_eq!(Ping::from_request(&reply), None);
//!
//! assert_eq!(Ping::from_reply(&reply), Some(ping));
//! ```

/// What a datagram is, by its length and its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DatagramKind {
    /// It may be a packet of QUIC, or several.
    Quic,
    /// A [`Ping`] that wants an answer.
    PingRequest,
    /// A [`Ping`] that is an answer, and gets none.
    PingReply,
    /// A query for a game server as Quake's descendants and Steam ask it, or an answer to one.
    GameQuery,
    /// STUN (RFC 8489).
    Stun,
    /// DTLS (RFC 9147).
    Dtls,
    /// Nothing of the above.
    Unknown,
}

impl DatagramKind {
    /// What `datagram` is. Looks at its first 8 bytes at most.
    pub fn of(datagram: &[u8]) -> Self {
        match datagram {
            // As QUIC it would be of a version that nobody may ever use.
            [0xFE | 0xFF, 0xFF, 0xFF, 0xFF, ..] => Self::GameQuery,
            [0x40..=0x7F | 0xC0..=0xFF, ..] if datagram.len() >= SHORTEST_QUIC => Self::Quic,
            _ if Ping::from_request(datagram).is_some() => Self::PingRequest,
            _ if Ping::from_reply(datagram).is_some() => Self::PingReply,
            [0x00..=0x03, _, _, _, 0x21, 0x12, 0xA4, 0x42, ..] => Self::Stun,
            [0x14..=0x3F, ..] if datagram.len() >= SHORTEST_DTLS => Self::Dtls,
            _ => Self::Unknown,
        }
    }
}

/// A measurement of the time to a server and back, without a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ping {
    /// What the answer repeats. Random: who cannot see the request cannot answer it.
    pub nonce: [u8; 12],
}

impl Ping {
    /// Length of a request and of a reply, in bytes.
    pub const LENGTH: usize = 16;

    /// The datagram that asks.
    pub fn request(self) -> [u8; Self::LENGTH] {
        self.datagram(REQUEST)
    }

    /// The datagram that answers.
    pub fn reply(self) -> [u8; Self::LENGTH] {
        self.datagram(REPLY)
    }

    /// What asks in `datagram`, if it is a request.
    pub fn from_request(datagram: &[u8]) -> Option<Self> {
        Self::parse(datagram, REQUEST)
    }

    /// What answers in `datagram`, if it is a reply.
    pub fn from_reply(datagram: &[u8]) -> Option<Self> {
        Self::parse(datagram, REPLY)
    }

    fn datagram(self, magic: [u8; 4]) -> [u8; Self::LENGTH] {
        let mut datagram = [0; Self::LENGTH];
        datagram[..4].copy_from_slice(&magic);
        datagram[4..].copy_from_slice(&self.nonce);
        datagram
    }

    fn parse(datagram: &[u8], magic: [u8; 4]) -> Option<Self> {
        let nonce = datagram.strip_prefix(&magic)?.try_into().ok()?;
        Some(Self { nonce })
    }
}

/// The first byte is none that QUIC, DTLS or STUN begin with.
const REQUEST: [u8; 4] = *b"\x07GH?";
const REPLY: [u8; 4] = *b"\x07GH!";
/// A shorter packet of QUIC cannot be deciphered, and is no stateless reset.
const SHORTEST_QUIC: usize = 21;
/// The header of a record (RFC 9147, section 4).
const SHORTEST_DTLS: usize = 13;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_protocol_is_known_by_its_first_bytes() {
        let long = |first: &[u8], length: usize| {
            let mut bytes = first.to_vec();
            bytes.resize(length, 0x55);
            bytes
        };
        for (datagram, kind) in [
            (long(&[0xC3, 0, 0, 0, 1], 1200), DatagramKind::Quic),
            (long(&[0xFF, 0, 0, 0, 1], 1200), DatagramKind::Quic),
            (long(&[0x40], 21), DatagramKind::Quic),
            (long(&[0x7F], 1452), DatagramKind::Quic),
            (long(&[0x40], 20), DatagramKind::Unknown),
            (long(&[0xC0], 20), DatagramKind::Unknown),
            (long(&[0x80], 1200), DatagramKind::Unknown),
            (long(b"\xff\xff\xff\xffTSource Engine Query\0", 25), DatagramKind::GameQuery),
            (long(b"\xff\xff\xff\xffgetstatus", 1200), DatagramKind::GameQuery),
            (long(b"\xfe\xff\xff\xff", 1200), DatagramKind::GameQuery),
            (long(b"\0\x01\0\0\x21\x12\xa4\x42", 20), DatagramKind::Stun),
            (long(b"\0\x01\0\0\x21\x12\xa4\x43", 20), DatagramKind::Unknown),
            (long(b"\x16\xfe\xfd", 100), DatagramKind::Dtls),
            (long(b"\x16\xfe\xfd", 12), DatagramKind::Unknown),
            (Ping { nonce: [7; 12] }.request().to_vec(), DatagramKind::PingRequest),
            (Ping { nonce: [7; 12] }.reply().to_vec(), DatagramKind::PingReply),
            (long(b"\x07GH?", 15), DatagramKind::Unknown),
            (long(b"\x07GH?", 17), DatagramKind::Unknown),
            (Vec::new(), DatagramKind::Unknown),
        ] {
            assert_eq!(DatagramKind::of(&datagram), kind, "{datagram:x?}");
        }
    }
}
