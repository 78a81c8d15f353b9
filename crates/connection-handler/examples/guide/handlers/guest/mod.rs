//! Guests: who comes to the door.

mod handler;
mod protocol;
mod server;

pub(crate) use handler::*;
pub(crate) use protocol::*;
