//! How a key is known.

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

use crate::codec::{Decode, Encode};

/// The SHA-256 of a key's SubjectPublicKeyInfo: how a login server is known to who pins it.
///
/// In JSON base64url without padding: 43 characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyPin(pub [u8; 32]);

impl TryFrom<String> for KeyPin {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| "not base64url")?;
        bytes.try_into().map(Self).map_err(|_| "not 32 bytes")
    }
}

impl From<KeyPin> for String {
    fn from(pin: KeyPin) -> Self {
        BASE64URL_NOPAD.encode(&pin.0)
    }
}
