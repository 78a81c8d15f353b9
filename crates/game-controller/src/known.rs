//! What is known of a game: made of its changes, and told as changes.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use protocol::{Clock, GameChange, GamePlayerId, TeamId, Text};

/// What is known of a game.
#[derive(Debug, Default)]
pub(crate) struct Known {
    mode: Option<Text<32>>,
    map: Option<Text<64>>,
    max_players: Option<u16>,
    teams: BTreeMap<TeamId, Text<32>>,
    scores: BTreeMap<TeamId, i32>,
    clock: Option<(Clock, Instant)>,
    details: BTreeMap<Text<32>, Text<64>>,
    players: BTreeMap<GamePlayerId, Player>,
}

#[derive(Debug)]
struct Player {
    name: Text<64>,
    account: Option<Text<64>>,
    team: Option<TeamId>,
    score: Option<i32>,
}

impl Known {
    /// Takes note of `change`. Whether that is news.
    ///
    /// What there may only be so many of is left out beyond that.
    pub(crate) fn apply(&mut self, change: &GameChange, now: Instant) -> bool {
        match change {
            GameChange::Mode(mode) => replace(&mut self.mode, mode),
            GameChange::Map(map) => replace(&mut self.map, map),
            GameChange::MaxPlayers(max) => replace(&mut self.max_players, max),
            GameChange::Team { team, name } => insert(&mut self.teams, MAX_TEAMS, team, name),
            GameChange::Score { team, score } => insert(&mut self.scores, MAX_TEAMS, team, score),
            GameChange::Clock(clock) => {
                self.clock = Some((*clock, now));
                true
            }
            GameChange::Detail { key, value } if value.is_empty() => {
                self.details.remove(key).is_some()
            }
            GameChange::Detail { key, value } => insert(&mut self.details, MAX_DETAILS, key, value),
            GameChange::PlayerEntered { player, name, account } => {
                self.entered(*player, name, account)
            }
            GameChange::PlayerTeam { player, team } => match self.players.get_mut(player) {
                Some(player) => std::mem::replace(&mut player.team, *team) != *team,
                None => false,
            },
            GameChange::PlayerScore { player, score } => match self.players.get_mut(player) {
                Some(player) => replace(&mut player.score, score),
                None => false,
            },
            GameChange::PlayerLeft { player } => self.players.remove(player).is_some(),
        }
    }

    /// Everything, as the changes that make it known.
    pub(crate) fn snapshot(&self, now: Instant) -> Vec<GameChange> {
        let Self { mode, map, max_players, teams, scores, clock, details, players } = self;
        let mut all = Vec::new();
        all.extend(mode.clone().map(GameChange::Mode));
        all.extend(map.clone().map(GameChange::Map));
        all.extend(max_players.map(GameChange::MaxPlayers));
        let teams = teams.iter().map(|(team, name)| (*team, name.clone()));
        all.extend(teams.map(|(team, name)| GameChange::Team { team, name }));
        let scores = scores.iter().map(|(team, score)| (*team, *score));
        all.extend(scores.map(|(team, score)| GameChange::Score { team, score }));
        all.extend(clock.map(|(clock, since)| GameChange::Clock(after(clock, now - since))));
        let details = details.iter().map(|(key, value)| (key.clone(), value.clone()));
        all.extend(details.map(|(key, value)| GameChange::Detail { key, value }));
        for (player, Player { name, account, team, score }) in players {
            let (player, name, account) = (*player, name.clone(), account.clone());
            all.push(GameChange::PlayerEntered { player, name, account });
            all.extend(team.map(|team| GameChange::PlayerTeam { player, team: Some(team) }));
            all.extend(score.map(|score| GameChange::PlayerScore { player, score }));
        }
        all
    }

    fn entered(
        &mut self,
        player: GamePlayerId,
        name: &Text<64>,
        account: &Option<Text<64>>,
    ) -> bool {
        if let Some(known) = self.players.get_mut(&player) {
            let news = known.name != *name || known.account != *account;
            (known.name, known.account) = (name.clone(), account.clone());
            return news;
        }
        if self.players.len() >= MAX_PLAYERS {
            return false;
        }
        let (name, account) = (name.clone(), account.clone());
        self.players.insert(player, Player { name, account, team: None, score: None });
        true
    }
}

