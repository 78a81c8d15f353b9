//! Whether the other side is still there.

use std::time::Duration;

use protocol::{Goodbye, ToGameClient, ToLauncher};

use super::{Effect, Lobby, sessions::Asker};

/// When a link was heard of and asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pulse {
    asked: Duration,
    unanswered: u8,
}

/// What a link needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beat {
    Nothing,
    Ping,
    Silent,
}

impl Pulse {
    pub(super) fn new(now: Duration) -> Self {
        Self { asked: now, unanswered: 0 }
    }

    /// The other side has said something: it is there.
    pub(super) fn heard(&mut self) {
        self.unanswered = 0;
    }

    fn beat(&mut self, now: Duration, interval: Duration) -> Beat {
        if now.saturating_sub(self.asked) < interval {
            return Beat::Nothing;
        }
        if self.unanswered >= MAX_UNANSWERED {
            return Beat::Silent;
        }
        self.asked = now;
        self.unanswered += 1;
        Beat::Ping
    }
}

impl Lobby {
    /// Asks who was not heard of lately, and ends what has lasted too long.
    pub(super) fn expire_links(&mut self) {
        let (now, interval) = (self.now.running, self.limits.ping_interval);
        let mut ended = Vec::new();
        for (link, client) in &mut self.clients {
            if client.is_late(now, self.limits.login_timeout)
                && self.waiting.of(Asker::Link(*link)) == 0
            {
                ended.push((*link, Goodbye::Silent));
                continue;
            }
            match client.pulse.as_mut().map_or(Beat::Nothing, |pulse| pulse.beat(now, interval)) {
                Beat::Nothing => {}
                Beat::Silent => ended.push((*link, Goodbye::Silent)),
                Beat::Ping => {
                    self.pings += 1;
                    let ping = ToGameClient::Ping { nonce: self.pings };
                    self.effects.push(Effect::ToClient(*link, ping));
                }
            }
        }
        let interval = self.limits.launcher_ping_interval;
        for (link, launcher) in &mut self.launchers {
            let limit = self.limits.enrollment_timeout;
            if launcher.is_late(now, limit) && self.waiting.of(Asker::Link(*link)) == 0 {
                ended.push((*link, Goodbye::NotEnrolled));
                continue;
            }
            match launcher.pulse.as_mut().map_or(Beat::Nothing, |pulse| pulse.beat(now, interval)) {
                Beat::Nothing => {}
                Beat::Silent => ended.push((*link, Goodbye::Silent)),
                Beat::Ping => {
                    self.pings += 1;
                    let ping = ToLauncher::Ping { nonce: self.pings };
                    self.effects.push(Effect::ToLauncher(*link, ping));
                }
            }
        }
        ended.into_iter().for_each(|(link, goodbye)| self.goodbye(link, goodbye));
    }
}

/// Pings without an answer, and without any other message.
const MAX_UNANSWERED: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_pings_without_any_message_are_silence() {
        let second = Duration::from_secs;
        let mut pulse = Pulse::new(second(0));
        let mut beat = |s| pulse.beat(second(s), second(15));
        assert_eq!(beat(14), Beat::Nothing);
        assert_eq!(beat(15), Beat::Ping);
        assert_eq!(beat(16), Beat::Nothing);
        assert_eq!(beat(30), Beat::Ping);
        assert_eq!(beat(44), Beat::Nothing);
        assert_eq!(beat(45), Beat::Silent);
        pulse.heard();
        assert_eq!(pulse.beat(second(45), second(15)), Beat::Ping);
    }
}
