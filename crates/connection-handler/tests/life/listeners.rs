//! Listeners and connectors that do not do what they should.

use std::{future::pending, io};

use connection_handler::transport::{
    Connection, Connector, Handshake, Listener, memory::MemoryListener,
};
use tokio::io::{DuplexStream, ReadHalf, WriteHalf};

type PipeRead = ReadHalf<DuplexStream>;
type PipeWrite = WriteHalf<DuplexStream>;

/// So many handshakes are never finished, those after them are.
pub(crate) struct Hanging {
    pub(crate) inner: MemoryListener,
    pub(crate) left: usize,
}

impl Hanging {
    /// None is ever finished.
    pub(crate) fn always(inner: MemoryListener) -> Self {
        Self { inner, left: usize::MAX }
    }
}

impl Listener for Hanging {
    type Read = PipeRead;
    type Write = PipeWrite;

    async fn accept(&mut self) -> io::Result<Handshake<PipeRead, PipeWrite>> {
        let handshake = self.inner.accept().await?;
        if self.left == 0 {
            return Ok(handshake);
        }
        self.left -= 1;
        Ok(Handshake::new(handshake.remote_addr, async move {
            let _connection = handshake.await?;
            pending().await
        }))
    }
}

/// So many cannot be accepted, for this reason.
pub(crate) struct Failing {
    pub(crate) inner: MemoryListener,
    pub(crate) left: usize,
    pub(crate) error: io::ErrorKind,
}

impl Listener for Failing {
    type Read = PipeRead;
    type Write = PipeWrite;

    async fn accept(&mut self) -> io::Result<Handshake<PipeRead, PipeWrite>> {
        if self.left > 0 {
            self.left -= 1;
            return Err(self.error.into());
        }
        self.inner.accept().await
    }
}

/// Does not answer, or says no.
pub(crate) struct NotThere {
    pub(crate) hangs: bool,
}

impl Connector for NotThere {
    type Read = PipeRead;
    type Write = PipeWrite;

    async fn connect(&mut self) -> io::Result<Connection<PipeRead, PipeWrite>> {
        match self.hangs {
            true => pending().await,
            false => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    }
}
