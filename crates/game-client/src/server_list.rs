//! The list of game servers, as far as it was told.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{
    GamePlayerId, List, ServerChange, ServerEvent, ServerEvents, ServerId, ServerProperty,
    ServerState, Text,
};

/// The list of game servers, as far as it was told.
///
/// Pure data: feed it every [`ServerEvents`] of one session, in order. What is said about a server
/// that is not in the list is ignored, and so is what exceeds a limit: [`MAX_SERVERS`](Self::MAX_SERVERS),
/// [`Server::MAX_PLAYERS`], [`Server::MAX_DETAILS`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerList {
    servers: BTreeMap<ServerId, Server>,
}

/// One game server, as far as it was told. What nobody said is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// What players see in the list.
    pub title: Text<64>,
    /// Which game it is: `openttd`.
    pub game: Text<32>,
    /// Whether players can join.
    pub state: Option<ServerState>,
    /// The map, as the game names it.
    pub map: Text<64>,
    /// How many players fit in.
    pub max_players: u16,
    /// The players in the game, under the names they have there. They prove nothing.
    pub players: BTreeMap<GamePlayerId, Text<64>>,
    /// Whatever else its game has to say, by key: `date`, `landscape`.
    pub details: BTreeMap<Text<32>, Text<64>>,
}

/// Which servers are different after some events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListChanges {
    /// New, or different.
    pub changed: BTreeSet<ServerId>,
    /// No longer in the list.
    pub removed: BTreeSet<ServerId>,
}

impl ServerList {
    /// Most servers in a list. Later ones are ignored.
    pub const MAX_SERVERS: usize = 4096;

    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Brings the list up to date, and says what has changed.
    pub fn apply(&mut self, events: &ServerEvents) -> ListChanges {
        let mut changes = ListChanges::default();
        if events.fresh {
            changes.removed = std::mem::take(&mut self.servers).into_keys().collect();
        }
        for event in events.events.iter() {
            self.apply_one(event, &mut changes);
        }
        changes
    }

    /// Every server, in the order of the ids.
    pub fn iter(&self) -> impl Iterator<Item = (ServerId, &Server)> {
        self.servers.iter().map(|(id, server)| (*id, server))
    }

    /// The server with this id.
    pub fn get(&self, id: ServerId) -> Option<&Server> {
        self.servers.get(&id)
    }

    /// How many servers there are.
    pub fn len(&self) -> usize {
        self.servers.len()
    }

    /// Whether there is no server.
    pub fn is_empty(&self) -> bool {
        self.servers.is_empty()
    }

    /// The servers that a person may mean by `name`: those with that id (16 hexadecimal digits), or
    /// else that title, or else that title in other letters' case.
    pub fn find(&self, name: &str) -> Vec<ServerId> {
        if let Ok(id) = name.parse::<ServerId>()
            && name.len() == 16
            && self.servers.contains_key(&id)
        {
            return vec![id];
        }
        let titled = |is_it: &dyn Fn(&str) -> bool| -> Vec<_> {
            self.iter().filter(|(_, server)| is_it(&server.title)).map(|(id, _)| id).collect()
        };
        let exact = titled(&|title| title == name);
        match exact.is_empty() {
            true => titled(&|title| title.to_lowercase() == name.to_lowercase()),
            false => exact,
        }
    }

    /// The events that make an empty list, or any other, equal to this one.
    pub fn to_events(&self) -> Vec<ServerEvents> {
        let events: Vec<_> = self.iter().flat_map(|(id, server)| server.to_events(id)).collect();
        let mut all: Vec<_> = events
            .chunks(EVENTS_IN_A_MESSAGE)
            .map(|part| ServerEvents { fresh: false, events: List::first_of(part.to_vec()) })
            .collect();
        if all.is_empty() {
            all.push(ServerEvents { fresh: false, events: List::default() });
        }
        if let Some(first) = all.first_mut() {
            first.fresh = true;
        }
        all
    }

