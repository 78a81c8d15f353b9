//! Other people's WebSockets: `cargo xtask interop`.

mod autobahn;
mod curl;
mod websockets;

use std::{
    net::SocketAddr,
    process::{Command, ExitStatus},
    time::Duration,
};

use actix::Actor;
use bytes::{Bytes, BytesMut};
use connection_handler::{
    ConnectionConfig, IncomingConnectionHandler, Peer, PeerId, Peers, PlainHandler, Serves,
    transport::{
        Format,
        http::{HttpConfig, HttpServer, HttpServerHandle},
        keys::Identity,
        secure::{SecurePort, SecurePortHandle},
        websocket::{Framing, Subprotocol, WebSocketConfig},
    },
};
use tokio::{net::TcpListener, time::timeout};
use tokio_util::codec::{Decoder, Encoder, LengthDelimitedCodec};

connection_handler::peer! {
    /// Who says something, and hears it again.
    struct Caller: BytesMut => Bytes;
}

/// Any message, of any length that the test suite has.
struct Anything(LengthDelimitedCodec);

impl Default for Anything {
    fn default() -> Self {
        Self(LengthDelimitedCodec::builder().max_frame_length(LONGEST).new_codec())
    }
}

impl Decoder for Anything {
    type Item = BytesMut;
    type Error = std::io::Error;

    fn decode(&mut self, src: &mut BytesMut) -> std::io::Result<Option<BytesMut>> {
        self.0.decode(src)
    }
}

impl Encoder<Bytes> for Anything {
    type Error = std::io::Error;

    fn encode(&mut self, message: Bytes, dst: &mut BytesMut) -> std::io::Result<()> {
        self.0.encode(message, dst)
    }
}

#[derive(Default)]
struct Echo(Peers<Caller>);

impl Actor for Echo {
    type Context = actix::Context<Self>;
}

connection_handler::serves!(Echo: Caller);

impl Serves<Caller> for Echo {
    fn peers(&mut self) -> &mut Peers<Caller> {
        &mut self.0
    }

    fn message(&mut self, from: PeerId, bytes: BytesMut, _: &mut actix::Context<Self>) {
        if let Some(caller) = self.0.get(from) {
            caller.send(bytes.freeze());
        }
    }
}

/// Echoes messages of one format to who asks for no subprotocol.
async fn echo(format: Format) -> (SocketAddr, HttpServerHandle) {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = tcp.local_addr().unwrap();
    let server = start(format);
    server.serve(tcp);
    (addr, server)
}

/// The same over TLS.
struct Tls {
    addr: SocketAddr,
    dir: tempfile::TempDir,
    _port: SecurePortHandle,
    _server: HttpServerHandle,
}

impl Tls {
    async fn start(format: Format) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let identity = Identity::load_or_create(dir.path(), "own").unwrap();
        let addr = "127.0.0.1:0".parse().unwrap();
        let mut port = SecurePort::bind(addr, &identity, Default::default()).await.unwrap();
        let server = start(format);
        server.serve(port.http());
        let port = port.start();
        Self { addr: port.local_addr(), dir, _port: port, _server: server }
    }

    /// Whom clients trust: it is for the name `gatehouse`.
    fn certificate(&self) -> String {
        self.dir.path().join("own.cert.pem").display().to_string()
    }
}

fn start(format: Format) -> HttpServerHandle {
    let mut server = HttpServer::new(HttpConfig::default());
    let limits =
        WebSocketConfig { framing: Framing::Lengths, max_message: LONGEST, ..Default::default() };
    let listener = server.websocket(limits, [Subprotocol { name: "", format }]);
    let config = ConnectionConfig { outgoing_bytes: LONGEST, ..Default::default() };
    let handler = PlainHandler::<Caller, Anything, Anything>::new();
    IncomingConnectionHandler::new(handler, listener, Echo::default().start(), config).start();
    server.start()
}

/// Runs `command` beside the servers of this thread, and returns what it says.
async fn run(command: &mut Command) -> String {
    let (status, said) = output(command).await;
    assert!(status.success(), "{status}: {said}");
    said
}

/// How `command` ends, and what it says.
async fn output(command: &mut Command) -> (ExitStatus, String) {
    let mut command =
        tokio::process::Command::from(std::mem::replace(command, Command::new("true")));
    let output = command.kill_on_drop(true).output();
    let output = timeout(LIMIT, output).await.expect("it ends").unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status, String::from_utf8_lossy(&said).into_owned())
}

const LONGEST: usize = 64 * 1024 * 1024;
/// For the slowest of them, on a busy machine.
const LIMIT: Duration = Duration::from_secs(500);
