//! Launchers, and who only looks, on the keeper's Unix socket.

mod handler;
mod protocol;
mod server;

pub(crate) use self::handler::{Launcher, LauncherHandler, LauncherState};
