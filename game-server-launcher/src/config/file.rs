//! The configuration file: TOML, where unknown keys are errors.

use std::{
    collections::{BTreeMap, HashSet},
    fs, io,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    time::Duration,
};

use protocol::Text;
use serde::Deserialize;
use toml::Spanned;

use super::{
    ControllerConfig, GameKind, GameType, Landscape, Limits, MapName, OpenttdConfig, ServerConfig,
    ServerName, TeeworldsConfig,
};

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something in it is wrong.
    #[error("{path}:{line}: {message}")]
    Invalid {
        /// Which file.
        path: PathBuf,
        /// Where, counted from 1.
        line: usize,
        /// What.
        message: String,
    },
}

impl ServerConfig {
    /// Reads the servers of a configuration file.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or anything in it is wrong: with the line, and for an unknown key
    /// the one that may have been meant.
    pub fn read_all(path: &Path) -> Result<Vec<Self>, ConfigError> {
        let text = fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        parse(&text).map_err(|Problem { at, message }| {
            let line = text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1;
            ConfigError::Invalid { path: path.to_owned(), line, message }
        })
    }
}

/// `servers` as they could be written in the configuration file, with everything that is not said
/// in it.
///
/// # Errors
///
/// When something in it cannot be written in TOML.
pub fn to_toml(servers: &[ServerConfig]) -> anyhow::Result<String> {
    let servers: Result<Vec<_>, _> = servers.iter().map(to_json).collect();
    let file = toml::Value::try_from(serde_json::json!({ "server": servers? }))?;
    Ok(toml::to_string(&file)?)
}

/// `server` with the keys and units of the configuration file.
///
/// # Errors
///
/// When something in it cannot be written in JSON.
pub fn to_json(server: &ServerConfig) -> anyhow::Result<serde_json::Value> {
    let mut json = serde_json::to_value(server)?;
    without_nulls(&mut json);
    let limits = json.get_mut("limits").and_then(serde_json::Value::as_object_mut);
    for limit in limits.into_iter().flat_map(|limits| limits.values_mut()) {
        if limit.is_object() {
            let duration: Duration = serde_json::from_value(limit.take())?;
            *limit = duration.as_secs_f64().into();
        }
    }
    Ok(json)
}

fn without_nulls(json: &mut serde_json::Value) {
    if let serde_json::Value::Object(fields) = json {
        fields.retain(|_, value| !value.is_null());
        fields.values_mut().for_each(without_nulls);
    }
}

/// What is wrong, and at which byte.
#[derive(Debug)]
struct Problem {
    at: usize,
    message: String,
}

fn parse(text: &str) -> Result<Vec<ServerConfig>, Problem> {
    let file: File = toml::from_str(text).map_err(|error| Problem {
        at: error.span().map_or(0, |span| span.start),
        message: with_nearest_key(error.message()),
    })?;
    let mut names = HashSet::new();
    let mut ports = HashSet::new();
    let mut servers = Vec::with_capacity(file.server.len());
    for server in file.server {
        let at = server.span().start;
        let server = server.into_inner().check().map_err(|message| Problem { at, message })?;
        if !names.insert(server.name.clone()) {
            let message = format!("a second server is called {}", server.name);
            return Err(Problem { at, message });
        }
        for port in [Some(server.port), server.controller.second_port].into_iter().flatten() {
            if port != 0 && !ports.insert(port) {
                let message = format!("a second server has the port {port}");
                return Err(Problem { at, message });
            }
        }
        servers.push(server);
    }
    Ok(servers)
}

