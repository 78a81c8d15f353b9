//! Permission to join for games that carry no ticket: a code somebody could type.

use std::fmt;

use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::keys::RandomError;

/// 20 random characters, told to the player and to whoever guards the server.
///
/// Of 31 letters and digits, none of which is taken for another (no `0 1 i l o`): some 99 bits.
/// Whoever stores one stores a keyed hash of it. Wiped when dropped, never shown.
///
/// ```
/// use tickets::JoinCode;
///
/// let code = JoinCode::generate()?;
/// assert_eq!(code.as_str().len(), 20);
/// assert!(code.matches(&code.as_str().to_uppercase()));
/// assert!(!code.matches(JoinCode::generate()?.as_str()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct JoinCode(Zeroizing<[u8; Self::LENGTH]>);

/// A text that is no code. Repeats nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a code")]
pub struct JoinCodeError;

impl JoinCode {
    /// How many characters, and bytes, a code has.
    pub const LENGTH: usize = 20;

    /// Makes a new one.
    ///
    /// # Errors
    ///
    /// When the operating system has no random numbers.
    pub fn generate() -> Result<Self, RandomError> {
        let random = SystemRandom::new();
        let mut code = Zeroizing::new([0; Self::LENGTH]);
        for character in code.iter_mut() {
            // What is beyond the last whole alphabet is drawn again: all are as likely.
            *character = loop {
                let mut byte = [0];
                random.fill(&mut byte).map_err(|_| RandomError)?;
                if let Some(character) = ALPHABET.get(usize::from(byte[0] >> 3)) {
                    break *character;
                }
            };
        }
        Ok(Self(code))
    }

    /// Reads a code, in either case.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, JoinCodeError> {
        let bytes = text.as_bytes().try_into().map_err(|_| JoinCodeError)?;
        let mut code = Zeroizing::<[u8; Self::LENGTH]>::new(bytes);
        code.make_ascii_lowercase();
        if code.iter().all(|byte| ALPHABET.contains(byte)) {
            Ok(Self(code))
        } else {
            Err(JoinCodeError)
        }
    }

    /// The code, for its holder only.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.0.as_slice()).expect("letters and digits are text")
    }

    /// Whether `text` is this code, in either case; takes as long for a wrong character in any
    /// place.
    pub fn matches(&self, text: &str) -> bool {
        let Ok(other) = Self::parse(text) else { return false };
        let pairs = self.0.iter().zip(other.0.iter());
        std::hint::black_box(pairs.fold(0, |differ, (a, b)| differ | (a ^ b))) == 0
    }
}

impl fmt::Debug for JoinCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinCode(..)")
    }
}

/// Five bits would be 32: one is drawn again.
const ALPHABET: &[u8; 31] = b"23456789abcdefghjkmnpqrstuvwxyz";

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_have_only_characters_that_are_not_mistaken_and_all_of_them() {
        let mut seen = HashSet::new();
        for _ in 0..200 {
            let code = JoinCode::generate().unwrap();
            assert!(!code.as_str().contains(['0', '1', 'i', 'l', 'o']));
            seen.extend(code.as_str().chars());
        }
        assert_eq!(seen.len(), 31);
    }

    #[test]
    fn a_code_matches_itself_only() {
        let code = JoinCode::generate().unwrap();
        let text = code.as_str().to_owned();
        assert!(code.matches(&text) && JoinCode::parse(&text).unwrap().matches(&text));
        for place in 0..JoinCode::LENGTH {
            let mut other = text.clone();
            let with = if &text[place..=place] == "2" { "3" } else { "2" };
            other.replace_range(place..=place, with);
            assert!(!code.matches(&other));
        }
        for wrong in [
            "",
            &text[1..],
            &format!("{text}2"),
            "oooooooooooooooooooo",
            "\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}",
        ] {
            assert_eq!(JoinCode::parse(wrong).unwrap_err(), JoinCodeError, "{wrong:?}");
        }
        assert_eq!(format!("{code:?}"), "JoinCode(..)");
    }
}
