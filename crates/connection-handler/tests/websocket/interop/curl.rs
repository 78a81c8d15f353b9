//! curl, which can ask for a WebSocket, and do nothing with it.

use std::process::Command;

use connection_handler::transport::Format;

use super::{Tls, echo, output};

#[actix::test]
#[ignore = "interop"]
async fn curl_gets_a_websocket_with_and_without_tls() {
    let (plain, _plain) = echo(Format::Binary).await;
    let tls = Tls::start(Format::Binary).await;
    let port = tls.addr.port();
    let resolve = format!("gatehouse:{port}:127.0.0.1");
    for url in [format!("http://{plain}/"), format!("https://gatehouse:{port}/websocket")] {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--include", "--http1.1", "--max-time", "2"]);
        curl.args(["--resolve", &resolve, "--cacert", &tls.certificate()]);
        curl.args(["-H", "Connection: Upgrade", "-H", "Upgrade: websocket"]);
        // The key of RFC 6455, 1.3, and what has to come of it.
        curl.args(["-H", "Sec-WebSocket-Version: 13"]);
        curl.args(["-H", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]).arg(&url);
        let (status, said) = output(&mut curl).await;
        assert_eq!(status.code(), Some(TIMED_OUT), "it stays connected: {said}");
        assert!(said.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{url}: {said}");
        let accept = "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=";
        assert!(said.to_ascii_lowercase().contains(accept), "{url}: {said}");
    }
}

/// What curl calls it when its time is over before the connection is.
const TIMED_OUT: i32 = 28;
