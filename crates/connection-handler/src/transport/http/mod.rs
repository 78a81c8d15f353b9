//! HTTP/1.1 for three things: whether we are well, our metrics, and WebSockets.
//!
//! | request | answer |
//! |---|---|
//! | `GET /health` | 200 and a JSON object while everything works, 503 before and while we drain |
//! | `GET /metrics` | metrics, if there are any and for whom [`metrics_from`](HttpConfig::metrics_from) names |
//! | `GET /`, `GET /websocket` with an upgrade | a [WebSocket](super::websocket), for origins that may have one |
//! | anything else | 404 |
//!
//! Bodies of requests are not read. It is no web server: put one beside it for pages.
//!
//! ```
//! use connection_handler::transport::http::{HttpConfig, HttpServer};
//! use tokio::{
//!     io::{AsyncReadExt, AsyncWriteExt},
//!     net::{TcpListener, TcpStream},
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let tcp = TcpListener::bind("127.0.0.1:0").await?;
//! let addr = tcp.local_addr()?;
//! let server = HttpServer::new(HttpConfig::default()).start();
//! server.serve(tcp);
//! server.ready();
//!
//! let mut client = TcpStream::connect(addr).await?;
//! client.write_all(b"GET /health HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").await?;
//! let mut answer = String::new();
//! client.read_to_string(&mut answer).await?;
//! assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"));
//! assert!(answer.ends_with("{\"status\":\"ready\"}\n"));
//! server.close().await;
//! # Ok(())
//! # }
//! ```

mod answer;
mod origin;
mod server;
mod source;
#[cfg(feature = "websocket")]
mod upgrade;

use std::time::Duration;

use ipnet::IpNet;

pub use self::{
    origin::{Origin, OriginError},
    server::{HttpServer, HttpServerHandle},
    source::{HttpArrival, HttpSource},
};

/// The limits of an [`HttpServer`], and who may what.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// Longest from the beginning of a connection, or the end of the last answer, to the end of the
    /// head of a request. Then the connection is closed.
    pub header_timeout: Duration,
    /// Longest head of a request, in bytes: at least 8192. A longer one is answered with 431.
    pub max_header_bytes: usize,
    /// Requests on one connection; the last is told that it is.
    pub max_requests: usize,
    /// Longest life of a connection that does not become a WebSocket. Who reads an answer too slowly
    /// is cut off by it.
    pub max_lifetime: Duration,
    /// Connections open at the same time that are no WebSockets. Further ones are closed at once.
    pub max_connections: usize,
    /// Connections of these from one address: an IPv4 address, or the first 64 bits of an IPv6
    /// address. Further ones are closed at once.
    pub max_connections_per_ip: usize,
    /// Whose pages may open WebSockets, beside those of the same host and port as ourselves.
    /// Programs that are no browsers have no origin, and may.
    pub origins: Vec<Origin>,
    /// Who may see the metrics. Everybody else is told that there are none.
    pub metrics_from: Vec<IpNet>,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(5),
            max_header_bytes: 16 * 1024,
            max_requests: 100,
            max_lifetime: Duration::from_secs(60),
            max_connections: 1000,
            max_connections_per_ip: 50,
            origins: Vec::new(),
            metrics_from: Vec::new(),
        }
    }
}
