//! Two kinds of peers that hear the same, and a central actor that lets a test look on.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix::{Actor, Addr, Context, Handler};
use bytes::BytesMut;
use connection_handler::{
    ConnectionConfig, ConnectionHandler, Decoded, DisconnectReason, EncodingClass, Inbox,
    IncomingConnectionHandler, MessageDecoder, MessageEncoder, MessageLimit, Peer, PeerCongested,
    PeerConnected, PeerDisconnected, PeerLink, PeerMessages, PeerWritable, SharedRate,
    TcpMessageConnectionReader, TcpMessageConnectionWriter,
    transport::{
        Connection, Connector,
        memory::{MemoryConnector, MemoryListener, memory},
    },
};
use framing::chunks::ChunkSize;
use tokio::{
    io::{DuplexStream, ReadHalf, WriteHalf},
    sync::mpsc,
    time::timeout,
};

pub(crate) type Player = Seat<0>;
pub(crate) type Spectator = Seat<1>;

/// One of two kinds.
pub(crate) struct Seat<const KIND: u8>(PeerLink<String>);

impl<const KIND: u8> Peer for Seat<KIND> {
    type Incoming = String;
    type Outgoing = String;

    fn link(&self) -> &PeerLink<String> {
        &self.0
    }

    fn cost(message: &String) -> u32 {
        if message.starts_with("dear") { 10 } else { 1 }
    }
}

/// Text that ends with a full stop. Questions exist since version 2.
pub(crate) struct Sentences {
    version: u32,
    encoded: Arc<AtomicUsize>,
}

impl MessageDecoder for Sentences {
    type Message = String;
    type Error = DisconnectReason;

    fn decode(&mut self, bytes: &[u8]) -> Result<Decoded<String>, DisconnectReason> {
        let text = std::str::from_utf8(bytes).map_err(DisconnectReason::invalid)?;
        Ok(match text.ends_with('.') {
            true => Decoded::Message(text.into()),
            false => Decoded::Incomplete,
        })
    }
}

impl MessageEncoder<String> for Sentences {
    type Error = DisconnectReason;

    fn knows(&self, message: &String) -> bool {
        self.version >= 2 || !message.contains('?')
    }

    fn encode(&mut self, message: &String, bytes: &mut BytesMut) -> Result<(), DisconnectReason> {
        self.encoded.fetch_add(1, Ordering::Relaxed);
        bytes.extend_from_slice(message.as_bytes());
        Ok(())
    }
}

/// How the next connection will be.
pub(crate) struct Setup {
    pub(crate) version: u32,
    pub(crate) class: Class,
    pub(crate) chunks: ChunkSize,
    pub(crate) rate: Option<SharedRate>,
}

/// What its link is told.
pub(crate) enum Class {
    None,
    Right,
    OfAnotherWriter,
}

impl Default for Setup {
    fn default() -> Self {
        Self { version: 1, class: Class::Right, chunks: ChunkSize::MAX, rate: None }
    }
}

pub(crate) struct Seats<const KIND: u8> {
    setups: VecDeque<Setup>,
    encoded: Arc<AtomicUsize>,
}

impl<const KIND: u8> ConnectionHandler for Seats<KIND> {
    type Peer = Seat<KIND>;
    type Reader = TcpMessageConnectionReader<Sentences>;
    type Writer = TcpMessageConnectionWriter<Sentences>;

    fn create_connection_instances(
        &mut self,
        link: PeerLink<String>,
    ) -> (Self::Reader, Self::Writer, Seat<KIND>) {
        let Setup { version, class, chunks, rate } = self.setups.pop_front().unwrap_or_default();
        let codec = || Sentences { version, encoded: self.encoded.clone() };
        let limit = MessageLimit::new(100_000);
        let reader = TcpMessageConnectionReader::with_chunks(codec(), limit, chunks);
        let writer = TcpMessageConnectionWriter::with_chunks(codec(), chunks);
        match class {
            Class::None => {}
            Class::Right => link.set_encoding_class(writer.encoding_class(version)),
            Class::OfAnotherWriter => link.set_encoding_class(EncodingClass::of(&"", version)),
        }
        rate.iter().for_each(|rate| link.share_rate(rate));
        (reader, writer, Seat(link))
    }
}

pub(crate) type Pipe = Connection<ReadHalf<DuplexStream>, WriteHalf<DuplexStream>>;

/// A handler of one kind, and what its central actor hears.
pub(crate) struct Test<const KIND: u8> {
    connector: MemoryConnector,
    events: mpsc::UnboundedReceiver<Event<KIND>>,
    encoded: Arc<AtomicUsize>,
    _handler: Addr<IncomingConnectionHandler<Seats<KIND>, MemoryListener>>,
}

