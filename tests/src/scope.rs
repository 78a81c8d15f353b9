//! A temporary directory, and the end of every process that works in it.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A temporary directory. Dropping it kills whatever still works in it, then removes it.
///
/// Keepers of game servers detach on purpose, so it is not enough to kill what we started: a
/// process belongs to a scope when its working directory, its arguments or [`Scope::MARK`] in its
/// environment names the directory.
#[derive(Debug)]
pub struct Scope {
    dir: TempDir,
}

impl Scope {
    /// The environment variable that every process of a scope is given.
    pub const MARK: &str = "SCOPE_OF_TEST";

    /// A new one, in the system's directory for temporary files.
    ///
    /// # Errors
    ///
    /// When there is no place for it.
    pub fn new() -> Result<Self> {
        // A Unix socket's path has at most 107 bytes: the name is short.
        let dir = tempfile::Builder::new().prefix("gh-").tempdir();
        Ok(Self { dir: dir.context("a temporary directory")? })
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A folder in it, made when it is not there.
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    pub fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.path().join(name);
        fs::create_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
        Ok(folder)
    }

    /// The processes that work in it, with their arguments.
    pub fn processes(&self) -> Vec<(i32, String)> {
        processes_in(self.path())
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        sweep(self.path());
    }
}

/// Kills what works in a scope: all of it, as nobody may be left to start another one again.
pub fn sweep(scope: &Path) {
    end(scope, Signal::KILL, Duration::from_secs(5), |_| true);
}

/// Asks every process of a scope that runs `program` to end, with SIGTERM, and waits for at most
/// `patience` until all have.
pub fn stop_in(scope: &Path, program: &str, patience: Duration) {
    let is_it = |arguments: &str| {
        // Keepers are the launcher's to end.
        let (file, rest) = arguments.split_once(' ').unwrap_or((arguments, ""));
        file.rsplit('/').next() == Some(program) && !rest.contains("keeper")
    };
    end(scope, Signal::TERM, patience, is_it);
}

fn end(scope: &Path, signal: Signal, patience: Duration, is_meant: impl Fn(&str) -> bool) {
    let deadline = Instant::now() + patience;
    let mut asked = HashSet::new();
    loop {
        let mut left = processes_in(scope);
        left.retain(|(_, arguments)| is_meant(arguments));
        if left.is_empty() || Instant::now() > deadline {
            return;
        }
        for (pid, _) in left {
            if asked.insert(pid) {
                // One that has just ended is what we want.
                let _ = Pid::from_raw(pid).map(|pid| kill_process(pid, signal));
            }
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn processes_in(dir: &Path) -> Vec<(i32, String)> {
    let Ok(proc) = fs::read_dir("/proc") else { return Vec::new() };
    let ourselves = std::process::id().cast_signed();
    proc.flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != ourselves)
        .filter_map(|pid| Some((pid, arguments_if_in(pid, dir).ok()??)))
        .collect()
}

fn arguments_if_in(pid: i32, dir: &Path) -> io::Result<Option<String>> {
    let proc = PathBuf::from(format!("/proc/{pid}"));
    let arguments = fs::read(proc.join("cmdline"))?;
    let name = dir.as_os_str().as_encoded_bytes();
    let names = |bytes: &[u8]| bytes.windows(name.len()).any(|window| window == name);
    // Of somebody else's process we may read neither, and it is none of ours. A zombie has no
    // arguments, and waits for its parent only.
    let inside = !arguments.is_empty()
        && (names(&arguments)
            || fs::read_link(proc.join("cwd")).is_ok_and(|cwd| cwd.starts_with(dir))
            || fs::read(proc.join("environ")).is_ok_and(|environment| names(&environment)));
    let text = String::from_utf8_lossy(&arguments).replace('\0', " ");
    Ok(inside.then(|| text.trim_end().to_owned()))
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn dropping_a_scope_ends_whoever_works_in_it() {
        let scope = Scope::new().expect("a scope");
        let mut in_it = Command::new("sleep").arg("60").current_dir(scope.path()).spawn().unwrap();
        let mut marked = Command::new("setsid")
            .args(["sleep", "60"])
            .env(Scope::MARK, scope.path())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut stranger = Command::new("sleep").arg("60").spawn().unwrap();
        let path = scope.path().to_owned();
        drop(scope);
        assert!(!in_it.wait().unwrap().success());
        assert!(!marked.wait().unwrap().success());
        assert!(stranger.try_wait().unwrap().is_none(), "somebody else's process was ended");
        assert!(!path.exists());
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }
}
