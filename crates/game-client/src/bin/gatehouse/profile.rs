//! What is remembered between two commands, for its owner only.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use protocol::SessionToken;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// The directory where everything is stored.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    dir: PathBuf,
}

/// What is remembered of one login server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Remembered {
    /// `HOST:PORT`.
    pub(crate) server: String,
    /// As in `--trust`.
    pub(crate) trust: String,
    pub(crate) session: Option<StoredSession>,
}

/// A session that can be resumed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StoredSession {
    pub(crate) name: String,
    pub(crate) token: SessionToken,
}

/// Nobody else joins in this profile while it exists.
#[derive(Debug)]
pub(crate) struct JoinLock {
    _file: File,
}

impl Profile {
    /// The profile in `dir`, or in the place for such things.
    pub(crate) fn open(dir: Option<PathBuf>) -> Result<Self, Failure> {
        let not_empty = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let dir = dir.or_else(|| {
            let state = not_empty("XDG_STATE_HOME").map(PathBuf::from);
            let state = state.filter(|path| path.is_absolute());
            let home = || Some(PathBuf::from(not_empty("HOME")?).join(".local/state"));
            Some(state.or_else(home)?.join("gatehouse"))
        });
        let message = "no place for sessions: set HOME, or give --profile DIR";
        Ok(Self { dir: dir.ok_or_else(|| Failure::usage("no_profile", message))? })
    }

    /// The login server of the last login.
    pub(crate) fn last_server(&self) -> Result<Option<String>, Failure> {
        Ok(self.read(&self.dir.join(LAST_SERVER))?.map(|text| text.trim().to_owned()))
    }

    /// What is remembered of `server`.
    pub(crate) fn remembered(&self, server: &str) -> Result<Option<Remembered>, Failure> {
        let path = self.file(server, "json");
        let Some(text) = self.read(&path)? else { return Ok(None) };
        serde_json::from_str(&text).map(Some).map_err(|error| {
            let message = format!("{}: {error}; remove it and log in again", path.display());
            Failure::failed("profile", message)
        })
    }

    /// Remembers, instead of what was remembered before.
    pub(crate) fn remember(&self, remembered: &Remembered) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(remembered)
            .map_err(|error| Failure::failed("profile", error))?;
        self.write(&self.file(&remembered.server, "json"), &text)
    }

    /// Makes `server` the one that is meant when none is named.
    pub(crate) fn set_last_server(&self, server: &str) -> Result<(), Failure> {
        self.write(&self.dir.join(LAST_SERVER), &format!("{server}\n"))
    }

    /// Until when TLS is to be tried before QUIC, which did not get through to `server`.
    pub(crate) fn quic_blocked(&self, server: &str) -> Option<SystemTime> {
        let text = self.read(&self.file(server, "tls-first")).ok()??;
        let until = Duration::from_millis(text.trim().parse().ok()?);
        SystemTime::UNIX_EPOCH.checked_add(until)
    }

    /// Remembers that, or forgets it. Where nothing can be written, the next command waits a quarter
    /// of a second longer: nobody need know.
    pub(crate) fn set_quic_blocked(&self, server: &str, until: Option<SystemTime>) {
        let path = self.file(server, "tls-first");
        let since_epoch = until.and_then(|until| until.duration_since(SystemTime::UNIX_EPOCH).ok());
        let _ = match since_epoch {
            Some(until) => self.write(&path, &format!("{}\n", until.as_millis())).is_ok(),
            None => fs::remove_file(&path).is_ok(),
        };
    }

    /// The socket of a running `join`.
    pub(crate) fn socket(&self, server: &str) -> PathBuf {
        self.file(server, "sock")
    }

    /// Keeps others from joining. `None`: somebody else does so already.
    pub(crate) fn lock(&self, server: &str) -> Result<Option<JoinLock>, Failure> {
        let path = self.file(server, "lock");
        let lock = || {
            self.make()?;
            let mut options = OpenOptions::new();
            let file = options.create(true).append(true).mode(0o600).open(&path)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => Ok(Some(JoinLock { _file: file })),
                Err(error) if error == rustix::io::Errno::WOULDBLOCK => Ok(None),
                Err(error) => Err(error.into()),
            }
        };
        lock().map_err(|error| failed(&path, &error))
    }

    /// One file for each server, whatever characters its address has.
    fn file(&self, server: &str, extension: &str) -> PathBuf {
        let mut name = String::new();
        for byte in server.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' => name.push(byte.into()),
                other => name.push_str(&format!("%{other:02x}")),
            }
        }
        self.dir.join(format!("{name}.{extension}"))
    }

    fn read(&self, path: &Path) -> Result<Option<String>, Failure> {
        match fs::read_to_string(path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(path, &error)),
        }
    }

    fn make(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)
    }

    /// The file has the old content or the new one, whatever happens, and nobody else reads it.
    fn write(&self, path: &Path, text: &str) -> Result<(), Failure> {
        let unfinished = path.with_extension(format!("tmp-{}", std::process::id()));
        let write = || {
            self.make()?;
            // Left behind by a process of the same number, if at all.
            let _ = fs::remove_file(&unfinished);
            let mut options = OpenOptions::new();
            let mut file = options.write(true).create_new(true).mode(0o600).open(&unfinished)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&unfinished, path)
        };
        write().map_err(|error| {
            let _ = fs::remove_file(&unfinished);
            failed(path, &error)
        })
    }
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::failed("profile", format!("{}: {error}", path.display()))
}

