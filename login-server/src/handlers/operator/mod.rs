//! Operators' command lines, over a socket only the server's own user can open.

mod handler;
mod protocol;
mod server;

pub(crate) use handler::{Operator, OperatorHandler};
pub(crate) use server::launcher_info;
