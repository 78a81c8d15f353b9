//! What comes from a peer beside its first stream.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};

use crate::{
    ConnectionConfig, ConnectionReader, DisconnectReason, Messages,
    batch::Batches,
    capture::{IncomingTap, Tap},
    receive::{Batch, Incoming},
    transport::{Carrier, LaneRead},
};

/// The lanes that the other side has opened, and its unreliable messages, on their way to messages.
pub(crate) struct Further<D: ConnectionReader> {
    /// For lanes that are still to be opened. Each is opened once.
    spare: Vec<D>,
    open: Vec<Incoming<LaneRead, D>>,
    unreliable: D,
    /// Takes the messages of all of them, if somebody may want to see them.
    tap: Option<Tap<D::Item>>,
    config: Arc<ConnectionConfig>,
    /// Which lane has the first turn.
    turn: usize,
}

impl<D: ConnectionReader> Further<D> {
    pub(crate) fn new(
        unreliable: D,
        lanes: Vec<D>,
        tap: Option<Tap<D::Item>>,
        config: Arc<ConnectionConfig>,
    ) -> Self {
        Self { spare: lanes, open: Vec::new(), unreliable, tap, config, turn: 0 }
    }

    /// What one of them has brought. It ends with the connection, and never by itself.
    pub(crate) fn poll_receive(
        &mut self,
        carrier: &dyn Carrier,
        batches: &Batches<D::Item>,
        cx: &mut Context<'_>,
    ) -> Poll<Batch<D::Item>> {
        while !self.spare.is_empty()
            && let Poll::Ready(Some(stream)) = carrier.poll_accept_lane(cx)
            && let Some(decoder) = self.spare.pop()
        {
            let tap = self.tap.clone().map(|tap| Box::new(IncomingTap::new(tap)));
            self.open.push(Incoming::new(stream, decoder, tap, self.config.clone()));
        }
        for _ in 0..self.open.len() {
            self.turn = (self.turn + 1) % self.open.len();
            let Poll::Ready(mut batch) = self.open[self.turn].poll_receive(batches, cx) else {
                continue;
            };
            self.open[self.turn].turn_is_over();
            match batch.end.take() {
                // The connection itself knows why it has failed.
                Some(DisconnectReason::RemoteClose | DisconnectReason::Io(_)) => {
                    drop(self.open.swap_remove(self.turn));
                    if batch.messages.is_empty() {
                        return self.poll_receive(carrier, batches, cx);
                    }
                }
                end => batch.end = end,
            }
            return Poll::Ready(batch);
        }
        self.poll_unreliable(carrier, cx)
    }

    /// The unreliable messages that are there, but not too many at once.
    fn poll_unreliable(
        &mut self,
        carrier: &dyn Carrier,
        cx: &mut Context<'_>,
    ) -> Poll<Batch<D::Item>> {
        let mut batch = Batch { messages: Messages::default(), bytes: 0, end: None };
        while batch.bytes < self.config.read_budget
            && batch.messages.len() < self.config.max_batch
            && batch.end.is_none()
            && let Poll::Ready(Some(datagram)) = carrier.poll_datagram(cx)
        {
            batch.bytes += datagram.len().max(1);
            batch.end = self.decode(&datagram, &mut batch.messages);
        }
        match batch.bytes {
            0 => Poll::Pending,
            _ => Poll::Ready(batch),
        }
    }

    /// Decodes the messages of a datagram, all of which have to be whole.
    fn decode(
        &mut self,
        datagram: &Bytes,
        messages: &mut Messages<D::Item>,
    ) -> Option<DisconnectReason> {
        let decoder = &mut self.unreliable;
        let mut bytes = BytesMut::from(&datagram[..]);
        let mut tap = self.tap.as_ref().filter(|tap| tap.is_on()).cloned().map(IncomingTap::new);
        tap.iter_mut().for_each(|tap| _ = tap.begin(&bytes));
        let decoding = AssertUnwindSafe(|| {
            while !bytes.is_empty() {
                match decoder.decode(&mut bytes).map_err(Into::into)? {
                    Some(message) => {
                        if let Some(tap) = &mut tap {
                            tap.heard(&message, bytes.len());
                        }
                        messages.push(message);
                    }
                    None => return Err(DisconnectReason::invalid(Torn)),
                }
            }
            Ok(())
        });
        catch_unwind(decoding).unwrap_or(Err(DisconnectReason::Bug)).err()
    }
}

/// A datagram ends in the middle of a message.
#[derive(Debug, thiserror::Error)]
#[error("unreliable message that is not whole")]
struct Torn;
