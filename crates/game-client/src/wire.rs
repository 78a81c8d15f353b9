//! Messages of the login server, from and to a stream of bytes.

use std::io;

use bytes::BytesMut;
use framing::{
    FrameError,
    chunks::{self, ChunkReader, ChunkSize, Progress},
};
use protocol::{
    DecodeError, FromGameClient, MAX_AFTER_LOGIN, MAX_BEFORE_LOGIN, ToGameClient, decode, encode,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::ConnectionLost;

/// Reads messages.
#[derive(Debug)]
pub(crate) struct MessageReader<R> {
    read: R,
    received: BytesMut,
    chunks: ChunkReader,
    /// Most bytes of a message.
    max: usize,
}

impl<R: AsyncRead + Unpin> MessageReader<R> {
    /// Reads short messages only, until [`welcomed`](Self::welcomed).
    pub(crate) fn new(read: R) -> Self {
        let chunks = ChunkReader::new(ChunkSize::default());
        Self { read, received: BytesMut::new(), chunks, max: MAX_BEFORE_LOGIN }
    }

    /// From now on messages may be as long as any.
    pub(crate) fn welcomed(&mut self) {
        self.max = MAX_AFTER_LOGIN;
    }

    /// Waits for the next message. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<ToGameClient, ConnectionLost> {
        loop {
            let message = self.chunks.next(&mut self.received, self.max, progress)?;
            if let Some(message) = message {
                return Ok(message);
            }
            self.received.reserve(READ_SIZE);
            if self.read.read_buf(&mut self.received).await? == 0 {
                return Err(ConnectionLost::Closed);
            }
        }
    }
}

/// Writes messages, through a buffer.
#[derive(Debug)]
pub(crate) struct MessageWriter<W> {
    write: W,
    queued: BytesMut,
    flushed: bool,
}

impl<W: AsyncWrite + Unpin> MessageWriter<W> {
    pub(crate) fn new(write: W) -> Self {
        Self { write, queued: BytesMut::new(), flushed: true }
    }

    /// Appends a message to what [`transmit`](Self::transmit) sends.
    pub(crate) fn queue(&mut self, message: &FromGameClient) {
        chunks::encode::<FrameError>(ChunkSize::default(), &mut self.queued, |bytes| {
            encode(message, bytes);
            Ok(())
        })
        .expect("no message is empty");
    }

    /// Whether another request fits. The answers to pings do in any case.
    pub(crate) fn has_room(&self) -> bool {
        self.queued.len() < QUEUE_SIZE
    }

    /// Whether [`transmit`](Self::transmit) has something to do.
    pub(crate) fn has_work(&self) -> bool {
        !self.queued.is_empty() || !self.flushed
    }

    /// Whether the server takes so little that even answers to its pings pile up.
    pub(crate) fn is_stuck(&self) -> bool {
        self.queued.len() > 2 * QUEUE_SIZE
    }

    /// Sends what was queued. Cancel-safe.
    pub(crate) async fn transmit(&mut self) -> io::Result<()> {
        while !self.queued.is_empty() {
            self.flushed = false;
            if self.write.write_buf(&mut self.queued).await? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        self.write.flush().await?;
        self.flushed = true;
        Ok(())
    }

    /// Sends what was queued, and says that nothing follows.
    pub(crate) async fn finish(&mut self) -> io::Result<()> {
        self.transmit().await?;
        self.write.shutdown().await
    }
}

fn progress(bytes: &[u8]) -> Result<Progress<ToGameClient>, ConnectionLost> {
    match decode(bytes) {
        Ok(message) => Ok(Progress::Message(message)),
        Err(DecodeError::Incomplete) => Ok(Progress::Incomplete),
        Err(error) => Err(error.into()),
    }
}

/// Bytes asked from the socket at a time.
const READ_SIZE: usize = 8 * 1024;

/// Bytes that may wait to be sent: some dozens of the longest requests.
const QUEUE_SIZE: usize = 32 * 1024;
