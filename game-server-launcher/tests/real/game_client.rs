//! A real OpenTTD client without a window.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

/// A player's game. Ends with the value.
pub(crate) struct GameClient(Child);

impl GameClient {
    /// Starts a client called `name` that joins the game on `port` with `secret`.
    pub(crate) fn join(dir: &Path, name: &str, port: u16, secret: &str) -> Self {
        let home = dir.join(name);
        fs::create_dir_all(&home).unwrap();
        let cfg = home.join("openttd.cfg");
        let text = format!(
            "[misc]\ngraphicsset = OpenGFX\nsoundsset = NoSound\nmusicset = NoMusic\n\
             [network]\nclient_name = {name}\n"
        );
        fs::write(&cfg, text).unwrap();
        let log = fs::File::create(dir.join(format!("{name}.log"))).unwrap();
        let child = Command::new(crate::openttd())
            .args(["-v", "null:ticks=1000000000", "-s", "null", "-m", "null", "-x", "-d", "net=3"])
            .arg("-c")
            .arg(&cfg)
            .args(["-n", &format!("127.0.0.1:{port}#255"), "-p", secret])
            .env("HOME", &home)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Self(child)
    }

    /// Whether its process runs.
    pub(crate) fn runs(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for GameClient {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
