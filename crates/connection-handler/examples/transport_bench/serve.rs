//! The servers, each in a process of its own.

use std::{io, net::SocketAddr, path::Path, sync::Arc};

use connection_handler::transport::{
    Connector, Format,
    http::{HttpConfig, HttpServer},
    keys::Identity,
    memory::{MemoryConnector, memory},
    secure::{SecurePort, SecurePortConfig},
    websocket::{Subprotocol, WebSocketConfig},
};
use quinn::{Endpoint, crypto::rustls::QuicServerConfig};
use tokio::net::{TcpListener, UnixListener};
use tokio_rustls::TlsAcceptor;

use crate::{
    central,
    codec::{Chunked, Derived},
    load::{SERVER_CPU, end_with_stdin, run_on, serve_memory},
    plain, tls,
};

type Wire = Chunked<Derived>;

/// Says where it serves, and serves until standard input ends.
pub(crate) fn serve(design: &str, transport: &str, folder: &Path) -> io::Result<()> {
    run_on(SERVER_CPU);
    if transport != "memory" {
        end_with_stdin();
    }
    actix::System::new().block_on(async {
        match (design, transport) {
            ("ours", "tcp") => {
                let listener = TcpListener::bind(ANY).await?;
                println!("{}", listener.local_addr()?);
                central::start::<Wire, _>(listener);
            }
            ("ours", "unix") => {
                central::start::<Wire, _>(UnixListener::bind(folder.join(SOCKET))?);
                println!("{}", folder.join(SOCKET).display());
            }
            ("ours", "websocket") => return websocket().await,
            ("ours", "tls" | "quic") => return secure(folder, unlimited()).await,
            // As it is for everybody, and with the tiers of admission moved out of the way.
            ("guarded", _) => return secure(folder, SecurePortConfig::default()).await,
            ("open", _) => return secure(folder, unlimited()).await,
            ("retrying", _) => {
                let retry_above = 0;
                return secure(folder, SecurePortConfig { retry_above, ..unlimited() }).await;
            }
            ("ours", "memory") => {
                let (listener, connector) = memory(PIPE);
                central::start::<Wire, _>(listener);
                return serve_memory(|| connect(connector.clone())).await;
            }
            ("plain", "tcp") => plain_tcp().await?,
            ("plain", "unix") => plain_unix(folder).await?,
            ("plain", "websocket") => plain_websocket().await?,
            ("plain", "tls") => plain_tls(folder).await?,
            ("plain", "quic") => plain_quic(folder).await?,
            ("plain", "memory") => {
                return serve_memory(|| async {
                    let (ours, theirs) = tokio::io::duplex(PIPE);
                    let (read, write) = tokio::io::split(theirs);
                    actix::spawn(plain::echo(read, write));
                    Ok(tokio::io::split(ours))
                })
                .await;
            }
            _ => return Err(io::Error::other("no such server")),
        }
        std::future::pending().await
    })
}

async fn connect(
    mut connector: MemoryConnector,
) -> io::Result<(impl tokio::io::AsyncRead + Unpin, impl tokio::io::AsyncWrite + Unpin)> {
    let connection = connector.connect().await?;
    Ok((connection.read, connection.write))
}

/// Everything a program would have.
async fn secure(folder: &Path, config: SecurePortConfig) -> io::Result<()> {
    let identity = Identity::load_or_create(folder, "server").map_err(io::Error::other)?;
    let mut port = SecurePort::bind(ANY, &identity, config).await?;
    central::start::<Wire, _>(port.listener(tls::ALPN));
    let port = port.start();
    println!("{}", port.local_addr());
    std::future::pending().await
}

/// Without the limits on how many may come.
fn unlimited() -> SecurePortConfig {
    SecurePortConfig {
        max_connections_per_ip: usize::MAX,
        max_handshakes_per_ip: usize::MAX,
        retry_above: usize::MAX,
        ..Default::default()
    }
}

/// Without TLS, as the baseline: what that costs is another row.
async fn websocket() -> io::Result<()> {
    let tcp = TcpListener::bind(ANY).await?;
    println!("{}", tcp.local_addr()?);
    let config = HttpConfig {
        max_connections_per_ip: usize::MAX,
        max_connections: usize::MAX,
        ..Default::default()
    };
    let mut server = HttpServer::new(config);
    let protocol = Subprotocol { name: "", format: Format::Binary };
    central::start::<Wire, _>(server.websocket(WebSocketConfig::default(), [protocol]));
    let server = server.start();
    server.serve(tcp);
    server.ready();
    std::future::pending().await
}

async fn plain_tcp() -> io::Result<()> {
    let listener = TcpListener::bind(ANY).await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (read, write) = stream.into_split();
        actix::spawn(plain::echo(read, write));
    }
}

async fn plain_websocket() -> io::Result<()> {
    let listener = TcpListener::bind(ANY).await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        actix::spawn(async move {
            let stream = tokio_tungstenite::accept_async(stream).await;
            plain::echo_websocket(stream.map_err(io::Error::other)?).await
        });
    }
}

async fn plain_unix(folder: &Path) -> io::Result<()> {
    let listener = UnixListener::bind(folder.join(SOCKET))?;
    println!("{}", folder.join(SOCKET).display());
    loop {
        let (read, write) = listener.accept().await?.0.into_split();
        actix::spawn(plain::echo(read, write));
    }
}

async fn plain_tls(folder: &Path) -> io::Result<()> {
    let acceptor = TlsAcceptor::from(Arc::new(tls::server(folder)?));
    let listener = TcpListener::bind(ANY).await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let acceptor = acceptor.clone();
        actix::spawn(async move {
            let (read, write) = tokio::io::split(acceptor.accept(stream).await?);
            plain::echo(read, write).await
        });
    }
}

async fn plain_quic(folder: &Path) -> io::Result<()> {
    let crypto = QuicServerConfig::try_from(tls::server(folder)?).map_err(io::Error::other)?;
    let config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    let endpoint = Endpoint::server(config, ANY)?;
    println!("{}", endpoint.local_addr()?);
    while let Some(incoming) = endpoint.accept().await {
        actix::spawn(async move {
            let connection = incoming.await?;
            let (write, read) = connection.accept_bi().await?;
            plain::echo(read, write).await?;
            connection.closed().await;
            io::Result::Ok(())
        });
    }
    Ok(())
}

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
const SOCKET: &str = "socket";
const PIPE: usize = 64 * 1024;
