//! The other side: who comes to the door.
#![allow(dead_code, reason = "the program is a door")]

use std::time::Duration;

use actix::{Actor, Context};
use connection_handler::{
    ConnectionConfig, OutgoingConnectionHandler, Peer, PeerId, Peers, Serves, transport::Connector,
};
use tokio::sync::mpsc::UnboundedSender;

use crate::{
    codec::JsonHandler,
    handlers::guest::{FromGuest, ToGuest},
};

connection_handler::peer! {
    /// The door, as a guest sees it.
    pub(crate) struct Door: ToGuest => FromGuest;
}

/// A guest: says its name at every door, and passes on what it hears.
struct Visitor {
    doors: Peers<Door>,
    heard: UnboundedSender<String>,
}

impl Actor for Visitor {
    type Context = Context<Self>;
}

connection_handler::serves!(Visitor: Door);

impl Serves<Door> for Visitor {
    fn peers(&mut self) -> &mut Peers<Door> {
        &mut self.doors
    }

    fn connected(&mut self, door: &mut Door, _: &mut Context<Self>) {
        door.send(FromGuest::Name("Ann".into()));
    }

    fn message(&mut self, _: PeerId, ToGuest::Welcome(text): ToGuest, _: &mut Context<Self>) {
        let _ = self.heard.send(text);
    }
}

pub(crate) fn visit(connector: impl Connector, heard: UnboundedSender<String>) {
    let visitor = Visitor { doors: Peers::new(), heard }.start();
    // Without a pause it connects once, and that is it.
    let pause = Some(Duration::from_millis(200));
    let config = ConnectionConfig { reconnect_delay: pause, ..ConnectionConfig::default() };
    OutgoingConnectionHandler::new(JsonHandler::<Door>::new(), connector, visitor, config).start();
}
