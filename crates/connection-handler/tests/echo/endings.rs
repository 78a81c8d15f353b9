//! How connections end, and who hears of it.

use std::{future::pending, io, time::Duration};

use actix::{Actor, ActorContext, Context, Handler};
use connection_handler::{
    ConnectionConfig, Drain, IncomingConnectionHandler, OutgoingConnectionHandler, Peer,
    PeerConnected, PeerDisconnected, PeerMessages, supervise,
    transport::{
        Connector, Handshake, Listener,
        memory::{MemoryListener, memory},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf},
    net::{TcpSocket, TcpStream},
    sync::mpsc,
    time::{Instant, timeout},
};

use crate::{
    central::EchoServer,
    handler::{Client, ClientHandler, Server, ServerHandler},
    log::Log,
    probe_server,
    protocol::ToClient,
    serve, tcp,
};

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

#[actix::test]
async fn draining_drops_handshakes_that_are_not_done() {
    let (inner, mut connector) = memory(64);
    let config = ConnectionConfig {
        handshake_timeout: Duration::from_secs(60),
        ..ConnectionConfig::default()
    };
    let (hanging, mut hangs) = mpsc::unbounded_channel();
    let handler = serve(Hanging { inner, hanging }, config);
    let mut socket = connector.connect().await.unwrap();
    hangs.recv().await.unwrap();
    let drained = handler.send(Drain { patience: Duration::from_secs(60) });
    timeout(Duration::from_secs(5), drained).await.unwrap().unwrap();
    let end = timeout(Duration::from_secs(5), socket.read.read(&mut [0])).await.unwrap();
    assert_eq!(end.unwrap(), 0);
}

#[actix::test]
async fn a_listener_that_is_closed_is_not_asked_again() {
    let log = Log::default();
    let _guard = log.capture();
    let (listener, connector) = memory(64);
    drop(connector);
    let handler = serve(listener, ConnectionConfig::default());
    let drained = handler.send(Drain { patience: Duration::from_secs(60) });
    timeout(Duration::from_secs(5), drained).await.unwrap().unwrap();
    assert_eq!(log.lines("the listener is closed").len(), 1);
    assert_eq!(log.lines("trying again").len(), 0);
}

#[actix::test]
async fn failing_to_accept_is_said_once_and_tried_again() {
    let log = Log::default();
    let _guard = log.capture();
    let (inner, mut connector) = memory(64);
    let (mut server, _handler) =
        probe_server(FailsAtFirst { inner, left: 3 }, ConnectionConfig::default());
    let _socket = connector.connect().await.unwrap();
    server.connected().await;
    assert_eq!(log.lines("trying again").len(), 1);
}

#[actix::test]
async fn a_central_actor_that_lives_is_not_said_to_have_ended() {
    let (_central, ended) = supervise(EchoServer::default());
    assert!(timeout(Duration::from_millis(50), ended).await.is_err());
}

#[actix::test]
async fn a_central_actor_that_ends_takes_its_handlers_and_peers_along() {
    for panics in [true, false] {
        let (central, ended) = supervise(Mortal { panics, peers: Vec::new() });
        let (listener, mut connector) = memory(64);
        let config = ConnectionConfig {
            reconnect_delay: Some(Duration::from_millis(1)),
            ..ConnectionConfig::default()
        };
        let incoming = IncomingConnectionHandler::new(
            ClientHandler,
            listener,
            central.clone(),
            config.clone(),
        );
        let incoming = incoming.start();
        let mut socket = connector.connect().await.unwrap();
        socket.write.write_all(b"\x06\x00\"Quit\"").await.unwrap();
        timeout(Duration::from_secs(5), ended).await.expect("its end is noticed");
        let end = timeout(Duration::from_secs(5), socket.read.read(&mut [0])).await.unwrap();
        assert_eq!(end.unwrap(), 0, "its peers are disconnected");

        let _newcomer = connector.connect().await.unwrap();
        until(|| !incoming.connected()).await;
        let (_listener, connector) = memory(64);
        let outgoing = OutgoingConnectionHandler::new(ServerHandler, connector, central, config);
        let outgoing = outgoing.start();
        until(|| !outgoing.connected()).await;
    }
}

async fn until(holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_secs(5), wait).await.expect("it does not come to hold");
}

/// A central actor that ends with the first message.
struct Mortal {
    panics: bool,
    peers: Vec<Client>,
}

impl Actor for Mortal {
    type Context = Context<Self>;
}

impl Handler<PeerConnected<Client>> for Mortal {
    type Result = ();

    fn handle(&mut self, PeerConnected { peer }: PeerConnected<Client>, _: &mut Context<Self>) {
        self.peers.push(peer);
    }
}

impl Handler<PeerMessages<Client>> for Mortal {
    type Result = ();

    fn handle(&mut self, _: PeerMessages<Client>, ctx: &mut Context<Self>) {
        assert!(!self.panics, "a bug in the central actor");
        ctx.stop();
    }
}

impl Handler<PeerDisconnected<Client>> for Mortal {
    type Result = ();

    fn handle(&mut self, _: PeerDisconnected<Client>, _: &mut Context<Self>) {}
}

impl Handler<PeerConnected<Server>> for Mortal {
    type Result = ();

    fn handle(&mut self, _: PeerConnected<Server>, _: &mut Context<Self>) {}
}

impl Handler<PeerMessages<Server>> for Mortal {
    type Result = ();

    fn handle(&mut self, _: PeerMessages<Server>, _: &mut Context<Self>) {}
}

impl Handler<PeerDisconnected<Server>> for Mortal {
    type Result = ();

    fn handle(&mut self, _: PeerDisconnected<Server>, _: &mut Context<Self>) {}
}

type Pipe = Handshake<ReadHalf<DuplexStream>, WriteHalf<DuplexStream>>;

/// Never finishes a handshake, and says when one hangs.
struct Hanging {
    inner: MemoryListener,
    hanging: mpsc::UnboundedSender<()>,
}

impl Listener for Hanging {
    type Read = ReadHalf<DuplexStream>;
    type Write = WriteHalf<DuplexStream>;

    async fn accept(&mut self) -> io::Result<Pipe> {
        let handshake = self.inner.accept().await?;
        let hanging = self.hanging.clone();
        Ok(Handshake::new(handshake.remote_addr, async move {
            let _connection = handshake.await?;
            let _ = hanging.send(());
            pending().await
        }))
    }
}

/// Has no file descriptors left at first.
struct FailsAtFirst {
    inner: MemoryListener,
    left: usize,
}

impl Listener for FailsAtFirst {
    type Read = ReadHalf<DuplexStream>;
    type Write = WriteHalf<DuplexStream>;

    async fn accept(&mut self) -> io::Result<Pipe> {
        if self.left > 0 {
            self.left -= 1;
            return Err(io::Error::other("no file descriptors left"));
        }
        self.inner.accept().await
    }
}
