//! What a network and an attacker do to a codec.

use std::{collections::BTreeSet, fmt::Debug, slice};

use bytes::{BufMut, BytesMut};
use fastrand::Rng;

use super::Mutations;
use crate::{ConnectionReader, ConnectionWriter, DisconnectReason};

/// Puts a codec through everything it will see: `samples` encoded and read back
///
/// * one by one, and all of them in one read,
/// * in every two pieces, and byte by byte,
/// * after every truncation: what is whole is read, and nothing is made up,
/// * changed at random, 10,000 times: [`fuzz_decoder`].
///
/// `make_decoder` and `make_encoder` make one for each connection; the decoder is to read what the
/// encoder writes. That samples are encoded behind what is there already is checked as well.
///
/// Of long samples not every position is tried, but every one near their ends.
///
/// # Panics
///
/// When the codec fails, saying how.
#[track_caller]
pub fn codec_suite<D, E, M>(
    make_decoder: impl Fn() -> D,
    make_encoder: impl Fn() -> E,
    samples: impl IntoIterator<Item = M>,
) where
    D: ConnectionReader<Item = M>,
    E: ConnectionWriter<M>,
    M: Clone + Debug + PartialEq,
{
    let samples: Vec<M> = samples.into_iter().collect();
    let mut stream = (make_encoder(), BytesMut::new());
    for sample in &samples {
        encode(&mut stream.0, sample, &mut stream.1);
        let (mut bytes, mut behind) = (BytesMut::new(), BytesMut::from(BEFORE));
        encode(&mut make_encoder(), sample, &mut bytes);
        encode(&mut make_encoder(), sample, &mut behind);
        assert!(behind.starts_with(BEFORE), "{sample:?} has overwritten what was before it");
        assert_eq!(behind[BEFORE.len()..], bytes, "{sample:?} depends on what is before it");
        let read = decoder_suite(&make_decoder, &bytes);
        assert_eq!(read, slice::from_ref(sample), "read back from {bytes:?}");
    }
    let read = decoder_suite(&make_decoder, &stream.1);
    assert!(read == samples, "all in one read: {read:?} instead of {samples:?}");
}

/// As [`codec_suite`], for a decoder whose encoder is somebody else's: `wire` is what that has
/// written, recorded, and nothing but whole messages. Returns these.
///
/// # Panics
///
/// When the decoder fails, saying how.
#[track_caller]
pub fn decoder_suite<D>(make_decoder: impl Fn() -> D, wire: &[u8]) -> Vec<D::Item>
where
    D: ConnectionReader<Item: Debug + PartialEq>,
{
    let whole = read(make_decoder(), [wire]);
    if let Some(reason) = whole.error {
        panic!("not read to its end: {reason}, after {:?}", whole.messages);
    }
    let bytewise = read(make_decoder(), wire.chunks(1));
    assert!(bytewise.is(&whole.messages), "byte by byte: {bytewise:?} instead of {whole:?}");
    for cut in positions(wire.len()) {
        let (first, second) = wire.split_at(cut);
        let pieces = read(make_decoder(), [first, second]);
        assert!(pieces.is(&whole.messages), "cut at {cut}: {pieces:?} instead of {whole:?}");
        let beginning = read_beginning(&mut make_decoder(), &mut BytesMut::new(), [first]);
        assert!(
            beginning.error.is_none() && whole.messages.starts_with(&beginning.messages),
            "the first {cut} bytes: {beginning:?} instead of the beginning of {whole:?}"
        );
        // What the end of the stream makes of a beginning is for the codec to say.
        read(make_decoder(), [first]);
    }
    for bytes in Mutations::new(0, [wire.to_vec()]).take(mutations(wire.len())) {
        fuzz_decoder(&bytes, &make_decoder);
    }
    whole.messages
}

/// The body of a fuzz target: reads `bytes` in one piece, and in random ones.
///
/// ```ignore
/// libfuzzer_sys::fuzz_target!(|bytes: &[u8]| testing::fuzz_decoder(bytes, MyDecoder::new));
/// ```
///
/// # Panics
///
/// When the decoder does, when it makes messages of nothing, when its buffer grows far beyond what
/// has come, or when it matters in which pieces that was. Memory that it takes elsewhere is for the
/// fuzzer to watch (`-malloc_limit_mb`).
#[track_caller]
pub fn fuzz_decoder<D>(bytes: &[u8], make_decoder: impl Fn() -> D)
where
    D: ConnectionReader<Item: Debug + PartialEq>,
{
    let whole = read(make_decoder(), [bytes]);
    let pieces = read(make_decoder(), random_pieces(bytes));
    assert!(
        pieces.messages == whole.messages && pieces.error.is_some() == whole.error.is_some(),
        "in pieces {pieces:?}, in one {whole:?}, of {bytes:?}"
    );
}

