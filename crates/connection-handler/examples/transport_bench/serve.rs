//! The servers, each in a process of its own.

use std::{io, net::SocketAddr, path::Path, sync::Arc};

use connection_handler::{
    Rate,
    transport::{
        Connector,
        keys::Identity,
        memory::{MemoryConnector, memory},
        secure::{SecurePort, SecurePortConfig},
    },
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
            ("ours", "tls" | "quic") => return secure(folder).await,
            ("ours", "memory") => {
                let (listener, connector) = memory(PIPE);
                central::start::<Wire, _>(listener);
                return serve_memory(|| connect(connector.clone())).await;
            }
            ("plain", "tcp") => plain_tcp().await?,
            ("plain", "unix") => plain_unix(folder).await?,
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

/// Everything a program would have, but for the limits on how many may come.
async fn secure(folder: &Path) -> io::Result<()> {
    let identity = Identity::load_or_create(folder, "server").map_err(io::Error::other)?;
    let config = SecurePortConfig {
        max_connections_per_ip: usize::MAX,
        max_handshakes_per_ip: usize::MAX,
        pings: Some(Rate { per_second: 100, burst: 200 }),
        ..Default::default()
    };
    let mut port = SecurePort::bind(ANY, &identity, config).await?;
    central::start::<Wire, _>(port.listener(tls::ALPN));
    let _port = port.start();
    println!("{}", _port.local_addr());
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
