//! Lines of text.

use bytes::{Buf, BytesMut};

use crate::FrameError;

/// Cuts a stream into lines. A line ends with `\n` or `\r\n`, which is not part of it.
///
/// Lines are bytes: which of them are text is for the codec to say.
#[derive(Clone, Debug)]
pub struct Lines {
    max: usize,
    /// How much of the buffer is known to hold no end of a line.
    searched: usize,
}

impl Lines {
    /// Reads lines of at most `max` bytes, their end not counted.
    pub fn new(max: usize) -> Self {
        Self { max, searched: 0 }
    }

    /// Takes the next line from the front of `src`. `None`: its end is not there yet.
    ///
    /// Remembers how far it has searched: between two calls `src` must only grow.
    ///
    /// # Errors
    ///
    /// [`FrameTooLong`](FrameError::FrameTooLong), as soon as it is certain.
    pub fn next(&mut self, src: &mut BytesMut) -> Result<Option<BytesMut>, FrameError> {
        let searched = self.searched.min(src.len());
        let Some(end) = src[searched..].iter().position(|byte| *byte == b'\n') else {
            self.searched = src.len();
            // A line of the greatest length may still get its `\r`.
            return self.check(src.len().saturating_sub(1)).map(|()| None);
        };
        self.searched = 0;
        let mut line = src.split_to(searched + end);
        src.advance(1);
        if line.last() == Some(&b'\r') {
            line.truncate(line.len() - 1);
        }
        self.check(line.len())?;
        Ok(Some(line))
    }

    fn check(&self, length: usize) -> Result<(), FrameError> {
        match length > self.max {
            true => Err(FrameError::FrameTooLong { length, max: self.max }),
            false => Ok(()),
        }
    }
}

/// Appends `line` and its end, `\n`, to `dst`.
///
/// # Errors
///
/// [`LineBreak`](FrameError::LineBreak), because who writes text of somebody else as a line must not
/// be made to say two. Nothing is appended then.
pub fn encode(line: &[u8], dst: &mut BytesMut) -> Result<(), FrameError> {
    if line.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
        return Err(FrameError::LineBreak);
    }
    dst.reserve(line.len() + 1);
    dst.extend_from_slice(line);
    dst.extend_from_slice(b"\n");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"one\r\n\ntwo\n\r\nfour\rfive\nrest";
    const LINES: [&[u8]; 5] = [b"one", b"", b"two", b"", b"four\rfive"];

    #[test]
    fn lines_are_found_however_they_are_cut() {
        for cut in 0..=TEXT.len() {
            let mut lines = Lines::new(10);
            let mut src = BytesMut::from(&TEXT[..cut]);
            let mut found = all(&mut lines, &mut src).unwrap();
            src.extend_from_slice(&TEXT[cut..]);
            found.extend(all(&mut lines, &mut src).unwrap());
            assert_eq!(found, LINES, "cut at {cut}");
            assert_eq!(src, "rest");
        }
    }

    #[test]
    fn a_line_has_at_most_so_many_bytes() {
        for (text, fits) in [
            (&b"abc\n"[..], true),
            (b"abc\r\n", true),
            (b"abc\r", true),
            (b"abcd\n", false),
            (b"abcd\r\n", false),
            (b"abcde", false),
        ] {
            let result = Lines::new(3).next(&mut BytesMut::from(text));
            assert_eq!(result.is_ok(), fits, "{text:?}");
        }
    }

    #[test]
    fn a_line_cannot_smuggle_in_another() {
        for line in [&b"a\nb"[..], b"a\r", b"\n"] {
            let mut dst = BytesMut::new();
            assert_eq!(encode(line, &mut dst), Err(FrameError::LineBreak));
            assert_eq!(dst, "");
        }
    }

    #[test]
    fn what_is_encoded_is_read_back() {
        let mut bytes = BytesMut::new();
        encode(b"one", &mut bytes).unwrap();
        encode(b"", &mut bytes).unwrap();
        assert_eq!(all(&mut Lines::new(3), &mut bytes).unwrap(), [&b"one"[..], b""]);
    }

    fn all(lines: &mut Lines, src: &mut BytesMut) -> Result<Vec<Vec<u8>>, FrameError> {
        let mut found = Vec::new();
        while let Some(line) = lines.next(src)? {
            found.push(line.to_vec());
        }
        Ok(found)
    }
}