/// What a clock shows after a while.
fn after(clock: Clock, while_: Duration) -> Clock {
    let passed = u32::try_from(while_.as_millis()).unwrap_or(u32::MAX);
    let left_ms =
        clock.left_ms.map(|left| if clock.runs { left.saturating_sub(passed) } else { left });
    Clock { left_ms, ..clock }
}

fn replace<T: Clone + PartialEq>(known: &mut Option<T>, value: &T) -> bool {
    let news = known.as_ref() != Some(value);
    if news {
        *known = Some(value.clone());
    }
    news
}

fn insert<K: Clone + Ord, V: Clone + PartialEq>(
    known: &mut BTreeMap<K, V>,
    most: usize,
    key: &K,
    value: &V,
) -> bool {
    if known.len() >= most && !known.contains_key(key) {
        return false;
    }
    known.insert(key.clone(), value.clone()).as_ref() != Some(value)
}

/// As `PROTOCOL.md` says: further ones are left out.
const MAX_TEAMS: usize = 16;
const MAX_PLAYERS: usize = 1024;
const MAX_DETAILS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn changes() -> Vec<GameChange> {
        let (red, ann) = (TeamId(0), GamePlayerId(1));
        vec![
            GameChange::Mode(Text::lossy("tag")),
            GameChange::Map(Text::lossy("harbour")),
            GameChange::MaxPlayers(8),
            GameChange::Team { team: red, name: Text::lossy("Red") },
            GameChange::Score { team: red, score: -2 },
            GameChange::Clock(Clock { left_ms: Some(5_000), runs: true }),
            GameChange::Detail { key: Text::lossy("weather"), value: Text::lossy("fog") },
            GameChange::PlayerEntered { player: ann, name: Text::lossy("Ann"), account: None },
            GameChange::PlayerTeam { player: ann, team: Some(red) },
            GameChange::PlayerScore { player: ann, score: 0 },
        ]
    }

    #[test]
    fn a_snapshot_is_the_changes_that_made_it() {
        let (mut known, now) = (Known::default(), Instant::now());
        for change in changes() {
            assert!(known.apply(&change, now), "{change:?}");
            let again = known.apply(&change, now);
            assert_eq!(again, matches!(change, GameChange::Clock(_)), "{change:?} is no news");
        }
        assert_eq!(known.snapshot(now), changes());
        known.apply(&GameChange::PlayerLeft { player: GamePlayerId(1) }, now);
        assert_eq!(known.snapshot(now), changes()[..7]);
        let gone = GameChange::Detail { key: Text::lossy("weather"), value: Text::default() };
        assert!(known.apply(&gone, now));
        assert_eq!(known.snapshot(now), changes()[..6]);
    }

    #[test]
    fn a_clock_goes_on_if_it_runs() {
        let (mut known, now) = (Known::default(), Instant::now());
        for (clock, left_ms) in [
            (Clock { left_ms: Some(5_000), runs: true }, Some(3_000)),
            (Clock { left_ms: Some(1_000), runs: true }, Some(0)),
            (Clock { left_ms: Some(5_000), runs: false }, Some(5_000)),
            (Clock { left_ms: None, runs: true }, None),
        ] {
            known.apply(&GameChange::Clock(clock), now);
            let later = known.snapshot(now + Duration::from_secs(2));
            assert_eq!(later, [GameChange::Clock(Clock { left_ms, ..clock })]);
        }
    }

    #[test]
    fn what_is_known_is_bounded() {
        let (mut known, now) = (Known::default(), Instant::now());
        for number in 0..2000_u32 {
            let name = Text::lossy("x");
            known.apply(
                &GameChange::PlayerEntered {
                    player: GamePlayerId(number),
                    name: name.clone(),
                    account: None,
                },
                now,
            );
            let key = Text::lossy(&number.to_string());
            known.apply(&GameChange::Detail { key, value: name }, now);
            let team = TeamId(u8::try_from(number % 256).unwrap());
            known.apply(&GameChange::Team { team, name: Text::lossy("x") }, now);
            known.apply(&GameChange::Score { team, score: 1 }, now);
        }
        let most = MAX_PLAYERS + MAX_DETAILS + 2 * MAX_TEAMS;
        assert_eq!(known.snapshot(now).len(), most);
    }
}
