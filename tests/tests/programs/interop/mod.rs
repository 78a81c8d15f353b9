//! Our programs and other people's: `cargo xtask interop`.

mod aioquic;
mod ngtcp2;
mod openssl;
mod quic_go;

use std::{net::SocketAddr, path::PathBuf, sync::mpsc, thread, time::Duration};

use anyhow::Result;
use connection_handler::transport::{
    Listener,
    keys::Identity,
    secure::{SecurePort, SecurePortConfig},
};
use tests::World;
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

/// A port of the connection handler that sends back whatever comes, and its pin. It has a thread of
/// its own, until the test ends.
fn echo() -> Result<(SocketAddr, String)> {
    let identity = Identity::ephemeral()?;
    let pin = identity.fingerprint().to_string();
    let (bound, address) = mpsc::channel();
    thread::spawn(move || -> Result<()> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        LocalSet::new().block_on(&runtime, async {
            let config = SecurePortConfig::default();
            let mut port = SecurePort::bind("127.0.0.1:0".parse()?, &identity, config).await?;
            let mut listener = port.listener(ECHO);
            let _port = port.start();
            bound.send(_port.local_addr())?;
            loop {
                let Ok(mut connection) = listener.accept().await?.await else { continue };
                tokio::task::spawn_local(async move {
                    tokio::io::copy(&mut connection.read, &mut connection.write).await?;
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
