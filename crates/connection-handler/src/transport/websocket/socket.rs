//! The two halves of a WebSocket.

use std::{
    collections::VecDeque,
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, OnceLock},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};
use tokio_util::io::poll_read_buf;

use super::{
    CloseCode, Framing, WebSocketConfig, WebSocketError, close,
    decode::{Decoder, Event},
    frame::{Opcode, ServerHead},
};
use crate::{
    DisconnectReason, Goodbye, MessageLimit, buffers,
    transport::{Carrier, Connection, Format},
};

/// A WebSocket over `stream`, of which `read` has been read already.
pub(crate) fn over(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    read: Bytes,
    remote_addr: SocketAddr,
    format: Format,
    config: &WebSocketConfig,
) -> Connection<WebSocketRead, WebSocketWrite> {
    let limit = MessageLimit::new(config.max_message);
    let decoder = Decoder::new(config.framing, format, limit.clone());
    let shared = Arc::new(Mutex::new(Socket {
        stream: Box::new(stream),
        control: BytesMut::new(),
        left: 0,
        pongs: VecDeque::new(),
        ping: false,
        writer_waits: false,
        unflushed: false,
        closed: None,
        goodbye: None,
        silent: false,
        shutting_down: None,
    }));
    let messages = Arc::new(Messages {
        framing: config.framing,
        format,
        limit,
        said: OnceLock::new(),
        heard: OnceLock::new(),
    });
    let reading = Reading {
        decoder,
        rest: BytesMut::from(&read[..]),
        state: State::Open,
        heard: false,
        pinged: false,
        gathering_since: None,
        alarm: Box::pin(sleep(config.ping_interval)),
        config: config.clone(),
    };
    let read = WebSocketRead { shared: shared.clone(), messages: messages.clone(), reading };
    let write = WebSocketWrite {
        shared,
        messages: messages.clone(),
        close_timeout: config.close_timeout,
        farewell: Farewell::NotSaid,
    };
    let mut connection = Connection::new(remote_addr, "websocket", read, write);
    connection.carrier = Some(messages);
    connection
}

/// What is known of a WebSocket beside its bytes.
struct Messages {
    framing: Framing,
    format: Format,
    limit: MessageLimit,
    /// Why it ends, if it is us who end it.
    said: OnceLock<(CloseCode, String)>,
    /// Why it ends, if it is the other side.
    heard: OnceLock<Goodbye>,
}

impl Carrier for Messages {
    fn say_goodbye(&self, reason: &DisconnectReason) {
        // It is called once.
        let _ = self.said.set(close::words(reason));
    }

    fn heard_goodbye(&self) -> Option<Goodbye> {
        self.heard.get().cloned()
    }

    fn format(&self) -> Format {
        self.format
    }

    fn message_limit(&self) -> Option<MessageLimit> {
        Some(self.limit.clone())
    }

    fn frame(&self, bytes: &mut BytesMut, start: usize) -> Result<(), DisconnectReason> {
        self.framing.frame(self.format, bytes, start)
    }
}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { framing, format, .. } = self;
        f.debug_struct("Messages").field("framing", framing).field("format", format).finish()
    }
}

