//! The life of one game process, as a state machine: events and the time in, effects out.
//!
//! ```text
//!          Start            Ready                     Stop
//!  Idle ─────────▶ Starting ─────▶ Running ───────────────────────▶ Stopping ─▶ Stopped
//!                  ▲   │ too slow     │ no sign of life                ▲
//!                  │   └──▶ Killing ◀─┘                                │ Stop, from anywhere
//!        pause over│          │ Exited                                 │
//!                  └─ Pausing ◀──── Exited, from Starting and Running too
//!                        └ too many of them ─▶ Failed
//! ```
//!
//! It knows neither processes nor clocks. There is never a second process, because `Spawn` is only
//! an effect in states without one; and never one after `Stop`.

use std::{
    collections::VecDeque,
    mem,
    time::{Duration, Instant},
};

use protocol::{ExitCause, ServerState, Text};
use serde::{Deserialize, Serialize};

/// How long a game may take for what, and how often it may crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// From its start until it is ready. Then it is killed, which counts as a crash.
    pub ready_within: Duration,
    /// Pause after the first crash; twice as long after each further one.
    pub first_pause: Duration,
    /// Longest pause.
    pub longest_pause: Duration,
    /// A game that was ready for so long starts the row of pauses anew.
    pub stable_after: Duration,
    /// At so many crashes within `crash_window` it is not started again.
    pub max_crashes: usize,
    /// How long a crash counts.
    pub crash_window: Duration,
    /// Without a sign of life for so long, it is reported as silent.
    pub silent_after: Duration,
    /// Without a sign of life for so long, it is killed, which counts as a crash.
    pub hung_after: Duration,
    /// How long the game's own command to stop may take, and to save its world before that. Then
    /// it gets SIGTERM.
    pub stop_within: Duration,
    /// How long SIGTERM may take. Then it gets SIGKILL.
    pub terminate_within: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            ready_within: Duration::from_secs(60),
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(60),
            stable_after: Duration::from_secs(120),
            max_crashes: 5,
            crash_window: Duration::from_secs(600),
            silent_after: Duration::from_secs(20),
            hung_after: Duration::from_secs(60),
            stop_within: Duration::from_secs(10),
            terminate_within: Duration::from_secs(10),
        }
    }
}

/// What happens to a game.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// The keeper runs: so shall the game.
    Start,
    /// The game shall end, and not be started again.
    Stop,
    /// It answers, and players can join.
    Ready,
    /// It gave a sign of life.
    Alive,
    /// Its process has ended, or there never was one.
    Exited(ExitCause),
    /// It runs, and is not what was to be started.
    Unusable(ExitCause),
    /// Time has passed.
    Tick,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Start the process.
    Spawn,
    /// Make the process end.
    End(Means),
    /// The game is in this state now.
    State(ServerState),
    /// Something is wrong, or (empty) nothing is any more.
    Trouble(Text<256>),
    /// The process has ended for this reason, and nobody wanted it to.
    Report(ExitCause),
    /// The process has ended, as it was told to.
    Ended(ExitCause),
    /// There is no process, and there will not be one: the keeper can end.
    Over,
}

/// How a process is made to end, from the gentlest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Means {
    /// What the game offers itself.
    Command,
    /// SIGTERM.
    Terminate,
    /// SIGKILL.
    Kill,
}

/// The life of one game process.
#[derive(Debug)]
pub(crate) struct Life {
    limits: Limits,
    phase: Phase,
    /// The pause after the next crash.
    pause: Duration,
    /// Crashes that still count, oldest first.
    crashes: VecDeque<Instant>,
}

#[derive(Debug)]
enum Phase {
    Idle,
    Starting { since: Instant },
    Running { since: Instant, heard: Instant, silent: bool },
    Killing { cause: ExitCause, stable: bool, again: Instant },
    Pausing { until: Instant },
    Failed,
    Stopping { means: Means, until: Instant },
    Stopped,
}

