//! What is printed: lines for people, or JSON for scripts.

use std::{
    fmt,
    io::{self, IsTerminal, Write},
    time::{Duration, SystemTime},
};

use game_client::Server;
use protocol::{
    Channel, JoinTicket, MAX_VALUE, Said, ServerId, ServerState, SessionInfo, Speaker, Text,
};
use serde::Serialize;

use crate::failure::{Failure, Kind};

/// Where everything is printed, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    pub(crate) json: bool,
    pub(crate) colour: bool,
    pub(crate) terminal: bool,
}

/// Something that has happened. As JSON it is what scripts rely on.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event {
    Registered {
        name: String,
    },
    LoggedIn {
        name: String,
    },
    LoggedOut,
    Server(ServerLine),
    ServerRemoved {
        server: ServerId,
    },
    Joined {
        server: ServerId,
        address: String,
        port: u16,
        secret: String,
        ticket: String,
    },
    Left,
    Chat {
        channel: &'static str,
        from: String,
        in_game: bool,
        text: String,
    },
    Ping {
        rtt_ms: f64,
        over: &'static str,
    },
    Refused {
        reason: String,
        message: String,
    },
    Failed {
        reason: String,
        message: String,
    },
    ConnectionLost {
        reason: String,
    },
    Reconnected,
    CommandEnded {
        code: Option<i32>,
        signal: Option<i32>,
    },
    /// Waits for a place; 1 is the next.
    Queued {
        position: u32,
    },
    Claimed {
        name: String,
    },
    Session(SessionLine),
    SessionsRevoked,
    PasswordChanged,
    Exported {
        file: Option<String>,
        data: Option<serde_json::Value>,
    },
    AccountDeleted {
        name: String,
    },
    DataKey {
        key: String,
        version: u64,
        bytes: u32,
        updated_ms: u64,
    },
    /// `text` where it is UTF-8.
    Data {
        key: String,
        version: Option<u64>,
        text: Option<String>,
        base64url: Option<String>,
    },
    DataWritten {
        key: String,
        version: Option<u64>,
    },
    Progress {
        game: String,
        played_ms: u64,
        matches: u64,
        wins: u64,
        xp: u64,
    },
    Reported {
        player: String,
    },
}

/// A session of the account as scripts see it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SessionLine {
    number: u64,
    this: bool,
    opened_ms: u64,
    seen_ms: u64,
    expires_ms: u64,
    network: String,
    program: String,
}

/// A game server as scripts see it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ServerLine {
    server: ServerId,
    name: String,
    game: String,
    state: &'static str,
    map: String,
    players: Vec<String>,
    max_players: u16,
    details: serde_json::Map<String, serde_json::Value>,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        let terminal = io::stdout().is_terminal() && !json;
        let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { json, colour, terminal }
    }

    /// Prints an event, at once.
    pub(crate) fn event(self, event: &Event) -> Result<(), Failure> {
        if self.json {
            let line =
                serde_json::to_string(event).map_err(|error| Failure::failed("output", error))?;
            return self.line(line);
        }
        self.line(event)
    }

    /// Says where a login stands that waits for a place: what was asked for is printed later.
    pub(crate) fn queued(self, position: u32) {
        let event = Event::Queued { position };
        // Who does not listen need not know.
        let _ = match self.json {
            true => self.event(&event).is_ok(),
            false => writeln!(io::stderr(), "{event}").is_ok(),
        };
    }

    /// Prints something only people want to know.
    pub(crate) fn hint(self, hint: impl fmt::Display) -> Result<(), Failure> {
        if self.json { Ok(()) } else { self.line(hint) }
    }

    /// Says what went wrong: as JSON with everything else, for people on standard error.
    pub(crate) fn failure(self, failure: &Failure) {
        let Failure { kind, reason, message } = failure.clone();
        let event = match kind {
            Kind::Quiet => return,
            Kind::Refused => Event::Refused { reason, message },
            Kind::Failed | Kind::Usage => Event::Failed { reason, message },
        };
        // Nobody can be told that nobody can be told.
        let _ = match self.json {
            true => self.event(&event).is_ok(),
            false => writeln!(io::stderr(), "gatehouse: {event}").is_ok(),
        };
    }

    /// Prints a line, at once.
    pub(crate) fn line(self, line: impl fmt::Display) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        let printed = writeln!(out, "{line}").and_then(|()| out.flush());
        printed.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::quiet(),
            _ => Failure::failed("output", format!("cannot print: {error}")),
        })
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registered { name } => write!(f, "Registered {name}, and logged in."),
            Self::LoggedIn { name } => write!(f, "Logged in as {name}."),
            Self::LoggedOut => f.write_str("Logged out."),
            Self::Server(line) => write!(f, "{line}"),
            Self::ServerRemoved { server } => write!(f, "{server} is gone"),
            Self::Joined { address, port, secret, .. } => {
                write!(f, "Joined.\n  address  {address}\n  port     {port}\n  secret   {secret}")
            }
            Self::Left => f.write_str("Left."),
            Self::Chat { channel, from, in_game: false, text } => {
                write!(f, "[{channel}] {from}: {text}")
            }
            Self::Chat { channel, from, in_game: true, text } => {
                write!(f, "[{channel}] {from} (in the game): {text}")
            }
            Self::Ping { rtt_ms, .. } => write!(f, "{rtt_ms:.1} ms"),
            Self::Refused { message, .. } | Self::Failed { message, .. } => f.write_str(message),
            Self::ConnectionLost { reason } => {
                write!(f, "-- connection to the login server lost ({reason}); connecting again")
            }
            Self::Reconnected => f.write_str("-- connected again"),
            Self::CommandEnded { code: Some(code), .. } => {
                write!(f, "the command ended with code {code}")
            }
            Self::CommandEnded { signal: Some(signal), .. } => {
                write!(f, "the command was ended by signal {signal}")
            }
            Self::CommandEnded { .. } => f.write_str("the command ended"),
            Self::Queued { position: 1 } => {
                f.write_str("-- every place is taken; the next one is yours")
            }
            Self::Queued { position } => {
                write!(f, "-- every place is taken; {} wait before you", position - 1)
            }
            Self::Claimed { name } => write!(f, "You are {name} now."),
            Self::Session(line) => write!(f, "{line}"),
            Self::SessionsRevoked => f.write_str("Ended."),
            Self::PasswordChanged => {
                f.write_str("Changed. Whoever else was logged in to the account is out.")
            }
            Self::Exported { file: Some(file), .. } => write!(f, "Written to {file}."),
            Self::Exported { data, .. } => match data {
                Some(data) => write!(f, "{data:#}"),
                None => Ok(()),
            },
            Self::AccountDeleted { name } => write!(f, "{name} is forgotten."),
            Self::DataKey { key, version, bytes, .. } => {
                write!(f, "{key}: version {version}, {bytes} bytes")
            }
            Self::Data { version: None, .. } => f.write_str("There is no such value."),
            Self::Data { text, base64url, .. } => {
                // Who has written it may want to write on this terminal, too.
                let shown = text.as_ref().filter(|text| Text::<MAX_VALUE>::parse(*text).is_ok());
                f.write_str(shown.or(base64url.as_ref()).map_or("", String::as_str))
            }
            Self::DataWritten { version: Some(version), .. } => {
                write!(f, "Written: version {version}.")
            }
            Self::DataWritten { version: None, .. } => f.write_str("Removed."),
            Self::Progress { game, played_ms, matches, wins, xp } => {
                let (hours, minutes) = (played_ms / 3_600_000, played_ms / 60_000 % 60);
                write!(f, "{game}: {hours} h {minutes} min, {matches} matches, {wins} won, {xp} XP")
            }
            Self::Reported { player } => write!(f, "Reported {player}."),
        }
    }
}

