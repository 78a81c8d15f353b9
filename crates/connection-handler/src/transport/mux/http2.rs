//! A polite no to HTTP/2.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Tells a client that speaks HTTP/2 to come back with HTTP/1.1, and waits until it has heard that.
///
/// That is a GOAWAY for `HTTP_1_1_REQUIRED` (RFC 9113, 6.8 and 7). It takes no longer than the
/// client takes to end the connection: give it a limit. What the client sends is thrown away, so
/// that closing does not reset the connection before our answer is read.
///
/// # Errors
///
/// When the connection breaks.
pub async fn refuse_http2(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    stream.write_all(SETTINGS).await?;
    stream.write_all(GOAWAY).await?;
    stream.shutdown().await?;
    let mut ignored = [0; 256];
    while stream.read(&mut ignored).await? > 0 {}
    Ok(())
}

/// The server has to begin with its settings: all as they are by default.
const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
/// No request was looked at, HTTP/1.1 is required.
const GOAWAY: &[u8] = b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0d";
