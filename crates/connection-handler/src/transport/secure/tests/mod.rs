//! Real sockets, real handshakes.

mod certificates;
mod datagrams;
mod handshakes;
mod http;
mod keys;
mod limits;
mod resumption;
mod sockets;
mod strangers;
mod ways;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use tracing_subscriber::fmt::MakeWriter;

use super::{
    SecureConnector, SecureListener, SecurePort, SecurePortConfig, SecurePortHandle,
    listener::Established,
};
use crate::transport::{
    Listener,
    keys::{Identity, Trust},
};

const ALPN: &str = "test/1";

/// A port with one listener.
struct Server {
    addr: SocketAddr,
    identity: Identity,
    listener: SecureListener,
    handle: SecurePortHandle,
}

impl Server {
    async fn start(config: SecurePortConfig) -> Self {
        Self::start_as(Identity::ephemeral().unwrap(), config).await
    }

    async fn start_as(identity: Identity, config: SecurePortConfig) -> Self {
        let addr = "127.0.0.1:0".parse().unwrap();
        let mut port = SecurePort::bind(addr, &identity, config).await.unwrap();
        let listener = port.listener(ALPN);
        let handle = port.start();
        Self { addr: handle.local_addr(), identity, listener, handle }
    }

    fn connector(&self) -> SecureConnector {
        let trust = Trust::from(self.identity.fingerprint());
        SecureConnector::new(self.addr, ALPN, trust, None)
    }

    async fn accept(&mut self) -> Established {
        soon(accept(&mut self.listener)).await
    }
}

async fn accept(listener: &mut SecureListener) -> Established {
    listener.accept().await.unwrap().await.unwrap()
}

/// Connects in the way called so. The connection is known to the server when something is sent.
async fn connect(
    connector: &SecureConnector,
    addr: SocketAddr,
    way: &str,
) -> io::Result<Established> {
    let attempt = async {
        let mut connection = match way {
            "quic" => connector.quic(addr).await?,
            _ => connector.tls(addr).await?,
        };
        connection.write.write_all(b"hello").await?;
        connection.write.flush().await?;
        Ok(connection)
    };
    soon(attempt).await
}

/// Waits for what must happen within a few seconds.
async fn soon<T>(work: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(8), work).await.expect("it did not happen in time")
}

async fn hello(connection: &mut Established) {
    let mut bytes = [0; 5];
    soon(connection.read.read_exact(&mut bytes)).await.unwrap();
    assert_eq!(&bytes, b"hello");
}

/// Waits until the other side has ended the connection, however.
async fn until_closed(connection: &mut Established) {
    let _ = soon(connection.read.read_to_end(&mut Vec::new())).await;
}

/// What is logged on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn capture(&self) -> tracing::subscriber::DefaultGuard {
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .with_ansi(false)
            .with_writer(self.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    /// The lines with `text` in them, once there is one.
    async fn lines(&self, text: &str) -> Vec<String> {
        let search = async {
            loop {
                let log = String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned();
                let lines: Vec<_> =
                    log.lines().filter(|line| line.contains(text)).map(String::from).collect();
                if !lines.is_empty() {
                    return lines;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        soon(search).await
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
