//! Several protocols on one TCP port: a guide.
//!
//! One port is all that a firewall has to let through and an operator has to forward. What somebody
//! speaks is told by their first bytes:
//!
//! ```text
//!  accept ─▶ a place? ─▶ PROXY header ─▶ first bytes ─▶ listener of its kind
//!              │          │ from configured proxies:     │       │
//!              │          │ one, or it is the end        │       ▼ the connection as if nothing had
//!              ▼          ▼                              ▼         been read, and nothing written
//!           closed     closed                         closed      and counted, by reason
//! ```
//!
//! | first bytes | is | bytes that decide |
//! |---|---|---|
//! | a length of 1 to 767, least significant byte first | [`Kind::Plain`] | 2 |
//! | `16 03 00…04`, a length of 1 to 16384, `01` | [`Kind::Tls`] | 6 |
//! | a method of RFC 9110 or `PATCH`, and a space | [`Kind::Http1`] | 4 to 8 |
//! | `PRI * HTTP/2.0␍␊␍␊SM␍␊␍␊` | [`Kind::Http2`] | 24 |
//! | `PROXY␠`, or the signature of version 2 | a PROXY header | 6, 12 |
//!
//! [`PortMux`] does all of it, on any Tokio runtime and without the rest of this crate:
//!
//! ```
//! use connection_handler::transport::mux::{Kind, MuxConfig, PortMux, SnifferConfig};
//! use tokio::{
//!     io::{AsyncReadExt, AsyncWriteExt},
//!     net::{TcpListener, TcpStream},
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let tcp = TcpListener::bind("127.0.0.1:0").await?;
//! let sniffer = SnifferConfig { proxies: vec!["10.0.0.0/8".parse()?], ..Default::default() };
//! let mut mux = PortMux::new(tcp, MuxConfig { sniffer, ..Default::default() });
//! let mut http = mux.listener(Kind::Http1);
//! let mut tls = mux.listener(Kind::Tls); // for a `tokio_rustls::TlsAcceptor`, say
//! let handle = mux.start();
//! let addr = handle.local_addr().ok_or("it has no address")?;
//!
//! let mut client = TcpStream::connect(addr).await?;
//! client.write_all(b"GET / HTTP/1.1\r\n\r\n").await?;
//!
//! let mut server = http.next().await.ok_or("the port is closed")?;
//! assert_eq!(server.peer.remote_addr, client.local_addr()?);
//! let mut request = [0; 18];
//! server.stream.read_exact(&mut request).await?;
//! assert_eq!(&request, b"GET / HTTP/1.1\r\n\r\n");
//!
//! // Who speaks something else is closed, and counted.
//! let mut stranger = TcpStream::connect(addr).await?;
//! stranger.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").await?;
//! let _ = stranger.read(&mut [0]).await;
//! assert_eq!(handle.closed()["unknown_protocol"], 1);
//! handle.close().await;
//! assert!(tls.next().await.is_none());
//! # Ok(())
//! # }
//! ```
//!
//! Each part can be used alone: [`Sniffer`] for who accepts connections of their own, [`sniff`] and
//! [`proxy::parse`] for who has bytes and no sockets. These two are pure functions.
//! `SecurePort` of `transport::secure` is made of a [`Sniffer`] and TLS (feature `secure`).
//!
//! # What can be relied on
//!
//! * All patterns are looked at together: which one was registered first means nothing. No two of
//!   them fit the same bytes.
//! * It is never waited for a byte that need not come. A client whose whole first message has three
//!   bytes gets its answer.
//! * Nothing is written before the connection is handed over, and all its bytes are still there.
//! * A silent connection costs a place among [`max_waiting`](MuxConfig::max_waiting) and a few
//!   bytes, for [`timeout`](SnifferConfig::timeout). That is for the whole of it, not per read:
//!   a byte now and then does not help. Then it is closed: nothing is guessed.
//! * [`MuxHandle::close`] waits for nobody.
//!
//! # What cannot share a port
//!
//! A protocol in which the server speaks first (SMTP, SSH to some clients, PostgreSQL's `STARTTLS`
//! kind of thing): its clients are silent, and closed after the timeout. What is decided by more
//! than the first bytes, such as the path of a request, is not decided here: over one connection
//! there may be requests for several.
//!
//! # Behind a proxy
//!
//! Each connection from one of [`proxies`](SnifferConfig::proxies) has to begin with one PROXY
//! header, version 1 or 2, also before TLS: haproxy's `send-proxy` or `send-proxy-v2`, nginx's
//! `proxy_protocol on`. The address in it then counts for everything. `LOCAL` (health checks) and
//! `UNKNOWN` keep the address of the connection. What else version 2 tells is skipped, its checksum
//! is checked where there is one. A header from anybody else, a second one, or one inside of TLS
//! ends the connection: who could send it would choose whose limits count.
//!
//! # Which test shows what
//!
//! | capability | where | shown by |
//! |---|---|---|
//! | one root listener, an ordinary listener for each protocol | [`PortMux`], [`MuxListener`] | `tests/mux/port.rs` |
//! | matchers: any, prefix, HTTP/1, HTTP/2, TLS | [`sniff`], as a table of patterns evaluated together | `tests/mux/sniffing.rs` |
//! | matchers on headers of HTTP | left out: belongs to the HTTP layer, see above | |
//! | what was read is read again | [`Rewind`] | `every_chunking_leads_to_the_same_listener_with_all_bytes` |
//! | read timeout while sniffing | [`SnifferConfig::timeout`], always on, absolute | `who_is_silent_or_slow_is_closed_at_the_deadline` |
//! | an error handler, unmatched connections closed | closed, counted by reason, first bytes in the log | `what_matches_nothing_is_closed_and_counted` |
//! | closing does not wait for sniffers | [`MuxHandle::close`] | `closing_does_not_wait_for_the_silent` |
//! | a bounded queue per listener | [`MuxConfig::queue`] | `a_listener_that_takes_nobody_delays_no_other` |
//! | TLS and plain, HTTP and others on one port | `SecurePort::http`, `SecurePort::plain_frames` | `secure/tests/http.rs` |
//! | failing accept does not spin | pauses of 100 ms, one line in the log | |

mod http2;
mod port;
pub mod proxy;
mod rewind;
mod sniff;
mod sniffer;

pub use self::{
    http2::refuse_http2,
    port::{MuxConfig, MuxHandle, MuxListener, PortMux},
    rewind::Rewind,
    sniff::{Kind, LONGEST_PATTERN, Patterns, PlainFrames, Sniff, sniff},
    sniffer::{Arrival, FirstBytes, PeerInfo, SniffError, Sniffed, Sniffer, SnifferConfig},
};
