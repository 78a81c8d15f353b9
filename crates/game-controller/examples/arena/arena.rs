//! The game: two teams, points by chance, one map after the other.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use game_controller::{
    Account, Event, GameController, match_end,
    protocol::{List, PlayerResult, Start},
};

use crate::{
    Options,
    guests::{Deed, FIRST, Guests},
};

/// The game, and all who are in it.
pub(crate) struct Arena {
    controller: GameController,
    guests: Guests,
    options: Options,
    max_players: usize,
    players: BTreeMap<u32, Player>,
    scores: [i32; 2],
    /// Matches that were played, by this process and those before it.
    rounds: u32,
    map: String,
    phase: Phase,
}

struct Player {
    name: String,
    account: Option<Account>,
    team: u8,
    score: i32,
    since: Instant,
}

enum Phase {
    Playing {
        until: Instant,
        next_point: Instant,
    },
    /// Until somebody says which map is next.
    Voting,
}

impl Arena {
    /// Opens, and begins the first match: where the process before this one has left off.
    pub(crate) fn begin(
        controller: GameController,
        guests: Guests,
        start: Start,
        options: Options,
    ) -> Self {
        let rounds = std::str::from_utf8(&start.context).ok().and_then(|text| text.parse().ok());
        let mut arena = Self {
            controller,
            guests,
            options,
            max_players: start.max_players.into(),
            players: BTreeMap::new(),
            scores: [0; 2],
            rounds: rounds.unwrap_or(0),
            map: String::new(),
            phase: Phase::Voting,
        };
        arena.controller.mode("team points");
        for (team, name) in (0..).zip(TEAMS) {
            arena.controller.team(team, name);
        }
        for bot in 1..=arena.options.bots.min(FIRST - 1) {
            arena.enters(bot, format!("Bot {bot}"), None);
        }
        arena.play(start.map.map(String::from));
        arena.controller.ready();
        arena
    }

    /// A twentieth of a second. Whether there is another.
    pub(crate) fn turn(&mut self) -> bool {
        let now = Instant::now();
        while let Some(event) = self.controller.poll() {
            match event {
                Event::Remove { player, reason } => {
                    self.guests.tell(player, &format!("removed {reason}"));
                    self.guests.send_away(player);
                    self.leaves(player);
                }
                Event::Say { speaker, text } => {
                    println!("arena: {speaker} says {text}");
                    self.guests.tell_all(&format!("said {speaker} {text}"));
                }
                Event::NextMap { map } => self.play(map),
                Event::GoOn { account, port, secret } => {
                    let is_it = |player: &Player| player.account.as_ref() == Some(&account);
                    let player = self.players.iter().find(|(_, player)| is_it(player));
                    if let Some((number, _)) = player {
                        self.guests.tell(*number, &format!("go {port} {secret}"));
                    }
                }
                Event::PlayerData { answer, .. } => println!("arena: loadout: {answer:?}"),
                Event::Stop { .. } => {
                    self.guests.tell_all("closing");
                    return false;
                }
                _ => {}
            }
        }
        for (guest, deed) in self.guests.deeds() {
            match deed {
                Deed::Said(line) => self.hears(guest, &line),
                Deed::Left => self.leaves(guest),
            }
        }
        self.simulate(now);
        true
    }

    fn hears(&mut self, guest: u32, line: &str) {
        let mut words = line.splitn(3, ' ');
        let is_in = self.players.contains_key(&guest);
        match (words.next(), words.next(), words.next()) {
            (Some("join"), Some(name), Some(secret)) if !is_in => self.joins(guest, name, secret),
            (Some("leave"), ..) => {
                self.guests.send_away(guest);
                self.leaves(guest);
            }
            (Some("say"), Some(_), _) if is_in => {
                let text = line.trim_start_matches("say ");
                let name = &self.players[&guest].name;
                self.controller.said(name, text);
                self.guests.tell_all(&format!("said {name} {text}"));
            }
            _ => self.guests.tell(guest, "what?"),
        }
    }

