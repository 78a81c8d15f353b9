//! Other people's programs. Needs openssl, curl, haproxy and Python: `cargo xtask interop`.

mod curl;
mod haproxy;
mod openssl;
mod tlslite;

use std::{
    net::SocketAddr,
    process::{Output, Stdio},
    time::Duration,
};

use connection_handler::transport::{
    Listener,
    keys::{Certificates, Identity},
    secure::{HttpListener, SecurePort, SecurePortConfig, SecurePortHandle},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Command,
    time::timeout,
};

const ALPN: &str = "test/1";

/// A port that answers HTTP with the address of who asks, and echoes everything else.
struct Server {
    addr: SocketAddr,
    dir: tempfile::TempDir,
    _handle: SecurePortHandle,
}

impl Server {
    async fn start(config: SecurePortConfig) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let identity = Identity::load_or_create(dir.path(), "own").unwrap();
        Identity::load_or_create(dir.path(), "further").unwrap();
        let further = Identity::files(dir.path(), "further");
        let certificates = Certificates::load(&identity, None, vec![further]).unwrap();
        let addr = "127.0.0.1:0".parse().unwrap();
        let mut port = SecurePort::bind(addr, &identity, config).await.unwrap();
        port.set_certificates(certificates);
        let (http, mut listener) = (port.http(), port.listener(ALPN));
        let handle = port.start();
        tokio::spawn(answer(http));
        tokio::task::spawn_local(async move {
            while let Ok(handshake) = listener.accept().await {
                let mut connection = handshake.await.unwrap();
                tokio::task::spawn_local(async move {
                    let _ = tokio::io::copy(&mut connection.read, &mut connection.write).await;
                });
            }
        });
        Self { addr: handle.local_addr(), dir, _handle: handle }
    }
}

async fn answer(mut http: HttpListener) {
    while let Some(mut connection) = http.accept().await {
        tokio::spawn(async move {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                match connection.stream.read_u8().await {
                    Ok(byte) => request.push(byte),
                    Err(_) => return,
                }
            }
            let body = format!("{} {}", connection.remote_addr.ip(), connection.tls);
            let answer = format!(
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            let _ = connection.stream.write_all(answer.as_bytes()).await;
            let _ = connection.stream.shutdown().await;
        });
    }
}

async fn run(program: &str, arguments: &[&str]) -> Output {
    let output =
        Command::new(program).args(arguments).stdin(Stdio::null()).kill_on_drop(true).output();
    let output = timeout(Duration::from_secs(60), output).await;
    output.expect("it ends").unwrap_or_else(|error| panic!("{program}: {error}"))
}

/// What it says, wherever it says it.
fn said(output: &Output) -> String {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

async fn local(work: impl Future<Output = ()>) {
    tokio::task::LocalSet::new().run_until(work).await;
}
