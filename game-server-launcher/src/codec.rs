//! Messages of [`protocol`] on the connection handler's traits.

use std::{fmt, marker::PhantomData};

use bytes::BytesMut;
use connection_handler::{
    Decoded, DisconnectReason, MessageDecoder, MessageEncoder, MessageLimit,
    TcpMessageConnectionReader, TcpMessageConnectionWriter,
};
use protocol::{DecodeError, Wire};

/// Reads messages of type `M`.
pub(crate) type Reader<M> = TcpMessageConnectionReader<ProtocolCodec<M>>;

/// Writes messages of type `M`.
pub(crate) type Writer<M> = TcpMessageConnectionWriter<ProtocolCodec<M>>;

/// A reader of messages of at most `limit`.
pub(crate) fn reader<M: Wire + Unpin + 'static>(limit: MessageLimit) -> Reader<M> {
    TcpMessageConnectionReader::new(ProtocolCodec::default(), limit)
}

/// A writer of messages.
pub(crate) fn writer<M>() -> Writer<M> {
    TcpMessageConnectionWriter::new(ProtocolCodec::default())
}

/// Both directions of one type of message.
pub(crate) struct ProtocolCodec<M>(PhantomData<fn() -> M>);

impl<M> Default for ProtocolCodec<M> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<M> fmt::Debug for ProtocolCodec<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProtocolCodec")
    }
}

impl<M: Wire + Unpin + 'static> MessageDecoder for ProtocolCodec<M> {
    type Message = M;
    type Error = DisconnectReason;

    fn decode(&mut self, bytes: &[u8]) -> Result<Decoded<M>, DisconnectReason> {
        match protocol::decode(bytes) {
            Ok(message) => Ok(Decoded::Message(message)),
            Err(DecodeError::Incomplete) => Ok(Decoded::Incomplete),
            Err(error) => Err(DisconnectReason::invalid(error)),
        }
    }
}

impl<M: Wire + Unpin + 'static> MessageEncoder<M> for ProtocolCodec<M> {
    type Error = DisconnectReason;

    fn encode(&mut self, message: &M, bytes: &mut BytesMut) -> Result<(), DisconnectReason> {
        protocol::encode(message, bytes);
        Ok(())
    }
}
