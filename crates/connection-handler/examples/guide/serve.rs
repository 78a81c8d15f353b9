//! The same kind of connection on other transports, and within other bounds.
#![allow(dead_code, reason = "the program needs only one of each")]

use std::{fs, io, path::Path, time::Duration};

use actix::{Actor, Addr};
use connection_handler::{
    ConnectionConfig, ConnectionHandler, Inbox, IncomingConnectionHandler, OutgoingBudget,
    transport::Listener,
};
use tokio::net::{TcpListener, UnixListener};

use crate::{handlers::guest::GuestHandler, server::Server};

/// Any kind of connection, over any transport.
pub(crate) fn serve<H: ConnectionHandler>(
    handler: H,
    listener: impl Listener,
    server: impl Into<Inbox<H::Peer>>,
) {
    let config = ConnectionConfig::default();
    IncomingConnectionHandler::new(handler, listener, server, config).start();
}

pub(crate) async fn serve_on_this_host(server: &Addr<Server>, path: &Path) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:7000").await?;
    serve(GuestHandler::new(), listener, server.clone());
    // The file of the last run.
    let _ = fs::remove_file(path);
    serve(GuestHandler::new(), UnixListener::bind(path)?, server.clone());
    Ok(())
}

#[cfg(feature = "secure")]
pub(crate) async fn serve_the_world(
    server: Addr<Server>,
    data_dir: &Path,
    addr: std::net::SocketAddr,
) -> Result<connection_handler::transport::secure::SecurePortHandle, Box<dyn std::error::Error>> {
    use connection_handler::transport::{
        keys::Identity,
        secure::{SecurePort, SecurePortConfig},
    };

    // QUIC and TLS 1.3 on the same port. What a client asks for (ALPN) decides the kind.
    let identity = Identity::load_or_create(data_dir, "door")?;
    let mut port = SecurePort::bind(addr, &identity, SecurePortConfig::default()).await?;
    serve(GuestHandler::new(), port.listener("guest/1"), server);
    println!("guests trust {}", identity.fingerprint());
    Ok(port.start())
}

#[cfg(feature = "websocket")]
pub(crate) fn serve_browsers(
    server: Addr<Server>,
    tcp: TcpListener,
) -> connection_handler::transport::http::HttpServerHandle {
    use connection_handler::transport::{
        Format,
        http::{HttpConfig, HttpServer},
        websocket::{Subprotocol, WebSocketConfig},
    };

    // `new WebSocket(url, "guest.1")`: a message of ours in each of theirs.
    let mut http = HttpServer::new(HttpConfig::default());
    let guests = Subprotocol { name: "guest.1", format: Format::Text };
    let browsers = http.websocket(WebSocketConfig::default(), [guests]);
    serve(GuestHandler::new(), browsers, server);
    let http = http.start();
    http.serve(tcp);
    http.ready();
    http
}

pub(crate) fn bounds() -> ConnectionConfig {
    ConnectionConfig {
        // Doors are small.
        max_connections: 500,
        max_connections_per_ip: 5,
        // Who says nothing for a minute has left.
        idle_timeout: Some(Duration::from_secs(60)),
        // What may wait for one guest, and for all of them together.
        outgoing_bytes: 64 * 1024,
        outgoing_budget: OutgoingBudget::new(8 * 1024 * 1024),
        ..ConnectionConfig::default()
    }
}
