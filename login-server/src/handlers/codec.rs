//! The messages of every kind of connection ⇄ bytes: they differ in their enums only.

use std::marker::PhantomData;

use bytes::BytesMut;
use connection_handler::{
    Decoded, DisconnectReason, MessageDecoder, MessageEncoder, MessageLimit,
    TcpMessageConnectionReader, TcpMessageConnectionWriter,
};
use protocol::{DecodeError, MAX_BEFORE_LOGIN, Wire, decode, encode};

/// Decodes messages of type `M`, and encodes them.
#[derive(Debug)]
pub(crate) struct Codec<M>(PhantomData<fn() -> M>);

/// Reads messages of type `M` from a connection.
pub(crate) type Reader<M> = TcpMessageConnectionReader<Codec<M>>;

/// Writes messages of type `M` to a connection.
pub(crate) type Writer<M> = TcpMessageConnectionWriter<Codec<M>>;

/// A reader and a writer for a connection nobody has introduced themselves on yet, and what allows
/// its messages to be longer later.
pub(crate) fn reader_and_writer<I, O>() -> (Reader<I>, Writer<O>, MessageLimit)
where
    I: Wire + 'static,
{
    let limit = MessageLimit::new(MAX_BEFORE_LOGIN);
    (Reader::new(Codec::default(), limit.clone()), Writer::new(Codec::default()), limit)
}

impl<M> Default for Codec<M> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<M: Wire + 'static> MessageDecoder for Codec<M> {
    type Message = M;
    type Error = DisconnectReason;

    fn decode(&mut self, bytes: &[u8]) -> Result<Decoded<M>, DisconnectReason> {
        match decode(bytes) {
            Ok(message) => Ok(Decoded::Message(message)),
            Err(DecodeError::Incomplete) => Ok(Decoded::Incomplete),
            Err(error) => Err(DisconnectReason::invalid(error)),
        }
    }
}

impl<M: Wire + 'static> MessageEncoder<M> for Codec<M> {
    type Error = DisconnectReason;

    fn encode(&mut self, message: &M, bytes: &mut BytesMut) -> Result<(), DisconnectReason> {
        encode(message, bytes);
        Ok(())
    }
}
