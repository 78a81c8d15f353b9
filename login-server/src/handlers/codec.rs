//! The messages of every kind of connection ⇄ bytes: they differ in their enums only.

use std::marker::PhantomData;

use bytes::BytesMut;
use connection_handler::{
    Decoded, DisconnectReason, EncodingClass, MessageDecoder, MessageEncoder, MessageLimit,
    PeerLink, TcpMessageConnectionReader, TcpMessageConnectionWriter, transport::Format,
};
use protocol::{
    DecodeError, MAX_BEFORE_LOGIN, VERSION, Wire, decode, decode_json, encode, encode_json,
};
use serde::{Serialize, de::DeserializeOwned};

/// Decodes messages of type `M`, and encodes them.
#[derive(Debug)]
pub(crate) struct Codec<M> {
    format: Format,
    message: PhantomData<fn() -> M>,
}

/// Reads messages of type `M` from a connection.
pub(crate) type Reader<M> = TcpMessageConnectionReader<Codec<M>>;

/// Writes messages of type `M` to a connection.
pub(crate) type Writer<M> = TcpMessageConnectionWriter<Codec<M>>;

/// A reader and a writer for a connection nobody has introduced themselves on yet, and what allows
/// its messages to be longer later.
pub(crate) fn reader_and_writer<I, O>(link: &PeerLink<O>) -> (Reader<I>, Writer<O>, MessageLimit)
where
    I: Wire + DeserializeOwned + 'static,
{
    let (format, limit) = (link.format(), link.message_limit(MAX_BEFORE_LOGIN));
    (Reader::new(Codec::new(format), limit.clone()), Writer::new(Codec::new(format)), limit)
}

/// Who is sent the same bytes as a peer whose messages look like `format`.
pub(crate) fn encoding_class<M: 'static>(writer: &Writer<M>, format: Format) -> EncodingClass {
    let version = u32::from(VERSION);
    writer.encoding_class(match format {
        Format::Binary => version,
        Format::Text => JSON | version,
    })
}

impl<M> Codec<M> {
    pub(crate) fn new(format: Format) -> Self {
        Self { format, message: PhantomData }
    }
}

impl<M: Wire + DeserializeOwned + 'static> MessageDecoder for Codec<M> {
    type Message = M;
    type Error = DisconnectReason;

    fn decode(&mut self, bytes: &[u8]) -> Result<Decoded<M>, DisconnectReason> {
        let decoded = match self.format {
            Format::Binary => decode(bytes),
            Format::Text => decode_json(bytes),
        };
        match decoded {
            Ok(message) => Ok(Decoded::Message(message)),
            Err(DecodeError::Incomplete) => Ok(Decoded::Incomplete),
            Err(error) => Err(DisconnectReason::invalid(error)),
        }
    }
}

impl<M: Wire + Serialize + 'static> MessageEncoder<M> for Codec<M> {
    type Error = DisconnectReason;

    fn encode(&mut self, message: &M, bytes: &mut BytesMut) -> Result<(), DisconnectReason> {
        match self.format {
            Format::Binary => encode(message, bytes),
            Format::Text => encode_json(message, bytes),
        }
        Ok(())
    }
}

/// Beside the version, which has 16 bits.
const JSON: u32 = 1 << 16;
