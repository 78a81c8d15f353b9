//! What is printed: lines for people, or JSON for scripts.

use std::{
    fmt,
    io::{self, IsTerminal, Write},
};

use game_client::Server;
use protocol::{Channel, JoinTicket, Said, ServerId, ServerState, Speaker};
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
    Registered { name: String },
    LoggedIn { name: String },
    LoggedOut,
    Server(ServerLine),
    ServerRemoved { server: ServerId },
    Joined { server: ServerId, address: String, port: u16, secret: String, ticket: String },
    Left,
    Chat { channel: &'static str, from: String, in_game: bool, text: String },
    Ping { rtt_ms: f64, over: &'static str },
    Refused { reason: String, message: String },
    Failed { reason: String, message: String },
    ConnectionLost { reason: String },
    Reconnected,
    CommandEnded { code: Option<i32>, signal: Option<i32> },
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
