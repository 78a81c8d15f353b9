//! The same guests, however they come.

use actix::Actor;
use connection_handler::transport::{tcp::TcpConnector, unix::UnixConnector};
use tokio::net::{TcpListener, UnixListener};

use crate::{handlers::guest::GuestHandler, serve::serve, server::Server, tests::welcomed, visit};

#[actix::test]
async fn guests_come_over_every_transport() {
    let server = Server::default().start();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    serve(GuestHandler::new(), listener, server.clone());
    welcomed(TcpConnector { addr }).await;

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("door.sock");
    serve(GuestHandler::new(), UnixListener::bind(&path).unwrap(), server);
    welcomed(UnixConnector { path }).await;
}

#[actix::test]
async fn a_visitor_rings_again_when_the_door_was_shut() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (heard, mut answers) = tokio::sync::mpsc::unbounded_channel();
    visit::visit(TcpConnector { addr }, heard);
    for _ in 0..2 {
        // Heard, and then shut out.
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut name = [0; 16];
        tokio::io::AsyncReadExt::read_exact(&mut socket, &mut name).await.unwrap();
        assert_eq!(&name, b"\x0e\0{\"Name\":\"Ann\"}");
    }
    serve(GuestHandler::new(), listener, Server::default().start());
    assert_eq!(answers.recv().await.unwrap(), "hello, Ann");
}

#[cfg(feature = "secure")]
#[actix::test]
async fn guests_come_over_quic_and_tls() {
    use connection_handler::transport::{keys::Identity, secure::SecureConnector};

    let dir = tempfile::tempdir().unwrap();
    let addr = "127.0.0.1:0".parse().unwrap();
    let server = Server::default().start();
    let port = crate::serve::serve_the_world(server, dir.path(), addr).await.unwrap();
    let trust = Identity::load_or_create(dir.path(), "door").unwrap().fingerprint().into();
    welcomed(SecureConnector::new(port.local_addr(), "guest/1", trust, None)).await;
}

#[cfg(feature = "websocket")]
#[actix::test]
async fn guests_come_with_browsers() {
    use futures_util::{SinkExt, StreamExt};
    use tokio::net::TcpStream;
    use tokio_tungstenite::{
        client_async,
        tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
    };

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let http = crate::serve::serve_browsers(Server::default().start(), listener);
    let mut request = format!("ws://{addr}/").into_client_request().unwrap();
    let guest = HeaderValue::from_static("guest.1");
    request.headers_mut().insert("Sec-WebSocket-Protocol", guest);
    let stream = TcpStream::connect(addr).await.unwrap();
    let (mut browser, _) = client_async(request, stream).await.unwrap();
    browser.send(Message::text(r#"{"Name":"Ann"}"#)).await.unwrap();
    let heard = browser.next().await.unwrap().unwrap();
    assert_eq!(heard, Message::text(r#"{"Welcome":"hello, Ann"}"#));
    drop(browser);
    http.close().await;
}
