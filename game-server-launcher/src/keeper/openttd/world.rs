//! What the packets of the admin port mean: who is in, what is said, whether a command worked.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    mem,
    time::{Duration, Instant},
};

use protocol::{GamePlayerId, JoinSecret, ServerChange, ServerProperty, Text};

use super::{date::Date, saves::STOP_SAVE};
use crate::{
    keeper::{
        game::GameEvent,
        handlers::openttd::{Frequency, FromOpenttd, ToOpenttd, UpdateKind, Welcome},
        link::{GameWorld, Meaning},
    },
    rarely::Rarely,
};

/// One OpenTTD server, as seen through its admin port.
#[derive(Debug, Default)]
pub(crate) struct World {
    /// Who is in the game.
    players: BTreeMap<u32, Text<64>>,
    /// Names of clients, also of those that are still at the password prompt.
    names: HashMap<u32, Text<64>>,
    /// Commands whose answer is not complete, oldest first.
    commands: VecDeque<Command>,
    /// The answer to this ping ends the list of all clients.
    census: Option<Census>,
    next_nonce: u32,
    /// When the date was last passed on.
    date_told: Option<Instant>,
    welcomed: bool,
    /// Commands that were left out.
    left_out: Rarely,
}

#[derive(Debug)]
enum Command {
    /// Shows the password, so that we know which one there is.
    ShowSecret {
        secret: JoinSecret,
        seen: bool,
    },
    Other,
}

#[derive(Debug)]
struct Census {
    nonce: u32,
    seen: Vec<u32>,
}

impl GameWorld for World {
    type Heard = FromOpenttd;
    type Said = ToOpenttd;

    fn connected(&mut self, password: &str) -> Vec<ToOpenttd> {
        self.commands.clear();
        self.welcomed = false;
        vec![ToOpenttd::Join {
            password: password.to_owned(),
            name: SOURCE.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }]
    }

    fn player_count(&self) -> usize {
        self.players.len()
    }

    fn heard(&mut self, message: FromOpenttd, now: Instant) -> Meaning<ToOpenttd> {
        let mut heard = Meaning::default();
        match message {
            FromOpenttd::Welcome(welcome) => self.welcome(&welcome, &mut heard),
            FromOpenttd::NewGame => self.everybody_left(&mut heard),
            FromOpenttd::Date(day) => self.date(day, now, &mut heard),
            FromOpenttd::ClientInfo { client, name, company } => {
                self.counted(client, company, &name, &mut heard);
                self.named(client, &name, &mut heard);
            }
            FromOpenttd::ClientUpdate { client, name } => self.named(client, &name, &mut heard),
            FromOpenttd::ClientJoin(client) => self.entered(client, &mut heard),
            FromOpenttd::ClientQuit(client) | FromOpenttd::ClientError(client) => {
                self.left(client, &mut heard);
            }
            FromOpenttd::Chat { action, destination, client, text } => {
                if (action, destination) == (CHAT, TO_ALL) {
                    self.said(client, &text, &mut heard);
                }
            }
            FromOpenttd::Rcon(line) => self.answered(&line),
            FromOpenttd::RconEnd(_) => self.answer_ended(&mut heard),
            FromOpenttd::Pong(nonce) => self.pong(nonce, &mut heard),
            FromOpenttd::Protocol { version } => {
                tracing::debug!(version, "admin protocol");
            }
            FromOpenttd::Full => tracing::warn!("the game takes no further admin connections"),
            FromOpenttd::Banned => tracing::error!("the game refuses its keeper's address"),
            FromOpenttd::Error(code) => tracing::warn!(code, "the game says we made an error"),
            FromOpenttd::Shutdown => tracing::info!("the game stops"),
            FromOpenttd::Other(_) => {}
        }
        heard
    }

    fn ping(&mut self) -> Vec<ToOpenttd> {
        if !self.welcomed {
            return Vec::new();
        }
        vec![ToOpenttd::Ping(self.nonce())]
    }

