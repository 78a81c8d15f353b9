//! What is fuzzed of the web: each function is a whole target, as in `targets.rs`.

use std::{future::pending, io, net::SocketAddr, time::Duration};

use connection_handler::transport::{
    Format,
    http::{HttpArrival, HttpConfig, HttpServer, HttpSource},
    websocket::{self, Subprotocol, WebSocketConfig},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    task::yield_now,
    time::timeout,
};

/// The name of a target, the target, and some bytes that are right.
pub(crate) type Target = (&'static str, fn(&[u8]), &'static [&'static [u8]]);

/// All of them.
pub(crate) const TARGETS: [Target; 2] = [
    (
        "http",
        http,
        &[
            GET,
            UPGRADE,
            b"POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcHEAD /health HTTP/1.0\r\n\r\n",
        ],
    ),
    (
        "websocket",
        websocket,
        &[
            b"\x01\xff\x03\x82\x85\x11\x80\xff\x07\x79\xe5\x93\x6b\x7e\x89\x80\x11\x80\xff\x07",
            b"\x06\xff\x01\x01\x82\0\0\0\0\xc3\xa4\x00\x80\0\0\0\0\x80\x81\0\0\0\0!",
            b"\x00\xff\x07\x82\x8c\0\0\0\0abcdefghijkl\x8a\x80\0\0\0\0\x88\x82\0\0\0\0\x03\xe8",
            b"\x03\x09\x02\x82\xfe\0\x80\x11\x80\xff\x07",
            // Half a character at the end.
            b"\x06\xff\x07\x81\x81\0\0\0\0\xc3",
        ],
    ),
];

const GET: &[u8] = b"GET /health HTTP/1.1\r\nHost: here\r\n\r\nGET / HTTP/1.1\r\n\r\n";
const UPGRADE: &[u8] = b"GET /websocket HTTP/1.1\r\nHost: a:1\r\nOrigin: http://a:1\r\nUpgrade: websocket\r\n\
    Connection: keep-alive, Upgrade\r\nSec-WebSocket-Protocol: x, chat\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// The frames of a client: the first three bytes say what is expected of them, how long a message
/// may be, and in which pieces they arrive.
pub(crate) fn websocket(bytes: &[u8]) {
    websocket::fuzz(bytes);
}

/// Requests: each is answered or ends the connection, and nobody is let in who has no place.
pub(crate) fn http(bytes: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let answers = runtime.expect("threads are not needed").block_on(async {
        let mut server = HttpServer::new(HttpConfig::default());
        let chat = Subprotocol { name: "chat", format: Format::Text };
        // Nobody takes them: all are told that it is not possible now.
        drop(server.websocket(WebSocketConfig::default(), [chat]));
        let server = server.start();
        let (mut client, stream) = duplex(64 * 1024);
        server.serve(Once(Some(stream)));
        server.ready();
        let mut answers = Vec::new();
        let talk = async {
            // Who has heard enough hangs up.
            let _ = client.write_all(bytes).await;
            for _ in 0..8 {
                yield_now().await;
            }
            let _ = client.shutdown().await;
            let _ = client.read_to_end(&mut answers).await;
        };
        timeout(Duration::from_secs(20), talk).await.expect("it ends with its client");
        answers
    });
    assert!(answers.is_empty() || answers.starts_with(b"HTTP/1."), "{}", answers.escape_ascii());
    assert!(!answers.starts_with(b"HTTP/1.1 101"), "{}", answers.escape_ascii());
}

/// One connection, and then none for ever.
struct Once(Option<DuplexStream>);

impl HttpSource for Once {
    type Stream = DuplexStream;

    async fn accept(&mut self) -> io::Result<HttpArrival<DuplexStream>> {
        match self.0.take() {
            Some(stream) => Ok(HttpArrival { stream, remote_addr: SOMEBODY }),
            None => pending().await,
        }
    }
}

const SOMEBODY: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);
