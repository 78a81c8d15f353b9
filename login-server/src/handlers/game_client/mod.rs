//! Players' programs.

mod handler;
mod protocol;
mod server;

pub(crate) use handler::{GameClient, GameClientHandler};
