//! The testing kit: what it shows of good handlers and codecs, and what it finds in bad ones.

#[path = "echo/codec.rs"]
mod codec;
#[path = "echo/protocol.rs"]
#[allow(dead_code, reason = "shared with a test that needs more of it")]
mod protocol;

use std::{io, num::NonZeroU32, time::Duration};

use actix::Actor;
use bytes::{Buf, BufMut, BytesMut};
use connection_handler::{
    ConnectionConfig, ConnectionHandler, DisconnectReason, IncomingConnectionHandler, Peer,
    PeerLink, PlainHandler, Timeout,
    testing::{Event, Impairments, Remote, codec_suite, fuzz_decoder, pair, pair_with, probe},
    transport::{Connector, memory::memory},
};
use tokio_util::codec::{Decoder, Encoder, LinesCodec};

use crate::{
    codec::MessageCodec,
    protocol::{ToClient, ToServer},
};

connection_handler::peer! {
    /// The other side.
    struct Client: ToServer => ToClient;
}

type ClientHandler = PlainHandler<Client, MessageCodec<ToServer>, MessageCodec<ToClient>>;

fn speaking(remote: Remote) -> Remote<MessageCodec<ToClient>, MessageCodec<ToServer>> {
    remote.speaking(MessageCodec::default(), MessageCodec::default())
}

#[actix::test]
async fn both_ends_of_a_connection_are_in_the_test() {
    let (peer, mut central, remote) = pair(ClientHandler::new()).await;
    let mut remote = speaking(remote);
    remote.send(ToServer::Say("hello".into())).await;
    assert_eq!(central.message().await, ToServer::Say("hello".into()));
    peer.send(ToClient::Said("hello".into()));
    assert_eq!(remote.message().await, ToClient::Said("hello".into()));
    remote.send_bytes(b"\x03\0").await;
    remote.send_bytes(b"???").await;
    assert!(matches!(central.end().await, DisconnectReason::InvalidMessage(_)));
    remote.end().await;
}

#[actix::test]
async fn a_remote_reads_bytes_until_the_end() {
    let (peer, mut central, mut remote) = pair(ClientHandler::new()).await;
    peer.send(ToClient::Bye);
    peer.send(ToClient::Bye);
    assert_eq!(remote.bytes(7).await, b"\x05\0\"Bye\"");
    peer.disconnect("enough");
    assert_eq!(remote.rest().await, b"\x05\0\"Bye\"");
    assert_eq!(central.end().await.to_string(), "enough");
}

#[actix::test]
async fn who_has_finished_is_gone_after_its_last_message() {
    let (listener, mut connector) = memory(64);
    let (inbox, mut central) = probe::<Client>();
    let handler = ClientHandler::new();
    let config = ConnectionConfig::default();
    IncomingConnectionHandler::new(handler, listener, inbox, config).start();
    let mut remote = speaking(Remote::new(connector.connect().await.unwrap()));
    remote.send(ToServer::Quit).await;
    remote.finish().await;
    let peer = central.connected().await;
    let next = central.event().await;
    assert!(matches!(next, Event::Message(from, ToServer::Quit) if from == peer.id()));
    assert!(matches!(central.end().await, DisconnectReason::RemoteClose));
    remote.end().await;
}

#[actix::test]
async fn a_test_hears_of_congestion_when_it_asks() {
    let config = ConnectionConfig { high_water: 8192, low_water: 16, ..Default::default() };
    let (peer, mut central, remote) =
        pair_with(ClientHandler::new(), config, Impairments::default()).await;
    let mut remote = speaking(remote);
    let say_a_lot = || (0..1000).for_each(|_| peer.send(ToClient::Said("a lot".repeat(10))));
    say_a_lot();
    assert_eq!(central.congested().await, peer.id());
    for _ in 0..1000 {
        remote.message().await;
    }
    assert_eq!(central.writable().await, peer.id());

    say_a_lot();
    remote.send(ToServer::Say("hello".into())).await;
    assert_eq!(central.message().await, ToServer::Say("hello".into()), "nobody asked");
}

connection_handler::peer! {
    /// Who speaks lines.
    struct Talker: String => String;
}

/// Lines, with nothing between them and a handler.
struct TalkerHandler;

