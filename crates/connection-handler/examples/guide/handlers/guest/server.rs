//! What the server does for guests.

use actix::Context;
use connection_handler::{Peer, PeerId, Peers, Serves};

use super::{FromGuest, Guest, ToGuest};
use crate::server::Server;

impl Serves<Guest> for Server {
    fn peers(&mut self) -> &mut Peers<Guest> {
        &mut self.guests
    }

    fn message(&mut self, from: PeerId, message: FromGuest, _: &mut Context<Self>) {
        let Some(guest) = self.guests.get(from) else { return };
        match message {
            FromGuest::Name(name) => guest.send(ToGuest::Welcome(format!("hello, {name}"))),
            FromGuest::Leave => guest.disconnect("has left"),
        }
    }
}
