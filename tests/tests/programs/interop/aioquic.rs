//! aioquic, from PyPI, as a game client.

use anyhow::Result;
use tests::{Process, World};

use super::{LIMIT, python};

#[test]
#[ignore = "interop"]
fn a_game_client_over_aioquic_logs_in_and_does_what_only_quic_can() -> Result<()> {
    let world = World::new()?;
    let server = world.login_server()?;
    let client = python(&world.scope, &server, "aioquic_client.py")?;
    let done = Process::run(&world.scope, "aioquic", client, LIMIT);
    println!("{}", std::fs::read_to_string(world.scope.path().join("logs/aioquic.log"))?);
    done
}
