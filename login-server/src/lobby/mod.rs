//! Who is here, what they may do, and who has to hear of it.
//!
//! A data structure: events in, effects out. No sockets, no clock, no randomness, no waiting; so it
//! can be tested with tables and simulated by the million steps. Who uses it owes it two things:
//! to carry out every effect, in order, and a [`Event::Tick`] about twice a second.
//!
//! What is absent, on purpose: an effect for a link that is gone. After `Effect::Goodbye` or
//! `Event::Disconnected` the lobby does not know the link any more, and ignores what it still says.

mod address;
mod chat;
mod clients;
mod event;
mod guests;
mod joining;
mod launcher_rules;
mod launchers;
mod limits;
mod moderation;
mod operator;
mod progress;
mod pulse;
mod queue;
mod rules;
mod server_ids;
mod servers;
mod sessions;
mod stream;
mod tasks;
#[cfg(test)]
mod tests;
mod tickets;
mod view;
mod waiting;

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    time::Duration,
};

use protocol::{BootId, Goodbye, KeyPin, ServerEvent, ServerId, ToGameClient, ToLauncher};

pub use self::{
    address::reachable_address,
    event::{
        Answer, Effect, Event, KnownSession, LauncherKey, LinkId, Mute, Now, Query, SessionId,
        Ticket, Whom,
    },
    guests::Guest,
    limits::{Limits, Rate},
    operator::{Census, KickError},
    progress::Played,
    servers::ServerList,
    tasks::{Owner, Task},
    tickets::{Issued, Shown, Subject, TicketOffice},
    view::View,
};
use self::{
    clients::Client,
    guests::Guests,
    joining::Admissions,
    launchers::LauncherLink,
    limits::Tally,
    queue::Queue,
    sessions::{Asker, Session, Settled},
    tickets::Tickets,
    waiting::Waiting,
};

/// Everybody and everything that is here now.
#[derive(Debug)]
pub struct Lobby {
    limits: Limits,
    boot: BootId,
    now: Now,
    /// Told to everybody who is welcomed.
    next_key: Option<KeyPin>,
    clients: BTreeMap<LinkId, Client>,
    sessions: BTreeMap<SessionId, Session>,
    /// Who has logged in, and waits for a place.
    queue: Queue,
    /// Tokens that were worth something a moment ago.
    ended: BTreeMap<[u8; 32], Duration>,
    /// Accounts of which sessions were ended a moment ago: what was asked before no longer counts.
    settled: BTreeMap<SessionId, Settled>,
    /// Guests who are not kept.
    guests: Guests,
    last_stream: u64,
    /// Which sessions have joined a server: who hears what is said there.
    joined: BTreeMap<ServerId, BTreeSet<SessionId>>,
    launchers: BTreeMap<LinkId, LauncherLink>,
    /// The one connection of each enrolled launcher.
    enrolled: BTreeMap<LauncherKey, LinkId>,
    servers: ServerList,
    waiting: Waiting,
    admissions: Admissions,
    tickets: Tickets,
    registrations: Tally,
    failed_logins: Tally,
    guest_logins: Tally,
    reports: Tally,
    pings: u64,
    effects: Vec<Effect>,
}

impl Lobby {
    /// An empty lobby. `boot` is told to everybody who connects.
    pub fn new(limits: Limits, boot: BootId, office: Box<dyn TicketOffice>, now: Now) -> Self {
        Self {
            limits,
            boot,
            now,
            next_key: None,
            clients: BTreeMap::new(),
            sessions: BTreeMap::new(),
            queue: Queue::default(),
            ended: BTreeMap::new(),
            settled: BTreeMap::new(),
            guests: Guests::new(boot),
            last_stream: 0,
            joined: BTreeMap::new(),
            launchers: BTreeMap::new(),
            enrolled: BTreeMap::new(),
            servers: ServerList::default(),
            waiting: Waiting::default(),
            admissions: Admissions::default(),
            tickets: Tickets::new(office, now.clock),
            registrations: Tally::default(),
            failed_logins: Tally::default(),
            guest_logins: Tally::default(),
            reports: Tally::default(),
            pings: 0,
            effects: Vec::new(),
        }
    }

