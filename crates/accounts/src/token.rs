//! Random secrets handed out once: session tokens and enrolment secrets.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

/// What a player shows instead of a password once logged in: 32 random bytes.
///
/// Only the holder has it; a store keeps its [`KeyedHash`](crate::KeyedHash). Wiped when dropped.
///
/// ```
/// use accounts::SessionToken;
///
/// let token = SessionToken::generate()?;
/// let text = token.to_text();
/// assert_eq!(SessionToken::parse(&text)?.as_bytes(), token.as_bytes());
/// assert_eq!(format!("{token:?}"), "SessionToken(..)");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SessionToken(Zeroizing<[u8; 32]>);

/// What a launcher proves once, when it is enrolled: 32 random bytes.
///
/// Treated as a [`SessionToken`], and never mistaken for one: their keyed hashes differ.
pub struct EnrollmentSecret(Zeroizing<[u8; 32]>);

/// The system has no random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random numbers")]
pub struct RandomError;

/// A text that is no token: not 43 characters of base64url without padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a token")]
pub struct TokenError;

/// `N` bytes from the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], RandomError> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| RandomError)?;
    Ok(bytes)
}

macro_rules! secret {
    ($name:ident) => {
        impl $name {
            /// Makes a new one.
            ///
            /// # Errors
            ///
            /// When the operating system has no random numbers.
            pub fn generate() -> Result<Self, RandomError> {
                random().map(Self::from_bytes)
            }

            /// The one with these bytes.
            pub fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(Zeroizing::new(bytes))
            }

            /// Its bytes, for its holder only.
            pub fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// Reads what [`Self::to_text`] wrote.
            ///
            /// # Errors
            ///
            /// When the text is anything else. The error repeats nothing of it.
            pub fn parse(text: &str) -> Result<Self, TokenError> {
                let bytes = BASE64URL_NOPAD
                    .decode(text.as_bytes())
                    .map(Zeroizing::new)
                    .map_err(|_| TokenError)?;
                let bytes = bytes.as_slice().try_into().map_err(|_| TokenError)?;
                Ok(Self::from_bytes(bytes))
            }

            /// As text of 43 characters (base64url without padding), for its holder only.
            pub fn to_text(&self) -> String {
                BASE64URL_NOPAD.encode(self.as_bytes())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    };
}

secret!(SessionToken);
secret!(EnrollmentSecret);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_the_way_through_text() {
        let token = SessionToken::generate().unwrap();
        let text = token.to_text();
        assert_eq!(text.len(), 43);
        assert_eq!(SessionToken::parse(&text).unwrap().as_bytes(), token.as_bytes());
    }

    #[test]
    fn no_two_tokens_are_equal() {
        let (one, other) = (SessionToken::generate().unwrap(), SessionToken::generate().unwrap());
        assert_ne!(one.as_bytes(), other.as_bytes());
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let text = SessionToken::from_bytes([255; 32]).to_text();
        let cases = ["", "abc", &text[1..], &format!("{text}A"), &format!("{text}="), "\u{e9}"];
        for case in cases {
            assert_eq!(SessionToken::parse(case).unwrap_err(), TokenError, "{case:?}");
        }
        // The last character carries two bits too many; they have to be zero.
        let loose = format!("{}9", &text[..42]);
        assert_eq!(SessionToken::parse(&loose).unwrap_err(), TokenError);
    }

    #[test]
    fn nothing_of_a_secret_is_shown() {
        let token = SessionToken::from_bytes([7; 32]);
        let secret = EnrollmentSecret::from_bytes([7; 32]);
        assert_eq!(format!("{token:?} {secret:?}"), "SessionToken(..) EnrollmentSecret(..)");
    }
}
