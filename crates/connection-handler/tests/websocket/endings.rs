//! How it ends, as somebody else's client sees it.

use std::{borrow::Cow, time::Duration};

use connection_handler::{
    ConnectionConfig, DisconnectReason, Drain, Peer, Rate, RateLimit, WhenExceeded,
    transport::{Format, http::HttpConfig, websocket::WebSocketConfig},
};
use futures_util::{SinkExt, StreamExt};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

use crate::{
    protocol::{ToClient, ToServer},
    server, server_with,
    socket::{TEXT, WebSocketConnector},
};

/// All messages until the end, and how that is told.
async fn rest(socket: &mut WebSocketStream<TcpStream>) -> (Vec<Message>, Option<(u16, String)>) {
    let (mut messages, mut close) = (Vec::new(), None);
    while let Some(message) = timeout(LIMIT, socket.next()).await.expect("no end") {
        match message {
            Ok(Message::Close(frame)) => {
                close = frame.map(|frame| (frame.code.into(), frame.reason.to_string()));
            }
            Ok(message) => messages.push(message),
            Err(error) => panic!("{error}"),
        }
    }
    (messages, close)
}

#[actix::test]
async fn the_last_words_arrive_and_then_the_reason() {
    let kick = "you are in the way";
    let cases: [(DisconnectReason, u16, Cow<'_, str>); 3] = [
        (kick.into(), 4000, kick.into()),
        (DisconnectReason::Drop, 1000, "".into()),
        (DisconnectReason::Bug, 1011, "".into()),
    ];
    for (reason, code, text) in cases {
        let mut server = server().await;
        let mut socket = server.connector.open().await.unwrap();
        let peer = server.events.connected().await;
        (0..100).for_each(|_| peer.send(ToClient::Said("x".repeat(10_000))));
        peer.send(ToClient::Bye);
        peer.disconnect(reason);
        let (messages, close) = rest(&mut socket).await;
        assert_eq!(messages.len(), 101);
        assert_eq!(messages[100], Message::binary(&b"\"Bye\""[..]));
        assert_eq!(close, Some((code, text.into_owned())));
        server.events.end().await;
    }
}

#[actix::test]
async fn everybody_hears_that_we_go_away() {
    let mut server = server().await;
    let (mut sockets, mut peers) = (Vec::new(), Vec::new());
    for _ in 0..20 {
        sockets.push(server.connector.open().await.unwrap());
        peers.push(server.events.connected().await);
    }
    peers.iter().for_each(|peer| peer.send(ToClient::Bye));
    server.http.drain();
    let drained = server.handler.send(Drain { patience: Duration::ZERO });
    let hear = async {
        for socket in &mut sockets {
            let (messages, close) = rest(socket).await;
            assert_eq!(messages, [Message::binary(&b"\"Bye\""[..])]);
            assert_eq!(close, Some((1001, "shutting down".into())));
        }
    };
    let (drained, ()) = tokio::join!(timeout(LIMIT, drained), hear);
    drained.expect("draining does not end").unwrap();
    assert!(server.connector.open().await.is_err());
    timeout(LIMIT, server.http.close()).await.unwrap();
}

#[actix::test]
async fn who_says_goodbye_is_answered() {
    let mut server = server().await;
    let mut socket = server.connector.open().await.unwrap();
    let peer = server.events.connected().await;
    peer.send(ToClient::Bye);
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::binary(&b"\"Bye\""[..]));
    socket.send(Message::binary(&b"\"Quit\""[..])).await.unwrap();
    let frame = CloseFrame { code: CloseCode::Library(3999), reason: "enough".into() };
    socket.close(Some(frame)).await.unwrap();
    assert_eq!(server.events.message().await, ToServer::Quit);
    assert!(matches!(server.events.end().await, DisconnectReason::RemoteClose));
    let (_, close) = rest(&mut socket).await;
    assert_eq!(close, Some((3999, String::new())));
}

#[actix::test]
async fn who_says_too_much_is_told_so() {
    let connections = ConnectionConfig {
        incoming_rate: RateLimit {
            messages: Some(Rate { per_second: 1, burst: 3 }),
            ..Default::default()
        },
        when_exceeded: WhenExceeded::Disconnect,
        ..Default::default()
    };
    let (http, config) = <(HttpConfig, WebSocketConfig)>::default();
    let mut server = server_with(http, config, connections).await;
    let mut socket = server.connector.open().await.unwrap();
    let _peer = server.events.connected().await;
    for _ in 0..10 {
        socket.feed(Message::binary(&b"\"Quit\""[..])).await.unwrap();
    }
    socket.flush().await.unwrap();
    let reason = server.events.rest_until_the_end().await;
    assert!(matches!(reason, DisconnectReason::RateExceeded(_)), "{reason}");
    assert_eq!(rest(&mut socket).await.1.map(|(code, _)| code), Some(1008));
}

#[actix::test]
async fn who_wants_text_gets_text() {
    let mut server = server().await;
    let connector = WebSocketConnector { protocol: TEXT, ..server.connector };
    let mut socket = connector.open().await.unwrap();
    let peer = server.events.connected().await;
    let link = peer.link();
    assert_eq!((link.transport(), link.format()), ("websocket", Format::Text));
    socket.send(Message::text("\"Quit\"")).await.unwrap();
    assert_eq!(server.events.message().await, ToServer::Quit);
    peer.send(ToClient::Bye);
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("\"Bye\""));
}

const LIMIT: Duration = Duration::from_secs(10);
