//! What can be said on the command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// Log in to a login server, see its game servers, join one and chat
///
/// Register or log in once: the server, whom to trust and the session are remembered, for you only.
#[derive(Debug, Parser)]
#[command(name = "gatehouse", version, after_help = HELP_HINT, after_long_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The login server; the port may be left out when it is 9000 [default: the last one used]
    #[arg(long, global = true, env = "GATEHOUSE_SERVER", value_name = "HOST:PORT")]
    pub(crate) server: Option<String>,
    /// Whom to believe to be the login server
    ///
    /// Its pin, as the login server prints it when it starts (sha256:…, several with commas), or a
    /// PEM file with the authorities that vouch for it. Remembered after the first login.
    #[arg(long, global = true, env = "GATEHOUSE_TRUST", value_name = "PIN|CA.PEM")]
    pub(crate) trust: Option<String>,
    /// Say everything as JSON, one object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Where sessions are stored [default: gatehouse in the XDG state directory]
    #[arg(long, global = true, env = "GATEHOUSE_PROFILE", value_name = "DIR")]
    pub(crate) profile: Option<PathBuf>,
    /// Say on standard error what happens on the network; twice: more of it
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make an account, and log in to it
    Register(Credentials),
    /// Log in to an account
    Login(Credentials),
    /// Play without an account
    ///
    /// The session is gone a minute after the last connection, unless something was earned in it.
    Guest,
    /// Take a name and a password, as a guest, and keep everything earned
    Claim(Credentials),
    /// End the session
    Logout,
    /// Show where you are logged in, or end that elsewhere
    Sessions {
        #[command(subcommand)]
        action: Option<Sessions>,
    },
    /// Change the password; everybody else who is logged in to the account is out
    Password {
        /// Read the old password from the first line of standard input, the new from the second
        #[arg(long)]
        password_stdin: bool,
    },
    /// Take a copy of everything that is kept about you, as JSON
    Export {
        /// Where to; it must not exist yet [default: standard output]
        file: Option<PathBuf>,
    },
    /// Have the account forgotten, with everything in it, for good
    ///
    /// Take a copy before, with `gatehouse export`.
    DeleteAccount {
        /// Read the password from the first line of standard input, instead of asking for it
        #[arg(long)]
        password_stdin: bool,
    },
    /// See and change what games keep for you
    Data {
        #[command(subcommand)]
        action: Data,
    },
    /// Show what you have achieved in a game
    Progress {
        /// The game: openttd, teeworlds
        game: String,
    },
    /// Ask moderators to look at what a player does
    Report {
        /// The player's account
        player: String,
        /// What happened
        text: String,
    },
    /// Show the game servers
    Servers {
        /// Go on, and show every change
        #[arg(long, short)]
        watch: bool,
    },
    /// Join a game server, and stay until the game ends
    ///
    /// With a command, starts it and leaves when it ends; without one, says how to get into the
    /// game and leaves at Ctrl-C. It goes on when the login server is started again. Meanwhile
    /// prints what is said; lines typed are said to the players of the server.
    ///
    /// Ctrl-C and SIGTERM are passed on to the command. After Ctrl-C it may ask whether to quit;
    /// after SIGTERM it is killed when it does not end within --stop-timeout. The third signal
    /// kills it at once.
    #[command(after_long_help = JOIN_EXAMPLES)]
    Join {
        /// Its name in the list, or its id
        // `--server` is something else, and ids are shared with global options.
        #[arg(id = "game_server", value_name = "SERVER")]
        server: String,
        /// Say lines from standard input even though it is no terminal
        #[arg(long)]
        chat_stdin: bool,
        /// How long the command may take to end after SIGTERM or `gatehouse leave`; then it is
        /// killed, with all it has started; at most 20
        // Shorter than `leave` waits for its answer.
        #[arg(long, value_name = "SECONDS", default_value_t = 10,
              value_parser = clap::value_parser!(u64).range(..=20))]
        stop_timeout: u64,
        /// The game and its arguments; {address}, {port}, {secret}, {ticket} and {name} are replaced
        ///
        /// No shell looks at it. {name} is the name of the account. Write {{ for a brace.
        #[arg(last = true, value_name = "COMMAND")]
        command: Vec<String>,
    },
    /// Leave the game server joined; a running `join` ends, and its game too
    Leave,
    /// Say something, or read and talk until the end of the input
    Chat {
        /// To whom
        #[arg(long, short, value_enum, default_value = "lobby")]
        channel: ChannelName,
        /// What; without it, every line of the input, and everything said is shown
        text: Option<String>,
    },
    /// Measure the time to the login server and back
    ///
    /// Over UDP, logged in or not. Where that does not get through, over the connection of the
    /// session.
    Ping,
    /// Print the completions for a shell
    Completion {
        /// Which
        shell: Shell,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Sessions {
    /// End sessions
    Revoke {
        /// Which one, by its number
        #[arg(required_unless_present = "others", conflicts_with = "others")]
        number: Option<u64>,
        /// All but this one
        #[arg(long)]
        others: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Data {
    /// Show which values a game keeps
    List {
        /// Which game
        game: String,
    },
    /// Show a value
    Get {
        /// Which game
        game: String,
        /// Which value
        key: String,
    },
    /// Write a value
    Set {
        /// Which game
        game: String,
        /// Which value
        key: String,
        /// What
        value: String,
        /// Only if the value of this version is there
        #[arg(long, value_name = "VERSION", conflicts_with = "if_new")]
        if_version: Option<u64>,
        /// Only if there is none
        #[arg(long)]
        if_new: bool,
    },
    /// Remove a value
    Remove {
        /// Which game
        game: String,
        /// Which value
        key: String,
        /// Only if the value of this version is there
        #[arg(long, value_name = "VERSION")]
        if_version: Option<u64>,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct Credentials {
    /// The account's name
    pub(crate) name: String,
    /// Read the password from the first line of standard input, instead of asking for it
    #[arg(long)]
    pub(crate) password_stdin: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ChannelName {
    /// Everybody who is logged in
    Lobby,
    /// Who is on the game server you have joined
    Server,
}

impl From<ChannelName> for protocol::Channel {
    fn from(name: ChannelName) -> Self {
        match name {
            ChannelName::Lobby => Self::Lobby,
            ChannelName::Server => Self::Server,
        }
    }
}

const HELP_HINT: &str = "See --help for examples.";

const EXAMPLES: &str = "\
Examples:
  The first time, with the pin that the login server printed:
      gatehouse --server play.example --trust sha256:2c26b4… register Ada

  From then on:
      gatehouse servers --watch
      gatehouse chat 'who is for a game?'
      gatehouse join 'A friendly OpenTTD server' -- openttd -n {address}:{port} -p {secret}

  In a script:
      printf '%s\\n' \"$PASSWORD\" | gatehouse --json login Ada --password-stdin

Exit codes: 0 done, 1 failed, 2 wrong usage.";

const JOIN_EXAMPLES: &str = "\
Examples:
  gatehouse join openttd -- openttd -n {address}:{port} -p {secret}
  gatehouse --json join openttd | jq -r 'select(.event == \"joined\") | .secret'

Exit codes: 0 when the command ended with 0, or there was none; 1 otherwise.";
