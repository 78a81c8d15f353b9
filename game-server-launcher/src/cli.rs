//! The command line: what can be asked for.

use std::{ffi::OsString, io, path::PathBuf};

use anyhow::Context as _;
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
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
    let mut command = Cli::command();
    clap_complete::generate(shell, &mut command, "game-server-launcher", &mut io::stdout());
}

/// The file of this process, also when another one has taken its name since.
pub const THIS_PROGRAM: &str = "/proc/self/exe";
