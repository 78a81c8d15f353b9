//! Keepers, on their Unix sockets.

mod handler;
mod protocol;
mod server;

pub(crate) use self::handler::{Keeper, KeeperConnector, KeeperHandler};