const LAST_SERVER: &str = "last-server";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn profile(dir: &tempfile::TempDir) -> Profile {
        Profile::open(Some(dir.path().join("a/b"))).unwrap()
    }

    fn remembered(server: &str) -> Remembered {
        let session = StoredSession { name: "Ada".into(), token: SessionToken([7; 32]) };
        Remembered { server: server.into(), trust: "sha256:".into(), session: Some(session) }
    }

    #[test]
    fn what_is_remembered_is_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let profile = profile(&dir);
        for server in ["[::1]:9000", "../x:1", "host:9000"] {
            assert!(profile.remembered(server).unwrap().is_none());
            profile.remember(&remembered(server)).unwrap();
            let read = profile.remembered(server).unwrap().unwrap();
            assert_eq!(read.session.unwrap().token, SessionToken([7; 32]));
        }
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&dir.path().join("a/b")), 0o700);
        let files: Vec<_> = fs::read_dir(dir.path().join("a/b")).unwrap().collect();
        assert_eq!(files.len(), 3);
        files.into_iter().for_each(|file| assert_eq!(mode(&file.unwrap().path()), 0o600));
    }

    #[test]
    fn the_way_that_worked_is_remembered_and_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let profile = profile(&dir);
        assert_eq!(profile.quic_blocked("host:1"), None);
        let until = SystemTime::UNIX_EPOCH + Duration::from_millis(1_800_000_000_123);
        profile.set_quic_blocked("host:1", Some(until));
        assert_eq!(profile.quic_blocked("host:1"), Some(until));
        assert_eq!(profile.quic_blocked("host:2"), None);
        profile.write(&profile.file("host:1", "tls-first"), "soon").unwrap();
        assert_eq!(profile.quic_blocked("host:1"), None);
        profile.set_quic_blocked("host:1", None);
        assert_eq!(profile.quic_blocked("host:1"), None);
    }

    #[test]
    fn only_one_can_join() {
        let dir = tempfile::tempdir().unwrap();
        let profile = profile(&dir);
        let lock = profile.lock("host:1").unwrap();
        assert!(lock.is_some());
        assert!(profile.lock("host:1").unwrap().is_none());
        assert!(profile.lock("host:2").unwrap().is_some());
        drop(lock);
        assert!(profile.lock("host:1").unwrap().is_some());
    }

    #[test]
    fn a_damaged_file_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let profile = profile(&dir);
        profile.write(&profile.file("host:1", "json"), "{").unwrap();
        let failure = profile.remembered("host:1").unwrap_err();
        assert!(failure.message.contains("log in again"), "{failure:?}");
    }
}
