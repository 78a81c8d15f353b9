//! ngtcp2's client, which speaks HTTP/3 and nothing else.

use std::process::Command;

use anyhow::{Result, ensure};
use tests::{Process, Stdio, World};

use super::LIMIT;

#[test]
#[ignore = "interop"]
fn gtlsclient_is_told_that_there_is_no_http3() -> Result<()> {
    let world = World::new()?;
    let server = world.login_server()?;
    let mut client = Command::new("gtlsclient");
    let port = server.address.port().to_string();
    client.args(["--exit-on-all-streams-close", "127.0.0.1", &port, "https://gatehouse/"]);
    let mut client = Process::start(&world.scope, "gtlsclient", client, Stdio::Log)?;
    client.wait(LIMIT)?;
    let said = client.log_text();
    // TLS's alert 120, as QUIC carries it.
    ensure!(said.contains("0x178") || said.contains("(376)"), "{said}");
    Ok(())
}