#[track_caller]
fn encode<M: Clone + Debug, E: ConnectionWriter<M>>(
    encoder: &mut E,
    sample: &M,
    bytes: &mut BytesMut,
) {
    if let Err(error) = encoder.encode(sample.clone(), bytes) {
        let reason: DisconnectReason = error.into();
        panic!("{sample:?} is not encoded: {reason}");
    }
}

/// What a decoder has made of a stream.
#[derive(Debug)]
struct Read<M> {
    messages: Vec<M>,
    error: Option<DisconnectReason>,
}

impl<M: PartialEq> Read<M> {
    fn is(&self, messages: &[M]) -> bool {
        self.messages == messages && self.error.is_none()
    }
}

/// Reads a whole stream that arrives in these pieces.
#[track_caller]
fn read<'a, D: ConnectionReader<Item: Debug>>(
    mut decoder: D,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Read<D::Item> {
    let mut src = BytesMut::new();
    let mut read = read_beginning(&mut decoder, &mut src, pieces);
    if read.error.is_none() {
        decode(&mut decoder, D::decode_eof, &mut src, &mut read);
    }
    read
}

/// Reads a stream that goes on after these pieces.
#[track_caller]
fn read_beginning<'a, D: ConnectionReader<Item: Debug>>(
    decoder: &mut D,
    src: &mut BytesMut,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Read<D::Item> {
    let mut read = Read { messages: Vec::new(), error: None };
    for piece in pieces {
        src.put_slice(piece);
        decode(decoder, D::decode, src, &mut read);
        if read.error.is_some() {
            break;
        }
    }
    read
}

/// Takes all messages that are there.
#[track_caller]
fn decode<D: ConnectionReader<Item: Debug>>(
    decoder: &mut D,
    one: impl Fn(&mut D, &mut BytesMut) -> Result<Option<D::Item>, D::Error>,
    src: &mut BytesMut,
    read: &mut Read<D::Item>,
) {
    let (arrived, mut of_nothing) = (src.len(), 0);
    loop {
        let before = src.len();
        match one(decoder, src) {
            Ok(Some(message)) => read.messages.push(message),
            Ok(None) => break,
            Err(error) => {
                read.error = Some(error.into());
                return;
            }
        }
        of_nothing = if src.len() < before { 0 } else { of_nothing + 1 };
        assert!(of_nothing < MOST_OF_NOTHING, "messages of nothing: {:?}", read.messages.last());
    }
    let reserved = src.capacity();
    assert!(reserved <= 4 * arrived + MOST_RESERVED, "{reserved} bytes for {arrived} that came");
}

/// Where to cut so many bytes: everywhere, or near the ends and here and there.
fn positions(length: usize) -> BTreeSet<usize> {
    if length <= MOST_CUTS {
        return (0..=length).collect();
    }
    let (near, mut rng) = (MOST_CUTS / 8, Rng::with_seed(0));
    let ends = (0..near).chain(length - near..=length);
    let between = (0..near).map(|_| rng.usize(..length)).collect::<Vec<_>>();
    ends.chain(between).collect()
}

/// As many as there is time for.
fn mutations(length: usize) -> usize {
    10_000.min(100 + 10_000_000 / (length + 1))
}

fn random_pieces(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let seed = bytes.iter().fold(0u64, |hash, byte| hash.rotate_left(5) ^ u64::from(*byte));
    let (mut rng, mut rest) = (Rng::with_seed(seed), bytes);
    let most = [2, 64, bytes.len().max(1)][rng.usize(..3)].max(bytes.len() / 1000);
    std::iter::from_fn(move || {
        let (piece, others) = rest.split_at(rng.usize(1..=most.max(1)).min(rest.len()));
        rest = others;
        (!piece.is_empty()).then_some(piece)
    })
}

/// What an encoder finds before its message.
const BEFORE: &[u8] = b"before";
/// Messages without a byte being taken for them. Some codecs have several in a frame.
const MOST_OF_NOTHING: usize = 100_000;
/// What a decoder may ask for, in bytes, beyond a multiple of what has come.
const MOST_RESERVED: usize = 1024 * 1024;
/// Up to this length every position is tried.
const MOST_CUTS: usize = 2000;
