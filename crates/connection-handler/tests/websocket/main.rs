//! WebSockets, up to what is allowed and beyond.
#![cfg(feature = "websocket")]

#[path = "../../examples/guide/codec.rs"]
#[allow(dead_code, reason = "shared with an example that needs more of it")]
mod codec;
mod endings;
mod http;
mod interop;
#[path = "../echo/protocol.rs"]
#[allow(dead_code, reason = "shared with a test that needs more of it")]
mod protocol;
mod raw;
#[path = "../echo/websocket.rs"]
mod socket;

use actix::{Actor, Addr};
use connection_handler::{
    ConnectionConfig, ConnectionHandler, IncomingConnectionHandler, MessageLimit, Peer, PeerLink,
    TcpMessageConnectionReader, TcpMessageConnectionWriter,
    testing::{Events, probe},
    transport::{
        http::{HttpConfig, HttpServerHandle},
        websocket::{WebSocketConfig, WebSocketListener},
    },
};

use crate::{
    codec::Json,
    protocol::{ToClient, ToServer},
    socket::{WebSocketConnector, websocket_with},
};

/// Somebody with a browser.
struct Client {
    link: PeerLink<ToClient>,
    limit: MessageLimit,
}

impl Peer for Client {
    type Incoming = ToServer;
    type Outgoing = ToClient;

    fn link(&self) -> &PeerLink<ToClient> {
        &self.link
    }
}

struct ClientHandler;

impl ConnectionHandler for ClientHandler {
    type Peer = Client;
    type Reader = TcpMessageConnectionReader<Json<ToServer>>;
    type Writer = TcpMessageConnectionWriter<Json<ToClient>>;

    fn create_connection_instances(
        &mut self,
        link: PeerLink<ToClient>,
    ) -> (Self::Reader, Self::Writer, Client) {
        let limit = link.message_limit(BEFORE_LOGIN);
        let reader = Self::Reader::new(Json::default(), limit.clone());
        (reader, Self::Writer::new(Json::default()), Client { link, limit })
    }
}

struct Server {
    events: Events<Client>,
    connector: WebSocketConnector,
    http: HttpServerHandle,
    handler: Addr<IncomingConnectionHandler<ClientHandler, WebSocketListener>>,
}

async fn server() -> Server {
    server_with(HttpConfig::default(), WebSocketConfig::default(), ConnectionConfig::default())
        .await
}

async fn server_with(
    http: HttpConfig,
    config: WebSocketConfig,
    connections: ConnectionConfig,
) -> Server {
    let (listener, connector, http) = websocket_with(http, config).await;
    let (inbox, events) = probe();
    let handler = IncomingConnectionHandler::new(ClientHandler, listener, inbox, connections);
    Server { events, connector, http, handler: handler.start() }
}

const BEFORE_LOGIN: usize = 1000;
