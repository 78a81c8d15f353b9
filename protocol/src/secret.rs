//! What must not be shown. None of them prints itself.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

use crate::{
    Text,
    codec::{Decode, Encode},
};

macro_rules! secret_text {
    ($(#[$doc:meta])* $name:ident, $max:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Text<$max>);

        impl $name {
            /// The secret itself.
            pub fn reveal(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    };
}

secret_text! {
    /// A player's password, at most 128 bytes.
    Password, 128
}

secret_text! {
    /// What a player shows the game server to be let in, at most 32 bytes: OpenTTD's password
    /// holds no more.
    JoinSecret, 32
}

secret_text! {
    /// Proves that a process is the game server its keeper has started, at most 64 bytes: the
    /// environment of that process says it, and nobody else knows it.
    ControllerToken, 64
}

secret_text! {
    /// Permission for one player to join one server, once, signed by the login server: a PASETO
    /// `v4.public` token. Who shows it in time is let in.
    SignedTicket, 1024
}

macro_rules! secret_bytes {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(pub [u8; 32]);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }

        /// As text it is base64url without padding: 43 characters.
        impl TryFrom<String> for $name {
            type Error = &'static str;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| "not base64url")?;
                bytes.try_into().map(Self).map_err(|_| "not 32 bytes")
            }
        }

        impl From<$name> for String {
            fn from(secret: $name) -> Self {
                BASE64URL_NOPAD.encode(&secret.0)
            }
        }
    };
}

secret_bytes! {
    /// Proves a session: who has it continues it, without a password.
    SessionToken
}

secret_bytes! {
    /// Proves, once, that an operator wants this launcher.
    EnrollmentSecret
}
