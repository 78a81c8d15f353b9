//! What operators type about players and data, and how it is answered.

use std::{
    io::{self, BufRead, IsTerminal},
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::{Subcommand, ValueEnum};
use protocol::{FromOperator, Password, Penalty, Task, Text, ToOperator};
use serde_json::{Map, Value};

use crate::{
    Config,
    operator::{REQUEST, ask},
};

/// What to do with operators.
#[derive(Clone, Debug, Subcommand)]
pub enum OperatorCommand {
    /// Make an operator of an account that there is; or a new one, with --password-stdin.
    Add {
        /// The account's name.
        name: String,
        /// Make the account, with a password from the first line of standard input.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Make a player of an operator again.
    Remove {
        /// The account's name.
        name: String,
    },
}

/// What to do with the key. Works whether the login server runs or not.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum KeyCommand {
    /// Print its pin, and that of the next one.
    Show,
    /// Announce another key. Who connects until it is used learns it: launchers, and players'
    /// programs. Said again, only the time becomes another.
    Rotate {
        /// Use it in so many days. 0: at once; who is not connected then needs the new pin.
        #[arg(long, value_name = "COUNT", default_value_t = 30,
              value_parser = clap::value_parser!(u32).range(0..=3650))]
        days: u32,
    },
}

/// What to do with accounts.
#[derive(Clone, Debug, Subcommand)]
pub enum AccountCommand {
    /// Print all accounts.
    List,
    /// Print one, and what holds against it.
    Show {
        /// Its name.
        name: String,
    },
    /// Set a password, from the first line of standard input, and end all sessions.
    SetPassword {
        /// Whose.
        name: String,
    },
    /// Give an account another name, and end its sessions.
    Rename {
        /// Which one.
        name: String,
        /// The new name.
        to: String,
    },
    /// Write everything that is kept about a player into a new file, as JSON.
    Export {
        /// Whom.
        name: String,
        /// The file.
        file: PathBuf,
    },
    /// Erase a player and everything about them. A backup still has it.
    Erase {
        /// Whom.
        name: String,
        /// Yes, for ever.
        #[arg(long, required = true)]
        yes: bool,
    },
    /// Give an account a role.
    Role {
        /// The account.
        name: String,
        /// The role.
        role: String,
    },
    /// Print all roles, and what they allow.
    Roles,
}

/// What to do against players.
#[derive(Clone, Debug, Subcommand)]
pub enum BanCommand {
    /// Print bans and mutes that hold.
    List,
    /// Keep somebody out, or from speaking.
    Add {
        /// An account's name, an address, or a range such as 192.0.2.0/24.
        target: String,
        /// Why. They are told.
        reason: String,
        /// For so many minutes. Left out: until it is lifted.
        #[arg(long, value_name = "COUNT")]
        minutes: Option<u32>,
        /// From what.
        #[arg(long, value_enum, default_value_t = Kind::Ban)]
        kind: Kind,
    },
    /// End a ban or mute.
    Lift {
        /// Its number.
        number: u64,
    },
}

/// From what somebody is kept.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Kind {
    /// Coming in.
    Ban,
    /// Speaking.
    Mute,
}

/// What to do with sessions.
#[derive(Clone, Debug, Subcommand)]
pub enum SessionCommand {
    /// Print the sessions of an account.
    List {
        /// Whose.
        name: String,
    },
    /// End a session, or all of an account. Who is here with it has to go.
    Revoke {
        /// Whose.
        name: String,
        /// Which one. Left out: all.
        number: Option<u64>,
    },
}

/// What to do with reports.
#[derive(Clone, Debug, Subcommand)]
pub enum ReportCommand {
    /// Print reports that nobody has closed, the oldest first.
    List,
    /// Close one.
    Close {
        /// Its number.
        number: u64,
        /// What came of it.
        resolution: String,
    },
}

/// What to do with the keys that sign tickets.
#[derive(Clone, Debug, Subcommand)]
pub enum TicketKeyCommand {
    /// Print them, by the ids that stand in tickets.
    List,
    /// Sign with the next key from now on. Players who are joining do not notice.
    Rotate {
        /// Make two new keys, because somebody has the old ones. Who is joining has to do so again.
        #[arg(long)]
        stolen: bool,
    },
}

/// Does what an operator asks for about operators.
///
/// # Errors
///
/// When it was not done.
pub async fn operator(config: &Config, command: OperatorCommand) -> anyhow::Result<()> {
    let task = match command {
        OperatorCommand::Add { name, password_stdin } => {
            let password = password_stdin.then(read_password).transpose()?;
            Task::AddOperator { name: text(name)?, password }
        }
        OperatorCommand::Remove { name } => {
            Task::GiveRole { name: text(name)?, role: text("player".to_owned())? }
        }
    };
    perform(config, task).await
}

