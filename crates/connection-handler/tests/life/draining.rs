//! What ranch promises of suspending, waiting and resuming, for every kind of handler.

use std::time::Duration;

use connection_handler::{
    Activity, ConnectionConfig, DisconnectReason, Drain, HandlerGroup, Peer, Resume, Status,
    StillOpen, Suspend, WaitForConnections,
    transport::{Connector, memory::memory, tcp::TcpConnector},
};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    time::Instant,
};

use crate::{
    Events, Incoming, LIMIT, again_after, handler::Client, incoming, listeners::Hanging, outgoing,
    soon,
};

const SHORT: Duration = Duration::from_millis(50);

async fn tcp(config: ConnectionConfig) -> (Events<Client>, Incoming<TcpListener>, TcpConnector) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (events, handler) = incoming(listener, config);
    (events, handler, TcpConnector { addr })
}

#[actix::test]
async fn a_suspended_listener_turns_newcomers_away_at_once() {
    let (mut server, handler, connector) = tcp(ConnectionConfig::default()).await;
    soon(handler.send(Suspend)).await.unwrap();
    for _ in 0..3 {
        let mut socket = TcpStream::connect(connector.addr).await.unwrap();
        let begin = Instant::now();
        assert_eq!(soon(socket.read(&mut [0])).await.unwrap_or(0), 0);
        assert!(begin.elapsed() < Duration::from_secs(1), "hangs for {:?}", begin.elapsed());
    }
    assert!(server.silent_for(SHORT).await);
}

#[actix::test]
async fn a_suspended_listener_turns_newcomers_away_even_when_all_places_are_taken() {
    let config = ConnectionConfig { max_connections: 1, ..Default::default() };
    let (mut server, handler, mut connector) = tcp(config).await;
    let _first = connector.connect().await.unwrap();
    let _peer = server.connected().await;
    let mut second = connector.connect().await.unwrap();
    soon(handler.send(Suspend)).await.unwrap();
    assert_eq!(soon(second.read.read(&mut [0])).await.unwrap_or(0), 0);
}

#[actix::test]
async fn suspending_leaves_open_connections_alone() {
    let (mut server, handler, mut connector) = tcp(ConnectionConfig::default()).await;
    let socket = connector.connect().await.unwrap();
    let peer = server.connected().await;
    soon(handler.send(Suspend)).await.unwrap();
    assert!(server.silent_for(SHORT).await);
    drop(socket);
    assert!(matches!(server.end().await, DisconnectReason::RemoteClose));
    drop(peer);
}

#[actix::test]
async fn a_resumed_listener_takes_connections_at_the_same_address() {
    let (mut server, handler, mut connector) = tcp(ConnectionConfig::default()).await;
    for _ in 0..3 {
        soon(handler.send(Suspend)).await.unwrap();
        soon(handler.send(Resume)).await.unwrap();
        let _socket = connector.connect().await.unwrap();
        drop(server.connected().await);
        server.end().await;
    }
}

#[actix::test]
async fn suspending_and_resuming_twice_is_once() {
    let (mut server, handler, mut connector) = tcp(ConnectionConfig::default()).await;
    soon(handler.send(Suspend)).await.unwrap();
    soon(handler.send(Suspend)).await.unwrap();
    soon(handler.send(Resume)).await.unwrap();
    soon(handler.send(Resume)).await.unwrap();
    let _socket = connector.connect().await.unwrap();
    server.connected().await;
}

#[actix::test]
async fn waiting_for_connections_ends_when_so_few_are_open() {
    let (mut server, handler, mut connector) = tcp(ConnectionConfig::default()).await;
    let (mut sockets, mut peers) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        sockets.push(connector.connect().await.unwrap());
        peers.push(server.connected().await);
    }
    soon(handler.send(Suspend)).await.unwrap();
    let wait = |at_most, limit| handler.send(WaitForConnections { at_most, limit });
    assert_eq!(soon(wait(3, Duration::ZERO)).await.unwrap(), Ok(3));
    assert_eq!(soon(wait(2, SHORT)).await.unwrap(), Err(StillOpen(3)));

    let (one, none) = (actix::spawn(wait(1, LIMIT)), actix::spawn(wait(0, LIMIT)));
    sockets.truncate(2);
    server.end().await;
    assert!(!one.is_finished());
    sockets.truncate(1);
    assert_eq!(soon(one).await.unwrap().unwrap(), Ok(1));
    server.end().await;
    assert!(!none.is_finished());
    drop(sockets);
    assert_eq!(soon(none).await.unwrap().unwrap(), Ok(0));
}

#[actix::test]
async fn silent_handshakes_hang_neither_suspending_nor_waiting() {
    let (inner, mut connector) = memory(64);
    let config =
        ConnectionConfig { handshake_timeout: Duration::from_secs(600), ..Default::default() };
    let (_server, handler) = incoming(Hanging::always(inner), config);
    let _silent = [connector.connect().await.unwrap(), connector.connect().await.unwrap()];
    let mut status = handler.send(Status).await.unwrap();
    soon(status.wait_for(|status| status.handshakes == 2)).await.unwrap();
    let wait = |limit| handler.send(WaitForConnections { at_most: 0, limit });
    assert_eq!(soon(wait(SHORT)).await.unwrap(), Err(StillOpen(2)), "each may become one");

    soon(handler.send(Suspend)).await.unwrap();
    assert_eq!(status.borrow().handshakes, 0);
    assert_eq!(soon(wait(Duration::ZERO)).await.unwrap(), Ok(0));
}

