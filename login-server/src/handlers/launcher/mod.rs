//! Game server launchers.

mod handler;
mod protocol;
mod server;

pub(crate) use handler::{Launcher, LauncherHandler};
