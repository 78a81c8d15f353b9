//! Who talks to whom, and by which way.

use tokio::net::{TcpListener, UdpSocket};

use super::*;
use crate::transport::{keys::KeyFingerprint, secure::accept::Doors};

const WAYS: [&str; 2] = ["quic", "tls"];

#[tokio::test]
async fn both_ways_lead_to_the_listener() {
    let mut server = Server::start(SecurePortConfig::default()).await;
    for way in WAYS {
        let mut client = connect(&server.connector(), server.addr, way).await.unwrap();
        let mut peer = server.accept().await;
        hello(&mut peer).await;
        peer.write.write_all(b"hello").await.unwrap();
        peer.write.flush().await.unwrap();
        hello(&mut client).await;
        assert_eq!((client.transport, peer.transport), (way, way));
        assert_eq!(client.remote_addr, server.addr);
        assert_eq!(client.identity, Some(server.identity.fingerprint()));
        assert_eq!(peer.identity, None);
    }
}

#[tokio::test]
async fn a_port_for_ipv6_serves_both_and_knows_an_ipv4_address_as_such() {
    let identity = Identity::ephemeral().unwrap();
    let addr = "[::]:0".parse().unwrap();
    let mut port = SecurePort::bind(addr, &identity, Default::default()).await.unwrap();
    let mut listener = port.listener(ALPN);
    let handle = port.start();
    for ip in ["127.0.0.1", "::1"] {
        let addr = SocketAddr::new(ip.parse().unwrap(), handle.local_addr().port());
        let trust = Trust::from(identity.fingerprint());
        let connector = SecureConnector::new(addr, ALPN, trust, None);
        for way in WAYS {
            let _client = connect(&connector, addr, way).await.unwrap();
            assert_eq!(soon(accept(&mut listener)).await.remote_addr.ip(), addr.ip(), "{way}");
        }
    }
}

#[tokio::test]
async fn quic_comes_first() {
    let mut server = Server::start(SecurePortConfig::default()).await;
    let mut client = server.connector().connect().await.unwrap();
    client.write.write_all(b"hello").await.unwrap();
    assert_eq!(client.transport, "quic");
    hello(&mut server.accept().await).await;
}

#[tokio::test]
async fn the_key_of_a_client_is_known_to_the_server() {
    let mut server = Server::start(SecurePortConfig::default()).await;
    let identity = Identity::ephemeral().unwrap();
    let trust = Trust::from(server.identity.fingerprint());
    let connector = SecureConnector::new(server.addr, ALPN, trust, Some(identity.clone()));
    for way in WAYS {
        let _client = connect(&connector, server.addr, way).await.unwrap();
        assert_eq!(server.accept().await.identity, Some(identity.fingerprint()));
    }
}

#[tokio::test]
async fn a_server_with_a_key_that_is_not_pinned_is_refused() {
    let server = Server::start(SecurePortConfig::default()).await;
    let other = KeyFingerprint::from_bytes([7; 32]);
    for (pins, welcome) in
        [(vec![], false), (vec![other], false), (vec![other, server.identity.fingerprint()], true)]
    {
        let connector = SecureConnector::new(server.addr, ALPN, Trust::Pins(pins.clone()), None);
        for way in WAYS {
            let result = connect(&connector, server.addr, way).await;
            assert_eq!(result.is_ok(), welcome, "{way} with {pins:?}: {result:?}");
        }
    }
}

#[tokio::test]
async fn a_server_with_a_stolen_certificate_is_refused() {
    let (owner, thief) = (Identity::ephemeral().unwrap(), Identity::ephemeral().unwrap());
    let server = Server::start_as(Identity::stolen(&owner, &thief), Default::default()).await;
    let trust = Trust::from(owner.fingerprint());
    let connector = SecureConnector::new(server.addr, ALPN, trust, None);
    for way in WAYS {
        let error = connect(&connector, server.addr, way).await.unwrap_err();
        assert!(error.to_string().contains("BadSignature"), "{way}: {error}");
    }
    let error = soon(connector.connect()).await.unwrap_err().to_string();
    assert!(error.contains("over QUIC") && error.contains("over TLS"), "{error}");
}

#[tokio::test]
async fn a_client_with_a_stolen_certificate_is_refused() {
    let log = Log::default();
    let _guard = log.capture();
    let mut server = Server::start(SecurePortConfig::default()).await;
    let (owner, thief) = (Identity::ephemeral().unwrap(), Identity::ephemeral().unwrap());
    let trust = Trust::from(server.identity.fingerprint());
    for (way, kind) in [("quic", "transport=\"quic\""), ("tls", "transport=\"tcp\"")] {
        let stolen = Identity::stolen(&owner, &thief);
        let connector = SecureConnector::new(server.addr, ALPN, trust.clone(), Some(stolen));
        // It believes to be connected until the server has looked at its signature.
        if let Ok(mut client) = connect(&connector, server.addr, way).await {
            until_closed(&mut client).await;
        }
        let refused = log.lines(kind).await;
        assert!(refused[0].contains("handshake_failed"), "{refused:?}");
        assert_eq!(refused.len(), 1);
    }
    // Nobody got through before an honest client does.
    let _client = connect(&server.connector(), server.addr, "tls").await.unwrap();
    assert_eq!(server.accept().await.identity, None);
}

