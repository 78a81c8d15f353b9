//! What is said between a guest and the server.

use serde::{Deserialize, Serialize};

/// What a guest says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum FromGuest {
    /// Who it is.
    Name(String),
    /// It goes now.
    Leave,
}

/// What a guest hears.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum ToGuest {
    /// The answer to its name.
    Welcome(String),
}
