//! The command line: what can be asked for, and how it is answered.

use std::{io, num::ParseIntError, path::PathBuf, time::SystemTime};

use anyhow::Context;
use clap::{Arg, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use protocol::{
    CaptureScope, FromOperator, LauncherInfo, LoginServerStatus, ServerInfo, Task, Text,
    ToOperator, UnixMillis,
};
use serde_json::{Value, json};

use crate::{
    Config, capture_show,
    config::Settings,
    operator::{REQUEST, ask},
};

pub mod commands;

/// Where players sign in, meet and choose where to play.
///
/// Flags win over environment variables, those over the configuration file.
#[derive(Debug, Parser)]
#[command(name = "login-server", version)]
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

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Run the login server (the default).
    Run,
    /// Print the configuration that results from file, environment and flags.
    CheckConfig,
    /// Say who may be a launcher.
    #[command(subcommand)]
    Launcher(LauncherCommand),
    /// See and change the key by which everybody knows the login server.
    #[command(subcommand)]
    Key(commands::KeyCommand),
    /// Say who may do everything. The first operator is made here.
    #[command(subcommand)]
    Operator(commands::OperatorCommand),
    /// See and change accounts.
    #[command(subcommand)]
    Account(commands::AccountCommand),
    /// Keep players out, or from speaking. At once, and until it is lifted or over.
    #[command(subcommand)]
    Ban(commands::BanCommand),
    /// See and end sessions.
    #[command(subcommand)]
    Session(commands::SessionCommand),
    /// See and close what players have reported.
    #[command(subcommand)]
    Report(commands::ReportCommand),
    /// Print who has done what, the last first.
    Audit {
        /// How many entries.
        #[arg(long, default_value_t = 50, value_name = "COUNT")]
        count: u32,
    },
    /// See and change the keys that sign tickets of players who join.
    #[command(subcommand)]
    TicketKey(commands::TicketKeyCommand),
    /// Write everything into a new file: accounts, keys, the audit log. Keep it as a secret.
    Backup {
        /// The file.
        file: PathBuf,
    },
    /// Put a backup in the place of everything there is. No login server may run.
    Restore {
        /// The file that `backup` wrote.
        file: PathBuf,
    },
    /// See and command game servers. The login server has to run.
    #[command(subcommand)]
    Server(ServerCommand),
    /// Print how the login server is that runs in the data directory.
    Status,
    /// Print what it has counted, in the text format of Prometheus.
    Metrics,
    /// Record what is said on connections, without what is secret; and read it.
    #[command(subcommand)]
    Capture(CaptureCommand),
    /// Print a script that completes this program's arguments.
    Completion {
        /// For which shell.
        shell: Shell,
    },
}

/// What to do with launchers. Works whether the login server runs or not.
#[derive(Clone, Debug, Subcommand)]
pub enum LauncherCommand {
    /// Print the string a launcher needs once. Valid for 24 hours.
    Enroll {
        /// What to call the launcher.
        name: String,
        /// HOST:PORT where the launcher reaches the login server.
        #[arg(long, value_name = "HOST:PORT")]
        address: Option<String>,
    },
    /// Print every enrolled launcher.
    List,
    /// Give a launcher another name. Its key stays.
    Rename {
        /// Which one.
        name: String,
        /// The new name.
        to: String,
    },
    /// Say how many servers a launcher may list, and whether its reports count for progress.
    Limit {
        /// Which one.
        name: String,
        /// Most servers. Left out: as many as any launcher.
        #[arg(long, value_name = "COUNT")]
        max_servers: Option<u32>,
        /// Its reports count for the progress of players.
        #[arg(long)]
        counts_progress: bool,
    },
    /// Withdraw a launcher's enrolment, and end its connection.
    Revoke {
        /// Which one.
        name: String,
    },
}

/// What to do with game servers.
#[derive(Clone, Debug, Subcommand)]
pub enum ServerCommand {
    /// Print every game server in the list, and who is in the game.
    List,
    /// Throw a player out of a game.
    Kick {
        /// The server: its id or its title.
        server: String,
        /// The player: the number or the name the game knows.
        player: String,
        /// Shown to the player.
        #[arg(default_value = "")]
        reason: String,
    },
}

/// What to do with captures. Passwords, tokens and what players say to each other are not in them.
#[derive(Clone, Debug, Subcommand)]
pub enum CaptureCommand {
    /// Start to write a file in the data directory. Prints its name. The login server has to run.
    Start {
        /// Only one connection, by the number that log lines about it have as `peer`.
        #[arg(long, value_name = "NUMBER", conflicts_with = "kind", value_parser = peer_number)]
        peer: Option<u64>,
        /// Only connections of this kind.
        #[arg(long)]
        kind: Option<CapturedKind>,
        /// Largest size of the file in MiB; then the capture ends, and the file says so. No more
        /// than 4096.
        #[arg(long, value_name = "MIB", default_value_t = 64)]
        max_mib: u32,
    },
    /// Stop. Prints the name of the file once everything is in it.
    Stop,
    /// Print a file, a line for each record.
    Show {
        /// Which one.
        file: PathBuf,
    },
}

