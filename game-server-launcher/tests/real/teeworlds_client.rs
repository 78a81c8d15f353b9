//! A real Teeworlds client, on a display of its own.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

/// A player's game, and the display it draws on. Both end with the value.
pub(crate) struct TeeworldsClient {
    game: Child,
    display: Display,
}

struct Display {
    server: Child,
    name: String,
}

impl TeeworldsClient {
    /// Starts a client called `name` that joins the game on `port` with `secret`.
    pub(crate) fn join(dir: &Path, name: &str, port: u16, secret: &str) -> Self {
        let home = dir.join(name);
        fs::create_dir_all(&home).unwrap();
        let log = fs::File::create(dir.join(format!("{name}.log"))).unwrap();
        let display = Display::open();
        let game = Command::new("/usr/games/teeworlds")
            .arg("gfx_fullscreen 0;gfx_screen_width 320;gfx_screen_height 240")
            .arg(format!("player_name {name}"))
            .arg(format!("password {secret}"))
            .arg(format!("connect 127.0.0.1:{port}"))
            .env("HOME", &home)
            .env("DISPLAY", &display.name)
            .env("LIBGL_ALWAYS_SOFTWARE", "1")
            .env("SDL_AUDIODRIVER", "dummy")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("teeworlds is missing: apt install teeworlds");
        Self { game, display }
    }

    /// Says something to all, as a player does.
    pub(crate) fn says(&self, text: &str) {
        for arguments in [&["key", "t"][..], &["type", text], &["key", "Return"]] {
            let status = Command::new("xdotool")
                .args([arguments[0], "--delay", "80"])
                .args(&arguments[1..])
                .env("DISPLAY", &self.display.name)
                .status()
                .expect("xdotool is missing: apt install xdotool");
            assert!(status.success());
        }
    }
}

impl Drop for TeeworldsClient {
    fn drop(&mut self) {
        let _ = self.game.kill();
        let _ = self.game.wait();
    }
}

impl Display {
    /// Opens one that nobody else has: the server says which.
    fn open() -> Self {
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "320x240x24", "-nolisten", "tcp"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Xvfb is missing: apt install xvfb");
        let mut number = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut number).unwrap();
        Self { server, name: format!(":{}", number.trim()) }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
