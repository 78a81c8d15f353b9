//! What the lines of the console mean: who is in, what is said, whether a command worked.

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    time::{Duration, Instant},
};

use protocol::{GamePlayerId, JoinSecret, ServerChange, ServerProperty, Text};

use crate::{
    keeper::{
        game::GameEvent,
        handlers::teeworlds::{FromTeeworlds, ToTeeworlds},
        link::{GameWorld, Meaning},
    },
    rarely::Rarely,
};

/// One Teeworlds server, as seen through its console.
#[derive(Debug, Default)]
pub(crate) struct World {
    password: String,
    is_in: bool,
    was_ready: bool,
    /// Who is in the game.
    players: BTreeMap<u32, Player>,
    /// Questions whose answer is still to come, oldest first.
    questions: VecDeque<Question>,
    next_echo: u64,
    map: Text<64>,
    leader: Text<64>,
    /// Commands that were left out.
    left_out: Rarely,
}

#[derive(Debug)]
struct Player {
    name: Text<64>,
    score: i32,
}

#[derive(Debug)]
enum Question {
    /// Which map is played?
    Map,
    /// Which password do players need? It should be this one.
    Secret(JoinSecret),
    /// Who is there? Ends with the echo of this number. Those in the list so far.
    Status { echo: u64, seen: Vec<u32> },
}

impl GameWorld for World {
    type Heard = FromTeeworlds;
    type Said = ToTeeworlds;

    /// The game speaks first.
    fn connected(&mut self, password: &str) -> Vec<ToTeeworlds> {
        self.password = password.to_owned();
        self.is_in = false;
        self.questions.clear();
        Vec::new()
    }

    fn heard(&mut self, message: FromTeeworlds, _: Instant) -> Meaning<ToTeeworlds> {
        let mut meaning = Meaning::default();
        let Meaning { events, replies } = &mut meaning;
        match message {
            FromTeeworlds::PasswordWanted => replies.push(ToTeeworlds(self.password.clone())),
            FromTeeworlds::PasswordWrong => {
                tracing::error!("the game does not take the password of its console");
            }
            FromTeeworlds::Authenticated => {
                self.is_in = true;
                *replies = self.census();
            }
            FromTeeworlds::Value(value) => self.answered(&value, events),
            FromTeeworlds::Echo(text) => self.echoed(&text, events),
            FromTeeworlds::TeamJoin { client, name } => self.entered(client, &name, events),
            FromTeeworlds::Leave { client } | FromTeeworlds::Dropped { client } => {
                self.left(client, events);
            }
            FromTeeworlds::Status { client, name, score } => {
                self.counted(client, &name, score, events);
            }
            FromTeeworlds::Chat { client, line } => self.said(client, &line, events),
            FromTeeworlds::Rotating { map } => self.plays(&map, events),
            FromTeeworlds::Other(_) => {}
        }
        meaning
    }

    fn player_count(&self) -> usize {
        self.players.len()
    }

    fn set_secret(&mut self, secret: &JoinSecret) -> Vec<ToTeeworlds> {
        if !self.may_ask() {
            return Vec::new();
        }
        self.questions.push_back(Question::Secret(secret.clone()));
        let set = format!("password {}", secret.reveal());
        vec![ToTeeworlds(set), ToTeeworlds("password".to_owned())]
    }

    fn say(&mut self, speaker: &str, text: &str) -> Vec<ToTeeworlds> {
        self.command(format!("say {}", quoted(&format!("{speaker}: {text}"))))
    }

    fn kick(&mut self, player: GamePlayerId, reason: &str) -> Vec<ToTeeworlds> {
        self.command(format!("kick {} {}", player.0, quoted(reason)))
    }

    fn ping(&mut self) -> Vec<ToTeeworlds> {
        self.census()
    }

    /// There is no world to be saved.
    fn quit(&mut self, _keep_world: bool) -> Vec<ToTeeworlds> {
        vec![ToTeeworlds("shutdown".to_owned())]
    }

    fn left_out(&mut self, now: Instant) -> Option<u64> {
        self.left_out.due(now, Duration::from_secs(1))
    }
}

impl World {
    /// Asks for all there is to know. The last answer is also the sign of life.
    fn census(&mut self) -> Vec<ToTeeworlds> {
        if !self.may_ask() {
            return Vec::new();
        }
        self.next_echo += 1;
        let echo = self.next_echo;
        self.questions.push_back(Question::Map);
        self.questions.push_back(Question::Status { echo, seen: Vec::new() });
        ["sv_map".to_owned(), "status".to_owned(), format!("echo {ECHO}{echo}")]
            .map(ToTeeworlds)
            .into()
    }

    fn command(&mut self, line: String) -> Vec<ToTeeworlds> {
        if !self.may_ask() {
            return Vec::new();
        }
        vec![ToTeeworlds(line)]
    }

