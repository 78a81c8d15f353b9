//! The other side of a connection.

use std::{
    fmt::{self, Debug},
    panic::Location,
};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_util::codec::{Decoder, Encoder};

use super::limit::limited;
use crate::transport::Connection;

/// The other side of a connection, as plain as can be: no actors, no queues, nothing unasked.
///
/// It speaks bytes, and once it has been given a codec with [`speaking`](Self::speaking), messages
/// too. All that waits panics where the caller stands when it has to wait for more than 10 seconds.
///
/// # Cancel safety
///
/// None of the methods is: what they have begun is lost.
pub struct Remote<D = (), E = ()> {
    read: Box<dyn AsyncRead + Send + Unpin>,
    write: Box<dyn AsyncWrite + Send + Unpin>,
    decoder: D,
    encoder: E,
    received: BytesMut,
}

impl Remote {
    /// The other side of `connection`, over whatever transport.
    pub fn new<R, W>(connection: Connection<R, W>) -> Self
    where
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let Connection { read, write, .. } = connection;
        let (read, write) = (Box::new(read), Box::new(write));
        Self { read, write, decoder: (), encoder: (), received: BytesMut::new() }
    }

    /// Gives it a codec: `decoder` for what the handler's writer says, `encoder` for what its
    /// reader hears.
    pub fn speaking<D: Decoder, E>(self, decoder: D, encoder: E) -> Remote<D, E> {
        let Self { read, write, received, .. } = self;
        Remote { read, write, decoder, encoder, received }
    }
}

impl<D, E> Remote<D, E> {
    /// Says `bytes`.
    ///
    /// # Panics
    ///
    /// When they are not taken, or the connection is over.
    #[track_caller]
    pub fn send_bytes(&mut self, bytes: &[u8]) -> impl Future<Output = ()> {
        let caller = Location::caller();
        async move { self.say(caller, bytes).await }
    }

    /// The next `count` bytes.
    ///
    /// # Panics
    ///
    /// When they do not come.
    #[track_caller]
    pub fn bytes(&mut self, count: usize) -> impl Future<Output = Vec<u8>> {
        let caller = Location::caller();
        async move {
            while self.received.len() < count {
                if self.receive(caller, "bytes").await == 0 {
                    panic!("{caller}: the connection is over after {:?}", self.received);
                }
            }
            self.received.split_to(count).to_vec()
        }
    }

    /// All bytes until the end of the connection.
    ///
    /// # Panics
    ///
    /// When that does not come.
    #[track_caller]
    pub fn rest(&mut self) -> impl Future<Output = Vec<u8>> {
        let caller = Location::caller();
        async move {
            while self.receive(caller, "the end").await > 0 {}
            self.received.split().to_vec()
        }
    }

    /// Waits for the end of the connection.
    ///
    /// # Panics
    ///
    /// When that does not come, or something comes before it.
    #[track_caller]
    pub fn end(&mut self) -> impl Future<Output = ()> {
        let caller = Location::caller();
        async move {
            while self.receive(caller, "the end").await > 0 {}
            assert!(self.received.is_empty(), "{caller}: before the end came {:?}", self.received);
        }
    }

    /// Says that nothing more will be said, which a handler takes for the end of the connection.
    /// What it had queued before is still there to be heard.
    pub async fn finish(&mut self) {
        // An error says that the other side has hung up, which is as good.
        let _ = self.write.shutdown().await;
    }

    async fn say(&mut self, caller: &Location<'_>, bytes: &[u8]) {
        let saying = async {
            self.write.write_all(bytes).await?;
            self.write.flush().await
        };
        if let Err(error) = limited(caller, "being read", saying).await {
            panic!("{caller}: cannot say that: {error}");
        }
    }

    /// Receives some bytes; 0 when the connection is over, in whatever way.
    async fn receive(&mut self, caller: &Location<'_>, what: &str) -> usize {
        limited(caller, what, self.read.read_buf(&mut self.received)).await.unwrap_or(0)
    }
}

impl<D: Decoder<Error: Debug>, E> Remote<D, E> {
    /// The next message.
    ///
    /// # Panics
    ///
    /// When none comes, or what comes is not one.
    #[track_caller]
    pub fn message(&mut self) -> impl Future<Output = D::Item> {
        let caller = Location::caller();
        async move {
            loop {
                match self.decoder.decode(&mut self.received) {
                    Ok(Some(message)) => return message,
                    Ok(None) => {}
                    Err(error) => panic!("{caller}: expected a message, got {error:?}"),
                }
                if self.receive(caller, "a message").await == 0 {
                    panic!("{caller}: expected a message, got the end");
                }
            }
        }
    }
}

impl<D, E> Remote<D, E> {
    /// Says `message`.
    ///
    /// # Panics
    ///
    /// When it cannot be encoded, is not taken, or the connection is over.
    #[track_caller]
    pub fn send<M>(&mut self, message: M) -> impl Future<Output = ()>
    where
        E: Encoder<M, Error: Debug>,
    {
        let caller = Location::caller();
        let mut bytes = BytesMut::new();
        if let Err(error) = self.encoder.encode(message, &mut bytes) {
            panic!("{caller}: cannot encode that: {error:?}");
        }
        async move { self.say(caller, &bytes).await }
    }
}

impl<D, E> Debug for Remote<D, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("received", &self.received).finish_non_exhaustive()
    }
}
