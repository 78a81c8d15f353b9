//! The waiting room: who has logged in, and finds every place taken.

use std::{collections::VecDeque, time::Duration};

use protocol::{Goodbye, Refusal, RequestId, ToGameClient};

use super::{Effect, KnownSession, LinkId, Lobby, SessionId, clients::ClientState};

/// Who waits for a place, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Queue(VecDeque<Waits>);

#[derive(Debug)]
struct Waits {
    known: KnownSession,
    presence: Waiting,
    /// The position it was told, and when.
    told: (u32, Duration),
}

/// Whether it is still there.
#[derive(Clone, Copy, Debug)]
enum Waiting {
    Here(LinkId, RequestId),
    Lost { since: Duration },
}

/// What becomes of somebody who has logged in.
#[derive(Debug)]
pub(super) enum Place {
    /// There is a place.
    Taken,
    /// There is none now. The client was told its position.
    Queued,
    /// Not even to wait.
    Refused(Refusal),
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    fn anybody_here(&self) -> bool {
        self.0.iter().any(|waits| matches!(waits.presence, Waiting::Here(..)))
    }
}

impl Lobby {
    /// Finds a place for who has logged in. Who has one keeps it, and nobody passes who waits.
    pub(super) fn place(
        &mut self,
        link: LinkId,
        request: RequestId,
        known: &KnownSession,
    ) -> Place {
        if self.sessions.contains_key(&known.session) {
            return Place::Taken;
        }
        if let Some(at) = self.queue.0.iter().position(|w| w.known.session == known.session) {
            if let Waiting::Here(older, _) = self.queue.0[at].presence {
                self.goodbye(older, Goodbye::TakenOver);
            }
            self.wait_at(at, link, request, known);
            return Place::Queued;
        }
        if self.sessions.len() < self.limits.sessions && !self.queue.anybody_here() {
            return Place::Taken;
        }
        if self.queue.len() >= self.limits.queue {
            return Place::Refused(Refusal::Busy { retry_after_ms: RETRY_AFTER_MS });
        }
        let presence = Waiting::Here(link, request);
        self.queue.0.push_back(Waits { known: known.clone(), presence, told: Default::default() });
        self.wait_at(self.queue.len() - 1, link, request, known);
        Place::Queued
    }

    /// The connection of somebody who waits is gone. The position is kept as long as a place is.
    pub(super) fn queued_lost(&mut self, session: SessionId, link: LinkId) {
        let since = self.now.running;
        for waits in &mut self.queue.0 {
            if waits.known.session == session
                && matches!(waits.presence, Waiting::Here(here, _) if here == link)
            {
                waits.presence = Waiting::Lost { since };
            }
        }
    }

    /// Somebody waits no more: their connection has to end.
    pub(super) fn leave_queue(&mut self, session: SessionId) {
        let Some(at) = self.queue.0.iter().position(|w| w.known.session == session) else {
            return;
        };
        if let Some(Waits { presence: Waiting::Here(link, _), .. }) = self.queue.0.remove(at) {
            self.goodbye(link, Goodbye::Revoked);
        }
    }

    /// Lets in who has waited longest, and tells the others how far they have come.
    pub(super) fn advance_queue(&mut self) {
        let (now, grace) = (self.now.running, self.limits.lobby_grace);
        self.queue.0.retain(|waits| match waits.presence {
            Waiting::Here(..) => true,
            Waiting::Lost { since } => now.saturating_sub(since) < grace,
        });
        while self.sessions.len() < self.limits.sessions {
            let here = |waits: &Waits| matches!(waits.presence, Waiting::Here(..));
            let Some(at) = self.queue.0.iter().position(here) else { break };
            let Some(Waits { known, presence: Waiting::Here(link, request), .. }) =
                self.queue.0.remove(at)
            else {
                break;
            };
            self.enter(link, request, known, None);
        }
        for (at, waits) in self.queue.0.iter_mut().enumerate() {
            let (position, (told, since)) = (position(at), waits.told);
            if let Waiting::Here(link, request) = waits.presence
                && position != told
                && now.saturating_sub(since) >= TELL_AFTER
            {
                waits.told = (position, now);
                let queued = ToGameClient::Queued { request, position };
                self.effects.push(Effect::ToClient(link, queued));
            }
        }
    }

    fn wait_at(&mut self, at: usize, link: LinkId, request: RequestId, known: &KnownSession) {
        let (position, now) = (position(at), self.now.running);
        if let Some(waits) = self.queue.0.get_mut(at) {
            waits.known = known.clone();
            (waits.presence, waits.told) = (Waiting::Here(link, request), (position, now));
        }
        if let Some(client) = self.clients.get_mut(&link) {
            client.state = ClientState::Queued { session: known.session };
        }
        self.effects.push(Effect::ToClient(link, ToGameClient::Queued { request, position }));
    }
}

fn position(at: usize) -> u32 {
    u32::try_from(at + 1).unwrap_or(u32::MAX)
}

/// When to come back if even the waiting room is full.
const RETRY_AFTER_MS: u32 = 30_000;

/// Time between two words about the position.
const TELL_AFTER: Duration = Duration::from_secs(2);
