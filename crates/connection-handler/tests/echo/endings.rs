//! How connections end, and who hears of it.

use std::time::Duration;

use connection_handler::{
    ConnectionConfig, Peer,
    transport::{Connector, memory::memory},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::{Instant, timeout},
};

use crate::{log::Log, probe_server, protocol::ToClient, tcp};

#[actix::test]
async fn each_connection_ends_with_one_line_that_says_who_and_why() {
    let log = Log::default();
    let _guard = log.capture();
    let (listener, mut connector) = memory(1024);
    let (mut server, _handler) = probe_server(listener, ConnectionConfig::default());
    for (said, level, reason) in
        [(&b"\x03\x00???"[..], "INFO", "invalid message"), (b"", "DEBUG", "closed by the peer")]
    {
        let mut socket = connector.connect().await.unwrap();
        let peer = server.connected().await;
        let id = peer.id();
        socket.write.write_all(said).await.unwrap();
        drop(socket);
        server.end().await;
        drop(peer);
        let mut lines = log.lines(&format!("peer={id} "));
        lines.retain(|line| line.contains("disconnected"));
        assert_eq!(lines.len(), 1, "{lines:?}");
        for part in [level, reason, "remote_addr=127.0.0.1:0", "transport=\"memory\""] {
            assert!(lines[0].contains(part), "{part} in {lines:?}");
        }
    }
}

#[actix::test]
async fn last_words_survive_a_flood() {
    const WORDS: usize = 200_000;
    let (listener, connector) = tcp().await;
    let (mut server, _handler) = probe_server(listener, ConnectionConfig::default());
    // Takes so little at once that most of the words are with the server's kernel when that closes
    // the socket.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let (mut read, mut write) = socket.connect(connector.addr).await.unwrap().into_split();
    let peer = server.connected().await;
    let flood = actix::spawn(async move {
        let flood = b"\x06\x00\"Quit\"".repeat(1000);
        while write.write_all(&flood).await.is_ok() {}
    });
    server.message().await;
    (0..WORDS / 10_000).for_each(|_| peer.send(ToClient::Said("x".repeat(10_000))));
    peer.disconnect("enough");
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut heard = Vec::new();
    let _ = timeout(Duration::from_secs(8), read.read_to_end(&mut heard)).await.unwrap();
    assert!(heard.len() > WORDS, "heard {} bytes", heard.len());
    flood.abort();
    server.rest_until_the_end().await;
}

#[actix::test]
async fn a_quiet_peer_is_gone_as_soon_as_it_is_disconnected() {
    let (listener, connector) = tcp().await;
    let (mut server, _handler) = probe_server(listener, ConnectionConfig::default());
    let _socket = TcpStream::connect(connector.addr).await.unwrap();
    let peer = server.connected().await;
    let begin = Instant::now();
    peer.disconnect("for no reason");
    server.end().await;
    assert!(begin.elapsed() < Duration::from_millis(500), "took {:?}", begin.elapsed());
}