    /// Takes in what happened, and says what is to be done now, in this order.
    pub fn apply(&mut self, event: Event, now: Now) -> Vec<Effect> {
        self.now = now;
        match event {
            Event::ClientConnected { link, from } => self.client_connected(link, from),
            Event::LauncherConnected { link, from, key } => {
                self.launcher_connected(link, from, key);
            }
            Event::FromClient { link, message } => self.client_says(link, message),
            Event::FromLauncher { link, message } => self.launcher_says(link, message),
            Event::Disconnected { link } => self.gone(link),
            Event::Answered { ticket, answer } => self.answered(ticket, answer),
            Event::Revoked { key } => self.revoked(key),
            Event::LauncherLimited { key } => self.launcher_limited(key),
            Event::TicketKeys(keys) => self.ticket_keys_changed(keys),
            Event::Banned { whom, until, reason } => self.banned(&whom, until, &reason),
            Event::Muted { whom, mute } => self.muted(&whom, mute),
            Event::SessionsEnded { account, number } => self.sessions_ended(account, number),
            Event::RoleGiven { account, permissions } => self.role_given(account, permissions),
            Event::NextKey { next } => self.next_key(next),
            Event::Tick => self.tick(),
            Event::ShuttingDown => self.shut_down(),
        }
        mem::take(&mut self.effects)
    }

    /// The list of servers, as watchers see it.
    pub fn servers(&self) -> &ServerList {
        &self.servers
    }

    fn tick(&mut self) {
        self.expire_waiting();
        self.expire_admissions();
        self.tickets.expire(self.now.running);
        self.expire_links();
        self.expire_sessions();
        self.advance_queue();
        self.acknowledge();
        let (events, forgotten) = self.servers.tick(self.now.running, self.limits.launcher_grace);
        forgotten.into_iter().for_each(|key| self.tickets.forget_launcher(key));
        self.announce(events);
        self.registrations.tick(self.now.running);
        self.failed_logins.tick(self.now.running);
        self.guest_logins.tick(self.now.running);
        self.reports.tick(self.now.running);
    }

    fn next_key(&mut self, next: Option<KeyPin>) {
        if self.next_key == next {
            return;
        }
        self.next_key = next;
        let Some(pin) = next else { return };
        let clients = self.welcomed_clients();
        if !clients.is_empty() {
            self.effects.push(Effect::ToClients(clients, ToGameClient::NextKey { pin }));
        }
        for link in self.welcomed_launchers() {
            self.effects.push(Effect::ToLauncher(link, ToLauncher::NextKey { pin }));
        }
    }

    fn shut_down(&mut self) {
        // Launchers come back first: players look for their servers. They are told last, so that
        // nobody hears of servers that are gone.
        let mut times = come_back();
        let mut timed =
            |links: Vec<LinkId>| links.into_iter().zip(times.by_ref()).collect::<Vec<_>>();
        let launchers = timed(self.launchers.keys().copied().collect());
        let clients = timed(self.clients.keys().copied().collect());
        for (link, after_ms) in clients.into_iter().chain(launchers) {
            self.goodbye(link, Goodbye::ComeBack { after_ms });
        }
    }

    /// Ends a connection, and what only it was there for.
    fn goodbye(&mut self, link: LinkId, goodbye: Goodbye) {
        self.effects.push(Effect::Goodbye(link, goodbye));
        self.gone(link);
    }

    fn gone(&mut self, link: LinkId) {
        self.forget_waiting(Asker::Link(link));
        self.client_gone(link);
        self.launcher_gone(link);
    }

    /// Tells watchers what is different in the list, and players whose server is gone.
    fn announce(&mut self, events: Vec<ServerEvent>) {
        let gone: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                ServerEvent::Disappeared { server } => Some(*server),
                ServerEvent::Appeared { .. } | ServerEvent::Changed { .. } => None,
            })
            .collect();
        let watchers = self.watchers();
        if !watchers.is_empty() {
            for message in servers::messages(false, events) {
                self.tell(&watchers, ToGameClient::Servers(message));
            }
        }
        gone.into_iter().for_each(|server| self.server_gone(server));
    }

    /// Says something to who is connected: as part of the conversation, if it counts there.
    fn reply(&mut self, link: LinkId, message: ToGameClient) {
        match self.session_of(link) {
            Some(session) if message.is_counted() => self.send(session, message.into()),
            _ => self.effects.push(Effect::ToClient(link, message)),
        }
    }
}

/// When each peer comes back, in milliseconds: one every 5 ms, which is less than a password takes,
/// for a minute, and then all over again.
fn come_back() -> impl Iterator<Item = u32> {
    (FIRST_COMES_BACK..LAST_COMES_BACK).step_by(5).cycle()
}

/// By then whoever starts us has noticed that we are gone.
const FIRST_COMES_BACK: u32 = 500;
const LAST_COMES_BACK: u32 = 60_000;
