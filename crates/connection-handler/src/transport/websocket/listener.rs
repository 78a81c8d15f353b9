//! Where WebSockets come from.

use std::{io, net::SocketAddr};

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::sync::{mpsc, oneshot};

use super::{WebSocketConfig, WebSocketRead, WebSocketWrite, over};
use crate::transport::{Format, Handshake, Listener};

/// A way to talk over a WebSocket, by the name that a client asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subprotocol {
    /// Its name in `Sec-WebSocket-Protocol`: letters, digits, `.`, `-`. Empty: for who names none.
    pub name: &'static str,
    /// What messages look like then.
    pub format: Format,
}

/// Where WebSockets come from. See
/// [`HttpServer::websocket`](crate::transport::http::HttpServer::websocket).
///
/// A client that is refused, because there are too many or none are wanted, gets status 503 instead
/// of a connection.
#[derive(Debug)]
pub struct WebSocketListener {
    pub(crate) config: WebSocketConfig,
    pub(crate) arrived: mpsc::Receiver<Arriving>,
}

/// A client that has asked for a WebSocket, and waits for the answer.
#[derive(Debug)]
pub(crate) struct Arriving {
    pub(crate) remote_addr: SocketAddr,
    pub(crate) format: Format,
    /// Told that they may come in; dropped otherwise.
    pub(crate) welcome: oneshot::Sender<()>,
    /// The connection, once the answer is sent.
    pub(crate) upgrade: OnUpgrade,
}

impl Listener for WebSocketListener {
    type Read = WebSocketRead;
    type Write = WebSocketWrite;

    async fn accept(&mut self) -> io::Result<Handshake<WebSocketRead, WebSocketWrite>> {
        let arriving = self.arrived.recv().await.ok_or(io::ErrorKind::NotConnected)?;
        let Arriving { remote_addr, format, welcome, upgrade } = arriving;
        let config = self.config.clone();
        Ok(Handshake::new(remote_addr, async move {
            welcome.send(()).map_err(|()| io::ErrorKind::ConnectionAborted)?;
            let stream = upgrade.await.map_err(io::Error::other)?;
            Ok(over(TokioIo::new(stream), Default::default(), remote_addr, format, &config))
        }))
    }
}
