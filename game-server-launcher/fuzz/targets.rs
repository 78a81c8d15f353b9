//! What is fuzzed: what games say. `cargo xtask soak --only fuzz:openttd` runs one.

use std::io;

use bytes::BytesMut;
use connection_handler::{DisconnectReason, testing::fuzz_decoder};
use tokio_util::codec::Decoder;

#[allow(dead_code)]
#[path = "../src/keeper/handlers/openttd/protocol.rs"]
mod openttd;
#[allow(dead_code)]
#[path = "../src/keeper/handlers/teeworlds/protocol.rs"]
mod teeworlds;

/// The admin port of OpenTTD.
#[allow(dead_code)]
pub fn openttd(bytes: &[u8]) {
    fuzz_decoder(bytes, || Refusing(openttd::OpenttdCodec::default()));
}

/// The console of Teeworlds.
#[allow(dead_code)]
pub fn teeworlds(bytes: &[u8]) {
    fuzz_decoder(bytes, || Refusing(teeworlds::TeeworldsCodec::default()));
}

/// A decoder whose errors end a connection.
struct Refusing<D>(D);

impl<D> Decoder for Refusing<D>
where
    D: Decoder<Error: std::error::Error + Send + Sync + 'static + From<io::Error>>,
{
    type Item = D::Item;
    type Error = DisconnectReason;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<D::Item>, DisconnectReason> {
        self.0.decode(src).map_err(DisconnectReason::invalid)
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<D::Item>, DisconnectReason> {
        self.0.decode_eof(src).map_err(DisconnectReason::invalid)
    }
}
