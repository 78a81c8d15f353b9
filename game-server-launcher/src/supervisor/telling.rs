//! What the login server is told, cut into messages that are short enough.

use protocol::{FromLauncher, List, Reachable, ServerChange, ServerEvent, ServerEvents, ServerId};

use super::server::Server;

/// Changes of one server.
pub(super) fn changes(
    server: ServerId,
    changes: Vec<ServerChange>,
) -> impl Iterator<Item = FromLauncher> {
    let mut changes = changes.into_iter().peekable();
    std::iter::from_fn(move || {
        changes.peek()?;
        let events = changes.by_ref().take(MAX_EVENTS);
        let events = events.map(|change| ServerEvent::Changed { server, change });
        Some(FromLauncher::Servers(ServerEvents { fresh: false, events: List::first_of(events) }))
    })
}

/// All servers there are, in place of those known before.
pub(super) fn everything<'a>(
    servers: impl Iterator<Item = &'a Server>,
) -> impl Iterator<Item = FromLauncher> {
    let mut events = Vec::new();
    for server in servers {
        let Some(id) = server.id() else { continue };
        events.push(ServerEvent::Appeared { server: id });
        let changes = server.listing().snapshot().into_iter();
        events.extend(changes.map(|change| ServerEvent::Changed { server: id, change }));
    }
    let mut events = events.into_iter().peekable();
    let mut fresh = true;
    std::iter::from_fn(move || {
        // No servers at all is news too.
        if events.peek().is_none() && !fresh {
            return None;
        }
        let list = List::first_of(events.by_ref().take(MAX_EVENTS));
        let message = FromLauncher::Servers(ServerEvents { fresh, events: list });
        fresh = false;
        Some(message)
    })
}

/// Where players find a server. `None`: not known.
pub(super) fn reachable(server: &Server) -> Option<FromLauncher> {
    let (id, config, port) = (server.id()?, server.config()?, server.port()?);
    let addresses = List::first_of(config.advertise.iter().copied());
    Some(FromLauncher::Reachable(Reachable { server: id, addresses, port }))
}

/// Who is in the game with a ticket.
pub(super) fn players(server: &Server) -> impl Iterator<Item = FromLauncher> {
    // Of a server that is not wanted nobody is told.
    let players = server.id().into_iter().flat_map(|_| server.players());
    players.map(|(ticket, player)| FromLauncher::Arrived { ticket: ticket.clone(), player })
}

/// What one message may hold.
const MAX_EVENTS: usize = 256;
