//! The login server, to which the launcher connects.

mod handler;
mod protocol;
mod server;

pub(crate) use self::{
    handler::{LoginServer, LoginServerHandler},
    protocol::ToLoginServer,
};
