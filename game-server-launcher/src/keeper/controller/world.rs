//! What the changes of a game mean for the list of servers.

use std::collections::BTreeMap;

use protocol::{
    Clock, GameChange, GameChanges, GamePlayerId, ServerChange, ServerProperty, TeamId, Text,
    UnixMillis,
};

/// What is known of a game.
#[derive(Debug, Default)]
pub(super) struct World {
    teams: BTreeMap<TeamId, Team>,
    players: BTreeMap<GamePlayerId, Player>,
}

#[derive(Debug, Default)]
struct Team {
    name: Text<32>,
    score: i32,
}

#[derive(Debug)]
struct Player {
    name: Text<64>,
    account: Option<Text<64>>,
    score: i32,
}

impl World {
    /// What `changes` mean, at this time of the day.
    pub(super) fn apply(&mut self, changes: GameChanges, now: UnixMillis) -> Vec<ServerChange> {
        let mut told = Vec::new();
        if changes.fresh {
            *self = Self::default();
            told.push(ServerChange::AllPlayersLeft);
        }
        let (mut scores, mut leads) = (false, false);
        for change in changes.changes {
            match change {
                GameChange::Mode(mode) => told.push(detail("mode", &mode)),
                GameChange::Map(map) => told.push(property(ServerProperty::Map(map))),
                GameChange::MaxPlayers(max) => {
                    told.push(property(ServerProperty::MaxPlayers(max)));
                }
                GameChange::Team { team, name } => {
                    scores |= self.team(team, |team| team.name = name);
                }
                GameChange::Score { team, score } => {
                    scores |= self.team(team, |team| team.score = score);
                }
                GameChange::Clock(clock) => told.push(detail("clock", &shown(clock, now))),
                GameChange::Detail { key, value } => {
                    told.push(property(ServerProperty::Detail { key, value }));
                }
                GameChange::PlayerEntered { player, name, account } => {
                    if self.entered(player, &name, account) {
                        told.push(ServerChange::PlayerEntered { player, name });
                    }
                }
                GameChange::PlayerScore { player, score } => {
                    if let Some(player) = self.players.get_mut(&player) {
                        player.score = score;
                        leads = true;
                    }
                }
                GameChange::PlayerTeam { .. } => {}
                GameChange::PlayerLeft { player } => {
                    if self.players.remove(&player).is_some() {
                        told.push(ServerChange::PlayerLeft { player });
                        leads = true;
                    }
                }
            }
        }
        told.extend(scores.then(|| detail("score", &self.scores())));
        told.extend(leads.then(|| detail("leader", &self.leader())));
        told
    }

    /// How many players are in the game.
    pub(super) fn player_count(&self) -> usize {
        self.players.len()
    }

    /// Whether the player of this account is in the game.
    pub(super) fn is_in(&self, account: &Text<64>) -> bool {
        self.accounts().any(|known| known == account)
    }

    /// The account of a player who is in the game and has one.
    pub(super) fn account_of(&self, player: GamePlayerId) -> Option<&Text<64>> {
        self.players.get(&player)?.account.as_ref()
    }

    /// The accounts of who is in the game and has one.
    pub(super) fn accounts(&self) -> impl Iterator<Item = &Text<64>> {
        self.players.values().filter_map(|player| player.account.as_ref())
    }

    fn team(&mut self, team: TeamId, change: impl FnOnce(&mut Team)) -> bool {
        let may = self.teams.len() < MAX_TEAMS || self.teams.contains_key(&team);
        if may {
            change(self.teams.entry(team).or_default());
        }
        may
    }

    fn entered(
        &mut self,
        player: GamePlayerId,
        name: &Text<64>,
        account: Option<Text<64>>,
    ) -> bool {
        if self.players.len() >= MAX_PLAYERS && !self.players.contains_key(&player) {
            return false;
        }
        let score = self.players.get(&player).map_or(0, |known| known.score);
        self.players.insert(player, Player { name: name.clone(), account, score });
        true
    }

    fn scores(&self) -> String {
        let named = self.teams.values().filter(|team| !team.name.is_empty());
        let scores: Vec<_> =
            named.map(|team| format!("{} {}", team.name.as_str(), team.score)).collect();
        scores.join(", ")
    }

    /// Who has the most points, if anybody has any.
    fn leader(&self) -> String {
        let leader = self.players.values().filter(|player| player.score > 0);
        let leader = leader.max_by_key(|player| player.score);
        leader.map_or_else(String::new, |player| {
            format!("{}: {}", player.name.as_str(), player.score)
        })
    }
}

