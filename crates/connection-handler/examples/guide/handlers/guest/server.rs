//! What the server does for guests.

use actix::Context;
use connection_handler::{DisconnectReason, Peer, PeerId, Serves};

use super::{FromGuest, Guest, ToGuest};
use crate::server::Server;

impl Serves<Guest> for Server {
    fn connected(&mut self, guest: Guest, _: &mut Context<Self>) {
        self.guests.insert(guest.id(), guest);
    }

    fn message(&mut self, from: PeerId, message: FromGuest, _: &mut Context<Self>) {
        let Some(guest) = self.guests.get(&from) else { return };
        match message {
            FromGuest::Name(name) => guest.send(ToGuest::Welcome(format!("hello, {name}"))),
            FromGuest::Leave => guest.disconnect("has left"),
        }
    }

    fn disconnected(&mut self, gone: PeerId, _: DisconnectReason, _: &mut Context<Self>) {
        self.guests.remove(&gone);
    }
}
