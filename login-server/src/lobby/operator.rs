//! What an operator may do here.

use protocol::{GamePlayerId, ServerId, Text, ToLauncher};

use super::{Effect, Lobby};

/// Why a player cannot be thrown out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KickError {
    /// No server has this id or title.
    #[error("there is no such server")]
    UnknownServer,
    /// Several servers have this title.
    #[error("several servers have this title: use the id")]
    AmbiguousServer,
    /// Nobody with this number or name is in the game.
    #[error("there is no such player in the game")]
    UnknownPlayer,
    /// Several players have this name.
    #[error("several players have this name: use the number")]
    AmbiguousPlayer,
    /// The server's launcher is gone.
    #[error("the server's launcher is not connected")]
    Unreachable,
}

/// How many there are of whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Census {
    /// Connections of game clients.
    pub game_clients: usize,
    /// Sessions: with a connection, or waiting for their player to come back.
    pub sessions: usize,
    /// Connections of launchers.
    pub launchers: usize,
    /// Game servers in the list.
    pub servers: usize,
}

impl Lobby {
    /// Counts everybody.
    pub fn census(&self) -> Census {
        Census {
            game_clients: self.clients.len(),
            sessions: self.sessions.len(),
            launchers: self.launchers.len(),
            servers: self.servers.iter().count(),
        }
    }

    /// Throws a player out of a game. The server is named by its id or title, the player by the
    /// number or name the game knows.
    ///
    /// # Errors
    ///
    /// When it is not certain who is meant, or nobody can be told to do it.
    pub fn kick(&self, server: &str, player: &str, reason: Text<128>) -> Result<Effect, KickError> {
        let server = self.find_server(server)?;
        let player = self.find_player(server, player)?;
        let (launcher, own) = self.launcher_of(server).ok_or(KickError::Unreachable)?;
        Ok(Effect::ToLauncher(launcher, ToLauncher::Kick { server: own.0, player, reason }))
    }

    fn find_server(&self, wanted: &str) -> Result<ServerId, KickError> {
        if let Ok(id) = wanted.parse()
            && self.servers.get(id).is_some()
        {
            return Ok(id);
        }
        let mut found = self.servers.iter().filter(|(_, _, view)| view.title() == wanted);
        match (found.next(), found.next()) {
            (Some((server, _, _)), None) => Ok(server),
            (None, _) => Err(KickError::UnknownServer),
            (Some(_), Some(_)) => Err(KickError::AmbiguousServer),
        }
    }

    fn find_player(&self, server: ServerId, wanted: &str) -> Result<GamePlayerId, KickError> {
        let (_, view) = self.servers.get(server).ok_or(KickError::UnknownServer)?;
        let number = wanted.parse().ok().map(GamePlayerId);
        if let Some((player, _)) = view.players().find(|(player, _)| Some(*player) == number) {
            return Ok(player);
        }
        let mut found = view.players().filter(|(_, name)| name.as_str() == wanted);
        match (found.next(), found.next()) {
            (Some((player, _)), None) => Ok(player),
            (None, _) => Err(KickError::UnknownPlayer),
            (Some(_), Some(_)) => Err(KickError::AmbiguousPlayer),
        }
    }
}
