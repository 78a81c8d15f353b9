//! What is answered over HTTP.

use std::time::Duration;

use connection_handler::{
    ConnectionConfig,
    transport::http::{HttpConfig, HttpServer, HttpServerHandle},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, timeout},
};

use crate::{Server, server, server_with, socket::BINARY};

/// What comes back until the connection ends.
async fn ask(addr: std::net::SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    rest(&mut stream).await
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset says as well that it is over.
    let _ = timeout(LIMIT, stream.read_to_end(&mut answer)).await.expect("no end");
    String::from_utf8(answer).unwrap()
}

async fn one_answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    while !answer.ends_with(b"}\n") {
        answer.push(timeout(LIMIT, stream.read_u8()).await.expect("no answer").unwrap());
    }
    String::from_utf8(answer).unwrap()
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
}

const HEALTH: &str = "GET /health HTTP/1.1\r\nHost: here\r\n\r\n";

async fn plain(config: HttpConfig) -> (std::net::SocketAddr, HttpServerHandle) {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = tcp.local_addr().unwrap();
    let server = HttpServer::new(config).about("{\"version\":\"1\"}").metrics(|| "up 1\n".into());
    let server = server.start();
    server.serve(tcp);
    (addr, server)
}

#[actix::test]
async fn health_is_what_it_is() {
    let (addr, server) = plain(HttpConfig::default()).await;
    let answer = ask(addr, &get("/health")).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    server.ready();
    let answer = ask(addr, &get("/health")).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("content-type: application/json"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n{\"status\":\"ready\",\"version\":\"1\"}\n"), "{answer}");
    server.drain();
    let answer = ask(addr, HEALTH).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("\"draining\""), "{answer}");
    server.ready();
    assert!(ask(addr, HEALTH).await.contains("\"draining\""));
    timeout(LIMIT, server.close()).await.unwrap();
    assert!(TcpStream::connect(addr).await.is_err());
}

#[actix::test]
async fn anything_else_is_not_there() {
    let (addr, server) = plain(HttpConfig::default()).await;
    server.ready();
    for request in [
        get("/"),
        get("/websocket"),
        get("/healthy"),
        get("/metrics"),
        get("/health/../metrics"),
        "POST /health HTTP/1.1\r\nHost: here\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc"
            .into(),
    ] {
        let answer = ask(addr, &request).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{request}: {answer}");
    }
}

#[actix::test]
async fn metrics_are_for_those_who_are_named() {
    let metrics_from = vec!["127.0.0.0/8".parse().unwrap()];
    let (addr, _server) = plain(HttpConfig { metrics_from, ..Default::default() }).await;
    let answer = ask(addr, &get("/metrics")).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nup 1\n"), "{answer}");
}

#[actix::test]
async fn a_request_has_a_time_and_a_length() {
    let config = HttpConfig { header_timeout: Duration::from_millis(300), ..Default::default() };
    let (addr, server) = plain(config).await;
    server.ready();
    for beginning in ["", "GET /health HTTP/1.1\r\nHost"] {
        let begin = Instant::now();
        let answer = ask(addr, beginning).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
        assert!(begin.elapsed() >= Duration::from_millis(250));
    }
    // The time of the next request begins with the end of the last answer.
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(HEALTH.as_bytes()).await.unwrap();
    one_answer(&mut stream).await;
    assert_eq!(rest(&mut stream).await, "");

    let long = format!("GET /{} HTTP/1.1\r\nHost: here\r\n\r\n", "x".repeat(40_000));
    let answer = ask(addr, &long).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(100));
    assert!(ask(addr, &many).await.starts_with("HTTP/1.1 431 "));
}

#[actix::test]
async fn connections_are_kept_for_some_requests_and_not_many() {
    let config = HttpConfig { max_requests: 3, max_connections_per_ip: 2, ..Default::default() };
    let (addr, server) = plain(config).await;
    server.ready();
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(HEALTH.repeat(5).as_bytes()).await.unwrap();
    let answers = rest(&mut stream).await;
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 3, "{answers}");
    assert_eq!(answers.matches("connection: close").count(), 1, "{answers}");

    let mut two = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(HEALTH.as_bytes()).await.unwrap();
        one_answer(&mut stream).await;
        two.push(stream);
    }
    assert_eq!(ask(addr, HEALTH).await, "");
}

#[actix::test]
async fn a_drain_ends_what_has_nothing_to_do() {
    let (addr, server) = plain(HttpConfig::default()).await;
    server.ready();
    let mut idle = TcpStream::connect(addr).await.unwrap();
    idle.write_all(HEALTH.as_bytes()).await.unwrap();
    one_answer(&mut idle).await;
    let mut silent = TcpStream::connect(addr).await.unwrap();
    // One behind it has been answered: the silent one has arrived too.
    ask(addr, &get("/health")).await;
    let begin = Instant::now();
    server.drain();
    assert_eq!(rest(&mut idle).await, "");
    assert_eq!(rest(&mut silent).await, "");
    timeout(LIMIT, server.close()).await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
}

fn upgrade(server: &Server, more: &str) -> (std::net::SocketAddr, String) {
    let addr = server.connector.addr;
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {addr}\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    );
    (addr, request)
}

/// The first line of the answer.
async fn status(server: &Server, more: &str) -> String {
    let (addr, request) = upgrade(server, more);
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(timeout(LIMIT, stream.read_u8()).await.expect("no answer").unwrap());
    }
    String::from_utf8(line).unwrap()
}

#[actix::test]
async fn pages_of_others_get_no_websocket() {
    let config =
        HttpConfig { origins: vec!["https://game.example".parse().unwrap()], ..Default::default() };
    let server = server_with(config, Default::default(), ConnectionConfig::default()).await;
    let addr = server.connector.addr;
    for (origin, expected) in [
        (String::new(), "101"),
        ("Origin: https://game.example\r\n".into(), "101"),
        (format!("Origin: http://{addr}\r\n"), "101"),
        ("Origin: https://evil.example\r\n".into(), "403"),
        ("Origin: null\r\n".into(), "403"),
        ("Origin: https://game.example\r\nOrigin: https://evil.example\r\n".into(), "403"),
    ] {
        let more = format!("Sec-WebSocket-Protocol: {BINARY}\r\n{origin}");
        let status = status(&server, &more).await;
        assert_eq!(status.split(' ').nth(1), Some(expected), "{origin}");
    }
}

#[actix::test]
async fn who_asks_for_something_else_learns_what_there_is() {
    let server = server().await;
    let (addr, request) = upgrade(&server, "Connection: close\r\n");
    let answer = ask(addr, &request).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("echo.1, echo.1.json"), "{answer}");
    let some =
        "Sec-WebSocket-Protocol: nonsense, echo.1.json\r\nSec-WebSocket-Protocol: echo.1\r\n";
    assert!(status(&server, some).await.contains(" 101 "));
    let answer = ask(addr, &get("/websocket")).await;
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
}

#[actix::test]
async fn who_is_one_too_many_is_told_to_come_back() {
    let connections = ConnectionConfig { max_connections_per_ip: 1, ..Default::default() };
    let mut server = server_with(HttpConfig::default(), Default::default(), connections).await;
    let socket = server.connector.open().await.unwrap();
    let _peer = server.events.connected().await;
    let more = format!("Sec-WebSocket-Protocol: {BINARY}\r\n");
    assert!(status(&server, &more).await.contains(" 503 "));
    drop(socket);
    server.events.end().await;
    server.connector.open().await.unwrap();
}

const LIMIT: Duration = Duration::from_secs(10);
