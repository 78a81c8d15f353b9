//! Keys: ours, and those of others that we recognise by their fingerprint.

use std::{fmt, str::FromStr};

#[cfg(feature = "secure")]
mod certificates;
#[cfg(feature = "secure")]
mod identity;
#[cfg(feature = "secure")]
mod known;
#[cfg(feature = "secure")]
mod trust;

#[cfg(feature = "secure")]
pub use self::{
    certificates::{CertificateFiles, Certificates},
    identity::{Identity, KeyError},
    known::KnownKeys,
    trust::Trust,
};

/// The SHA-256 of a public key, as it stands in a certificate (its SubjectPublicKeyInfo).
///
/// Stays the same when a certificate is renewed for the same key. Written as `sha256:` and 64
/// lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyFingerprint([u8; 32]);

impl KeyFingerprint {
    /// The fingerprint that these bytes are.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes of the hash.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for KeyFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for KeyFingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let digits = text.strip_prefix(PREFIX).ok_or(FingerprintError)?.as_bytes();
        let mut bytes = [0; 32];
        if digits.len() != 2 * bytes.len() {
            return Err(FingerprintError);
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = pair
                .iter()
                .try_fold(0, |high, digit| Some(high << 4 | nibble(*digit)?))
                .ok_or(FingerprintError)?;
        }
        Ok(Self(bytes))
    }
}

/// A text is not the fingerprint of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not of the form sha256:<64 lower-case hexadecimal digits>")]
pub struct FingerprintError;

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

const PREFIX: &str = "sha256:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_as_it_is_written() {
        let fingerprint = KeyFingerprint(std::array::from_fn(|i| u8::try_from(i * 8).unwrap()));
        let text = fingerprint.to_string();
        assert!(text.starts_with("sha256:000810"), "{text}");
        assert_eq!(text.parse(), Ok(fingerprint));
    }

    #[test]
    fn anything_else_is_no_fingerprint() {
        let hex = "0f".repeat(32);
        for text in [
            String::new(),
            hex.clone(),
            format!("sha256:{}", &hex[1..]),
            format!("sha256:{hex}0"),
            format!("sha256:{}", hex.to_uppercase()),
            format!("sha1:{hex}"),
            format!("sha256:{}", "é".repeat(32)),
        ] {
            assert_eq!(text.parse::<KeyFingerprint>(), Err(FingerprintError), "{text}");
        }
    }
}
