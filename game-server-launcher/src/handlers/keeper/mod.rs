//! Keepers, on their Unix sockets.

mod handler;
mod protocol;
mod server;

pub(crate) use self::handler::{IntroducingConnector, Keeper, KeeperConnector, KeeperHandler};
