//! Where the programs under test are.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use anyhow::{Context, Result, ensure};

/// One of our programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// Where players sign in.
    LoginServer,
    /// What runs game servers.
    Launcher,
    /// What players type.
    Gatehouse,
}

impl Program {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::LoginServer, Self::Launcher, Self::Gatehouse];

    /// The name of its file.
    pub fn name(self) -> &'static str {
        match self {
            Self::LoginServer => "login-server",
            Self::Launcher => "game-server-launcher",
            Self::Gatehouse => "gatehouse",
        }
    }

    fn package(self) -> &'static str {
        match self {
            Self::LoginServer | Self::Launcher => self.name(),
            Self::Gatehouse => "game-client",
        }
    }

    /// Its file, built when it has to be.
    ///
    /// # Errors
    ///
    /// When it cannot be built.
    pub fn path(self) -> Result<PathBuf> {
        Ok(programs()?.join(self.name()))
    }
}

/// The folder with our programs, newer than their source.
///
/// Cargo does not build the programs of other packages for a test, so this asks it to, once per
/// process, unless `PROGRAMS_ARE_BUILT` says that somebody just did.
///
/// # Errors
///
/// When they cannot be built.
pub fn programs() -> Result<&'static Path> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let told = env::var_os("PROGRAMS_ARE_BUILT").is_some();
        if told { folder() } else { build(true) }.map_err(|error| format!("{error:#}"))
    });
    built.as_deref().map_err(|error| anyhow::anyhow!("{error}"))
}

/// The sample game server, which has a game controller in it.
///
/// # Errors
///
/// When it cannot be built.
pub fn sample_game() -> Result<PathBuf> {
    Ok(programs()?.join("examples").join(SAMPLE_GAME))
}

/// Builds our programs into the folder this one runs from, and says which it is.
///
/// # Errors
///
/// When cargo does.
pub fn build(quiet: bool) -> Result<PathBuf> {
    let folder = folder()?;
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--bins"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo.args(["--package", "game-controller", "--example", SAMPLE_GAME]);
    cargo.args(Program::ALL.iter().flat_map(|program| ["--package", program.package()]));
    if quiet {
        cargo.arg("--quiet");
    }
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    if let Some(target) = folder.parent() {
        cargo.env("CARGO_TARGET_DIR", target);
    }
    let status = cargo.status().context("cargo did not start")?;
    ensure!(status.success(), "cargo did not build {}", Program::ALL.map(Program::name).join(", "));
    Ok(folder)
}

const SAMPLE_GAME: &str = "arena";

/// `target/debug`, whether we are in it or, as a test, in its `deps`.
fn folder() -> Result<PathBuf> {
    let ourselves = env::current_exe().context("where this program is")?;
    let folder = ourselves.parent().context("this program is in no folder")?;
    let folder = if folder.ends_with("deps") { folder.parent() } else { Some(folder) };
    Ok(folder.context("this program is in no target folder")?.to_owned())
}
