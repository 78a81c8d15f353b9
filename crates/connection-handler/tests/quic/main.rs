//! What QUIC can do beside carrying bytes, through real sockets.
#![cfg(feature = "secure")]

mod beside;
mod ends;
mod moving;

use std::time::Duration;

use actix::{Actor, Addr, Context, Handler};
use bytes::BytesMut;
use connection_handler::{
    ConnectionConfig, ConnectionHandler, Decoded, DisconnectReason, Inbox,
    IncomingConnectionHandler, Lane, MessageDecoder, MessageEncoder, MessageLimit,
    OutgoingConnectionHandler, Peer, PeerAddressChanged, PeerConnected, PeerDisconnected, PeerLink,
    PeerMessages, TcpMessageConnectionReader, TcpMessageConnectionWriter,
    transport::{
        Connector,
        keys::Identity,
        secure::{SecureConnector, SecureListener, SecurePort, SecurePortConfig, SecurePortHandle},
    },
};
use tokio::{sync::mpsc, time::timeout};

const ALPN: &str = "words/1";

/// Something said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// On the first stream.
    Control(String),
    /// On a lane of its own.
    Bulk(String),
    /// May be lost.
    Position(String),
}

pub(crate) fn control(text: impl Into<String>) -> Word {
    Word::Control(text.into())
}

#[derive(Debug)]
pub(crate) struct Speaker(PeerLink<Word>);

impl Peer for Speaker {
    type Incoming = Word;
    type Outgoing = Word;

    fn link(&self) -> &PeerLink<Word> {
        &self.0
    }

    fn lane(message: &Word) -> Lane {
        match message {
            Word::Bulk(_) => Lane::new(1),
            Word::Control(_) | Word::Position(_) => Lane::FIRST,
        }
    }

    fn may_be_lost(message: &Word) -> bool {
        matches!(message, Word::Position(_))
    }
}

#[derive(Debug)]
pub(crate) struct Codec;

impl MessageDecoder for Codec {
    type Message = Word;
    type Error = DisconnectReason;

    fn decode(&mut self, bytes: &[u8]) -> Result<Decoded<Word>, DisconnectReason> {
        let text = std::str::from_utf8(bytes).map_err(DisconnectReason::invalid)?;
        let word = match text.split_at_checked(1) {
            Some(("c", text)) => Word::Control(text.into()),
            Some(("b", text)) => Word::Bulk(text.into()),
            Some(("p", text)) => Word::Position(text.into()),
            _ => return Err(DisconnectReason::invalid(std::fmt::Error)),
        };
        Ok(Decoded::Message(word))
    }
}

impl MessageEncoder<Word> for Codec {
    type Error = DisconnectReason;

