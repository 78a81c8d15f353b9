//! Starting the game: files and ports first, which may block, then the process.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use actix::{Addr, Message};
use anyhow::{Context as _, bail};
use tokio::sync::oneshot;

use super::{
    controller,
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
    /// How the keeper does.
    pub(crate) access: Access,
    /// The world it goes on with.
    pub(crate) save: Option<Save>,
    program: Program,
}

/// How a keeper and its game talk to each other.
#[derive(Debug)]
pub(crate) enum Access {
    /// Through its admin port.
    Openttd { admin: SocketAddr, password: String },
    /// Through its external console.
    Teeworlds { console: SocketAddr, password: String },
    /// The game connects to the keeper.
    Controller(controller::Access),
}

/// Which of the two ports of a server that has two: one process after the other has the other one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Slot {
    #[default]
    First,
    Second,
}

impl Slot {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }
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
    slot: Slot,
    dir: InstanceDir,
    executable: PathBuf,
    saves: Saves,
    keeper: Addr<Keeper>,
) {
    let (result, begun) = match begin(slot, &dir, &executable, saves).await {
        Ok((prepared, process, begun)) => (Ok((Box::new(prepared), process)), Some(begun)),
        Err(error) => (Err(error), None),
    };
    keeper.do_send(Started { start, result });
    if let Some(Begun { pid, running, not_loaded }) = begun {
        let ended = running.ended();
        tokio::pin!(ended);
        let ended = tokio::select! {
            ended = &mut ended => ended,
            Ok(()) = not_loaded => {
                keeper.do_send(NotLoaded { start });
                ended.await
            }
        };
        note_pid(dir, pid, None).await;
        keeper.do_send(GameEnded { start, ended });
    }
}

/// What is to be heard of a process.
struct Begun {
    pid: u32,
    running: Running,
    /// It cannot load the save it was given, and makes a new map.
    not_loaded: oneshot::Receiver<()>,
}

async fn begin(
    slot: Slot,
    dir: &InstanceDir,
    executable: &Path,
    saves: Saves,
) -> anyhow::Result<(Prepared, Process, Begun)> {
    let of = dir.clone();
    let prepared = tokio::task::spawn_blocking(move || prepare(slot, &of, &saves)).await??;
    let mut log = GameLog::new(dir.game_log());
    let not_loaded = log.watch(NOT_LOADED);
    let (process, running) = Process::spawn(&prepared.program, executable, log)
        .with_context(|| format!("cannot run {}", executable.display()))?;
    let pid = process.pid();
    note_pid(dir.clone(), pid, Some(pid)).await;
    Ok((prepared, process, Begun { pid, running, not_loaded }))
}

fn prepare(slot: Slot, dir: &InstanceDir, saves: &Saves) -> anyhow::Result<Prepared> {
    let server = dir.server()?;
    check_program(&server)?;
    let port = game_port(slot, dir, &server)?;
    let game = SocketAddr::new(server.bind, port);
    port::is_free(game).with_context(|| format!("cannot use port {port}"))?;
    let game_dir = dir.game_dir();
    atomic_file::create_dir(&game_dir)?;
    let save = if server.keeps_world() {
        saves.newest(&game_dir).context("cannot look for saves")?
    } else {
        None
    };
    let password = secrets::alphanumeric(PASSWORD_LENGTH);
    let first_secret = secrets::alphanumeric(PASSWORD_LENGTH);
    let written = match server.game {
        GameKind::Openttd => {
            // It listens for its admin port where it listens for players.
            let admin = free_at(server.local_ip())?;
            let files = openttd::StartFiles {
                server: &server,
                dir: &game_dir,
                game,
                admin_port: admin.port(),
                admin_password: &password,
                first_secret: &first_secret,
                save: save.as_ref().map(Save::path),
            };
            files.write().map(|program| (program, Access::Openttd { admin, password }))
        }
        GameKind::Teeworlds => {
            let console = free_at(Ipv4Addr::LOCALHOST.into())?;
            let files = teeworlds::StartFiles {
                server: &server,
                dir: &game_dir,
                game,
                console,
                console_password: &password,
                first_secret: &first_secret,
            };
            files.write().map(|program| (program, Access::Teeworlds { console, password }))
        }
        GameKind::Controller => {
            let prepared = controller::prepare(&server, &game_dir, port, &dir.context());
            prepared.map(|(program, access)| (program, Access::Controller(access)))
        }
    };
    let (program, access) = written.context("cannot prepare the game's configuration")?;
    Ok(Prepared { server, port, access, save, program })
}

fn free_at(ip: IpAddr) -> io::Result<SocketAddr> {
    Ok(SocketAddr::new(ip, port::free_port(ip)?))
}

/// A program that is missing is said so in words that help.
pub(crate) fn check_program(server: &ServerConfig) -> anyhow::Result<()> {
    let installed = server.game.installed();
    let program = server.program.as_deref();
    let program = program.or_else(|| installed.map(|installed| installed.program));
    let program = program.context("program is not set")?;
    match installed {
        _ if program.is_file() => Ok(()),
        Some(installed) => {
            bail!("{} is missing: apt install {}", program.display(), installed.packages)
        }
        None => bail!("{} is missing", program.display()),
    }
}

/// The configured port, or the one that was chosen once.
fn game_port(slot: Slot, dir: &InstanceDir, server: &ServerConfig) -> anyhow::Result<u16> {
    let mut instance = dir.instance()?;
    let (configured, chosen) = match slot {
        Slot::First => (server.port, &mut instance.chosen_port),
        Slot::Second => {
            (server.controller.second_port.unwrap_or(0), &mut instance.chosen_second_port)
        }
    };
    let port = match (configured, &chosen) {
        (0, Some(port)) => *port,
        (0, None) => {
            let port = port::free_port(server.bind).context("no port is free")?;
            *chosen = Some(port);
            port
        }
        (port, _) => port,
    };
    instance.port = Some(port);
    dir.store(&instance)?;
    Ok(port)
}

/// Leaves a note for people: that the game is the process `pid`, or no longer is. Nobody depends on
/// it.
async fn note_pid(dir: InstanceDir, pid: u32, game_pid: Option<u32>) {
    let note = move || {
        let mut instance = dir.instance()?;
        instance.keeper_pid = Some(std::process::id());
        if game_pid.is_some() || instance.game_pid == Some(pid) {
            instance.game_pid = game_pid;
        }
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
