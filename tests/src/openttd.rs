//! The real game client, as Debian ships it: without a display, or with one to type on.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use crate::{Process, Scope, Stdio};

/// Where Debian's package `openttd` puts the game.
pub const OPENTTD: &str = "/usr/games/openttd";

/// Writes the configuration of a game client whose player is `name`, and returns its file.
///
/// # Errors
///
/// When the folder takes no files.
pub fn write_client_config(folder: &Path, name: &str) -> Result<PathBuf> {
    let file = folder.join("openttd.cfg");
    let config = format!(
        "[misc]\ngraphicsset = OpenGFX\nsoundsset = NoSound\nmusicset = NoMusic\n\n\
         [network]\nclient_name = {name}\n\n[gui]\nautosave = off\n"
    );
    fs::write(&file, config).with_context(|| format!("{}", file.display()))?;
    Ok(file)
}

/// The game client that needs no display, as arguments of `gatehouse join SERVER --`: it watches.
pub fn headless_client(config: &Path) -> Vec<String> {
    client(config, &["-v", "null:ticks=1000000000"])
}

/// The game client with a window, for a [`Display`], as arguments of `gatehouse join SERVER --`.
pub fn visible_client(config: &Path) -> Vec<String> {
    client(config, &["-v", "sdl", "-r", "640x480"])
}

fn client(config: &Path, video: &[&str]) -> Vec<String> {
    let config = config.display().to_string();
    let sound = ["-s", "null", "-m", "null", "-x", "-d", "net=3", "-c", &config];
    let join = ["-n", "{address}:{port}#255", "-p", "{secret}"];
    [&[OPENTTD], video, &sound, &join].concat().into_iter().map(str::to_owned).collect()
}

/// A display that nobody sees.
#[derive(Debug)]
pub struct Display {
    name: String,
    server: Process,
}

impl Display {
    /// Starts one, with a number that is free.
    ///
    /// # Errors
    ///
    /// When Xvfb is not installed or does not start.
    pub fn start(scope: &Scope) -> Result<Self> {
        let mut xvfb = Command::new("Xvfb");
        xvfb.args(["-displayfd", "1", "-screen", "0", "640x480x24", "-nolisten", "tcp"]);
        let mut server = Process::start(scope, "xvfb", xvfb, Stdio::Events)
            .context("is the Debian package xvfb installed?")?;
        let number = server.events.wait("the display's number", STARTS_WITHIN, |e| e.0.is_u64());
        let number = number.map_err(|error| server.explain(error))?;
        Ok(Self { name: format!(":{}", number.0), server })
    }

    /// What a program on it finds in its environment.
    pub fn put_into(&self, command: &mut Command) {
        command.env("DISPLAY", &self.name).env("SDL_VIDEODRIVER", "x11");
    }

    /// Types into the only window: opens the game's chat to all, and says `text`.
    ///
    /// The game drops keys while it loads: call it again when the text was not heard.
    ///
    /// # Errors
    ///
    /// When xdotool is not installed, or there is no window yet.
    pub fn say_in_game(&self, text: &str) -> Result<()> {
        ensure!(text.is_ascii(), "xdotool would change the keyboard for other than ASCII");
        let window = ["search", "--limit", "1", "--name", "OpenTTD"];
        self.xdotool(&[&window[..], &["windowfocus", "--sync"]].concat())?;
        // Escape closes what an earlier attempt may have left open.
        self.xdotool(&["key", "Escape", "shift+Return"])?;
        self.xdotool(&["type", "--delay", "20", text])?;
        self.xdotool(&["key", "Return"])
    }

    fn xdotool(&self, arguments: &[&str]) -> Result<()> {
        let mut xdotool = Command::new("timeout");
        xdotool.args(["5", "xdotool"]).args(arguments).env("DISPLAY", &self.name);
        let output = xdotool.output().context("is the Debian package xdotool installed?")?;
        ensure!(
            output.status.success(),
            "xdotool {arguments:?}: {} {}; {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim(),
            self.server.log().display()
        );
        Ok(())
    }
}

const STARTS_WITHIN: Duration = Duration::from_secs(20);
