//! What is fuzzed: each function is a whole target, whoever makes the bytes.
//!
//! * `cargo xtask soak --only fuzz:chunks` has libFuzzer make them,
//! * `cargo run --release -p connection-handler --example fuzz` does without it,
//! * `tests/fuzz.rs` has a few thousand made in every run of the tests.

use bytes::BytesMut;
use connection_handler::{
    Decoded, DisconnectReason, MessageDecoder, MessageEncoder, MessageLimit,
    TcpMessageConnectionReader, TcpMessageConnectionWriter,
    capture::Reader,
    testing::fuzz_decoder,
    transport::{
        datagram::{DatagramKind, Ping},
        mux::{LONGEST_PATTERN, Patterns, PlainFrames, Sniff, proxy, sniff},
    },
};
use framing::{
    FrameError,
    chunks::ChunkSize,
    lines::{self, Lines},
    self_counting::SelfCounting,
};
use tokio_util::codec::{Decoder, Encoder};

/// The name of a target, the target, and some bytes that are right.
pub(crate) type Target = (&'static str, fn(&[u8]), &'static [&'static [u8]]);

/// All of them.
pub(crate) const TARGETS: [Target; 6] = [
    ("chunks", chunks, &[b"\x03\x01\0!\x03\0ab!\0\0abcd\x01\0!", b"\xff\x05\0abcd!\0\0"]),
    ("datagrams", datagrams, &[b"\x07GH?twelve bytes", b"\xff\xff\xff\xffTSource", b"\xc3\0\0\0\x01\x08twenty-one bytes"]),
    ("lines", lines, &[b"\x08one\r\n\ntwo\n\r\nfour\rf\n", b"\x02\n\r\r\n"]),
    ("self_counting", self_counting, &[b"\x10\x03\0a\x02\0\x08\0abcdef", b"\x03\x05\0abc"]),
    ("capture", capture, &[include_bytes!("../tests/seeing/version-1.capture")]),
    (
        "mux",
        mux,
        &[
            b"\x1f\xff\x16\x03\x01\x02\0\x01",
            b"\x1f\xffPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"\x1f\xffPROXY TCP4 192.0.2.1 203.0.113.7 5 9000\r\nGET / HTTP/1.1\r\n\r\n",
            b"\x1f\xffPROXY TCP6 2001::1 2001:db8::7 0 9000\r\nPATCH ",
            b"\x1f\xff\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x12\xc0\0\x02\x01\xc0\0\x02\x02\0\x05\0\x06\x04\0\x03pad",
        ],
    ),
];

/// Messages in chunks: the first byte says how small a chunk is, the others are the stream.
pub(crate) fn chunks(bytes: &[u8]) {
    let [first, stream @ ..] = bytes else { return };
    let size = ChunkSize::new(u16::from(*first) + 1).expect("more than 0");
    let reader = || TcpMessageConnectionReader::with_chunks(Shout, MessageLimit::new(MAX), size);
    fuzz_decoder(stream, reader);

    // As a message, they come back.
    let mut wire = BytesMut::new();
    let message = [stream, b"!"].concat();
    let written = TcpMessageConnectionWriter::with_chunks(Shout, size).encode(message, &mut wire);
    written.expect("whatever is not empty can be written");
    let read = reader().decode(&mut wire);
    // An earlier `!` at the end of a full chunk ends the message there.
    if let Ok(Some(read)) = read {
        assert!(stream.starts_with(&read[..read.len() - 1]));
    } else {
        assert!(stream.len() >= MAX, "{read:?}");
    }
}

/// A datagram is one thing only, and no answer asks for another.
pub(crate) fn datagrams(bytes: &[u8]) {
    let kind = DatagramKind::of(bytes);
    let has_quic_bit = bytes.first().is_some_and(|first| first & 0x40 != 0);
    assert!(kind != DatagramKind::Quic || has_quic_bit && bytes.len() > 20);
    let request = Ping::from_request(bytes);
    assert_eq!(kind == DatagramKind::PingRequest, request.is_some());
    assert_eq!(kind == DatagramKind::PingReply, Ping::from_reply(bytes).is_some());
    if let Some(ping) = request {
        assert_eq!(ping.request(), bytes);
        assert_eq!(DatagramKind::of(&ping.reply()), DatagramKind::PingReply);
        assert!(ping.reply().len() <= bytes.len());
    }
    // What follows the first 20 bytes changes nothing for QUIC.
    if let Some(start) = bytes.get(..21).filter(|_| kind == DatagramKind::Quic) {
        assert_eq!(DatagramKind::of(start), kind);
    }
}

/// Lines: the first byte says how long they may be.
pub(crate) fn lines(bytes: &[u8]) {
    let [max, stream @ ..] = bytes else { return };
    let reader = || {
        let mut lines = Lines::new(usize::from(*max));
        Frames(move |src: &mut BytesMut| lines.next(src))
    };
    fuzz_decoder(stream, reader);

    let mut wire = BytesMut::new();
    if lines::encode(stream, &mut wire).is_ok() {
        let line = Lines::new(stream.len()).next(&mut wire).expect("a line of that length");
        assert_eq!(line.as_deref(), Some(stream));
        assert!(wire.is_empty());
    }
}

/// Lengths that count themselves: the first byte says how long frames may be.
pub(crate) fn self_counting(bytes: &[u8]) {
    let [max, stream @ ..] = bytes else { return };
    let mut frames = SelfCounting { max: u16::from(*max) + 2 };
    fuzz_decoder(stream, || Frames(move |src: &mut BytesMut| { frames }.next(src)));

    let mut wire = BytesMut::new();
    let written = frames.encode(&mut wire, |bytes| {
        bytes.extend_from_slice(stream);
        Ok::<_, FrameError>(())
    });
    assert_eq!(written.is_ok(), stream.len() <= usize::from(*max));
    if written.is_ok() {
        assert_eq!(frames.next(&mut wire), Ok(Some(BytesMut::from(stream))));
    }
}

/// A capture, perhaps damaged: it ends, and after an error there is nothing more.
pub(crate) fn capture(bytes: &[u8]) {
    let Ok(mut reader) = Reader::new(bytes) else { return };
    let records = reader.by_ref().map_while(Result::ok).count();
    // Each has a length, a type, a time and a peer.
    assert!(records <= bytes.len() / 21, "{records} records in {} bytes", bytes.len());
    assert!(reader.next().is_none());
}

/// The beginning of a connection: the first byte says what is looked for, the second how long a
/// PROXY header may be. What is said of some bytes still holds when there are more.
pub(crate) fn mux(bytes: &[u8]) {
    let [wanted, limit, stream @ ..] = bytes else { return };
    let patterns = Patterns {
        plain: (wanted & 1 != 0).then_some(PlainFrames::LONGEST),
        tls: wanted & 2 != 0,
        http1: wanted & 4 != 0,
        http2: wanted & 8 != 0,
        proxy: wanted & 16 != 0,
    };
    let limit = 2 * usize::from(*limit);
    let (mut last_sniff, mut last_header) = (Sniff::More, Ok(None));
    for end in 0..=stream.len().min(1100) {
        let answer = sniff(&stream[..end], &patterns);
        assert!(last_sniff == Sniff::More || answer == last_sniff);
        assert!(answer != Sniff::More || end < LONGEST_PATTERN);
        last_sniff = answer;

        let header = proxy::parse(&stream[..end], limit);
        assert!(last_header == Ok(None) || header == last_header);
        match header {
            Ok(Some(header)) => assert!(header.length <= end.min(limit)),
            Ok(None) => assert!(end < limit.max(LONGEST_PATTERN)),
            Err(_) => {}
        }
        last_header = header;
    }
}

/// Messages that end with `!`.
struct Shout;

impl MessageDecoder for Shout {
    type Message = Vec<u8>;
    type Error = DisconnectReason;

    fn decode(&mut self, bytes: &[u8]) -> Result<Decoded<Vec<u8>>, DisconnectReason> {
        Ok(match bytes.ends_with(b"!") {
            true => Decoded::Message(bytes.to_vec()),
            false => Decoded::Incomplete,
        })
    }
}

impl MessageEncoder<Vec<u8>> for Shout {
    type Error = DisconnectReason;

    fn encode(&mut self, message: &Vec<u8>, bytes: &mut BytesMut) -> Result<(), DisconnectReason> {
        bytes.extend_from_slice(message);
        Ok(())
    }
}

/// Frames as messages.
struct Frames<F>(F);

impl<F> Decoder for Frames<F>
where
    F: FnMut(&mut BytesMut) -> Result<Option<BytesMut>, FrameError>,
{
    type Item = BytesMut;
    type Error = DisconnectReason;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<BytesMut>, DisconnectReason> {
        Ok(self.0(src)?)
    }
}

/// Longest message in chunks, in bytes.
const MAX: usize = 4096;
