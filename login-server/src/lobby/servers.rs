//! The list of game servers: what launchers report, and what watchers were shown of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use protocol::{List, Reachable, ServerEvent, ServerEvents, ServerId, ServerState, Text};

use super::{
    LauncherKey,
    limits::{Rate, Taken, TokenBucket},
    server_ids::OwnId,
    view::View,
};

/// Most servers of one launcher, whatever its operator allows. Further ones are refused.
pub(super) const MAX_SERVERS_PER_LAUNCHER: usize = 64;

/// Most events that describe the whole list, some 2 MiB at the very most: a snapshot has to fit
/// into the outgoing queue of a watcher. What is beyond is left out until it is reported again.
pub(super) const MAX_SIZE: usize = 16 * 1024;

/// Most of these events that describe servers of one launcher: nobody fills the list alone.
pub(super) const MAX_SIZE_OF_LAUNCHER: usize = MAX_SIZE / 4;

/// Events about the servers of one launcher that watchers are told: all of them when it comes, then
/// more than 64 games need. What is beyond is told later, as far as it is still so.
const CHANGES: Rate = Rate { burst: MAX_SIZE_OF_LAUNCHER as u32, per_second: 200 };

/// Every game server there is.
///
/// Reports are collected per launcher, and what is shown follows them by comparison: a report that
/// says nothing new costs watchers nothing, and a launcher that was away and lists its servers
/// again does not make them flicker.
///
/// What is reported goes by the launchers' own ids, what is shown by the public ones.
#[derive(Debug, Default)]
pub struct ServerList {
    launchers: BTreeMap<LauncherKey, Launcher>,
    shown: BTreeMap<ServerId, Shown>,
    size: usize,
}

/// What became of a report.
#[derive(Debug, Default)]
pub(super) struct Reported {
    /// For watchers.
    pub(super) events: Vec<ServerEvent>,
    /// Facts there was no room for.
    pub(super) left_out: u32,
    /// Servers that are refused from now on, and how many there may be.
    pub(super) refused: Vec<(OwnId, u32)>,
}

/// The first report of a connection was not the whole list.
#[derive(Debug)]
pub(super) struct NotFresh;

#[derive(Debug)]
struct Launcher {
    name: Text<64>,
    state: Listing,
    /// Most servers it may have.
    most: usize,
    /// Servers that are too many, as it was told: no more of them than it may have at all.
    refused: BTreeSet<OwnId>,
    servers: BTreeMap<OwnId, View>,
    places: BTreeMap<OwnId, Reachable>,
    /// Events that describe what is shown of it.
    size: usize,
    changes: TokenBucket,
    /// Servers that may be shown otherwise than they were reported.
    unpublished: BTreeSet<OwnId>,
}

#[derive(Debug)]
enum Listing {
    /// Gone. Its servers are shown as unreachable.
    Lost { since: Duration },
    /// On a new connection, and nothing was reported there yet.
    Awaited { since: Duration },
    /// Lists its servers anew, in several messages. Nothing is shown of it before the last.
    Begun { since: Duration, servers: BTreeMap<OwnId, View> },
    /// What it reports is shown.
    Complete,
}

#[derive(Debug)]
struct Shown {
    launcher: LauncherKey,
    own: OwnId,
    view: View,
    /// When the log was last told that a player does not reach it.
    warned: Option<Duration>,
}