    fn joins(&mut self, guest: u32, name: &str, secret: &str) {
        let full = self.players.len() >= self.max_players;
        // A secret is good once: it is not asked for where there is no room.
        let account = if full { None } else { self.controller.admit(secret) };
        let Some(account) = account else {
            self.guests.tell(guest, "refused");
            return self.guests.send_away(guest);
        };
        println!("arena: {account} plays as {name}");
        self.enters(guest, name.to_owned(), Some(account.clone()));
        self.controller.ask_player_data(&account, "loadout");
        let team = self.players[&guest].team;
        self.guests.tell(guest, &format!("welcome {guest} {}", TEAMS[usize::from(team)]));
        self.guests.tell(guest, &format!("map {}", self.map));
    }

    fn enters(&mut self, number: u32, name: String, account: Option<Account>) {
        let in_first = self.players.values().filter(|player| player.team == 0).count();
        let team = u8::from(in_first * 2 > self.players.len());
        self.controller.player_entered(number, &name, account.as_ref());
        self.controller.player_team(number, Some(team));
        let player = Player { name, account, team, score: 0, since: Instant::now() };
        self.players.insert(number, player);
    }

    fn leaves(&mut self, number: u32) {
        if self.players.remove(&number).is_some() {
            self.controller.player_left(number);
        }
    }

    /// Begins a match.
    fn play(&mut self, map: Option<String>) {
        self.map = map.unwrap_or_else(|| self.next_map());
        self.scores = [0; 2];
        let now = Instant::now();
        for (number, player) in &mut self.players {
            (player.score, player.since) = (0, now);
            self.controller.player_score(*number, 0);
        }
        for team in 0..2 {
            self.controller.score(team, 0);
        }
        self.controller.map(&self.map);
        self.controller.clock(Some(self.options.match_lasts), true);
        self.guests.tell_all(&format!("map {}", self.map));
        let until = now + self.options.match_lasts;
        self.phase = Phase::Playing { until, next_point: now };
        println!("arena: round {} on {}", self.rounds + 1, self.map);
    }

    fn simulate(&mut self, now: Instant) {
        let Phase::Playing { until, next_point } = self.phase else { return };
        if now >= until {
            return self.ends(now);
        }
        if now >= next_point {
            self.phase = Phase::Playing { until, next_point: now + A_POINT_EVERY };
            let lucky = fastrand::usize(..self.players.len().max(1));
            let lucky = self.players.iter_mut().nth(lucky);
            if let Some((number, player)) = lucky {
                player.score += 1;
                self.controller.player_score(*number, player.score);
                let team = player.team;
                self.scores[usize::from(team)] += 1;
                self.controller.score(team, self.scores[usize::from(team)]);
            }
            let [red, blue] = self.scores;
            self.guests.tell_all(&format!("score {red} {blue}"));
        }
    }

    fn ends(&mut self, now: Instant) {
        self.phase = Phase::Voting;
        self.rounds += 1;
        let [red, blue] = self.scores;
        let winner = u8::from(blue > red);
        self.controller.clock(Some(Duration::ZERO), false);
        self.guests.tell_all(&format!("over {}", TEAMS[usize::from(winner)]));
        let results = self.players.values().filter_map(|player| {
            let account = player.account.as_ref()?;
            Some(PlayerResult {
                account: account.to_text(),
                played_ms: u32::try_from((now - player.since).as_millis()).unwrap_or(u32::MAX),
                won: player.team == winner,
            })
        });
        let results = List::first_of(results);
        let maps: Vec<_> = self.options.maps.iter().map(String::as_str).collect();
        let (context, next) = (self.rounds.to_string().into_bytes(), self.next_map());
        let end = match_end(context, Some(&next), &maps, self.options.vote_lasts);
        self.controller.match_ended(game_controller::protocol::MatchEnd { results, ..end });
    }

    fn next_map(&self) -> String {
        let maps = &self.options.maps;
        let at = usize::try_from(self.rounds).unwrap_or_default() % maps.len().max(1);
        maps.get(at).cloned().unwrap_or_default()
    }
}

const TEAMS: [&str; 2] = ["Red", "Blue"];

const A_POINT_EVERY: Duration = Duration::from_millis(500);
