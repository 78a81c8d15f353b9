//! Lists of bounded length.

use std::ops::Deref;

use serde::{Deserialize, Serialize};

use crate::codec::{
    BorrowDecode, BorrowDecoder, Decode, Decoder, Encode, Encoder, WireDecodeError,
    WireEncodeError, decode_length, encode_length,
};

/// At most `MAX` elements.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(
    try_from = "Vec<T>",
    into = "Vec<T>",
    bound(serialize = "T: Clone + Serialize", deserialize = "T: Deserialize<'de>")
)]
pub struct List<T, const MAX: usize>(Vec<T>);

/// A list has more elements than it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("list of {length} elements exceeds {max}")]
pub struct ListError {
    /// Elements it has.
    pub length: usize,
    /// Elements it may have.
    pub max: usize,
}

impl<T, const MAX: usize> List<T, MAX> {
    /// The elements that fit, of `elements` that may be more.
    pub fn first_of(elements: impl IntoIterator<Item = T>) -> Self {
        Self(elements.into_iter().take(MAX).collect())
    }
}

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MAX: usize> Deref for List<T, MAX> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T, const MAX: usize> IntoIterator for List<T, MAX> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<T, const MAX: usize> TryFrom<Vec<T>> for List<T, MAX> {
    type Error = ListError;

    fn try_from(elements: Vec<T>) -> Result<Self, ListError> {
        match elements.len() {
            length if length > MAX => Err(ListError { length, max: MAX }),
            _ => Ok(Self(elements)),
        }
    }
}

impl<T, const MAX: usize> From<List<T, MAX>> for Vec<T> {
    fn from(list: List<T, MAX>) -> Self {
        list.0
    }
}

impl<T: Encode, const MAX: usize> Encode for List<T, MAX> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), WireEncodeError> {
        encode_length(self.0.len(), encoder)?;
        self.0.iter().try_for_each(|element| element.encode(encoder))
    }
}

impl<C, T: Decode<C>, const MAX: usize> Decode<C> for List<T, MAX> {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, WireDecodeError> {
        // An element without bytes could be claimed without end.
        const { assert!(size_of::<T>() > 0, "elements of a list take bytes") };
        let length = decode_length(MAX, decoder)?;
        decoder.claim_container_read::<T>(length)?;
        let mut elements = Vec::new();
        for _ in 0..length {
            decoder.unclaim_bytes_read(size_of::<T>());
            elements.push(T::decode(decoder)?);
        }
        Ok(Self(elements))
    }
}

impl<'de, C, T: Decode<C>, const MAX: usize> BorrowDecode<'de, C> for List<T, MAX> {
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
    fn a_list_is_not_longer_than_it_may_be() {
        let list = List::<u8, 3>::try_from(vec![1, 2, 3]).unwrap();
        let mut bytes = Vec::new();
        encode(&list, &mut bytes);
        assert_eq!(bytes, [3, 1, 2, 3]);
        assert_eq!(decode::<List<u8, 3>>(&bytes).unwrap(), list);
        assert!(decode::<List<u8, 2>>(&bytes).is_err());
        assert_eq!(List::<u8, 2>::try_from(vec![0; 3]), Err(ListError { length: 3, max: 2 }));
        assert_eq!(*List::<u8, 2>::first_of(0..9), [0, 1]);
    }
}
