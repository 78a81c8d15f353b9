//! Files nobody but their owner reads: written whole or not at all.
//!
//! For keys that lie beside the database. Everything here blocks on the disk.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

/// What is in `path`; where there is no such file, what `make` makes, once it is on disk there.
///
/// Of several processes that find none, one makes it. An existing file is never overwritten, but
/// loses the rights others have to it.
///
/// # Errors
///
/// When it can be neither read nor created, when `make` fails, or when there are more than
/// `max_bytes` in it ([`io::ErrorKind::InvalidData`]).
pub fn read_or_create(
    path: &Path,
    max_bytes: usize,
    make: impl FnOnce() -> io::Result<Zeroizing<Vec<u8>>>,
) -> io::Result<Zeroizing<Vec<u8>>> {
    if !path.try_exists()? {
        create(path, &make()?)?;
    }
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(path)?.take(max_bytes as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > max_bytes {
        return Err(io::ErrorKind::InvalidData.into());
    }
    if restrict(path)? {
        tracing::warn!(path = %path.display(), "others could read a file with keys");
    }
    Ok(bytes)
}

/// Puts `content` in the place of what is in `path`, in one step: after a loss of power it is all of
/// the old or all of the new.
///
/// # Errors
///
/// When it cannot be written; then the old one is still there.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = temporary_name(path)?;
    let written = write_new(&temporary, content).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written?;
    File::open(directory_of(path))?.sync_all()
}

/// Creates `path` with `content`, mode 0600; returns false when it exists already.
///
/// The file appears under its name only when its content is on disk, and is there after a power
/// failure once this returned. Two processes may try at once: one of them creates it.
pub(crate) fn create(path: &Path, content: &[u8]) -> io::Result<bool> {
    let directory = directory_of(path);
    let temporary = temporary_name(path)?;
    let written = write_new(&temporary, content).and_then(|()| link(&temporary, path));
    let removed = fs::remove_file(&temporary);
    let created = written?;
    removed?;
    File::open(directory)?.sync_all()?;
    Ok(created)
}

/// Takes the rights of everybody but the owner away; returns whether somebody had any.
///
/// Goes by path on purpose: opening and closing a database file would drop the locks this process
/// holds on it.
pub(crate) fn restrict(path: &Path) -> io::Result<bool> {
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(false);
    }
    fs::set_permissions(path, Permissions::from_mode(mode & 0o700))?;
    Ok(true)
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Gives the finished file its name, unless another one has it: a rename would overwrite that.
fn link(temporary: &Path, path: &Path) -> io::Result<bool> {
    match fs::hard_link(temporary, path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A name beside `path` that no other process or thread chooses.
pub(crate) fn temporary_name(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut random = [0; 8];
    SystemRandom::new().fill(&mut random).map_err(|_| io::Error::other("no randomness"))?;
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{:016x}.tmp", u64::from_le_bytes(random)));
    Ok(path.with_file_name(temporary))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_created_once_for_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        assert!(create(&path, b"first").unwrap());
        assert!(!create(&path, b"second").unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left over");
    }

    #[test]
    fn a_file_is_made_once_and_replaced_as_a_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys");
        let make = |content: &[u8]| Ok(Zeroizing::new(content.to_vec()));
        assert_eq!(*read_or_create(&path, 10, || make(b"first")).unwrap(), b"first");
        assert_eq!(*read_or_create(&path, 10, || make(b"second")).unwrap(), b"first");
        replace(&path, b"third").unwrap();
        assert_eq!(*read_or_create(&path, 10, || make(b"")).unwrap(), b"third");
        let error = read_or_create(&path, 4, || make(b"")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left over");
    }

    #[test]
    fn rights_of_others_are_taken_away() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        create(&path, b"").unwrap();
        assert!(!restrict(&path).unwrap());
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert!(restrict(&path).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_directory_that_is_missing_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let error = create(&directory.path().join("missing/secret"), b"").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
