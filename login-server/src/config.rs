//! What can be configured: defaults, then a file, then the environment, then flags.

use std::{
    fmt, fs, io,
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};

use accounts::{DatabaseUrl, Retention};
use clap::{Args, ValueEnum};
use connection_handler::transport::http::Origin;
use ipnet::IpNet;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, SeqAccess, Visitor},
};

/// How a login server runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Config {
    /// The directory for everything durable. One login server at a time.
    pub data_dir: PathBuf,
    /// Where to listen, on TCP and UDP: one address or several. Port 0: one that is free. Sockets
    /// that are inherited from a service manager count instead.
    #[serde(serialize_with = "one_or_list")]
    pub listen: Vec<SocketAddr>,
    /// `HOST:PORT` where launchers and players find the server. None: `listen`, or this machine
    /// where that is every address.
    pub public_address: Option<String>,
    /// Written once everything listens.
    pub ready_file: Option<PathBuf>,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Which log lines there are, as `RUST_LOG` has it.
    pub log: String,
    /// How much of what.
    pub limits: ConfigLimits,
    /// Where accounts and everything else durable are.
    pub database: ConfigDatabase,
    /// What nobody may be called.
    pub names: ConfigNames,
    /// How long what is remembered.
    pub retention: ConfigRetention,
    /// Who stands between players and this server.
    pub proxy: ProxyConfig,
    /// What is spoken without TLS.
    pub plain: PlainConfig,
    /// Certificates.
    pub tls: TlsConfig,
    /// Who may what over HTTP.
    pub web: ConfigWeb,
    /// Say what is printed as JSON. Not part of a file.
    #[serde(skip)]
    pub json: bool,
}

/// What an operator may want more or less of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConfigLimits {
    /// Accounts that may be made from one network (IPv4 /24, IPv6 /56) in an hour. 0: none.
    pub registrations_per_hour: u32,
    /// Guests that are let in from one network (IPv4 /24, IPv6 /56) in an hour. 0: none.
    pub guests_per_hour: u32,
    /// Connections of one kind open at the same time.
    pub max_connections: NonZeroUsize,
    /// Connections of one kind open at the same time from one address (IPv4 /32, IPv6 /64).
    pub max_connections_per_ip: NonZeroUsize,
}

/// Where accounts and everything else durable are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConfigDatabase {
    /// `sqlite:FILE`, from the data directory on, or `postgres://USER@HOST/DATABASE`. Printed
    /// without its password, which is better kept in `~/.pgpass` or `PGPASSWORD`.
    #[serde(serialize_with = "as_shown", deserialize_with = "from_text")]
    pub url: DatabaseUrl,
}

/// What nobody may be called, in whatever spelling.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConfigNames {
    /// Names nobody may register, beside `admin` and the like.
    pub reserved: Vec<String>,
    /// Words that may stand in no name.
    pub banned: Vec<String>,
}

/// How long what is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConfigRetention {
    /// Days after which addresses in the audit log and networks of sessions are forgotten.
    pub address_days: u16,
    /// Days after which guests who do not come back are forgotten.
    pub guest_days: u16,
}

/// Proxies in front of this server that speak the PROXY protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProxyConfig {
    /// Their networks, such as `10.0.0.0/8`. Each TCP connection from there has to begin with a
    /// PROXY header, version 1 or 2; one from anywhere else is closed.
    pub trusted: Vec<IpNet>,
}

/// What is spoken without TLS. Everybody on the way can read and change it, passwords included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PlainConfig {
    /// HTTP: for a proxy in front that ends TLS itself.
    pub http: bool,
    /// The messages of game clients.
    pub frames: bool,
}

/// Certificates beside the server's own one, by which it is pinned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// Each is shown to who asks for one of its names.
    pub certificates: Vec<CertificateConfig>,
}

/// A certificate and its key. Both are read again when they change, and at SIGHUP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateConfig {
    /// PEM file of the certificate and those that lead to its root (`fullchain.pem`).
    pub certificate: PathBuf,
    /// PEM file of its private key (`privkey.pem`).
    pub key: PathBuf,
}

