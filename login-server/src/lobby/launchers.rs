//! Launchers: what each may say, and when.

use std::{net::IpAddr, time::Duration};

use accounts::LauncherLimits;
use protocol::{
    EnrollmentSecret, FromLauncher, Goodbye, Hello, LauncherRefusal, ServerEvents, Text,
    ToLauncher, encoded_len, negotiate,
};

use super::{
    Effect, LauncherKey, LinkId, Lobby, Query,
    launcher_rules::{LauncherVerdict, Standing, launcher_rule},
    limits::{Taken, TokenBucket},
    progress::Played,
    pulse::Pulse,
    server_ids::OwnId,
    sessions::Asker,
    waiting::What,
};

/// A connection of a launcher.
#[derive(Debug)]
pub(super) struct LauncherLink {
    pub(super) from: IpAddr,
    /// Since it was greeted.
    pub(super) pulse: Option<Pulse>,
    /// The one it has proved to have.
    pub(super) key: Option<LauncherKey>,
    state: State,
    messages: TokenBucket,
    /// The log says already that not all of its servers are shown.
    left_out: bool,
}

/// How far it has come.
#[derive(Debug)]
enum State {
    /// It has said nothing yet.
    Connected,
    /// It is not known yet whether it is enrolled. What it says before the welcome is kept.
    Unknown { version: u16, early: Vec<FromLauncher> },
    /// It is not enrolled, and may enrol.
    Stranger { since: Duration },
    /// It is enrolled, under this name, and may do so much.
    Enrolled { name: Text<64>, limits: LauncherLimits },
}

impl State {
    fn standing(&self) -> Standing {
        match self {
            Self::Connected => Standing::Connected,
            Self::Unknown { .. } => Standing::Unknown,
            Self::Stranger { .. } => Standing::Stranger,
            Self::Enrolled { .. } => Standing::Enrolled,
        }
    }
}

impl LauncherLink {
    /// Whether it should have enrolled by now.
    pub(super) fn is_late(&self, now: Duration, limit: Duration) -> bool {
        match self.state {
            State::Stranger { since } => now.saturating_sub(since) >= limit,
            State::Connected | State::Unknown { .. } | State::Enrolled { .. } => false,
        }
    }
}

impl Lobby {
    pub(super) fn launcher_connected(
        &mut self,
        link: LinkId,
        from: IpAddr,
        key: Option<LauncherKey>,
    ) {
        let messages = TokenBucket::new(self.limits.launcher_messages, self.now.running);
        let state = State::Connected;
        let launcher = LauncherLink { from, pulse: None, key, state, messages, left_out: false };
        self.launchers.insert(link, launcher);
    }

    pub(super) fn launcher_says(&mut self, link: LinkId, message: FromLauncher) {
        let Some(launcher) = self.launchers.get_mut(&link) else { return };
        launcher.pulse.as_mut().into_iter().for_each(Pulse::heard);
        let rule = launcher_rule(message.kind());
        if launcher.messages.take_many(rule.cost, self.now.running) == Taken::FarBeyond {
            return self.violation(link, "far too many messages");
        }
        if encoded_len(&message) > rule.max_bytes {
            return self.violation(link, "a message longer than any of its kind");
        }
        self.hear_launcher(link, message);
    }

    /// What a launcher says counts as its state has it.
    fn hear_launcher(&mut self, link: LinkId, message: FromLauncher) {
        let Some(launcher) = self.launchers.get_mut(&link) else { return };
        match launcher_rule(message.kind()).judge(launcher.state.standing()) {
            LauncherVerdict::Allowed => self.launcher_may_say(link, message),
            LauncherVerdict::Violation(what) => self.violation(link, what),
            LauncherVerdict::NotEnrolled => self.goodbye(link, Goodbye::NotEnrolled),
            LauncherVerdict::Kept => match &mut launcher.state {
                State::Unknown { early, .. } if early.len() < MAX_EARLY => early.push(message),
                _ => self.violation(link, "wait for the welcome"),
            },
        }
    }

    pub(super) fn launcher_gone(&mut self, link: LinkId) {
        let Some(launcher) = self.launchers.remove(&link) else { return };
        if let State::Enrolled { name, .. } = &launcher.state {
            tracing::info!(link = link.0, %name, "a launcher is gone");
        }
        if let Some(key) = launcher.key.filter(|key| self.enrolled.get(key) == Some(&link)) {
            self.enrolled.remove(&key);
            let events = self.servers.lost(key, self.now.running);
            self.announce(events);
        }
        self.cancel_admissions_by(link);
    }