    fn apply_one(&mut self, event: &ServerEvent, changes: &mut ListChanges) {
        match event {
            ServerEvent::Appeared { server } => {
                if self.servers.len() < Self::MAX_SERVERS || self.servers.contains_key(server) {
                    self.servers.insert(*server, Server::default());
                    changes.removed.remove(server);
                    changes.changed.insert(*server);
                }
            }
            ServerEvent::Changed { server, change } => {
                if let Some(known) = self.servers.get_mut(server) {
                    known.apply(change);
                    changes.changed.insert(*server);
                }
            }
            ServerEvent::Disappeared { server } => {
                if self.servers.remove(server).is_some() {
                    changes.changed.remove(server);
                    changes.removed.insert(*server);
                }
            }
        }
    }
}

impl Server {
    /// Most players of one server. Later ones are ignored.
    pub const MAX_PLAYERS: usize = 4096;

    /// Most details of one server. Those with a later new key are ignored.
    pub const MAX_DETAILS: usize = 64;

    fn apply(&mut self, change: &ServerChange) {
        match change {
            ServerChange::Property(property) => self.set(property),
            ServerChange::PlayerEntered { player, name } => {
                if self.players.len() < Self::MAX_PLAYERS || self.players.contains_key(player) {
                    self.players.insert(*player, name.clone());
                }
            }
            ServerChange::PlayerLeft { player } => {
                self.players.remove(player);
            }
            ServerChange::AllPlayersLeft => self.players.clear(),
        }
    }

    fn set(&mut self, property: &ServerProperty) {
        match property {
            ServerProperty::Title(title) => self.title.clone_from(title),
            ServerProperty::Game(game) => self.game.clone_from(game),
            ServerProperty::State(state) => self.state = Some(*state),
            ServerProperty::Map(map) => self.map.clone_from(map),
            ServerProperty::MaxPlayers(max) => self.max_players = *max,
            ServerProperty::Detail { key, value } if value.is_empty() => {
                self.details.remove(key);
            }
            ServerProperty::Detail { key, value } => {
                if self.details.len() < Self::MAX_DETAILS || self.details.contains_key(key) {
                    self.details.insert(key.clone(), value.clone());
                }
            }
        }
    }

    fn to_events(&self, id: ServerId) -> Vec<ServerEvent> {
        let mut properties = vec![
            ServerProperty::Title(self.title.clone()),
            ServerProperty::Game(self.game.clone()),
            ServerProperty::Map(self.map.clone()),
            ServerProperty::MaxPlayers(self.max_players),
        ];
        properties.extend(self.state.map(ServerProperty::State));
        properties.extend(
            self.details.iter().map(|(key, value)| ServerProperty::Detail {
                key: key.clone(),
                value: value.clone(),
            }),
        );
        let players = self.players.iter().map(|(player, name)| ServerChange::PlayerEntered {
            player: *player,
            name: name.clone(),
        });
        let changes = properties.into_iter().map(ServerChange::Property).chain(players);
        std::iter::once(ServerEvent::Appeared { server: id })
            .chain(changes.map(|change| ServerEvent::Changed { server: id, change }))
            .collect()
    }
}

