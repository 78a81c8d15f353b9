//! For who writes a handler: the other side of a connection, bad networks, and a suite for codecs.
//!
//! Feature `testing`, meant for `[dev-dependencies]`.
//!
//! * [`pair`] puts one connection of a handler between two hands: the peer and what a central actor
//!   hears of it in one, the other side of its pipe in the other.
//! * [`probe`] is a central actor that a test looks through; [`Remote`] is the other side of any
//!   connection, in messages or in bytes. With [`memory`](crate::transport::memory::memory) they
//!   test a program's own central actor as well.
//! * [`Impaired`] makes any transport a bad one, the same way in every run; [`UdpRelay`] and
//!   [`TcpRelay`] are bad networks between whole programs.
//! * [`codec_suite`] and [`decoder_suite`] put a codec through everything a network and an attacker
//!   do to it; [`fuzz_decoder`] is the body of a fuzz target.
//!
//! ```
//! use bytes::BytesMut;
//! use connection_handler::{DisconnectReason, Peer, testing};
//! # use connection_handler::{ConnectionHandler, PeerLink};
//! # use tokio_util::codec::LinesCodec;
//! # connection_handler::peer! { struct Reader: String => String; }
//! # struct ReaderHandler;
//! # #[derive(Default)]
//! # struct Lines(LinesCodec);
//! # #[derive(Debug)]
//! # struct Bad(tokio_util::codec::LinesCodecError);
//! # impl From<std::io::Error> for Bad { fn from(error: std::io::Error) -> Self { Self(error.into()) } }
//! # impl From<Bad> for DisconnectReason { fn from(bad: Bad) -> Self { Self::invalid(bad.0) } }
//! # impl tokio_util::codec::Decoder for Lines {
//! #     type Item = String;
//! #     type Error = Bad;
//! #     fn decode(&mut self, src: &mut BytesMut) -> Result<Option<String>, Bad> { self.0.decode(src).map_err(Bad) }
//! # }
//! # impl tokio_util::codec::Encoder<String> for Lines {
//! #     type Error = Bad;
//! #     fn encode(&mut self, line: String, dst: &mut BytesMut) -> Result<(), Bad> { self.0.encode(line, dst).map_err(Bad) }
//! # }
//! # impl ConnectionHandler for ReaderHandler {
//! #     type Peer = Reader;
//! #     type Reader = Lines;
//! #     type Writer = Lines;
//! #     fn create_connection_instances(&mut self, link: PeerLink<String>) -> (Lines, Lines, Reader) {
//! #         (Lines::default(), Lines::default(), link.into())
//! #     }
//! # }
//!
//! #[actix::main]
//! async fn main() {
//!     let (peer, mut central, mut remote) = testing::pair(ReaderHandler).await;
//!     remote.send_bytes(b"hello\nwor").await;
//!     assert_eq!(central.message().await, "hello");
//!     peer.send("good bye".into());
//!     drop(peer);
//!     assert_eq!(remote.rest().await, b"good bye\n");
//!     assert!(matches!(central.end().await, DisconnectReason::Drop));
//! }
//! ```
//!
//! # Time
//!
//! Everything that waits here gives up after 10 seconds and says where the test was waiting. With
//! tokio's paused time (its feature `test-util`, `tokio::time::pause()`) these are seconds of the
//! clock on the wall; up to an hour of paused time passes at once, so that timeouts of minutes can
//! be waited for.

mod codec;
mod events;
mod impair;
mod limit;
mod mutations;
mod pair;
mod relay;
mod remote;

pub use self::{
    codec::{codec_suite, decoder_suite, fuzz_decoder},
    events::{Event, Events, probe},
    impair::{Impaired, ImpairedRead, ImpairedWrite, Impairments},
    mutations::Mutations,
    pair::{pair, pair_with},
    relay::{DatagramImpairments, TcpRelay, UdpCounts, UdpRelay, relays},
    remote::Remote,
};
