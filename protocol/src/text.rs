//! Text that can be shown.

use std::{fmt, ops::Deref};

use serde::{Deserialize, Serialize};

use crate::codec::{
    BorrowDecode, BorrowDecoder, Decode, Decoder, Encode, Encoder, Reader, WireDecodeError,
    WireEncodeError, decode_length, encode_length,
};

/// At most `MAX` bytes of UTF-8 without control characters, line breaks and anything that changes
/// the direction of writing: one line that looks like what it is wherever it is shown.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Text<const MAX: usize>(String);

/// Why a string is no [`Text`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// It has too many bytes.
    #[error("text of {length} bytes exceeds {max}")]
    TooLong {
        /// Bytes it has.
        length: usize,
        /// Bytes it may have.
        max: usize,
    },
    /// It holds a character that may not be shown.
    #[error("text holds the character U+{:04X}", *.0 as u32)]
    Forbidden(char),
    /// It is not UTF-8.
    #[error("text is not UTF-8")]
    NotUtf8,
}

impl<const MAX: usize> Text<MAX> {
    /// The text that `string` is.
    pub fn parse(string: impl Into<String>) -> Result<Self, TextError> {
        let string = string.into();
        if string.len() > MAX {
            return Err(TextError::TooLong { length: string.len(), max: MAX });
        }
        match string.chars().find(|c| is_forbidden(*c)) {
            Some(forbidden) => Err(TextError::Forbidden(forbidden)),
            None => Ok(Self(string)),
        }
    }

    /// What is left of `string` when everything that may not be shown is replaced by a space and
    /// the end is cut off. For text from games, which follow other rules.
    pub fn lossy(string: &str) -> Self {
        let mut text = String::with_capacity(string.len().min(MAX));
        for c in string.chars().map(|c| if is_forbidden(c) { ' ' } else { c }) {
            if text.len() + c.len_utf8() > MAX {
                break;
            }
            text.push(c);
        }
        Self(text)
    }

    /// The text as a string.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> Deref for Text<MAX> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> fmt::Display for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl<const MAX: usize> fmt::Debug for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl<const MAX: usize> TryFrom<String> for Text<MAX> {
    type Error = TextError;

    fn try_from(string: String) -> Result<Self, TextError> {
        Self::parse(string)
    }
}

impl<const MAX: usize> TryFrom<&str> for Text<MAX> {
    type Error = TextError;

    fn try_from(string: &str) -> Result<Self, TextError> {
        Self::parse(string)
    }
}

impl<const MAX: usize> From<Text<MAX>> for String {
    fn from(text: Text<MAX>) -> Self {
        text.0
    }
}

impl<const MAX: usize> Encode for Text<MAX> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), WireEncodeError> {
        encode_length(self.0.len(), encoder)?;
        bincode_write(self.0.as_bytes(), encoder)
    }
}

impl<C, const MAX: usize> Decode<C> for Text<MAX> {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, WireDecodeError> {
        let length = decode_length(MAX, decoder)?;
        decoder.claim_bytes_read(length)?;
        let mut bytes = vec![0; length];
        decoder.reader().read(&mut bytes)?;
        String::from_utf8(bytes)
            .map_err(|_| TextError::NotUtf8)
            .and_then(Self::parse)
            .map_err(|error| WireDecodeError::OtherString(error.to_string()))
    }
}

impl<'de, C, const MAX: usize> BorrowDecode<'de, C> for Text<MAX> {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(
        decoder: &mut D,
    ) -> Result<Self, WireDecodeError> {
        Self::decode(decoder)
    }
}

fn bincode_write<E: Encoder>(bytes: &[u8], encoder: &mut E) -> Result<(), WireEncodeError> {
    use crate::codec::Writer as _;
    encoder.writer().write(bytes)
}

/// Control characters, line and paragraph separators, and what Unicode calls `Bidi_Control`.
fn is_forbidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{decode, encode};

    #[test]
    fn text_is_one_line_that_looks_like_what_it_is() {
        for bad in ["a\nb", "\u{1b}[31m", "\0", "abc\u{202e}def", "\u{2028}", "\u{7f}", "\u{85}"] {
            assert!(matches!(Text::<64>::parse(bad), Err(TextError::Forbidden(_))), "{bad:?}");
        }
        for good in ["", "a b", "日本語", "e\u{301}", "🎉"] {
            assert_eq!(Text::<64>::parse(good).unwrap().as_str(), good);
        }
    }

    #[test]
    fn the_limit_is_in_bytes() {
        assert!(Text::<4>::parse("äö").is_ok());
        let error = TextError::TooLong { length: 6, max: 4 };
        assert_eq!(Text::<4>::parse("äöü"), Err(error));
    }

    #[test]
    fn lossy_text_is_cut_between_characters() {
        assert_eq!(Text::<5>::lossy("ä\nöü").as_str(), "ä ö");
    }

    #[test]
    fn forbidden_text_is_not_decoded() {
        for bytes in [&b"\x02a\n"[..], b"\x02\xc3\x28", b"\x05aaaaa"] {
            assert!(decode::<Text<4>>(bytes).is_err(), "{bytes:?}");
        }
        let mut bytes = Vec::new();
        encode(&Text::<4>::parse("äb").unwrap(), &mut bytes);
        assert_eq!(bytes, b"\x03\xc3\xa4b");
        assert_eq!(decode::<Text<4>>(&bytes).unwrap().as_str(), "äb");
    }
}
