//! The whole port, over real sockets.

use std::time::{Duration, Instant};

use connection_handler::transport::mux::{Kind, MuxConfig, MuxHandle, PortMux, SnifferConfig};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

use crate::flights::flights;

const KINDS: [Kind; 4] = [Kind::Plain, Kind::Tls, Kind::Http1, Kind::Http2];

async fn mux(config: MuxConfig) -> PortMux {
    PortMux::new(TcpListener::bind("127.0.0.1:0").await.unwrap(), config)
}

async fn connect(handle: &MuxHandle) -> TcpStream {
    TcpStream::connect(handle.local_addr().unwrap()).await.unwrap()
}

fn with_timeout(limit: Duration) -> MuxConfig {
    let sniffer = SnifferConfig { timeout: limit, ..Default::default() };
    MuxConfig { sniffer, ..Default::default() }
}

/// Waits for what must happen within a few seconds.
async fn soon<T>(work: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), work).await.expect("it did not happen in time")
}

async fn until_closed(client: &mut TcpStream) -> Vec<u8> {
    let mut heard = Vec::new();
    let _ = soon(client.read_to_end(&mut heard)).await;
    heard
}

#[tokio::test]
async fn each_protocol_comes_to_its_listener() {
    let mut mux = mux(MuxConfig::default()).await;
    let mut listeners = KINDS.map(|kind| (kind, mux.listener(kind)));
    let handle = mux.start();
    for (kind, flight) in flights() {
        let mut client = connect(&handle).await;
        let (first, rest) = flight.split_at(1);
        client.write_all(first).await.unwrap();
        client.write_all(rest).await.unwrap();
        let (_, listener) = listeners.iter_mut().find(|(of, _)| *of == kind).unwrap();
        let mut server = soon(listener.next()).await.unwrap();
        let mut read = vec![0; flight.len()];
        soon(server.stream.read_exact(&mut read)).await.unwrap();
        assert!(read == flight);
        server.stream.write_all(b"hi").await.unwrap();
        drop(server);
        assert_eq!(until_closed(&mut client).await, b"hi", "and nothing before it");
    }
    assert!(handle.closed().is_empty());
}

#[tokio::test]
async fn what_matches_nothing_is_closed_and_counted() {
    let mut mux = mux(MuxConfig::default()).await;
    let _http = mux.listener(Kind::Http1);
    let handle = mux.start();
    for bytes in [b"SSH-2.0-x".as_slice(), b"\x16\x03\x01\0\x05\x01", b"\x01\0x"] {
        let mut client = connect(&handle).await;
        client.write_all(bytes).await.unwrap();
        assert!(until_closed(&mut client).await.is_empty());
    }
    let mut client = connect(&handle).await;
    client.write_all(b"PROXY ").await.unwrap();
    until_closed(&mut client).await;
    let mut client = connect(&handle).await;
    client.write_all(b"GE").await.unwrap();
    client.shutdown().await.unwrap();
    until_closed(&mut client).await;
    let closed = handle.closed();
    assert_eq!(closed["unknown_protocol"], 3);
    assert_eq!((closed["proxy_header_untrusted"], closed["sniff_left"]), (1, 1));
}

#[tokio::test]
async fn who_is_silent_or_slow_is_closed_at_the_deadline() {
    let limit = Duration::from_secs(1);
    let mut mux = mux(with_timeout(limit)).await;
    let _listeners = KINDS.map(|kind| mux.listener(kind));
    let handle = mux.start();
    let begin = Instant::now();
    let clients = ["", "G", "trickle"].map(|what| {
        let handle = &handle;
        async move {
            let (mut read, mut write) = connect(handle).await.into_split();
            let trickle = async {
                // A frame would be told by its second byte, HTTP/2 takes its time.
                for byte in b"PRI * HTTP/2.0\r\n\r\nSM\r\n".iter().take_while(|_| what == "trickle")
                {
                    let _ = write.write_all(&[*byte]).await;
                    sleep(limit / 15).await;
                }
                if what == "G" {
                    write.write_all(b"G").await.unwrap();
                }
                std::future::pending::<()>().await;
            };
            let mut nothing = Vec::new();
            tokio::select! {
                _ = read.read_to_end(&mut nothing) => {}
                () = trickle => {}
            }
            assert!(nothing.is_empty());
            begin.elapsed()
        }
    });
    for took in soon(futures_util::future::join_all(clients)).await {
        assert!(took >= limit.mul_f32(0.9), "{took:?}");
        assert!(took <= limit.mul_f32(1.1) + Duration::from_millis(300), "{took:?}");
    }
    assert_eq!(handle.closed()["sniff_timed_out"], 3);
}

#[tokio::test]
async fn closing_does_not_wait_for_the_silent() {
    let mut mux = mux(with_timeout(Duration::from_secs(3600))).await;
    let mut http = mux.listener(Kind::Http1);
    let handle = mux.start();
    let mut silent = [connect(&handle).await, connect(&handle).await];
    silent[1].write_all(b"G").await.unwrap();
    let mut served = connect(&handle).await;
    served.write_all(b"GET / ").await.unwrap();
    let mut server = soon(http.next()).await.unwrap();
    soon(handle.close()).await;
    for client in &mut silent {
        assert!(until_closed(client).await.is_empty());
    }
    assert!(http.next().await.is_none());
    server.stream.write_all(b"still here").await.unwrap();
    drop(server);
    assert_eq!(until_closed(&mut served).await, b"still here");
}

#[tokio::test]
async fn a_listener_that_takes_nobody_delays_no_other() {
    let config = MuxConfig { queue: 1, ..with_timeout(Duration::from_millis(300)) };
    let mut mux = mux(config).await;
    let (_full, mut tls) = (mux.listener(Kind::Http1), mux.listener(Kind::Tls));
    let gone = mux.listener(Kind::Http2);
    drop(gone);
    let handle = mux.start();
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = connect(&handle).await;
        client.write_all(b"GET / ").await.unwrap();
        clients.push(client);
    }
    let mut client = connect(&handle).await;
    client.write_all(b"\x16\x03\x01\0\x05\x01").await.unwrap();
    soon(tls.next()).await.unwrap();
    let mut nobody = connect(&handle).await;
    nobody.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    until_closed(&mut nobody).await;
    // One of the three waits in the queue, whoever was first.
    let full = async {
        while handle.closed().get("listener_full") != Some(&2) {
            sleep(Duration::from_millis(5)).await;
        }
    };
    soon(full).await;
    assert_eq!(handle.closed()["listener_gone"], 1);
}

#[tokio::test]
async fn so_many_may_wait_and_so_many_from_one_address() {
    let config = MuxConfig { max_waiting: 3, max_waiting_per_ip: 2, ..Default::default() };
    let mut mux = mux(config).await;
    let mut http = mux.listener(Kind::Http1);
    let handle = mux.start();
    let mut held = vec![connect(&handle).await, connect(&handle).await];
    until_closed(&mut connect(&handle).await).await;
    let other = tokio::net::TcpSocket::new_v4().unwrap();
    other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = other.connect(handle.local_addr().unwrap()).await.unwrap();
    other.write_all(b"GET / ").await.unwrap();
    soon(http.next()).await.unwrap();
    // Who has left or was served makes room.
    held.pop();
    let served = async {
        loop {
            let mut again = connect(&handle).await;
            let _ = again.write_all(b"GET / ").await;
            if timeout(Duration::from_millis(200), http.next()).await.is_ok() {
                break;
            }
        }
    };
    soon(served).await;
    assert!(handle.closed()["too_many_waiting_from_one_address"] >= 1);
}
