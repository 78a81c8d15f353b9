//! A file that is appended to, and set aside when it is large: a bounded number of bytes in all.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// A log of bounded size: `PATH`, and older ones as `PATH.1` to `PATH.4`.
///
/// Made at the first write, for its owner only. After an error the next write opens it anew.
#[derive(Debug)]
pub(crate) struct RotatingFile {
    path: PathBuf,
    max_bytes: u64,
    file: Option<File>,
    written: u64,
}

impl RotatingFile {
    /// Does not touch the file yet.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, max_bytes: MAX_BYTES, file: None, written: 0 }
    }

    #[cfg(test)]
    pub(crate) fn with_max_bytes(self, max_bytes: u64) -> Self {
        Self { max_bytes, ..self }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file for others to append to, set aside first if it is large.
    ///
    /// # Errors
    ///
    /// When there can be no such file.
    pub(crate) fn into_file(mut self) -> io::Result<File> {
        self.open()
    }

    fn open(&mut self) -> io::Result<File> {
        if let Some(file) = self.file.take().filter(|_| self.written < self.max_bytes) {
            return Ok(file);
        }
        let mut file = self.append()?;
        if self.written >= self.max_bytes {
            self.rotate()?;
            file = self.append()?;
        }
        Ok(file)
    }

    fn append(&mut self) -> io::Result<File> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)?;
        self.written = file.metadata()?.len();
        Ok(file)
    }

    fn rotate(&self) -> io::Result<()> {
        for number in (0..MAX_OLD).rev() {
            match fs::rename(self.old(number), self.old(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn old(&self, number: usize) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        if number > 0 {
            path.push(format!(".{number}"));
        }
        path.into()
    }
}

impl Write for RotatingFile {
    /// All of `bytes`, into one file.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut file = self.open()?;
        file.write_all(bytes)?;
        self.written += bytes.len() as u64;
        self.file = Some(file);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Size at which a file is set aside. What is written at once may exceed it.
const MAX_BYTES: u64 = 1024 * 1024;

/// How many older files there are.
pub(crate) const MAX_OLD: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_and_number_of_files_are_bounded_also_when_it_is_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keeper.log");
        for number in 0..100 {
            let mut file = RotatingFile::new(path.clone()).with_max_bytes(90);
            (0..10).for_each(|line| {
                file.write_all(format!("line {number:02}{line}\n").as_bytes()).unwrap();
            });
        }
        let mut files: Vec<_> = fs::read_dir(dir.path()).unwrap().map(Result::unwrap).collect();
        files.sort_by_key(fs::DirEntry::file_name);
        assert_eq!(files.len(), 1 + MAX_OLD);
        assert!(files.iter().all(|file| file.metadata().unwrap().len() < 90 + 9));
        assert!(fs::read_to_string(path).unwrap().ends_with("line 999\n"));
    }
}
