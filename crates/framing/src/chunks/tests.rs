//! Byte for byte, in every split, after every truncation.

use super::*;

const FOUR: ChunkSize = ChunkSize(NonZeroU16::new(4).unwrap());
const MAX: usize = 1000;

/// Messages of these tests end with `!`, and nothing else does.
fn decode(bytes: &[u8]) -> Result<Progress<Vec<u8>>, FrameError> {
    Ok(match bytes.ends_with(b"!") {
        true => Progress::Message(bytes.to_vec()),
        false => Progress::Incomplete,
    })
}

fn encoded(size: ChunkSize, message: &[u8]) -> Result<BytesMut, FrameError> {
    let mut bytes = BytesMut::new();
    encode(size, &mut bytes, |bytes| {
        bytes.extend_from_slice(message);
        Ok::<_, FrameError>(())
    })?;
    Ok(bytes)
}

fn read_all(reader: &mut ChunkReader, src: &mut BytesMut) -> Result<Vec<Vec<u8>>, FrameError> {
    let mut messages = Vec::new();
    while let Some(message) = reader.next(src, MAX, decode)? {
        messages.push(message);
    }
    Ok(messages)
}

#[test]
fn a_message_is_cut_into_full_chunks_and_a_rest() {
    for (message, wire) in [
        (&b"!"[..], &b"\x01\0!"[..]),
        (b"ab!", b"\x03\0ab!"),
        (b"abc!", b"\0\0abc!"),
        (b"abcd!", b"\0\0abcd\x01\0!"),
        (b"abcdefg!", b"\0\0abcd\0\0efg!"),
        (b"abcdefghi!", b"\0\0abcd\0\0efgh\x02\0i!"),
    ] {
        assert_eq!(encoded(FOUR, message).unwrap(), wire);
        let mut wire = BytesMut::from(wire);
        assert_eq!(read_all(&mut ChunkReader::new(FOUR), &mut wire).unwrap(), [message]);
        assert!(wire.is_empty());
    }
}

#[test]
fn the_largest_chunks_are_written_as_0_and_read_either_way() {
    for (length, fields) in
        [(65534, &[(0, 65534)][..]), (65535, &[(0, 0)]), (65536, &[(0, 0), (65537, 1)])]
    {
        let mut message = vec![b'x'; length];
        message[length - 1] = b'!';
        let mut wire = encoded(ChunkSize::MAX, &message).unwrap();
        for &(at, field) in fields {
            assert_eq!(wire[at..at + 2], u16::to_le_bytes(field), "at {at} of {length}");
        }
        assert_eq!(wire.len(), length + 2 * fields.len());
        wire[..2].copy_from_slice(&u16::try_from(length).unwrap_or(65535).to_le_bytes());
        let mut reader = ChunkReader::new(ChunkSize::MAX);
        assert_eq!(reader.next(&mut wire, length, decode), Ok(Some(message)));
    }
}

#[test]
fn an_explicit_full_length_is_a_full_chunk() {
    let mut wire = BytesMut::from(&b"\x04\0abcd\x04\0efg!"[..]);
    assert_eq!(read_all(&mut ChunkReader::new(FOUR), &mut wire).unwrap(), [b"abcdefg!"]);
}

#[test]
fn an_empty_message_cannot_be_written() {
    let mut bytes = BytesMut::from("before");
    assert_eq!(encode(FOUR, &mut bytes, |_| Ok(())), Err(FrameError::Empty));
    assert_eq!(bytes, "before");
}

#[test]
fn a_message_that_fails_half_way_is_not_written() {
    let mut bytes = BytesMut::from("before");
    let written = encode(FOUR, &mut bytes, |bytes| {
        bytes.extend_from_slice(b"half");
        Err(FrameError::LineBreak)
    });
    assert_eq!(written, Err(FrameError::LineBreak));
    assert_eq!(bytes, "before");
}

#[test]
fn what_cannot_be_is_an_error_as_soon_as_it_is_certain() {
    for (wire, error) in [
        (&b"\x05\0"[..], FrameError::FrameTooLong { length: 5, max: 4 }),
        (b"\xff\xff", FrameError::FrameTooLong { length: 65535, max: 4 }),
        (b"\x03\0abc", FrameError::Incomplete(3)),
        (b"\0\0abcd\x02\0ef", FrameError::Incomplete(6)),
        (b"\0\0abcd\0\0", FrameError::MessageTooLong { length: 8, max: 7 }),
    ] {
        let result = ChunkReader::new(FOUR).next(&mut BytesMut::from(wire), 7, decode);
        assert_eq!(result, Err(error), "{wire:?}");
    }
}

