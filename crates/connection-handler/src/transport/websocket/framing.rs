//! Between the frames of a WebSocket and those that readers and writers know.

use ::framing::chunks::{self, ChunkSize};
use bytes::{BufMut, BytesMut};

use super::frame::{Opcode, ServerHead};
use crate::{DisconnectReason, transport::Format};

/// How the reader and the writer of a connection mark where a message ends, which a WebSocket does
/// by itself: its messages carry none of these marks.
///
/// A handler is not asked about it: say what its codec does on every other transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Each message in chunks of this size:
    /// [`TcpMessageConnectionReader`](crate::TcpMessageConnectionReader) and
    /// [`TcpMessageConnectionWriter`](crate::TcpMessageConnectionWriter). An empty message ends the
    /// connection.
    Chunks(ChunkSize),
    /// Each message behind its length, 32 bits, most significant first: `tokio_util`'s
    /// `LengthDelimitedCodec` as it is by default.
    Lengths,
    /// Nothing that a WebSocket could replace, as with lines: what is received are pieces of one
    /// stream, text and bytes alike, and each message that is sent is one message.
    Stream,
}

impl Default for Framing {
    fn default() -> Self {
        Self::Chunks(ChunkSize::MAX)
    }
}

impl Framing {
    /// Makes one frame of what a writer has appended to `bytes` from `start` on.
    pub(super) fn frame(
        self,
        format: Format,
        bytes: &mut BytesMut,
        start: usize,
    ) -> Result<(), DisconnectReason> {
        let encoded = bytes.len() - start;
        let payload = match self {
            Self::Chunks(size) => {
                encoded - LENGTH_FIELD * encoded.div_ceil(LENGTH_FIELD + usize::from(size.get()))
            }
            Self::Lengths => encoded - LONG_LENGTH_FIELD.min(encoded),
            Self::Stream => encoded,
        };
        let opcode = match format {
            Format::Binary => Opcode::Binary,
            Format::Text => Opcode::Text,
        };
        let head = ServerHead::new(opcode, payload);
        let head = head.as_bytes();
        match self {
            Self::Chunks(size) => chunks::uncut(size, bytes, start, head.len()),
            Self::Lengths => move_to(bytes, start, LONG_LENGTH_FIELD, head.len()),
            Self::Stream => move_to(bytes, start, 0, head.len()),
        }
        bytes[start..start + head.len()].copy_from_slice(head);
        // Whoever receives it would end the connection, and blame us.
        if format == Format::Text && str::from_utf8(&bytes[start + head.len()..]).is_err() {
            bytes.truncate(start);
            return Err(DisconnectReason::Bug);
        }
        Ok(())
    }

    /// Appends a whole `message` to `bytes`, as a reader expects it.
    pub(super) fn append(self, message: &[u8], bytes: &mut BytesMut) {
        match self {
            Self::Chunks(size) => {
                // Fails only for empty messages, which are refused before.
                let _ = chunks::encode(size, bytes, |bytes| {
                    bytes.extend_from_slice(message);
                    Ok::<_, ::framing::FrameError>(())
                });
            }
            Self::Lengths => {
                bytes.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
                bytes.extend_from_slice(message);
            }
            Self::Stream => bytes.extend_from_slice(message),
        }
    }
}

/// Moves what is in `bytes` from `start + from` on to `start + to`.
fn move_to(bytes: &mut BytesMut, start: usize, from: usize, to: usize) {
    let end = bytes.len();
    let first = (start + from).min(end);
    if to > from {
        bytes.resize(end + to - from, 0);
    }
    bytes.copy_within(first..end, start + to);
    bytes.truncate(start + to + end - first);
}

const LENGTH_FIELD: usize = 2;
const LONG_LENGTH_FIELD: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: [usize; 11] =
        [1, 2, 3, 125, 126, 127, 65_534, 65_535, 65_536, 2 * 65_535, 2 * 65_535 + 1];

    #[test]
    fn a_message_is_one_frame_whatever_stood_around_it() {
        let small = ChunkSize::new(100).unwrap();
        for framing in [
            Framing::Chunks(ChunkSize::MAX),
            Framing::Chunks(small),
            Framing::Lengths,
            Framing::Stream,
        ] {
            for size in SIZES {
                let message: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
                let mut bytes = BytesMut::from("before");
                framing.append(&message, &mut bytes);
                framing.frame(Format::Binary, &mut bytes, 6).unwrap();
                assert_eq!(&bytes[..6], b"before");
                let head = ServerHead::new(Opcode::Binary, size);
                let head = head.as_bytes();
                assert_eq!(&bytes[6..6 + head.len()], head, "{framing:?} of {size}");
                assert_eq!(&bytes[6 + head.len()..], message, "{framing:?} of {size}");
            }
        }
    }

    #[test]
    fn a_message_without_bytes_is_a_frame_where_it_can_be() {
        let mut bytes = BytesMut::new();
        Framing::Lengths.append(b"", &mut bytes);
        Framing::Lengths.frame(Format::Text, &mut bytes, 0).unwrap();
        assert_eq!(&bytes[..], b"\x81\0");
    }

    #[test]
    fn what_is_no_text_is_not_sent_as_text() {
        let mut bytes = BytesMut::from("before");
        bytes.extend_from_slice(b"\xff");
        let framed = Framing::Stream.frame(Format::Text, &mut bytes, 6);
        assert!(matches!(framed, Err(DisconnectReason::Bug)));
        assert_eq!(&bytes[..], b"before");
    }
}
