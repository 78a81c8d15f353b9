//! Frames made by hand, of every kind.

use std::time::Duration;

use connection_handler::{
    ConnectionConfig,
    transport::{Connection, http::HttpConfig, websocket::WebSocketConfig},
};
use connection_handler::{DisconnectReason, Peer, testing::Remote};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    BEFORE_LOGIN, Server,
    protocol::{ToClient, ToServer},
    server, server_with,
    socket::{BINARY, TEXT},
};

/// The other side, with the handshake behind it.
async fn remote(server: &Server, protocol: &str) -> Remote {
    let addr = server.connector.addr;
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let request = format!(
        "GET /websocket HTTP/1.1\r\nHost: {addr}\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: {protocol}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(LIMIT, stream.read_u8()).await.unwrap().unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", head.escape_ascii());
    let (read, write) = tokio::io::split(stream);
    Remote::new(Connection::new(addr, "tcp", read, write))
}

/// A frame under a mask.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = vec![first];
    match u16::try_from(payload.len()) {
        Ok(length) if length < 126 => bytes.push(0x80 | length as u8),
        Ok(length) => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&length.to_be_bytes());
        }
        Err(_) => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// The code of the close frame that `bytes` are.
fn code(bytes: &[u8]) -> u16 {
    assert_eq!(bytes[0], 0x88, "{}", bytes.escape_ascii());
    assert_eq!(usize::from(bytes[1]), bytes.len() - 2);
    u16::from_be_bytes([bytes[2], bytes[3]])
}

#[actix::test]
async fn a_message_may_come_in_parts_with_pings_between() {
    let mut server = server().await;
    let mut remote = remote(&server, TEXT).await;
    let peer = server.events.connected().await;
    for part in [
        frame(0x81, b"\"Quit\""),
        frame(0x01, b"{\"Sa"),
        frame(0x89, b"are you there?"),
        frame(0x00, b""),
        frame(0x00, b"y\":\"\xc3"),
        frame(0x8a, b"nobody asked"),
        frame(0x80, b"\xa4\"}"),
    ] {
        remote.send_bytes(&part).await;
    }
    assert_eq!(server.events.message().await, ToServer::Quit);
    assert_eq!(server.events.message().await, ToServer::Say("ä".into()));
    assert_eq!(remote.bytes(16).await, b"\x8a\x0eare you there?");
    peer.send(ToClient::Bye);
    assert_eq!(remote.bytes(7).await, b"\x81\x05\"Bye\"");
}

#[actix::test]
async fn what_breaks_the_rules_is_told_which() {
    let long = frame(0x82, &[b' '; BEFORE_LOGIN + 1]);
    let endless = [&b"\x82\xff\x00\0\0\xff\xff\xff\xff\xff"[..], &[0; 4]].concat();
    let parts = [frame(0x02, &[b' '; BEFORE_LOGIN]), frame(0x80, b" ")].concat();
    let not_in_time = frame(0x82, b"\"Quit\"")[..7].to_vec();
    let cases = [
        ("without a mask", BINARY, b"\x82\x06\"Quit\"".to_vec(), 1002),
        ("a reserved bit", BINARY, frame(0xc2, b"\"Quit\""), 1002),
        ("a reserved kind", BINARY, frame(0x83, b"\"Quit\""), 1002),
        ("nothing to continue", BINARY, frame(0x80, b"\"Quit\""), 1002),
        ("half a ping", BINARY, frame(0x09, b""), 1002),
        ("a long ping", BINARY, frame(0x89, &[0; 126]), 1002),
        ("text for bytes", BINARY, frame(0x81, b"\"Quit\""), 1003),
        ("bytes for text", TEXT, frame(0x82, b"\"Quit\""), 1003),
        ("no text", TEXT, frame(0x81, b"\"\xff\""), 1007),
        ("no message", BINARY, frame(0x82, b"???"), 1007),
        ("an empty one", BINARY, frame(0x82, b""), 1007),
        ("a long one", BINARY, long, 1009),
        ("an endless one", BINARY, endless, 1009),
        ("a long one in parts", BINARY, parts, 1009),
        ("a slow one", BINARY, not_in_time, 4002),
    ];
    for (what, protocol, bytes, expected) in cases {
        let connections = ConnectionConfig {
            first_message_timeout: Some(Duration::from_millis(500)),
            ..Default::default()
        };
        let (http, config) = Default::default();
        let mut server = server_with(http, config, connections).await;
        let mut remote = remote(&server, protocol).await;
        let _peer = server.events.connected().await;
        remote.send_bytes(&bytes).await;
        let reason = server.events.end().await;
        assert_eq!(code(&remote.rest().await), expected, "{what}: {reason}");
    }
}