    fn left_out(&mut self, now: Instant) -> Option<u64> {
        self.left_out.due(now, Duration::from_secs(1))
    }

    fn set_secret(&mut self, secret: &JoinSecret) -> Vec<ToOpenttd> {
        let mut commands = self.command(format!("server_pw {}", secret.reveal()), Command::Other);
        let show = Command::ShowSecret { secret: secret.clone(), seen: false };
        commands.extend(self.command("setting server_password".to_owned(), show));
        commands
    }

    fn kick(&mut self, player: GamePlayerId, reason: &str) -> Vec<ToOpenttd> {
        let reason = reason.replace('"', "'").replace('\\', "/");
        self.command(format!("kick {} \"{reason}\"", player.0), Command::Other)
    }

    fn say(&mut self, speaker: &str, text: &str) -> Vec<ToOpenttd> {
        vec![ToOpenttd::ExternalChat {
            source: SOURCE.to_owned(),
            speaker: speaker.to_owned(),
            text: text.to_owned(),
        }]
    }

    /// Makes it end, after it has saved its world if that is kept. It writes while it goes on, and
    /// does not end before that is done.
    fn quit(&mut self, keep_world: bool) -> Vec<ToOpenttd> {
        let mut commands = Vec::new();
        if keep_world {
            commands.extend(self.command(format!("save {STOP_SAVE}"), Command::Other));
        }
        commands.extend(self.command("quit".to_owned(), Command::Other));
        commands
    }
}

impl World {
    fn command(&mut self, line: String, command: Command) -> Vec<ToOpenttd> {
        if !self.welcomed || self.commands.len() >= MAX_COMMANDS {
            self.left_out.count();
            return Vec::new();
        }
        self.commands.push_back(command);
        vec![ToOpenttd::Rcon(line)]
    }

    fn nonce(&mut self) -> u32 {
        self.next_nonce = self.next_nonce.wrapping_add(1);
        self.next_nonce
    }

    fn welcome(&mut self, welcome: &Welcome, heard: &mut Meaning<ToOpenttd>) {
        let Welcome { seed, landscape, width, height, .. } = welcome;
        tracing::info!(revision = ?welcome.revision, "the game is ready");
        let landscape = match landscape {
            0 => "temperate",
            1 => "arctic",
            2 => "tropic",
            3 => "toyland",
            _ => "unknown",
        };
        let map = format!("{width}x{height} {landscape}, seed {seed}");
        let map = ServerProperty::Map(Text::lossy(&map));
        heard.events.push(GameEvent::Change(ServerChange::Property(map)));
        if !mem::replace(&mut self.welcomed, true) {
            heard.events.push(GameEvent::Ready);
            heard.replies.extend(self.subscribe());
        }
    }

    fn subscribe(&mut self) -> [ToOpenttd; 5] {
        let nonce = self.nonce();
        self.census = Some(Census { nonce, seen: Vec::new() });
        let update = |kind, frequency| ToOpenttd::UpdateFrequency { kind, frequency };
        [
            update(UpdateKind::Date, Frequency::Daily),
            update(UpdateKind::ClientInfo, Frequency::Automatic),
            update(UpdateKind::Chat, Frequency::Automatic),
            ToOpenttd::PollClients,
            ToOpenttd::Ping(nonce),
        ]
    }

    fn date(&mut self, day: u32, now: Instant, heard: &mut Meaning<ToOpenttd>) {
        heard.events.push(GameEvent::Alive);
        if self.date_told.is_some_and(|told| now - told < DATE_EVERY) {
            return;
        }
        self.date_told = Some(now);
        let value = Text::lossy(&Date(day).to_string());
        let date = ServerProperty::Detail { key: Text::lossy("date"), value };
        heard.events.push(GameEvent::Change(ServerChange::Property(date)));
    }

