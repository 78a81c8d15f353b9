//! HTTP on the port: who gets in, and how.

use std::sync::Arc;

use bytes::Bytes;
use rustls::{ClientConfig, pki_types::ServerName, version::TLS13};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::*;
use crate::transport::secure::{
    HttpConnection, HttpListener,
    verify::{PinnedServer, provider},
};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n";

/// A port with HTTP beside the listener.
struct HttpServer {
    addr: SocketAddr,
    identity: Identity,
    http: HttpListener,
    listener: SecureListener,
    _handle: SecurePortHandle,
}

impl HttpServer {
    async fn start(config: SecurePortConfig) -> Self {
        let identity = Identity::ephemeral().unwrap();
        let addr = "127.0.0.1:0".parse().unwrap();
        let mut port = SecurePort::bind(addr, &identity, config).await.unwrap();
        let (http, listener) = (port.http(), port.listener(ALPN));
        port.plain_frames(ALPN);
        let handle = port.start();
        Self { addr: handle.local_addr(), identity, http, listener, _handle: handle }
    }

    async fn tls(&self, alpn: &[&[u8]]) -> io::Result<TlsStream<TcpStream>> {
        let mut config = ClientConfig::builder_with_provider(provider().clone())
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(PinnedServer(
                self.identity.fingerprint().into(),
            )))
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|alpn| alpn.to_vec()).collect();
        let stream = TcpStream::connect(self.addr).await?;
        let name = ServerName::try_from("gatehouse").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    async fn accept(&mut self) -> HttpConnection {
        soon(self.http.accept()).await.expect("the port is open")
    }
}

fn plain_http() -> SecurePortConfig {
    SecurePortConfig { plain_http: true, ..Default::default() }
}

/// The request arrives from its first byte on, and an answer goes back.
async fn converses(
    client: &mut (impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin),
    connection: &mut HttpConnection,
) {
    let mut request = vec![0; REQUEST.len()];
    soon(connection.stream.read_exact(&mut request)).await.unwrap();
    assert_eq!(request, REQUEST);
    connection.stream.write_all(b"hello").await.unwrap();
    connection.stream.flush().await.unwrap();
    let mut answer = [0; 5];
    soon(client.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"hello");
}

#[tokio::test]
async fn http_over_tls_is_what_asks_for_it_or_begins_like_it() {
    let mut server = HttpServer::start(SecurePortConfig::default()).await;
    for alpn in [&[b"h2".as_slice(), b"http/1.1"][..], &[]] {
        let mut client = server.tls(alpn).await.unwrap();
        client.write_all(REQUEST).await.unwrap();
        let mut connection = server.accept().await;
        assert!(connection.tls);
        assert_eq!(connection.remote_addr, client.get_ref().0.local_addr().unwrap());
        converses(&mut client, &mut connection).await;
    }
}

#[tokio::test]
async fn http_without_tls_is_for_those_who_want_it() {
    let mut server = HttpServer::start(plain_http()).await;
    let mut client = TcpStream::connect(server.addr).await.unwrap();
    client.write_all(REQUEST).await.unwrap();
    let mut connection = server.accept().await;
    assert!(!connection.tls);
    converses(&mut client, &mut connection).await;

    let log = Log::default();
    let _guard = log.capture();
    let server = HttpServer::start(SecurePortConfig::default()).await;
    let mut client = TcpStream::connect(server.addr).await.unwrap();
    client.write_all(REQUEST).await.unwrap();
    let _ = soon(client.read_to_end(&mut Vec::new())).await;
    assert!(log.lines("refused").await[0].contains("unknown_protocol"));
}

#[tokio::test]
async fn who_asks_for_a_protocol_of_ours_as_well_gets_that() {
    let mut server = HttpServer::start(SecurePortConfig::default()).await;
    let mut client = server.tls(&[b"http/1.1", ALPN.as_bytes()]).await.unwrap();
    client.write_all(b"hello").await.unwrap();
    hello(&mut soon(accept(&mut server.listener)).await).await;
}

