//! Starting the game: files and ports first, which may block, then the process.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use actix::{Addr, Message};
use anyhow::{Context as _, bail};
use tokio::sync::oneshot;

use super::{
    log::GameLog,
    openttd::{self, NOT_LOADED, Save, Saves},
    process::{Process, Program, Running, StartId},
    server::{GameEnded, Keeper, NotLoaded},
    teeworlds,
};
use crate::{
    atomic_file,
    config::{GameKind, ServerConfig},
    instance::InstanceDir,
    port, secrets,
};

/// All that was decided for one start.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) server: ServerConfig,
    /// Where players reach the game.
    pub(crate) port: u16,
    /// Where the keeper does.
    pub(crate) admin: SocketAddr,
    pub(crate) admin_password: String,
    /// The world it goes on with.
    pub(crate) save: Option<Save>,
    program: Program,
}

/// A start was tried.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Started {
    pub(crate) start: StartId,
    pub(crate) result: anyhow::Result<(Box<Prepared>, Process)>,
}

/// Starts the game, and tells `keeper` that it runs, and that it has ended.
///
/// Runs on the main thread: the game lives as long as the thread that has started it.
pub(crate) async fn run(
    start: StartId,
    dir: InstanceDir,
    executable: PathBuf,
    saves: Saves,
    keeper: Addr<Keeper>,
) {
    let (result, begun) = match begin(&dir, &executable, saves).await {
        Ok((prepared, process, begun)) => (Ok((Box::new(prepared), process)), Some(begun)),
        Err(error) => (Err(error), None),
    };
    keeper.do_send(Started { start, result });
    if let Some(Begun { running, not_loaded }) = begun {
        let ended = running.ended();
        tokio::pin!(ended);
        let ended = tokio::select! {
            ended = &mut ended => ended,
            Ok(()) = not_loaded => {
                keeper.do_send(NotLoaded { start });
                ended.await
            }
        };
        note_pid(dir, None).await;
        keeper.do_send(GameEnded { start, ended });
    }
}

/// What is to be heard of a process.
struct Begun {
    running: Running,
    /// It cannot load the save it was given, and makes a new map.
    not_loaded: oneshot::Receiver<()>,
}

async fn begin(
    dir: &InstanceDir,
    executable: &Path,
    saves: Saves,
) -> anyhow::Result<(Prepared, Process, Begun)> {
    let of = dir.clone();
    let prepared = tokio::task::spawn_blocking(move || prepare(&of, &saves)).await??;
    let mut log = GameLog::new(dir.game_log());
    let not_loaded = log.watch(NOT_LOADED);
    let (process, running) = Process::spawn(&prepared.program, executable, log)
        .with_context(|| format!("cannot run {}", executable.display()))?;
    note_pid(dir.clone(), Some(process.pid())).await;
    Ok((prepared, process, Begun { running, not_loaded }))
}

fn prepare(dir: &InstanceDir, saves: &Saves) -> anyhow::Result<Prepared> {
    let server = dir.server()?;
    check_program(&server)?;
    let port = game_port(dir, &server)?;
    let game = SocketAddr::new(server.bind, port);
    port::is_free(game).with_context(|| format!("cannot use port {port}"))?;
    let game_dir = dir.game_dir();
    atomic_file::create_dir(&game_dir)?;
    let admin_ip = match server.game {
        // It listens for its admin port where it listens for players.
        GameKind::Openttd => server.local_ip(),
        GameKind::Teeworlds => Ipv4Addr::LOCALHOST.into(),
    };
    let admin = SocketAddr::new(admin_ip, port::free_port(admin_ip)?);
    let admin_password = secrets::alphanumeric(PASSWORD_LENGTH);
    let save = if server.keeps_world() {
        saves.newest(&game_dir).context("cannot look for saves")?
    } else {
        None
    };
    let first_secret = secrets::alphanumeric(PASSWORD_LENGTH);
    let program = match server.game {
        GameKind::Openttd => openttd::StartFiles {
            server: &server,
            dir: &game_dir,
            game,
            admin_port: admin.port(),
            admin_password: &admin_password,
            first_secret: &first_secret,
            save: save.as_ref().map(Save::path),
        }
        .write(),
        GameKind::Teeworlds => teeworlds::StartFiles {
            server: &server,
            dir: &game_dir,
            game,
            console: admin,
            console_password: &admin_password,
            first_secret: &first_secret,
        }
        .write(),
    };
    let program = program.context("cannot write the game's configuration")?;
    Ok(Prepared { server, port, admin, admin_password, save, program })
}

/// A program that is missing is said so in words that help.
pub(crate) fn check_program(server: &ServerConfig) -> anyhow::Result<()> {
    let program = server.program.as_deref().unwrap_or_else(|| server.game.program());
    if !program.is_file() {
        let packages = server.game.debian_packages();
        bail!("{} is missing: apt install {packages}", program.display());
    }
    Ok(())
}

/// The configured port, or the one that was chosen once.
fn game_port(dir: &InstanceDir, server: &ServerConfig) -> anyhow::Result<u16> {
    let mut instance = dir.instance()?;
    let port = match (server.port, instance.chosen_port) {
        (0, Some(port)) => port,
        (0, None) => {
            let port = port::free_port(server.bind).context("no port is free")?;
            instance.chosen_port = Some(port);
            port
        }
        (port, _) => port,
    };
    instance.port = Some(port);
    dir.store(&instance)?;
    Ok(port)
}

/// Leaves a note for people. Nobody depends on it.
async fn note_pid(dir: InstanceDir, game_pid: Option<u32>) {
    let note = move || {
        let mut instance = dir.instance()?;
        instance.keeper_pid = Some(std::process::id());
        instance.game_pid = game_pid;
        dir.store(&instance)
    };
    match tokio::task::spawn_blocking(note).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the process id is not noted"),
        Err(error) => tracing::warn!(%error, "the process id is not noted"),
    }
}

/// Fits into the password fields of all games.
const PASSWORD_LENGTH: usize = 24;
