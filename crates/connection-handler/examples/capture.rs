//! Prints what a capture holds, with the decoders of the program it comes from.
//!
//! ```text
//! cargo run -p connection-handler --example capture [-- FILE]
//! ```
//!
//! Copy it, and put your own decoders into `print`. These here understand lines of text. Without a
//! file a short conversation is captured first.

use std::{
    env,
    error::Error,
    fmt::{Debug, Display},
    fs::{self, File},
    io::BufReader,
    path::Path,
};

use actix::{Actor, Context};
use bytes::BytesMut;
use connection_handler::{
    ConnectionConfig, ConnectionHandler, DisconnectReason, IncomingConnectionHandler, Peer, PeerId,
    PeerLink, Peers, Serves,
    capture::{Capture, CaptureConfig, Direction, Event, Exposure, Payload, Reader, Record},
    transport::{Connector, memory::memory},
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader as AsyncBufReader};
use tokio_util::codec::{Decoder, Encoder, LinesCodec};

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(path) = env::args_os().nth(1) {
        return print(path.as_ref());
    }
    let dir = env::temp_dir().join(format!("capture-example-{}", std::process::id()));
    fs::create_dir_all(&dir)?;
    let path = dir.join("conversation.capture");
    let printed = actix::System::new().block_on(converse(&path)).and_then(|()| print(&path));
    fs::remove_dir_all(&dir)?;
    printed
}

/// Prints the file, a line for each record.
fn print(path: &Path) -> Result<(), Box<dyn Error>> {
    let reader = Reader::new(BufReader::new(File::open(path)?))?;
    for record in reader {
        let Record { at, event } = record?;
        // Text of the file is shown with its control characters escaped.
        let line = match event {
            Event::Connected { peer, kind, transport, remote_addr } => {
                format!("#{peer} {kind:?} connected from {remote_addr} over {transport:?}")
            }
            Event::Message { peer, direction, kind, length, payload } => {
                let arrow = match direction {
                    Direction::Incoming => '▶',
                    Direction::Outgoing => '◀',
                };
                // A decoder for each direction: here they speak the same.
                let text = match (payload, direction) {
                    (Payload::Redacted, _) => "redacted".into(),
                    (Payload::Cut(bytes), _) => format!("cut to {} bytes", bytes.len()),
                    (Payload::Whole(bytes), Direction::Incoming) => {
                        decode(Lines::default(), &bytes)
                    }
                    (Payload::Whole(bytes), Direction::Outgoing) => {
                        decode(Lines::default(), &bytes)
                    }
                };
                format!("#{peer} {arrow} {kind:?}, {length} bytes: {text}")
            }
            Event::Disconnected { peer, reason } => format!("#{peer} gone: {reason:?}"),
            Event::Gap { records } => format!("{records} records are missing"),
            Event::End(cause) => format!("the end: {cause:?}"),
            other => format!("{other:?}"),
        };
        println!("{:>12.6} {line}", at.as_secs_f64());
    }
    Ok(())
}

/// What `decoder` makes of the bytes of one message.
fn decode<D: Decoder<Item: Debug, Error: Display>>(mut decoder: D, bytes: &[u8]) -> String {
    match decoder.decode(&mut BytesMut::from(bytes)) {
        Ok(Some(message)) => format!("{message:?}"),
        Ok(None) => "not a whole message".into(),
        Err(error) => format!("not a message: {error}"),
    }
}

/// Captures a conversation in which a password is said.
async fn converse(path: &Path) -> Result<(), Box<dyn Error>> {
    let capture = Capture::default();
    let config = ConnectionConfig { capture: Some(capture.clone()), ..Default::default() };
    let (listener, mut connector) = memory(1024);
    let central = Echo::default().start();
    IncomingConnectionHandler::new(ClientHandler, listener, central, config).start();

    capture.start(path, CaptureConfig::default())?;
    let mut client = connector.connect().await?;
    client.write.write_all(b"password hunter2\nhello\n").await?;
    let mut answers = AsyncBufReader::new(client.read).lines();
    while answers.next_line().await?.is_some_and(|answer| answer != "hello, too") {}
    let ending = capture.stop().ok_or("the capture has ended early")?;
    // Not on this thread: connections would wait for the disk.
    Ok(tokio::task::spawn_blocking(|| ending.wait()).await??)
}

connection_handler::peer! {
    /// Somebody who says lines, and hears them.
    struct Client: String => String;
}

/// Knows what may be seen of them.
struct ClientHandler;

impl ConnectionHandler for ClientHandler {
    type Peer = Client;
    type Reader = Lines;
    type Writer = Lines;

    fn create_connection_instances(&mut self, link: PeerLink<String>) -> (Lines, Lines, Client) {
        (Lines::default(), Lines::default(), link.into())
    }

    fn expose_incoming(line: &String) -> Exposure {
        match line.split_once(' ') {
            Some(("password", _)) => Exposure::redacted("password"),
            _ => Exposure::whole("line"),
        }
    }

    fn expose_outgoing(_: &String) -> Exposure {
        Exposure::whole("line")
    }
}

/// Lines of at most 1 KiB.
struct Lines(LinesCodec);

impl Default for Lines {
    fn default() -> Self {
        Self(LinesCodec::new_with_max_length(1024))
    }
}

impl Decoder for Lines {
    type Item = String;
    type Error = DisconnectReason;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<String>, DisconnectReason> {
        self.0.decode(src).map_err(DisconnectReason::invalid)
    }
}

impl Encoder<String> for Lines {
    type Error = DisconnectReason;

    fn encode(&mut self, line: String, dst: &mut BytesMut) -> Result<(), DisconnectReason> {
        self.0.encode(line, dst).map_err(DisconnectReason::invalid)
    }
}

/// Answers politely.
#[derive(Default)]
struct Echo(Peers<Client>);

impl Actor for Echo {
    type Context = Context<Self>;
}

impl Serves<Client> for Echo {
    fn peers(&mut self) -> &mut Peers<Client> {
        &mut self.0
    }

    fn message(&mut self, from: PeerId, line: String, _: &mut Context<Self>) {
        let Some(client) = self.0.get(from) else { return };
        client.send(match line.starts_with("password ") {
            true => "welcome".into(),
            false => format!("{line}, too"),
        });
    }
}

connection_handler::serves!(Echo: Client);
