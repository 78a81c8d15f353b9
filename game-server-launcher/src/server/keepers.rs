//! Keepers as processes, and as connections.

use std::{collections::HashMap, io, path::Path, process::Stdio};

use connection_handler::{Peer as _, PeerId};

use crate::{
    config::ServerName, handlers::keeper::Keeper, instance::InstanceDir,
    rotating_file::RotatingFile,
};

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
    // The keeper writes its log itself. What it says before or beside that goes there too.
    let log = RotatingFile::new(dir.keeper_log()).into_file()?;
    tokio::process::Command::new(executable)
        .args(["keeper", "--dir"])
        .arg(dir.path())
        .current_dir(dir.path())
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
}
