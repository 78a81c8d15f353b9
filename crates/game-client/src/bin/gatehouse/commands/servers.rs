//! `servers`.

use game_client::{ListChanges, Server, ServerList};
use protocol::{ServerId, ServerState};

use crate::{
    failure::Failure,
    link::{Link, Notice, Request},
    output::{Event, Output, ServerLine, state_name},
    place::Place,
};

/// Shows the list once.
pub(super) async fn show(place: &mut Place, output: Output) -> Result<(), Failure> {
    let mut link = Link::short(place).await?;
    let list = link.servers().await?;
    link.close().await;
    if output.json {
        let mut servers = sorted(&list).into_iter();
        return servers.try_for_each(|(id, server)| line(id, server, output));
    }
    output.line(table(&list, output.colour))
}

/// Shows the list, and every change of it, without end.
pub(super) async fn watch(place: &mut Place, output: Output) -> Result<(), Failure> {
    let mut link = Link::long(place).await?;
    link.request(Request::WatchServers).await?;
    let mut list = ServerList::new();
    let mut shown = false;
    loop {
        match link.next().await? {
            Notice::Servers(events) => {
                let before = list.clone();
                let changes = list.apply(&events);
                if !shown || list != before {
                    show_changes(&before, &list, changes, output)?;
                }
                shown = true;
            }
            Notice::Said(_) | Notice::JoinedAgain(_) | Notice::Left => {}
            notice @ (Notice::ConnectionLost(_) | Notice::Reconnected) => notice.print(output)?,
        }
    }
}

fn show_changes(
    before: &ServerList,
    list: &ServerList,
    changes: ListChanges,
    output: Output,
) -> Result<(), Failure> {
    if output.terminal {
        return output.line(format_args!("{CLEAR}{}", table(list, output.colour)));
    }
    for server in changes.removed {
        let name = before.get(server).map_or_else(String::new, |server| server.title.to_string());
        match output.json {
            true => output.event(&Event::ServerRemoved { server })?,
            false => output.line(format_args!("{name}: gone"))?,
        }
    }
    for id in changes.changed {
        match list.get(id) {
            // A list that is told anew is news only where it differs.
            Some(server) if before.get(id) != Some(server) => line(id, server, output)?,
            _ => {}
        }
    }
    Ok(())
}

fn line(id: ServerId, server: &Server, output: Output) -> Result<(), Failure> {
    output.event(&Event::Server(ServerLine::new(id, server)))
}

/// By name, as people look for them.
fn sorted(list: &ServerList) -> Vec<(ServerId, &Server)> {
    let mut servers: Vec<_> = list.iter().collect();
    servers.sort_by_key(|(id, server)| (server.title.to_lowercase(), *id));
    servers
}

/// The list, with columns as wide as they have to be.
fn table(list: &ServerList, colour: bool) -> String {
    if list.is_empty() {
        return "There are no servers now.".to_owned();
    }
    let mut rows = vec![(HEADER.map(String::from), None)];
    rows.extend(sorted(list).into_iter().map(|(id, server)| (row(id, server), server.state)));
    let width = |column: usize| rows.iter().map(|(row, _)| row[column].chars().count()).max();
    let widths: [usize; COLUMNS] = std::array::from_fn(|column| width(column).unwrap_or_default());
    let mut lines = Vec::with_capacity(rows.len());
    for (number, (row, state)) in rows.iter().enumerate() {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let padded = format!("{cell:<width$}");
            let (on, off) = match (colour, number, column) {
                (true, 0, _) => (BOLD, PLAIN),
                (true, _, STATE) => (colour_of(*state), PLAIN),
                _ => ("", ""),
            };
            line.push_str(&format!("{on}{padded}{off}  "));
        }
        lines.push(line.trim_end().to_owned());
    }
    lines.join("\n")
}

fn row(id: ServerId, server: &Server) -> [String; COLUMNS] {
    let name = match server.title.is_empty() {
        true => id.to_string(),
        false => server.title.to_string(),
    };
    let date = server.details.iter().find(|(key, _)| key.as_str() == "date");
    [
        name,
        server.game.to_string(),
        state_name(server.state).to_owned(),
        format!("{}/{}", server.players.len(), server.max_players),
        server.map.to_string(),
        date.map_or_else(String::new, |(_, date)| date.to_string()),
    ]
}

fn colour_of(state: Option<ServerState>) -> &'static str {
    match state {
        Some(ServerState::Ready) => "\x1b[32m",
        Some(ServerState::Failed) => "\x1b[31m",
        Some(ServerState::Starting | ServerState::Restarting | ServerState::Stopping) => "\x1b[33m",
        Some(ServerState::Stopped | ServerState::Unreachable) | None => "\x1b[2m",
    }
}

const COLUMNS: usize = 6;
const HEADER: [&str; COLUMNS] = ["NAME", "GAME", "STATE", "PLAYERS", "MAP", "DATE"];
const STATE: usize = 2;
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";
/// To the top left, and nothing below.
const CLEAR: &str = "\x1b[H\x1b[2J";

#[cfg(test)]
mod tests {
    use protocol::{List, ServerChange, ServerEvent, ServerEvents, ServerProperty, Text};

    use super::*;

    #[test]
    fn columns_are_aligned() {
        let mut list = ServerList::new();
        for (id, title) in [(1, "Zürich"), (2, "a long name")] {
            let server = ServerId(id);
            let title = ServerChange::Property(ServerProperty::Title(Text::lossy(title)));
            let state = ServerChange::Property(ServerProperty::State(ServerState::Ready));
            list.apply(&ServerEvents {
                fresh: false,
                events: List::first_of([
                    ServerEvent::Appeared { server },
                    ServerEvent::Changed { server, change: title },
                    ServerEvent::Changed { server, change: state },
                ]),
            });
        }
        let expected = "\
            NAME         GAME  STATE  PLAYERS  MAP  DATE\n\
            a long name        ready  0/0\n\
            Zürich             ready  0/0";
        assert_eq!(table(&list, false), expected);
        assert!(table(&list, true).contains("\x1b[32mready\x1b[0m"));
        assert_eq!(table(&ServerList::new(), true), "There are no servers now.");
    }
}
