//! One game server, as it is shown.

use std::collections::BTreeMap;

use protocol::{
    GamePlayerId, ServerChange, ServerEvent, ServerId, ServerProperty, ServerState, Text,
};

/// Most players shown of one server. Further ones are in the game, and not in the list.
pub(super) const MAX_PLAYERS: usize = 256;

/// Most details shown of one server. Further ones are left out.
pub(super) const MAX_DETAILS: usize = 16;

/// What is known of one server: the sum of its changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    properties: BTreeMap<Key, ServerProperty>,
    players: BTreeMap<GamePlayerId, Text<64>>,
}

impl View {
    /// Adds one change. Says whether there was room for it.
    pub fn apply(&mut self, change: &ServerChange) -> bool {
        match change {
            ServerChange::Property(property) => return self.set(property),
            ServerChange::PlayerEntered { player, name } => {
                let full = self.players.len() >= MAX_PLAYERS;
                if full && !self.players.contains_key(player) {
                    return false;
                }
                self.players.insert(*player, name.clone());
            }
            ServerChange::PlayerLeft { player } => {
                self.players.remove(player);
            }
            ServerChange::AllPlayersLeft => self.players.clear(),
        }
        true
    }

    /// The changes that make `target` of this. What `target` does not know stays as it is, but for
    /// players and details.
    pub fn changes_to(&self, target: &Self) -> Vec<ServerChange> {
        let mut changes = self.details_lost_in(target);
        changes.extend(
            target
                .properties
                .iter()
                .filter(|(key, property)| self.properties.get(key) != Some(property))
                .map(|(_, property)| ServerChange::Property(property.clone())),
        );
        changes.extend(self.players_lost_in(target));
        changes.extend(
            target
                .players
                .iter()
                .filter(|(player, name)| self.players.get(player) != Some(name))
                .map(|(player, name)| entered(*player, name)),
        );
        changes
    }

    /// The events that describe this server to who knows nothing.
    pub fn describe(&self, server: ServerId) -> impl Iterator<Item = ServerEvent> {
        let properties = self.properties.values().cloned().map(ServerChange::Property);
        let players = self.players.iter().map(|(player, name)| entered(*player, name));
        let changes = properties.chain(players);
        let changes = changes.map(move |change| ServerEvent::Changed { server, change });
        std::iter::once(ServerEvent::Appeared { server }).chain(changes)
    }

    /// Whether more events describe it after `change` than before.
    pub fn grows_with(&self, change: &ServerChange) -> bool {
        match change {
            ServerChange::Property(ServerProperty::Detail { value, .. }) if value.is_empty() => {
                false
            }
            ServerChange::Property(property) => !self.properties.contains_key(&Key::of(property)),
            ServerChange::PlayerEntered { player, .. } => !self.players.contains_key(player),
            ServerChange::PlayerLeft { .. } | ServerChange::AllPlayersLeft => false,
        }
    }

    /// How many events describe it.
    pub fn size(&self) -> usize {
        1 + self.properties.len() + self.players.len()
    }

    /// The same server in another state.
    pub fn in_state(&self, state: ServerState) -> Self {
        let mut view = self.clone();
        view.set(&ServerProperty::State(state));
        view
    }

    /// Its state, if it was said.
    pub fn state(&self) -> Option<ServerState> {
        match self.properties.get(&Key::State) {
            Some(ServerProperty::State(state)) => Some(*state),
            _ => None,
        }
    }

    /// What players see in the list; nothing if it was not said.
    pub fn title(&self) -> &str {
        match self.properties.get(&Key::Title) {
            Some(ServerProperty::Title(title)) => title,
            _ => "",
        }
    }

    /// Which game it is; nothing if it was not said.
    pub fn game(&self) -> &str {
        match self.properties.get(&Key::Game) {
            Some(ServerProperty::Game(game)) => game,
            _ => "",
        }
    }

    /// Who is in the game.
    pub fn players(&self) -> impl Iterator<Item = (GamePlayerId, &Text<64>)> {
        self.players.iter().map(|(player, name)| (*player, name))
    }

