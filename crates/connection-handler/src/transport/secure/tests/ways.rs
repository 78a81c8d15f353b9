//! Which way a client takes, and how it keeps to it on networks that change.

use std::time::Instant;

use tokio::net::{TcpListener, UdpSocket};

use super::*;
use crate::{
    testing::{DatagramImpairments, Impairments, TcpRelay, UdpRelay, relays},
    transport::secure::QuicBlocked,
};

/// A server behind a network of which both halves are in our hands.
async fn behind_relays() -> (Server, TcpRelay, UdpRelay) {
    let server = Server::start(SecurePortConfig::default()).await;
    let (streams, datagrams) = (Impairments::default(), DatagramImpairments::default());
    let (tcp, udp) = relays(server.addr, streams, datagrams).await.unwrap();
    (server, tcp, udp)
}

fn connector_to(server: &Server, addr: SocketAddr) -> SecureConnector {
    SecureConnector::new(addr, ALPN, Trust::from(server.identity.fingerprint()), None)
}

#[tokio::test]
async fn where_both_ways_are_open_quic_is_taken_and_the_server_sees_one_connection() {
    let (mut server, tcp, _udp) = behind_relays().await;
    let connector = connector_to(&server, tcp.addr());
    for _ in 0..5 {
        let mut client = soon(connector.connect()).await.unwrap();
        assert_eq!(client.transport, "quic");
        client.write.write_all(b"hello").await.unwrap();
        hello(&mut server.accept().await).await;
    }
    let another = tokio::time::timeout(Duration::from_millis(500), server.listener.accept()).await;
    assert!(another.is_err(), "there was another connection");
}

#[tokio::test]
async fn in_a_udp_black_hole_tls_is_taken_and_the_next_time_at_once() {
    let (mut server, tcp, udp) = behind_relays().await;
    udp.set_black_hole(true);
    let blocked = QuicBlocked::default();
    let connector = connector_to(&server, tcp.addr()).remembering(blocked.clone());
    let mut counts = Vec::new();
    for _ in 0..2 {
        let mut client = soon(connector.connect()).await.unwrap();
        assert_eq!(client.transport, "tls");
        assert!(blocked.until().is_some());
        client.write.write_all(b"hello").await.unwrap();
        hello(&mut server.accept().await).await;
        counts.push(udp.counts().arrived);
    }
    // The second time TLS was there before its head start was over.
    assert_eq!(counts[0], counts[1], "{counts:?}");
    assert!(counts[0] > 0);
    // What is stored is what another process begins with.
    let stored = QuicBlocked::known_until(blocked.until());
    let other = connector_to(&server, tcp.addr()).remembering(stored);
    assert_eq!(soon(other.connect()).await.unwrap().transport, "tls");
    assert_eq!(udp.counts().arrived, counts[1]);
}

#[tokio::test]
async fn where_tcp_is_refused_quic_is_taken_though_it_was_blocked_before() {
    let mut server = Server::start(SecurePortConfig::default()).await;
    let udp = UdpRelay::start(server.addr, DatagramImpairments::default()).await.unwrap();
    let blocked = QuicBlocked::default();
    blocked.learn(true);
    let connector = connector_to(&server, udp.addr()).remembering(blocked.clone());
    let mut client = soon(connector.connect()).await.unwrap();
    assert_eq!((client.transport, blocked.until()), ("quic", None));
    client.write.write_all(b"hello").await.unwrap();
    hello(&mut server.accept().await).await;
}

#[tokio::test]
async fn where_tcp_hangs_quic_is_taken() {
    let (server, tcp, _udp) = behind_relays().await;
    tcp.set_stalled(true);
    let blocked = QuicBlocked::default();
    blocked.learn(true);
    let connector = connector_to(&server, tcp.addr()).remembering(blocked.clone());
    assert_eq!(soon(connector.connect()).await.unwrap().transport, "quic");
}

#[tokio::test(start_paused = true)]
async fn where_neither_way_is_open_connecting_ends() {
    let identity = Identity::ephemeral().unwrap();
    let black_hole = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let addr = black_hole.local_addr().unwrap();
    let connector = SecureConnector::new(addr, ALPN, identity.fingerprint().into(), None);
    let error = connector.connect().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    // TCP that is accepted and never answered.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = silent.local_addr().unwrap();
    let connector = SecureConnector::new(addr, ALPN, identity.fingerprint().into(), None);
    assert!(connector.connect().await.is_err());
}

#[tokio::test]
async fn a_handshake_whose_port_is_forsaken_is_begun_anew() {
    let mut server = Server::start(SecurePortConfig::default()).await;
    let udp = UdpRelay::start(server.addr, DatagramImpairments::default()).await.unwrap();
    udp.set_black_hole(true);
    let connector = connector_to(&server, udp.addr());
    let connecting = tokio::spawn(async move { connector.connect().await });
    while udp.counts().arrived == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    udp.forsake();
    udp.set_black_hole(false);
    let mut client = soon(connecting).await.unwrap().unwrap();
    client.write.write_all(b"hello").await.unwrap();
    hello(&mut server.accept().await).await;
}

#[tokio::test]
async fn a_connection_gets_a_new_socket_when_its_port_is_forsaken() {
    let (mut server, _tcp, udp) = behind_relays().await;
    let connector = connector_to(&server, udp.addr());
    let mut client = connect(&connector, udp.addr(), "quic").await.unwrap();
    let mut other = server.accept().await;
    hello(&mut other).await;
    for _ in 0..2 {
        udp.forsake();
        let begin = Instant::now();
        // It is not lost, but written to who will not hear of it for a while.
        client.write.write_all(b"hello").await.unwrap();
        hello(&mut other).await;
        other.write.write_all(b"hello").await.unwrap();
        hello(&mut client).await;
        println!("back after {:?}", begin.elapsed());
    }
    assert!(udp.counts().lost > 0, "nothing was lost, so nothing was shown");
}