    /// The store knows this launcher. An older connection with the same key has to go.
    pub(super) fn launcher_known(
        &mut self,
        link: LinkId,
        key: LauncherKey,
        name: Text<64>,
        limits: LauncherLimits,
    ) {
        // A name enrolled anew has one key: the new one.
        for earlier in self.servers.earlier_keys(&name, key) {
            self.revoked(earlier);
        }
        let Some(launcher) = self.launchers.get_mut(&link) else { return };
        let from = launcher.from;
        let enrolled = State::Enrolled { name: name.clone(), limits };
        let before = std::mem::replace(&mut launcher.state, enrolled);
        // Its servers are not lost: the newer connection speaks for them from now on.
        if let Some(older) = self.enrolled.insert(key, link) {
            self.goodbye(older, Goodbye::TakenOver);
        }
        self.servers.connected(key, name.clone(), limits.max_servers, self.now.running);
        tracing::info!(link = link.0, %from, %name, "a launcher is here");
        self.effects.push(Effect::Trust(link));
        let early = match before {
            State::Unknown { version, early } => {
                self.welcome_launcher(link, version);
                early
            }
            State::Connected | State::Stranger { .. } | State::Enrolled { .. } => Vec::new(),
        };
        self.effects.push(Effect::ToLauncher(link, ToLauncher::Enrolled { name }));
        self.send_ticket_keys(link);
        early.into_iter().for_each(|message| self.hear_launcher(link, message));
    }

    /// No enrolled launcher has this key.
    pub(super) fn launcher_unknown(&mut self, link: LinkId) {
        let Some(launcher) = self.launchers.get_mut(&link) else { return };
        let stranger = State::Stranger { since: self.now.running };
        if let State::Unknown { version, early } = std::mem::replace(&mut launcher.state, stranger)
        {
            self.welcome_launcher(link, version);
            early.into_iter().for_each(|message| self.hear_launcher(link, message));
        }
    }

    pub(super) fn revoked(&mut self, key: LauncherKey) {
        self.enrolled.remove(&key);
        // Also who is not known yet: the store may have said so just before.
        let links = self.launchers.iter().filter(|(_, launcher)| launcher.key == Some(key));
        let links: Vec<_> = links.map(|(link, _)| *link).collect();
        links.into_iter().for_each(|link| self.goodbye(link, Goodbye::Revoked));
        let events = self.servers.forget(key);
        self.tickets.forget_launcher(key);
        self.announce(events);
    }

    /// What a launcher may do has changed: it lists its servers anew on a new connection, and is held
    /// to it there.
    pub(super) fn launcher_limited(&mut self, key: LauncherKey) {
        if let Some(link) = self.enrolled.get(&key) {
            self.goodbye(*link, Goodbye::ComeBack { after_ms: COME_BACK_MS });
        }
    }

    /// What an operator allows the launcher on this connection; nothing where none is enrolled.
    pub(super) fn launcher_limits(&self, link: LinkId) -> Option<LauncherLimits> {
        match self.launchers.get(&link)?.state {
            State::Enrolled { limits, .. } => Some(limits),
            State::Connected | State::Unknown { .. } | State::Stranger { .. } => None,
        }
    }

    /// The name of an enrolled launcher.
    pub(super) fn launcher_name(&self, link: LinkId) -> Option<Text<64>> {
        match &self.launchers.get(&link)?.state {
            State::Enrolled { name, .. } => Some(name.clone()),
            State::Connected | State::Unknown { .. } | State::Stranger { .. } => None,
        }
    }

    /// Whether the launcher with this key is connected.
    pub fn is_connected(&self, key: LauncherKey) -> bool {
        self.enrolled.contains_key(&key)
    }

    fn look_up(&mut self, link: LinkId, hello: &Hello) {
        let version = match negotiate(hello) {
            Ok(version) => version,
            Err(goodbye) => return self.goodbye(link, goodbye),
        };
        let Some(launcher) = self.launchers.get_mut(&link) else { return };
        let Some(key) = launcher.key else { return self.goodbye(link, Goodbye::NotEnrolled) };
        launcher.state = State::Unknown { version, early: Vec::new() };
        if self.waiting.len() >= self.limits.waiting {
            return self.goodbye(link, Goodbye::Busy { retry_after_ms: 1000 });
        }
        self.ask(Asker::Link(link), What::Launcher { key }, Query::FindLauncher { key });
    }

