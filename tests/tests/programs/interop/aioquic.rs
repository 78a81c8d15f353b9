//! aioquic, from PyPI, as a game client.

use std::process::Command;

use anyhow::Result;
use tests::{Process, World};

use super::{LIMIT, kept, ours};

#[test]
#[ignore = "interop"]
fn a_game_client_over_aioquic_logs_in_and_does_what_only_quic_can() -> Result<()> {
    let world = World::new()?;
    let venv = kept("aioquic-1.7.2")?;
    let python = venv.join("bin/python");
    if !venv.join("complete").exists() {
        let mut make = Command::new("python3");
        make.args(["-m", "venv", "--clear"]).arg(&venv);
        Process::run(&world.scope, "venv", make, LIMIT)?;
        let mut install = Command::new(&python);
        install.args(["-m", "pip", "install", "--quiet", "aioquic==1.7.2"]);
        Process::run(&world.scope, "pip", install, LIMIT)?;
        std::fs::write(venv.join("complete"), "")?;
    }
    let server = world.login_server()?;
    let mut client = Command::new(&python);
    client.arg("-B").arg(ours("python/interop/aioquic_client.py"));
    client.args(["--server", &server.address.to_string(), "--pin", &server.pin]);
    let done = Process::run(&world.scope, "aioquic", client, LIMIT);
    println!("{}", std::fs::read_to_string(world.scope.path().join("logs/aioquic.log"))?);
    done
}
