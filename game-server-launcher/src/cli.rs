//! The command line: what can be asked for.

use std::{ffi::OsString, io, path::PathBuf};

use anyhow::Context as _;
use clap::{Arg, Args, CommandFactory, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use protocol::Enrollment;

use crate::{
    config::{Config, ConfigError, ServerConfig, to_json, to_toml},
    keeper::check_program,
    status::status,
};

/// Starts game servers, keeps them alive, lists them at a login server.
#[derive(Debug, Parser)]
#[command(name = "game-server-launcher", version)]
pub struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub settings: Settings,
    /// What to do; to run, when nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
}

impl Cli {
    /// What the command line says. Ends the program where that is nothing that can be done, or
    /// somebody wants to read the help.
    pub fn from_command_line() -> Self {
        let matches = command().get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

/// What flags and environment say.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// Configuration file (TOML): which servers to run.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "GATEHOUSE_LAUNCHER_CONFIG",
        default_value = "game-server-launcher.toml"
    )]
    pub config: PathBuf,
    /// Directory for everything durable. One launcher at a time.
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "GATEHOUSE_LAUNCHER_DATA_DIR",
        default_value = "game-server-launcher-data"
    )]
    pub data_dir: PathBuf,
    /// File to write once every server is started or found again (JSON).
    #[arg(long, global = true, value_name = "FILE", env = "GATEHOUSE_LAUNCHER_READY_FILE")]
    pub ready_file: Option<PathBuf>,
    /// How log lines look.
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        env = "GATEHOUSE_LAUNCHER_LOG_FORMAT",
        default_value = "text"
    )]
    pub log_format: LogFormat,
    /// Print JSON, one object a line.
    #[arg(long, global = true)]
    pub json: bool,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// An object a line.
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the game servers (the default).
    Run,
    /// Print the servers of the configuration, with everything that is not said in it.
    CheckConfig,
    /// Become one of a login server's launchers.
    Enroll {
        /// What `login-server launcher enroll` has printed. Works once.
        enrollment: Enrollment,
    },
    /// Print how the game servers are.
    Status,
    /// Print a script that completes this program's arguments.
    Completion {
        /// For which shell.
        shell: Shell,
    },
    /// Keep one game server. Started by the launcher.
    #[command(hide = true)]
    Keeper {
        /// The folder of the game server.
        #[arg(long)]
        dir: PathBuf,
    },
    /// Become another program that does not outlive its parent. Started by keepers.
    #[command(hide = true)]
    Exec {
        /// The process that has to be the parent.
        #[arg(long)]
        parent: u32,
        /// The program and its arguments.
        #[arg(last = true, required = true)]
        program: Vec<OsString>,
    },
}

impl Settings {
    /// What the launcher needs to know, with the servers of the configuration file.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or anything in it is wrong.
    pub fn config(&self) -> Result<Config, ConfigError> {
        Ok(Config {
            data_dir: self.data_dir.clone(),
            servers: ServerConfig::read_all(&self.config)?,
            ready_file: self.ready_file.clone(),
            executable: PathBuf::from(THIS_PROGRAM),
        })
    }
}

/// Prints the servers of `config`, as they could be written in its file.
///
/// # Errors
///
/// When a game is not installed.
pub fn check_config(config: &Config, json: bool) -> anyhow::Result<()> {
    if json {
        for server in &config.servers {
            println!("{}", to_json(server)?);
        }
    } else {
        print!("{}", to_toml(&config.servers)?);
    }
    config.servers.iter().try_for_each(|server| {
        check_program(server).with_context(|| format!("server {}", server.name))
    })
}

/// Prints how every server is.
///
/// # Errors
///
/// When the data directory cannot be read.
pub async fn print_status(settings: &Settings) -> anyhow::Result<()> {
    for status in status(&settings.data_dir).await? {
        if settings.json {
            println!("{}", serde_json::to_string(&status)?);
        } else {
            println!("{status}");
        }
    }
    Ok(())
}

/// Prints what `shell` needs to complete our arguments.
pub fn completion(shell: Shell) {
    clap_complete::generate(shell, &mut command(), "game-server-launcher", &mut io::stdout());
}

/// The command line. Every flag works everywhere; those that do not matter to a command do not
/// stand in its help.
fn command() -> clap::Command {
    let command = Cli::command();
    let flags: Vec<_> = command.get_arguments().cloned().collect();
    IRRELEVANT.into_iter().fold(command, |command, (name, irrelevant)| {
        let irrelevant = |arg: &&Arg| irrelevant.contains(&arg.get_id().as_str());
        let hidden: Vec<_> =
            flags.iter().filter(irrelevant).map(|arg| arg.clone().hide(true)).collect();
        command.mut_subcommand(name, |subcommand| subcommand.args(hidden))
    })
}

/// Flags that mean nothing to a command.
const IRRELEVANT: [(&str, &[&str]); 5] = [
    ("run", &["json"]),
    ("check-config", &["data_dir", "ready_file", "log_format"]),
    ("enroll", &["config", "ready_file", "log_format", "json"]),
    ("status", &["config", "ready_file", "log_format"]),
    ("completion", &["config", "data_dir", "ready_file", "log_format", "json"]),
];

/// The file of this process, also when another one has taken its name since.
pub const THIS_PROGRAM: &str = "/proc/self/exe";

#[cfg(test)]
mod tests {
    use super::*;

    fn help(subcommand: &str) -> String {
        let mut command = command();
        command.build();
        let subcommand = command.find_subcommand_mut(subcommand).unwrap();
        subcommand.render_help().to_string()
    }

    #[test]
    fn the_help_of_a_command_shows_the_flags_that_mean_something_there() {
        for (name, shown, hidden) in [
            ("run", "--ready-file", "--json"),
            ("check-config", "--config", "--data-dir"),
            ("enroll", "--data-dir", "--config"),
            ("status", "--json", "--ready-file"),
            ("completion", "--help", "--config"),
        ] {
            let help = help(name);
            assert!(help.contains(shown) && !help.contains(hidden), "{name}: {help}");
        }
    }

    #[test]
    fn a_flag_that_is_not_shown_works() {
        let line = ["game-server-launcher", "status", "--config", "other.toml"];
        let matches = command().try_get_matches_from(line).unwrap();
        let cli = Cli::from_arg_matches(&matches).unwrap();
        assert_eq!(cli.settings.config, PathBuf::from("other.toml"));
    }
}
