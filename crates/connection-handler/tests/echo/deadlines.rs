//! Every wait on a peer ends.

use std::time::Duration;

use connection_handler::{
    ConnectionConfig, DisconnectReason, Peer, Timeout,
    transport::{Connector, memory::memory},
};
use tokio::{io::AsyncWriteExt, time::Instant};

use crate::{
    probe_server,
    protocol::{ToClient, ToServer},
};

const LIMIT: Duration = Duration::from_millis(150);
const QUIT: &[u8] = b"\x06\x00\"Quit\"";

#[actix::test]
async fn a_peer_that_says_nothing_at_all_is_disconnected() {
    let (listener, mut connector) = memory(1024);
    let config = ConnectionConfig { first_message_timeout: Some(LIMIT), ..Default::default() };
    let (mut server, _handler) = probe_server(listener, config);
    let _socket = connector.connect().await.unwrap();
    let _peer = server.connected().await;
    let begin = Instant::now();
    let reason = server.end().await;
    assert!(matches!(reason, DisconnectReason::Timeout(Timeout::FirstMessage)), "{reason}");
    assert!(begin.elapsed() >= LIMIT - Duration::from_millis(20));
}

#[actix::test]
async fn a_peer_that_has_spoken_once_may_be_silent() {
    let (listener, mut connector) = memory(1024);
    let config = ConnectionConfig { first_message_timeout: Some(LIMIT), ..Default::default() };
    let (mut server, _handler) = probe_server(listener, config);
    let mut socket = connector.connect().await.unwrap();
    let _peer = server.connected().await;
    socket.write.write_all(QUIT).await.unwrap();
    assert_eq!(server.message().await, ToServer::Quit);
    assert!(server.silent_for(2 * LIMIT).await);
}

#[actix::test]
async fn one_byte_now_and_then_does_not_hold_a_connection() {
    let (listener, mut connector) = memory(1024);
    let config = ConnectionConfig {
        message_timeout: LIMIT,
        idle_timeout: Some(LIMIT / 2),
        ..Default::default()
    };
    let (mut server, _handler) = probe_server(listener, config);
    let mut socket = connector.connect().await.unwrap();
    let _peer = server.connected().await;
    socket.write.write_all(QUIT).await.unwrap();
    assert_eq!(server.message().await, ToServer::Quit);
    let trickle = actix::spawn(async move {
        socket.write.write_all(&[0xff, 0x7f]).await.unwrap();
        while socket.write.write_all(b"x").await.is_ok() {
            tokio::time::sleep(LIMIT / 15).await;
        }
    });
    let reason = server.end().await;
    assert!(matches!(reason, DisconnectReason::Timeout(Timeout::Message)), "{reason}");
    trickle.await.unwrap();
}

#[actix::test]
async fn a_peer_that_takes_nothing_of_what_is_written_is_disconnected() {
    let (listener, mut connector) = memory(64);
    let config = ConnectionConfig { write_timeout: LIMIT, ..Default::default() };
    let (mut server, _handler) = probe_server(listener, config);
    let _socket_nobody_reads = connector.connect().await.unwrap();
    let peer = server.connected().await;
    let begin = Instant::now();
    peer.send(ToClient::Said("x".repeat(100)));
    let reason = server.end().await;
    assert!(matches!(reason, DisconnectReason::SlowConsumer), "{reason}");
    assert!(begin.elapsed() >= LIMIT - Duration::from_millis(20));
}