    fn may_ask(&mut self) -> bool {
        let may = self.is_in && self.questions.len() < MAX_QUESTIONS;
        if !may {
            self.left_out.count();
        }
        may
    }

    fn answered(&mut self, value: &str, events: &mut Vec<GameEvent>) {
        match self.questions.front() {
            Some(Question::Map) => {
                self.questions.pop_front();
                self.plays(value, events);
            }
            Some(Question::Secret(secret)) => {
                let secret = (secret.reveal() == value).then(|| secret.clone());
                events.extend(secret.map(GameEvent::SecretSet));
                self.questions.pop_front();
            }
            // Somebody else has asked for the value of something.
            Some(Question::Status { .. }) | None => {}
        }
    }

    fn echoed(&mut self, text: &str, events: &mut Vec<GameEvent>) {
        let Some(number) = text.strip_prefix(ECHO).and_then(|number| number.parse::<u64>().ok())
        else {
            return;
        };
        let is_it = |question: &Question| matches!(question, Question::Status { echo, .. } if *echo == number);
        let Some(at) = self.questions.iter().position(is_it) else { return };
        // What was asked before and is not answered by now will not be.
        let last = self.questions.drain(..=at).next_back();
        if let Some(Question::Status { seen, .. }) = last {
            let gone: Vec<_> =
                self.players.keys().copied().filter(|client| !seen.contains(client)).collect();
            gone.into_iter().for_each(|client| self.left(client, events));
        }
        self.leads(events);
        let first = !mem::replace(&mut self.was_ready, true);
        events.push(if first { GameEvent::Ready } else { GameEvent::Alive });
    }

    fn plays(&mut self, map: &str, events: &mut Vec<GameEvent>) {
        let map = Text::lossy(map);
        if self.map != map {
            self.map = map.clone();
            events.push(GameEvent::Change(ServerChange::Property(ServerProperty::Map(map))));
        }
    }

    fn counted(&mut self, client: u32, name: &str, score: i32, events: &mut Vec<GameEvent>) {
        let status = self.questions.iter_mut().find_map(|question| match question {
            Question::Status { seen, .. } => Some(seen),
            _ => None,
        });
        // Only who is in the game has a name in the list.
        if let Some(seen) = status.filter(|seen| seen.len() < MAX_CLIENTS) {
            seen.push(client);
            self.entered(client, name, events);
            if let Some(player) = self.players.get_mut(&client) {
                player.score = score;
            }
        }
    }

    fn entered(&mut self, client: u32, name: &str, events: &mut Vec<GameEvent>) {
        let name = Text::lossy(name);
        let known = self.players.get(&client).is_some_and(|player| player.name == name);
        if known || self.players.len() >= MAX_CLIENTS {
            return;
        }
        self.players.insert(client, Player { name: name.clone(), score: 0 });
        let player = GamePlayerId(client);
        events.push(GameEvent::Change(ServerChange::PlayerEntered { player, name }));
    }

    /// Told twice of most who leave, and once of those who never were in.
    fn left(&mut self, client: u32, events: &mut Vec<GameEvent>) {
        if self.players.remove(&client).is_some() {
            let player = GamePlayerId(client);
            events.push(GameEvent::Change(ServerChange::PlayerLeft { player }));
        }
    }

    fn said(&self, client: u32, line: &str, events: &mut Vec<GameEvent>) {
        let Some(Player { name, .. }) = self.players.get(&client) else { return };
        if let Some(text) =
            line.strip_prefix(name.as_str()).and_then(|rest| rest.strip_prefix(": "))
        {
            events.push(GameEvent::Said { name: name.clone(), text: Text::lossy(text) });
        }
    }

    /// Says who has the most points, if anybody has any.
    fn leads(&mut self, events: &mut Vec<GameEvent>) {
        let leader = self.players.values().filter(|player| player.score > 0);
        let leader = leader.max_by_key(|player| player.score);
        let leader = leader.map(|player| format!("{}: {}", player.name.as_str(), player.score));
        let leader = Text::lossy(&leader.unwrap_or_default());
        if self.leader != leader {
            self.leader = leader.clone();
            let (key, value) = (Text::lossy("leader"), leader);
            let detail = ServerProperty::Detail { key, value };
            events.push(GameEvent::Change(ServerChange::Property(detail)));
        }
    }
}

/// One argument of a command, whatever is in it: a semicolon outside of quotation marks would begin
/// the next command.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "'").replace('\\', "/"))
}

/// What our echoes begin with.
const ECHO: &str = "gatehouse-";

/// Teeworlds has at most 64 clients.
const MAX_CLIENTS: usize = 64;

/// Further ones are left out: a game that does not answer has other worries.
const MAX_QUESTIONS: usize = 64;

#[cfg(test)]
mod tests;