/// Who may what over HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConfigWeb {
    /// Whose pages may connect, such as `https://game.example`, beside those of the server's own name
    /// and port.
    #[serde(with = "texts")]
    pub origins: Vec<Origin>,
    /// Networks that may see `/metrics`, such as `10.0.0.0/8`.
    pub metrics_from: Vec<IpNet>,
}

/// A list of what can be written as text.
mod texts {
    use std::{fmt::Display, str::FromStr};

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<T: Display, S: Serializer>(
        list: &[T],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(list.iter().map(ToString::to_string))
    }

    pub(super) fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<T>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        texts.iter().map(|text| text.parse().map_err(D::Error::custom)).collect()
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// An object a line.
    Json,
}

/// What flags and environment say.
#[derive(Args, Clone, Debug, Default)]
pub struct Settings {
    /// Configuration file (TOML).
    #[arg(long, global = true, value_name = "FILE", env = "GATEHOUSE_LOGIN_CONFIG")]
    pub config: Option<PathBuf>,
    /// Directory for everything durable [default: login-server-data].
    #[arg(long, global = true, value_name = "DIR", env = "GATEHOUSE_LOGIN_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// Where to listen, on TCP and UDP; several with commas between them [default: 0.0.0.0:9000].
    #[arg(
        long,
        global = true,
        value_name = "ADDR:PORT",
        env = "GATEHOUSE_LOGIN_LISTEN",
        value_delimiter = ','
    )]
    pub listen: Option<Vec<SocketAddr>>,
    /// Where launchers and players find the server [default: as --listen].
    #[arg(long, global = true, value_name = "HOST:PORT", env = "GATEHOUSE_LOGIN_PUBLIC_ADDRESS")]
    pub public_address: Option<String>,
    /// File to write once everything listens (JSON).
    #[arg(long, global = true, value_name = "FILE", env = "GATEHOUSE_LOGIN_READY_FILE")]
    pub ready_file: Option<PathBuf>,
    /// How log lines look [default: text].
    #[arg(long, global = true, value_name = "FORMAT", env = "GATEHOUSE_LOGIN_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,
    /// Which log lines there are, such as `debug` or `info,login_server=debug`; else RUST_LOG
    /// [default: info].
    #[arg(long, global = true, value_name = "FILTER", env = "GATEHOUSE_LOGIN_LOG")]
    pub log: Option<String>,
    /// Where accounts are: sqlite:FILE or postgres://USER@HOST/DATABASE
    /// [default: sqlite:accounts.db in the data directory].
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "GATEHOUSE_LOGIN_DATABASE",
        hide_env_values = true
    )]
    pub database: Option<DatabaseUrl>,
    /// Print JSON, an object a line.
    #[arg(long, global = true)]
    pub json: bool,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The file is not what it should be.
    #[error("{path}:{line}: {message}", path = path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: "login-server-data".into(),
            listen: vec![(Ipv4Addr::UNSPECIFIED, 9000).into()],
            public_address: None,
            ready_file: None,
            log_format: LogFormat::Text,
            log: "info".into(),
            limits: ConfigLimits::default(),
            database: ConfigDatabase::default(),
            names: ConfigNames::default(),
            retention: ConfigRetention::default(),
            proxy: ProxyConfig::default(),
            plain: PlainConfig::default(),
            tls: TlsConfig::default(),
            web: ConfigWeb::default(),
            json: false,
        }
    }
}

impl Default for ConfigLimits {
    fn default() -> Self {
        Self {
            registrations_per_hour: 10,
            guests_per_hour: 100,
            max_connections: const { NonZeroUsize::new(10_000).expect("is not zero") },
            max_connections_per_ip: const { NonZeroUsize::new(100).expect("is not zero") },
        }
    }
}

impl Default for ConfigDatabase {
    fn default() -> Self {
        Self { url: DatabaseUrl::sqlite("accounts.db") }
    }
}

