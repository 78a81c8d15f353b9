//! QUIC and pings on one socket.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
};

use tokio::{net::UdpSocket, time::sleep};

use super::*;
use crate::{
    Rate,
    transport::{datagram::Ping, secure::DatagramCounts},
};

async fn socket_to(addr: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(addr).await.unwrap();
    socket
}

/// Waits until `datagrams` of the port are as `wanted` says.
async fn counted(server: &Server, wanted: impl Fn(DatagramCounts) -> bool) -> DatagramCounts {
    let counted = async {
        while !wanted(server.handle.datagrams()) {
            sleep(Duration::from_millis(5)).await;
        }
    };
    soon(counted).await;
    server.handle.datagrams()
}

#[tokio::test]
async fn a_ping_is_answered_and_its_answer_is_not() {
    let server = Server::start(SecurePortConfig::default()).await;
    let socket = socket_to(server.addr).await;
    let ping = Ping { nonce: [7; 12] };
    let mut answer = [0; 100];
    for _ in 0..3 {
        socket.send(&ping.request()).await.unwrap();
        let length = soon(socket.recv(&mut answer)).await.unwrap();
        assert_eq!(Ping::from_reply(&answer[..length]), Some(ping));
    }
    socket.send(&ping.reply()).await.unwrap();
    socket.send(b"\xff\xff\xff\xffTSource Engine Query\0").await.unwrap();
    socket.send(b"hello").await.unwrap();
    let counts = counted(&server, |counts| counts.unknown == 1).await;
    assert_eq!((counts.pings_answered, counts.other_protocols, counts.game_queries), (3, 1, 1));
    assert!(socket.try_recv(&mut answer).is_err());
}

#[tokio::test]
async fn a_network_gets_only_so_many_answers() {
    let pings = Some(Rate { per_second: 1, burst: 4 });
    let server = Server::start(SecurePortConfig { pings, ..Default::default() }).await;
    let socket = socket_to(server.addr).await;
    for _ in 0..50 {
        socket.send(&Ping { nonce: [7; 12] }.request()).await.unwrap();
    }
    let all = |counts: DatagramCounts| counts.pings_answered + counts.pings_over_limit == 50;
    let counts = counted(&server, all).await;
    assert!((5..10).contains(&counts.pings_answered), "{counts:?}");
}

#[tokio::test]
async fn without_a_limit_nothing_is_answered() {
    let server = Server::start(SecurePortConfig { pings: None, ..Default::default() }).await;
    socket_to(server.addr).await.send(&Ping { nonce: [7; 12] }.request()).await.unwrap();
    let counts = counted(&server, |counts| counts.pings_over_limit == 1).await;
    assert_eq!(counts.pings_answered, 0);
}

#[tokio::test]
async fn quic_is_served_beside_a_flood_of_pings_and_queries() {
    let mut server = Server::start(SecurePortConfig::default()).await;
    let connector = server.connector();
    let mut client = connect(&connector, server.addr, "quic").await.unwrap();
    let mut echo = server.accept().await;
    hello(&mut echo).await;
    let echoing = tokio::spawn(async move {
        let mut bytes = [0; 5];
        while echo.read.read_exact(&mut bytes).await.is_ok() {
            echo.write.write_all(&bytes).await.unwrap();
        }
    });
    let flood = Flood::start(server.addr);
    loop {
        client.write.write_all(b"hello").await.unwrap();
        soon(client.read.read_exact(&mut [0; 5])).await.unwrap();
        let counts = server.handle.datagrams();
        if counts.pings_over_limit > 1000 && counts.game_queries > 1000 {
            break;
        }
    }
    flood.end();
    drop(client);
    soon(echoing).await.unwrap();
}

/// Ten pings and ten queries every millisecond, from a thread of its own.
struct Flood {
    enough: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Flood {
    /// Returns when it has begun.
    fn start(addr: SocketAddr) -> Self {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(addr).unwrap();
        socket.set_nonblocking(true).unwrap();
        let (enough, (begun, has_begun)) = (Arc::<AtomicBool>::default(), mpsc::channel());
        let stop = enough.clone();
        let thread = thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                for _ in 0..10 {
                    let _ = socket.send(&Ping { nonce: [7; 12] }.request());
                    let _ = socket.send(b"\xff\xff\xff\xffTSource Engine Query\0");
                    let _ = socket.recv(&mut [0; 100]);
                }
                let _ = begun.send(());
                thread::sleep(Duration::from_millis(1));
            }
        });
        has_begun.recv().unwrap();
        Self { enough, thread }
    }

    fn end(self) {
        self.enough.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
    }
}
