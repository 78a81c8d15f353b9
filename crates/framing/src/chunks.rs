//! Messages cut into chunks, each behind a 16-bit length.
//!
//! A message is cut into chunks of at most [`ChunkSize`] bytes, all but the last of exactly that
//! many. Each is preceded by its length, 16 bits, little-endian; a length of 0 means exactly the
//! size, and so does the size itself. Empty messages do not exist.
//!
//! A chunk shorter than the size ends a message. After a chunk of exactly the size only the message
//! itself can say whether it goes on: who reads is asked after every chunk.
//!
//! ```
//! use bytes::BytesMut;
//! use framing::{FrameError, chunks::{self, ChunkReader, ChunkSize, Progress}};
//!
//! let size = ChunkSize::new(4).unwrap();
//! let mut wire = BytesMut::new();
//! chunks::encode(size, &mut wire, |bytes| {
//!     bytes.extend_from_slice(b"hello!");
//!     Ok::<_, FrameError>(())
//! })?;
//! assert_eq!(wire, &b"\0\0hell\x02\0o!"[..]);
//!
//! let message = ChunkReader::new(size).next(&mut wire, 100, |bytes| {
//!     Ok::<_, FrameError>(match bytes.ends_with(b"!") {
//!         true => Progress::Message(bytes.len()),
//!         false => Progress::Incomplete,
//!     })
//! })?;
//! assert_eq!(message, Some(6));
//! # Ok::<(), FrameError>(())
//! ```

use std::num::NonZeroU16;

use bytes::{Buf, BytesMut};

use crate::FrameError;

/// The size of a full chunk: 1 to 65535 bytes. Both sides must agree on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkSize(NonZeroU16);

impl ChunkSize {
    /// 65535 bytes, the default.
    pub const MAX: Self = Self(NonZeroU16::MAX);

    /// A size in bytes. `None` for 0.
    pub fn new(bytes: u16) -> Option<Self> {
        NonZeroU16::new(bytes).map(Self)
    }

    /// The size in bytes.
    pub fn get(self) -> u16 {
        self.0.get()
    }

    fn bytes(self) -> usize {
        self.get().into()
    }
}

impl Default for ChunkSize {
    fn default() -> Self {
        Self::MAX
    }
}

/// What the chunks that have arrived are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress<M> {
    /// A message.
    Message(M),
    /// The beginning of a message. An error unless the last chunk was full.
    Incomplete,
}

/// Puts messages together from their chunks.
///
/// A message of one chunk is read where it lies. Of a longer one the chunks are collected, up to
/// the limit that [`next`](Self::next) is given.
#[derive(Debug)]
pub struct ChunkReader {
    size: ChunkSize,
    /// The chunks of a message that goes on.
    begun: BytesMut,
}

impl ChunkReader {
    /// Reads chunks of at most `size`.
    pub fn new(size: ChunkSize) -> Self {
        Self { size, begun: BytesMut::new() }
    }

    /// Whether the stream may not end here, given that `src` is what is left of it.
    pub fn is_inside_message(&self, src: &[u8]) -> bool {
        !src.is_empty() || !self.begun.is_empty()
    }

    /// Takes the next message from the front of `src`. `None`: not all of it is there yet.
    ///
    /// `decode` is called after every chunk, with all the bytes of the message so far. `max` is how
    /// many it may have; each chunk is held against it as soon as its length is there.
    ///
    /// # Errors
    ///
    /// Those of `decode`, and of lengths that cannot be. The reader is of no further use then.
    pub fn next<M, E: From<FrameError>>(
        &mut self,
        src: &mut BytesMut,
        max: usize,
        mut decode: impl FnMut(&[u8]) -> Result<Progress<M>, E>,
    ) -> Result<Option<M>, E> {
        while let Some(chunk) = self.chunk(src, max)? {
            let bytes = src.get(LENGTH_FIELD..LENGTH_FIELD + chunk).unwrap_or_default();
            let progress = if self.begun.is_empty() {
                decode(bytes)?
            } else {
                self.begun.extend_from_slice(bytes);
                decode(&self.begun)?
            };
            match progress {
                Progress::Message(message) => {
                    src.advance(LENGTH_FIELD + chunk);
                    self.begun = BytesMut::new();
                    return Ok(Some(message));
                }
                Progress::Incomplete if chunk == self.size.bytes() => {
                    if self.begun.is_empty() {
                        self.begun.extend_from_slice(bytes);
                    }
                    src.advance(LENGTH_FIELD + chunk);
                }
                Progress::Incomplete => {
                    let length = self.begun.len().max(chunk);
                    return Err(FrameError::Incomplete(length).into());
                }
            }
        }
        Ok(None)
    }