    fn encode(&mut self, word: &Word, bytes: &mut BytesMut) -> Result<(), DisconnectReason> {
        let (kind, text) = match word {
            Word::Control(text) => (b"c", text),
            Word::Bulk(text) => (b"b", text),
            Word::Position(text) => (b"p", text),
        };
        bytes.extend_from_slice(kind);
        bytes.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

#[derive(Debug)]
pub(crate) struct SpeakerHandler;

impl ConnectionHandler for SpeakerHandler {
    type Peer = Speaker;
    type Reader = TcpMessageConnectionReader<Codec>;
    type Writer = TcpMessageConnectionWriter<Codec>;

    fn create_connection_instances(
        &mut self,
        link: PeerLink<Word>,
    ) -> (Self::Reader, Self::Writer, Speaker) {
        (reader(), TcpMessageConnectionWriter::new(Codec), Speaker(link))
    }

    fn lanes(&self) -> u8 {
        1
    }

    fn create_further_reader(&mut self, _: &Speaker) -> Option<Self::Reader> {
        Some(reader())
    }
}

fn reader() -> TcpMessageConnectionReader<Codec> {
    TcpMessageConnectionReader::new(Codec, MessageLimit::new(64 * 1024))
}

/// What a central actor hears, in order.
#[derive(Debug)]
pub(crate) enum Event {
    Connected(Speaker),
    Word(Word),
    Moved(PeerAddressChanged<Speaker>),
    Gone(PeerDisconnected<Speaker>),
}

struct Central(mpsc::UnboundedSender<Event>);

impl Actor for Central {
    type Context = Context<Self>;
}

impl Handler<PeerConnected<Speaker>> for Central {
    type Result = ();

    fn handle(&mut self, connected: PeerConnected<Speaker>, _: &mut Context<Self>) {
        let _ = self.0.send(Event::Connected(connected.peer));
    }
}

impl Handler<PeerMessages<Speaker>> for Central {
    type Result = ();

    fn handle(&mut self, batch: PeerMessages<Speaker>, _: &mut Context<Self>) {
        for word in batch.messages {
            let _ = self.0.send(Event::Word(word));
        }
    }
}

impl Handler<PeerAddressChanged<Speaker>> for Central {
    type Result = ();

    fn handle(&mut self, moved: PeerAddressChanged<Speaker>, _: &mut Context<Self>) {
        let _ = self.0.send(Event::Moved(moved));
    }
}

impl Handler<PeerDisconnected<Speaker>> for Central {
    type Result = ();

    fn handle(&mut self, gone: PeerDisconnected<Speaker>, _: &mut Context<Self>) {
        let _ = self.0.send(Event::Gone(gone));
    }
}

/// One side of connections.
pub(crate) struct Side(mpsc::UnboundedReceiver<Event>);

impl Side {
    pub(crate) async fn next(&mut self) -> Event {
        let event = timeout(Duration::from_secs(20), self.0.recv()).await;
        event.expect("nothing happens").expect("the central actor is gone")
    }

    pub(crate) async fn connected(&mut self) -> Speaker {
        match self.next().await {
            Event::Connected(peer) => peer,
            other => panic!("expected a peer, got {other:?}"),
        }
    }

    pub(crate) async fn word(&mut self) -> Word {
        match self.next().await {
            Event::Word(word) => word,
            other => panic!("expected a word, got {other:?}"),
        }
    }

    pub(crate) async fn gone(&mut self) -> PeerDisconnected<Speaker> {
        match self.next().await {
            Event::Gone(gone) => gone,
            other => panic!("expected the end, got {other:?}"),
        }
    }
}

fn central() -> (Inbox<Speaker>, Side) {
    let (sender, events) = mpsc::unbounded_channel();
    let central = Central(sender).start();
    (Inbox::from(central.clone()).telling_address_changes(central), Side(events))
}

/// A server whose central actor is the test.
pub(crate) struct Server {
    pub(crate) identity: Identity,
    pub(crate) port: SecurePortHandle,
    pub(crate) side: Side,
    pub(crate) handler: Addr<IncomingConnectionHandler<SpeakerHandler, SecureListener>>,
}

impl Server {
    pub(crate) async fn start(config: ConnectionConfig) -> Self {
        let (identity, addr) = (Identity::ephemeral().unwrap(), "127.0.0.1:0".parse().unwrap());
        let port_config = SecurePortConfig::default();
        let mut port = SecurePort::bind(addr, &identity, port_config).await.unwrap();
        let (inbox, side) = central();
        let listener = port.listener(ALPN);
        let handler = IncomingConnectionHandler::new(SpeakerHandler, listener, inbox, config);
        Self { identity, port: port.start(), side, handler: handler.start() }
    }

    /// Connects to `addr`, which leads here.
    pub(crate) fn connector(&self, addr: std::net::SocketAddr) -> SecureConnector {
        SecureConnector::new(addr, ALPN, self.identity.fingerprint().into(), None)
    }
}

/// A client of `connector` that has said `hello`.
pub(crate) async fn client<C: Connector>(connector: C) -> (Speaker, Side) {
    let (inbox, mut side) = central();
    let config = ConnectionConfig { first_message_timeout: None, ..Default::default() };
    OutgoingConnectionHandler::new(SpeakerHandler, connector, inbox, config).start();
    let peer = side.connected().await;
    peer.send(control("hello"));
    (peer, side)
}
