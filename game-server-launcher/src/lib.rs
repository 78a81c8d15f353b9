//! Starts game servers, keeps them alive, lists them at the login server.
//!
//! ```text
//!  login server ◀──QUIC / TLS── launcher ──Unix socket──▶ keeper ──parent──▶ game
//!                                                           └──admin port──────▶
//! ```

mod atomic_file;
mod codec;
pub mod config;
mod exec;
mod instance;
pub mod keeper;
mod listing;
mod port;
mod secrets;

use std::time::{SystemTime, UNIX_EPOCH};

use protocol::UnixMillis;

pub use crate::exec::exec;

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
