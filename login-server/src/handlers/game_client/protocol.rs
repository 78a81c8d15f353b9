//! What a game client and we say to each other.

pub(super) use ::protocol::{FromGameClient, ToGameClient};

pub(super) use crate::handlers::codec::{Reader, Writer, encoding_class, reader_and_writer};