impl ServerList {
    /// Every server that is shown, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (ServerId, LauncherKey, &View)> {
        self.shown.iter().map(|(server, shown)| (*server, shown.launcher, &shown.view))
    }

    /// The server with this id, and whose it is.
    pub fn get(&self, server: ServerId) -> Option<(LauncherKey, &View)> {
        self.shown.get(&server).map(|shown| (shown.launcher, &shown.view))
    }

    /// Whose server this is, and how its launcher names it.
    pub(super) fn origin(&self, server: ServerId) -> Option<(LauncherKey, OwnId)> {
        self.shown.get(&server).map(|shown| (shown.launcher, shown.own))
    }

    /// Where players find a server, if its launcher has said so.
    pub(super) fn place(&self, server: ServerId) -> Option<&Reachable> {
        let shown = self.shown.get(&server)?;
        self.launchers.get(&shown.launcher)?.places.get(&shown.own)
    }

    /// Whether the log has to be told that a player does not reach this server: players cause it as
    /// often as they like, so only once in a while.
    pub(super) fn may_warn(&mut self, server: ServerId, now: Duration) -> bool {
        let Some(shown) = self.shown.get_mut(&server) else { return false };
        let may = shown.warned.is_none_or(|before| now.saturating_sub(before) >= WARNING_INTERVAL);
        if may {
            shown.warned = Some(now);
        }
        may
    }

    /// The whole list, as messages for who knows nothing of it.
    pub(super) fn snapshot(&self) -> Vec<ServerEvents> {
        let events = self.shown.iter().flat_map(|(server, shown)| shown.view.describe(*server));
        messages(true, events.collect())
    }

    /// How many servers of a launcher are shown, and how many were refused.
    pub fn count_of(&self, key: LauncherKey) -> (usize, usize) {
        let shown = self.shown.values().filter(|shown| shown.launcher == key).count();
        (shown, self.launchers.get(&key).map_or(0, |launcher| launcher.refused.len()))
    }

    /// A launcher has a new connection: its next report has to be the whole list. Of its servers
    /// as many are shown as its operator allows.
    pub(super) fn connected(
        &mut self,
        key: LauncherKey,
        name: Text<64>,
        allowed: Option<u32>,
        now: Duration,
    ) {
        let allowed = allowed.and_then(|most| usize::try_from(most).ok());
        let most = allowed.unwrap_or(MAX_SERVERS_PER_LAUNCHER).min(MAX_SERVERS_PER_LAUNCHER);
        let launcher = self.launchers.entry(key).or_insert_with(|| Launcher {
            name,
            state: Listing::Awaited { since: now },
            most,
            refused: BTreeSet::new(),
            servers: BTreeMap::new(),
            places: BTreeMap::new(),
            size: 0,
            changes: TokenBucket::new(CHANGES, now),
            unpublished: BTreeSet::new(),
        });
        launcher.most = most;
        if !matches!(launcher.state, Listing::Lost { .. }) {
            launcher.state = Listing::Awaited { since: now };
        }
    }

    /// Keys that a launcher with this name has had before `key`.
    pub(super) fn earlier_keys(&self, name: &str, key: LauncherKey) -> Vec<LauncherKey> {
        let named = self.launchers.iter().filter(|(_, l)| l.name.eq_ignore_ascii_case(name));
        named.map(|(other, _)| *other).filter(|other| *other != key).collect()
    }

    /// A launcher is gone: its servers stay for a while, and nobody knows how they are.
    pub(super) fn lost(&mut self, key: LauncherKey, now: Duration) -> Vec<ServerEvent> {
        let Some(launcher) = self.launchers.get_mut(&key) else { return Vec::new() };
        launcher.state = Listing::Lost { since: now };
        let servers: Vec<_> = launcher.servers.keys().copied().collect();
        let mut reported = Reported::default();
        servers.iter().for_each(|own| self.publish(key, *own, &mut reported));
        reported.events
    }

    /// A launcher is gone for good.
    pub(super) fn forget(&mut self, key: LauncherKey) -> Vec<ServerEvent> {
        let Some(launcher) = self.launchers.remove(&key) else { return Vec::new() };
        let mut events = Vec::new();
        launcher.servers.keys().for_each(|own| self.hide(key, *own, &mut events));
        events
    }

    /// What a launcher reports.
    pub(super) fn report(
        &mut self,
        key: LauncherKey,
        report: ServerEvents,
        now: Duration,
    ) -> Result<Reported, NotFresh> {
        let launcher = self.launchers.get_mut(&key).ok_or(NotFresh)?;
        let last = report.events.len() < FULL;
        if report.fresh {
            launcher.state = Listing::Begun { since: now, servers: BTreeMap::new() };
            launcher.refused.clear();
        }
        let most = launcher.most;
        let (servers, complete) = match &mut launcher.state {
            Listing::Lost { .. } | Listing::Awaited { .. } => return Err(NotFresh),
            Listing::Begun { servers, .. } => (servers, false),
            Listing::Complete => (&mut launcher.servers, true),
        };
        let mut reported = Reported::default();
        let mut touched = BTreeSet::new();
        for event in report.events {
            let own = id(&event);
            match collect(servers, most, own, event) {
                Ok(()) => {}
                Err(LeftOut::Fact) => reported.left_out += 1,
                Err(LeftOut::Server) => {
                    let is_room = launcher.refused.len() < MAX_SERVERS_PER_LAUNCHER;
                    if is_room && launcher.refused.insert(own) {
                        let most = u32::try_from(most).unwrap_or(u32::MAX);
                        reported.refused.push((own, most));
                    }
                }
            }
            touched.insert(own);
        }
        if complete {
            launcher.unpublished.append(&mut touched);
        } else if last {
            self.complete(key);
        }
        self.publish_some(key, now, &mut reported);
        Ok(reported)
    }

    /// Where players find a server of this launcher. Says whether there was room for it.
    pub(super) fn reachable(&mut self, key: LauncherKey, reachable: Reachable) -> bool {
        let Some(launcher) = self.launchers.get_mut(&key) else { return false };
        let (own, places) = (OwnId(reachable.server), &mut launcher.places);
        if places.len() >= MAX_SERVERS_PER_LAUNCHER && !places.contains_key(&own) {
            places.retain(|own, _| launcher.servers.contains_key(own));
        }
        if places.len() >= MAX_SERVERS_PER_LAUNCHER && !places.contains_key(&own) {
            return false;
        }
        places.insert(own, reachable);
        true
    }

    /// Lets time pass. Says also which launchers are gone for good.
    pub(super) fn tick(
        &mut self,
        now: Duration,
        grace: Duration,
    ) -> (Vec<ServerEvent>, Vec<LauncherKey>) {
        let (mut events, mut forgotten) = (Vec::new(), Vec::new());
        let keys: Vec<_> = self.launchers.keys().copied().collect();
        for key in keys {
            let Some(launcher) = self.launchers.get(&key) else { continue };
            let over = |since: Duration, limit| now.saturating_sub(since) >= limit;
            match launcher.state {
                Listing::Lost { since } if over(since, grace) => {
                    events.extend(self.forget(key));
                    forgotten.push(key);
                }
                Listing::Awaited { since } if over(since, LISTING_TIMEOUT) => {
                    events.extend(self.lost(key, now));
                }
                Listing::Begun { since, .. } if over(since, LISTING_TIMEOUT) => {
                    self.complete(key);
                }
                Listing::Lost { .. }
                | Listing::Awaited { .. }
                | Listing::Begun { .. }
                | Listing::Complete => {}
            }
            let mut reported = Reported::default();
            self.publish_some(key, now, &mut reported);
            events.extend(reported.events);
        }
        (events, forgotten)
    }

    /// The list that has begun is all there is.
    fn complete(&mut self, key: LauncherKey) {
        let Some(launcher) = self.launchers.get_mut(&key) else { return };
        let Listing::Begun { servers, .. } = &mut launcher.state else { return };
        let mut listed = std::mem::take(servers);
        std::mem::swap(&mut launcher.servers, &mut listed);
        launcher.state = Listing::Complete;
        launcher.unpublished.extend(listed.keys().chain(launcher.servers.keys()));
    }

    /// Shows what a launcher has reported, as far as its rate goes.
    fn publish_some(&mut self, key: LauncherKey, now: Duration, reported: &mut Reported) {
        while let Some(launcher) = self.launchers.get_mut(&key)
            && launcher.changes.take_many(0, now) == Taken::Within
            && let Some(own) = launcher.unpublished.pop_first()
        {
            let before = reported.events.len();
            self.publish(key, own, reported);
            let told = u32::try_from(reported.events.len() - before).unwrap_or(u32::MAX);
            if let Some(launcher) = self.launchers.get_mut(&key) {
                launcher.changes.take_many(told, now);
            }
        }
    }

    /// Shows a server as it was reported.
    fn publish(&mut self, key: LauncherKey, own: OwnId, reported: &mut Reported) {
        let Some(launcher) = self.launchers.get_mut(&key) else { return };
        let Some(view) = launcher.servers.get(&own) else {
            return self.hide(key, own, &mut reported.events);
        };
        let unreachable = matches!(launcher.state, Listing::Lost { .. });
        let unreachable = unreachable.then(|| view.in_state(ServerState::Unreachable));
        let target = unreachable.as_ref().unwrap_or(view);
        let is_full =
            |all: usize, of_launcher| all >= MAX_SIZE || of_launcher >= MAX_SIZE_OF_LAUNCHER;
        let server = own.public(key);
        if !self.shown.contains_key(&server) {
            if is_full(self.size, launcher.size) {
                reported.left_out += 1;
                return;
            }
            self.size += 1;
            launcher.size += 1;
            self.shown
                .insert(server, Shown { launcher: key, own, view: View::default(), warned: None });
            reported.events.push(ServerEvent::Appeared { server });
        }
        // Two servers have one id only after more hashes than anybody computes for it. Then the
        // one that is shown stays as it is.
        let is_this = |shown: &&mut Shown| (shown.launcher, shown.own) == (key, own);
        let Some(shown) = self.shown.get_mut(&server).filter(is_this) else { return };
        for change in shown.view.changes_to(target) {
            if is_full(self.size, launcher.size) && shown.view.grows_with(&change) {
                reported.left_out += 1;
                continue;
            }
            let before = shown.view.size();
            shown.view.apply(&change);
            self.size = self.size - before + shown.view.size();
            launcher.size = launcher.size - before + shown.view.size();
            reported.events.push(ServerEvent::Changed { server, change });
        }
    }

    fn hide(&mut self, key: LauncherKey, own: OwnId, events: &mut Vec<ServerEvent>) {
        let server = own.public(key);
        if self.origin(server) == Some((key, own))
            && let Some(shown) = self.shown.remove(&server)
        {
            self.size -= shown.view.size();
            if let Some(launcher) = self.launchers.get_mut(&key) {
                launcher.size -= shown.view.size();
            }
            events.push(ServerEvent::Disappeared { server });
        }
    }
}