#[tokio::test]
async fn who_asks_for_http2_only_is_told_that_it_is_not_spoken() {
    let server = HttpServer::start(plain_http()).await;
    let error = server.tls(&[b"h2"]).await.unwrap_err().to_string();
    assert!(error.contains("NoApplicationProtocol"), "{error}");

    for tls in [false, true] {
        let mut answer = Vec::new();
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        if tls {
            let mut client = server.tls(&[]).await.unwrap();
            client.write_all(preface).await.unwrap();
            soon(client.read_to_end(&mut answer)).await.unwrap();
        } else {
            let mut client = TcpStream::connect(server.addr).await.unwrap();
            client.write_all(preface).await.unwrap();
            soon(client.read_to_end(&mut answer)).await.unwrap();
        }
        assert_eq!(answer[3], 4, "settings come first");
        assert_eq!((answer[12], answer[25]), (7, 0xd), "then GOAWAY, HTTP_1_1_REQUIRED");
    }
}

#[tokio::test]
async fn frames_without_tls_come_to_their_listener() {
    let mut server = HttpServer::start(SecurePortConfig::default()).await;
    let mut client = TcpStream::connect(server.addr).await.unwrap();
    // A frame of three bytes in all, and nothing behind it.
    client.write_all(b"\x01\0x").await.unwrap();
    let mut peer = soon(accept(&mut server.listener)).await;
    assert_eq!((peer.transport, peer.identity), ("tcp", None));
    let mut frame = [0; 3];
    soon(peer.read.read_exact(&mut frame)).await.unwrap();
    assert_eq!(&frame, b"\x01\0x");
    peer.write.write_all(b"hello").await.unwrap();
    let mut answer = [0; 5];
    soon(client.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"hello");
}

#[tokio::test]
async fn a_proxy_says_who_is_behind_it() {
    let proxies = vec!["127.0.0.2/32".parse().unwrap()];
    let config = SecurePortConfig { proxies, max_connections_per_ip: 1, ..plain_http() };
    let mut server = HttpServer::start(config).await;
    let mut held = Vec::new();
    for ip in ["192.0.2.1", "192.0.2.2"] {
        let mut client = from_proxy(&server).await;
        let header = format!("PROXY TCP4 {ip} 127.0.0.1 7 9000\r\n");
        client.write_all(&[header.as_bytes(), REQUEST].concat()).await.unwrap();
        let mut connection = server.accept().await;
        assert_eq!(connection.remote_addr.to_string(), format!("{ip}:7"));
        converses(&mut client, &mut connection).await;
        held.push((client, connection));
    }
    let log = Log::default();
    let _guard = log.capture();
    let mut again = from_proxy(&server).await;
    again.write_all(b"PROXY TCP4 192.0.2.1 127.0.0.1 7 9000\r\n").await.unwrap();
    let _ = soon(again.read_to_end(&mut Vec::new())).await;
    assert!(log.lines("refused").await[0].contains("too_many_connections_from_one_address"));
}

#[tokio::test]
async fn a_proxy_header_where_it_has_no_place_is_the_end() {
    let proxies = vec!["127.0.0.2/32".parse().unwrap()];
    let mut server = HttpServer::start(SecurePortConfig { proxies, ..plain_http() }).await;
    let header = Bytes::from_static(b"PROXY TCP4 192.0.2.1 127.0.0.1 7 9000\r\n");
    let twice = Bytes::from([&header[..], &header].concat());
    for (proxy, bytes, reason) in [
        (false, header.clone(), "proxy_header_untrusted"),
        (true, twice, "proxy_header_nested"),
        (true, Bytes::from_static(REQUEST), "proxy_header_missing"),
        (true, Bytes::from_static(b"PROXY TCP4 192.0.2.001 "), "proxy_header_invalid"),
    ] {
        let log = Log::default();
        let _guard = log.capture();
        let mut client = match proxy {
            true => from_proxy(&server).await,
            false => TcpStream::connect(server.addr).await.unwrap(),
        };
        client.write_all(&bytes).await.unwrap();
        let _ = soon(client.read_to_end(&mut Vec::new())).await;
        let lines = log.lines("refused").await;
        assert!(lines[0].contains(reason), "{lines:?}");
    }
    // Within TLS nobody is a proxy.
    let log = Log::default();
    let _guard = log.capture();
    let mut client = server.tls(&[]).await.unwrap();
    client.write_all(&header).await.unwrap();
    let _ = soon(client.read_to_end(&mut Vec::new())).await;
    assert!(log.lines("refused").await[0].contains("proxy_header_untrusted"));

    // A health check has nothing to say of others.
    let mut client = from_proxy(&server).await;
    client.write_all(b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0").await.unwrap();
    client.write_all(REQUEST).await.unwrap();
    assert_eq!(server.accept().await.remote_addr, client.local_addr().unwrap());
}

async fn from_proxy(server: &HttpServer) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    socket.connect(server.addr).await.unwrap()
}
