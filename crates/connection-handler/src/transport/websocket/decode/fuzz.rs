//! What holds for any bytes: the body of a fuzz target.

use ::framing::chunks::ChunkSize;

use super::*;

/// Whatever `bytes` are after the first three, it makes no difference in which pieces they arrive,
/// and no message is longer than it may be.
pub(in super::super) fn fuzz(bytes: &[u8]) {
    let [how, limit, piece, wire @ ..] = bytes else { return };
    let framing = match how & 3 {
        0 => Framing::Chunks(ChunkSize::new(10).expect("more than 0")),
        1 => Framing::default(),
        2 => Framing::Lengths,
        _ => Framing::Stream,
    };
    let format = if how & 4 == 0 { Format::Binary } else { Format::Text };
    let limit = usize::from(*limit);
    let decoder = || Decoder::new(framing, format, MessageLimit::new(limit));
    let piece = usize::from(*piece) % 32 + 1;
    // Room for all of it, or what there is none for would be passed on in pieces too.
    let (whole, events, error) = decode(decoder(), wire, wire.len().max(1), usize::MAX);
    let (parts, events_of_parts, error_of_parts) = decode(decoder(), wire, piece, piece);
    assert_eq!((&events, &error), (&events_of_parts, &error_of_parts), "{framing:?} {format:?}");
    match error {
        // What came before the mistake may have been passed on, if it came before.
        Some(_) => assert!(parts.starts_with(&whole)),
        None => assert_eq!(parts, whole),
    }
    // The head of a frame is longer than what a reader is told of its length.
    assert!(parts.len() <= 2 * wire.len(), "{} of {}", parts.len(), wire.len());
    if framing == Framing::Lengths {
        let mut rest = &parts[..];
        while let Some((length, message)) = rest.split_first_chunk() {
            let length = u32::from_be_bytes(*length) as usize;
            assert!(length <= limit, "{length} of {limit}");
            let Some((message, next)) = message.split_at_checked(length) else { break };
            assert!(format == Format::Binary || str::from_utf8(message).is_ok());
            rest = next;
        }
    }
}

/// What is made of `wire`, which arrives in pieces of so many bytes and is taken where there is so much
/// room at once.
fn decode(
    mut decoder: Decoder,
    wire: &[u8],
    piece: usize,
    room: usize,
) -> (Vec<u8>, Vec<Event>, Option<WebSocketError>) {
    let (mut src, mut events) = (BytesMut::new(), Vec::new());
    let mut taker = Taker { bytes: Vec::new(), room: 0 };
    for arrived in wire.chunks(piece) {
        src.extend_from_slice(arrived);
        loop {
            taker.room = room;
            match decoder.decode(&mut src, &mut taker) {
                Ok(Some(event)) => events.push(event),
                Ok(None) if taker.room == 0 => {}
                Ok(None) => break,
                Err(error) => return (taker.bytes, events, Some(error)),
            }
        }
    }
    (taker.bytes, events, None)
}

/// Has room for some.
struct Taker {
    bytes: Vec<u8>,
    room: usize,
}

impl Sink for Taker {
    fn room(&self) -> usize {
        self.room
    }

    fn put(&mut self, bytes: &[u8]) {
        self.room -= bytes.len();
        self.bytes.extend_from_slice(bytes);
    }
}
