//! Other people's WebSockets: `cargo xtask interop`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use actix::Actor;
use bytes::{Bytes, BytesMut};
use connection_handler::{
    ConnectionConfig, IncomingConnectionHandler, Peer, PeerId, Peers, PlainHandler, Serves,
    transport::{
        Format,
        http::{HttpConfig, HttpServer, HttpServerHandle},
        websocket::{Framing, Subprotocol, WebSocketConfig},
    },
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
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
async fn echo(format: Format) -> (std::net::SocketAddr, HttpServerHandle) {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = tcp.local_addr().unwrap();
    let mut server = HttpServer::new(HttpConfig::default());
    let limits =
        WebSocketConfig { framing: Framing::Lengths, max_message: LONGEST, ..Default::default() };
    let listener = server.websocket(limits, [Subprotocol { name: "", format }]);
    let config = ConnectionConfig { outgoing_bytes: LONGEST, ..Default::default() };
    let handler = PlainHandler::<Caller, Anything, Anything>::new();
    IncomingConnectionHandler::new(handler, listener, Echo::default().start(), config).start();
    let server = server.start();
    server.serve(tcp);
    (addr, server)
}

#[actix::test]
#[ignore = "interop"]
async fn autobahn_finds_nothing_wrong() {
    let place = autobahn().await;
    let reports = tempfile::tempdir().unwrap();
    let (binary, _binary) = echo(Format::Binary).await;
    let (text, _text) = echo(Format::Text).await;
    let spec = json!({
        "outdir": reports.path(),
        "servers": [
            { "agent": "binary", "url": format!("ws://{binary}") },
            { "agent": "text", "url": format!("ws://{text}") },
        ],
        "cases": ["*"],
        // Compression, which is never agreed on.
        "exclude-cases": ["12.*", "13.*"],
        "exclude-agent-cases": {},
    });
    let file = reports.path().join("spec.json");
    fs::write(&file, spec.to_string()).unwrap();
    let mut command = python27();
    command.arg("-c").arg("from autobahntestsuite import wstest; wstest.run()");
    command.args(["-m", "fuzzingclient", "-s"]).arg(&file).env("PYTHONPATH", &place);
    run(command.current_dir(reports.path())).await;

    let report = fs::read(reports.path().join("index.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    let (binary, text) =
        (report["binary"].as_object().unwrap(), report["text"].as_object().unwrap());
    assert!(binary.len() > 240, "{} cases", binary.len());
    let (mut counts, mut failed) = (std::collections::BTreeMap::new(), Vec::new());
    for (case, in_binary) in binary {
        // A connection is for text or for bytes. What a case is about is what counts.
        let best =
            [in_binary, &text[case]].into_iter().min_by_key(|outcome| rank(outcome)).unwrap();
        let behavior = best["behavior"].as_str().unwrap().to_owned();
        if rank(best) == FAILED {
            failed.push(format!("{case}: {in_binary} {}", text[case]));
        }
        *counts.entry(behavior).or_insert(0) += 1;
    }
    println!("{counts:?}");
    assert!(failed.is_empty(), "{failed:#?}");
}

/// How bad an outcome is.
fn rank(outcome: &Value) -> usize {
    let of = |what: &str| match outcome[what].as_str() {
        Some("OK") => 0,
        Some("NON-STRICT") => 1,
        Some("INFORMATIONAL" | "UNIMPLEMENTED") => 2,
        _ => FAILED,
    };
    of("behavior").max(of("behaviorClose"))
}

/// The test suite, which is for Python 2.7.
async fn autobahn() -> PathBuf {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("autobahntestsuite-0.8.2");
    if !place.join("complete").exists() {
        let mut pip = python27();
        pip.args(["-m", "pip", "install", "--quiet", "--target"]).arg(&place);
        run(pip.arg("autobahntestsuite==0.8.2")).await;
        fs::write(place.join("zope/__init__.py"), "").unwrap();
        fs::write(place.join("complete"), "").unwrap();
    }
    place
}

fn python27() -> Command {
    let mut python = Command::new("python");
    python.env("PYENV_VERSION", "2.7.18");
    python
}

/// Runs `command` beside the servers of this thread.
async fn run(command: &mut Command) {
    let mut command =
        tokio::process::Command::from(std::mem::replace(command, Command::new("true")));
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[actix::test]
#[ignore = "interop"]
async fn python_websockets_says_and_hears() {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("websockets-venv");
    let python = place.join("bin/python");
    if !place.join("complete").exists() {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&place)).await;
        let mut pip = Command::new(&python);
        run(pip.args(["-m", "pip", "install", "--quiet", "websockets"])).await;
        fs::write(place.join("complete"), "").unwrap();
    }
    let (binary, _binary) = echo(Format::Binary).await;
    let (text, _text) = echo(Format::Text).await;
    let mut client = Command::new(&python);
    client.args(["-c", CLIENT, &format!("ws://{binary}"), &format!("ws://{text}")]);
    run(&mut client).await;
}

/// Messages of every length, whole and in parts, pings, and a goodbye, many at once.
const CLIENT: &str = r#"
import asyncio, os, sys
from websockets.asyncio.client import connect

async def talk(url, make):
    async with connect(url, max_size=None) as socket:
        for size in [0, 1, 125, 126, 65535, 65536, 300000]:
            message = make(size)
            await socket.send(message)
            assert await socket.recv() == message, size
            half = size // 2
            await socket.send([message[:half], message[half:]])
            assert await socket.recv() == message, size
            await (await socket.ping())
        assert socket.protocol.extensions == []
    assert socket.close_code == 1000, socket.close_code

async def main():
    binary, text = sys.argv[1:]
    await asyncio.gather(*(talk(binary, os.urandom) for _ in range(10)),
                         *(talk(text, lambda size: "é水"[size % 2] * size) for _ in range(10)))

asyncio.run(main())
"#;

const LONGEST: usize = 64 * 1024 * 1024;
const FAILED: usize = 3;