/// A kind of connection that can be captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CapturedKind {
    /// Players' programs.
    GameClient,
    /// Game server launchers.
    Launcher,
}

/// Prints how the login server is.
///
/// # Errors
///
/// When it does not say.
pub async fn status(config: &Config) -> anyhow::Result<()> {
    for answer in ask(config, FromOperator::Status { request: REQUEST }).await? {
        if let ToOperator::Status { status, .. } = answer {
            print_status(config, &status);
        }
    }
    Ok(())
}

/// Prints what the login server has counted.
///
/// # Errors
///
/// When it does not say.
pub async fn metrics(config: &Config) -> anyhow::Result<()> {
    for answer in ask(config, FromOperator::Metrics { request: REQUEST }).await? {
        if let ToOperator::Metrics { lines, .. } = answer {
            lines.iter().for_each(|line| println!("{line}"));
        }
    }
    Ok(())
}

/// Does what an operator asks for, and prints the answer.
///
/// # Errors
///
/// When it was not done.
pub async fn capture(config: &Config, command: CaptureCommand) -> anyhow::Result<()> {
    let request = REQUEST;
    let message = match command {
        CaptureCommand::Start { peer, kind, max_mib } => {
            let scope = match (peer, kind) {
                (Some(peer), _) => CaptureScope::Peer(peer),
                (None, Some(CapturedKind::GameClient)) => CaptureScope::GameClients,
                (None, Some(CapturedKind::Launcher)) => CaptureScope::Launchers,
                (None, None) => CaptureScope::Everybody,
            };
            let max_bytes = u64::from(max_mib) * 1024 * 1024;
            FromOperator::StartCapture { request, scope, max_bytes }
        }
        CaptureCommand::Stop => FromOperator::StopCapture { request },
        CaptureCommand::Show { file } => return capture_show::show(&file, config.json),
    };
    for answer in ask(config, message).await? {
        if let ToOperator::Capture { path, .. } = answer {
            print(config, &json!({"event": "capture", "file": path}), &path);
        }
    }
    Ok(())
}

/// Does what an operator asks for, and prints the answer.
///
/// # Errors
///
/// When it was not done.
pub async fn launcher(config: &Config, command: LauncherCommand) -> anyhow::Result<()> {
    let request = REQUEST;
    match command {
        LauncherCommand::Enroll { name, address } => {
            let told = address.is_some() || config.public_address.is_some();
            let name = Text::parse(name).context("the launcher's name")?;
            let address = address.map(Text::parse).transpose().context("the address")?;
            let message = FromOperator::InviteLauncher { request, name, address };
            for answer in ask(config, message).await? {
                print_invitation(config, &answer, told);
            }
        }
        LauncherCommand::List => {
            for answer in ask(config, FromOperator::ListLaunchers { request }).await? {
                if let ToOperator::Launcher { launcher, .. } = answer {
                    print_launcher(config, &launcher);
                }
            }
        }
        LauncherCommand::Rename { name, to } => {
            let (name, to) = (commands::text(name)?, commands::text(to)?);
            commands::perform(config, Task::RenameLauncher { name, to }).await?;
        }
        LauncherCommand::Limit { name, max_servers, counts_progress } => {
            let name = commands::text(name)?;
            let task = Task::LimitLauncher { name, max_servers, counts_progress };
            commands::perform(config, task).await?;
        }
        LauncherCommand::Revoke { name } => {
            let name = Text::parse(name).context("the launcher's name")?;
            let message = FromOperator::RevokeLauncher { request, name: name.clone() };
            ask(config, message).await?;
            let text = format!("{name} is no launcher any more.");
            print(config, &json!({"event": "revoked", "name": name}), &text);
        }
    }
    Ok(())
}

/// Does what an operator asks for, and prints the answer.
///
/// # Errors
///
/// When it was not done.
pub async fn server(config: &Config, command: ServerCommand) -> anyhow::Result<()> {
    let request = REQUEST;
    match command {
        ServerCommand::List => {
            for answer in ask(config, FromOperator::ListServers { request }).await? {
                if let ToOperator::Server { server, .. } = answer {
                    print_server(config, &server);
                }
            }
        }
        ServerCommand::Kick { server, player, reason } => {
            let server = Text::parse(server).context("the server's name")?;
            let player = Text::parse(player).context("the player's name")?;
            let reason = Text::parse(reason).context("the reason")?;
            let value = json!({"event": "kicked", "server": server, "player": player});
            let text = format!("{server} was told to throw out {player}.");
            ask(config, FromOperator::Kick { request, server, player, reason }).await?;
            print(config, &value, &text);
        }
    }
    Ok(())
}

