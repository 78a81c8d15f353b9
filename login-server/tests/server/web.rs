//! Game clients over WebSocket, in bytes and in JSON, and whether the server is well.

use std::net::SocketAddr;

use bytes::BytesMut;
use connection_handler::transport::{
    keys::Trust,
    secure::{SecureConnector, SecureRead, SecureWrite},
};
use futures_util::{SinkExt, StreamExt};
use protocol::{
    Channel, FromGameClient, Hello, RequestId, SUBPROTOCOL_GAME_CLIENT,
    SUBPROTOCOL_GAME_CLIENT_JSON, Text, ToGameClient, decode, encode,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Join, join};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};

use crate::support::{PASSWORD, Server, within};

type Stream = Join<SecureRead, SecureWrite>;

#[actix::test]
async fn players_in_browsers_and_others_meet_in_the_lobby() {
    let server = Server::start().await;
    let (mut bob, _) = server.registered("bob").await;
    let mut ada = open(&server, SUBPROTOCOL_GAME_CLIENT_JSON).await;
    say(&mut ada, json!({"Hello": {"program": "b", "lowest": 0, "highest": 0, "features": "0"}}))
        .await;
    let welcome = heard(&mut ada, "Welcome").await;
    assert_eq!(welcome["version"], 0);
    assert!(welcome["now"].is_string());
    say(&mut ada, json!({"Register": {"request": 1, "name": "ada", "password": PASSWORD}})).await;
    assert_eq!(heard(&mut ada, "LoggedIn").await["name"], "ada");

    // One message, encoded for both.
    let text = Text::parse("hello, browsers").unwrap();
    let channel = Channel::Lobby;
    bob.send(FromGameClient::Chat { request: RequestId(2), channel, text }).await;
    let said = heard(&mut ada, "Said").await;
    assert_eq!(
        said,
        json!({
            "channel": "Lobby", "speaker": {"Account": "bob"}, "text": "hello, browsers"
        })
    );
    say(&mut ada, json!({"Chat": {"request": 3, "channel": "Lobby", "text": "hello, others"}}))
        .await;
    loop {
        if let ToGameClient::Said(said) = bob.receive().await
            && &*said.text == "hello, others"
        {
            break;
        }
    }
    server.stop().await;
    assert!(heard(&mut ada, "Goodbye").await["ComeBack"]["after_ms"].is_u64());
    let Some(Ok(Message::Close(Some(close)))) = within(ada.next()).await else {
        panic!("no close frame")
    };
    assert_eq!(u16::from(close.code), 1001);
}

#[actix::test]
async fn a_websocket_of_bytes_carries_the_messages_of_every_game_client() {
    let server = Server::start().await;
    let mut socket = open(&server, SUBPROTOCOL_GAME_CLIENT).await;
    for message in
        [FromGameClient::Hello(Hello::from_us("test")), FromGameClient::Ping { nonce: u64::MAX }]
    {
        let mut bytes = BytesMut::new();
        encode(&message, &mut bytes);
        socket.send(Message::Binary(bytes.freeze())).await.unwrap();
    }
    let welcome = binary(&mut socket).await;
    assert!(matches!(welcome, ToGameClient::Welcome(_)), "{welcome:?}");
    assert_eq!(binary(&mut socket).await, ToGameClient::Pong { nonce: u64::MAX });
    // Before login a message has at most 4 KiB, however it comes.
    socket.send(Message::binary(vec![1; 4097])).await.unwrap();
    let Some(Ok(Message::Close(Some(close)))) = within(socket.next()).await else {
        panic!("no close frame")
    };
    assert_eq!(u16::from(close.code), 1009);
    server.stop().await;
}

#[actix::test]
async fn what_is_no_message_is_told_so() {
    let server = Server::start().await;
    let mut socket = open(&server, SUBPROTOCOL_GAME_CLIENT_JSON).await;
    socket.send(Message::text("{\"Helo\":{}}")).await.unwrap();
    let Some(Ok(Message::Close(Some(close)))) = within(socket.next()).await else {
        panic!("no close frame")
    };
    assert_eq!(u16::from(close.code), 1007);
    assert!(close.reason.contains("Helo"), "{}", close.reason);
    server.stop().await;
}

#[actix::test]
async fn the_server_says_how_it_is_and_nothing_else() {
    let server = Server::start().await;
    let health = get(&server, "/health").await;
    let (head, body) = health.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{health}");
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!((&body["status"], &body["protocol"]), (&json!("ready"), &json!(0)));
    for path in ["/metrics", "/index.html"] {
        let answer = get(&server, path).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    }
    server.stop().await;
}

async fn get(server: &Server, path: &str) -> String {
    let mut stream = connect(server.addr, &server.trust).await;
    let request = format!("GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within(stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

async fn connect(addr: SocketAddr, trust: &Trust) -> Stream {
    let connector = SecureConnector::new(addr, "http/1.1", trust.clone(), None);
    let connection = within(connector.connect()).await.unwrap();
    assert_eq!(connection.transport, "tls");
    join(connection.read, connection.write)
}

async fn open(server: &Server, protocol: &'static str) -> WebSocketStream<Stream> {
    let mut request = format!("wss://{}/", server.addr).into_client_request().unwrap();
    let protocol = HeaderValue::from_static(protocol);
    request.headers_mut().insert("sec-websocket-protocol", protocol);
    let stream = connect(server.addr, &server.trust).await;
    within(client_async(request, stream)).await.unwrap().0
}

async fn say(socket: &mut WebSocketStream<Stream>, message: Value) {
    within(socket.send(Message::text(message.to_string()))).await.unwrap();
}

/// What the next message says that is of this `kind`.
async fn heard(socket: &mut WebSocketStream<Stream>, kind: &str) -> Value {
    loop {
        let message = within(socket.next()).await.expect("the end").unwrap();
        let Message::Text(text) = message else { panic!("{message:?}") };
        let mut message: Value = serde_json::from_str(&text).unwrap();
        if let Some(body) = message.get_mut(kind) {
            return body.take();
        }
    }
}

async fn binary(socket: &mut WebSocketStream<Stream>) -> ToGameClient {
    match within(socket.next()).await.expect("the end").unwrap() {
        Message::Binary(bytes) => decode(&bytes).unwrap(),
        other => panic!("{other:?}"),
    }
}
