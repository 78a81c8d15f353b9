//! From the frames of a client to the bytes that a reader expects, without I/O.

use bytes::{Buf, Bytes, BytesMut};

use super::{
    CloseCode, Framing, WebSocketError, close,
    frame::{Head, MAX_CONTROL, Opcode, unmask},
    utf8::Utf8,
};
use crate::{MessageLimit, transport::Format};

/// Takes frames apart, and puts messages together.
///
/// A message of one frame is passed on as it arrives. Of one in several the bytes are gathered, up
/// to the limit, since its length has to stand before it.
#[derive(Debug)]
pub(super) struct Decoder {
    framing: Framing,
    format: Format,
    limit: MessageLimit,
    place: Place,
    /// The message that has begun, if it is in several frames.
    parts: Option<Parts>,
    is_text: bool,
    utf8: Utf8,
    /// What goes to the reader before anything else.
    ready: Bytes,
    /// The length that goes to the reader before anything else but that.
    prefix: Prefix,
    /// Frames that brought no byte of a message, since somebody asked.
    empty_frames: u32,
}

/// What the next byte is.
#[derive(Debug)]
enum Place {
    /// Of the head of a frame.
    Head,
    /// Of the payload of one that belongs to a message.
    Payload {
        head: Head,
        /// How many bytes of it have been.
        at: u64,
        /// How many may come before the reader expects another length.
        chunk: u64,
    },
    /// Of a control frame.
    Control { head: Head, payload: BytesMut },
    /// Nobody's: the other side has ended the connection.
    Closed,
}

#[derive(Debug)]
struct Parts {
    bytes: BytesMut,
}

/// Something that the reader does not hear of.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    Ping(Bytes),
    Pong,
    /// The other side ends the connection, perhaps inside of a message.
    Close {
        code: Option<CloseCode>,
        reason: Bytes,
        inside_message: bool,
    },
}

/// Takes what the reader is to have.
pub(super) trait Sink {
    /// How many bytes it takes.
    fn room(&self) -> usize;
    fn put(&mut self, bytes: &[u8]);
}

impl Sink for tokio::io::ReadBuf<'_> {
    fn room(&self) -> usize {
        self.remaining()
    }

    fn put(&mut self, bytes: &[u8]) {
        self.put_slice(bytes);
    }
}

impl Decoder {
    pub(super) fn new(framing: Framing, format: Format, limit: MessageLimit) -> Self {
        Self {
            framing,
            format,
            limit,
            place: Place::Head,
            parts: None,
            is_text: false,
            utf8: Utf8::default(),
            ready: Bytes::new(),
            prefix: Prefix::default(),
            empty_frames: 0,
        }
    }

    /// Whether a message in several frames has begun.
    pub(super) fn is_gathering(&self) -> bool {
        self.parts.is_some() && self.framing != Framing::Stream
    }

    /// How many frames have brought nothing since it was asked.
    pub(super) fn take_empty_frames(&mut self) -> u32 {
        std::mem::take(&mut self.empty_frames)
    }

    /// How many frames have brought nothing since they were taken.
    pub(super) fn empty_frames(&self) -> u32 {
        self.empty_frames
    }

    /// Takes from the front of `src` what can be, and gives `sink` what it makes of it: until there
    /// is nothing left to take, no room left, or something else to be told.
    pub(super) fn decode(
        &mut self,
        src: &mut BytesMut,
        sink: &mut impl Sink,
    ) -> Result<Option<Event>, WebSocketError> {
        loop {
            if !self.pour(sink) {
                return Ok(None);
            }
            match &mut self.place {
                Place::Closed => {
                    src.clear();
                    return Ok(None);
                }
                Place::Head => {
                    let Some((head, length)) = Head::read(src)? else { return Ok(None) };
                    src.advance(length);
                    self.begin(head)?;
                }
                Place::Payload { head, at, chunk } => {
                    let room = match &self.parts {
                        Some(_) => usize::MAX,
                        None => sink.room(),
                    };
                    let most = usize::try_from((head.length - *at).min(*chunk));
                    let take = most.unwrap_or(usize::MAX).min(room).min(src.len());
                    if take == 0 && *at < head.length {
                        return Ok(None);
                    }
                    let bytes = &mut src[..take];
                    unmask(bytes, head.mask, *at);
                    // Before the last of it is passed on: half a character would make a whole message.
                    let is_last = head.last && *at + take as u64 == head.length;
                    if self.is_text && (!self.utf8.goes_on(bytes) || is_last && !self.utf8.ends()) {
                        return Err(WebSocketError::NotText);
                    }
                    match &mut self.parts {
                        Some(parts) => parts.bytes.extend_from_slice(bytes),
                        None => sink.put(bytes),
                    }
                    *at += take as u64;
                    *chunk -= take as u64;
                    let (head, at, chunk) = (*head, *at, *chunk);
                    src.advance(take);
                    if at == head.length {
                        self.end(head)?;
                    } else if chunk == 0 {
                        self.begin_chunk(head, at);
                    }
                }
                Place::Control { head, payload } => {
                    let left = head.length as usize - payload.len();
                    let take = left.min(src.len());
                    let at = payload.len() as u64;
                    let bytes = &mut src[..take];
                    unmask(bytes, head.mask, at);
                    payload.extend_from_slice(bytes);
                    src.advance(take);
                    if take < left {
                        return Ok(None);
                    }
                    let (opcode, payload) = (head.opcode, payload.split().freeze());
                    return self.control(opcode, payload).map(Some);
                }
            }
        }
    }

