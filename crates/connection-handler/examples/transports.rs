//! One echo service on all transports at once: one kind of connection, one central actor, and a
//! client that tries each of them.
//!
//! ```text
//! cargo run -p connection-handler --features secure,websocket --example transports
//! ```
//!
//! prints, for TCP, a Unix socket, memory, WebSocket, QUIC and TLS, what came back and what the
//! server knows of who asked. Without the features theirs are left out.

use std::error::Error;

use actix::{Actor, Addr, Context};
use bytes::BytesMut;
use connection_handler::{
    ConnectionConfig, IncomingConnectionHandler, Peer, PeerId, Peers, PlainHandler, Serves,
    transport::{Connector, Listener, memory::memory, tcp::TcpConnector, unix::UnixConnector},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, UnixListener},
};
use tokio_util::codec::BytesCodec;

connection_handler::peer! {
    /// Who says something, and hears it again.
    struct Caller: BytesMut => BytesMut;
}

type CallerHandler = PlainHandler<Caller, BytesCodec, BytesCodec>;

#[derive(Default)]
struct Echo(Peers<Caller>);

impl Actor for Echo {
    type Context = Context<Self>;
}

connection_handler::serves!(Echo: Caller);

impl Serves<Caller> for Echo {
    fn peers(&mut self) -> &mut Peers<Caller> {
        &mut self.0
    }

    fn connected(&mut self, caller: &mut Caller, _: &mut Context<Self>) {
        let link = caller.link();
        println!("{:>9}: {} has called", link.transport(), link.remote_addr());
    }

    fn message(&mut self, from: PeerId, bytes: BytesMut, _: &mut Context<Self>) {
        if let Some(caller) = self.0.get(from) {
            caller.send(bytes);
        }
    }
}

/// All that there is to serving a transport.
fn serve(listener: impl Listener, echo: &Addr<Echo>) {
    let config = ConnectionConfig::default();
    IncomingConnectionHandler::new(CallerHandler::new(), listener, echo.clone(), config).start();
}

/// Calls, and says how, and what came back.
async fn call(mut connector: impl Connector) -> Result<(&'static str, String), Box<dyn Error>> {
    let mut connection = connector.connect().await?;
    connection.write.write_all(CALL.as_bytes()).await?;
    let mut heard = [0; CALL.len()];
    connection.read.read_exact(&mut heard).await?;
    Ok((connection.transport, String::from_utf8_lossy(&heard).into_owned()))
}

const CALL: &str = "is there anybody?";

async fn call_everywhere() -> Result<Vec<(&'static str, String)>, Box<dyn Error>> {
    let echo = Echo::default().start();
    let mut heard = Vec::new();

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    serve(listener, &echo);
    heard.push(call(TcpConnector { addr }).await?);

    let dir = tempfile::tempdir()?;
    let path = dir.path().join("echo.sock");
    serve(UnixListener::bind(&path)?, &echo);
    heard.push(call(UnixConnector { path }).await?);

    let (listener, connector) = memory(1024);
    serve(listener, &echo);
    heard.push(call(connector).await?);

    #[cfg(feature = "websocket")]
    heard.push(call_as_a_browser_does(&echo).await?);

    #[cfg(feature = "secure")]
    heard.extend(call_securely(&echo).await?);
    Ok(heard)
}

/// WebSocket, over HTTP. Our own clients have no need of it: this one is somebody else's.
#[cfg(feature = "websocket")]
async fn call_as_a_browser_does(
    echo: &Addr<Echo>,
) -> Result<(&'static str, String), Box<dyn Error>> {
    use connection_handler::transport::{
        Format,
        http::{HttpConfig, HttpServer},
        websocket::{Framing, Subprotocol, WebSocketConfig},
    };
    use futures_util::{SinkExt, StreamExt};
    use tokio::net::TcpStream;
    use tokio_tungstenite::{client_async, tungstenite::Message};

    // The codec of this example has no framing: what comes is what was said.
    let config = WebSocketConfig { framing: Framing::Stream, ..Default::default() };
    let mut server = HttpServer::new(HttpConfig::default());
    serve(server.websocket(config, [Subprotocol { name: "", format: Format::Binary }]), echo);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    let server = server.start();
    server.serve(listener);
    server.ready();

    let stream = TcpStream::connect(addr).await?;
    let (mut socket, _) = client_async(format!("ws://{addr}/"), stream).await?;
    socket.send(Message::binary(CALL)).await?;
    let heard = socket.next().await.ok_or("it has hung up")??;
    socket.close(None).await?;
    server.close().await;
    Ok(("websocket", String::from_utf8_lossy(&heard.into_data()).into_owned()))
}

/// QUIC and TLS on one port: the client takes whichever the network lets through.
#[cfg(feature = "secure")]
async fn call_securely(echo: &Addr<Echo>) -> Result<Vec<(&'static str, String)>, Box<dyn Error>> {
    use connection_handler::transport::{
        keys::Identity,
        secure::{QuicBlocked, SecureConnector, SecurePort, SecurePortConfig},
    };
    use std::time::{Duration, SystemTime};

    let identity = Identity::ephemeral()?;
    let addr = "127.0.0.1:0".parse()?;
    let mut port = SecurePort::bind(addr, &identity, SecurePortConfig::default()).await?;
    let (addr, trust) = (port.local_addr(), identity.fingerprint().into());
    serve(port.listener("echo/1"), echo);
    let port = port.start();
    let connector = SecureConnector::new(addr, "echo/1", trust, None);
    let over_quic = call(connector.clone()).await?;
    // Where UDP does not get through, it is TLS.
    let blocked = QuicBlocked::known_until(Some(SystemTime::now() + Duration::from_secs(60)));
    let over_tls = call(connector.remembering(blocked)).await?;
    port.close().await;
    Ok(vec![over_quic, over_tls])
}

#[actix::main]
async fn main() -> Result<(), Box<dyn Error>> {
    for (transport, heard) in call_everywhere().await? {
        println!("{transport:>9}: {heard}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix::test]
    async fn every_transport_says_back_what_it_hears() {
        let heard = call_everywhere().await.unwrap();
        assert!(heard.iter().all(|(_, heard)| heard == CALL), "{heard:?}");
        let transports: Vec<_> = heard.into_iter().map(|(transport, _)| transport).collect();
        let mut expected = vec!["tcp", "unix", "memory"];
        if cfg!(feature = "websocket") {
            expected.push("websocket");
        }
        if cfg!(feature = "secure") {
            expected.extend(["quic", "tls"]);
        }
        assert_eq!(transports, expected);
    }
}
