//! The same guests, however they come.

use actix::Actor;
use connection_handler::transport::{tcp::TcpConnector, unix::UnixConnector};
use tokio::net::{TcpListener, UnixListener};

use crate::{serve::serve, server::Server, tests::welcomed};

#[actix::test]
async fn guests_come_over_every_transport() {
    let server = Server::default().start();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    serve(listener, server.clone());
    welcomed(TcpConnector { addr }).await;

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("door.sock");
    serve(UnixListener::bind(&path).unwrap(), server);
    welcomed(UnixConnector { path }).await;
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