impl fmt::Display for ServerLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, state, players, max_players, .. } = self;
        write!(f, "{name}: {state}, {}/{max_players} players", players.len())
    }
}

impl ServerLine {
    pub(crate) fn new(id: ServerId, server: &Server) -> Self {
        let details = server.details.iter();
        Self {
            server: id,
            name: server.title.to_string(),
            game: server.game.to_string(),
            state: state_name(server.state),
            map: server.map.to_string(),
            players: server.players.values().map(ToString::to_string).collect(),
            max_players: server.max_players,
            details: details.map(|(key, value)| (key.to_string(), value.as_str().into())).collect(),
        }
    }
}

impl fmt::Display for SessionLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, this, seen_ms, network, program, .. } = self;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let seen = Duration::from_millis(*seen_ms);
        let ago = now.saturating_sub(seen).as_secs();
        write!(f, "{number}: ")?;
        match ago {
            0..120 => f.write_str("seen just now")?,
            120..7200 => write!(f, "seen {} minutes ago", ago / 60)?,
            7200..172_800 => write!(f, "seen {} hours ago", ago / 3600)?,
            _ => write!(f, "seen {} days ago", ago / 86_400)?,
        }
        if !network.is_empty() {
            write!(f, " from {network}")?;
        }
        if !program.is_empty() {
            write!(f, " with {program}")?;
        }
        f.write_str(if *this { " (this one)" } else { "" })
    }
}

impl From<SessionInfo> for SessionLine {
    fn from(session: SessionInfo) -> Self {
        Self {
            number: session.number.0,
            this: session.this,
            opened_ms: session.opened.0,
            seen_ms: session.seen.0,
            expires_ms: session.expires.0,
            network: session.network.to_string(),
            program: session.program.to_string(),
        }
    }
}

impl From<&JoinTicket> for Event {
    fn from(ticket: &JoinTicket) -> Self {
        Self::Joined {
            server: ticket.server,
            address: ticket.address.to_string(),
            port: ticket.port,
            secret: ticket.secret.reveal().to_owned(),
            ticket: ticket.ticket.reveal().to_owned(),
        }
    }
}

impl From<&Said> for Event {
    fn from(said: &Said) -> Self {
        let (from, in_game) = match &said.speaker {
            Speaker::Account(name) => (name, false),
            Speaker::InGame(name) => (name, true),
        };
        let channel = match said.channel {
            Channel::Lobby => "lobby",
            Channel::Server => "server",
        };
        Self::Chat { channel, from: from.to_string(), in_game, text: said.text.to_string() }
    }
}

/// A state in one word.
pub(crate) fn state_name(state: Option<ServerState>) -> &'static str {
    match state {
        None => "unknown",
        Some(ServerState::Starting) => "starting",
        Some(ServerState::Ready) => "ready",
        Some(ServerState::Restarting) => "restarting",
        Some(ServerState::Stopping) => "stopping",
        Some(ServerState::Stopped) => "stopped",
        Some(ServerState::Failed) => "failed",
        Some(ServerState::Unreachable) => "unreachable",
    }
}