#[actix::test]
async fn who_still_talks_hears_why_it_is_over() {
    let mut server = server().await;
    let mut remote = remote(&server, BINARY).await;
    let peer = server.events.connected().await;
    // A megabyte is on its way when its first bytes end the connection.
    remote.send_bytes(&frame(0x82, &vec![b' '; 1 << 20])).await;
    assert_eq!(code(&remote.rest().await), 1009);
    assert!(matches!(server.events.end().await, DisconnectReason::InvalidMessage(_)));
    drop(peer);
}

#[actix::test]
async fn more_may_be_said_after_login() {
    let mut server = server().await;
    let mut remote = remote(&server, BINARY).await;
    let peer = server.events.connected().await;
    peer.limit.set(100_000);
    let long = "x".repeat(70_000);
    let message = format!("{{\"Say\":\"{long}\"}}");
    let (first, second) = message.as_bytes().split_at(30_000);
    remote.send_bytes(&frame(0x82, message.as_bytes())).await;
    remote.send_bytes(&frame(0x02, first)).await;
    remote.send_bytes(&frame(0x80, second)).await;
    for _ in 0..2 {
        assert_eq!(server.events.message().await, ToServer::Say(long.clone()));
    }
    peer.send(ToClient::Said(long));
    let head = remote.bytes(10).await;
    let length = u64::from_be_bytes(head[2..].try_into().unwrap());
    assert_eq!((&head[..2], length), (&b"\x82\x7f"[..], 70_011));
    remote.bytes(70_011).await;
}

#[actix::test]
async fn an_exact_number_of_chunks_is_one_message_too() {
    // What a stream of chunks could only tell by looking into the message.
    let mut server = server().await;
    let mut remote = remote(&server, BINARY).await;
    let peer = server.events.connected().await;
    for length in [65_535, 2 * 65_535] {
        peer.send(ToClient::Said("x".repeat(length - "{\"Said\":\"\"}".len())));
        peer.send(ToClient::Bye);
        let head = match u16::try_from(length) {
            Ok(_) => remote.bytes(4).await,
            Err(_) => remote.bytes(10).await,
        };
        assert_eq!(head[0], 0x82);
        let field = head[2..].iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        assert_eq!(field, length);
        remote.bytes(length).await;
        assert_eq!(remote.bytes(7).await, b"\x82\x05\"Bye\"");
    }
}

#[actix::test]
async fn who_leaves_inside_of_a_message_has_failed() {
    for beginning in [frame(0x02, b"\"Qu"), frame(0x82, b"\"Quit\"")[..8].to_vec(), vec![0x82]] {
        let mut server = server().await;
        let mut remote = remote(&server, BINARY).await;
        let _peer = server.events.connected().await;
        remote.send_bytes(&beginning).await;
        remote.finish().await;
        assert!(matches!(server.events.end().await, DisconnectReason::Io(_)), "{beginning:?}");
    }
}

#[actix::test]
async fn a_flood_of_pings_is_bounded() {
    let config = WebSocketConfig { max_empty_frames: 1000, ..Default::default() };
    let mut server = server_with(HttpConfig::default(), config, ConnectionConfig::default()).await;
    let mut remote = remote(&server, BINARY).await;
    let _peer = server.events.connected().await;
    remote.send_bytes(&frame(0x89, b"x").repeat(1001)).await;
    let reason = server.events.end().await;
    assert!(matches!(reason, DisconnectReason::InvalidMessage(_)), "{reason}");
    let heard = remote.rest().await;
    let pongs = heard.chunks(3).take_while(|pong| *pong == b"\x8a\x01x").count();
    assert!(pongs <= 1000, "{pongs} pongs");
    assert_eq!(code(&heard[3 * pongs..]), 1008);
}

#[actix::test]
async fn who_does_not_read_is_a_slow_consumer() {
    let connections = ConnectionConfig {
        outgoing_bytes: 100_000,
        write_timeout: Duration::from_millis(300),
        close_timeout: Duration::from_millis(300),
        ..Default::default()
    };
    let (http, config) = Default::default();
    let mut server = server_with(http, config, connections).await;
    let _remote = remote(&server, BINARY).await;
    let peer = server.events.connected().await;
    let text = "x".repeat(50_000);
    for _ in 0..1000 {
        peer.send(ToClient::Said(text.clone()));
        assert!(peer.queued_bytes() < 200_000);
        tokio::task::yield_now().await;
    }
    assert!(matches!(server.events.end().await, DisconnectReason::SlowConsumer));
}

const LIMIT: Duration = Duration::from_secs(10);
