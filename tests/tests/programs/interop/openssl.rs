//! OpenSSL's client.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use anyhow::{Context, Result};
use tests::World;

/// What `openssl s_client` says of a connection to the login server.
fn s_client(world: &World, address: &str, arguments: &[&str]) -> Result<String> {
    let arguments = [&["-servername", "gatehouse"], arguments].concat();
    // The end of its input is the end of the connection.
    s_client_saying(world, address, &arguments, "")
}

/// The same, with something to say.
pub(super) fn s_client_saying(
    world: &World,
    address: &str,
    arguments: &[&str],
    words: &str,
) -> Result<String> {
    let mut openssl = Command::new("openssl");
    openssl.args(["s_client", "-connect", address]).args(arguments);
    openssl.current_dir(world.scope.path()).stdin(Stdio::piped());
    let mut child = openssl.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    // It may have ended before it has read that, and says why.
    let _ = child.stdin.take().context("its input")?.write_all(words.as_bytes());
    let output = child.wait_with_output()?;
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    Ok(said.concat())
}

#[test]
#[ignore = "interop"]
fn s_client_is_let_in_with_our_protocol_and_with_nothing_else() -> Result<()> {
    let world = World::new()?;
    let server = world.login_server()?;
    let address = server.address.to_string();
    let ours = ["-alpn", "gatehouse-client/1"];

    let said = s_client(&world, &address, &ours)?;
    assert!(said.contains("ALPN protocol: gatehouse-client/1"), "{said}");
    assert!(said.contains("TLSv1.3"), "{said}");
    assert!(said.contains("Max Early Data: 0") || !said.contains("Max Early Data"), "{said}");

    let said = s_client(&world, &address, &["-alpn", "h2"])?;
    assert!(said.contains("alert number 120"), "{said}");

    let said = s_client(&world, &address, &[&ours[..], &["-tls1_2"]].concat())?;
    assert!(said.contains("alert number 70"), "{said}");

    // The first message of a handshake comes in several records.
    let said = s_client(&world, &address, &[&ours[..], &["-max_send_frag", "512"]].concat())?;
    assert!(said.contains("ALPN protocol: gatehouse-client/1"), "{said}");
    Ok(())
}
