//! The central actor: its state. What it does is said in the folder of each kind of connection.

use actix::{Actor, Context};
use connection_handler::Peers;

use crate::handlers::guest::Guest;

/// Owns everybody who is connected.
#[derive(Default)]
pub(crate) struct Server {
    /// Who is at the door.
    pub(crate) guests: Peers<Guest>,
}

impl Actor for Server {
    type Context = Context<Self>;
}

connection_handler::serves!(Server: Guest);
