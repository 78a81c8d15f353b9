use ::framing::chunks::ChunkSize;

use super::*;

const MASK: [u8; 4] = [0x11, 0x80, 0xff, 0x07];

/// A frame as a client sends it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..126 => bytes.push(0x80 | short as u8),
        middle @ 126..65_536 => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(middle as u16).to_be_bytes());
        }
        long => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&MASK);
    let start = bytes.len();
    bytes.extend_from_slice(payload);
    unmask(&mut bytes[start..], MASK, 0);
    bytes
}

/// What there is room for, which may be little.
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

/// What comes out when `wire` arrives in pieces of `piece` bytes, and is taken in such pieces.
fn decoded(
    mut decoder: Decoder,
    wire: &[u8],
    piece: usize,
) -> (Vec<u8>, Vec<Event>, Option<WebSocketError>) {
    let (mut src, mut events) = (BytesMut::new(), Vec::new());
    let mut taker = Taker { bytes: Vec::new(), room: 0 };
    for arrived in wire.chunks(piece) {
        src.extend_from_slice(arrived);
        loop {
            taker.room = piece;
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

fn decoder(framing: Framing, format: Format) -> Decoder {
    Decoder::new(framing, format, MessageLimit::new(1 << 20))
}

fn chunks() -> Framing {
    Framing::Chunks(ChunkSize::new(10).unwrap())
}

const PIECES: [usize; 6] = [1, 2, 3, 7, 64, 1 << 20];

#[test]
fn a_reader_gets_messages_in_the_framing_it_knows() {
    let long = b"0123456789abcdefghij0123456789!".repeat(5);
    let wire = [
        frame(0x82, b"hi"),
        frame(0x82, b"0123456789"),
        frame(0x02, b"0123"),
        frame(0x89, b"ping"),
        frame(0x00, b""),
        frame(0x00, b"456789ab"),
        frame(0x80, b"c"),
        frame(0x8a, b""),
        frame(0x82, &long),
        frame(0x88, b"\x03\xe8bye"),
        b"nonsense".to_vec(),
    ]
    .concat();
    let messages: [&[u8]; 4] = [b"hi", b"0123456789", b"0123456789abc", &long];
    for framing in [chunks(), Framing::default(), Framing::Lengths, Framing::Stream] {
        let mut expected = BytesMut::new();
        messages.iter().for_each(|message| framing.append(message, &mut expected));
        for piece in PIECES {
            let (bytes, events, error) = decoded(decoder(framing, Format::Binary), &wire, piece);
            assert_eq!(error, None);
            assert_eq!(bytes, expected, "{framing:?} in pieces of {piece}");
            let code = Some(CloseCode::NORMAL);
            let close = Event::Close { code, reason: "bye".into(), inside_message: false };
            assert_eq!(events, [Event::Ping("ping".into()), Event::Pong, close]);
        }
    }
}

#[test]
fn what_breaks_the_rules_ends_it() {
    use WebSocketError as E;
    let text = || decoder(chunks(), Format::Text);
    let binary = || decoder(chunks(), Format::Binary);
    let cases = [
        (binary(), frame(0x80, b"x"), E::Protocol("message inside a message, or none to continue")),
        (
            binary(),
            [frame(0x02, b"x"), frame(0x82, b"y")].concat(),
            E::Protocol("message inside a message, or none to continue"),
        ),
        (binary(), frame(0x81, b"x"), E::WrongFormat),
        (text(), frame(0x82, b"x"), E::WrongFormat),
        (text(), frame(0x81, b"\xff"), E::NotText),
        (text(), frame(0x81, "ä".as_bytes()[..1].into()), E::NotText),
        (text(), [frame(0x01, b"\xc3"), frame(0x80, b"\xc3")].concat(), E::NotText),
        (binary(), frame(0x82, b""), E::Empty),
        (binary(), [frame(0x02, b""), frame(0x80, b"")].concat(), E::Empty),
        (binary(), frame(0x88, b"\x03"), E::Protocol("half a close code")),
        (binary(), b"\x82\x01x".to_vec(), E::Protocol("frame without mask")),
    ];
    for (decoder, wire, expected) in cases {
        let (_, _, error) = decoded(decoder, &wire, 1 << 20);
        assert_eq!(error, Some(expected), "{wire:?}");
    }
}

#[test]
fn text_may_be_cut_inside_of_a_character() {
    let text = "水".as_bytes();
    let wire =
        [frame(0x01, &text[..1]), frame(0x00, &text[1..2]), frame(0x80, &text[2..])].concat();
    for piece in PIECES {
        let (bytes, _, error) = decoded(decoder(chunks(), Format::Text), &wire, piece);
        assert_eq!((&bytes[..], error), (&b"\x03\0\xe6\xb0\xb4"[..], None));
    }
}

#[test]
fn a_stream_takes_text_and_bytes() {
    let wire = [frame(0x81, b"one\n"), frame(0x02, b"tw"), frame(0x80, b"o\n")].concat();
    let (bytes, _, error) = decoded(decoder(Framing::Stream, Format::Binary), &wire, 3);
    assert_eq!((&bytes[..], error), (&b"one\ntwo\n"[..], None));
    let wire = [frame(0x02, b"tw"), frame(0x82, b"o\n")].concat();
    let (_, _, error) = decoded(decoder(Framing::Stream, Format::Binary), &wire, 3);
    assert!(error.is_some());
}

#[test]
fn nothing_is_gathered_beyond_the_limit() {
    for framing in [chunks(), Framing::Lengths] {
        let limit = MessageLimit::new(10);
        let decoder = || Decoder::new(framing, Format::Binary, limit.clone());
        let fits = [frame(0x82, &[0; 10]), frame(0x02, &[0; 4]), frame(0x80, &[0; 6])].concat();
        assert_eq!(decoded(decoder(), &fits, 5).2, None);
        // Known from the head alone.
        let too_long = b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff";
        let error = decoded(decoder(), &[&too_long[..], &MASK].concat(), 100).2;
        assert!(matches!(error, Some(WebSocketError::TooLong { max: 10, .. })), "{error:?}");
        let parts = [frame(0x02, &[0; 6]), frame(0x00, &[0; 5])].concat();
        let error = decoded(decoder(), &parts, 100).2;
        assert_eq!(error, Some(WebSocketError::TooLong { length: 11, max: 10 }));
        limit.set(11);
        assert_eq!(decoded(decoder(), &parts, 100).2, None);
        limit.set(10);
    }
}

#[test]
fn frames_that_bring_nothing_are_counted() {
    let mut decoder = decoder(chunks(), Format::Binary);
    let wire =
        [frame(0x89, b"ping"), frame(0x02, b""), frame(0x00, b"x"), frame(0x00, b"")].concat();
    let mut src = BytesMut::from(&wire[..]);
    let mut taker = Taker { bytes: Vec::new(), room: 100 };
    while decoder.decode(&mut src, &mut taker).unwrap().is_some() {}
    assert_eq!(decoder.take_empty_frames(), 3);
    assert_eq!(decoder.empty_frames(), 0);
    assert!(decoder.is_gathering());
}