#[actix::test]
async fn draining_drops_handshakes_that_are_not_done() {
    let (inner, mut connector) = memory(64);
    let long = Duration::from_secs(600);
    let config = ConnectionConfig { handshake_timeout: long, ..Default::default() };
    let (_server, handler) = incoming(Hanging::always(inner), config);
    let mut socket = connector.connect().await.unwrap();
    let mut status = handler.send(Status).await.unwrap();
    soon(status.wait_for(|status| status.handshakes == 1)).await.unwrap();
    soon(handler.send(Drain { patience: long })).await.unwrap();
    assert_eq!(soon(socket.read.read(&mut [0])).await.unwrap(), 0);
}

#[actix::test]
async fn several_handlers_are_suspended_before_any_is_waited_for() {
    let (mut server, one, mut to_one) = tcp(ConnectionConfig::default()).await;
    let (mut other_server, other, to_other) = tcp(ConnectionConfig::default()).await;
    let (mut client, outgoing) = outgoing(to_other, again_after(Duration::from_millis(1)));
    let mut group = HandlerGroup::default();
    group.add(&one);
    group.add(&other);
    group.add(&outgoing);

    let socket = to_one.connect().await.unwrap();
    let _peers = (server.connected().await, other_server.connected().await);
    let theirs = client.connected().await;
    soon(group.suspend()).await;
    for addr in [to_one.addr, to_other.addr] {
        let mut newcomer = TcpStream::connect(addr).await.unwrap();
        assert_eq!(soon(newcomer.read(&mut [0])).await.unwrap_or(0), 0);
    }
    // One at each listener, and the other end of one of them.
    assert_eq!(group.wait_for_connections(3, Duration::ZERO).await, Ok(3));
    assert_eq!(group.wait_for_connections(2, SHORT).await, Err(StillOpen(3)));
    drop(socket);
    assert_eq!(soon(group.wait_for_connections(2, LIMIT)).await, Ok(2));
    // Not opened again: it is suspended too.
    theirs.disconnect("for the test");
    assert_eq!(soon(group.wait_for_connections(0, LIMIT)).await, Ok(0));
    assert!(matches!(client.end().await, DisconnectReason::Kick(_)));
    assert!(client.silent_for(SHORT).await);

    group.resume();
    client.connected().await;
}

#[actix::test]
async fn draining_a_group_ends_incoming_and_outgoing_connections() {
    let (mut server, incoming, connector) = tcp(ConnectionConfig::default()).await;
    let (mut client, outgoing) = outgoing(connector, again_after(Duration::from_millis(1)));
    let mut group = HandlerGroup::default();
    group.add(&incoming);
    group.add(&outgoing);
    let _peers = (server.connected().await, client.connected().await);
    soon(group.drain(Duration::ZERO)).await;
    server.end().await;
    client.end().await;
    for status in group.status().await {
        let status = status.borrow();
        assert!(matches!(status.activity, Activity::Ended(None)), "{status:?}");
        assert_eq!((status.open, status.handshakes), (0, 0));
    }
    assert!(TcpStream::connect(connector.addr).await.is_err(), "the socket is closed");
}

#[actix::test]
async fn a_drained_handler_is_not_resumed() {
    let (mut server, handler, mut connector) = tcp(ConnectionConfig::default()).await;
    soon(handler.send(Drain { patience: Duration::ZERO })).await.unwrap();
    soon(handler.send(Suspend)).await.unwrap();
    soon(handler.send(Resume)).await.unwrap();
    assert!(connector.connect().await.is_err());
    assert!(server.silent_for(SHORT).await);
}

#[actix::test]
async fn the_status_says_what_is_open_and_what_the_handler_does() {
    let (mut server, handler, mut connector) = tcp(ConnectionConfig::default()).await;
    let mut status = handler.send(Status).await.unwrap();
    crate::until(&mut status, |activity| matches!(activity, Activity::Running)).await;
    let _socket = connector.connect().await.unwrap();
    let peer = server.connected().await;
    assert_eq!((status.borrow().open, status.borrow().handshakes), (1, 0));
    soon(handler.send(Suspend)).await.unwrap();
    assert!(matches!(status.borrow().activity, Activity::Suspended));
    soon(handler.send(Resume)).await.unwrap();
    assert!(matches!(status.borrow().activity, Activity::Running));
    let draining = handler.send(Drain { patience: LIMIT });
    let draining = actix::spawn(draining);
    crate::until(&mut status, |activity| matches!(activity, Activity::Draining)).await;
    drop(peer);
    crate::until(&mut status, |activity| matches!(activity, Activity::Ended(None))).await;
    soon(draining).await.unwrap().unwrap();
}
