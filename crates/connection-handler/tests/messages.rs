//! Messages in chunks, through a handler: whole, too long, cut off, and allowed more after a while.

use actix::{Actor, Addr, Context, Handler};
use bytes::BytesMut;
use connection_handler::{
    ConnectionConfig, ConnectionHandler, Decoded, DisconnectReason, IncomingConnectionHandler,
    MessageDecoder, MessageEncoder, MessageLimit, Peer, PeerConnected, PeerDisconnected, PeerLink,
    PeerMessages, TcpMessageConnectionReader, TcpMessageConnectionWriter,
    transport::{
        Connection, Connector,
        memory::{MemoryConnector, MemoryListener, memory},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf},
    sync::mpsc,
};

/// Text that ends with a full stop.
struct Sentences;

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

    fn encode(&mut self, message: &String, bytes: &mut BytesMut) -> Result<(), DisconnectReason> {
        bytes.extend_from_slice(message.as_bytes());
        Ok(())
    }
}

struct Speaker {
    link: PeerLink<String>,
    limit: MessageLimit,
}

impl Peer for Speaker {
    type Incoming = String;
    type Outgoing = String;

    fn link(&self) -> &PeerLink<String> {
        &self.link
    }
}

struct SpeakerHandler;

impl ConnectionHandler for SpeakerHandler {
    type Peer = Speaker;
    type Reader = TcpMessageConnectionReader<Sentences>;
    type Writer = TcpMessageConnectionWriter<Sentences>;

    fn create_connection_instances(
        &mut self,
        link: PeerLink<String>,
    ) -> (Self::Reader, Self::Writer, Speaker) {
        let limit = MessageLimit::new(STRANGER);
        let reader = TcpMessageConnectionReader::new(Sentences, limit.clone());
        (reader, TcpMessageConnectionWriter::new(Sentences), Speaker { link, limit })
    }
}

/// Repeats everything, and trusts who has said `please.`
#[derive(Default)]
struct Echo {
    speakers: Vec<Speaker>,
    gone: Option<mpsc::UnboundedSender<DisconnectReason>>,
}

impl Actor for Echo {
    type Context = Context<Self>;
}

impl Handler<PeerConnected<Speaker>> for Echo {
    type Result = ();

    fn handle(&mut self, PeerConnected { peer }: PeerConnected<Speaker>, _: &mut Context<Self>) {
        self.speakers.push(peer);
    }
}

impl Handler<PeerMessages<Speaker>> for Echo {
    type Result = ();

    fn handle(&mut self, batch: PeerMessages<Speaker>, _: &mut Context<Self>) {
        let speaker = self.speakers.iter().find(|speaker| speaker.id() == batch.peer).unwrap();
        for message in batch.messages {
            match message.as_str() {
                "please." => speaker.limit.set(FRIEND),
                "nothing." => return speaker.send(String::new()),
                _ => {}
            }
            speaker.send(message);
        }
    }
}

impl Handler<PeerDisconnected<Speaker>> for Echo {
    type Result = ();

    fn handle(&mut self, gone: PeerDisconnected<Speaker>, _: &mut Context<Self>) {
        let _ = self.gone.as_ref().unwrap().send(gone.reason);
    }
}

type Pipe = Connection<ReadHalf<DuplexStream>, WriteHalf<DuplexStream>>;

struct Test {
    connector: MemoryConnector,
    gone: mpsc::UnboundedReceiver<DisconnectReason>,
    _handler: Addr<IncomingConnectionHandler<SpeakerHandler, MemoryListener>>,
}

impl Test {
    fn start() -> Self {
        let (listener, connector) = memory(1024);
        let (sender, gone) = mpsc::unbounded_channel();
        let central = Echo { gone: Some(sender), ..Echo::default() }.start();
        let config = ConnectionConfig::default();
        let handler = IncomingConnectionHandler::new(SpeakerHandler, listener, central, config);
        Self { connector, gone, _handler: handler.start() }
    }

    async fn connect(&mut self) -> Pipe {
        self.connector.connect().await.unwrap()
    }

    /// Why the connection ended on which this was said, and nothing more.
    async fn end_after(&mut self, bytes: &[u8]) -> DisconnectReason {
        let mut pipe = self.connect().await;
        // Fails when the connection has ended before everything was said.
        let _ = pipe.write.write_all(bytes).await;
        let _ = pipe.write.shutdown().await;
        self.gone.recv().await.unwrap()
    }
}

#[actix::test]
async fn what_is_said_comes_back_in_chunks() {
    let mut pipe = Test::start().connect().await;
    exchange(&mut pipe, b"\x06\0hello.").await;
    exchange(&mut pipe, b"\x07\0please.").await;
    for length in [65_534, 65_535, 65_536, 131_070, 200_000] {
        exchange(&mut pipe, &chunked(length)).await;
    }
}

#[actix::test]
async fn a_stranger_says_less_than_a_friend() {
    let mut test = Test::start();
    let reason = test.end_after(&chunked(STRANGER + 1)).await;
    assert_eq!(reason.to_string(), "invalid message: message of at least 4097 bytes exceeds 4096");
    let mut pipe = test.connect().await;
    exchange(&mut pipe, &chunked(STRANGER)).await;
    exchange(&mut pipe, b"\x07\0please.").await;
    exchange(&mut pipe, &chunked(FRIEND)).await;
    let mut too_long = chunked(FRIEND + 1);
    too_long.truncate(FRIEND);
    pipe.write.write_all(&too_long).await.unwrap();
    drop(pipe);
    let reason = test.gone.recv().await.unwrap();
    assert!(matches!(reason, DisconnectReason::Io(_)), "{reason}");
}

#[actix::test]
async fn each_fault_ends_the_connection_for_its_reason() {
    let mut test = Test::start();
    for (bytes, reason) in [
        (&b""[..], "closed by the peer"),
        (b"\x06\0hel", "i/o: stream ended inside a message"),
        (b"\x05\0hello", "invalid message: message ends after 5 bytes, before it is whole"),
        (b"\0\0", "invalid message: message of at least 65535 bytes exceeds 4096"),
        (b"\x01\0\xff", "invalid message: invalid utf-8 sequence of 1 bytes from index 0"),
    ] {
        let ended = test.end_after(bytes).await;
        assert_eq!(ended.to_string(), reason, "{bytes:?}");
    }
}

#[actix::test]
async fn an_answer_without_bytes_is_a_bug_of_ours() {
    let mut test = Test::start();
    let mut pipe = test.connect().await;
    pipe.write.write_all(b"\x08\0nothing.").await.unwrap();
    assert!(matches!(test.gone.recv().await, Some(DisconnectReason::Bug)));
}

/// Says something, and hears the same.
async fn exchange(pipe: &mut Pipe, wire: &[u8]) {
    let mut heard = vec![0; wire.len()];
    let Connection { read, write, .. } = pipe;
    let (said, hearing) = tokio::join!(write.write_all(wire), read.read_exact(&mut heard));
    said.unwrap();
    hearing.unwrap();
    assert!(heard == wire, "{} bytes came back differently", wire.len());
}

/// A message of so many bytes, on the wire.
fn chunked(length: usize) -> Vec<u8> {
    let mut message = vec![b'x'; length];
    message[length - 1] = b'.';
    let mut wire = Vec::new();
    for chunk in message.chunks(65_535) {
        let field = u16::try_from(chunk.len()).unwrap();
        wire.extend_from_slice(&if field == 65_535 { 0 } else { field }.to_le_bytes());
        wire.extend_from_slice(chunk);
    }
    wire
}

const STRANGER: usize = 4096;
const FRIEND: usize = 256 * 1024;