/// As many as `ServerEvents` takes.
const EVENTS_IN_A_MESSAGE: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    const A: ServerId = ServerId(0xa);
    const B: ServerId = ServerId(0xb);

    fn appeared(server: ServerId) -> ServerEvent {
        ServerEvent::Appeared { server }
    }

    fn property(server: ServerId, property: ServerProperty) -> ServerEvent {
        ServerEvent::Changed { server, change: ServerChange::Property(property) }
    }

    fn title(server: ServerId, title: &str) -> ServerEvent {
        property(server, ServerProperty::Title(Text::lossy(title)))
    }

    fn entered(server: ServerId, player: u32, name: &str) -> ServerEvent {
        let change =
            ServerChange::PlayerEntered { player: GamePlayerId(player), name: Text::lossy(name) };
        ServerEvent::Changed { server, change }
    }

    fn events(fresh: bool, events: Vec<ServerEvent>) -> ServerEvents {
        ServerEvents { fresh, events: List::first_of(events) }
    }

    fn list(of: Vec<ServerEvent>) -> ServerList {
        let mut list = ServerList::new();
        list.apply(&events(true, of));
        list
    }

    #[test]
    fn a_server_is_what_was_last_said_of_it() {
        let detail = |value| {
            let (key, value) = (Text::lossy("date"), Text::lossy(value));
            property(A, ServerProperty::Detail { key, value })
        };
        let mut list = list(vec![appeared(A), title(A, "old"), title(A, "new"), detail("1950")]);
        assert_eq!(list.get(A).unwrap().title.as_str(), "new");
        assert_eq!(list.get(A).unwrap().details.len(), 1);
        let changes = list.apply(&events(false, vec![detail("")]));
        assert!(changes.changed.contains(&A) && list.get(A).unwrap().details.is_empty());
    }

    #[test]
    fn players_come_and_go() {
        let mut list = list(vec![appeared(A), entered(A, 1, "x"), entered(A, 2, "y")]);
        let left = ServerChange::PlayerLeft { player: GamePlayerId(1) };
        list.apply(&events(false, vec![ServerEvent::Changed { server: A, change: left }]));
        assert_eq!(
            list.get(A).unwrap().players.values().map(Text::as_str).collect::<Vec<_>>(),
            ["y"]
        );
        let all = ServerEvent::Changed { server: A, change: ServerChange::AllPlayersLeft };
        list.apply(&events(false, vec![all]));
        assert!(list.get(A).unwrap().players.is_empty());
    }

    #[test]
    fn what_is_said_of_an_unknown_server_is_ignored() {
        let unknown =
            vec![title(B, "x"), entered(B, 1, "x"), ServerEvent::Disappeared { server: B }];
        let mut list = ServerList::new();
        assert_eq!(list.apply(&events(false, unknown)), ListChanges::default());
        assert!(list.is_empty());
    }

    #[test]
    fn a_fresh_list_replaces_the_one_before() {
        let mut list = list(vec![appeared(A), appeared(B)]);
        let changes = list.apply(&events(true, vec![appeared(B)]));
        assert_eq!(changes, ListChanges { changed: [B].into(), removed: [A].into() });
        assert_eq!((list.len(), list.get(A)), (1, None));
    }

    #[test]
    fn a_list_does_not_grow_without_end() {
        let mut list = ServerList::new();
        for id in 0..ServerList::MAX_SERVERS as u64 + 100 {
            list.apply(&events(false, vec![appeared(ServerId(id))]));
        }
        for n in 0..Server::MAX_PLAYERS as u32 + 100 {
            let (key, value) = (Text::lossy(&n.to_string()), Text::lossy("x"));
            let detail = property(ServerId(1), ServerProperty::Detail { key, value });
            list.apply(&events(false, vec![entered(ServerId(1), n, "x"), detail]));
        }
        let server = list.get(ServerId(1)).unwrap();
        assert_eq!(list.len(), ServerList::MAX_SERVERS);
        assert_eq!(server.players.len(), Server::MAX_PLAYERS);
        assert_eq!(server.details.len(), Server::MAX_DETAILS);
    }

    #[test]
    fn a_list_can_be_told_to_somebody_else() {
        let mut told = vec![appeared(A), title(A, "t"), appeared(B)];
        told.push(property(A, ServerProperty::State(ServerState::Ready)));
        let mut original = list(told);
        for player in 0..600 {
            original.apply(&events(false, vec![entered(B, player, "p")]));
        }
        let mut copy = list(vec![appeared(ServerId(7))]);
        for part in original.to_events() {
            copy.apply(&part);
        }
        assert_eq!(copy, original);
        let mut copy = list(vec![appeared(A)]);
        ServerList::new().to_events().iter().for_each(|part| drop(copy.apply(part)));
        assert!(copy.is_empty());
    }

    #[test]
    fn a_server_is_found_by_id_or_title() {
        let list = list(vec![appeared(A), title(A, "One"), appeared(B), title(B, "one")]);
        assert_eq!(list.find("000000000000000a"), [A]);
        assert_eq!(list.find("One"), [A]);
        assert_eq!(list.find("one"), [B]);
        assert_eq!(list.find("ONE"), [A, B]);
        assert!(list.find("a").is_empty() && list.find("").is_empty());
    }
}
