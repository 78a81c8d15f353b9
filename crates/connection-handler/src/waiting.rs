//! Encoded messages that wait for their writer.

use std::ops::Deref;

use bytes::{Bytes, BytesMut};

use crate::buffers;

/// Encoded messages.
pub(crate) enum Waiting {
    /// Of this peer alone.
    Own(BytesMut),
    /// A single one that others hear too.
    Shared(Bytes),
}

impl Waiting {
    /// Where more can be appended to it, about so many bytes in all.
    #[inline]
    pub(crate) fn owned(&mut self, about: u32) -> &mut BytesMut {
        if !matches!(self, Self::Own(bytes) if bytes.capacity() > 0) {
            self.begin(about);
        }
        match self {
            Self::Own(bytes) => bytes,
            Self::Shared(_) => unreachable!("it was copied"),
        }
    }

    #[cold]
    fn begin(&mut self, about: u32) {
        let mut bytes = buffers::take(usize::try_from(about).unwrap_or(usize::MAX));
        bytes.extend_from_slice(self);
        *self = Self::Own(bytes);
    }

    pub(crate) fn give_back(self) {
        if let Self::Own(bytes) = self {
            buffers::give_back(bytes);
        }
    }
}

impl Default for Waiting {
    fn default() -> Self {
        Self::Own(BytesMut::new())
    }
}

impl Deref for Waiting {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lent_is_copied_before_anything_follows() {
        let lent = Bytes::from_static(b"to all");
        let mut waiting = Waiting::Shared(lent.clone());
        assert_eq!(&*waiting, b"to all");
        waiting.owned(0).extend_from_slice(b", to one");
        assert_eq!(&*waiting, b"to all, to one");
        assert_eq!(lent, "to all");
        waiting.give_back();
        assert!(Waiting::default().owned(10).is_empty(), "a buffer is empty when it is used again");
    }
}
