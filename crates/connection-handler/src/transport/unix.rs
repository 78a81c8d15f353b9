//! Unix sockets: other processes on this host.
//!
//! They have no address, so that the limit per address of a handler holds for all of them together.

use std::{io, path::PathBuf};

use tokio::net::{
    UnixListener, UnixStream,
    unix::{OwnedReadHalf, OwnedWriteHalf},
};

use super::{Connection, Connector, Handshake, Listener, NOWHERE, tcp::closed_if_final};

impl Listener for UnixListener {
    type Read = OwnedReadHalf;
    type Write = OwnedWriteHalf;

    async fn accept(&mut self) -> io::Result<Handshake<Self::Read, Self::Write>> {
        let (stream, _) = Self::accept(self).await.map_err(closed_if_final)?;
        Ok(Handshake::new(NOWHERE, async move { Ok(split(stream)) }))
    }
}

/// Connects to the socket at `path`.
#[derive(Clone, Debug)]
pub struct UnixConnector {
    /// Where to connect to.
    pub path: PathBuf,
}

impl Connector for UnixConnector {
    type Read = OwnedReadHalf;
    type Write = OwnedWriteHalf;

    async fn connect(&mut self) -> io::Result<Connection<Self::Read, Self::Write>> {
        Ok(split(UnixStream::connect(&self.path).await?))
    }
}

fn split(stream: UnixStream) -> Connection<OwnedReadHalf, OwnedWriteHalf> {
    let (read, write) = stream.into_split();
    Connection::new(NOWHERE, "unix", read, write)
}
