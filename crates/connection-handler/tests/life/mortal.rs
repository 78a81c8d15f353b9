//! A central actor that does not live for ever.

use actix::{Actor, ActorContext, Context, Handler, Message};
use connection_handler::{PeerConnected, PeerDisconnected, PeerMessages};

use crate::handler::{Client, Server};

/// A central actor that ends when told.
#[derive(Default)]
pub(crate) struct Mortal {
    clients: Vec<Client>,
    servers: Vec<Server>,
}

/// How it ends.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub(crate) enum Die {
    Stopped,
    Panicking,
}

impl Actor for Mortal {
    type Context = Context<Self>;
}

impl Handler<Die> for Mortal {
    type Result = ();

    fn handle(&mut self, how: Die, ctx: &mut Context<Self>) {
        match how {
            Die::Stopped => ctx.stop(),
            Die::Panicking => panic!("a bug in the central actor"),
        }
    }
}

impl Handler<PeerConnected<Client>> for Mortal {
    type Result = ();

    fn handle(&mut self, connected: PeerConnected<Client>, _: &mut Context<Self>) {
        self.clients.push(connected.peer);
    }
}

impl Handler<PeerMessages<Client>> for Mortal {
    type Result = ();

    fn handle(&mut self, _: PeerMessages<Client>, _: &mut Context<Self>) {}
}

impl Handler<PeerDisconnected<Client>> for Mortal {
    type Result = ();

    fn handle(&mut self, _: PeerDisconnected<Client>, _: &mut Context<Self>) {}
}

impl Handler<PeerConnected<Server>> for Mortal {
    type Result = ();

    fn handle(&mut self, connected: PeerConnected<Server>, _: &mut Context<Self>) {
        self.servers.push(connected.peer);
    }
}

impl Handler<PeerMessages<Server>> for Mortal {
    type Result = ();

    fn handle(&mut self, _: PeerMessages<Server>, _: &mut Context<Self>) {}
}

impl Handler<PeerDisconnected<Server>> for Mortal {
    type Result = ();

    fn handle(&mut self, _: PeerDisconnected<Server>, _: &mut Context<Self>) {}
}