/// What both halves need. They share a thread: nobody waits for the lock.
struct Socket {
    stream: Box<dyn Stream>,
    /// Frames that are no messages, and are to be written between two that are.
    control: BytesMut,
    /// How many bytes of a message are still to be written. Nothing may come before them.
    left: usize,
    /// What is to be answered, to so many last pings.
    pongs: VecDeque<Bytes>,
    /// A ping is to be sent.
    ping: bool,
    /// The writer waits for the stream: whoever else wrote would take its place.
    writer_waits: bool,
    unflushed: bool,
    /// The close frame of the other side, with what it said.
    closed: Option<Option<CloseCode>>,
    /// What it said, for who asks the connection.
    goodbye: Option<Goodbye>,
    /// Nothing more will be heard of the other side.
    silent: bool,
    /// Waits for either of them.
    shutting_down: Option<Waker>,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Socket {
    /// Writes what has to be written between two messages, if this is such a moment.
    fn poll_control(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.left == 0 {
            if self.control.is_empty() {
                if let Some(pong) = self.pongs.pop_front() {
                    self.say(Opcode::Pong, &pong);
                } else if std::mem::take(&mut self.ping) {
                    self.say(Opcode::Ping, b"");
                } else {
                    self.control = BytesMut::new();
                    break;
                }
            }
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.control))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.control.advance(written);
            self.unflushed = true;
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Will answer a ping. Which are answered is ours to choose, but for the last (RFC 6455, 5.5.3).
    fn pinged(&mut self, payload: Bytes) {
        if self.pongs.len() == MAX_PONGS {
            self.pongs.pop_front();
        }
        self.pongs.push_back(payload);
    }

    fn say(&mut self, opcode: Opcode, payload: &[u8]) {
        self.control.extend_from_slice(ServerHead::new(opcode, payload.len()).as_bytes());
        self.control.extend_from_slice(payload);
    }

    /// For the reader: as [`poll_control`](Self::poll_control), unless the writer is about to.
    fn answer(&mut self, cx: &mut Context<'_>) {
        if !self.writer_waits {
            // What is wrong with the stream is seen by who reads or writes next.
            let _ = self.poll_control(cx);
        }
    }

    /// Nothing that is heard from now on counts.
    fn stop_listening(&mut self) {
        self.silent = true;
        if let Some(waker) = self.shutting_down.take() {
            waker.wake();
        }
    }
}

/// The reading half of a WebSocket: messages in the framing that the reader knows.
///
/// It answers pings, and sends some, while it is read. What it gives after an error is whatever still
/// comes, for who reads on so that the other side can hear our last words.
pub struct WebSocketRead {
    shared: Arc<Mutex<Socket>>,
    messages: Arc<Messages>,
    reading: Reading,
}

struct Reading {
    decoder: Decoder,
    /// What was read and could not be taken yet: little.
    rest: BytesMut,
    state: State,
    /// Something was heard since the alarm was set.
    heard: bool,
    /// A ping was sent when it was set.
    pinged: bool,
    gathering_since: Option<Instant>,
    alarm: Pin<Box<Sleep>>,
    config: WebSocketConfig,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The other side has said that it is over.
    Closed,
    /// Nobody knows what the bytes mean that follow.
    Broken,
}

impl AsyncRead for WebSocketRead {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { shared, messages, reading } = &mut *self;
        let mut socket = lock(shared);
        match reading.state {
            State::Closed => return Poll::Ready(Ok(())),
            State::Broken => return Pin::new(&mut socket.stream).poll_read(cx, buf),
            State::Open => {}
        }
        let read = reading.read(&mut socket, cx, buf);
        if let Some(goodbye) = socket.goodbye.take() {
            // One close frame is all that is heard.
            let _ = messages.heard.set(goodbye);
        }
        if matches!(read, Poll::Ready(Err(_))) {
            reading.state = State::Broken;
        }
        if reading.state != State::Open {
            socket.stop_listening();
        }
        read
    }
}

impl Reading {
    fn read(
        &mut self,
        socket: &mut Socket,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let mut buffer = buffers::take(buf.remaining().max(SMALLEST_READ));
        buffer.extend_from_slice(&self.rest);
        let mut turns = 0;
        let read = loop {
            if let Err(error) = self.decode(socket, &mut buffer, buf) {
                break Poll::Ready(Err(error));
            }
            if self.state == State::Closed || buf.filled().len() > before {
                break Poll::Ready(Ok(()));
            }
            if turns == MOST_TURNS {
                cx.waker().wake_by_ref();
                break Poll::Pending;
            }
            turns += 1;
            let most = buf.remaining().max(SMALLEST_READ);
            buffer.reserve(most);
            let mut limited = (&mut buffer).limit(most);
            match poll_read_buf(Pin::new(&mut socket.stream), cx, &mut limited) {
                Poll::Ready(Ok(0)) => break Poll::Ready(Err(cut_off())),
                Poll::Ready(Ok(_)) => self.heard = true,
                Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                Poll::Pending => break self.poll_patience(socket, cx),
            }
        };
        socket.answer(cx);
        if buffer[..] != self.rest[..] {
            self.rest = BytesMut::from(&buffer[..]);
        }
        buffers::give_back(buffer);
        read
    }

    /// Takes all that can be taken from `buffer`.
    fn decode(
        &mut self,
        socket: &mut Socket,
        buffer: &mut BytesMut,
        buf: &mut ReadBuf<'_>,
    ) -> io::Result<()> {
        while let Some(event) = self.decoder.decode(buffer, buf).map_err(invalid)? {
            match event {
                Event::Ping(payload) => socket.pinged(payload),
                Event::Pong => {}
                Event::Close { code, reason, inside_message } => {
                    socket.closed = Some(code);
                    socket.goodbye = code.map(|code| close::goodbye(code, &reason));
                    self.state = State::Closed;
                    return if inside_message { Err(cut_off()) } else { Ok(()) };
                }
            }
            if self.decoder.empty_frames() > self.config.max_empty_frames {
                return Err(invalid(WebSocketError::Flood));
            }
        }
        if self.decoder.empty_frames() > self.config.max_empty_frames {
            return Err(invalid(WebSocketError::Flood));
        }
        match self.decoder.is_gathering() {
            false => self.gathering_since = None,
            true if self.gathering_since.is_none() => {
                let now = Instant::now();
                self.gathering_since = Some(now);
                let deadline = now + self.config.message_timeout;
                if deadline < self.alarm.deadline() {
                    self.alarm.as_mut().reset(deadline);
                }
            }
            true => {}
        }
        Ok(())
    }

