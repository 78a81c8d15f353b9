//! The central actor: its state. What it does is said in the folder of each kind of connection.

use std::collections::HashMap;

use actix::{Actor, Context};
use connection_handler::PeerId;

use crate::handlers::guest::Guest;

/// Owns everybody who is connected.
#[derive(Default)]
pub(crate) struct Server {
    /// Who is at the door.
    pub(crate) guests: HashMap<PeerId, Guest>,
}

impl Actor for Server {
    type Context = Context<Self>;
}

connection_handler::serves!(Server: Guest);