#[tokio::test]
async fn the_application_protocol_decides_the_listener() {
    let identity = Identity::ephemeral().unwrap();
    let addr = "127.0.0.1:0".parse().unwrap();
    let mut port = SecurePort::bind(addr, &identity, Default::default()).await.unwrap();
    let mut listeners = [("one/1", port.listener("one/1")), ("two/1", port.listener("two/1"))];
    let handle = port.start();
    let connector =
        |alpn| SecureConnector::new(handle.local_addr(), alpn, identity.fingerprint().into(), None);
    for way in WAYS {
        for (alpn, listener) in &mut listeners {
            let _client = connect(&connector(alpn), handle.local_addr(), way).await.unwrap();
            hello(&mut soon(accept(listener)).await).await;
        }
        let refused = connect(&connector("three/1"), handle.local_addr(), way).await;
        assert!(refused.is_err(), "{way}");
    }
}

#[tokio::test]
async fn who_names_no_application_protocol_is_refused() {
    let log = Log::default();
    let _guard = log.capture();
    let server = Server::start(SecurePortConfig::default()).await;
    let mut connector = server.connector();
    Arc::make_mut(&mut connector.tls).alpn_protocols.clear();
    if let Ok(mut client) = connect(&connector, server.addr, "tls").await {
        until_closed(&mut client).await;
    }
    assert!(log.lines("refused").await[0].contains("no_application_protocol"));
}

#[tokio::test]
async fn tls_is_used_where_udp_does_not_get_through() {
    for swallowed in [false, true] {
        let (addr, identity, mut listener) = tcp_only().await;
        let _black_hole = match swallowed {
            true => Some(UdpSocket::bind(addr).await.unwrap()),
            false => None,
        };
        let trust = Trust::from(identity.fingerprint());
        let connector = SecureConnector::new(addr, ALPN, trust, None);
        let client = soon(connector.connect()).await.unwrap();
        assert_eq!(client.transport, "tls");
        assert_eq!(soon(accept(&mut listener)).await.transport, "tls");
    }
}

#[tokio::test]
async fn the_next_address_is_tried_when_nobody_answers_at_the_first() {
    let mut server = Server::start(SecurePortConfig::default()).await;
    let nobody = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let trust = Trust::from(server.identity.fingerprint());
    let connector = SecureConnector::new(vec![nobody, server.addr], ALPN, trust, None);
    let mut client = soon(connector.connect()).await.unwrap();
    client.write.write_all(b"hello").await.unwrap();
    hello(&mut server.accept().await).await;
    assert_eq!(client.remote_addr, server.addr);
}

#[tokio::test]
async fn a_name_is_resolved_and_checked_against_authorities() {
    let dir = tempfile::tempdir().unwrap();
    let identity = Identity::load_or_create(dir.path(), "server").unwrap();
    let server = Server::start_as(identity, SecurePortConfig::default()).await;
    let trust = Trust::from_pem_file(dir.path().join("server.cert.pem")).unwrap();
    let addresses = format!("localhost:{}", server.addr.port());
    let connector = SecureConnector::new(addresses, ALPN, trust, None);
    for way in WAYS {
        connect(&connector, server.addr, way).await.unwrap();
        let other_name = connector.clone().with_server_name("example.org");
        assert!(connect(&other_name, server.addr, way).await.is_err(), "{way}");
    }
    let mut client = soon(connector.connect()).await.unwrap();
    client.write.write_all(b"hello").await.unwrap();
}

#[tokio::test]
async fn last_words_arrive_both_ways() {
    const WORDS: usize = 200_000;
    let mut server = Server::start(SecurePortConfig::default()).await;
    for way in WAYS {
        for client_speaks in [true, false] {
            let client = connect(&server.connector(), server.addr, way).await.unwrap();
            let mut peer = server.accept().await;
            hello(&mut peer).await;
            let (mut speaker, mut hearer) =
                if client_speaks { (client, peer) } else { (peer, client) };
            let speak = async move {
                speaker.write.write_all(&[b'x'; WORDS]).await.unwrap();
                speaker.write.shutdown().await.unwrap();
                drop(speaker);
            };
            let hear = async {
                let mut heard = Vec::new();
                hearer.read.read_to_end(&mut heard).await.unwrap();
                heard.len()
            };
            let ((), heard) = soon(async { tokio::join!(speak, hear) }).await;
            assert_eq!(heard, WORDS, "{way}, the client speaks: {client_speaks}");
        }
    }
}

/// A port without UDP.
async fn tcp_only() -> (SocketAddr, Identity, SecureListener) {
    let identity = Identity::ephemeral().unwrap();
    let addr = "127.0.0.1:0".parse().unwrap();
    let mut port = SecurePort::bind(addr, &identity, Default::default()).await.unwrap();
    let listener = port.listener(ALPN);
    let routes = port.tcp_routes();
    let doors = Arc::new(Doors::new(port.config, port.listeners));
    // The number of the old one may be taken already by somebody else's UDP.
    let tcp = loop {
        let tcp = TcpListener::bind(addr).await.unwrap();
        if UdpSocket::bind(tcp.local_addr().unwrap()).await.is_ok() {
            break tcp;
        }
    };
    let addr = tcp.local_addr().unwrap();
    tokio::spawn(doors.accept_tcp(tcp, routes));
    (addr, identity, listener)
}
