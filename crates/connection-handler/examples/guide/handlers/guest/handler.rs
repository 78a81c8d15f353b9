//! What the connection of a guest consists of.

use super::{FromGuest, ToGuest};
use crate::codec::JsonHandler;

connection_handler::peer! {
    /// Somebody at the door.
    pub(crate) struct Guest: FromGuest => ToGuest;
}

/// Makes guests of connections.
pub(crate) type GuestHandler = JsonHandler<Guest>;