impl Life {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, phase: Phase::Idle, pause: limits.first_pause, crashes: VecDeque::new() }
    }

    /// Whether players can join, as far as the process is concerned.
    #[cfg(test)]
    fn has_process(&self) -> bool {
        match self.phase {
            Phase::Starting { .. }
            | Phase::Running { .. }
            | Phase::Killing { .. }
            | Phase::Stopping { .. } => true,
            Phase::Idle | Phase::Pausing { .. } | Phase::Failed | Phase::Stopped => false,
        }
    }

    /// What follows from `event`, now.
    pub(crate) fn apply(&mut self, event: Event, now: Instant) -> Vec<Effect> {
        match event {
            Event::Start => self.start(now),
            Event::Stop => self.stop(now),
            Event::Ready => self.ready(now),
            Event::Alive => self.alive(now),
            Event::Exited(cause) => self.exited(cause, now),
            Event::Unusable(cause) => self.unusable(cause, now),
            Event::Tick => self.tick(now),
        }
    }

    fn start(&mut self, now: Instant) -> Vec<Effect> {
        match self.phase {
            Phase::Idle => self.spawn(now),
            _ => Vec::new(),
        }
    }

    fn spawn(&mut self, now: Instant) -> Vec<Effect> {
        self.phase = Phase::Starting { since: now };
        vec![Effect::State(ServerState::Starting), Effect::Spawn]
    }

    fn ready(&mut self, now: Instant) -> Vec<Effect> {
        match self.phase {
            Phase::Starting { .. } => {
                self.phase = Phase::Running { since: now, heard: now, silent: false };
                vec![Effect::Trouble(Text::default()), Effect::State(ServerState::Ready)]
            }
            _ => self.alive(now),
        }
    }

    fn alive(&mut self, now: Instant) -> Vec<Effect> {
        match &mut self.phase {
            Phase::Running { heard, silent, .. } => {
                *heard = now;
                match mem::take(silent) {
                    true => vec![Effect::Trouble(Text::default())],
                    false => Vec::new(),
                }
            }
            _ => Vec::new(),
        }
    }

    fn exited(&mut self, cause: ExitCause, now: Instant) -> Vec<Effect> {
        match mem::replace(&mut self.phase, Phase::Stopped) {
            Phase::Starting { .. } => self.crashed(cause, false, now),
            Phase::Running { since, .. } => self.crashed(cause, self.is_stable(since, now), now),
            Phase::Killing { cause, stable, .. } => self.crashed(cause, stable, now),
            Phase::Stopping { .. } => {
                vec![Effect::Ended(cause), Effect::State(ServerState::Stopped), Effect::Over]
            }
            without_process => {
                self.phase = without_process;
                Vec::new()
            }
        }
    }

    fn unusable(&mut self, cause: ExitCause, now: Instant) -> Vec<Effect> {
        match self.phase {
            Phase::Starting { .. } | Phase::Running { .. } => self.kill(cause, false, now),
            _ => Vec::new(),
        }
    }

    fn crashed(&mut self, cause: ExitCause, stable: bool, now: Instant) -> Vec<Effect> {
        let Limits { first_pause, longest_pause, crash_window, max_crashes, .. } = self.limits;
        self.crashes.push_back(now);
        while self.crashes.front().is_some_and(|crash| now - *crash > crash_window) {
            self.crashes.pop_front();
        }
        if self.crashes.len() >= max_crashes {
            self.phase = Phase::Failed;
            let trouble = format!(
                "crashed {} times within {} s, last: {cause}; stop the launcher with SIGTERM and start it again to try again",
                self.crashes.len(),
                crash_window.as_secs(),
            );
            let trouble = Effect::Trouble(Text::lossy(&trouble));
            return vec![Effect::Report(cause), trouble, Effect::State(ServerState::Failed)];
        }
        if stable {
            self.pause = first_pause;
        }
        self.phase = Phase::Pausing { until: now + self.pause };
        self.pause = (self.pause * 2).min(longest_pause);
        let trouble = Effect::Trouble(Text::lossy(&format!("crashed: {cause}")));
        vec![Effect::Report(cause), trouble, Effect::State(ServerState::Restarting)]
    }

    fn stop(&mut self, now: Instant) -> Vec<Effect> {
        let means = match self.phase {
            Phase::Stopping { .. } | Phase::Stopped => return Vec::new(),
            Phase::Idle | Phase::Pausing { .. } | Phase::Failed => {
                self.phase = Phase::Stopped;
                return vec![Effect::State(ServerState::Stopped), Effect::Over];
            }
            Phase::Running { .. } => Means::Command,
            // It does not listen yet.
            Phase::Starting { .. } => Means::Terminate,
            Phase::Killing { .. } => Means::Kill,
        };
        let mut effects = vec![Effect::State(ServerState::Stopping)];
        effects.extend(self.end(means, now));
        effects
    }

    fn end(&mut self, means: Means, now: Instant) -> Vec<Effect> {
        let patience = match means {
            Means::Command => self.limits.stop_within,
            Means::Terminate => self.limits.terminate_within,
            Means::Kill => KILL_AGAIN_AFTER,
        };
        self.phase = Phase::Stopping { means, until: now + patience };
        vec![Effect::End(means)]
    }

    fn tick(&mut self, now: Instant) -> Vec<Effect> {
        let limits = self.limits;
        match &mut self.phase {
            Phase::Starting { since } if now - *since >= limits.ready_within => {
                self.kill(ExitCause::TooSlow, false, now)
            }
            Phase::Running { since, heard, .. } if now - *heard >= limits.hung_after => {
                let stable = *heard - *since >= limits.stable_after;
                self.kill(ExitCause::Hung, stable, now)
            }
            Phase::Running { heard, silent, .. }
                if !*silent && now - *heard >= limits.silent_after =>
            {
                *silent = true;
                let trouble = format!("no answer for {} s", (now - *heard).as_secs());
                vec![Effect::Trouble(Text::lossy(&trouble))]
            }
            Phase::Killing { again, .. } if now >= *again => {
                *again = now + KILL_AGAIN_AFTER;
                vec![Effect::End(Means::Kill)]
            }
            Phase::Pausing { until } if now >= *until => self.spawn(now),
            Phase::Stopping { means: Means::Command, until } if now >= *until => {
                self.end(Means::Terminate, now)
            }
            Phase::Stopping { until, .. } if now >= *until => self.end(Means::Kill, now),
            _ => Vec::new(),
        }
    }

    fn kill(&mut self, cause: ExitCause, stable: bool, now: Instant) -> Vec<Effect> {
        let trouble = Effect::Trouble(Text::lossy(&cause.to_string()));
        self.phase = Phase::Killing { cause, stable, again: now + KILL_AGAIN_AFTER };
        vec![trouble, Effect::State(ServerState::Restarting), Effect::End(Means::Kill)]
    }

    fn is_stable(&self, since: Instant, now: Instant) -> bool {
        now - since >= self.limits.stable_after
    }
}

/// A process that SIGKILL does not end hangs in the kernel. It may come back from there.
const KILL_AGAIN_AFTER: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
