//! How Teeworlds is started: its configuration file and its command line.

use std::{
    fmt::Write as _,
    io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use crate::{
    atomic_file,
    config::{MapName, ServerConfig, TeeworldsConfig},
    keeper::process::Program,
};

/// What one start of Teeworlds needs to know.
#[derive(Debug)]
pub(crate) struct StartFiles<'a> {
    /// What the operator wants.
    pub(crate) server: &'a ServerConfig,
    /// Where the game may write.
    pub(crate) dir: &'a Path,
    /// Where players reach it.
    pub(crate) game: SocketAddr,
    /// Where we do.
    pub(crate) console: SocketAddr,
    /// The password for that.
    pub(crate) console_password: &'a str,
    /// The password for players until the first real one is set: nobody knows it.
    pub(crate) first_secret: &'a str,
}

impl StartFiles<'_> {
    /// Writes the configuration file, readable for its owner only, and says what to run.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub(crate) fn write(&self) -> io::Result<Program> {
        atomic_file::write(&self.dir.join(FILE), self.file().as_bytes())?;
        Ok(Program {
            path: self.server.program.clone().unwrap_or_else(|| PathBuf::from(PROGRAM)),
            // An absolute path is refused, with a line in the log, and the defaults are taken.
            arguments: ["-f", FILE].map(Into::into).into(),
            environment: Vec::new(),
            dir: self.dir.to_owned(),
        })
    }

    fn file(&self) -> String {
        let Self { server, game, console, console_password, first_secret, .. } = self;
        let TeeworldsConfig { game_type, maps, score_limit, time_limit } = &server.teeworlds;
        let name = server.title().replace('"', "'").replace('\\', "/");
        let (port, players) = (game.port(), server.max_players);
        let mut file = format!(
            "sv_name \"{name}\"\nsv_port {port}\nsv_register 0\npassword {first_secret}\n\
             sv_max_clients {players}\nsv_player_slots {players}\n\
             sv_max_clients_per_ip {players}\nsv_gametype {}\n\
             sv_scorelimit {score_limit}\nsv_timelimit {time_limit}\n\
             ec_bindaddr {}\nec_port {}\nec_password {console_password}\nec_output_level 2\n",
            game_type.as_str(),
            console.ip(),
            console.port(),
        );
        let rotation: Vec<_> = maps.iter().map(MapName::as_str).collect();
        if let Some(first) = rotation.first() {
            let _ = writeln!(
                file,
                "sv_map {first}
sv_maprotation \"{}\"",
                rotation.join(" ")
            );
        }
        let _ = match game.ip() {
            ip if ip.is_unspecified() => Ok(()),
            IpAddr::V4(ip) => writeln!(file, "bindaddr {ip}"),
            IpAddr::V6(ip) => writeln!(file, "bindaddr [{ip}]"),
        };
        file
    }
}

/// Where Debian installs it.
pub(crate) const PROGRAM: &str = "/usr/games/teeworlds-server";

const FILE: &str = "teeworlds.cfg";
