//! The bytes of the load: no message is like another, so none can be lost, doubled or mistaken for
//! that of somebody else.

use std::io;

use crate::codec::{FILLER, Message};

/// All that a client says: one message again and again, with who says it and how often it was said
/// before in the middle.
pub(crate) struct Frames {
    frame: Vec<u8>,
    tag: usize,
    buffer: Vec<u8>,
}

impl Frames {
    pub(crate) fn of(message: &Message) -> Self {
        let frame = message.frame();
        let tag = frame.windows(TAG).position(|bytes| bytes == [FILLER; TAG]);
        Self { tag: tag.expect("every message has some filler"), frame, buffer: Vec::new() }
    }

    /// Bytes of one message, with its length.
    pub(crate) fn size(&self) -> usize {
        self.frame.len()
    }

    /// The bytes from `from` to `to` of all that `sender` says.
    pub(crate) fn said_by(&mut self, sender: usize, from: usize, to: usize) -> &[u8] {
        self.buffer.clear();
        let size = self.size();
        for number in from / size..to.div_ceil(size) {
            self.put_tag(sender, number);
            self.buffer.extend_from_slice(&self.frame);
        }
        let start = from % size;
        &self.buffer[start..start + to - from]
    }

    /// Whether `bytes` are what `sender` says from `from` on.
    pub(crate) fn check(&mut self, sender: usize, from: usize, mut bytes: &[u8]) -> io::Result<()> {
        let (mut number, mut start) = (from / self.size(), from % self.size());
        while !bytes.is_empty() {
            self.put_tag(sender, number);
            let (one, others) = bytes.split_at(bytes.len().min(self.size() - start));
            if one != &self.frame[start..start + one.len()] {
                let what = format!("message {number} to client {sender} is not what was said");
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
            (number, start, bytes) = (number + 1, 0, others);
        }
        Ok(())
    }

    fn put_tag(&mut self, sender: usize, number: usize) {
        let tag = (sender as u128) << 64 | number as u128;
        self.frame[self.tag..self.tag + TAG].copy_from_slice(&tag.to_le_bytes());
    }
}

const TAG: usize = size_of::<u128>();