    /// A client in the list of all. After a lost connection this is how those are found who came
    /// in meanwhile: only who has joined plays for a company.
    fn counted(&mut self, client: u32, company: u8, name: &str, heard: &mut Meaning<ToOpenttd>) {
        let Some(census) = &mut self.census else { return };
        if census.seen.len() < MAX_CLIENTS {
            census.seen.push(client);
        }
        if client != SERVER && company < FIRST_NO_COMPANY && !self.players.contains_key(&client) {
            self.names.insert(client, Text::lossy(name));
            self.entered(client, heard);
        }
    }

    fn named(&mut self, client: u32, name: &str, heard: &mut Meaning<ToOpenttd>) {
        if client == SERVER {
            return;
        }
        let name = Text::lossy(name);
        if let Some(known) = self.players.get_mut(&client)
            && *known != name
        {
            *known = name.clone();
            heard.events.push(entered(client, name.clone()));
        }
        if self.names.len() < MAX_CLIENTS || self.names.contains_key(&client) {
            self.names.insert(client, name);
        }
    }

    fn entered(&mut self, client: u32, heard: &mut Meaning<ToOpenttd>) {
        if client == SERVER || self.players.len() >= MAX_CLIENTS {
            return;
        }
        let name = self.names.get(&client).cloned();
        let name = name.unwrap_or_else(|| Text::lossy(&format!("Client #{client}")));
        if self.players.insert(client, name.clone()).as_ref() != Some(&name) {
            heard.events.push(entered(client, name));
        }
    }

    /// Told twice of most who leave, and once of those who never were in.
    fn left(&mut self, client: u32, heard: &mut Meaning<ToOpenttd>) {
        self.names.remove(&client);
        if self.players.remove(&client).is_some() {
            let player = GamePlayerId(client);
            heard.events.push(GameEvent::Change(ServerChange::PlayerLeft { player }));
        }
    }

    fn everybody_left(&mut self, heard: &mut Meaning<ToOpenttd>) {
        self.names.clear();
        if !mem::take(&mut self.players).is_empty() {
            heard.events.push(GameEvent::Change(ServerChange::AllPlayersLeft));
        }
    }

    fn said(&self, client: u32, text: &str, heard: &mut Meaning<ToOpenttd>) {
        if let Some(name) = self.players.get(&client) {
            let (name, text) = (name.clone(), Text::lossy(text));
            heard.events.push(GameEvent::Said { name, text });
        }
    }

    fn answered(&mut self, line: &str) {
        match self.commands.front_mut() {
            Some(Command::ShowSecret { secret, seen }) => {
                *seen |= line.contains(&format!("'{}'", secret.reveal()));
            }
            Some(Command::Other) => tracing::debug!(?line, "answer of the game"),
            None => {}
        }
    }

    fn answer_ended(&mut self, heard: &mut Meaning<ToOpenttd>) {
        if let Some(Command::ShowSecret { secret, seen: true }) = self.commands.pop_front() {
            heard.events.push(GameEvent::SecretSet(secret));
        }
    }

    fn pong(&mut self, nonce: u32, heard: &mut Meaning<ToOpenttd>) {
        heard.events.push(GameEvent::Alive);
        if let Some(census) = self.census.take_if(|census| census.nonce == nonce) {
            let gone = self.players.keys().filter(|client| !census.seen.contains(client));
            for client in gone.copied().collect::<Vec<_>>() {
                self.left(client, heard);
            }
        }
    }
}

fn entered(client: u32, name: Text<64>) -> GameEvent {
    let player = GamePlayerId(client);
    GameEvent::Change(ServerChange::PlayerEntered { player, name })
}

/// Where our chat comes from, as the game shows it.
const SOURCE: &str = "Gatehouse";

/// The server itself is a client too.
const SERVER: u32 = 1;

/// 254 is a company to be founded, 255 none.
const FIRST_NO_COMPANY: u8 = 15;

const CHAT: u8 = 3;
const TO_ALL: u8 = 0;

/// OpenTTD has at most 255 clients, and as many at the password prompt.
const MAX_CLIENTS: usize = 512;

/// Further ones are left out: a game that does not answer has other worries.
const MAX_COMMANDS: usize = 64;

/// A day passes in about two seconds.
const DATE_EVERY: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