/// Does what an operator asks for about accounts.
///
/// # Errors
///
/// When it was not done.
pub async fn account(config: &Config, command: AccountCommand) -> anyhow::Result<()> {
    let task = match command {
        AccountCommand::List => Task::Accounts,
        AccountCommand::Show { name } => Task::ShowAccount { name: text(name)? },
        AccountCommand::SetPassword { name } => {
            Task::SetPassword { name: text(name)?, password: read_password()? }
        }
        AccountCommand::Rename { name, to } => {
            Task::RenameAccount { name: text(name)?, to: text(to)? }
        }
        AccountCommand::Export { name, file } => {
            Task::ExportAccount { name: text(name)?, file: absolute(&file)? }
        }
        AccountCommand::Erase { name, .. } => Task::EraseAccount { name: text(name)? },
        AccountCommand::Role { name, role } => {
            Task::GiveRole { name: text(name)?, role: text(role)? }
        }
        AccountCommand::Roles => Task::Roles,
    };
    perform(config, task).await
}

/// Does what an operator asks for against players.
///
/// # Errors
///
/// When it was not done.
pub async fn ban(config: &Config, command: BanCommand) -> anyhow::Result<()> {
    let task = match command {
        BanCommand::List => Task::Sanctions,
        BanCommand::Add { target, reason, minutes, kind } => {
            let penalty = match kind {
                Kind::Ban => Penalty::Ban,
                Kind::Mute => Penalty::Mute,
            };
            let reason = text(reason).context("the reason")?;
            Task::Sanction { penalty, target: text(target)?, minutes, reason }
        }
        BanCommand::Lift { number } => Task::Lift { number },
    };
    perform(config, task).await
}

/// Does what an operator asks for about sessions.
///
/// # Errors
///
/// When it was not done.
pub async fn session(config: &Config, command: SessionCommand) -> anyhow::Result<()> {
    let task = match command {
        SessionCommand::List { name } => Task::Sessions { name: text(name)? },
        SessionCommand::Revoke { name, number } => {
            Task::RevokeSessions { name: text(name)?, number }
        }
    };
    perform(config, task).await
}

/// Does what an operator asks for about the key.
///
/// # Errors
///
/// When it was not done.
pub async fn key(config: &Config, command: KeyCommand) -> anyhow::Result<()> {
    let task = match command {
        KeyCommand::Show => Task::Keys,
        KeyCommand::Rotate { days } => Task::RotateKey { after_s: days * 24 * 3600 },
    };
    perform(config, task).await
}

/// Does what an operator asks for about reports.
///
/// # Errors
///
/// When it was not done.
pub async fn report(config: &Config, command: ReportCommand) -> anyhow::Result<()> {
    let task = match command {
        ReportCommand::List => Task::Reports,
        ReportCommand::Close { number, resolution } => {
            Task::CloseReport { number, resolution: text(resolution)? }
        }
    };
    perform(config, task).await
}

/// Does what an operator asks for about the keys of tickets.
///
/// # Errors
///
/// When it was not done.
pub async fn ticket_key(config: &Config, command: TicketKeyCommand) -> anyhow::Result<()> {
    let task = match command {
        TicketKeyCommand::List => Task::TicketKeys,
        TicketKeyCommand::Rotate { stolen } => Task::RotateTicketKeys { stolen },
    };
    perform(config, task).await
}

/// Prints the audit log.
///
/// # Errors
///
/// When there is no answer.
pub async fn audit(config: &Config, count: u32) -> anyhow::Result<()> {
    perform(config, Task::Audit { count }).await
}

/// Makes a backup.
///
/// # Errors
///
/// When there is none.
pub async fn backup(config: &Config, file: &Path) -> anyhow::Result<()> {
    perform(config, Task::Backup { file: absolute(file)? }).await
}

/// Puts a backup in the place of everything.
///
/// # Errors
///
/// When nothing has changed.
pub async fn restore(config: &Config, file: &Path) -> anyhow::Result<()> {
    let rows = crate::operator::restore(config, file).await?;
    let value = serde_json::json!({"event": "restored", "rows": rows});
    super::print(config, &value, &format!("{rows} rows restored."));
    Ok(())
}

/// Has a task done, and prints what there is to show of it.
pub(super) async fn perform(config: &Config, task: Task) -> anyhow::Result<()> {
    let message = FromOperator::Perform { request: REQUEST, task };
    let mut shown = false;
    for answer in ask(config, message).await? {
        let ToOperator::Record { record, .. } = answer else { continue };
        shown = true;
        if config.json {
            let fields = record
                .iter()
                .map(|field| (field.name.to_string(), Value::String(field.value.to_string())));
            println!("{}", Value::Object(fields.collect::<Map<_, _>>()));
        } else {
            let fields: Vec<_> =
                record.iter().map(|field| format!("{}: {}", field.name, field.value)).collect();
            println!("{}", fields.join("\t"));
        }
    }
    if !shown && config.json {
        println!("{}", serde_json::json!({"event": "done"}));
    }
    Ok(())
}

pub(super) fn text<const N: usize>(text: String) -> anyhow::Result<Text<N>> {
    let shown = text.escape_debug().to_string();
    Text::parse(text).with_context(|| shown)
}

/// The server has its own working directory.
fn absolute(file: &Path) -> anyhow::Result<Text<255>> {
    let file = std::path::absolute(file)?;
    text(file.into_os_string().into_string().ok().context("a path that is no text")?)
}

fn read_password() -> anyhow::Result<Password> {
    if io::stdin().is_terminal() {
        eprintln!("Type the password, and press Enter. It is shown.");
    }
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let line = line.trim_end_matches(['\r', '\n']).to_owned();
    Ok(Password(Text::parse(line).context("the password")?))
}