    /// There is nothing to read. Ends when that has lasted for too long.
    fn poll_patience(&mut self, socket: &mut Socket, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.alarm.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            let gathered = self.gathering_since.map(|since| since + self.config.message_timeout);
            if gathered.is_some_and(|deadline| deadline <= now) {
                let slow = io::Error::new(io::ErrorKind::TimedOut, "a message took too long");
                return Poll::Ready(Err(slow));
            }
            self.decoder.take_empty_frames();
            let mut next = self.config.ping_interval;
            if std::mem::take(&mut self.heard) {
                self.pinged = false;
            } else if self.pinged {
                let gone = io::Error::new(io::ErrorKind::TimedOut, "no answer to a ping");
                return Poll::Ready(Err(gone));
            } else {
                self.pinged = true;
                socket.ping = true;
                next = self.config.pong_timeout;
            }
            let next = now + next;
            self.alarm.as_mut().reset(gathered.map_or(next, |deadline| deadline.min(next)));
        }
        Poll::Pending
    }
}

impl Drop for WebSocketRead {
    fn drop(&mut self) {
        lock(&self.shared).stop_listening();
    }
}

impl fmt::Debug for WebSocketRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketRead").finish_non_exhaustive()
    }
}

/// The writing half of a WebSocket.
///
/// It takes frames, which the queue of a peer has made of messages. Its shutdown says why the
/// connection ends, and waits until the other side has heard that.
pub struct WebSocketWrite {
    shared: Arc<Mutex<Socket>>,
    messages: Arc<Messages>,
    close_timeout: Duration,
    farewell: Farewell,
}

enum Farewell {
    NotSaid,
    Said(Pin<Box<Sleep>>),
    Answered,
}

impl AsyncWrite for WebSocketWrite {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut socket = lock(&self.shared);
        socket.writer_waits = true;
        ready!(socket.poll_control(cx))?;
        let written = ready!(Pin::new(&mut socket.stream).poll_write(cx, buf))?;
        socket.writer_waits = false;
        socket.left = left(socket.left, buf, written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut socket = lock(&self.shared);
        socket.writer_waits = true;
        ready!(socket.poll_control(cx))?;
        ready!(Pin::new(&mut socket.stream).poll_flush(cx))?;
        socket.writer_waits = false;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let mut socket = lock(&this.shared);
        socket.writer_waits = true;
        loop {
            match &mut this.farewell {
                Farewell::NotSaid => {
                    // The close frame is the last one.
                    socket.pongs.clear();
                    socket.ping = false;
                    match socket.closed {
                        Some(code) => close::answer(code, &mut socket.control),
                        None => {
                            let nothing = || (CloseCode::NORMAL, String::new());
                            let said = this.messages.said.get().cloned();
                            let (code, text) = said.unwrap_or_else(nothing);
                            close::say(code, &text, &mut socket.control);
                        }
                    }
                    this.farewell = Farewell::Said(Box::pin(sleep(this.close_timeout)));
                }
                Farewell::Said(patience) => {
                    ready!(socket.poll_control(cx))?;
                    if !socket.silent && socket.closed.is_none() {
                        socket.shutting_down = Some(cx.waker().clone());
                        ready!(patience.as_mut().poll(cx));
                    }
                    this.farewell = Farewell::Answered;
                }
                Farewell::Answered => return Pin::new(&mut socket.stream).poll_shutdown(cx),
            }
        }
    }
}

impl fmt::Debug for WebSocketWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketWrite").finish_non_exhaustive()
    }
}

fn lock(shared: &Mutex<Socket>) -> MutexGuard<'_, Socket> {
    shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// How much is left of a frame when `written` bytes of `buf` are, which begins with `left` bytes of
/// one.
fn left(left: usize, buf: &[u8], written: usize) -> usize {
    if written == buf.len() {
        // Whole messages are written, always.
        return 0;
    }
    let mut end = left;
    while end < written {
        let frame = buf.get(end..).and_then(ServerHead::frame_length);
        end = end.saturating_add(frame.unwrap_or(usize::MAX));
    }
    end - written
}

fn invalid(error: WebSocketError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn cut_off() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "ended without a goodbye")
}

/// Reads in a row that bring nothing to the reader, before others have their turn.
const MOST_TURNS: u32 = 4;
/// Answers that wait to be written, of up to 125 bytes each. A further ping takes the place of the
/// oldest.
const MAX_PONGS: usize = 16;
/// However little the reader has room for: the head of a frame should come at once.
const SMALLEST_READ: usize = 64;

#[cfg(test)]
mod tests;
