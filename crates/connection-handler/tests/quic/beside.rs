//! What comes beside the first stream: lanes, and unreliable messages.

use std::{io, time::Duration};

use connection_handler::{
    ConnectionConfig, DisconnectReason, Peer,
    capture::{Capture, CaptureConfig, Direction, Event, Reader},
    transport::{Connection, Connector, secure::SecureConnector},
};
use tokio::time::sleep;

use crate::{Server, Side, Speaker, Word, client, control};

/// Connects without what the transport can do beside carrying bytes: as if it could not.
struct Bare(SecureConnector);

impl Connector for Bare {
    type Read = <SecureConnector as Connector>::Read;
    type Write = <SecureConnector as Connector>::Write;

    async fn connect(&mut self) -> io::Result<Connection<Self::Read, Self::Write>> {
        Ok(Connection { carrier: None, ..self.0.connect().await? })
    }
}

async fn connected(server: &mut Server, bare: bool) -> (Speaker, Side, Speaker) {
    let connector = server.connector(server.port.local_addr());
    let (here, heard) = match bare {
        true => client(Bare(connector)).await,
        false => client(connector).await,
    };
    let there = server.side.connected().await;
    assert_eq!(server.side.word().await, control("hello"));
    (here, heard, there)
}

#[actix::test]
async fn what_is_long_delays_nothing_else_and_arrives_before_the_end() {
    const BULKS: usize = 40;
    for bare in [false, true] {
        let mut server = Server::start(ConnectionConfig::default()).await;
        let (here, _heard, _there) = connected(&mut server, bare).await;
        for number in 0..BULKS {
            here.send(Word::Bulk(format!("{number} {}", "x".repeat(20_000))));
        }
        here.send(control("now"));
        here.disconnect("enough");
        let (mut bulks, mut before) = (0, None);
        while bulks < BULKS || before.is_none() {
            match server.side.word().await {
                Word::Bulk(text) => {
                    assert!(text.starts_with(&format!("{bulks} ")), "in their order");
                    bulks += 1;
                }
                Word::Control(text) => {
                    assert_eq!(text, "now");
                    before = Some(bulks);
                }
                Word::Position(_) => panic!("nobody has said that"),
            }
        }
        let before = before.unwrap_or_default();
        assert_eq!(before < BULKS, !bare, "{before} bulks before it, bare: {bare}");
        let gone = server.side.gone().await;
        assert!(matches!(gone.reason, DisconnectReason::RemoteClose), "{}", gone.reason);
    }
}

#[actix::test]
async fn a_capture_has_what_comes_beside_the_first_stream() {
    let folder = tempfile::tempdir().unwrap();
    let (path, capture) = (folder.path().join("all"), Capture::default());
    capture.start(&path, CaptureConfig::default()).unwrap();
    let config = ConnectionConfig { capture: Some(capture.clone()), ..Default::default() };
    let mut server = Server::start(config).await;
    let (here, _heard, _there) = connected(&mut server, false).await;
    // Until both sides know what the other one can.
    sleep(Duration::from_millis(50)).await;
    let bulk = "x".repeat(20_000);
    here.send(Word::Bulk(bulk.clone()));
    assert_eq!(server.side.word().await, Word::Bulk(bulk));
    here.send_unreliable(Word::Position("1234567".into()));
    assert_eq!(server.side.word().await, Word::Position("1234567".into()));
    capture.stop().unwrap().wait().unwrap();
    let records = Reader::new(std::fs::File::open(path).unwrap()).unwrap();
    let lengths = records.filter_map(|record| match record.unwrap().event {
        Event::Message { direction: Direction::Incoming, length, .. } => Some(length),
        _ => None,
    });
    // The words of the first stream, of the lane, and of the datagram.
    assert_eq!(lengths.collect::<Vec<_>>(), [2 + 1 + 5, 2 + 1 + 20_000, 2 + 1 + 7]);
}

#[actix::test]
async fn what_may_be_lost_arrives_on_a_good_network_whichever_way() {
    for bare in [false, true] {
        let mut server = Server::start(ConnectionConfig::default()).await;
        let (here, mut heard, there) = connected(&mut server, bare).await;
        // Until both sides know what the other one can.
        sleep(Duration::from_millis(50)).await;
        for text in ["here".to_owned(), "far ".repeat(1000)] {
            here.send_unreliable(Word::Position(text.clone()));
            assert_eq!(server.side.word().await, Word::Position(text.clone()));
            if !bare {
                there.send_unreliable(Word::Position(text.clone()));
                assert_eq!(heard.word().await, Word::Position(text));
            }
        }
        // What may not be lost is not.
        here.send_unreliable(control("not lost"));
        assert_eq!(server.side.word().await, control("not lost"));
        let statistics = here.link().statistics();
        assert_eq!(statistics.is_some(), !bare);
    }
}

#[actix::test]
async fn a_datagram_that_is_no_message_ends_the_connection() {
    let mut server = Server::start(ConnectionConfig::default()).await;
    let connector = server.connector(server.port.local_addr());
    let mut raw = connector.connect().await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut raw.write, b"\x02\0ca").await.unwrap();
    let _peer = server.side.connected().await;
    assert_eq!(server.side.word().await, control("a"));
    let carrier = raw.carrier.clone().unwrap();
    assert!(carrier.max_datagram().is_some_and(|most| most > 1000));
    carrier.send_datagram(bytes::Bytes::from_static(b"\x02\0c"));
    let gone = server.side.gone().await;
    assert!(matches!(gone.reason, DisconnectReason::InvalidMessage(_)), "{}", gone.reason);
}
