//! The messages of every kind of connection ⇄ bytes: JSON, in chunks.

use std::marker::PhantomData;

use bytes::{BufMut, BytesMut};
use connection_handler::{
    Decoded, DisconnectReason, MessageDecoder, MessageEncoder, Peer, PlainHandler,
    TcpMessageConnectionReader, TcpMessageConnectionWriter,
};
use serde::{Serialize, de::DeserializeOwned};

/// The handler of a kind of connection whose messages are JSON.
pub(crate) type JsonHandler<P> = PlainHandler<
    P,
    TcpMessageConnectionReader<Json<<P as Peer>::Incoming>>,
    TcpMessageConnectionWriter<Json<<P as Peer>::Outgoing>>,
>;

/// Decodes messages of type `M`, and encodes them.
pub(crate) struct Json<M>(PhantomData<fn() -> M>);

impl<M> Default for Json<M> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<M: DeserializeOwned + 'static> MessageDecoder for Json<M> {
    type Message = M;
    type Error = DisconnectReason;

    fn decode(&mut self, bytes: &[u8]) -> Result<Decoded<M>, DisconnectReason> {
        match serde_json::from_slice(bytes) {
            Ok(message) => Ok(Decoded::Message(message)),
            Err(error) if error.is_eof() => Ok(Decoded::Incomplete),
            Err(error) => Err(DisconnectReason::invalid(error)),
        }
    }
}

impl<M: Serialize + 'static> MessageEncoder<M> for Json<M> {
    type Error = DisconnectReason;

    fn encode(&mut self, message: &M, bytes: &mut BytesMut) -> Result<(), DisconnectReason> {
        serde_json::to_writer(bytes.writer(), message).map_err(DisconnectReason::invalid)
    }
}
