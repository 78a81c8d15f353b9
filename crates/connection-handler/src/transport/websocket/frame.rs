//! The head of a frame (RFC 6455, 5.2), and the mask over what follows it.

use super::WebSocketError;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0,
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }

    pub(super) fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// The head of a frame from a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Whether the message ends with this frame.
    pub(super) last: bool,
    pub(super) opcode: Opcode,
    /// Bytes that follow.
    pub(super) length: u64,
    pub(super) mask: [u8; 4],
}

impl Head {
    /// Reads the head that `bytes` begin with, and says how long it is. `None`: it goes on.
    ///
    /// What cannot become one is refused at its first wrong byte.
    pub(super) fn read(bytes: &[u8]) -> Result<Option<(Self, usize)>, WebSocketError> {
        let Some(&first) = bytes.first() else { return Ok(None) };
        if first & RESERVED != 0 {
            return Err(WebSocketError::Protocol("reserved bit"));
        }
        let opcode = Opcode::from_bits(first & 0x0f)
            .ok_or(WebSocketError::Protocol("reserved kind of frame"))?;
        let last = first & LAST != 0;
        let Some(&second) = bytes.get(1) else { return Ok(None) };
        if second & MASKED == 0 {
            return Err(WebSocketError::Protocol("frame without mask"));
        }
        let short = second & !MASKED;
        if opcode.is_control() && (!last || u64::from(short) > MAX_CONTROL) {
            return Err(WebSocketError::Protocol("control frame in parts, or too long"));
        }
        let (length, field) = match short {
            126 => match bytes.get(2..4).and_then(|field| field.try_into().ok()) {
                Some(field) => (u64::from(u16::from_be_bytes(field)), 2),
                None => return Ok(None),
            },
            127 => match bytes.get(2..10).and_then(|field| field.try_into().ok()) {
                Some(field) => (u64::from_be_bytes(field), 8),
                None => return Ok(None),
            },
            short => (u64::from(short), 0),
        };
        let shortest = match field {
            0 => 0,
            2 => 126,
            _ => 1 << 16,
        };
        if length < shortest || length > u64::MAX >> 1 {
            return Err(WebSocketError::Protocol("length of a frame"));
        }
        let Some(mask) = bytes.get(2 + field..6 + field).and_then(|mask| mask.try_into().ok())
        else {
            return Ok(None);
        };
        Ok(Some((Self { last, opcode, length, mask }, 6 + field)))
    }
}

/// The head of a frame to a client: whole messages, without a mask.
#[derive(Clone, Copy, Debug)]
pub(super) struct ServerHead {
    bytes: [u8; 10],
    length: usize,
}

impl ServerHead {
    pub(super) fn new(opcode: Opcode, payload: usize) -> Self {
        let mut bytes = [0; 10];
        bytes[0] = LAST | opcode.bits();
        let length = Self::length(payload);
        match (length, u16::try_from(payload)) {
            (2, _) => bytes[1] = payload as u8,
            (4, Ok(payload)) => {
                bytes[1] = 126;
                bytes[2..4].copy_from_slice(&payload.to_be_bytes());
            }
            _ => {
                bytes[1] = 127;
                bytes[2..].copy_from_slice(&(payload as u64).to_be_bytes());
            }
        }
        Self { bytes, length }
    }

    /// Bytes of the head before so many bytes.
    pub(super) fn length(payload: usize) -> usize {
        match payload {
            0..126 => 2,
            126..0x1_0000 => 4,
            _ => 10,
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// The length of the whole frame that `bytes` begin with, which one of ours has made.
    pub(super) fn frame_length(bytes: &[u8]) -> Option<usize> {
        let (field, head) = match bytes.get(1)? {
            126 => (u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
            127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?), 10),
            short => (u64::from(*short), 2),
        };
        usize::try_from(field).ok()?.checked_add(head)
    }
}

/// Takes `mask` off `bytes`, of which the first is number `at` of its frame.
pub(super) fn unmask(bytes: &mut [u8], mask: [u8; 4], at: u64) {
    let mut turned = mask;
    turned.rotate_left((at % 4) as usize);
    let [a, b, c, d] = turned;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(turned.iter().cycle()) {
        *byte ^= mask;
    }
}

/// Most bytes of a control frame.
pub(super) const MAX_CONTROL: u64 = 125;
const LAST: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;

#[cfg(test)]
mod tests {
    use super::*;

    fn head(bytes: &[u8]) -> Result<Option<(Head, usize)>, WebSocketError> {
        // Nothing is said of a head too early, and nothing is missed.
        for length in 0..bytes.len() {
            match Head::read(&bytes[..length]) {
                Ok(None) => {}
                early => {
                    assert_eq!(early.is_err(), Head::read(bytes).is_err(), "{length} of {bytes:?}");
                    return early;
                }
            }
        }
        Head::read(bytes)
    }

    #[test]
    fn a_head_says_what_follows() {
        for (bytes, opcode, last, length) in [
            (&b"\x82\x80abcd"[..], Opcode::Binary, true, 0),
            (b"\x01\xfdabcd", Opcode::Text, false, 125),
            (b"\x80\xfe\x00\x7eabcd", Opcode::Continuation, true, 126),
            (b"\x82\xff\0\0\0\0\x00\x01\0\0abcd", Opcode::Binary, true, 65_536),
            (b"\x89\xfdabcd", Opcode::Ping, true, 125),
        ] {
            let (head, used) = head(bytes).unwrap().unwrap();
            let expected = Head { last, opcode, length, mask: *b"abcd" };
            assert_eq!((head, used), (expected, bytes.len()));
        }
    }

    #[test]
    fn what_breaks_the_rules_is_no_head() {
        for bytes in [
            &b"\xc2\x80"[..],    // a reserved bit
            b"\x83\x80",         // a reserved kind
            b"\x8b\x80",         // another
            b"\x82\x05",         // no mask
            b"\x09\x80",         // half a ping
            b"\x88\xfe",         // a long close
            b"\x82\xfe\x00\x7d", // a length that needs no more room
            b"\x82\xff\0\0\0\0\0\0\xff\xff",
            b"\x82\xff\x80\0\0\0\0\0\0\0", // more than there can be
        ] {
            assert!(matches!(head(bytes), Err(WebSocketError::Protocol(_))), "{bytes:?}");
        }
    }

    #[test]
    fn our_heads_say_how_long_their_frames_are() {
        for payload in [0, 125, 126, 65_535, 65_536, 1 << 20] {
            let head = ServerHead::new(Opcode::Binary, payload);
            assert_eq!(head.as_bytes().len(), ServerHead::length(payload));
            let whole = ServerHead::frame_length(head.as_bytes());
            assert_eq!(whole, Some(head.as_bytes().len() + payload));
        }
        assert_eq!(ServerHead::new(Opcode::Ping, 3).as_bytes(), b"\x89\x03");
    }

    #[test]
    fn a_mask_goes_off_however_the_bytes_are_cut() {
        let plain: Vec<u8> = (0..100).collect();
        let mask = *b"\x01\x20\x03\xff";
        let masked: Vec<u8> = plain.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m).collect();
        for cut in 0..plain.len() {
            let mut bytes = masked.clone();
            let (left, right) = bytes.split_at_mut(cut);
            unmask(left, mask, 0);
            unmask(right, mask, cut as u64);
            assert_eq!(bytes, plain, "cut at {cut}");
        }
    }
}
