//! quic-go, from Debian: the stack of the Go world.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};
use connection_handler::transport::{
    keys::Trust,
    secure::{SecureConnector, SecurePortConfig},
};
use tests::{Process, Scope, Stdio};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{ECHO, LIMIT, echo, kept, ours, place};

/// Builds it, which takes a moment only when it is built already.
fn quic_go(scope: &Scope) -> Result<PathBuf> {
    let folder = kept("quic-go")?;
    let program = folder.join(format!("quic-go-{}", std::process::id()));
    let mut go = Command::new("go");
    go.args(["build", "-o"]).arg(&program).arg(".");
    go.current_dir(ours("interop/quic-go"));
    go.env("GO111MODULE", "off").env("GOPATH", "/usr/share/gocode");
    go.env("GOCACHE", folder.join("cache"));
    Process::run(scope, "go-build", go, LIMIT)?;
    Ok(program)
}

#[test]
#[ignore = "interop"]
fn its_client_gets_back_what_it_sends_to_our_port() -> Result<()> {
    let world = place()?;
    let program = quic_go(&world.scope)?;
    // Where nobody has to prove their address, and where everybody has to.
    for config in
        [SecurePortConfig::default(), SecurePortConfig { retry_above: 0, ..Default::default() }]
    {
        let (address, pin) = echo(config)?;
        let mut client = Command::new(&program);
        client.args(["client", &address.to_string(), &pin]);
        Process::run(&world.scope, "quic-go", client, LIMIT)?;
    }
    println!("{}", std::fs::read_to_string(world.scope.path().join("logs/quic-go.log"))?);
    std::fs::remove_file(program)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "interop"]
async fn our_connector_gets_back_what_it_sends_to_its_server() -> Result<()> {
    let world = place()?;
    let program = quic_go(&world.scope)?;
    let mut command = Command::new(&program);
    command.arg("server");
    let mut server = Process::start(&world.scope, "quic-go", command, Stdio::Events)?;
    let listening = server.events.kind("listening", LIMIT)?;
    std::fs::remove_file(program)?;
    let address: std::net::SocketAddr = listening.text("address").parse()?;
    let trust = Trust::Pins(vec![listening.text("pin").parse().ok().context("its pin")?]);
    let connector = SecureConnector::new(address, ECHO, trust, None);
    for size in [1, 1000, 1_000_000] {
        let mut connection = connector.connect().await?;
        ensure!(connection.transport == "quic");
        let sent: Vec<_> = (0..size).map(|n: u32| n.to_le_bytes()[n as usize % 3]).collect();
        let write = async {
            connection.write.write_all(&sent).await?;
            connection.write.shutdown().await
        };
        let mut received = Vec::new();
        tokio::try_join!(write, connection.read.read_to_end(&mut received))?;
        ensure!(received == sent, "{} bytes of {size}", received.len());
    }
    Ok(())
}