/// A clock, as it is right for a while.
fn shown(clock: Clock, now: UnixMillis) -> String {
    match clock {
        Clock { left_ms: None, .. } => String::new(),
        Clock { left_ms: Some(left), runs: true } => {
            let end = now.0.saturating_add(left.into()) / 1000;
            let (hour, minute, second) = (end / 3600 % 24, end / 60 % 60, end % 60);
            format!("until {hour:02}:{minute:02}:{second:02} UTC")
        }
        Clock { left_ms: Some(left), runs: false } => {
            let left = left / 1000;
            format!("stopped at {}:{:02}", left / 60, left % 60)
        }
    }
}

fn detail(key: &str, value: &str) -> ServerChange {
    property(ServerProperty::Detail { key: Text::lossy(key), value: Text::lossy(value) })
}

fn property(property: ServerProperty) -> ServerChange {
    ServerChange::Property(property)
}

/// As `PROTOCOL.md` says: further ones are left out.
const MAX_TEAMS: usize = 16;
const MAX_PLAYERS: usize = 1024;

#[cfg(test)]
mod tests {
    use protocol::List;

    use super::*;

    const NOON: UnixMillis = UnixMillis(12 * 3600 * 1000);

    fn apply(world: &mut World, list: impl IntoIterator<Item = GameChange>) -> Vec<ServerChange> {
        world.apply(GameChanges { fresh: false, changes: List::first_of(list) }, NOON)
    }

    fn entered(player: u32, name: &str, account: Option<&str>) -> GameChange {
        let (player, account) = (GamePlayerId(player), account.map(Text::lossy));
        GameChange::PlayerEntered { player, name: Text::lossy(name), account }
    }

    #[test]
    fn teams_and_their_points_are_shown_in_one_line() {
        let mut world = World::default();
        let team = |team, name| GameChange::Team { team: TeamId(team), name: Text::lossy(name) };
        let score = |team, score| GameChange::Score { team: TeamId(team), score };
        let told = apply(&mut world, [team(1, "Blue"), team(0, "Red"), score(1, -2), score(7, 9)]);
        assert_eq!(told, [detail("score", "Red 0, Blue -2")]);
        assert_eq!(apply(&mut world, [score(0, 3)]), [detail("score", "Red 3, Blue -2")]);
    }

    #[test]
    fn a_clock_is_shown_so_that_it_stays_right() {
        for (left_ms, runs, text) in [
            (Some(90_500), true, "until 12:01:30 UTC"),
            (Some(90_500), false, "stopped at 1:30"),
            (Some(u32::MAX), true, "until 05:02:47 UTC"),
            (None, true, ""),
        ] {
            assert_eq!(shown(Clock { left_ms, runs }, NOON), text);
        }
    }

    #[test]
    fn players_come_lead_and_go() {
        let mut world = World::default();
        let ann = GamePlayerId(1);
        let told = apply(
            &mut world,
            [
                entered(1, "Ann", Some("ann")),
                entered(2, "Bot", None),
                GameChange::PlayerScore { player: ann, score: 3 },
                GameChange::PlayerScore { player: GamePlayerId(9), score: 9 },
            ],
        );
        assert_eq!(told.len(), 3);
        assert_eq!(told[2], detail("leader", "Ann: 3"));
        assert_eq!(world.player_count(), 2);
        assert!(world.is_in(&Text::lossy("ann")) && !world.is_in(&Text::lossy("Bot")));
        apply(&mut world, [entered(1, "Anna", Some("ann"))]);
        let told = apply(&mut world, [GameChange::PlayerLeft { player: ann }]);
        assert_eq!(told, [ServerChange::PlayerLeft { player: ann }, detail("leader", "")]);
        assert_eq!(apply(&mut world, [GameChange::PlayerLeft { player: ann }]), []);
    }

    #[test]
    fn everything_told_anew_replaces_what_was_known() {
        let mut world = World::default();
        apply(&mut world, [entered(1, "Ann", Some("ann"))]);
        let changes = List::first_of([entered(2, "Bob", None)]);
        let told = world.apply(GameChanges { fresh: true, changes }, NOON);
        let (player, name) = (GamePlayerId(2), Text::lossy("Bob"));
        let all = [ServerChange::AllPlayersLeft, ServerChange::PlayerEntered { player, name }];
        assert_eq!(told, all);
        assert!(!world.is_in(&Text::lossy("ann")));
    }

    #[test]
    fn what_is_known_is_bounded() {
        let mut world = World::default();
        for number in 0..2000 {
            apply(&mut world, [entered(number, "x", None)]);
            let team = TeamId(u8::try_from(number % 256).unwrap());
            apply(&mut world, [GameChange::Score { team, score: 1 }]);
        }
        assert_eq!((world.player_count(), world.teams.len()), (MAX_PLAYERS, MAX_TEAMS));
    }
}
