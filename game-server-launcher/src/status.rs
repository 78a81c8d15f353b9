//! `game-server-launcher status`: asks every keeper, whether a launcher runs or not.
//!
//! A keeper tells whoever can open its socket how its game is. That changes nothing, and the
//! launcher does not notice.

use std::{fmt, path::Path, time::Duration};

use anyhow::Context as _;
use connection_handler::{
    DisconnectReason, MessageLimit,
    transport::{Connection, Connector as _},
};
use futures_util::{SinkExt as _, StreamExt as _};
use protocol::{FromKeeper, KeeperChange, MAX_AFTER_LOGIN, ServerState, ToKeeper, keeper_hello};
use serde::Serialize;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_util::codec::{FramedRead, FramedWrite};

use crate::{
    codec, handlers::keeper::KeeperConnector, instance::InstanceDir, listing::Listing,
    server::PROGRAM,
};

/// How one game server is.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Status {
    /// Its name in the configuration.
    pub name: String,
    /// Whether players can join. None: it does not run.
    pub state: Option<ServerState>,
    /// The process of its keeper.
    pub keeper_pid: Option<u32>,
    /// The process of the game.
    pub pid: Option<u32>,
    /// Where the game listens, or did last.
    pub port: Option<u16>,
    /// Who is in.
    pub players: Vec<String>,
    /// What is wrong. Empty: nothing.
    pub trouble: String,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, state, pid, port, players, trouble, .. } = self;
        let state = state.map_or_else(|| "not running".to_owned(), |state| format!("{state:?}"));
        write!(f, "{name}\t{state}\tpid {}\tport {}", Known(pid), Known(port))?;
        write!(f, "\t{} players", players.len())?;
        if !players.is_empty() {
            write!(f, ": {}", players.join(", "))?;
        }
        if !trouble.is_empty() {
            write!(f, "\t{trouble}")?;
        }
        Ok(())
    }
}

/// How every game server of `data_dir` is.
///
/// # Errors
///
/// When the directory cannot be read. A keeper that does not answer is said to be in trouble.
pub async fn status(data_dir: &Path) -> anyhow::Result<Vec<Status>> {
    let dirs = InstanceDir::all(data_dir);
    let dirs = dirs.with_context(|| format!("cannot read {}", data_dir.display()))?;
    let mut all = Vec::with_capacity(dirs.len());
    for (name, dir) in dirs {
        let mut status = Status { name: name.to_string(), ..Status::default() };
        if let Ok(instance) = dir.instance() {
            status.port = instance.port;
            status.keeper_pid = instance.keeper_pid;
        }
        let connection = timeout(ANSWER_WITHIN, KeeperConnector { dir }.connect()).await;
        match connection {
            Ok(Ok(connection)) => ask(connection, &mut status).await,
            // Nobody is there.
            Ok(Err(_)) => status.keeper_pid = None,
            Err(_) => status.trouble = "the keeper does not answer".to_owned(),
        }
        all.push(status);
    }
    Ok(all)
}

async fn ask<R, W>(connection: Connection<R, W>, status: &mut Status)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    match timeout(ANSWER_WITHIN, listen(connection, status)).await {
        Ok(Ok(())) => {}
        Ok(Err(reason)) => status.trouble = format!("no word from the keeper: {reason}"),
        Err(_) => status.trouble = "the keeper does not answer".to_owned(),
    }
}

async fn listen<R, W>(
    connection: Connection<R, W>,
    status: &mut Status,
) -> Result<(), DisconnectReason>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let limit = MessageLimit::new(MAX_AFTER_LOGIN);
    let mut read = FramedRead::new(connection.read, codec::reader::<FromKeeper>(limit));
    let mut write = FramedWrite::new(connection.write, codec::writer::<ToKeeper>());
    write.send(ToKeeper::Hello(keeper_hello(PROGRAM))).await?;
    write.send(ToKeeper::Report).await?;
    write.send(ToKeeper::Ping { nonce: 0 }).await?;
    let mut listing = Listing::default();
    loop {
        match read.next().await.unwrap_or(Err(DisconnectReason::RemoteClose))? {
            FromKeeper::Changes(told) => {
                for change in told.changes {
                    match change {
                        KeeperChange::Server(change) => drop(listing.apply(&change)),
                        KeeperChange::GameProcess { pid } => status.pid = pid,
                        KeeperChange::GamePort(port) => status.port = Some(port),
                        KeeperChange::Trouble(trouble) => status.trouble = trouble.into(),
                    }
                }
            }
            FromKeeper::Goodbye(goodbye) => {
                return Err(DisconnectReason::from(goodbye.to_string()));
            }
            // The answers come in order: this is the last one.
            FromKeeper::Pong { .. } => break,
            FromKeeper::Welcome(_)
            | FromKeeper::Admitted { .. }
            | FromKeeper::Arrived { .. }
            | FromKeeper::Left { .. }
            | FromKeeper::Said { .. }
            | FromKeeper::Exited(_)
            | FromKeeper::Ping { .. } => {}
        }
    }
    status.state = listing.state();
    status.players = listing.player_names().map(ToOwned::to_owned).collect();
    Ok(())
}

/// A number, or a dash.
struct Known<'a, T>(&'a Option<T>);

impl<T: fmt::Display> fmt::Display for Known<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(value) => write!(f, "{value}"),
            None => f.write_str("-"),
        }
    }
}

const ANSWER_WITHIN: Duration = Duration::from_secs(2);
