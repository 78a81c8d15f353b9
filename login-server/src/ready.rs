//! Telling who waits for it that the server can be used.

use std::{
    fs, io,
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::Serialize;

/// Where the server is and how to know it. As JSON what `--ready-file` holds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Ready {
    pub(crate) game_clients: SocketAddr,
    pub(crate) launchers: SocketAddr,
    /// All addresses, where there are several: on each everything is served.
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) spki_fingerprint: String,
}

impl Ready {
    /// Writes the ready file: it is there with all it contains, or not at all.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let mut json = serde_json::to_vec(self)?;
        json.push(b'\n');
        let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
        name.push(".new");
        let new: PathBuf = path.with_file_name(name);
        let mut file = fs::File::create(&new)?;
        file.write_all(&json)?;
        file.sync_all()?;
        fs::rename(new, path)
    }
}