impl Default for ConfigRetention {
    fn default() -> Self {
        Self { address_days: 30, guest_days: 30 }
    }
}

impl From<ConfigRetention> for Retention {
    fn from(config: ConfigRetention) -> Self {
        let days = |days: u16| Duration::from_secs(u64::from(days) * 24 * 3600);
        Self {
            addresses: days(config.address_days),
            guests: days(config.guest_days),
            ..Self::default()
        }
    }
}

fn as_shown<S: Serializer>(url: &DatabaseUrl, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(url)
}

fn from_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DatabaseUrl, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}

impl Config {
    /// What `settings` and the file they name come to. `rust_log` counts less than either flag or
    /// environment of our own, and more than the file.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or says something that is not known.
    pub fn new(settings: Settings, rust_log: Option<String>) -> Result<Self, ConfigError> {
        let file = match &settings.config {
            Some(path) => ConfigFile::read(path)?,
            None => ConfigFile::default(),
        };
        let default = Self::default();
        Ok(Self {
            data_dir: settings.data_dir.or(file.data_dir).unwrap_or(default.data_dir),
            listen: settings.listen.or(file.listen).unwrap_or(default.listen),
            public_address: settings.public_address.or(file.public_address),
            ready_file: settings.ready_file.or(file.ready_file),
            log_format: settings.log_format.or(file.log_format).unwrap_or_default(),
            log: settings.log.or(rust_log).or(file.log).unwrap_or(default.log),
            limits: file.limits,
            database: match settings.database {
                Some(url) => ConfigDatabase { url },
                None => file.database,
            },
            names: file.names,
            retention: file.retention,
            proxy: file.proxy,
            plain: file.plain,
            tls: file.tls,
            web: file.web,
            json: settings.json,
        })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    data_dir: Option<PathBuf>,
    #[serde(default, deserialize_with = "one_or_several")]
    listen: Option<Vec<SocketAddr>>,
    public_address: Option<String>,
    ready_file: Option<PathBuf>,
    log_format: Option<LogFormat>,
    log: Option<String>,
    #[serde(default)]
    limits: ConfigLimits,
    #[serde(default)]
    database: ConfigDatabase,
    #[serde(default)]
    names: ConfigNames,
    #[serde(default)]
    retention: ConfigRetention,
    #[serde(default)]
    proxy: ProxyConfig,
    #[serde(default)]
    plain: PlainConfig,
    #[serde(default)]
    tls: TlsConfig,
    #[serde(default)]
    web: ConfigWeb,
}

/// As it is written by hand.
fn one_or_list<S: Serializer>(addresses: &[SocketAddr], serializer: S) -> Result<S::Ok, S::Error> {
    match addresses {
        [addr] => addr.serialize(serializer),
        addresses => addresses.serialize(serializer),
    }
}

/// An address, or a list of them that is not empty.
fn one_or_several<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<SocketAddr>>, D::Error> {
    deserializer.deserialize_any(Addresses).map(Some)
}

struct Addresses;

impl<'de> Visitor<'de> for Addresses {
    type Value = Vec<SocketAddr>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address such as \"0.0.0.0:9000\", or a list of them")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        text.parse().map(|addr| vec![addr]).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut addresses = Vec::new();
        while let Some(addr) = list.next_element()? {
            addresses.push(addr);
        }
        match addresses.is_empty() {
            true => Err(de::Error::invalid_length(0, &self)),
            false => Ok(addresses),
        }
    }
}

impl ConfigFile {
    fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        toml::from_str(&text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let message = with_nearest_key(error.message());
            ConfigError::Parse { path: path.to_owned(), line, message }
        })
    }
}

