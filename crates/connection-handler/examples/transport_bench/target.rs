//! How the clients get to a server, and what they say there.

use std::{io, net::Ipv4Addr, path::Path, rc::Rc, sync::Arc};

use quinn::{Endpoint, crypto::rustls::QuicClientConfig};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::TlsConnector;

use crate::{codec::Message, tls};

/// A connection of a client.
pub(crate) struct Link {
    pub(crate) read: Box<dyn AsyncRead + Unpin>,
    pub(crate) write: Box<dyn AsyncWrite + Unpin>,
    pub(crate) words: Words,
}

impl Link {
    pub(crate) fn new(
        read: impl AsyncRead + Unpin + 'static,
        write: impl AsyncWrite + Unpin + 'static,
        words: Words,
    ) -> Self {
        Self { read: Box::new(read), write: Box::new(write), words }
    }
}

/// What a client says, as it travels.
#[derive(Clone)]
pub(crate) struct Words {
    /// One message.
    pub(crate) said: Rc<[u8]>,
    /// How many bytes its echo has.
    pub(crate) heard: usize,
    /// Before a client leaves.
    pub(crate) goodbye: &'static [u8],
}

impl Words {
    pub(crate) fn plain() -> Self {
        let said = Message::login().frame();
        Self { heard: said.len(), said: said.into(), goodbye: b"" }
    }

    /// The same message in a frame of a WebSocket.
    fn framed() -> Self {
        let frame = Message::login().frame();
        let message = &frame[2..];
        let length = u8::try_from(message.len()).expect("shorter than 126 bytes");
        let masked = message.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask);
        let head = [0x82, 0x80 | length].into_iter().chain(MASK);
        Self { said: head.chain(masked).collect(), heard: 2 + message.len(), goodbye: CLOSE }
    }
}

/// Where the server is, and how to get there.
pub(crate) enum Target {
    Tcp(String),
    Unix(String),
    Tls(String, TlsConnector),
    Quic(String, Endpoint),
    WebSocket(String, Words),
}

impl Target {
    pub(crate) fn new(transport: &str, said: &str, folder: &Path) -> io::Result<Rc<Self>> {
        let said = said.to_owned();
        Ok(Rc::new(match transport {
            "tcp" => Self::Tcp(said),
            "unix" => Self::Unix(said),
            "websocket" => Self::WebSocket(said, Words::framed()),
            "tls" => Self::Tls(said, TlsConnector::from(Arc::new(tls::client(folder)?))),
            _ => {
                let mut endpoint = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into())?;
                endpoint.set_default_client_config(quic(folder)?);
                Self::Quic(said, endpoint)
            }
        }))
    }

    pub(crate) async fn connect(&self) -> io::Result<Link> {
        Ok(match self {
            Self::Tcp(addr) => {
                let (read, write) = tcp(addr).await?.into_split();
                Link::new(read, write, Words::plain())
            }
            Self::Unix(path) => {
                let (read, write) = UnixStream::connect(path).await?.into_split();
                Link::new(read, write, Words::plain())
            }
            Self::Tls(addr, connector) => {
                let name = ServerName::try_from(tls::NAME).map_err(io::Error::other)?;
                let stream = connector.connect(name, tcp(addr).await?).await?;
                let (read, write) = tokio::io::split(stream);
                Link::new(read, write, Words::plain())
            }
            Self::Quic(addr, endpoint) => {
                let addr = addr.parse().map_err(io::Error::other)?;
                let connecting = endpoint.connect(addr, tls::NAME).map_err(io::Error::other)?;
                let (write, read) = connecting.await?.open_bi().await?;
                Link::new(read, write, Words::plain())
            }
            Self::WebSocket(addr, words) => {
                let mut stream = tcp(addr).await?;
                stream.write_all(UPGRADE).await?;
                upgraded(&mut stream).await?;
                let (read, write) = stream.into_split();
                Link::new(read, write, words.clone())
            }
        })
    }
}

/// A client of QUIC that knows the server.
pub(crate) fn quic(folder: &Path) -> io::Result<quinn::ClientConfig> {
    let crypto = QuicClientConfig::try_from(tls::client(folder)?).map_err(io::Error::other)?;
    Ok(quinn::ClientConfig::new(Arc::new(crypto)))
}

async fn tcp(addr: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Until the answer to a request for a WebSocket is there: the server waits for us then.
async fn upgraded(stream: &mut TcpStream) -> io::Result<()> {
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    match answer.starts_with(b"HTTP/1.1 101 ") {
        true => Ok(()),
        false => Err(io::Error::other(String::from_utf8_lossy(&answer))),
    }
}

const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
/// A close frame that gives no reason.
const CLOSE: &[u8] = &[0x88, 0x80, 0x37, 0xFA, 0x21, 0x3D];
const UPGRADE: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
