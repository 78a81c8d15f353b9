//! The baseline: a task for each connection, which reads, decodes, encodes and writes.

use std::io;

use bytes::BytesMut;
use connection_handler::{Decoded, MessageDecoder, MessageEncoder};
use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};
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

/// The same over a WebSocket, whose messages need no framing: what has come at once is answered at
/// once.
pub(crate) async fn echo_websocket<S>(mut socket: WebSocketStream<S>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut codec, mut outgoing) = (Derived, BytesMut::new());
    while let Some(received) = socket.next().await {
        let mut next = Some(received);
        while let Some(received) = next {
            match received.map_err(io::Error::other)? {
                Message::Binary(bytes) => {
                    let Ok(Decoded::Message(message)) = codec.decode(&bytes) else {
                        return Err(io::ErrorKind::InvalidData.into());
                    };
                    codec
                        .encode(&message, &mut outgoing)
                        .map_err(|_| io::ErrorKind::InvalidData)?;
                    let message = Message::Binary(outgoing.split().freeze());
                    socket.feed(message).await.map_err(io::Error::other)?;
                }
                Message::Close(_) => return Ok(()),
                _ => {}
            }
            next = socket.next().now_or_never().flatten();
        }
        socket.flush().await.map_err(io::Error::other)?;
    }
    Ok(())
}

const READ: usize = 8 * 1024;
