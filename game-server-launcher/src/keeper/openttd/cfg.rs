//! How OpenTTD is started: its configuration file and its command line.

use std::{
    ffi::OsString,
    fmt::Write as _,
    io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use crate::{
    atomic_file,
    config::{Landscape, ServerConfig},
    keeper::process::Program,
};

use super::saves::MAX_AUTOSAVES;

/// What one start of OpenTTD needs to know.
#[derive(Debug)]
pub(crate) struct StartFiles<'a> {
    /// What the operator wants.
    pub(crate) server: &'a ServerConfig,
    /// Where the game may write.
    pub(crate) dir: &'a Path,
    /// Where players reach it.
    pub(crate) game: SocketAddr,
    /// Where we do.
    pub(crate) admin_port: u16,
    /// The password for that.
    pub(crate) admin_password: &'a str,
    /// The password for players until the first real one is set: nobody knows it.
    pub(crate) first_secret: &'a str,
    /// The world to go on with. None: a new one.
    pub(crate) save: Option<&'a Path>,
}

impl StartFiles<'_> {
    /// Writes the configuration file, readable for its owner only, and says what to run.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub(crate) fn write(&self) -> io::Result<Program> {
        let file = self.dir.join("openttd.cfg");
        atomic_file::write(&file, self.file().as_bytes())?;
        Ok(Program {
            path: self.server.program.clone().unwrap_or_else(|| PathBuf::from(PROGRAM)),
            arguments: self.arguments(&file),
            environment: Vec::new(),
            dir: self.dir.to_owned(),
        })
    }

    fn arguments(&self, file: &Path) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["-D".into(), self.game.to_string().into()];
        arguments.extend(["-c".into(), file.into(), "-x".into(), "-d".into(), "net=1".into()]);
        if let Some(save) = self.save {
            arguments.extend(["-g".into(), save.into()]);
        } else if let Some(seed) = self.server.openttd.seed {
            arguments.extend(["-G".into(), seed.to_string().into()]);
        }
        arguments
    }

    fn file(&self) -> String {
        let Self { server, game, admin_port, admin_password, first_secret, .. } = self;
        let name = server.title().replace(['"', '='], "'");
        let settings = &server.openttd;
        let landscape = match settings.landscape {
            Landscape::Temperate => "temperate",
            Landscape::Arctic => "arctic",
            Landscape::Tropic => "tropic",
            Landscape::Toyland => "toyland",
        };
        let bind = match game.ip() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        let autosave = if settings.keep_world { "monthly" } else { "off" };
        let (port, players, size) = (game.port(), server.max_players, settings.map_size);
        let mut file = format!(
            "[misc]\ngraphicsset = OpenGFX\nsoundsset = NoSound\nmusicset = NoMusic\n\
             [network]\nserver_name = {name}\nserver_port = {port}\n\
             server_admin_port = {admin_port}\nadmin_password = {admin_password}\n\
             server_password = {first_secret}\nrcon_password =\n\
             server_game_type = local\nserver_advertise = false\nserver_admin_chat = true\n\
             client_name = server\nmax_clients = {players}\nmax_spectators = {players}\n\
             max_companies = 15\nmin_active_clients = 0\nrestart_game_year = 0\n\
             autoclean_companies = false\npause_on_join = true\nmax_join_time = 500\n\
             [gui]\nautosave = {autosave}\nmax_num_autosaves = {MAX_AUTOSAVES}\n\
             keep_all_autosave = false\npause_on_newgame = false\n\
             [game_creation]\nmap_x = {size}\nmap_y = {size}\nlandscape = {landscape}\n"
        );
        if let Some(year) = settings.starting_year {
            let _ = writeln!(file, "starting_year = {year}");
        }
        let _ = writeln!(file, "[server_bind_addresses]\n{bind} =");
        file
    }
}

/// Where Debian installs it.
pub(crate) const PROGRAM: &str = "/usr/games/openttd";
