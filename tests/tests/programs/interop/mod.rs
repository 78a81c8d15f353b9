//! Our programs and other people's: `cargo xtask interop`.

mod aioquic;
mod certificates;
mod last_words;
mod ngtcp2;
mod openssl;
mod quic_go;
mod slowhttptest;

use std::{net::SocketAddr, path::PathBuf, process::Command, sync::mpsc, thread, time::Duration};

use anyhow::Result;
use connection_handler::{
    DisconnectReason,
    transport::{
        Listener,
        keys::Identity,
        secure::{SecurePort, SecurePortConfig},
    },
};
use tests::{LoginServer, Process, Scope, World};
use tokio::{io::AsyncWriteExt, runtime, task::LocalSet};

/// A folder of ours in this repository.
fn ours(folder: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder)
}

/// What is built or downloaded for these tests, and kept for the next run.
fn kept(name: &str) -> Result<PathBuf> {
    let folder = std::env::current_exe()?;
    let target = folder.ancestors().find(|folder| folder.ends_with("target"));
    let folder = target.unwrap_or(&std::env::temp_dir()).join("interop").join(name);
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Python with aioquic and websockets, which is about to run a script of ours with a login server.
fn python(scope: &Scope, server: &LoginServer, script: &str) -> Result<Command> {
    let venv = kept("python-1")?;
    let python = venv.join("bin/python");
    if !venv.join("complete").exists() {
        let mut make = Command::new("python3");
        make.args(["-m", "venv", "--clear"]).arg(&venv);
        Process::run(scope, "venv", make, LIMIT)?;
        let mut install = Command::new(&python);
        install.args(["-m", "pip", "install", "--quiet", "aioquic==1.7.2", "websockets==16.0"]);
        Process::run(scope, "pip", install, LIMIT)?;
        std::fs::write(venv.join("complete"), "")?;
    }
    let mut command = Command::new(python);
    command.arg("-B").arg(ours("python/interop").join(script));
    command.args(["--server", &server.address.to_string(), "--pin", &server.pin]);
    Ok(command)
}

/// A port of the connection handler that sends back whatever comes, and its pin. It has a thread of
/// its own, until the test ends.
fn echo(config: SecurePortConfig) -> Result<(SocketAddr, String)> {
    let identity = Identity::ephemeral()?;
    let pin = identity.fingerprint().to_string();
    let (bound, address) = mpsc::channel();
    thread::spawn(move || -> Result<()> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        LocalSet::new().block_on(&runtime, async {
            let mut port = SecurePort::bind("127.0.0.1:0".parse()?, &identity, config).await?;
            let mut listener = port.listener(ECHO);
            let _port = port.start();
            bound.send(_port.local_addr())?;
            loop {
                let Ok(mut connection) = listener.accept().await?.await else { continue };
                tokio::task::spawn_local(async move {
                    tokio::io::copy(&mut connection.read, &mut connection.write).await?;
                    // As handlers do. quic-go forgets what it has acknowledged and not yet read when
                    // the connection ends: who has heard all is to end it.
                    if let Some(carrier) = &connection.carrier {
                        carrier.say_goodbye(&DisconnectReason::RemoteClose);
                    }
                    connection.write.shutdown().await
                });
            }
        })
    });
    Ok((address.recv()?, pin))
}

/// A world without programs of ours but a folder.
fn place() -> Result<World> {
    Ok(World::in_scope(tests::Scope::new()?))
}

const ECHO: &str = "echo/1";
/// For a command of theirs, or several.
const LIMIT: Duration = Duration::from_secs(120);
