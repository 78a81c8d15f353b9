//! OpenSSL's client.

use std::process::{Command, Stdio};

use anyhow::Result;
use tests::World;

/// What `openssl s_client` says of a connection to the login server.
fn s_client(world: &World, address: &str, arguments: &[&str]) -> Result<String> {
    let mut openssl = Command::new("openssl");
    openssl.args(["s_client", "-connect", address, "-servername", "gatehouse"]).args(arguments);
    // The end of its input is the end of the connection.
    let output = openssl.current_dir(world.scope.path()).stdin(Stdio::null()).output()?;
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

    // Records of 64 bytes: the first message of a handshake comes in many.
    let said = s_client(&world, &address, &[&ours[..], &["-max_send_frag", "512"]].concat())?;
    assert!(said.contains("ALPN protocol: gatehouse-client/1"), "{said}");
    Ok(())
}