    fn welcome_launcher(&mut self, link: LinkId, version: u16) {
        if let Some(launcher) = self.launchers.get_mut(&link) {
            launcher.pulse = Some(Pulse::new(self.now.running));
        }
        let welcome = ToLauncher::Welcome(self.welcome(version));
        self.effects.push(Effect::ToLauncher(link, welcome));
        if let Some(pin) = self.next_key {
            self.effects.push(Effect::ToLauncher(link, ToLauncher::NextKey { pin }));
        }
    }

    pub(super) fn welcomed_launchers(&self) -> Vec<LinkId> {
        let welcomed = |launcher: &LauncherLink| match launcher.state {
            State::Connected | State::Unknown { .. } => false,
            State::Stranger { .. } | State::Enrolled { .. } => true,
        };
        let links = self.launchers.iter().filter(|(_, launcher)| welcomed(launcher));
        links.map(|(link, _)| *link).collect()
    }

    fn launcher_may_say(&mut self, link: LinkId, message: FromLauncher) {
        match message {
            FromLauncher::Hello(hello) => self.look_up(link, &hello),
            FromLauncher::Enroll { secret } => self.enroll(link, secret),
            FromLauncher::Servers(report) => self.reported(link, report),
            FromLauncher::Reachable(reachable) => {
                let key = self.launchers.get(&link).and_then(|launcher| launcher.key);
                if key.is_some_and(|key| !self.servers.reachable(key, reachable)) {
                    tracing::debug!(link = link.0, "a launcher has too many servers");
                }
            }
            FromLauncher::Admitted { request, admission } => {
                self.admitted(link, request, admission);
            }
            FromLauncher::Said { server, name, text } => {
                self.said_in_game(link, OwnId(server), name, text);
            }
            FromLauncher::Ping { nonce } => self.pong(link, nonce),
            FromLauncher::Pong { .. } => {}
            FromLauncher::Arrived { ticket, player } => self.arrived(link, &ticket, player),
            FromLauncher::Left { ticket } => self.left(link, ticket),
            FromLauncher::Played { request, ticket, id, started, ended, won, xp } => {
                let played = Played { id, started, ended, won, xp };
                self.played(link, request, ticket, played);
            }
        }
    }

    fn enroll(&mut self, link: LinkId, secret: EnrollmentSecret) {
        let Some(launcher) = self.launchers.get(&link) else { return };
        if let State::Enrolled { name, .. } = &launcher.state {
            // It was before, and has perhaps lost the answer.
            let enrolled = ToLauncher::Enrolled { name: name.clone() };
            return self.effects.push(Effect::ToLauncher(link, enrolled));
        }
        let Some(key) = launcher.key else { return };
        if self.waiting.of(Asker::Link(link)) > 0 {
            return self.violation(link, "one enrolment at a time");
        }
        self.ask(Asker::Link(link), What::Enrollment { key }, Query::Enroll { secret, key });
    }

    fn reported(&mut self, link: LinkId, report: ServerEvents) {
        let Some(launcher) = self.launchers.get_mut(&link) else { return };
        let Some(key) = launcher.key else { return };
        let Ok(reported) = self.servers.report(key, report, self.now.running) else {
            return self.violation(link, "the first list of servers is a fresh one");
        };
        if reported.left_out > 0 && !launcher.left_out {
            launcher.left_out = true;
            tracing::info!(
                link = link.0,
                facts = reported.left_out,
                "left out of the list: too many or unknown"
            );
        }
        for (server, most) in reported.refused {
            let refusal = LauncherRefusal::TooManyServers { server: server.0, most };
            tracing::info!(link = link.0, %refusal, "a launcher lists more servers than it may");
            self.effects.push(Effect::ToLauncher(link, ToLauncher::Refused(refusal)));
        }
        self.announce(reported.events);
    }

    fn pong(&mut self, link: LinkId, nonce: u64) {
        self.effects.push(Effect::ToLauncher(link, ToLauncher::Pong { nonce }));
    }
}

/// Most messages of a launcher kept while the store is asked who it is: a few, of 4 KiB each.
const MAX_EARLY: usize = 8;

/// When a launcher comes back that was sent away to list its servers anew.
const COME_BACK_MS: u32 = 250;
