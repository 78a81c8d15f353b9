//! websockets, from PyPI.

use std::{fs, path::Path, process::Command};

use connection_handler::transport::Format;

use super::{Tls, echo, run};

#[actix::test]
#[ignore = "interop"]
async fn python_websockets_says_and_hears_with_and_without_tls() {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("websockets-16.0");
    let python = place.join("bin/python");
    if !place.join("complete").exists() {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&place)).await;
        let mut pip = Command::new(&python);
        run(pip.args(["-m", "pip", "install", "--quiet", "websockets==16.0"])).await;
        fs::write(place.join("complete"), "").unwrap();
    }
    let (binary, _binary) = echo(Format::Binary).await;
    let (text, _text) = echo(Format::Text).await;
    let (secure_binary, secure_text) =
        (Tls::start(Format::Binary).await, Tls::start(Format::Text).await);
    let mut client = Command::new(&python);
    client.args(["-c", CLIENT]).args([format!("ws://{binary}"), format!("ws://{text}")]);
    for tls in [&secure_binary, &secure_text] {
        client.args([format!("wss://gatehouse:{}", tls.addr.port()), tls.certificate()]);
    }
    run(&mut client).await;
}

/// Messages of every length, whole and in parts, pings, and a goodbye, many at once.
const CLIENT: &str = r#"
import asyncio, os, ssl, sys
from websockets.asyncio.client import connect

def make_text(size):
    return "é水"[size % 2] * size

def trusting(certificate):
    return {"host": "127.0.0.1", "ssl": ssl.create_default_context(cafile=certificate)}

async def talk(url, make, **how):
    async with connect(url, max_size=None, **how) as socket:
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
    binary, text, wss_binary, trust_binary, wss_text, trust_text = sys.argv[1:]
    await asyncio.gather(
        *(talk(binary, os.urandom) for _ in range(10)),
        *(talk(text, make_text) for _ in range(10)),
        *(talk(wss_binary, os.urandom, **trusting(trust_binary)) for _ in range(10)),
        *(talk(wss_text, make_text, **trusting(trust_text)) for _ in range(10)),
    )

asyncio.run(main())
"#;
