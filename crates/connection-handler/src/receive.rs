//! From the bytes of a socket to messages.

use std::{
    future::poll_fn,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{BufMut, BytesMut};
use futures_util::FutureExt;
use tokio::{
    io::AsyncRead,
    time::{sleep, timeout},
};
use tokio_util::io::poll_read_buf;

use crate::{
    ConnectionConfig, ConnectionReader, DisconnectReason, Messages, batch::Batches, buffers,
    capture::IncomingTap, further::Further, transport::Carrier,
};

/// The bytes of one connection on their way to messages.
pub(crate) struct Incoming<R, D: ConnectionReader> {
    socket: R,
    decoder: D,
    /// What was read and not yet decoded: nothing, or the beginning of a message.
    rest: BytesMut,
    /// Bytes read since others had their turn.
    read_in_turn: u32,
    /// Bytes of the last read: the best guess for the next one.
    last_read: u32,
    /// The next read is likely to bring as much. Most likely it brings nothing after one that has
    /// not brought all it could.
    expects_more: bool,
    /// `rest` may hold whole messages.
    undecoded: bool,
    /// `rest` is all there will ever be.
    ended: bool,
    /// Size of the last batch: the best guess for the next one.
    last_batch: u32,
    /// What comes beside the first stream, if anything is read of that.
    pub(crate) further: Option<Box<Further<D>>>,
    /// The first stream has ended, and others may not have.
    first_is_over: bool,
    /// Takes the messages and their bytes, if somebody may want to see them.
    tap: Option<Box<IncomingTap<D::Item>>>,
    config: Arc<ConnectionConfig>,
}

impl<R, D: ConnectionReader> Incoming<R, D> {
    pub(crate) fn new(
        socket: R,
        decoder: D,
        tap: Option<Box<IncomingTap<D::Item>>>,
        config: Arc<ConnectionConfig>,
    ) -> Self {
        Self {
            socket,
            decoder,
            rest: BytesMut::new(),
            read_in_turn: 0,
            last_read: 0,
            expects_more: false,
            undecoded: false,
            ended: false,
            last_batch: 0,
            further: None,
            first_is_over: false,
            tap,
            config,
        }
    }
}

impl<R: AsyncRead + Unpin, D: ConnectionReader> Incoming<R, D> {
    /// Whether it is time to let others go on.
    pub(crate) fn turn_is_over(&mut self) -> bool {
        let over = self.undecoded || self.read_in_turn as usize >= self.config.read_budget;
        if over {
            self.read_in_turn = 0;
        }
        over
    }

    /// How many bytes the next read is likely to bring, if they are many.
    pub(crate) fn large_read(&self) -> Option<usize> {
        let bytes = self.last_read as usize;
        (self.expects_more && bytes >= LARGE_READ).then_some(bytes)
    }

    /// Whether it has more to say than it gets to say.
    pub(crate) fn is_greedy(&self) -> bool {
        self.last_read as usize >= self.config.read_budget
    }

    /// Whether some of a message has come, but not all.
    pub(crate) fn is_inside_message(&self) -> bool {
        !self.rest.is_empty() && !self.undecoded
    }

    /// As [`poll_receive`](Self::poll_receive), of whatever has brought something: the first stream,
    /// or others of `carrier`. What was said on others before the first has ended is there before
    /// the end.
    pub(crate) fn poll_any(
        &mut self,
        carrier: Option<&dyn Carrier>,
        batches: &Batches<D::Item>,
        cx: &mut Context<'_>,
    ) -> Poll<Batch<D::Item>> {
        if !self.first_is_over
            && let Poll::Ready(mut batch) = self.poll_receive(batches, cx)
        {
            if self.further.is_some() && matches!(batch.end, Some(DisconnectReason::RemoteClose)) {
                self.first_is_over = true;
                batch.end = None;
            }
            if !self.first_is_over || !batch.messages.is_empty() {
                return Poll::Ready(batch);
            }
        }
        if let Some((further, carrier)) = self.further.as_mut().zip(carrier)
            && let Poll::Ready(batch) = further.poll_receive(carrier, batches, cx)
        {
            // Others have their turn after each.
            self.read_in_turn = small(self.config.read_budget);
            return Poll::Ready(batch);
        }
        match self.first_is_over {
            true => Poll::Ready(Batch {
                messages: Messages::default(),
                bytes: 0,
                end: Some(DisconnectReason::RemoteClose),
            }),
            false => Poll::Pending,
        }
    }

    /// A single read, and all the messages that are there then. Nothing is lost between two calls.
    pub(crate) fn poll_receive(
        &mut self,
        batches: &Batches<D::Item>,
        cx: &mut Context<'_>,
    ) -> Poll<Batch<D::Item>> {
        // In the middle of a large message a connection works in a buffer of its own: carrying
        // the beginning along would copy it again and again.
        let owned = self.rest.len() >= self.config.read_budget;
        let mut buffer =
            if owned { mem::take(&mut self.rest) } else { buffers::take(self.config.read_budget) };
        if !owned {
            buffer.extend_from_slice(&self.rest);
        }

        let batch = match self.poll_read(cx, &mut buffer) {
            Poll::Ready(Ok(bytes)) => self.decode(batches, &mut buffer, bytes),
            Poll::Ready(Err(error)) => {
                Batch { messages: Messages::default(), bytes: 0, end: Some(error.into()) }
            }
            Poll::Pending if owned => {
                self.rest = buffer;
                return Poll::Pending;
            }
            Poll::Pending => {
                buffers::give_back(buffer);
                return Poll::Pending;
            }
        };

        if buffer.len() >= self.config.read_budget {
            self.rest = buffer;
        } else {
            self.rest = BytesMut::from(&buffer[..]);
            buffers::give_back(buffer);
        }
        Poll::Ready(batch)
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
    ) -> Poll<std::io::Result<usize>> {
        if self.undecoded {
            return Poll::Ready(Ok(0));
        }
        buffer.reserve(self.config.read_budget);
        let mut turn = (&mut *buffer).limit(self.config.read_budget);
        let read = poll_read_buf(Pin::new(&mut self.socket), cx, &mut turn);
        if read.is_pending() {
            self.read_in_turn = 0;
            self.expects_more = true;
        }
        let read = ready!(read)?;
        self.last_read = small(read);
        self.read_in_turn = self.read_in_turn.saturating_add(self.last_read);
        self.expects_more = self.read_in_turn as usize >= self.config.read_budget;
        self.ended = read == 0;
        Poll::Ready(Ok(read))
    }

    fn decode(
        &mut self,
        batches: &Batches<D::Item>,
        buffer: &mut BytesMut,
        bytes: usize,
    ) -> Batch<D::Item> {
        let mut messages = batches.begin(self.last_batch as usize);
        self.undecoded = false;
        // Once per read. A faulty decoder costs its own connection, after what it has decoded.
        let tapped = self.tap.as_mut().is_some_and(|tap| tap.begin(buffer));
        let decoding = AssertUnwindSafe(|| match tapped {
            false => self.decode_into::<false>(&mut messages, buffer),
            true => self.decode_into::<true>(&mut messages, buffer),
        });
        let end = catch_unwind(decoding).unwrap_or(Some(DisconnectReason::Bug));
        if tapped && let Some(tap) = &mut self.tap {
            tap.end(buffer.len());
        }
        self.last_batch = small(messages.len());
        Batch { messages, bytes, end }
    }

    fn decode_into<const TAPPED: bool>(
        &mut self,
        messages: &mut Messages<D::Item>,
        buffer: &mut BytesMut,
    ) -> Option<DisconnectReason> {
        loop {
            if messages.len() >= self.config.max_batch {
                self.undecoded = true;
                return None;
            }
            let message = match self.ended {
                false => self.decoder.decode(buffer),
                true => self.decoder.decode_eof(buffer),
            };
            match message {
                Ok(Some(message)) => {
                    if TAPPED && let Some(tap) = &mut self.tap {
                        tap.heard(&message, buffer.len());
                    }
                    messages.push(message);
                }
                Ok(None) => return self.ended.then_some(DisconnectReason::RemoteClose),
                Err(error) => return Some(error.into()),
            }
        }
    }

    /// Throws away what still comes until the last words are written, and while there is more, a
    /// little longer: a socket that is closed with unread bytes, or hears more afterwards, resets
    /// the connection, and what the peer has not received of our last words by then is lost.
    pub(crate) async fn linger(&mut self, written: impl Future<Output = ()>, patience: Duration) {
        let mut written = pin!(written);
        let (mut open, mut talks) = (!self.ended, false);
        loop {
            tokio::select! {
                biased;
                () = &mut written => break,
                bytes = self.discard(), if open => (open, talks) = (bytes > 0, bytes > 0),
            }
            tokio::select! {
                biased;
                () = &mut written => break,
                () = sleep(DISCARD_PAUSE) => {}
            }
        }
        if !open || !talks && self.discard().now_or_never().is_none_or(|bytes| bytes == 0) {
            return;
        }
        // Who has not heard us by then, and closed its side or fallen silent, has had its chance.
        let talking =
            async { while let Ok(1..) = timeout(SILENCE, self.discard_slowly()).await {} };
        let _ = timeout(patience, talking).await;
    }

    /// As [`discard`](Self::discard), but a flood has to wait for it.
    async fn discard_slowly(&mut self) -> usize {
        let bytes = self.discard().await;
        sleep(DISCARD_PAUSE).await;
        bytes
    }

    /// Reads and forgets some bytes; 0 when there will be no more.
    async fn discard(&mut self) -> usize {
        poll_fn(|cx| {
            let mut buffer = buffers::take(self.config.read_budget);
            buffer.reserve(self.config.read_budget);
            let read = poll_read_buf(Pin::new(&mut self.socket), cx, &mut buffer);
            buffers::give_back(buffer);
            read.map(Result::unwrap_or_default)
        })
        .await
    }
}

/// There is one for each connection, and more than this is as good as this.
fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// What one read has brought: messages, and then perhaps the end.
pub(crate) struct Batch<M> {
    pub(crate) messages: Messages<M>,
    /// How many bytes it has read.
    pub(crate) bytes: usize,
    pub(crate) end: Option<DisconnectReason>,
}

/// So many bytes of one read are worth waiting for a turn.
const LARGE_READ: usize = 8 * 1024;
/// Who has said nothing for so long is not likely to say more before it hears that we are gone.
const SILENCE: Duration = Duration::from_millis(200);
/// Between two reads of what nobody wants to hear.
const DISCARD_PAUSE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use tokio_util::codec::BytesCodec;

    use super::*;

    async fn receive<R: AsyncRead + Unpin>(
        incoming: &mut Incoming<R, BytesCodec>,
    ) -> Batch<BytesMut> {
        let batches = Batches::new();
        poll_fn(|cx| incoming.poll_receive(&batches, cx)).await
    }

    #[tokio::test]
    async fn a_batch_has_no_more_bytes_than_are_read_in_one_turn() {
        let said = vec![7; 100_000];
        let config = ConnectionConfig { read_budget: 4096, ..Default::default() };
        let mut incoming = Incoming::new(&said[..], BytesCodec::new(), None, Arc::new(config));
        let mut heard = 0;
        loop {
            let batch = receive(&mut incoming).await;
            let bytes: usize = batch.messages.iter().map(|message| message.len()).sum();
            assert!(bytes <= 4096 && bytes == batch.bytes, "{bytes} of {}", batch.bytes);
            heard += bytes;
            if batch.end.is_some() {
                break;
            }
        }
        assert_eq!(heard, said.len());
    }

    #[tokio::test]
    async fn only_who_says_much_waits_for_a_turn() {
        let said = vec![7; 3 * LARGE_READ + 100];
        let config = ConnectionConfig { read_budget: 2 * LARGE_READ, ..Default::default() };
        let mut incoming = Incoming::new(&said[..], BytesCodec::new(), None, Arc::new(config));
        assert_eq!(incoming.large_read(), None, "nobody knows yet");
        receive(&mut incoming).await;
        assert_eq!(incoming.large_read(), Some(2 * LARGE_READ));
        assert!(incoming.is_greedy() && incoming.turn_is_over());
        receive(&mut incoming).await;
        assert_eq!(incoming.large_read(), None, "most likely that was all");
        assert!(!incoming.is_greedy());
    }
}