    /// Gives the reader what is ready for it. Whether that is all.
    fn pour(&mut self, sink: &mut impl Sink) -> bool {
        if !self.ready.is_empty() {
            let take = self.ready.len().min(sink.room());
            sink.put(&self.ready.split_to(take));
            if !self.ready.is_empty() {
                return false;
            }
            self.ready = Bytes::new();
        }
        let prefix = self.prefix.left();
        let take = prefix.len().min(sink.room());
        sink.put(&prefix[..take]);
        self.prefix.from += take;
        self.prefix.left().is_empty()
    }

    fn begin(&mut self, head: Head) -> Result<(), WebSocketError> {
        if head.opcode.is_control() {
            self.empty_frames += 1;
            let payload = BytesMut::new();
            self.place = Place::Control { head, payload };
            return Ok(());
        }
        self.empty_frames += u32::from(head.length == 0);
        let continues = head.opcode == Opcode::Continuation;
        if continues != self.parts.is_some() {
            return Err(WebSocketError::Protocol("message inside a message, or none to continue"));
        }
        if !continues {
            self.is_text = head.opcode == Opcode::Text;
            let expected = self.is_text == (self.format == Format::Text);
            if !expected && self.framing != Framing::Stream {
                return Err(WebSocketError::WrongFormat);
            }
        }
        if self.framing == Framing::Stream {
            // Nothing is gathered: it only has to be known that a message has begun.
            self.parts = None;
            self.place = Place::Payload { head, at: 0, chunk: u64::MAX };
            if head.length == 0 {
                self.end(head)?;
            }
            return Ok(());
        }
        let gathered = self.parts.as_ref().map_or(0, |parts| parts.bytes.len() as u64);
        let length = gathered.saturating_add(head.length);
        let max = self.limit.get();
        if length > max as u64 {
            return Err(WebSocketError::TooLong { length, max });
        }
        if head.last && length == 0 && matches!(self.framing, Framing::Chunks(_)) {
            return Err(WebSocketError::Empty);
        }
        if !head.last && self.parts.is_none() {
            self.parts = Some(Parts { bytes: BytesMut::new() });
        }
        match self.parts {
            Some(_) => self.place = Place::Payload { head, at: 0, chunk: u64::MAX },
            None => self.begin_chunk(head, 0),
        }
        if head.length == 0 {
            self.end(head)?;
        }
        Ok(())
    }

    /// The reader expects a length here.
    fn begin_chunk(&mut self, head: Head, at: u64) {
        let left = head.length - at;
        let chunk = match self.framing {
            Framing::Chunks(size) => {
                let size = u64::from(size.get());
                let length = if left >= size { 0 } else { left as u16 };
                self.prefix = Prefix::new(&length.to_le_bytes());
                left.min(size)
            }
            Framing::Lengths => {
                // No longer than the limit: what has more than 32 bits is refused by it.
                let length = u32::try_from(left).unwrap_or(u32::MAX);
                self.prefix = Prefix::new(&length.to_be_bytes());
                left
            }
            Framing::Stream => left,
        };
        self.place = Place::Payload { head, at, chunk };
    }

    /// The frame is over.
    fn end(&mut self, head: Head) -> Result<(), WebSocketError> {
        self.place = Place::Head;
        if !head.last {
            if self.framing == Framing::Stream {
                self.parts = Some(Parts { bytes: BytesMut::new() });
            }
            return Ok(());
        }
        if self.is_text && !self.utf8.ends() {
            return Err(WebSocketError::NotText);
        }
        if let Some(parts) = self.parts.take()
            && self.framing != Framing::Stream
        {
            let mut ready = BytesMut::new();
            self.framing.append(&parts.bytes, &mut ready);
            self.ready = ready.freeze();
        }
        Ok(())
    }

    fn control(&mut self, opcode: Opcode, payload: Bytes) -> Result<Event, WebSocketError> {
        self.place = Place::Head;
        debug_assert!(payload.len() as u64 <= MAX_CONTROL);
        Ok(match opcode {
            Opcode::Close => {
                let code = close::heard(&payload)?;
                self.place = Place::Closed;
                let reason = payload.slice(payload.len().min(2)..);
                Event::Close { code, reason, inside_message: self.is_gathering() }
            }
            Opcode::Ping => Event::Ping(payload),
            _ => Event::Pong,
        })
    }
}

/// At most four bytes.
#[derive(Debug, Default)]
struct Prefix {
    bytes: [u8; 4],
    from: usize,
    to: usize,
}

impl Prefix {
    fn new(field: &[u8]) -> Self {
        let mut bytes = [0; 4];
        bytes[..field.len()].copy_from_slice(field);
        Self { bytes, from: 0, to: field.len() }
    }

    fn left(&self) -> &[u8] {
        &self.bytes[self.from..self.to]
    }
}

#[cfg(feature = "testing")]
pub(super) mod fuzz;
#[cfg(test)]
mod tests;
