//! Lanes: further streams to one peer, for what must not delay the rest.

use std::{
    io, mem,
    sync::Arc,
    task::{Poll, Waker},
    time::Duration,
};

use tokio::{io::AsyncWriteExt, time::timeout};

use crate::{DisconnectReason, queue::Queue, waiting::Waiting};

/// Which way a message goes to a peer, where its transport has more than one.
///
/// Over QUIC each lane is a stream of its own: what is lost on one, or not read, delays no other,
/// and while there is not room for all, those of a lower number go first. Elsewhere all lanes are
/// the first. Messages of one lane are not reordered; between lanes there is no order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane(u8);

impl Lane {
    /// The stream that every connection has. Nothing goes before it.
    pub const FIRST: Self = Self(0);

    /// A lane beside the first. One that the kind does not
    /// [have](crate::ConnectionHandler::lanes) is the first.
    pub const fn new(number: u8) -> Self {
        Self(number)
    }

    /// Its number. The first has 0.
    pub fn number(self) -> u8 {
        self.0
    }

    /// Where it is among the lanes beside the first.
    pub(crate) fn further(self) -> Option<usize> {
        self.0.checked_sub(1).map(usize::from)
    }

    /// Those beside the first of a kind that has so many.
    pub(crate) fn all_further(lanes: u8) -> impl Iterator<Item = Self> {
        (1..=lanes).map(Self)
    }
}

/// What waits for the lanes of one peer beside the first.
#[derive(Default)]
pub(crate) struct Lanes {
    pub(crate) each: Vec<Further>,
    /// Bytes that their writers have taken and that are not with the socket.
    pub(crate) taken: usize,
    /// Lanes on which something may still be written.
    pub(crate) open: usize,
}

/// What waits for one of them.
#[derive(Default)]
pub(crate) struct Further {
    pub(crate) bytes: Waiting,
    pub(crate) messages: usize,
    writer: Option<Waker>,
}

impl Further {
    pub(crate) fn wake(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }
}

impl Lanes {
    pub(crate) fn new(lanes: u8) -> Self {
        let each = (0..lanes).map(|_| Further::default()).collect();
        Self { each, taken: 0, open: lanes.into() }
    }

    /// Bytes that are not with the socket.
    pub(crate) fn waiting(&self) -> usize {
        self.taken + self.each.iter().map(|lane| lane.bytes.len()).sum::<usize>()
    }

    /// All that waits for a lane, as soon as there is something. `None` when nothing will any more.
    pub(crate) fn poll_take(
        &mut self,
        lane: usize,
        is_closing: bool,
        waker: &Waker,
    ) -> Poll<Option<Waiting>> {
        let Some(waiting) = self.each.get_mut(lane) else { return Poll::Ready(None) };
        if !waiting.bytes.is_empty() {
            waiting.messages = 0;
            self.taken += waiting.bytes.len();
            return Poll::Ready(Some(mem::take(&mut waiting.bytes)));
        }
        if is_closing {
            return Poll::Ready(None);
        }
        waiting.writer = Some(waker.clone());
        Poll::Pending
    }
}

/// Writes what waits for one lane, until the connection ends. The stream is opened with the first
/// message.
pub(crate) async fn write_lane<M: Send + 'static>(
    queue: Arc<Queue<M>>,
    lane: usize,
    limit: Duration,
) {
    let guard = Open(queue);
    let Open(queue) = &guard;
    if let Err(reason) = write(queue, lane, limit).await {
        queue.closing.close(reason);
    }
}

async fn write<M: Send + 'static>(
    queue: &Queue<M>,
    lane: usize,
    limit: Duration,
) -> Result<(), DisconnectReason> {
    let Some(mut waiting) = queue.take_lane(lane).await else { return Ok(()) };
    let priority = -i32::try_from(lane).unwrap_or(i32::MAX).saturating_add(1);
    let stream = queue.closing.carrier().and_then(|carrier| carrier.open_lane(priority));
    let stream = stream.ok_or_else(|| io::Error::from(io::ErrorKind::Unsupported))?;
    let mut stream = in_time(limit, stream).await?;
    loop {
        let mut sent = 0;
        while let rest @ [_, ..] = &waiting[sent..] {
            let written = in_time(limit, stream.write(rest)).await?;
            if written == 0 {
                return Err(io::Error::from(io::ErrorKind::WriteZero).into());
            }
            sent += written;
            queue.lane_written(written);
        }
        waiting.give_back();
        match queue.take_lane(lane).await {
            Some(more) => waiting = more,
            // The whole connection has a limit for its last words.
            None => return Ok(stream.shutdown().await?),
        }
    }
}

async fn in_time<T>(
    limit: Duration,
    work: impl Future<Output = io::Result<T>>,
) -> Result<T, DisconnectReason> {
    timeout(limit, work).await.map_err(|_| DisconnectReason::SlowConsumer)?.map_err(Into::into)
}

/// Says when dropped that nothing will be written on the lane any more.
struct Open<M: Send + 'static>(Arc<Queue<M>>);

impl<M: Send + 'static> Drop for Open<M> {
    fn drop(&mut self) {
        self.0.lane_is_over();
    }
}
