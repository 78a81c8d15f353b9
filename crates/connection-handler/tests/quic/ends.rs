//! How connections end, and who hears why.

use std::{sync::mpsc, time::Duration};

use connection_handler::{
    CloseCode, ConnectionConfig, DisconnectReason, Drain, Goodbye, Peer,
    transport::{
        Listener,
        keys::Identity,
        secure::{SecureConnector, SecurePort, SecurePortConfig},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout},
};

use crate::{ALPN, Server, client, control};

fn goodbye(code: CloseCode, reason: &str) -> Option<Goodbye> {
    Some(Goodbye { code, reason: reason.into() })
}

#[actix::test]
async fn the_other_side_hears_why_after_the_last_words() {
    let mut server = Server::start(ConnectionConfig::default()).await;
    for (drains, expected) in [
        (false, goodbye(CloseCode::Kicked, "you are banned")),
        (true, goodbye(CloseCode::ShuttingDown, "shutting down")),
    ] {
        let (_client, mut heard) = client(server.connector(server.port.local_addr())).await;
        let peer = server.side.connected().await;
        assert_eq!(server.side.word().await, control("hello"));
        peer.send(control("last words"));
        if drains {
            let drain = Drain { patience: Duration::ZERO };
            server.handler.send(drain).await.unwrap();
        } else {
            peer.disconnect("you are banned");
        }
        assert_eq!(heard.word().await, control("last words"));
        let gone = heard.gone().await;
        assert!(matches!(gone.reason, DisconnectReason::RemoteClose), "{}", gone.reason);
        assert_eq!(gone.goodbye, expected);
        assert_eq!(server.side.gone().await.goodbye, None, "nobody has told the server");
    }
}

#[actix::test]
async fn who_does_not_read_is_a_slow_consumer() {
    let config =
        ConnectionConfig { write_timeout: Duration::from_millis(300), ..Default::default() };
    let mut server = Server::start(config).await;
    let connector = server.connector(server.port.local_addr());
    let mut client = connector.connect().await.unwrap();
    assert_eq!(client.transport, "quic");
    client.write.write_all(b"\x02\0ca").await.unwrap();
    let peer = server.side.connected().await;
    assert_eq!(server.side.word().await, control("a"));
    // More than the windows of the one side and of the other, in a queue that has room for it.
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(10) && !peer.is_congested() {
        peer.send(control("x".repeat(50_000)));
        tokio::task::yield_now().await;
    }
    let gone = server.side.gone().await;
    assert!(matches!(gone.reason, DisconnectReason::SlowConsumer), "{}", gone.reason);
    let error = client.read.read_to_end(&mut Vec::new()).await.unwrap_err();
    assert!(format!("{error:?}").contains("ApplicationClose"), "{error:?}");
}

/// The first server is gone with its runtime, and says nothing, as if it had been killed.
#[actix::test]
async fn a_server_that_was_killed_and_started_again_resets_its_connections() {
    let identity = Identity::ephemeral().unwrap();
    let (ready, started) = mpsc::channel();
    let first = std::thread::spawn({
        let identity = identity.clone();
        move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let connection = runtime.block_on(async {
                let addr = "127.0.0.1:0".parse().unwrap();
                let config = SecurePortConfig::default();
                let mut port = SecurePort::bind(addr, &identity, config).await.unwrap();
                let mut listener = port.listener(ALPN);
                let handle = port.start();
                ready.send(handle.local_addr()).unwrap();
                let mut peer = listener.accept().await.unwrap().await.unwrap();
                peer.read.read_exact(&mut [0; 5]).await.unwrap();
                peer.write.write_all(b"hello").await.unwrap();
                peer.write.flush().await.unwrap();
                // Until that has been sent.
                tokio::time::sleep(Duration::from_millis(100)).await;
                (peer, listener, handle)
            });
            drop(runtime);
            drop(connection);
        }
    });
    let addr = started.recv().unwrap();
    let connector = SecureConnector::new(addr, ALPN, identity.fingerprint().into(), None);
    let mut client = connector.connect().await.unwrap();
    client.write.write_all(b"hello").await.unwrap();
    client.read.read_exact(&mut [0; 5]).await.unwrap();
    first.join().unwrap();

    let bind = async {
        loop {
            let config = SecurePortConfig::default();
            match SecurePort::bind(addr, &identity, config).await {
                Ok(port) => return port,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    };
    let mut port = timeout(Duration::from_secs(10), bind).await.unwrap();
    let _listener = port.listener(ALPN);
    let _handle = port.start();
    client.write.write_all(b"are you there?").await.unwrap();
    let mut byte = [0];
    let read = timeout(Duration::from_secs(3), client.read.read(&mut byte));
    let error = read.await.expect("it waits for the idle timeout").unwrap_err();
    assert!(format!("{error:?}").contains("Reset"), "{error:?}");
}
