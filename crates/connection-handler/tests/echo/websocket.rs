//! WebSockets, with somebody else's client at the other end.

use std::io;

use bytes::BytesMut;
use connection_handler::transport::{
    Connection, Connector, Format,
    http::{HttpConfig, HttpServer, HttpServerHandle},
    websocket::{Subprotocol, WebSocketConfig, WebSocketListener},
};
use framing::chunks::{self, ChunkReader, ChunkSize, Progress};
use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};

/// Bytes.
pub(crate) const BINARY: &str = "echo.1";
/// Text.
pub(crate) const TEXT: &str = "echo.1.json";

#[allow(dead_code, reason = "shared with a test that needs less of it")]
pub(crate) async fn websocket() -> (WebSocketListener, WebSocketConnector, HttpServerHandle) {
    websocket_with(HttpConfig::default(), WebSocketConfig::default()).await
}

pub(crate) async fn websocket_with(
    http: HttpConfig,
    config: WebSocketConfig,
) -> (WebSocketListener, WebSocketConnector, HttpServerHandle) {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = tcp.local_addr().unwrap();
    let mut server = HttpServer::new(http);
    let protocols = [(BINARY, Format::Binary), (TEXT, Format::Text)];
    let protocols = protocols.map(|(name, format)| Subprotocol { name, format });
    let listener = server.websocket(config, protocols);
    let server = server.start();
    server.serve(tcp);
    server.ready();
    (listener, WebSocketConnector { addr, protocol: BINARY }, server)
}

/// Connects to `addr`, and speaks chunks to us and messages to the server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WebSocketConnector {
    pub(crate) addr: std::net::SocketAddr,
    pub(crate) protocol: &'static str,
}

impl WebSocketConnector {
    /// The WebSocket itself.
    pub(crate) async fn open(&self) -> io::Result<WebSocketStream<TcpStream>> {
        let mut request = format!("ws://{}/", self.addr).into_client_request().unwrap();
        let protocol = HeaderValue::from_static(self.protocol);
        request.headers_mut().insert("sec-websocket-protocol", protocol);
        let stream = TcpStream::connect(self.addr).await?;
        let (socket, response) = client_async(request, stream).await.map_err(io::Error::other)?;
        assert_eq!(response.headers()["sec-websocket-protocol"], self.protocol);
        Ok(socket)
    }
}

impl Connector for WebSocketConnector {
    type Read = ReadHalf<DuplexStream>;
    type Write = WriteHalf<DuplexStream>;

    async fn connect(&mut self) -> io::Result<Connection<Self::Read, Self::Write>> {
        let socket = self.open().await?;
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        tokio::spawn(translate(socket, theirs, self.protocol == TEXT));
        let (read, write) = tokio::io::split(ours);
        Ok(Connection::new(self.addr, "websocket", read, write))
    }
}

/// Messages on the one side, chunks on the other.
async fn translate(socket: WebSocketStream<TcpStream>, pipe: DuplexStream, is_text: bool) {
    let (mut said, mut heard) = socket.split();
    let (mut read, mut write) = tokio::io::split(pipe);
    let outgoing = async move {
        let (mut chunks, mut bytes) = (ChunkReader::new(ChunkSize::MAX), BytesMut::new());
        while read.read_buf(&mut bytes).await.is_ok_and(|count| count > 0) {
            let whole = |message: &[u8]| Ok(Progress::Message(message.to_vec()));
            while let Some(message) =
                chunks.next::<_, framing::FrameError>(&mut bytes, usize::MAX, whole).unwrap()
            {
                let message = match is_text {
                    true => Message::text(String::from_utf8(message).unwrap()),
                    false => Message::binary(message),
                };
                if said.send(message).await.is_err() {
                    return;
                }
            }
        }
        let _ = said.close().await;
    };
    let incoming = async move {
        while let Some(Ok(message)) = heard.next().await {
            if message.is_close() {
                continue;
            }
            assert!(message.is_ping() || message.is_text() == is_text, "{message:?}");
            let mut bytes = BytesMut::new();
            if message.is_ping() {
                continue;
            }
            chunks::encode(ChunkSize::MAX, &mut bytes, |bytes| {
                bytes.extend_from_slice(&message.into_data());
                Ok::<_, framing::FrameError>(())
            })
            .unwrap();
            if write.write_all(&bytes).await.is_err() {
                return;
            }
        }
        let _ = write.shutdown().await;
    };
    tokio::join!(outgoing, incoming);
}
