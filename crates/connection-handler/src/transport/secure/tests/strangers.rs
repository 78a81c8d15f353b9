//! A crowd of strangers over QUIC.

use std::collections::HashSet;

use tokio::{
    net::UdpSocket,
    task::JoinHandle,
    time::{Instant, sleep},
};

use super::*;

const STRANGERS: usize = 500;

/// What became of a crowd.
struct Crowd {
    sent: usize,
    received: usize,
    most_connections: usize,
}

/// The first packets of so many clients that will never send another, each from its own address,
/// and all that comes back until the server has forgotten them.
async fn crowd(server: &Server) -> Crowd {
    let initials = initials(&server.connector(), STRANGERS).await;
    let mut sockets = Vec::new();
    for number in 0..STRANGERS {
        let [high, low] = u16::try_from(number).unwrap().to_be_bytes();
        sockets
            .push(UdpSocket::bind(SocketAddr::from(([127, 0, 10 + high, low], 0))).await.unwrap());
    }
    let endpoint = server.handle.endpoints().get(server.addr).unwrap();
    let (mut crowd, before) =
        (Crowd { sent: 0, received: 0, most_connections: 0 }, endpoint.open_connections());
    for (socket, initial) in sockets.iter().zip(&initials) {
        crowd.sent += socket.send_to(initial, server.addr).await.unwrap();
        // As fast as the server reads, or the kernel throws them away.
        tokio::task::yield_now().await;
    }
    let mut buffer = [0; 2000];
    let begin = Instant::now();
    let mut forgotten = None;
    // It may have something to say to them for a while after that.
    while forgotten.is_none_or(|at: Instant| at.elapsed() < Duration::from_millis(500)) {
        let open = endpoint.open_connections();
        crowd.most_connections = crowd.most_connections.max(open);
        if open <= before && forgotten.is_none() && begin.elapsed() > Duration::from_millis(300) {
            forgotten = Some(Instant::now());
        }
        for socket in &sockets {
            while let Ok((length, _)) = socket.try_recv_from(&mut buffer) {
                crowd.received += length;
            }
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "{open} are not forgotten");
        sleep(Duration::from_millis(10)).await;
    }
    crowd
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_get_little_back_and_are_forgotten() {
    for (retry_above, most) in [(usize::MAX, 3.2), (0, 0.1)] {
        let config = SecurePortConfig {
            retry_above,
            handshake_timeout: Duration::from_secs(1),
            ..Default::default()
        };
        let mut server = Server::start(config).await;
        let crowd = crowd(&server).await;
        let factor = crowd.received as f64 / crowd.sent as f64;
        println!(
            "Retry above {retry_above}: {} bytes sent, {factor:.3} times as many came back, {} \
             connections at most",
            crowd.sent, crowd.most_connections
        );
        assert!(crowd.received > 0 && factor <= most, "{factor} times as many");
        if retry_above == 0 {
            assert_eq!(crowd.most_connections, 0, "nothing is kept of them");
        }
        let _client = connect(&server.connector(), server.addr, "quic").await.unwrap();
        hello(&mut server.accept().await).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_goodbye_at_once_and_is_remembered_counts_for_retry() {
    const MANY: usize = 20;
    let config = SecurePortConfig { retry_above: MANY, ..Default::default() };
    let server = Server::start(config).await;
    let connector = server.connector();
    let initial = initials(&connector, 1).await.remove(0);
    let endpoint = server.handle.endpoints().get(server.addr).unwrap();
    let mut sockets = Vec::new();
    for number in 0..MANY {
        let from = SocketAddr::from(([127, 0, 20, u8::try_from(number).unwrap() + 1], 0));
        let socket = UdpSocket::bind(from).await.unwrap();
        socket.send_to(&goodbye(&connector).await, server.addr).await.unwrap();
        sockets.push(socket);
    }
    soon(async {
        while endpoint.open_connections() < MANY {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    // Time for several newcomers, if it were for their rate.
    sleep(Duration::from_millis(300)).await;
    assert!(endpoint.open_connections() >= MANY, "they are not remembered");
    let stranger = UdpSocket::bind("127.0.21.1:0").await.unwrap();
    stranger.send_to(&initial, server.addr).await.unwrap();
    let mut answer = [0; 2000];
    soon(stranger.recv_from(&mut answer)).await.unwrap();
    assert_eq!(answer[0] & 0xF0, 0xF0, "a Retry (RFC 9000, section 17.2.5)");
}

/// What somebody says who gives up before anybody has answered: all they ever say.
async fn goodbye(connector: &SecureConnector) -> Vec<u8> {
    let black_hole = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let addr = black_hole.local_addr().unwrap();
    let mut packet = vec![0; 2000];
    tokio::select! {
        _ = connector.quic(addr) => panic!("nobody answers"),
        first = soon(black_hole.recv_from(&mut packet)) => drop(first.unwrap()),
    }
    let (length, _) = soon(black_hole.recv_from(&mut packet)).await.unwrap();
    packet.truncate(length);
    packet
}

/// How long it takes then is for `cargo xtask bench transport` to say.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_play_are_served_beside_a_crowd_of_strangers() {
    let mut server = Server::start(SecurePortConfig::default()).await;
    let connector = server.connector();
    let mut client = connect(&connector, server.addr, "quic").await.unwrap();
    let mut peer = server.accept().await;
    let echo = tokio::spawn(async move {
        let mut bytes = [0; 5];
        while peer.read.read_exact(&mut bytes).await.is_ok() {
            peer.write.write_all(&bytes).await.unwrap();
        }
    });
    hello(&mut client).await;
    let flood = flood(server.addr, Arc::new(initials(&connector, STRANGERS).await));
    let endpoint = server.handle.endpoints().get(server.addr).unwrap();
    let mut most_connections = 0;
    for _ in 0..500 {
        client.write.write_all(b"hello").await.unwrap();
        hello(&mut client).await;
        most_connections = most_connections.max(endpoint.open_connections());
        sleep(Duration::from_millis(1)).await;
    }
    assert!(most_connections > 1 && !flood.is_finished(), "{most_connections} connections");
    flood.abort();
    echo.abort();
}

/// Sends all of them once a second.
fn flood(addr: SocketAddr, initials: Arc<Vec<Vec<u8>>>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let socket = UdpSocket::bind("127.0.9.1:0").await.unwrap();
        for initial in initials.iter().cycle() {
            socket.send_to(initial, addr).await.unwrap();
            sleep(Duration::from_secs(1) / 500).await;
        }
    })
}

/// The first packets of so many clients.
async fn initials(connector: &SecureConnector, number: usize) -> Vec<Vec<u8>> {
    let black_hole = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let addr = black_hole.local_addr().unwrap();
    let (mut initials, mut known) = (Vec::new(), HashSet::new());
    while initials.len() < number {
        // Only the first packet of each: who is given up says goodbye.
        let first = async {
            loop {
                let mut packet = vec![0; 2000];
                let (length, _) = black_hole.recv_from(&mut packet).await.unwrap();
                packet.truncate(length);
                if known.insert(packet[6..14].to_vec()) {
                    return packet;
                }
            }
        };
        tokio::select! {
            _ = connector.quic(addr) => panic!("nobody answers"),
            first = soon(first) => initials.push(first),
        }
    }
    initials
}