    /// The bytes of the chunk at the front of `src`, if all of them are there.
    fn chunk(&self, src: &mut BytesMut, max: usize) -> Result<Option<usize>, FrameError> {
        let &[low, high, ..] = &src[..] else { return Ok(None) };
        let length = match u16::from_le_bytes([low, high]) {
            0 => self.size.bytes(),
            length => length.into(),
        };
        if length > self.size.bytes() {
            return Err(FrameError::FrameTooLong { length, max: self.size.bytes() });
        }
        let message = self.begun.len() + length;
        if message > max {
            return Err(FrameError::MessageTooLong { length: message, max });
        }
        Ok((src.len() >= LENGTH_FIELD + length).then_some(length))
    }
}

/// Appends one message to `dst`: what `write` appends, cut into chunks of at most `size`.
///
/// A message of one chunk is written where it will stay. `write` must only append.
///
/// # Errors
///
/// Those of `write`, and [`Empty`](FrameError::Empty) if it has appended nothing. What it has
/// appended is removed then.
pub fn encode<E: From<FrameError>>(
    size: ChunkSize,
    dst: &mut BytesMut,
    write: impl FnOnce(&mut BytesMut) -> Result<(), E>,
) -> Result<(), E> {
    let start = dst.len();
    dst.extend_from_slice(&[0; LENGTH_FIELD]);
    let written = write(dst).and_then(|()| match dst.len() > start + LENGTH_FIELD {
        true => Ok(()),
        false => Err(FrameError::Empty.into()),
    });
    match written {
        Ok(()) => cut(size, dst, start),
        Err(_) => dst.truncate(start),
    }
    written
}

/// Appends one encoded `message` to `dst`: it is in chunks of `from`, and will be in chunks of `to`.
///
/// `message` is what [`encode`] has appended with `from`.
pub fn recut(message: &[u8], from: ChunkSize, to: ChunkSize, dst: &mut BytesMut) {
    if from == to || message.len() < LENGTH_FIELD + from.bytes().min(to.bytes()) {
        return dst.extend_from_slice(message);
    }
    let start = dst.len();
    dst.extend_from_slice(&[0; LENGTH_FIELD]);
    for chunk in message.chunks(LENGTH_FIELD + from.bytes()) {
        dst.extend_from_slice(chunk.get(LENGTH_FIELD..).unwrap_or_default());
    }
    cut(to, dst, start);
}

/// Takes the length fields out of one encoded message, of which the chunks are in `dst` from `start`
/// on: what is left are the bytes of the message, behind `head` bytes for whoever frames it anew.
///
/// The message is what [`encode`] has appended with `size`. Those `head` bytes may hold anything.
/// The message itself may be moved: only as far as is needed, which for two bytes is nowhere.
pub fn uncut(size: ChunkSize, dst: &mut BytesMut, start: usize, head: usize) {
    let chunk = LENGTH_FIELD + size.bytes();
    let end = dst.len();
    let mut length = end.saturating_sub(start + LENGTH_FIELD).min(size.bytes());
    let mut from = start + chunk;
    while from < end {
        let to = (from + chunk).min(end);
        dst.copy_within(from + LENGTH_FIELD..to, start + LENGTH_FIELD + length);
        length += to - from - LENGTH_FIELD;
        from = to;
    }
    let needed = start + head + length;
    if head > LENGTH_FIELD && needed > dst.len() {
        dst.resize(needed, 0);
    }
    if head != LENGTH_FIELD {
        let first = start + LENGTH_FIELD;
        dst.copy_within(first..first + length, start + head);
    }
    dst.truncate(needed);
}

/// Cuts the message behind the length field at `start` into chunks.
fn cut(size: ChunkSize, dst: &mut BytesMut, start: usize) {
    let first = start + LENGTH_FIELD;
    let length = dst.len() - first;
    let full = size.bytes();
    let chunks = length.div_ceil(full);
    dst.resize(dst.len() + (chunks - 1) * LENGTH_FIELD, 0);
    // From the last to the first, so that nothing is overwritten before it was moved.
    for chunk in (0..chunks).rev() {
        let from = first + chunk * full;
        let bytes = full.min(length - chunk * full);
        let to = from + chunk * LENGTH_FIELD;
        if to != from {
            dst.copy_within(from..from + bytes, to);
        }
        let field = match bytes == full {
            true => 0,
            false => u16::try_from(bytes).expect("less than a full chunk"),
        };
        dst[to - LENGTH_FIELD..to].copy_from_slice(&field.to_le_bytes());
    }
}

const LENGTH_FIELD: usize = size_of::<u16>();

#[cfg(test)]
mod tests;
