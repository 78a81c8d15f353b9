//! What strangers can cost.

use tokio::{
    net::{TcpSocket, TcpStream, UdpSocket},
    time::Instant,
};

use super::*;

#[tokio::test]
async fn who_is_silent_or_slow_is_cut_off_at_the_deadline() {
    let log = Log::default();
    let _guard = log.capture();
    let limit = Duration::from_millis(300);
    let config = SecurePortConfig { handshake_timeout: limit, ..Default::default() };
    let server = Server::start(config).await;
    let begin = Instant::now();
    let mut silent = TcpStream::connect(server.addr).await.unwrap();
    let (mut read, mut write) = TcpStream::connect(server.addr).await.unwrap().into_split();
    let trickle = async move {
        for byte in [0x16, 3, 1, 0].iter().cycle() {
            let _ = write.write_all(&[*byte]).await;
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    };
    let trickle = tokio::spawn(trickle);
    let _ = soon(silent.read_to_end(&mut Vec::new())).await;
    let _ = soon(read.read_to_end(&mut Vec::new())).await;
    trickle.abort();
    assert!(begin.elapsed() >= limit, "after {:?}", begin.elapsed());
    let refused = log.lines("refused").await;
    assert!(refused.iter().all(|line| line.contains("DEBUG") && line.contains("127.0.0.1")));
    assert!(refused.iter().any(|line| line.contains("handshake_timed_out")), "{refused:?}");
}

#[tokio::test]
async fn silent_connections_from_many_addresses_keep_nobody_out() {
    let mut server = Server::start(SecurePortConfig::default()).await;
    let mut silent = Vec::new();
    for i in 0..200u8 {
        silent.push(connect_from([127, 0, 1, i % 8], server.addr).await);
    }
    for way in ["quic", "tls"] {
        let _client = connect(&server.connector(), server.addr, way).await.unwrap();
        hello(&mut server.accept().await).await;
    }
}

#[tokio::test]
async fn one_address_has_so_many_unfinished_handshakes_and_others_have_theirs() {
    let config = SecurePortConfig { max_handshakes_per_ip: 2, ..Default::default() };
    let server = Server::start(config).await;
    let _held = [
        connect_from([127, 0, 0, 2], server.addr).await,
        connect_from([127, 0, 0, 2], server.addr).await,
    ];
    let mut third = connect_from([127, 0, 0, 2], server.addr).await;
    let _ = soon(third.read_to_end(&mut Vec::new())).await;
    connect(&server.connector(), server.addr, "tls").await.unwrap();
}

#[tokio::test]
async fn a_flood_over_tcp_leaves_quic_alone() {
    let config = SecurePortConfig { max_handshakes: 1, ..Default::default() };
    let server = Server::start(config).await;
    let _silent = TcpStream::connect(server.addr).await.unwrap();
    let mut refused = TcpStream::connect(server.addr).await.unwrap();
    let _ = soon(refused.read_to_end(&mut Vec::new())).await;
    connect(&server.connector(), server.addr, "quic").await.unwrap();
}

#[tokio::test]
async fn a_connection_keeps_its_place_until_it_is_over() {
    let log = Log::default();
    let _guard = log.capture();
    for way in ["tls", "quic"] {
        let config = SecurePortConfig { max_connections_per_ip: 1, ..Default::default() };
        let mut server = Server::start(config).await;
        let _first = connect(&server.connector(), server.addr, way).await.unwrap();
        let peer = server.accept().await;
        // Over TLS: closed at once. Over QUIC nobody would answer.
        let mut second = TcpStream::connect(server.addr).await.unwrap();
        let _ = soon(second.read_to_end(&mut Vec::new())).await;
        assert!(log.lines("refused").await[0].contains("too_many_connections_from_one_address"));
        drop(peer);
        connect(&server.connector(), server.addr, way).await.unwrap();
    }
}

#[tokio::test]
async fn a_newcomer_over_quic_proves_its_address_when_there_are_many() {
    let config = SecurePortConfig { retry_above: 0, ..Default::default() };
    let server = Server::start(config).await;
    let (initial, socket) = (initial(&server.connector()).await, stranger().await);
    socket.send_to(&initial, server.addr).await.unwrap();
    let mut answer = [0; 2000];
    let (length, _) = soon(socket.recv_from(&mut answer)).await.unwrap();
    assert_eq!(answer[0] & 0xf0, 0xf0, "a Retry");
    assert!(10 * length < initial.len(), "{length} bytes for {}", initial.len());
    connect(&server.connector(), server.addr, "quic").await.unwrap();
}

#[tokio::test]
async fn strangers_over_quic_are_ignored_above_the_limit_and_forgotten_after_a_while() {
    let config = SecurePortConfig {
        max_handshakes: 2,
        handshake_timeout: Duration::from_millis(500),
        ..Default::default()
    };
    let server = Server::start(config).await;
    let mut strangers = Vec::new();
    for _ in 0..3 {
        strangers.push((initial(&server.connector()).await, stranger().await));
    }
    let mut answers = 0;
    for (initial, socket) in &strangers {
        socket.send_to(initial, server.addr).await.unwrap();
        let answered = timeout(Duration::from_millis(100), socket.recv_from(&mut [0; 2000])).await;
        answers += usize::from(answered.is_ok());
    }
    assert_eq!(answers, 2);
    connect(&server.connector(), server.addr, "quic").await.unwrap();
}

#[tokio::test]
async fn who_comes_when_the_listener_is_gone_is_sent_away() {
    let log = Log::default();
    let _guard = log.capture();
    let server = Server::start(SecurePortConfig::default()).await;
    let connector = server.connector();
    drop(server.listener);
    for (way, lines) in [("quic", 1), ("tls", 2)] {
        if let Ok(mut client) = connect(&connector, server.addr, way).await {
            until_closed(&mut client).await;
        }
        assert_eq!(log.lines("listener_full_or_gone").await.len(), lines);
    }
}

#[tokio::test]
async fn who_waits_for_a_full_listener_does_not_wait_for_ever() {
    let log = Log::default();
    let _guard = log.capture();
    let config = SecurePortConfig {
        handshake_timeout: Duration::from_secs(1),
        max_handshakes_per_ip: 1000,
        max_connections_per_ip: 1000,
        ..Default::default()
    };
    let server = Server::start(config).await;
    let mut clients = Vec::new();
    for _ in 0..=super::super::port::MAX_WAITING {
        clients.push(connect(&server.connector(), server.addr, "tls").await.unwrap());
    }
    assert_eq!(log.lines("handshake_timed_out").await.len(), 1);
    until_closed(clients.last_mut().unwrap()).await;
}

#[tokio::test]
async fn a_port_that_is_closed_accepts_nobody_and_cuts_nobody_off() {
    for way in ["quic", "tls"] {
        let mut server = Server::start(SecurePortConfig::default()).await;
        let mut client = connect(&server.connector(), server.addr, way).await.unwrap();
        let mut peer = server.accept().await;
        let connector = server.connector();
        drop(server.handle);
        assert_eq!(server.listener.accept().await.unwrap_err().kind(), io::ErrorKind::NotConnected);
        hello(&mut peer).await;
        peer.write.write_all(b"hello").await.unwrap();
        peer.write.flush().await.unwrap();
        hello(&mut client).await;
        let again = timeout(Duration::from_millis(200), connector.tls(server.addr)).await;
        assert!(!matches!(again, Ok(Ok(_))));
    }
}

#[tokio::test]
async fn closing_a_port_tells_those_who_are_left() {
    let config =
        SecurePortConfig { close_timeout: Duration::from_millis(50), ..Default::default() };
    let mut server = Server::start(config).await;
    let mut client = connect(&server.connector(), server.addr, "quic").await.unwrap();
    let _peer = server.accept().await;
    soon(server.handle.close()).await;
    assert!(soon(client.read.read(&mut [0])).await.is_err(), "long before it would time out");
}

#[tokio::test]
async fn both_sockets_have_the_same_number() {
    let server = Server::start(SecurePortConfig::default()).await;
    assert_ne!(server.addr.port(), 0);
    assert!(UdpSocket::bind(server.addr).await.is_err());
    assert!(tokio::net::TcpListener::bind(server.addr).await.is_err());
}

async fn connect_from(ip: [u8; 4], addr: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((ip, 0).into()).unwrap();
    socket.connect(addr).await.unwrap()
}

async fn stranger() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").await.unwrap()
}

/// The first packet of a client that will never send another.
async fn initial(connector: &SecureConnector) -> Vec<u8> {
    let black_hole = stranger().await;
    let addr = black_hole.local_addr().unwrap();
    let mut packet = vec![0; 2000];
    tokio::select! {
        _ = connector.quic(addr) => panic!("nobody answers"),
        received = soon(black_hole.recv_from(&mut packet)) => packet.truncate(received.unwrap().0),
    }
    packet
}
