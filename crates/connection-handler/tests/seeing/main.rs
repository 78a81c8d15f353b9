//! What can be seen of connections: spans, events, metrics, and what was said.

mod capture;
#[path = "../echo/central.rs"]
#[allow(dead_code, reason = "shared with a test that needs more of it")]
mod central;
#[path = "../echo/codec.rs"]
mod codec;
#[path = "../echo/handler.rs"]
#[allow(dead_code, reason = "shared with a test that needs more of it")]
mod handler;
#[path = "../echo/log.rs"]
mod log;
mod metrics;
#[path = "../echo/protocol.rs"]
mod protocol;
mod spans;

use std::time::Duration;

use actix::{Actor, Addr};
use connection_handler::{
    ConnectionConfig, ConnectionHandler, DisconnectReason, IncomingConnectionHandler, PeerLink,
    capture::Exposure,
    transport::{
        Connection,
        memory::{MemoryConnector, MemoryListener, memory},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf},
    sync::mpsc,
    time::timeout,
};

use crate::{
    central::{Event, Probe},
    codec::MessageCodec,
    handler::{Client, ClientHandler},
    protocol::{ToClient, ToServer},
};

/// The echo service's clients, under another name, and with little to hide.
pub(crate) struct OpenHandler;

impl ConnectionHandler for OpenHandler {
    type Peer = Client;
    type Reader = MessageCodec<ToServer>;
    type Writer = MessageCodec<ToClient>;

    fn create_connection_instances(
        &mut self,
        link: PeerLink<ToClient>,
    ) -> (Self::Reader, Self::Writer, Client) {
        tracing::debug!("created");
        ClientHandler.create_connection_instances(link)
    }

    fn kind(&self) -> &'static str {
        "Open"
    }

    fn expose_incoming(message: &ToServer) -> Exposure {
        match message {
            ToServer::Say(text) if text == "panic" => panic!("a bug of who should say"),
            ToServer::Say(_) => Exposure::whole("say"),
            ToServer::SayTimes(..) => Exposure::redacted("say_times"),
            ToServer::Quit => Exposure::whole("quit"),
        }
    }

    fn expose_outgoing(message: &ToClient) -> Exposure {
        match message {
            ToClient::Bye => Exposure::redacted("bye"),
            ToClient::Said(_) => Exposure::whole("said"),
        }
    }
}

pub(crate) type Pipe = Connection<ReadHalf<DuplexStream>, WriteHalf<DuplexStream>>;

/// A server whose central actor is the test.
pub(crate) struct Server<H: ConnectionHandler<Peer = Client>> {
    pub(crate) connector: MemoryConnector,
    events: mpsc::UnboundedReceiver<Event<Client>>,
    _handler: Addr<IncomingConnectionHandler<H, MemoryListener>>,
}

impl<H: ConnectionHandler<Peer = Client>> Server<H> {
    pub(crate) fn start(handler: H, config: ConnectionConfig) -> Self {
        let (listener, connector) = memory(64 * 1024);
        let (sender, events) = mpsc::unbounded_channel();
        let central = Probe(sender).start();
        let handler = IncomingConnectionHandler::new(handler, listener, central, config);
        Self { connector, events, _handler: handler.start() }
    }

    pub(crate) async fn connected(&mut self) -> Client {
        match self.next().await {
            Event::Connected(peer) => peer,
            _ => panic!("expected a peer to connect"),
        }
    }

    pub(crate) async fn message(&mut self) -> ToServer {
        match self.next().await {
            Event::Message(message) => message,
            _ => panic!("expected a message"),
        }
    }

    pub(crate) async fn end(&mut self) -> DisconnectReason {
        match self.next().await {
            Event::Disconnected(reason) => reason,
            _ => panic!("expected the end"),
        }
    }

    async fn next(&mut self) -> Event<Client> {
        let event = timeout(LIMIT, self.events.recv()).await;
        event.expect("nothing happened").expect("the central actor is gone")
    }
}

/// A message on the wire.
pub(crate) fn wire<M: serde::Serialize>(message: &M) -> Vec<u8> {
    let json = serde_json::to_vec(message).unwrap();
    let length = u16::try_from(json.len()).unwrap();
    [&length.to_le_bytes(), &json[..]].concat()
}

pub(crate) async fn say(pipe: &mut Pipe, message: &ToServer) {
    pipe.write.write_all(&wire(message)).await.unwrap();
}

pub(crate) async fn hear(pipe: &mut Pipe, message: &ToClient) {
    let expected = wire(message);
    let mut heard = vec![0; expected.len()];
    timeout(LIMIT, pipe.read.read_exact(&mut heard)).await.unwrap().unwrap();
    assert_eq!(heard, expected);
}

/// Nothing takes that long.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);