impl ConnectionHandler for TalkerHandler {
    type Peer = Talker;
    type Reader = LinesCodec;
    type Writer = LinesCodec;

    fn create_connection_instances(
        &mut self,
        link: PeerLink<String>,
    ) -> (LinesCodec, LinesCodec, Talker) {
        (LinesCodec::new_with_max_length(16), LinesCodec::new(), link.into())
    }
}

#[actix::test]
async fn a_codec_of_lines_is_a_reader_and_a_writer() {
    for (wrong, why) in [(&b"seventeen letters\n"[..], "max line length"), (b"\xff\n", "utf8")] {
        let (peer, mut central, mut remote) = pair(TalkerHandler).await;
        peer.send("hello".into());
        assert_eq!(remote.bytes(6).await, b"hello\n");
        remote.send_bytes(b"hi\n").await;
        assert_eq!(central.message().await, "hi");
        remote.send_bytes(wrong).await;
        let reason = central.end().await;
        assert!(matches!(reason, DisconnectReason::InvalidMessage(_)), "{reason:?}");
        let said = reason.to_string().to_lowercase();
        assert!(said.contains(why), "{said}");
    }
}

#[actix::test]
async fn paused_time_passes_at_once() {
    tokio::time::pause();
    let (_peer, mut central, mut remote) = pair(ClientHandler::new()).await;
    let begin = tokio::time::Instant::now();
    remote.send_bytes(b"\x06").await;
    let reason = central.end().await;
    assert!(matches!(reason, DisconnectReason::Timeout(Timeout::FirstMessage)), "{reason}");
    assert!(begin.elapsed() >= Duration::from_secs(10));
}

#[actix::test]
#[should_panic(expected = "expected a message, got the end of")]
async fn a_test_learns_what_happened_instead() {
    let (peer, mut central, _remote) = pair(ClientHandler::new()).await;
    drop(peer);
    central.message().await;
}

#[actix::test]
async fn messages_survive_small_pieces_and_delays() {
    tokio::time::pause();
    for seed in 0..20 {
        let impairments = Impairments {
            seed,
            max_piece: Some(5),
            max_delay: Duration::from_millis(100),
            ..Impairments::default()
        };
        let config = ConnectionConfig::default();
        let (peer, mut central, remote) =
            pair_with(ClientHandler::new(), config, impairments).await;
        let mut remote = speaking(remote);
        for i in 0..10 {
            remote.send(ToServer::Say(i.to_string())).await;
            peer.send(ToClient::Said(i.to_string()));
        }
        for i in 0..10 {
            assert_eq!(central.message().await, ToServer::Say(i.to_string()), "seed {seed}");
            assert_eq!(remote.message().await, ToClient::Said(i.to_string()), "seed {seed}");
        }
    }
}

#[actix::test]
async fn a_cut_is_a_failure_of_the_transport() {
    let cut = Impairments { cut_after: Some(7), ..Impairments::default() };
    let (_peer, mut central, mut remote) =
        pair_with(ClientHandler::new(), ConnectionConfig::default(), cut).await;
    remote.send_bytes(b"\x06\0\"Quit\"").await;
    let reason = central.end().await;
    assert!(matches!(reason, DisconnectReason::Io(_)), "{reason}");
    remote.end().await;
}

#[actix::test]
async fn a_stall_costs_patience() {
    tokio::time::pause();
    let stall = || Impairments { stall_after: Some(16), ..Impairments::default() };
    let idle = Some(Duration::from_secs(60));
    let config = ConnectionConfig { idle_timeout: idle, ..Default::default() };
    let (_peer, mut central, mut remote) = pair_with(ClientHandler::new(), config, stall()).await;
    remote.send_bytes(&b"\x06\0\"Quit\"".repeat(3)).await;
    assert_eq!(central.message().await, ToServer::Quit);
    assert_eq!(central.message().await, ToServer::Quit);
    assert!(matches!(central.end().await, DisconnectReason::Idle));

    let no_hurry = ConnectionConfig { first_message_timeout: None, ..Default::default() };
    let (peer, mut central, _remote) = pair_with(ClientHandler::new(), no_hurry, stall()).await;
    peer.send(ToClient::Said("more than fits".into()));
    assert!(matches!(central.end().await, DisconnectReason::SlowConsumer));
}

