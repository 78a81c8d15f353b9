//! Starts game servers, keeps them alive, lists them at the login server.
//!
//! ```text
//!  login server ◀──QUIC / TLS── launcher ──Unix socket──▶ keeper ──parent──▶ game
//!                                                           └──admin port──────▶
//! ```

mod atomic_file;
pub mod cli;
mod codec;
pub mod config;
mod enroll;
mod exec;
mod handlers;
mod instance;
pub mod keeper;
mod listing;
mod login;
mod patient;
mod pidfd;
mod port;
mod rarely;
mod rotating_file;
mod run;
mod secrets;
mod server;
mod status;
mod supervisor;

use std::time::{SystemTime, UNIX_EPOCH};

use protocol::UnixMillis;

pub use crate::{
    config::Config,
    enroll::enroll,
    exec::exec,
    run::{Shutdown, run},
    status::{Status, status},
};

/// Something that cannot happen has happened. The process should end with code 70 and be started
/// again.
#[derive(Debug, thiserror::Error)]
#[error("{0}: a bug")]
pub struct Bug(pub(crate) &'static str);

/// The clock of this host.
fn unix_now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
