//! Launchers: what each may say, and when.

use std::{net::IpAddr, time::Duration};

use protocol::{
    EnrollmentSecret, FromLauncher, Goodbye, Hello, ServerEvents, Text, ToLauncher, negotiate,
};

use super::{
    Effect, LauncherKey, LinkId, Lobby, Query,
    limits::{Taken, TokenBucket},
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
    /// It is enrolled, under this name.
    Enrolled { name: Text<64> },
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
        if launcher.messages.take(self.now.running) == Taken::FarBeyond {
            return self.violation(link, "far too many messages");
        }
        self.hear_launcher(link, message);
    }

    /// What a launcher says counts as its state has it.
    fn hear_launcher(&mut self, link: LinkId, message: FromLauncher) {
        let Some(launcher) = self.launchers.get_mut(&link) else { return };
        match (&mut launcher.state, message) {
            (State::Connected, FromLauncher::Hello(hello)) => self.look_up(link, &hello),
            (State::Connected, _) => self.violation(link, "the first message is Hello"),
            (_, FromLauncher::Hello(_)) => self.violation(link, "Hello is said once"),
            (State::Unknown { early, .. }, message) if early.len() < MAX_EARLY => {
                early.push(message);
            }
            (State::Unknown { .. }, _) => self.violation(link, "wait for the welcome"),
            (State::Stranger { .. }, message) => self.stranger_says(link, message),
            (State::Enrolled { .. }, message) => self.enrolled_says(link, message),
        }
    }

    pub(super) fn launcher_gone(&mut self, link: LinkId) {
        let Some(launcher) = self.launchers.remove(&link) else { return };
        if let State::Enrolled { name } = &launcher.state {
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
    pub(super) fn launcher_known(&mut self, link: LinkId, key: LauncherKey, name: Text<64>) {
        // A name enrolled anew has one key: the new one.
        for earlier in self.servers.earlier_keys(&name, key) {
            self.revoked(earlier);
        }
        let Some(launcher) = self.launchers.get_mut(&link) else { return };
        let from = launcher.from;
        let enrolled = State::Enrolled { name: name.clone() };
        let before = std::mem::replace(&mut launcher.state, enrolled);
        // Its servers are not lost: the newer connection speaks for them from now on.
        if let Some(older) = self.enrolled.insert(key, link) {
            self.goodbye(older, Goodbye::TakenOver);
        }
        self.servers.connected(key, name.clone(), self.now.running);
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
        self.announce(events);
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
    }

    fn stranger_says(&mut self, link: LinkId, message: FromLauncher) {
        match message {
            FromLauncher::Enroll { secret } => self.enroll(link, secret),
            FromLauncher::Ping { nonce } => self.pong(link, nonce),
            FromLauncher::Pong { .. } => {}
            FromLauncher::Hello(_)
            | FromLauncher::Servers(_)
            | FromLauncher::Reachable(_)
            | FromLauncher::Admitted { .. }
            | FromLauncher::Said { .. } => self.goodbye(link, Goodbye::NotEnrolled),
        }
    }

    fn enrolled_says(&mut self, link: LinkId, message: FromLauncher) {
        match message {
            FromLauncher::Hello(_) => {}
            FromLauncher::Enroll { .. } => self.confirm_enrollment(link),
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
        }
    }

    fn enroll(&mut self, link: LinkId, secret: EnrollmentSecret) {
        let key = self.launchers.get(&link).and_then(|launcher| launcher.key);
        let Some(key) = key else { return };
        if self.waiting.of(Asker::Link(link)) > 0 {
            return self.violation(link, "one enrolment at a time");
        }
        self.ask(Asker::Link(link), What::Enrollment { key }, Query::Enroll { secret, key });
    }

    /// It was enrolled already, and perhaps has lost the answer.
    fn confirm_enrollment(&mut self, link: LinkId) {
        if let Some(LauncherLink { state: State::Enrolled { name }, .. }) =
            self.launchers.get(&link)
        {
            let enrolled = ToLauncher::Enrolled { name: name.clone() };
            self.effects.push(Effect::ToLauncher(link, enrolled));
        }
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
        self.announce(reported.events);
    }

    fn pong(&mut self, link: LinkId, nonce: u64) {
        self.effects.push(Effect::ToLauncher(link, ToLauncher::Pong { nonce }));
    }
}

/// Most messages of a launcher kept while the store is asked who it is: a few, of 4 KiB each.
const MAX_EARLY: usize = 8;
