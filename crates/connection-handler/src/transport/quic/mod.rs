//! QUIC: one bidirectional stream per connection.
//!
//! A QUIC stream exists for the other side only once something was sent on it. The side that
//! connects therefore speaks first; one that stays silent fails the handshake timeout.

mod carrier;
mod write;

use std::{io, net::SocketAddr};

use quinn::{Endpoint, RecvStream, SendStream};

use super::{Connection, Connector, Handshake, Listener};

#[cfg(feature = "secure")]
pub(crate) use self::carrier::canonical;
pub use self::{carrier::QuicCarrier, write::QuicWrite};

impl Listener for Endpoint {
    type Read = RecvStream;
    type Write = QuicWrite;

    async fn accept(&mut self) -> io::Result<Handshake<Self::Read, Self::Write>> {
        let incoming = Self::accept(self).await.ok_or(io::ErrorKind::NotConnected)?;
        Ok(Handshake::new(incoming.remote_address(), async move {
            let connection = incoming.await?;
            let (write, read) = connection.accept_bi().await?;
            Ok(established(connection, write, read))
        }))
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        Self::local_addr(self).ok()
    }
}

/// Connects to `addr` over QUIC, expecting a certificate for `name`.
#[derive(Clone, Debug)]
pub struct QuicConnector {
    /// The local end.
    pub endpoint: Endpoint,
    /// Where to connect to.
    pub addr: SocketAddr,
    /// Who must be there.
    pub name: String,
}

impl Connector for QuicConnector {
    type Read = RecvStream;
    type Write = QuicWrite;

    async fn connect(&mut self) -> io::Result<Connection<Self::Read, Self::Write>> {
        let connecting = self.endpoint.connect(self.addr, &self.name).map_err(io::Error::other)?;
        let connection = connecting.await?;
        let (write, read) = connection.open_bi().await?;
        Ok(established(connection, write, read))
    }
}

fn established(
    connection: quinn::Connection,
    write: SendStream,
    read: RecvStream,
) -> Connection<RecvStream, QuicWrite> {
    let remote_addr = connection.remote_address();
    let write = QuicWrite::new(connection, write);
    let carrier = Some(write.carrier());
    Connection { carrier, ..Connection::new(remote_addr, "quic", read, write) }
}