    fn set(&mut self, property: &ServerProperty) -> bool {
        let key = Key::of(property);
        if let (Key::Detail(_), ServerProperty::Detail { value, .. }) = (&key, property) {
            if value.is_empty() {
                self.properties.remove(&key);
                return true;
            }
            let details = self.properties.keys().filter(|key| matches!(key, Key::Detail(_)));
            if details.count() >= MAX_DETAILS && !self.properties.contains_key(&key) {
                return false;
            }
        }
        self.properties.insert(key, property.clone());
        true
    }

    fn details_lost_in(&self, target: &Self) -> Vec<ServerChange> {
        let lost = self.properties.keys().filter(|key| !target.properties.contains_key(key));
        lost.filter_map(|key| match key {
            Key::Detail(key) => {
                let empty = ServerProperty::Detail { key: key.clone(), value: Text::default() };
                Some(ServerChange::Property(empty))
            }
            Key::Title | Key::Game | Key::State | Key::Map | Key::MaxPlayers => None,
        })
        .collect()
    }

    fn players_lost_in(&self, target: &Self) -> Vec<ServerChange> {
        if target.players.is_empty() && self.players.len() > 1 {
            return vec![ServerChange::AllPlayersLeft];
        }
        let lost = self.players.keys().filter(|player| !target.players.contains_key(player));
        lost.map(|player| ServerChange::PlayerLeft { player: *player }).collect()
    }
}

/// Which properties replace each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Title,
    Game,
    State,
    Map,
    MaxPlayers,
    Detail(Text<32>),
}

impl Key {
    fn of(property: &ServerProperty) -> Self {
        match property {
            ServerProperty::Title(_) => Self::Title,
            ServerProperty::Game(_) => Self::Game,
            ServerProperty::State(_) => Self::State,
            ServerProperty::Map(_) => Self::Map,
            ServerProperty::MaxPlayers(_) => Self::MaxPlayers,
            ServerProperty::Detail { key, .. } => Self::Detail(key.clone()),
        }
    }
}

fn entered(player: GamePlayerId, name: &Text<64>) -> ServerChange {
    ServerChange::PlayerEntered { player, name: name.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detail(key: &str, value: &str) -> ServerChange {
        let (key, value) = (Text::lossy(key), Text::lossy(value));
        ServerChange::Property(ServerProperty::Detail { key, value })
    }

    fn player(id: u32, name: &str) -> ServerChange {
        entered(GamePlayerId(id), &Text::lossy(name))
    }

    fn title(title: &str) -> ServerChange {
        ServerChange::Property(ServerProperty::Title(Text::lossy(title)))
    }

    fn view(changes: &[ServerChange]) -> View {
        let mut view = View::default();
        assert!(changes.iter().all(|change| view.apply(change)));
        view
    }

    #[test]
    fn the_changes_between_two_views_lead_from_one_to_the_other() {
        let views = [
            view(&[]),
            view(&[title("a"), detail("date", "1950"), player(1, "ann")]),
            view(&[title("b"), detail("date", "1951"), player(1, "bob"), player(2, "ann")]),
            view(&[title("b"), detail("climate", "arctic"), player(2, "ann")]),
        ];
        for from in &views {
            for to in &views[1..] {
                let mut changed = from.clone();
                assert!(from.changes_to(to).iter().all(|change| changed.apply(change)));
                assert_eq!(&changed, to, "from {from:?}");
                assert!(changed.changes_to(to).is_empty());
            }
        }
    }

    #[test]
    fn an_empty_value_removes_a_detail() {
        assert_eq!(view(&[detail("date", "1950"), detail("date", "")]), View::default());
    }

    #[test]
    fn there_is_room_for_so_many_players_and_details() {
        let mut view = View::default();
        assert!((0..MAX_PLAYERS as u32).all(|id| view.apply(&player(id, "x"))));
        assert!(!view.apply(&player(1000, "x")));
        assert!(view.apply(&player(0, "who is in may change the name")));
        assert!((0..MAX_DETAILS).all(|n| view.apply(&detail(&n.to_string(), "x"))));
        assert!(!view.apply(&detail("more", "x")));
        assert!(view.apply(&detail("0", "other")));
        assert!(view.apply(&title("not a detail")));
    }
}
