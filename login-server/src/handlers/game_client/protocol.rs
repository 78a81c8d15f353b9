//! What a game client and we say to each other.

pub(super) use ::protocol::{FromGameClient, ToGameClient};

pub(super) use crate::handlers::codec::{Reader, Writer, reader_and_writer};
