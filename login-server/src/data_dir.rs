//! The directory everything durable is in.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use tokio::net::{UnixListener, UnixSocket};

/// A data directory that is ours alone until this is dropped, or the process ends.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    _lock: File,
}

/// Why a data directory is not ours.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataDirError {
    /// Another process works in it.
    #[error("data directory {path} is in use by process {process}", path = path.display())]
    InUse { path: PathBuf, process: String },
    /// It cannot be used at all.
    #[error("data directory {path}: {source}", path = path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl DataDir {
    /// Takes the directory, and makes it if there is none, for its owner only.
    pub(crate) fn lock(path: &Path) -> Result<Self, DataDirError> {
        let io = |source| DataDirError::Io { path: path.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut lock = options.open(path.join("lock")).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut process = String::new();
                lock.take(MAX_PROCESS_DIGITS).read_to_string(&mut process).map_err(io)?;
                let process = if process.is_empty() { "unknown".into() } else { process };
                return Err(DataDirError::InUse { path: path.to_owned(), process });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        lock.set_len(0).and_then(|()| lock.rewind()).map_err(io)?;
        write!(lock, "{}", std::process::id()).map_err(io)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The socket for operators: for our own user only from the moment it can be connected to.
    pub(crate) fn listen_for_operators(&self) -> io::Result<UnixListener> {
        let path = control_socket(&self.path);
        // Who has the lock may: nobody else listens there.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let socket = UnixSocket::new_stream()?;
        socket.bind(&path)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        socket.listen(BACKLOG)
    }
}

impl Drop for DataDir {
    /// What nobody listens at is not left behind. The lock still holds here.
    fn drop(&mut self) {
        let _ = fs::remove_file(control_socket(&self.path));
    }
}

/// Where operators reach the server that runs in `data_dir`.
pub(crate) fn control_socket(data_dir: &Path) -> PathBuf {
    data_dir.join("control.sock")
}

const MAX_PROCESS_DIGITS: u64 = 10;

const BACKLOG: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_belongs_to_one_and_names_the_other() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b");
        let first = DataDir::lock(&path).unwrap();
        let second = DataDir::lock(&path).unwrap_err();
        assert!(second.to_string().contains(&std::process::id().to_string()), "{second}");
        drop(first);
        DataDir::lock(&path).unwrap();
    }

    #[tokio::test]
    async fn the_socket_for_operators_is_for_our_own_user_only() {
        let directory = tempfile::tempdir().unwrap();
        let dir = DataDir::lock(directory.path()).unwrap();
        drop(dir.listen_for_operators().unwrap());
        let _again = dir.listen_for_operators().unwrap();
        let mode = fs::metadata(control_socket(dir.path())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
