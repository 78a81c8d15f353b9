//! Where messages are taken from: one tap for each direction of a connection.

use std::{
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use crate::PeerId;

use super::{Capture, Exposure};

/// A connection that could be captured.
#[derive(Debug)]
pub(crate) struct Tapped {
    pub(crate) capture: Capture,
    pub(crate) peer: PeerId,
    pub(crate) kind: &'static str,
    pub(crate) transport: &'static str,
    pub(crate) remote_addr: SocketAddr,
}

impl Tapped {
    /// The connection is usable.
    pub(crate) fn connected(&self) {
        if self.capture.is_on() {
            self.capture.with(|session| session.introduce(self));
        }
    }

    /// The connection is over.
    pub(crate) fn disconnected(&self, reason: &str) {
        if self.capture.is_on() {
            self.capture.with(|session| {
                if session.covers(self) {
                    session.disconnected(self, reason);
                }
            });
        }
    }
}

/// Takes messages of one direction.
pub(crate) struct Tap<M> {
    tapped: Arc<Tapped>,
    expose: fn(&M) -> Exposure,
}

impl<M> Clone for Tap<M> {
    fn clone(&self) -> Self {
        Self { tapped: self.tapped.clone(), expose: self.expose }
    }
}

impl<M> Tap<M> {
    pub(crate) fn new(tapped: Arc<Tapped>, expose: fn(&M) -> Exposure) -> Self {
        Self { tapped, expose }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.tapped.capture.is_on()
    }

    /// What may be seen of `message`: nothing, if it panics who should say.
    pub(crate) fn exposure(&self, message: &M) -> Exposure {
        catch_unwind(AssertUnwindSafe(|| (self.expose)(message))).unwrap_or_default()
    }

    /// We say `wire` to the peer.
    pub(crate) fn said(&self, exposure: Exposure, wire: &[u8]) {
        self.record(true, exposure, wire.len(), wire);
    }

    fn record(&self, outgoing: bool, exposure: Exposure, length: usize, payload: &[u8]) {
        let tapped = &self.tapped;
        tapped.capture.with(|session| {
            if session.covers(tapped) {
                session.message(tapped, outgoing, exposure, length, payload);
            }
        });
    }
}

/// Takes messages from between a buffer and its decoder.
pub(crate) struct IncomingTap<M> {
    tap: Tap<M>,
    /// What the decoder will find in the buffer. In it, `consumed` bytes are of earlier messages.
    tape: Vec<u8>,
    /// What the decoder has consumed in earlier reads, of a message that is not whole yet.
    begun: Vec<u8>,
    /// How long that is, even if it is not all there.
    begun_length: usize,
    consumed: usize,
}

impl<M> IncomingTap<M> {
    pub(crate) fn new(tap: Tap<M>) -> Self {
        Self { tap, tape: Vec::new(), begun: Vec::new(), begun_length: 0, consumed: 0 }
    }

    /// Prepares for decoding what is in `buffer`. Whether there is anything to record.
    pub(crate) fn begin(&mut self, buffer: &[u8]) -> bool {
        if !self.tap.is_on() {
            // What has begun before is of no use after.
            (self.tape, self.begun, self.begun_length) = Default::default();
            return false;
        }
        self.tape.clear();
        self.tape.extend_from_slice(buffer);
        self.consumed = 0;
        true
    }

    /// The decoder has left `left` bytes, and made `message` of the others.
    pub(crate) fn heard(&mut self, message: &M, left: usize) {
        let wire = self.take(left);
        let exposure = self.tap.exposure(message);
        if self.begun_length == 0 {
            self.tap.record(false, exposure, wire.len(), &self.tape[wire]);
        } else {
            let length = self.begun_length + wire.len();
            self.remember(wire);
            self.tap.record(false, exposure, length, &self.begun);
            (self.begun, self.begun_length) = Default::default();
        }
    }

    /// The decoder has left `left` bytes, and needs more for a message.
    pub(crate) fn end(&mut self, left: usize) {
        let wire = self.take(left);
        if !wire.is_empty() {
            self.begun_length += wire.len();
            self.remember(wire);
        }
        // Idle connections own no buffer.
        self.tape = Vec::new();
    }

    fn take(&mut self, left: usize) -> std::ops::Range<usize> {
        let from = self.consumed;
        self.consumed = self.tape.len().saturating_sub(left).max(from);
        from..self.consumed
    }

    /// Keeps as much of the beginning of a message as will be of use.
    fn remember(&mut self, wire: std::ops::Range<usize>) {
        let mut most = 0;
        self.tap.tapped.capture.with(|session| most = session.max_payload());
        let wire = &self.tape[wire];
        let room = most.saturating_sub(self.begun.len());
        self.begun.extend_from_slice(&wire[..wire.len().min(room)]);
    }
}
