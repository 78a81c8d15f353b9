//! Ours: the handler, and a central actor that owns all peers.

use std::{collections::HashMap, marker::PhantomData};

use actix::{Actor, Context, Handler};
use connection_handler::{
    ConnectionConfig, ConnectionHandler, EncodingClass, IncomingConnectionHandler, Peer,
    PeerConnected, PeerDisconnected, PeerId, PeerLink, PeerMessages, transport::Listener,
};

use crate::codec::{Message, Wire};

/// Serves with everything a program would have, but for the limits on how many may come.
pub(crate) fn start<W: Wire, L: Listener>(listener: L) {
    start_with::<W, L>(listener, ConnectionConfig::default());
}

/// The same, with `config`.
pub(crate) fn start_with<W: Wire, L: Listener>(listener: L, config: ConnectionConfig) {
    let config = ConnectionConfig {
        max_connections: usize::MAX,
        max_connections_per_ip: usize::MAX,
        ..config
    };
    let handler = ClientHandler::<W>(PhantomData);
    IncomingConnectionHandler::new(handler, listener, Central::default().start(), config).start();
}

struct Client(PeerLink<Message>);

impl Peer for Client {
    type Incoming = Message;
    type Outgoing = Message;

    fn link(&self) -> &PeerLink<Message> {
        &self.0
    }
}

struct ClientHandler<W>(PhantomData<fn() -> W>);

impl<W: Wire> ConnectionHandler for ClientHandler<W> {
    type Peer = Client;
    type Reader = W::Reader;
    type Writer = W::Writer;

    fn create_connection_instances(
        &mut self,
        link: PeerLink<Message>,
    ) -> (W::Reader, W::Writer, Client) {
        let (reader, writer) = W::instances();
        link.set_encoding_class(EncodingClass::of(&writer, 0));
        (reader, writer, Client(link))
    }
}

#[derive(Default)]
struct Central {
    clients: HashMap<PeerId, Client>,
}

impl Actor for Central {
    type Context = Context<Self>;
}

impl Handler<PeerConnected<Client>> for Central {
    type Result = ();

    fn handle(&mut self, PeerConnected { peer }: PeerConnected<Client>, _: &mut Context<Self>) {
        self.clients.insert(peer.id(), peer);
    }
}

impl Handler<PeerMessages<Client>> for Central {
    type Result = ();

    fn handle(&mut self, batch: PeerMessages<Client>, _: &mut Context<Self>) {
        let Some(client) = self.clients.get(&batch.peer) else { return };
        let mut to_all = Vec::new();
        for message in batch.messages {
            match message {
                Message::Broadcast { .. } => to_all.push(message),
                Message::Login { .. } | Message::Bulk(_) => client.send(message),
            }
        }
        if !to_all.is_empty() {
            Peer::send_each_to_all(self.clients.values(), to_all);
        }
    }
}

impl Handler<PeerDisconnected<Client>> for Central {
    type Result = ();

    fn handle(&mut self, gone: PeerDisconnected<Client>, _: &mut Context<Self>) {
        self.clients.remove(&gone.peer);
    }
}