impl<const KIND: u8> Test<KIND> {
    /// Pipes hold `pipe` bytes.
    pub(crate) fn new(
        pipe: usize,
        config: ConnectionConfig,
        setups: impl IntoIterator<Item = Setup>,
    ) -> Self {
        let (listener, connector) = memory(pipe);
        let (sender, events) = mpsc::unbounded_channel();
        let encoded = Arc::<AtomicUsize>::default();
        let handler = Seats { setups: setups.into_iter().collect(), encoded: encoded.clone() };
        let inbox = Inbox::with_water_marks(Probe(sender).start());
        let handler = IncomingConnectionHandler::new(handler, listener, inbox, config);
        Self { connector, events, encoded, _handler: handler.start() }
    }

    pub(crate) async fn connect(&mut self) -> (Pipe, Seat<KIND>) {
        let pipe = self.connector.connect().await.unwrap();
        match self.next().await {
            Event::Connected(peer) => (pipe, peer),
            event => panic!("expected a peer, got {}", event.name()),
        }
    }

    pub(crate) async fn next(&mut self) -> Event<KIND> {
        let event = timeout(Duration::from_secs(1000), self.events.recv()).await;
        event.expect("nothing happened").expect("the central actor is gone")
    }

    pub(crate) async fn message(&mut self) -> String {
        match self.next().await {
            Event::Message(message) => message,
            event => panic!("expected a message, got {}", event.name()),
        }
    }

    pub(crate) async fn end(&mut self) -> DisconnectReason {
        match self.next().await {
            Event::Disconnected(reason) => reason,
            event => panic!("expected the end, got {}", event.name()),
        }
    }

    /// How often anything was encoded.
    pub(crate) fn encoded(&self) -> usize {
        self.encoded.load(Ordering::Relaxed)
    }
}

pub(crate) enum Event<const KIND: u8> {
    Connected(Seat<KIND>),
    Message(String),
    Congested,
    Writable,
    Disconnected(DisconnectReason),
}

impl<const KIND: u8> Event<KIND> {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Connected(_) => "connected",
            Self::Message(_) => "message",
            Self::Congested => "congested",
            Self::Writable => "writable",
            Self::Disconnected(_) => "disconnected",
        }
    }
}

struct Probe<const KIND: u8>(mpsc::UnboundedSender<Event<KIND>>);

impl<const KIND: u8> Actor for Probe<KIND> {
    type Context = Context<Self>;
}

impl<const KIND: u8> Handler<PeerConnected<Seat<KIND>>> for Probe<KIND> {
    type Result = ();

    fn handle(&mut self, connected: PeerConnected<Seat<KIND>>, _: &mut Context<Self>) {
        let _ = self.0.send(Event::Connected(connected.peer));
    }
}

impl<const KIND: u8> Handler<PeerMessages<Seat<KIND>>> for Probe<KIND> {
    type Result = ();

    fn handle(&mut self, batch: PeerMessages<Seat<KIND>>, _: &mut Context<Self>) {
        for message in batch.messages {
            let _ = self.0.send(Event::Message(message));
        }
    }
}

impl<const KIND: u8> Handler<PeerCongested<Seat<KIND>>> for Probe<KIND> {
    type Result = ();

    fn handle(&mut self, _: PeerCongested<Seat<KIND>>, _: &mut Context<Self>) {
        let _ = self.0.send(Event::Congested);
    }
}

impl<const KIND: u8> Handler<PeerWritable<Seat<KIND>>> for Probe<KIND> {
    type Result = ();

    fn handle(&mut self, _: PeerWritable<Seat<KIND>>, _: &mut Context<Self>) {
        let _ = self.0.send(Event::Writable);
    }
}

impl<const KIND: u8> Handler<PeerDisconnected<Seat<KIND>>> for Probe<KIND> {
    type Result = ();

    fn handle(&mut self, gone: PeerDisconnected<Seat<KIND>>, _: &mut Context<Self>) {
        let _ = self.0.send(Event::Disconnected(gone.reason));
    }
}

/// A message on the wire.
pub(crate) fn framed(message: &str, size: ChunkSize) -> Vec<u8> {
    let mut wire = Vec::new();
    for chunk in message.as_bytes().chunks(size.get().into()) {
        let length = u16::try_from(chunk.len()).unwrap();
        wire.extend_from_slice(&if length == size.get() { 0 } else { length }.to_le_bytes());
        wire.extend_from_slice(chunk);
    }
    wire
}
