//! What the operator wants: which servers, and how.

mod file;

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
};

use protocol::Text;
use serde::{Deserialize, Serialize};

pub use self::file::{ConfigError, to_json, to_toml};
pub use crate::keeper::life::Limits;

/// What the launcher needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where everything is kept. Locked by the launcher while it runs.
    pub data_dir: PathBuf,
    /// The servers to run.
    pub servers: Vec<ServerConfig>,
    /// Written once everything runs.
    pub ready_file: Option<PathBuf>,
    /// This program, which is also that of the keepers.
    pub executable: PathBuf,
}

/// One game server.
///
/// Its keeper reads it anew whenever it starts the game: a change is seen then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerConfig {
    /// Its name among those of this launcher, and of its folder.
    pub name: ServerName,
    /// Which game it runs.
    pub game: GameKind,
    /// What players see in the list. None: the name.
    pub title: Option<Text<64>>,
    /// The address on which the game listens.
    pub bind: IpAddr,
    /// The port on which the game listens. 0: chosen once and kept.
    pub port: u16,
    /// Addresses that players may use. None: the one the login server sees.
    pub advertise: Vec<IpAddr>,
    /// The game's program. None: where Debian installs it.
    pub program: Option<PathBuf>,
    /// How many players may be in it.
    pub max_players: u16,
    /// How long it may take for what, and how often it may crash.
    pub limits: Limits,
    /// For OpenTTD only.
    #[serde(default)]
    pub openttd: OpenttdConfig,
    /// For Teeworlds only.
    #[serde(default)]
    pub teeworlds: TeeworldsConfig,
    /// For games with a game controller in them only.
    #[serde(default)]
    pub controller: ControllerConfig,
}

impl ServerConfig {
    /// What players see in the list.
    pub fn title(&self) -> &str {
        self.title.as_ref().map_or(self.name.as_str(), |title| title.as_str())
    }

    /// Which game it is, as players see it in the list.
    pub fn game_name(&self) -> Text<32> {
        match self.game {
            GameKind::Openttd => Text::lossy("openttd"),
            GameKind::Teeworlds => Text::lossy("teeworlds"),
            GameKind::Controller => self.controller.game.clone(),
        }
    }

    /// Whether the game goes on with its world when it is started again.
    pub fn keeps_world(&self) -> bool {
        self.game == GameKind::Openttd && self.openttd.keep_world
    }

    /// The address at which a process of this host reaches the game.
    pub fn local_ip(&self) -> IpAddr {
        match self.bind {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => std::net::Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        }
    }
}

/// A game that can be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GameKind {
    /// OpenTTD 13, as Debian packages it.
    Openttd,
    /// Teeworlds 0.7, as Debian packages it.
    Teeworlds,
    /// Any game with a game controller in it.
    Controller,
}

/// Where a game is when Debian has installed it.
#[derive(Clone, Copy, Debug)]
pub struct Installed {
    /// Its program.
    pub program: &'static Path,
    /// What to install.
    pub packages: &'static str,
}

impl GameKind {
    /// Where it is, if the operator names no other program. None: the operator has to.
    pub fn installed(self) -> Option<Installed> {
        let (program, packages) = match self {
            Self::Openttd => (crate::keeper::openttd::PROGRAM, "openttd openttd-opengfx"),
            Self::Teeworlds => (crate::keeper::teeworlds::PROGRAM, "teeworlds-server"),
            Self::Controller => return None,
        };
        Some(Installed { program: Path::new(program), packages })
    }
}

/// What is said of a game with a game controller in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ControllerConfig {
    /// Which game it is, as players see it in the list.
    pub game: Text<32>,
    /// Arguments of its program.
    pub arguments: Vec<String>,
    /// Variables of its environment.
    pub environment: BTreeMap<String, String>,
    /// The port of every second process: then another one goes on after each match, which is started
    /// while the players vote. 0: chosen once and kept. None: the same one goes on.
    pub second_port: Option<u16>,
}

impl Default for ControllerConfig {
    fn default() -> Self {
        let game = Text::lossy("controller");
        Self { game, arguments: Vec::new(), environment: BTreeMap::new(), second_port: None }
    }
}

/// What only OpenTTD knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OpenttdConfig {
    /// Logarithm of the map's width and height in tiles: 6 to 12.
    pub map_size: u8,
    /// What the map is made from. None: by chance.
    pub seed: Option<u32>,
    /// What grows there.
    pub landscape: Landscape,
    /// When the game begins.
    pub starting_year: Option<u32>,
    /// Whether the world is saved every month and before a stop, and the game goes on with it when
    /// it is started again. What is said above counts only for a new one.
    pub keep_world: bool,
}

impl Default for OpenttdConfig {
    fn default() -> Self {
        Self {
            map_size: 8,
            seed: None,
            landscape: Landscape::Temperate,
            starting_year: None,
            keep_world: true,
        }
    }
}

/// What grows on a map of OpenTTD.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "they are OpenTTD's names")]
pub enum Landscape {
    Temperate,
    Arctic,
    Tropic,
    Toyland,
}

/// What only Teeworlds knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TeeworldsConfig {
    /// What is played.
    pub game_type: GameType,
    /// The maps, in the order in which they are played, again and again.
    pub maps: Vec<MapName>,
    /// Points that end a match. 0: none do.
    pub score_limit: u16,
    /// Minutes that end a match. 0: none do.
    pub time_limit: u16,
}

impl Default for TeeworldsConfig {
    fn default() -> Self {
        Self {
            game_type: GameType::Dm,
            maps: vec![MapName("dm1".to_owned())],
            score_limit: 20,
            time_limit: 0,
        }
    }
}

/// What is played in Teeworlds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "they are Teeworlds' names")]
pub enum GameType {
    Dm,
    Tdm,
    Ctf,
    Lms,
    Lts,
}

impl GameType {
    /// As Teeworlds writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dm => "dm",
            Self::Tdm => "tdm",
            Self::Ctf => "ctf",
            Self::Lms => "lms",
            Self::Lts => "lts",
        }
    }
}

/// The name of a map of Teeworlds: a file is called so.
///
/// 1 to 64 letters, digits, `-`, `_` and `.`, not beginning with `.`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MapName(String);

impl MapName {
    /// The name as a string.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for MapName {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let is_name = (1..=64).contains(&name.len()) && !name.starts_with('.');
        match is_name && name.chars().all(allowed) {
            true => Ok(Self(name)),
            false => Err("a map's name has 1 to 64 letters, digits, '-', '_' and '.'"),
        }
    }
}

impl From<MapName> for String {
    fn from(name: MapName) -> Self {
        name.0
    }
}

/// The name of a server among those of its launcher: a folder is called so.
///
/// 1 to 32 letters, digits, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServerName(String);

impl ServerName {
    /// The name as a string.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ServerName {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        match (1..=32).contains(&name.len()) && name.chars().all(allowed) {
            true => Ok(Self(name)),
            false => Err("a server's name has 1 to 32 letters, digits, '-' and '_'"),
        }
    }
}

impl From<ServerName> for String {
    fn from(name: ServerName) -> Self {
        name.0
    }
}