/// Adds to a complaint about an unknown key which known one was probably meant.
///
/// The complaint is serde's: the unknown key in backquotes, then those it knows.
fn with_nearest_key(message: &str) -> String {
    let Some(rest) = message.strip_prefix("unknown field `") else { return message.to_owned() };
    let mut quoted = rest.split('`').step_by(2);
    let Some(unknown) = quoted.next() else { return message.to_owned() };
    let known = rest.split('`').skip(2).step_by(2);
    let nearest = known
        .map(|known| (strsim::damerau_levenshtein(unknown, known), known))
        .min()
        .filter(|(distance, known)| *distance <= known.len() / 2);
    match nearest {
        Some((_, known)) => format!("unknown key `{unknown}`: did you mean `{known}`?"),
        None => message.replacen("field", "key", 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Config, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.toml");
        fs::write(&path, text).unwrap();
        let settings = Settings { config: Some(path), ..Settings::default() };
        let prefix = format!("{}:", directory.path().join("config.toml").display());
        Config::new(settings, None).map_err(|error| error.to_string().replace(&prefix, ""))
    }

    #[test]
    fn what_is_printed_can_be_read() {
        let config = Config {
            listen: vec!["[::]:1".parse().unwrap(), "0.0.0.0:1".parse().unwrap()],
            proxy: ProxyConfig { trusted: vec!["10.0.0.0/8".parse().unwrap()] },
            plain: PlainConfig { http: true, frames: false },
            tls: TlsConfig {
                certificates: vec![CertificateConfig {
                    certificate: "fullchain.pem".into(),
                    key: "privkey.pem".into(),
                }],
            },
            ready_file: Some("ready".into()),
            public_address: Some("play.example:9000".into()),
            web: ConfigWeb {
                origins: vec!["https://game.example".parse().unwrap()],
                metrics_from: vec!["10.0.0.0/8".parse().unwrap()],
            },
            ..Default::default()
        };
        assert_eq!(parsed(&toml::to_string(&config).unwrap()).unwrap(), config);
        assert_eq!(parsed("").unwrap(), Config::default());
        let one = parsed("listen = \"[::]:1\"").unwrap();
        assert_eq!(one.listen, ["[::]:1".parse().unwrap()]);
    }

    #[test]
    fn an_error_has_the_line_and_the_nearest_key() {
        let cases = [
            ("\nlisen = \"[::]:1\"", "2: unknown key `lisen`: did you mean `listen`?"),
            (
                "[database]\nurl = \"mysql://user:secret@h/d\"",
                "2: a database is sqlite:PATH or postgres://USER@HOST/DATABASE",
            ),
            (
                "[limits]\nregistration_per_hour = 1",
                "2: unknown key `registration_per_hour`: did you mean `registrations_per_hour`?",
            ),
            (
                "[web]\norigins = [\"game.example\"]",
                "2: an origin is http:// or https:// and a host, perhaps a port, and nothing else",
            ),
            ("log = 3", "1: invalid type: integer `3`, expected a string"),
            ("listen = \"here\"", "1: invalid socket address syntax"),
            (
                "listen = []",
                "1: invalid length 0, expected an address such as \"0.0.0.0:9000\", or a list of them",
            ),
            ("[proxy]\ntrusted = [\"here\"]", "2: invalid IP address syntax"),
            ("[plain]\nhtp = true", "2: unknown key `htp`: did you mean `http`?"),
            ("log_format = \"xml\"", "1: unknown variant `xml`, expected `text` or `json`"),
        ];
        for (text, expected) in cases {
            assert_eq!(parsed(text).unwrap_err(), expected, "{text}");
        }
        assert!(parsed("something_else_entirely = 1").unwrap_err().contains("`data_dir`"));
        assert!(parsed("[limits]\nmax_connections = 0").unwrap_err().starts_with("2: "));
    }

    #[test]
    fn flags_win_over_rust_log_and_that_over_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.toml");
        fs::write(&path, "log = \"error\"").unwrap();
        let settings = |log: Option<&str>| Settings {
            config: Some(path.clone()),
            log: log.map(str::to_owned),
            ..Settings::default()
        };
        let log = |flag, rust_log: Option<&str>| {
            Config::new(settings(flag), rust_log.map(str::to_owned)).unwrap().log
        };
        assert_eq!(log(None, None), "error");
        assert_eq!(log(None, Some("warn")), "warn");
        assert_eq!(log(Some("debug"), Some("warn")), "debug");
    }
}
