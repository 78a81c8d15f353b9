//! A client in another language, written from PROTOCOL.md alone.

use std::{path::Path, process::Command, time::Duration};

use anyhow::Result;
use tests::{Process, World};

#[test]
fn a_client_written_from_the_document_alone_gets_along_with_the_login_server() -> Result<()> {
    let world = World::new()?;
    let server = world.login_server()?;
    let mut python = Command::new("python3");
    python.arg(folder().join("gatehouse_client.py"));
    python.args(["--server", &server.address.to_string(), "--pin", &server.pin]);
    Process::run(&world.scope, "python", python, LIMIT)
}

#[test]
fn it_writes_and_understands_the_golden_bytes() -> Result<()> {
    let world = World::new()?;
    let mut python = Command::new("python3");
    // Nothing is written beside the source, which may belong to somebody else.
    python.args(["-B", "-m", "unittest", "--quiet"]).current_dir(folder());
    Process::run(&world.scope, "python-unittest", python, LIMIT)
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/python"))
}

const LIMIT: Duration = Duration::from_secs(60);
