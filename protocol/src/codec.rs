//! Messages ⇄ bytes. The only file that knows which serialisation library does it.
//!
//! The library (bincode) is finished and no longer maintained, see RUSTSEC-2025-0141: what it
//! writes is specified, its code is small, and replacing it stays a change of this file.

use bincode::{
    config::{Configuration, standard},
    error::{DecodeError as BincodeError, EncodeError},
};
use bytes::BufMut;

pub(crate) use bincode::{
    BorrowDecode, Decode, Encode,
    de::{BorrowDecoder, Decoder, read::Reader},
    enc::{Encoder, write::Writer},
    error::{DecodeError as WireDecodeError, EncodeError as WireEncodeError},
};

/// Something with a form on the wire.
pub trait Wire: Encode + Decode<()> {}

impl<M: Encode + Decode<()>> Wire for M {}

/// Most bytes of a message before its sender is known: before login, before enrolment.
pub const MAX_BEFORE_LOGIN: usize = 4 * 1024;

/// Most bytes of any message.
pub const MAX_AFTER_LOGIN: usize = 256 * 1024;

/// Why bytes are not a message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The message goes on: it ends before its last field.
    #[error("the message is incomplete")]
    Incomplete,
    /// The message is whole, and bytes follow it.
    #[error("{0} bytes follow the message")]
    Trailing(usize),
    /// The bytes are longer than any message may be.
    #[error("message of {0} bytes exceeds {MAX_AFTER_LOGIN}")]
    TooLong(usize),
    /// No message begins like this, or one of its fields is not what it must be.
    #[error("{0}")]
    Invalid(String),
}

/// Appends `message` to `bytes`.
pub fn encode<M: Wire>(message: &M, bytes: &mut impl BufMut) {
    bincode::encode_into_writer(message, Appender(bytes), standard())
        .expect("memory takes every byte, and no message holds what has no form on the wire");
}

/// How many bytes [`encode`] appends for `message`.
pub fn encoded_len<M: Wire>(message: &M) -> usize {
    let mut length = 0;
    bincode::encode_into_writer(message, Counter(&mut length), standard())
        .expect("counting takes every byte, and no message holds what has no form on the wire");
    length
}

/// Reads the one message that `bytes` are.
///
/// What decoding allocates is bounded by a small multiple of the length of `bytes`.
///
/// # Errors
///
/// [`Incomplete`](DecodeError::Incomplete) when more bytes could make it a message, any other error
/// when nothing can.
pub fn decode<M: Wire>(bytes: &[u8]) -> Result<M, DecodeError> {
    // The library counts the memory of what it builds, not the bytes it reads, and takes the
    // bound at compile time: hence one for each of our two limits. Without any, twelve bytes that
    // claim to be a long list would end the process.
    let length = bytes.len();
    let decoded = if length <= MAX_BEFORE_LOGIN {
        bincode::decode_from_slice(bytes, limited::<SMALL>())
    } else if length <= MAX_AFTER_LOGIN {
        bincode::decode_from_slice(bytes, limited::<LARGE>())
    } else {
        return Err(DecodeError::TooLong(length));
    };
    let (message, length) = decoded.map_err(|error| match error {
        BincodeError::UnexpectedEnd { .. } => DecodeError::Incomplete,
        BincodeError::OtherString(reason) => DecodeError::Invalid(reason),
        other => DecodeError::Invalid(other.to_string()),
    })?;
    match bytes.len() - length {
        0 => Ok(message),
        left => Err(DecodeError::Trailing(left)),
    }
}

/// Encodes a length as every list and text has it.
pub(crate) fn encode_length<E: Encoder>(
    length: usize,
    encoder: &mut E,
) -> Result<(), WireEncodeError> {
    (length as u64).encode(encoder)
}

/// Decodes a length of at most `max`: an error comes before the memory.
pub(crate) fn decode_length<D: Decoder>(
    max: usize,
    decoder: &mut D,
) -> Result<usize, WireDecodeError> {
    let length = u64::decode(decoder)?;
    match usize::try_from(length) {
        Ok(length) if length <= max => Ok(length),
        _ => Err(WireDecodeError::OtherString(format!("a length of {length} exceeds {max}"))),
    }
}

const SMALL: usize = 64 * 1024;
const LARGE: usize = 4 * 1024 * 1024;

type Limited<const N: usize> = Configuration<
    bincode::config::LittleEndian,
    bincode::config::Varint,
    bincode::config::Limit<N>,
>;

fn limited<const N: usize>() -> Limited<N> {
    standard().with_limit::<N>()
}

struct Appender<'a, B>(&'a mut B);

impl<B: BufMut> Writer for Appender<'_, B> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.put_slice(bytes);
        Ok(())
    }
}

struct Counter<'a>(&'a mut usize);

impl Writer for Counter<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        *self.0 += bytes.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FromGameClient, Hello, List};

    #[test]
    fn a_length_is_refused_before_it_is_allocated() {
        let mut bytes = vec![253];
        bytes.extend_from_slice(&u64::MAX.to_le_bytes());
        assert!(matches!(decode::<List<u8, 16>>(&bytes), Err(DecodeError::Invalid(_))));
        assert!(matches!(decode::<Vec<u64>>(&bytes), Err(DecodeError::Invalid(_))));
    }

    #[test]
    fn bytes_behind_a_message_are_an_error() {
        let mut bytes = Vec::new();
        encode(&FromGameClient::WatchServers, &mut bytes);
        bytes.push(0);
        assert!(matches!(decode::<FromGameClient>(&bytes), Err(DecodeError::Trailing(1))));
    }

    #[test]
    fn every_beginning_of_a_message_is_incomplete() {
        let mut bytes = Vec::new();
        encode(&FromGameClient::Hello(Hello::from_us("gatehouse/0.1")), &mut bytes);
        let hello = FromGameClient::Hello(Hello::from_us("gatehouse/0.1"));
        assert_eq!(encoded_len(&hello), bytes.len());
        for length in 0..bytes.len() {
            let decoded = decode::<FromGameClient>(&bytes[..length]);
            assert!(matches!(decoded, Err(DecodeError::Incomplete)), "{length}: {decoded:?}");
        }
    }

    #[test]
    fn an_unknown_message_is_invalid() {
        assert!(matches!(decode::<FromGameClient>(&[250]), Err(DecodeError::Invalid(_))));
    }
}
