//! Bytes that only others understand.

use std::{fmt, ops::Deref};

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

use crate::codec::{
    BorrowDecode, BorrowDecoder, Decode, Decoder, Encode, Encoder, Reader as _, WireDecodeError,
    WireEncodeError, Writer as _, decode_length, encode_length,
};

/// At most `MAX` bytes. In JSON they are base64url without padding.
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Blob<const MAX: usize>(Vec<u8>);

/// There are more bytes than there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{length} bytes exceed {max}")]
pub struct BlobError {
    /// Bytes there are.
    pub length: usize,
    /// Bytes there may be.
    pub max: usize,
}

impl<const MAX: usize> Deref for Blob<MAX> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// Says how many there are, and not which.
impl<const MAX: usize> fmt::Debug for Blob<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl<const MAX: usize> TryFrom<Vec<u8>> for Blob<MAX> {
    type Error = BlobError;

    fn try_from(bytes: Vec<u8>) -> Result<Self, BlobError> {
        match bytes.len() {
            length if length > MAX => Err(BlobError { length, max: MAX }),
            _ => Ok(Self(bytes)),
        }
    }
}

impl<const MAX: usize> From<Blob<MAX>> for Vec<u8> {
    fn from(blob: Blob<MAX>) -> Self {
        blob.0
    }
}

impl<const MAX: usize> TryFrom<String> for Blob<MAX> {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|error| error.to_string())?;
        Self::try_from(bytes).map_err(|error| error.to_string())
    }
}

impl<const MAX: usize> From<Blob<MAX>> for String {
    fn from(blob: Blob<MAX>) -> Self {
        BASE64URL_NOPAD.encode(&blob.0)
    }
}

impl<const MAX: usize> Encode for Blob<MAX> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), WireEncodeError> {
        encode_length(self.0.len(), encoder)?;
        encoder.writer().write(&self.0)
    }
}

impl<C, const MAX: usize> Decode<C> for Blob<MAX> {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, WireDecodeError> {
        let length = decode_length(MAX, decoder)?;
        decoder.claim_bytes_read(length)?;
        let mut bytes = vec![0; length];
        decoder.reader().read(&mut bytes)?;
        Ok(Self(bytes))
    }
}

impl<'de, C, const MAX: usize> BorrowDecode<'de, C> for Blob<MAX> {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(
        decoder: &mut D,
    ) -> Result<Self, WireDecodeError> {
        Self::decode(decoder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{decode, encode};

    #[test]
    fn a_blob_is_not_longer_than_it_may_be() {
        let blob = Blob::<3>::try_from(vec![0, 255, 7]).unwrap();
        let mut bytes = Vec::new();
        encode(&blob, &mut bytes);
        assert_eq!(bytes, [3, 0, 255, 7]);
        assert_eq!(decode::<Blob<3>>(&bytes).unwrap(), blob);
        assert!(decode::<Blob<2>>(&bytes).is_err());
        assert_eq!(Blob::<2>::try_from(vec![0; 3]), Err(BlobError { length: 3, max: 2 }));
        assert_eq!(serde_json::to_string(&blob).unwrap(), "\"AP8H\"");
        assert_eq!(serde_json::from_str::<Blob<3>>("\"AP8H\"").unwrap(), blob);
        assert!(serde_json::from_str::<Blob<2>>("\"AP8H\"").is_err());
    }
}
