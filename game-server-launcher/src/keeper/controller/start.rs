//! How a game with a controller in it is started: with an environment that says where its keeper
//! listens.

use std::{
    fs, io,
    net::{Ipv4Addr, TcpListener},
    path::Path,
};

use protocol::{Blob, ControllerToken, MAX_CONTEXT, Start, Text};

use crate::{config::ServerConfig, keeper::process::Program, secrets};

/// How the keeper and one start of the game find each other.
#[derive(Debug)]
pub(crate) struct Access {
    /// Where the game connects to.
    pub(super) listener: TcpListener,
    /// What it shows there.
    pub(super) token: ControllerToken,
    /// What it is told then.
    pub(super) start: Start,
}

/// What to run, and how it is talked to. `context` is the file in which the game's last word to its
/// successor is kept.
///
/// # Errors
///
/// When nothing can be listened at, or the file is there and cannot be read.
pub(crate) fn prepare(
    server: &ServerConfig,
    dir: &Path,
    port: u16,
    context: &Path,
) -> io::Result<(Program, Access)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let token = ControllerToken(Text::lossy(&secrets::alphanumeric(TOKEN_LENGTH)));
    let start = Start {
        title: Text::lossy(server.title()),
        bind: server.bind,
        port,
        max_players: server.max_players,
        context: read(context)?,
        map: None,
    };
    let mut environment: Vec<(String, String)> =
        server.controller.environment.clone().into_iter().collect();
    environment.push(("GATEHOUSE_CONTROLLER".to_owned(), listener.local_addr()?.to_string()));
    environment.push(("GATEHOUSE_TOKEN".to_owned(), token.reveal().to_owned()));
    let program = Program {
        // A configuration without one is refused.
        path: server.program.clone().unwrap_or_default(),
        arguments: server.controller.arguments.iter().map(Into::into).collect(),
        environment,
        dir: dir.to_owned(),
    };
    Ok((program, Access { listener, token, start }))
}

/// Nothing, if there is no file. What is too long was not written by us.
fn read(context: &Path) -> io::Result<Blob<MAX_CONTEXT>> {
    match fs::read(context) {
        Ok(bytes) => Ok(Blob::try_from(bytes).unwrap_or_default()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Blob::default()),
        Err(error) => Err(error),
    }
}

/// As good as a key of 256 bits.
const TOKEN_LENGTH: usize = 43;