#[actix::test]
async fn corrupt_bytes_end_a_connection_or_are_another_message() {
    let corrupt = Impairments { corrupt_one_in: NonZeroU32::new(1), ..Impairments::default() };
    let (_peer, mut central, mut remote) =
        pair_with(ClientHandler::new(), ConnectionConfig::default(), corrupt).await;
    remote.send_bytes(b"\x06\0\"Quit\"").await;
    remote.finish().await;
    let reason = central.end().await;
    assert!(!matches!(reason, DisconnectReason::RemoteClose), "{reason}");
}

#[test]
fn a_good_codec_passes() {
    codec_suite(
        MessageCodec::<Vec<u8>>::default,
        MessageCodec::<Vec<u8>>::default,
        [vec![], vec![1, 2, 3], vec![0; 1000]],
    );
}

#[test]
#[should_panic(expected = "a bug in a decoder")]
fn a_decoder_that_panics_is_found() {
    suite(Faults { panics: true, ..Faults::default() });
}

#[test]
#[should_panic(expected = "byte by byte")]
fn a_decoder_that_forgets_what_it_has_taken_is_found() {
    suite(Faults { forgets: true, ..Faults::default() });
}

#[test]
#[should_panic(expected = "messages of nothing")]
fn a_decoder_that_takes_nothing_is_found() {
    suite(Faults { takes_nothing: true, ..Faults::default() });
}

#[test]
#[should_panic(expected = "bytes for")]
fn a_decoder_that_believes_every_length_is_found() {
    suite(Faults { believes: true, ..Faults::default() });
}

#[test]
#[should_panic(expected = "has overwritten")]
fn an_encoder_that_overwrites_is_found() {
    suite(Faults { overwrites: true, ..Faults::default() });
}

#[test]
#[should_panic(expected = "read back from")]
fn an_encoder_that_says_something_else_is_found() {
    suite(Faults { lies: true, ..Faults::default() });
}

#[test]
fn a_fuzz_target_is_one_line() {
    fuzz_decoder(b"\x01\0\0\0a\xff\xff\xff", || Numbered(Faults::default()));
}

#[track_caller]
fn suite(faults: Faults) {
    codec_suite(|| Numbered(faults), || Numbered(faults), [b"a".to_vec(), b"bcd".to_vec()]);
}

/// What is wrong with a codec.
#[derive(Clone, Copy, Default)]
struct Faults {
    panics: bool,
    forgets: bool,
    takes_nothing: bool,
    believes: bool,
    overwrites: bool,
    lies: bool,
}

/// Bytes behind a 32-bit length.
struct Numbered(Faults);

impl Decoder for Numbered {
    type Item = Vec<u8>;
    type Error = io::Error;

    fn decode(&mut self, src: &mut BytesMut) -> io::Result<Option<Vec<u8>>> {
        let Self(faults) = self;
        if faults.takes_nothing && src.len() > 4 {
            return Ok(Some(src[4..].to_vec()));
        }
        let Some(field) = src.first_chunk() else {
            if faults.forgets {
                src.clear();
            }
            return Ok(None);
        };
        let length = u32::from_le_bytes(*field) as usize;
        if faults.believes {
            src.reserve(length.min(16 * 1024 * 1024));
        } else if length > 1000 {
            assert!(!faults.panics, "a bug in a decoder");
            return Err(io::ErrorKind::InvalidData.into());
        }
        if src.len() < 4 + length {
            return Ok(None);
        }
        src.advance(4);
        Ok(Some(src.split_to(length).to_vec()))
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> io::Result<Option<Vec<u8>>> {
        match self.decode(src)? {
            None if !src.is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
            message => Ok(message),
        }
    }
}

impl Encoder<Vec<u8>> for Numbered {
    type Error = io::Error;

    fn encode(&mut self, message: Vec<u8>, dst: &mut BytesMut) -> io::Result<()> {
        if self.0.overwrites {
            dst.clear();
        }
        dst.put_u32_le(u32::try_from(message.len()).map_err(io::Error::other)?);
        dst.extend(message.iter().map(|byte| if self.0.lies { byte + 1 } else { *byte }));
        Ok(())
    }
}
