//! The folder of one game server: `DATA/servers/NAME/`.
//!
//! ```text
//! server.json    what the operator wants; written by the launcher
//! instance.json  what was chosen once (id, port), and who runs; made by the launcher, then its keeper's
//! keeper.lock    held by the keeper as long as it lives
//! keeper.sock    where the keeper listens
//! keeper.log     what the keeper says
//! game.log       what the game says, and game.log.1 …: what it said before
//! context        what a game has to say to the process that goes on after it
//! spent-tickets  which tickets were used, as long as they could be used again
//! game/          the game's own files; its home
//! ```

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::{fd::AsRawFd as _, unix::fs::OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use protocol::ServerId;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    atomic_file,
    config::{ServerConfig, ServerName},
    secrets,
};

/// What was chosen for a server, and who runs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Instance {
    /// Its id at the login server. Random, chosen once.
    pub(crate) id: ServerId,
    /// The port that was chosen for a server whose configuration names none.
    pub(crate) chosen_port: Option<u16>,
    /// The same, for every second process.
    #[serde(default)]
    pub(crate) chosen_second_port: Option<u16>,
    /// Where the game listens now, or did last.
    pub(crate) port: Option<u16>,
    /// The process of the keeper that runs, or ran last.
    pub(crate) keeper_pid: Option<u32>,
    /// The process of the game, if it runs.
    pub(crate) game_pid: Option<u32>,
}

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InstanceError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{path} is damaged: {source}; without the file the server gets a new id")]
    Damaged { path: PathBuf, source: serde_json::Error },
}

/// The folder of one game server.
#[derive(Clone, Debug)]
pub(crate) struct InstanceDir(PathBuf);

impl InstanceDir {
    pub(crate) fn new(data_dir: &Path, name: &ServerName) -> Self {
        Self(data_dir.join(SERVERS).join(name.as_str()))
    }

    /// The folder at `path`, of which a keeper was told.
    pub(crate) fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// The folders of all servers there ever were.
    pub(crate) fn all(data_dir: &Path) -> io::Result<Vec<(ServerName, Self)>> {
        let entries = match fs::read_dir(data_dir.join(SERVERS)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut all = Vec::new();
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().into_string().ok().and_then(|n| n.try_into().ok());
            all.extend(name.map(|name: ServerName| (name, Self(entry.path()))));
        }
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(all)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn game_dir(&self) -> PathBuf {
        self.0.join("game")
    }

    /// What the game has to say to whichever of its processes goes on.
    pub(crate) fn context(&self) -> PathBuf {
        self.0.join("context")
    }

    pub(crate) fn keeper_log(&self) -> PathBuf {
        self.0.join("keeper.log")
    }

    /// Which tickets were used.
    pub(crate) fn spent_tickets(&self) -> PathBuf {
        self.0.join("spent-tickets")
    }

    pub(crate) fn game_log(&self) -> PathBuf {
        self.0.join("game.log")
    }

    /// Makes the folder and what is chosen once, and stores what the operator wants.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub(crate) fn prepare(&self, server: &ServerConfig) -> Result<Instance, InstanceError> {
        let made = atomic_file::create_dir(&self.game_dir());
        made.map_err(|source| InstanceError::Io { path: self.game_dir(), source })?;
        self.write(SERVER, server)?;
        if let Some(instance) = self.read(INSTANCE)? {
            return Ok(instance);
        }
        let id = ServerId(secrets::random_u64());
        let instance = Instance {
            id,
            chosen_port: None,
            chosen_second_port: None,
            port: None,
            keeper_pid: None,
            game_pid: None,
        };
        self.store(&instance)?;
        Ok(instance)
    }

    /// What the operator wants.
    pub(crate) fn server(&self) -> Result<ServerConfig, InstanceError> {
        self.read(SERVER)?.ok_or_else(|| self.missing(SERVER))
    }

    /// What was chosen, and who runs.
    pub(crate) fn instance(&self) -> Result<Instance, InstanceError> {
        self.read(INSTANCE)?.ok_or_else(|| self.missing(INSTANCE))
    }