/// Prints what `shell` needs to complete our arguments.
pub fn completion(shell: Shell) {
    clap_complete::generate(shell, &mut command(), "login-server", &mut io::stdout());
}

/// Prints the configuration.
///
/// # Errors
///
/// When it has no form, such as a path that is not UTF-8.
pub fn check_config(config: &Config) -> anyhow::Result<()> {
    if config.json {
        println!("{}", serde_json::to_string(config)?);
    } else {
        print!("{}", toml::to_string(config)?);
    }
    Ok(())
}

/// The command line. Every flag works everywhere; those that only matter to a server that runs do
/// not stand in the help of commands for operators.
fn command() -> clap::Command {
    let command = Cli::command();
    let irrelevant = |arg: &&Arg| ONLY_WHEN_RUNNING.contains(&arg.get_id().as_str());
    let hidden = command.get_arguments().filter(irrelevant).map(|arg| arg.clone().hide(true));
    let hidden: Vec<_> = hidden.collect();
    FOR_OPERATORS.into_iter().fold(command, |command, name| {
        command.mut_subcommand(name, |subcommand| subcommand.args(hidden.clone()))
    })
}

const FOR_OPERATORS: [&str; 16] = [
    "launcher",
    "operator",
    "account",
    "ban",
    "session",
    "report",
    "audit",
    "key",
    "ticket-key",
    "backup",
    "restore",
    "server",
    "status",
    "metrics",
    "capture",
    "completion",
];

const ONLY_WHEN_RUNNING: [&str; 5] =
    ["listen", "public_address", "ready_file", "log_format", "log"];

fn print_invitation(config: &Config, answer: &ToOperator, address_told: bool) {
    if let ToOperator::Invitation { enrollment, expires, .. } = answer {
        let value = json!({"event": "invitation", "enrollment": enrollment, "expires": expires});
        print(config, &value, enrollment);
        if !address_told {
            eprintln!("The address in it is a guess: --address HOST:PORT says another.");
        }
    }
}

fn print_launcher(config: &Config, launcher: &LauncherInfo) {
    let LauncherInfo { name, key, enrolled, connected, max_servers, .. } = launcher;
    let LauncherInfo { counts_progress, servers, refused_servers, .. } = launcher;
    let state = match connected {
        Some(true) => "connected",
        Some(false) => "not connected",
        None => "the login server does not run",
    };
    let value = json!({
        "event": "launcher", "name": name, "key": key, "enrolled": enrolled, "connected": connected,
        "max_servers": max_servers, "counts_progress": counts_progress, "servers": servers,
        "refused_servers": refused_servers,
    });
    let mut text = format!("{name}\t{key}\t{state}\t{servers} servers");
    if let Some(most) = max_servers {
        text.push_str(&format!(" of at most {most}"));
    }
    if *refused_servers > 0 {
        text.push_str(&format!(", {refused_servers} refused"));
    }
    print(config, &value, &text);
}

fn print_server(config: &Config, server: &ServerInfo) {
    let ServerInfo { server, title, game, state, players } = server;
    let state_text = state.map_or_else(|| "unknown".into(), |state| format!("{state:?}"));
    let mut text = format!("{server}\t{game}\t{state_text}\t{title}");
    for player in players.iter() {
        text.push_str(&format!("\n\t{}\t{}", player.player.0, player.name));
    }
    let players: Vec<_> = players.iter().map(|p| json!({"id": p.player, "name": p.name})).collect();
    let value = json!({
        "event": "server", "server": server, "title": title, "game": game, "state": state,
        "players": players,
    });
    print(config, &value, &text);
}

fn print_status(config: &Config, status: &LoginServerStatus) {
    let LoginServerStatus { program, since, game_clients, sessions, launchers, servers, .. } =
        status;
    let capture = status.capture.as_ref().map(|path| format!("\ncapture\t{path}"));
    let text = format!(
        "{program}\trunning for {} s\ngame clients\t{game_clients}\nsessions\t{sessions}\n\
         launchers\t{launchers}\nservers\t{servers}{}",
        seconds_since(*since),
        capture.unwrap_or_default(),
    );
    let value = json!({
        "event": "status", "program": program, "boot": status.boot, "since": since,
        "game_clients": game_clients, "sessions": sessions, "launchers": launchers,
        "servers": servers, "capture": status.capture,
    });
    print(config, &value, &text);
}

fn seconds_since(UnixMillis(then): UnixMillis) -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    now.as_secs().saturating_sub(then / 1000)
}

/// A number as the log has it: `#7`, or without the `#`.
fn peer_number(text: &str) -> Result<u64, ParseIntError> {
    text.strip_prefix('#').unwrap_or(text).parse()
}

fn print(config: &Config, value: &Value, text: &str) {
    if config.json {
        println!("{value}");
    } else {
        println!("{text}");
    }
}