#[test]
fn a_message_may_have_exactly_the_limit() {
    let mut wire = encoded(FOUR, b"abcdef!").unwrap();
    assert!(ChunkReader::new(FOUR).next(&mut wire.clone(), 6, decode).is_err());
    assert_eq!(ChunkReader::new(FOUR).next(&mut wire, 7, decode).unwrap().unwrap(), b"abcdef!");
}

#[test]
fn chunks_of_one_byte_are_full() {
    let size = ChunkSize::new(1).unwrap();
    let mut wire = encoded(size, b"ab!").unwrap();
    assert_eq!(wire, &b"\0\0a\0\0b\0\0!"[..]);
    assert_eq!(read_all(&mut ChunkReader::new(size), &mut wire).unwrap(), [b"ab!"]);
}

#[test]
fn a_truncated_stream_yields_whole_messages_only() {
    let wire = [encoded(FOUR, b"a!").unwrap(), encoded(FOUR, b"abcdef!").unwrap()].concat();
    for length in 0..wire.len() {
        let mut src = BytesMut::from(&wire[..length]);
        let mut reader = ChunkReader::new(FOUR);
        let messages = read_all(&mut reader, &mut src).unwrap();
        assert_eq!(messages.len(), usize::from(length >= 4), "truncated to {length}");
        let between = length == 0 || length == 4;
        assert_eq!(reader.is_inside_message(&src), !between, "truncated to {length}");
    }
}

#[test]
fn messages_survive_every_split() {
    let messages = [&b"a!"[..], b"abc!", b"abcdefg!", b"abcdefghi!", b"!"];
    let wire = messages.map(|message| encoded(FOUR, message).unwrap()).concat();
    for first in 0..=wire.len() {
        for second in first..=wire.len() {
            let (mut reader, mut src) = (ChunkReader::new(FOUR), BytesMut::new());
            let mut found = Vec::new();
            for part in [&wire[..first], &wire[first..second], &wire[second..]] {
                src.extend_from_slice(part);
                found.extend(read_all(&mut reader, &mut src).unwrap());
            }
            assert_eq!(found, messages, "cut at {first} and {second}");
        }
    }
}

#[test]
fn any_messages_in_any_pieces_come_back() {
    let mut random = Random(0x5eed);
    for round in 0..2000 {
        let size = ChunkSize::new(u16::try_from(1 + random.below(40)).unwrap()).unwrap();
        let messages: Vec<_> = (0..1 + random.below(8)).map(|_| random.message(120)).collect();
        let wire: Vec<_> =
            messages.iter().flat_map(|message| encoded(size, message).unwrap()).collect();
        let (mut reader, mut src) = (ChunkReader::new(size), BytesMut::new());
        let (mut found, mut rest) = (Vec::new(), &wire[..]);
        while !rest.is_empty() {
            let (piece, others) = rest.split_at(1 + random.below(rest.len()));
            src.extend_from_slice(piece);
            found.extend(read_all(&mut reader, &mut src).unwrap());
            rest = others;
        }
        assert_eq!(found, messages, "round {round}, chunks of {size:?}");
        assert!(!reader.is_inside_message(&src));
    }
}

#[test]
fn garbage_ends_in_an_error_or_in_silence_and_is_never_kept_beyond_the_limit() {
    let mut random = Random(0xbad);
    for _ in 0..2000 {
        let size = ChunkSize::new(u16::try_from(1 + random.below(300)).unwrap()).unwrap();
        let (mut reader, mut src) = (ChunkReader::new(size), BytesMut::new());
        for _ in 0..20 {
            let piece = (0..random.below(100)).map(|_| random.byte()).collect::<Vec<_>>();
            src.extend_from_slice(&piece);
            let result = reader.next(&mut src, MAX, decode);
            assert!(reader.begun.len() <= MAX);
            if result.is_err() {
                break;
            }
        }
    }
}

/// A small generator, so that every run is the same (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit).unwrap()).unwrap()
    }

    fn byte(&mut self) -> u8 {
        // Small lengths are the interesting ones.
        let byte = self.next().to_le_bytes()[0];
        if byte & 1 == 0 { 0 } else { byte }
    }

    fn message(&mut self, longest: usize) -> Vec<u8> {
        let mut message: Vec<_> = (0..self.below(longest)).map(|_| b'a').collect();
        message.push(b'!');
        message
    }
}

#[test]
fn a_message_in_other_chunks_is_as_if_encoded_so() {
    let sizes = [1, 2, 3, 4, 7, 65_535].map(|size| ChunkSize::new(size).unwrap());
    for length in 1..30 {
        let message = vec![b'a'; length];
        for from in sizes {
            for to in sizes {
                let mut wire = BytesMut::from(&b"before"[..]);
                recut(&encoded(from, &message).unwrap(), from, to, &mut wire);
                assert_eq!(wire.split_to(6), &b"before"[..]);
                assert_eq!(wire, encoded(to, &message).unwrap(), "{length}, {from:?}, {to:?}");
            }
        }
    }
}
