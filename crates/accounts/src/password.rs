//! A password on its way from a player to the hash.

use std::fmt;

use zeroize::Zeroizing;

/// A password in clear text: kept no longer than needed, wiped when dropped, never shown.
///
/// Any text of at least [`Password::MIN_CHARACTERS`] characters and at most
/// [`Password::MAX_BYTES`] bytes; no rule asks for digits or punctuation.
pub struct Password(Zeroizing<String>);

impl Password {
    /// Fewest characters.
    pub const MIN_CHARACTERS: usize = 8;

    /// Most bytes. Enough for any passphrase, and what a message of ours can carry.
    pub const MAX_BYTES: usize = 128;

    /// Takes a password somebody wants to have or to log in with.
    ///
    /// Who logs in with a text that can be no password should be answered like who logs in with a
    /// wrong one.
    ///
    /// # Errors
    ///
    /// The rule it breaks; the text is wiped then, too.
    pub fn new(text: String) -> Result<Self, PasswordError> {
        let text = Zeroizing::new(text);
        if text.len() > Self::MAX_BYTES {
            return Err(PasswordError::TooLong);
        }
        if text.chars().count() < Self::MIN_CHARACTERS {
            return Err(PasswordError::TooShort);
        }
        Ok(Self(text))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// Why a text is no password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Fewer than [`Password::MIN_CHARACTERS`] characters.
    #[error("a password has at least {} characters", Password::MIN_CHARACTERS)]
    TooShort,
    /// More than [`Password::MAX_BYTES`] bytes.
    #[error("a password has at most {} bytes", Password::MAX_BYTES)]
    TooLong,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_counts_characters_below_and_bytes_above() {
        let cases = [
            ("1234567".to_owned(), Err(PasswordError::TooShort)),
            ("12345678".to_owned(), Ok(())),
            ("\u{e9}".repeat(7), Err(PasswordError::TooShort)),
            ("\u{e9}".repeat(64), Ok(())),
            ("\u{e9}".repeat(65), Err(PasswordError::TooLong)),
        ];
        for (text, expected) in cases {
            assert_eq!(Password::new(text.clone()).map(|_| ()), expected, "{text:?}");
        }
    }

    #[test]
    fn nothing_of_a_password_is_shown() {
        let password = Password::new("correct horse".to_owned()).unwrap();
        assert_eq!(format!("{password:?}"), "Password(..)");
    }
}
