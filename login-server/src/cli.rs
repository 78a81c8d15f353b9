//! The command line: what can be asked for, and how it is answered.

use std::io;

use anyhow::Context;
use clap::{Arg, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;
use protocol::{FromOperator, LauncherInfo, ServerInfo, Text, ToOperator};
use serde_json::{Value, json};

use crate::{
    Config,
    config::Settings,
    operator::{REQUEST, ask},
};

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
    /// See and command game servers. The login server has to run.
    #[command(subcommand)]
    Server(ServerCommand),
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
    ["launcher", "server", "completion"].into_iter().fold(command, |command, name| {
        command.mut_subcommand(name, |subcommand| subcommand.args(hidden.clone()))
    })
}

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
    let LauncherInfo { name, key, enrolled, connected } = launcher;
    let state = match connected {
        Some(true) => "connected",
        Some(false) => "not connected",
        None => "the login server does not run",
    };
    let value = json!({
        "event": "launcher", "name": name, "key": key, "enrolled": enrolled, "connected": connected,
    });
    print(config, &value, &format!("{name}\t{key}\t{state}"));
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

fn print(config: &Config, value: &Value, text: &str) {
    if config.json {
        println!("{value}");
    } else {
        println!("{text}");
    }
}
