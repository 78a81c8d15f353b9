//! Messages in the chunks of a byte stream: what most handlers use as reader and writer.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::BytesMut;
use framing::{
    FrameError,
    chunks::{self, ChunkReader, ChunkSize, Progress},
};
use tokio_util::codec::{Decoder, Encoder};

use crate::{DisconnectReason, EncodingClass};

/// Turns the bytes of one message into the message.
pub trait MessageDecoder: Unpin + 'static {
    /// What the bytes become.
    type Message;

    /// Why they do not. Ends the connection.
    type Error: Into<DisconnectReason>;

    /// Decodes one message from exactly `bytes`.
    ///
    /// Called after every chunk with all that has arrived of the message, for most messages once.
    /// Bytes that follow the message are an error for the decoder to make.
    ///
    /// # Errors
    ///
    /// When no further chunk can make `bytes` a message this handler accepts.
    fn decode(&mut self, bytes: &[u8]) -> Result<Decoded<Self::Message>, Self::Error>;
}

/// What a [`MessageDecoder`] has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded<M> {
    /// A message.
    Message(M),
    /// The beginning of a message. Only legal after a full chunk; after a shorter one it ends the
    /// connection.
    Incomplete,
}

/// Turns a message into bytes.
pub trait MessageEncoder<M>: Send + Unpin + 'static {
    /// Why it cannot. Ends the connection.
    type Error: Into<DisconnectReason>;

    /// Whether the other side understands `message`: an older version may not. What it does not
    /// know is not sent to it, and nothing else happens.
    fn knows(&self, message: &M) -> bool {
        let _ = message;
        true
    }

    /// Appends `message` to `bytes`, and changes nothing of what is there already.
    ///
    /// # Errors
    ///
    /// When `message` has no form on the wire. One that appends nothing is a bug of the encoder, and
    /// ends the connection for [`Bug`](DisconnectReason::Bug).
    fn encode(&mut self, message: &M, bytes: &mut BytesMut) -> Result<(), Self::Error>;
}

/// Reads messages that arrive in [`chunks`].
#[derive(Debug)]
pub struct TcpMessageConnectionReader<D> {
    decoder: D,
    chunks: ChunkReader,
    limit: MessageLimit,
}

impl<D: MessageDecoder> TcpMessageConnectionReader<D> {
    /// Reads messages of at most `limit`, in chunks of at most 65535 bytes.
    pub fn new(decoder: D, limit: MessageLimit) -> Self {
        Self::with_chunks(decoder, limit, ChunkSize::MAX)
    }

    /// Reads messages of at most `limit`, in chunks of at most `size`.
    ///
    /// The decoder is asked after every chunk: small chunks and a large limit make long messages
    /// expensive.
    pub fn with_chunks(decoder: D, limit: MessageLimit, size: ChunkSize) -> Self {
        Self { decoder, chunks: ChunkReader::new(size), limit }
    }
}

impl<D: MessageDecoder> Decoder for TcpMessageConnectionReader<D> {
    type Item = D::Message;
    type Error = DisconnectReason;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<D::Message>, DisconnectReason> {
        let Self { decoder, chunks, limit } = self;
        chunks.next(src, limit.get(), |bytes| match decoder.decode(bytes) {
            Ok(Decoded::Message(message)) => Ok(Progress::Message(message)),
            Ok(Decoded::Incomplete) => Ok(Progress::Incomplete),
            Err(error) => Err(error.into()),
        })
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<D::Message>, DisconnectReason> {
        match self.decode(src)? {
            None if self.chunks.is_inside_message(src) => Err(FrameError::UnexpectedEnd.into()),
            message => Ok(message),
        }
    }
}

/// Writes messages in [`chunks`].
#[derive(Debug)]
pub struct TcpMessageConnectionWriter<E> {
    encoder: E,
    size: ChunkSize,
}

impl<E> TcpMessageConnectionWriter<E> {
    /// Writes messages in chunks of at most 65535 bytes.
    pub fn new(encoder: E) -> Self {
        Self::with_chunks(encoder, ChunkSize::MAX)
    }

    /// Writes messages in chunks of at most `size`.
    pub fn with_chunks(encoder: E, size: ChunkSize) -> Self {
        Self { encoder, size }
    }

    /// What is encoded for this writer is right for every other one of this class, however long
    /// their chunks are: those whose encoders are of type `E`, and of this `version`.
    ///
    /// The version stands for all that makes encoders of one type differ.
    pub fn encoding_class(&self, version: u32) -> EncodingClass
    where
        E: 'static,
    {
        EncodingClass::of_chunks::<Self>(version, self.size)
    }
}

impl<M, E: MessageEncoder<M>> Encoder<M> for TcpMessageConnectionWriter<E> {
    type Error = DisconnectReason;

    fn encode(&mut self, message: M, dst: &mut BytesMut) -> Result<(), DisconnectReason> {
        if !self.encoder.knows(&message) {
            return Ok(());
        }
        chunks::encode(self.size, dst, |bytes| {
            self.encoder.encode(&message, bytes).map_err(|error| EncodeError(error.into()))
        })
        .map_err(|EncodeError(reason)| reason)
    }
}

struct EncodeError(DisconnectReason);

impl From<FrameError> for EncodeError {
    /// The peer is not to blame for what we say.
    fn from(_: FrameError) -> Self {
        Self(DisconnectReason::Bug)
    }
}

/// How many bytes a message of one connection may have, all its chunks together.
///
/// Shared: the handler gives one clone to the reader and keeps the other in the peer, so that the
/// central actor can allow more once it knows who that is. A message whose chunks have arrived
/// before that is still held against the lower limit: let the peer wait for an answer.
#[derive(Clone, Debug)]
pub struct MessageLimit(Arc<AtomicUsize>);

impl MessageLimit {
    /// Begins with `bytes`.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(bytes)))
    }

    /// The limit in bytes.
    pub fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Allows `bytes` from now on, to every clone.
    pub fn set(&self, bytes: usize) {
        self.0.store(bytes, Ordering::Relaxed);
    }
}
