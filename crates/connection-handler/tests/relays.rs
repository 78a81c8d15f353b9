//! The relays of the testing kit: what a bad network does, and that it does nothing else.

use std::{collections::HashSet, time::Duration};

use connection_handler::testing::{DatagramImpairments, Impairments, TcpRelay, UdpRelay, relays};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    time::timeout,
};

/// Numbers that arrive at the target of a relay of which `count` were sent.
async fn arrivals(impairments: DatagramImpairments, count: u16) -> Vec<u16> {
    let target = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let relay = UdpRelay::start(target.local_addr().unwrap(), impairments).await.unwrap();
    let sender = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut buffer = [0; 2];
    let mut arrived = Vec::new();
    for number in 0..count {
        sender.send_to(&number.to_le_bytes(), relay.addr()).await.unwrap();
        // One after the other, so that the kernel loses none.
        while relay.counts().arrived <= u64::from(number) {
            tokio::task::yield_now().await;
        }
        while target.try_recv(&mut buffer).is_ok() {
            arrived.push(u16::from_le_bytes(buffer));
        }
    }
    loop {
        let is_last = relay.counts().on_their_way == 0;
        while let Ok(received) = timeout(QUIET, target.recv(&mut buffer)).await {
            received.unwrap();
            arrived.push(u16::from_le_bytes(buffer));
        }
        if is_last {
            return arrived;
        }
    }
}

#[tokio::test]
async fn a_network_without_faults_changes_nothing() {
    let arrived = arrivals(DatagramImpairments::default(), 200).await;
    assert_eq!(arrived, (0..200).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_same_datagrams_are_lost_in_every_run() {
    let lossy = DatagramImpairments { seed: 7, loss_percent: 20, ..Default::default() };
    let first = arrivals(lossy.clone(), 300).await;
    assert!((200..280).contains(&first.len()), "{} of 300", first.len());
    assert_eq!(arrivals(lossy.clone(), 300).await, first);
    assert_ne!(arrivals(DatagramImpairments { seed: 8, ..lossy }, 300).await, first);
}

#[tokio::test]
async fn datagrams_are_repeated_and_overtake_each_other() {
    let impairments = DatagramImpairments {
        duplicate_percent: 30,
        jitter: Duration::from_millis(50),
        ..Default::default()
    };
    // All of them may come at once, to somebody who was kept from reading: so many have room.
    let arrived = arrivals(impairments, 150).await;
    assert!(arrived.len() > 165, "{}", arrived.len());
    assert_eq!(arrived.iter().collect::<HashSet<_>>().len(), 150);
    assert!(!arrived.is_sorted());
}

#[tokio::test]
async fn after_a_rebind_the_target_sees_another_port() {
    let target = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let relay = UdpRelay::start(target.local_addr().unwrap(), Default::default()).await.unwrap();
    let sender = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    sender.connect(relay.addr()).await.unwrap();
    let mut ports = HashSet::new();
    let mut buffer = [0; 8];
    for round in 1..=3 {
        sender.send(b"hello").await.unwrap();
        let (_, from) = soon(target.recv_from(&mut buffer)).await.unwrap();
        assert!(ports.insert(from.port()));
        target.send_to(b"hi", from).await.unwrap();
        assert_eq!(soon(sender.recv(&mut buffer)).await.unwrap(), 2);
        relay.rebind();
        while relay.counts().rebinds < round {
            tokio::task::yield_now().await;
        }
    }
    relay.set_black_hole(true);
    sender.send(b"hello").await.unwrap();
    assert!(timeout(QUIET, target.recv(&mut buffer)).await.is_err());
    assert_eq!(relay.counts().lost, 1);
}

/// A stream to a relay, and the other end of it.
async fn connected(relay: &TcpRelay, listener: &TcpListener) -> (TcpStream, TcpStream) {
    let client = TcpStream::connect(relay.addr()).await.unwrap();
    (client, soon(listener.accept()).await.unwrap().0)
}

#[tokio::test]
async fn streams_come_in_pieces_and_whole() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let impairments = Impairments {
        max_piece: Some(1),
        max_delay: Duration::from_millis(2),
        ..Default::default()
    };
    let target = listener.local_addr().unwrap();
    let relay = TcpRelay::start(target, impairments).await.unwrap();
    let (mut client, mut server) = connected(&relay, &listener).await;
    let sent: Vec<_> = (0..100_u8).collect();
    client.write_all(&sent).await.unwrap();
    client.shutdown().await.unwrap();
    let (mut received, mut reads) = (Vec::new(), 0);
    while soon(server.read_buf(&mut received)).await.unwrap() > 0 {
        reads += 1;
    }
    assert_eq!(received, sent);
    assert!(reads > 30, "{reads} reads");
    // The other direction is still open.
    server.write_all(b"answer").await.unwrap();
    drop(server);
    let mut answer = String::new();
    soon(client.read_to_string(&mut answer)).await.unwrap();
    assert_eq!(answer, "answer");
}

#[tokio::test]
async fn streams_are_stalled_and_cut() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    let (relay, _datagrams) = relays(target, Default::default(), Default::default()).await.unwrap();
    let (mut client, mut server) = connected(&relay, &listener).await;
    let mut buffer = [0; 8];
    relay.set_stalled(true);
    client.write_all(b"hello").await.unwrap();
    assert!(timeout(QUIET, server.read(&mut buffer)).await.is_err());
    relay.set_stalled(false);
    assert_eq!(soon(server.read(&mut buffer)).await.unwrap(), 5);
    relay.cut();
    assert!(soon(client.read(&mut buffer)).await.is_err());
    assert!(soon(server.read(&mut buffer)).await.is_err());
    let (mut client, mut server) = connected(&relay, &listener).await;
    client.write_all(b"hello").await.unwrap();
    assert_eq!(soon(server.read(&mut buffer)).await.unwrap(), 5);
}

async fn soon<T>(work: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(10), work).await.expect("it did not happen in time")
}

/// After this nothing more is expected.
const QUIET: Duration = Duration::from_millis(200);
