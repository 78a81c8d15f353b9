//! What a launcher and we say to each other.

pub(super) use ::protocol::{FromLauncher, ToLauncher};

pub(super) use crate::handlers::codec::{Reader, Writer, reader_and_writer};
