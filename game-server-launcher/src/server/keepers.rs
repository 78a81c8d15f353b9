//! Keepers as processes, and as connections.

use std::{
    collections::HashMap,
    fs::{self, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    process::Stdio,
};

use connection_handler::{Peer as _, PeerId};

use crate::{config::ServerName, handlers::keeper::Keeper, instance::InstanceDir};

/// Connected keepers.
#[derive(Debug, Default)]
pub(crate) struct Keepers {
    by_name: HashMap<ServerName, Keeper>,
    names: HashMap<PeerId, ServerName>,
}

impl Keepers {
    /// Adds a keeper. The one of the same name it replaces is returned.
    pub(crate) fn insert(&mut self, keeper: Keeper) -> Option<Keeper> {
        self.names.insert(keeper.id(), keeper.name.clone());
        let before = self.by_name.insert(keeper.name.clone(), keeper)?;
        self.names.remove(&before.id());
        Some(before)
    }

    pub(crate) fn name_of(&self, peer: PeerId) -> Option<&ServerName> {
        self.names.get(&peer)
    }

    pub(crate) fn get(&self, name: &ServerName) -> Option<&Keeper> {
        self.by_name.get(name)
    }

    pub(crate) fn remove(&mut self, peer: PeerId) -> Option<Keeper> {
        self.names.remove(&peer).and_then(|name| self.by_name.remove(&name))
    }
}

/// Whether a keeper lives: it holds the lock of its folder.
pub(super) fn lives(dir: &InstanceDir) -> io::Result<bool> {
    dir.try_lock().map(|lock| lock.is_none())
}

/// Starts a keeper that does not depend on us: it makes a session of its own.
pub(super) fn spawn(dir: &InstanceDir, executable: &Path) -> io::Result<tokio::process::Child> {
    let log = dir.keeper_log();
    if fs::metadata(&log).is_ok_and(|log| log.len() > MAX_KEEPER_LOG) {
        fs::rename(&log, log.with_extension("log.1"))?;
    }
    let log = OpenOptions::new().append(true).create(true).mode(0o600).open(log)?;
    tokio::process::Command::new(executable)
        .args(["keeper", "--dir"])
        .arg(dir.path())
        .current_dir(dir.path())
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
}

/// A longer log of keepers is set aside when the next one is started. They say little.
const MAX_KEEPER_LOG: u64 = 1024 * 1024;
