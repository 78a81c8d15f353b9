//! What is known of one game server: fed with changes, told as changes.

use std::collections::BTreeMap;

use protocol::{GamePlayerId, ServerChange, ServerProperty, ServerState, Text};

/// What is known of one game server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listing {
    title: Option<Text<64>>,
    game: Option<Text<32>>,
    state: Option<ServerState>,
    map: Option<Text<64>>,
    max_players: Option<u16>,
    details: BTreeMap<Text<32>, Text<64>>,
    players: BTreeMap<GamePlayerId, Text<64>>,
}

impl Listing {
    /// Takes note of `change`. Whether anything is different now.
    pub(crate) fn apply(&mut self, change: &ServerChange) -> bool {
        match change {
            ServerChange::Property(property) => self.set(property),
            ServerChange::PlayerEntered { player, name } => {
                if self.players.len() >= MAX_PLAYERS && !self.players.contains_key(player) {
                    return false;
                }
                self.players.insert(*player, name.clone()).as_ref() != Some(name)
            }
            ServerChange::PlayerLeft { player } => self.players.remove(player).is_some(),
            ServerChange::AllPlayersLeft => {
                let any = !self.players.is_empty();
                self.players.clear();
                any
            }
        }
    }

    fn set(&mut self, property: &ServerProperty) -> bool {
        match property {
            ServerProperty::Title(title) => replace(&mut self.title, title),
            ServerProperty::Game(game) => replace(&mut self.game, game),
            ServerProperty::State(state) => replace(&mut self.state, state),
            ServerProperty::Map(map) => replace(&mut self.map, map),
            ServerProperty::MaxPlayers(max) => replace(&mut self.max_players, max),
            ServerProperty::Detail { key, value } if value.is_empty() => {
                self.details.remove(key).is_some()
            }
            ServerProperty::Detail { key, value } => {
                if self.details.len() >= MAX_DETAILS && !self.details.contains_key(key) {
                    return false;
                }
                self.details.insert(key.clone(), value.clone()).as_ref() != Some(value)
            }
        }
    }

    /// All that is known, as the changes that make it known.
    pub(crate) fn snapshot(&self) -> Vec<ServerChange> {
        let Self { title, game, state, map, max_players, details, players } = self;
        let mut properties = Vec::new();
        properties.extend(title.clone().map(ServerProperty::Title));
        properties.extend(game.clone().map(ServerProperty::Game));
        properties.extend(state.map(ServerProperty::State));
        properties.extend(map.clone().map(ServerProperty::Map));
        properties.extend(max_players.map(ServerProperty::MaxPlayers));
        let details = details.iter();
        properties.extend(
            details.map(|(key, value)| ServerProperty::Detail {
                key: key.clone(),
                value: value.clone(),
            }),
        );
        let players = players.iter();
        let players = players.map(|(player, name)| ServerChange::PlayerEntered {
            player: *player,
            name: name.clone(),
        });
        properties.into_iter().map(ServerChange::Property).chain(players).collect()
    }

    /// Whether players can join, as far as is known.
    pub(crate) fn state(&self) -> Option<ServerState> {
        self.state
    }

    /// What else is known, by its key.
    pub(crate) fn detail_keys(&self) -> Vec<Text<32>> {
        self.details.keys().cloned().collect()
    }

    /// Names of who is in.
    pub(crate) fn player_names(&self) -> impl Iterator<Item = &str> {
        self.players.values().map(Text::as_str)
    }
}

fn replace<T: Clone + PartialEq>(known: &mut Option<T>, value: &T) -> bool {
    let different = known.as_ref() != Some(value);
    if different {
        *known = Some(value.clone());
    }
    different
}

/// Further players are not listed.
const MAX_PLAYERS: usize = 1024;

/// Further details are not listed.
const MAX_DETAILS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn changes() -> Vec<ServerChange> {
        let detail =
            |value| ServerProperty::Detail { key: Text::lossy("date"), value: Text::lossy(value) };
        let entered = |player, name| ServerChange::PlayerEntered {
            player: GamePlayerId(player),
            name: Text::lossy(name),
        };
        let mut changes: Vec<_> = [
            ServerProperty::Title(Text::lossy("title")),
            ServerProperty::State(ServerState::Ready),
            ServerProperty::Map(Text::lossy("map")),
            ServerProperty::MaxPlayers(3),
            detail("monday"),
            detail("tuesday"),
        ]
        .map(ServerChange::Property)
        .into();
        changes.extend([entered(2, "bob"), entered(1, "ann"), entered(2, "rob")]);
        changes.push(ServerChange::PlayerLeft { player: GamePlayerId(1) });
        changes
    }

    #[test]
    fn a_snapshot_makes_the_same_known() {
        let (mut listing, mut copy) = (Listing::default(), Listing::default());
        for change in changes() {
            assert!(listing.apply(&change), "{change:?}");
        }
        let snapshot = listing.snapshot();
        assert_eq!(snapshot.len(), 6);
        for change in &snapshot {
            assert!(copy.apply(change));
            assert!(!copy.apply(change), "a second time it is nothing new");
        }
        assert_eq!(copy.snapshot(), snapshot);
    }

    #[test]
    fn what_is_known_is_bounded() {
        let mut listing = Listing::default();
        for player in 0..MAX_PLAYERS as u32 * 2 {
            let name = Text::lossy("x");
            listing.apply(&ServerChange::PlayerEntered { player: GamePlayerId(player), name });
            let (key, value) = (Text::lossy(&player.to_string()), Text::lossy("x"));
            listing.apply(&ServerChange::Property(ServerProperty::Detail { key, value }));
        }
        assert_eq!(listing.snapshot().len(), MAX_PLAYERS + MAX_DETAILS);
    }
}
