//! Games with a game controller in them, which connect to the keeper.

mod handler;
mod protocol;
mod server;

pub(crate) use self::{
    handler::{Controller, ControllerHandler, ControllerState},
    protocol::{FromGame, ToGame},
};
