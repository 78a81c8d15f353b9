//! The baseline: a task for each connection, which reads, decodes, encodes and writes.

use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_util::codec::{Decoder, Encoder};

use crate::codec::{Chunked, Derived, Wire};

/// Until the other side is done.
pub(crate) async fn echo(
    mut read: impl AsyncRead + Unpin,
    mut write: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    let (mut reader, mut writer) = Chunked::<Derived>::instances();
    let (mut incoming, mut outgoing) = (BytesMut::new(), BytesMut::new());
    loop {
        incoming.reserve(READ);
        if read.read_buf(&mut incoming).await? == 0 {
            return write.shutdown().await;
        }
        while let Ok(Some(message)) = reader.decode(&mut incoming) {
            writer.encode(message, &mut outgoing).map_err(|_| io::ErrorKind::InvalidData)?;
        }
        write.write_all(&outgoing).await?;
        write.flush().await?;
        outgoing.clear();
    }
}

const READ: usize = 8 * 1024;
