//! What operators have captured: files in a folder of the data directory.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::SystemTime,
};

use connection_handler::{
    PeerId,
    capture::{Capture, CaptureConfig, Ending, Scope},
};
use protocol::CaptureScope;

/// Switches the capture on and off.
#[derive(Debug)]
pub(crate) struct Recordings {
    capture: Capture,
    folder: PathBuf,
    current: Option<PathBuf>,
}

impl Recordings {
    /// Nothing yet, in a folder of `data_dir`.
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self { capture: Capture::default(), folder: data_dir.join("captures"), current: None }
    }

    /// For the connections that can be captured.
    pub(crate) fn capture(&self) -> Capture {
        self.capture.clone()
    }

    /// The folder.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.clone()
    }

    /// The file that is being written.
    pub(crate) fn current(&self) -> Option<&Path> {
        self.current.as_deref().filter(|_| self.capture.is_on())
    }

    /// Starts to write to `file`.
    ///
    /// # Errors
    ///
    /// When another one is being written: then this one is not needed.
    pub(crate) fn start(
        &mut self,
        NewFile { path, file }: NewFile,
        scope: CaptureScope,
        max_bytes: u64,
    ) -> io::Result<&Path> {
        let scope = match scope {
            CaptureScope::Everybody => Scope::Everybody,
            CaptureScope::GameClients => Scope::Kind(GAME_CLIENT.into()),
            CaptureScope::Launchers => Scope::Kind(LAUNCHER.into()),
            CaptureScope::Peer(number) => Scope::Peer(PeerId::from(number)),
        };
        let max_bytes = max_bytes.min(MAX_BYTES);
        self.capture.start_to(file, CaptureConfig { scope, max_bytes, ..Default::default() })?;
        tracing::info!(file = %path.display(), "a capture is started");
        Ok(self.current.insert(path))
    }

    /// Ends the file, which is there as a whole after [`Ending::wait`].
    pub(crate) fn stop(&mut self) -> Option<(PathBuf, Ending)> {
        let ending = self.capture.stop()?;
        let path = self.current.take()?;
        tracing::info!(file = %path.display(), "a capture is stopped");
        Some((path, ending))
    }
}

/// A file nothing was written to.
#[derive(Debug)]
pub(crate) struct NewFile {
    path: PathBuf,
    file: File,
}

impl NewFile {
    /// Makes one in `folder`, for our own user only, named after the time. Blocks.
    pub(crate) fn create(folder: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let path = folder.join(format!("{}.capture", now.as_millis()));
        let path = std::path::absolute(path)?;
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { path, file })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// What the handlers call their peers.
pub(crate) const GAME_CLIENT: &str = "GameClient";
pub(crate) const LAUNCHER: &str = "Launcher";

/// Largest file an operator can ask for: disks are small.
const MAX_BYTES: u64 = 4 * 1024 * 1024 * 1024;