/// Adds to serde's "unknown field `x`, expected one of `y`, `z`" which of them is meant.
fn with_nearest_key(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = quoted.next().filter(|_| message.starts_with("unknown "));
    let nearest = unknown.and_then(|unknown| {
        let distance = |known: &&str| strsim::damerau_levenshtein(unknown, known);
        quoted.min_by_key(distance).filter(|known| distance(known) <= known.len().min(6) / 2)
    });
    match nearest {
        Some(nearest) => format!("{message}; did you mean `{nearest}`?"),
        None => message.to_owned(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    server: Vec<Spanned<Server>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Server {
    name: ServerName,
    game: GameKind,
    title: Option<Text<64>>,
    bind: Option<IpAddr>,
    port: Option<u16>,
    #[serde(default)]
    advertise: Vec<IpAddr>,
    program: Option<PathBuf>,
    max_players: Option<u16>,
    #[serde(default)]
    limits: LimitsTable,
    #[serde(default)]
    openttd: OpenttdTable,
    #[serde(default)]
    teeworlds: TeeworldsTable,
    #[serde(default)]
    controller: ControllerTable,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenttdTable {
    map_size: Option<u8>,
    seed: Option<u32>,
    landscape: Option<Landscape>,
    starting_year: Option<u32>,
    keep_world: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TeeworldsTable {
    game_type: Option<GameType>,
    maps: Option<Vec<MapName>>,
    score_limit: Option<u16>,
    time_limit: Option<u16>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ControllerTable {
    game: Option<Text<32>>,
    arguments: Option<Vec<String>>,
    environment: Option<BTreeMap<String, String>>,
    second_port: Option<u16>,
}

/// All in seconds, unless the name says otherwise.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitsTable {
    ready_within: Option<f64>,
    first_pause: Option<f64>,
    longest_pause: Option<f64>,
    stable_after: Option<f64>,
    max_crashes: Option<usize>,
    crash_window: Option<f64>,
    silent_after: Option<f64>,
    hung_after: Option<f64>,
    stop_within: Option<f64>,
    terminate_within: Option<f64>,
}

impl Server {
    fn check(self) -> Result<ServerConfig, String> {
        let max_players = self.max_players.unwrap_or(16);
        in_range("max_players", max_players, 1, 255)?;
        if self.advertise.len() > 8 {
            return Err("advertise has more than 8 addresses".to_owned());
        }
        if self.program.as_ref().is_some_and(|program| !program.is_absolute()) {
            return Err("program is not an absolute path".to_owned());
        }
        if self.game.installed().is_none() && self.program.is_none() {
            return Err("program is not set: which game is it?".to_owned());
        }
        Ok(ServerConfig {
            name: self.name,
            game: self.game,
            title: self.title,
            bind: self.bind.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            port: self.port.unwrap_or(0),
            advertise: self.advertise,
            program: self.program,
            max_players,
            limits: self.limits.check()?,
            openttd: self.openttd.check()?,
            teeworlds: self.teeworlds.check(self.game, max_players)?,
            controller: self.controller.check()?,
        })
    }
}

impl OpenttdTable {
    fn check(self) -> Result<OpenttdConfig, String> {
        let default = OpenttdConfig::default();
        let map_size = self.map_size.unwrap_or(default.map_size);
        in_range("map_size", map_size, 6, 12)?;
        if let Some(year) = self.starting_year {
            in_range("starting_year", year, 0, 5_000_000)?;
        }
        Ok(OpenttdConfig {
            map_size,
            seed: self.seed,
            landscape: self.landscape.unwrap_or(default.landscape),
            starting_year: self.starting_year,
            keep_world: self.keep_world.unwrap_or(default.keep_world),
        })
    }
}

impl ControllerTable {
    fn check(self) -> Result<ControllerConfig, String> {
        let default = ControllerConfig::default();
        let arguments = self.arguments.unwrap_or(default.arguments);
        if arguments.iter().any(|argument| argument.contains('\0')) {
            return Err("an argument has a zero byte in it".to_owned());
        }
        let environment = self.environment.unwrap_or(default.environment);
        for (name, value) in &environment {
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                return Err(format!("{name:?} can be no variable of an environment"));
            }
            if name.starts_with("GATEHOUSE_") {
                return Err(format!("{name} is the keeper's to set"));
            }
        }
        let (game, second_port) = (self.game.unwrap_or(default.game), self.second_port);
        Ok(ControllerConfig { game, arguments, environment, second_port })
    }
}

impl TeeworldsTable {
    fn check(self, game: GameKind, max_players: u16) -> Result<TeeworldsConfig, String> {
        let default = TeeworldsConfig::default();
        if game == GameKind::Teeworlds {
            in_range("max_players", max_players, 1, 64)?;
        }
        let maps = self.maps.unwrap_or(default.maps);
        in_range("the number of maps", maps.len(), 1, 32)?;
        let score_limit = self.score_limit.unwrap_or(default.score_limit);
        in_range("score_limit", score_limit, 0, 1000)?;
        let time_limit = self.time_limit.unwrap_or(default.time_limit);
        in_range("time_limit", time_limit, 0, 1000)?;
        let game_type = self.game_type.unwrap_or(default.game_type);
        Ok(TeeworldsConfig { game_type, maps, score_limit, time_limit })
    }
}

impl LimitsTable {
    fn check(self) -> Result<Limits, String> {
        let default = Limits::default();
        let max_crashes = self.max_crashes.unwrap_or(default.max_crashes);
        in_range("max_crashes", max_crashes, 1, 1000)?;
        Ok(Limits {
            ready_within: seconds("ready_within", self.ready_within, default.ready_within)?,
            first_pause: seconds("first_pause", self.first_pause, default.first_pause)?,
            longest_pause: seconds("longest_pause", self.longest_pause, default.longest_pause)?,
            stable_after: seconds("stable_after", self.stable_after, default.stable_after)?,
            max_crashes,
            crash_window: seconds("crash_window", self.crash_window, default.crash_window)?,
            silent_after: seconds("silent_after", self.silent_after, default.silent_after)?,
            hung_after: seconds("hung_after", self.hung_after, default.hung_after)?,
            stop_within: seconds("stop_within", self.stop_within, default.stop_within)?,
            terminate_within: seconds(
                "terminate_within",
                self.terminate_within,
                default.terminate_within,
            )?,
        })
    }
}

fn seconds(key: &str, value: Option<f64>, default: Duration) -> Result<Duration, String> {
    let Some(value) = value else { return Ok(default) };
    in_range(key, value, 0.1, 86_400.0)?;
    Ok(Duration::from_secs_f64(value))
}

fn in_range<T: PartialOrd + std::fmt::Display>(
    key: &str,
    value: T,
    least: T,
    most: T,
) -> Result<(), String> {
    match least <= value && value <= most {
        true => Ok(()),
        false => Err(format!("{key} is {value}, and has to be between {least} and {most}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALLEST: &str = "[[server]]\nname = \"one\"\ngame = \"openttd\"\n";

    #[test]
    fn the_smallest_server_has_defaults() {
        let servers = parse(SMALLEST).unwrap();
        let [server] = &servers[..] else { panic!("{servers:?}") };
        assert_eq!(server.title(), "one");
        assert_eq!(server.bind, IpAddr::from([0, 0, 0, 0]));
        assert_eq!((server.port, server.max_players), (0, 16));
        assert_eq!(server.limits, Limits::default());
    }

    #[test]
    fn teeworlds_has_settings_of_its_own() {
        let text = "[[server]]\nname = \"one\"\ngame = \"teeworlds\"\n[server.teeworlds]\n";
        let servers = parse(&format!("{text}game_type = \"ctf\"\nmaps = [\"ctf1\"]")).unwrap();
        assert_eq!(servers[0].teeworlds.game_type, GameType::Ctf);
        assert_eq!(servers[0].teeworlds.maps[0].as_str(), "ctf1");
        for (wrong, message) in [
            ("maps = []", "the number of maps is 0"),
            ("maps = [\"a b\"]", "a map's name has"),
            ("maps = [\"../x\"]", "a map's name has"),
            ("score_limit = 5000", "score_limit is 5000"),
            ("game_typ = \"ctf\"", "did you mean `game_type`?"),
        ] {
            let problem = parse(&format!("{text}{wrong}")).unwrap_err();
            assert!(problem.message.contains(message), "{wrong}: {problem:?}");
        }
        let crowded = text.replace("game =", "max_players = 65\ngame =");
        assert!(parse(&crowded).unwrap_err().message.contains("max_players is 65"));
    }

    #[test]
    fn a_game_with_a_controller_in_it_is_any_program() {
        let text = "[[server]]\nname = \"one\"\ngame = \"controller\"\n";
        assert!(parse(text).unwrap_err().message.contains("program is not set"));
        let text = format!("{text}program = \"/usr/bin/arena\"\n");
        assert_eq!(parse(&text).unwrap()[0].game_name().as_str(), "controller");
        let table = "[server.controller]\ngame = \"arena\"\narguments = [\"--bots\", \"2\"]\n";
        let server =
            parse(&format!("{text}{table}environment = {{ MAPS = \"a b\" }}")).unwrap().remove(0);
        assert_eq!(server.game_name().as_str(), "arena");
        assert_eq!(server.controller.arguments, ["--bots", "2"]);
        assert_eq!(server.controller.environment["MAPS"], "a b");
        for (wrong, message) in [
            ("environment = { GATEHOUSE_TOKEN = \"x\" }", "is the keeper's to set"),
            ("environment = { \"a=b\" = \"x\" }", "can be no variable"),
            ("arguments = [\"a\\u0000\"]", "zero byte"),
            ("argument = []", "did you mean `arguments`?"),
            (
                "second_port = 7\n[[server]]\nname = \"b\"\ngame = \"openttd\"\nport = 7",
                "the port 7",
            ),
        ] {
            let problem = parse(&format!("{text}[server.controller]\n{wrong}")).unwrap_err();
            assert!(problem.message.contains(message), "{wrong}: {problem:?}");
        }
    }

    #[test]
    fn the_whole_of_it_is_understood() {
        let text = r#"
            [[server]]
            name = "one"
            game = "openttd"
            title = "A friendly server"
            bind = "127.0.0.1"
            port = 3979
            advertise = ["203.0.113.5", "2001:db8::1"]
            program = "/usr/games/openttd"
            max_players = 4
            limits = { hung_after = 30, first_pause = 0.5 }
            [server.openttd]
            map_size = 7
            seed = 5
            landscape = "arctic"
            starting_year = 1990
            keep_world = false
        "#;
        let server = parse(text).unwrap().remove(0);
        assert_eq!(server.title(), "A friendly server");
        assert_eq!(server.limits.first_pause, Duration::from_millis(500));
        assert_eq!(server.openttd.landscape, Landscape::Arctic);
        assert!(!server.openttd.keep_world);
        let json = serde_json::to_string(&server).unwrap();
        assert_eq!(serde_json::from_str::<ServerConfig>(&json).unwrap(), server);
    }

    #[test]
    fn what_is_printed_can_be_read_again() {
        let more = "title = \"a \\\"b\"\nlimits = { first_pause = 0.5 }\nadvertise = [\"::1\"]\n";
        let servers = parse(&format!("{SMALLEST}{more}[[server]]\nname=\"b\"\ngame=\"openttd\"\n"));
        let servers = servers.unwrap();
        let printed = to_toml(&servers).unwrap();
        assert!(printed.contains("first_pause = 0.5\n"), "{printed}");
        assert_eq!(parse(&printed).unwrap(), servers, "{printed}");
    }

    #[test]
    fn a_keeper_understands_the_configuration_of_a_later_launcher() {
        let server = parse(SMALLEST).unwrap().remove(0);
        let mut json = serde_json::to_value(&server).unwrap();
        json["from_the_future"] = 1.into();
        assert_eq!(serde_json::from_value::<ServerConfig>(json).unwrap(), server);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (added, line, message) in [
            ("prot = 1", 4, "did you mean `port`?"),
            ("zzzzzzzz = 1", 4, "unknown field `zzzzzzzz`"),
            ("[server.openttd]\nmapsize = 7", 5, "did you mean `map_size`?"),
            ("port = 70000", 4, "70000"),
            ("max_players = 0", 1, "max_players is 0"),
            ("bind = \"host\"", 4, "invalid IP address"),
            ("program = \"openttd\"", 1, "not an absolute path"),
            ("[server.limits]\nhung_after = 0", 1, "hung_after is 0"),
            ("[[server]]\nname = \"one\"\ngame = \"openttd\"", 4, "a second server is called one"),
            ("[[server]]\nname = \"..\"\ngame = \"openttd\"", 5, "1 to 32 letters"),
            ("[[server]]\nname = \"b\"\ngame = \"opentd\"", 6, "did you mean `openttd`?"),
        ] {
            let path = tempfile::NamedTempFile::new().unwrap();
            fs::write(path.path(), format!("{SMALLEST}{added}\n")).unwrap();
            let error = ServerConfig::read_all(path.path()).unwrap_err();
            let ConfigError::Invalid { line: found, .. } = &error else { panic!("{error}") };
            assert!(error.to_string().contains(message), "{error}");
            assert_eq!(*found, line, "{error}");
        }
    }
}