    /// Keeps `instance`. Only for who holds the lock, or knows that nobody does.
    pub(crate) fn store(&self, instance: &Instance) -> Result<(), InstanceError> {
        self.write(INSTANCE, instance)
    }

    /// Takes the lock that a keeper holds as long as it lives. `None`: one does.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub(crate) fn try_lock(&self) -> io::Result<Option<File>> {
        let lock = self.lock_file()?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(lock)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn lock_file(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        options.open(self.0.join("keeper.lock"))
    }

    /// The keeper's socket, by a path that is short enough for a socket wherever the folder is.
    ///
    /// # Errors
    ///
    /// When the folder cannot be opened.
    pub(crate) fn socket(&self) -> io::Result<SocketPath> {
        let dir = File::open(&self.0)?;
        let path = format!("/proc/self/fd/{}/{SOCKET}", dir.as_raw_fd()).into();
        Ok(SocketPath { path, _dir: dir })
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, InstanceError> {
        let path = self.0.join(name);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|source| InstanceError::Damaged { path, source }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(InstanceError::Io { path, source }),
        }
    }

    fn write(&self, name: &str, value: &impl Serialize) -> Result<(), InstanceError> {
        let path = self.0.join(name);
        let json = serde_json::to_vec_pretty(value)
            .map_err(|source| InstanceError::Damaged { path: path.clone(), source })?;
        atomic_file::write(&path, &json).map_err(|source| InstanceError::Io { path, source })
    }

    fn missing(&self, name: &str) -> InstanceError {
        let source = io::ErrorKind::NotFound.into();
        InstanceError::Io { path: self.0.join(name), source }
    }
}

/// A path to a socket. Good as long as this value lives: it leads through an open folder, because
/// the path of a socket may have no more than 107 bytes.
#[derive(Debug)]
pub(crate) struct SocketPath {
    path: PathBuf,
    _dir: File,
}

impl SocketPath {
    pub(crate) fn as_path(&self) -> &Path {
        &self.path
    }
}

const SERVERS: &str = "servers";
const SERVER: &str = "server.json";
const INSTANCE: &str = "instance.json";
const SOCKET: &str = "keeper.sock";

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    fn dir(data: &Path) -> InstanceDir {
        let dir = InstanceDir::new(data, &ServerName::try_from("one".to_owned()).unwrap());
        atomic_file::create_dir(&dir.game_dir()).unwrap();
        dir
    }

    #[test]
    fn what_was_chosen_stays() {
        let data = tempfile::tempdir().unwrap();
        let file = data.path().join("config.toml");
        fs::write(&file, "[[server]]\nname = \"one\"\ngame = \"openttd\"\n").unwrap();
        let server = ServerConfig::read_all(&file).unwrap().remove(0);
        let dir = dir(data.path());
        let first = dir.prepare(&server).unwrap();
        assert_eq!(dir.prepare(&server).unwrap(), first);
        assert_eq!(dir.server().unwrap(), server);
        fs::write(dir.path().join(INSTANCE), "{").unwrap();
        assert!(matches!(dir.prepare(&server), Err(InstanceError::Damaged { .. })));
    }

    #[test]
    fn a_lock_is_held_once() {
        let data = tempfile::tempdir().unwrap();
        let dir = dir(data.path());
        let lock = dir.try_lock().unwrap();
        assert!(lock.is_some());
        assert!(dir.try_lock().unwrap().is_none());
        drop(lock);
        assert!(dir.try_lock().unwrap().is_some());
    }

    #[test]
    fn a_socket_is_reached_however_long_the_path_of_its_folder_is() {
        let data = tempfile::tempdir().unwrap();
        let dir = dir(&data.path().join("x".repeat(200)));
        let _listener = UnixListener::bind(dir.socket().unwrap().as_path()).unwrap();
        UnixStream::connect(dir.socket().unwrap().as_path()).unwrap();
        assert!(dir.path().join(SOCKET).exists());
    }
}