/// `events` in as few messages as may be; at least one when `fresh`.
pub(super) fn messages(fresh: bool, events: Vec<ServerEvent>) -> Vec<ServerEvents> {
    let mut messages = Vec::new();
    let mut events = events.into_iter().peekable();
    while events.peek().is_some() || (fresh && messages.is_empty()) {
        let fresh = fresh && messages.is_empty();
        messages.push(ServerEvents { fresh, events: List::first_of(events.by_ref().take(FULL)) });
    }
    messages
}

enum LeftOut {
    /// There are as many servers as there may be.
    Server,
    /// Nothing else is known of the server, or too much.
    Fact,
}

/// Adds what is reported of one server to what was reported of it before.
fn collect(
    servers: &mut BTreeMap<OwnId, View>,
    most: usize,
    own: OwnId,
    event: ServerEvent,
) -> Result<(), LeftOut> {
    match event {
        ServerEvent::Appeared { .. } => {
            if servers.len() >= most && !servers.contains_key(&own) {
                return Err(LeftOut::Server);
            }
            servers.insert(own, View::default());
        }
        ServerEvent::Changed { change, .. } => {
            let view = servers.get_mut(&own).ok_or(LeftOut::Fact)?;
            if !view.apply(&change) {
                return Err(LeftOut::Fact);
            }
        }
        ServerEvent::Disappeared { .. } => {
            servers.remove(&own);
        }
    }
    Ok(())
}

/// Which of its servers a launcher means.
fn id(event: &ServerEvent) -> OwnId {
    match event {
        ServerEvent::Appeared { server }
        | ServerEvent::Changed { server, .. }
        | ServerEvent::Disappeared { server } => OwnId(*server),
    }
}

/// Events in one message. A report with fewer is the last one of a list.
const FULL: usize = 256;

/// Time between two warnings of one server.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// Longest a launcher may take to list its servers on a new connection, in all its messages.
const LISTING_TIMEOUT: Duration = Duration::from_secs(5);
