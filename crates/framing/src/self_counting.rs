//! Frames behind a 16-bit little-endian length that counts itself.

use bytes::{Buf, BytesMut};

use crate::FrameError;

/// Cuts a stream into frames whose length field counts its own two bytes.
#[derive(Clone, Copy, Debug)]
pub struct SelfCounting {
    /// Most bytes of a frame, length field included. A longer one is an error.
    pub max: u16,
}

impl SelfCounting {
    /// Takes the next frame from the front of `src`, without its length field. `None`: not all of
    /// it is there yet.
    ///
    /// # Errors
    ///
    /// For a length below 2 or above [`max`](Self::max), as soon as the length field is there.
    pub fn next(&mut self, src: &mut BytesMut) -> Result<Option<BytesMut>, FrameError> {
        let &[low, high, ..] = &src[..] else { return Ok(None) };
        let length = u16::from_le_bytes([low, high]);
        if usize::from(length) < LENGTH_FIELD {
            return Err(FrameError::FrameTooShort(length.into()));
        }
        if length > self.max {
            return Err(FrameError::FrameTooLong { length: length.into(), max: self.max.into() });
        }
        if src.len() < length.into() {
            src.reserve(usize::from(length) - src.len());
            return Ok(None);
        }
        let mut frame = src.split_to(length.into());
        frame.advance(LENGTH_FIELD);
        Ok(Some(frame))
    }

    /// Appends one frame to `dst`: what `write` appends, behind its length.
    ///
    /// # Errors
    ///
    /// Those of `write`, and [`FrameTooLong`](FrameError::FrameTooLong). Nothing is appended then.
    pub fn encode<E: From<FrameError>>(
        &self,
        dst: &mut BytesMut,
        write: impl FnOnce(&mut BytesMut) -> Result<(), E>,
    ) -> Result<(), E> {
        let start = dst.len();
        dst.extend_from_slice(&[0; LENGTH_FIELD]);
        let length = write(dst).and_then(|()| Ok(self.length(dst.len().saturating_sub(start))?));
        match length {
            Ok(length) => dst[start..start + LENGTH_FIELD].copy_from_slice(&length.to_le_bytes()),
            Err(error) => {
                dst.truncate(start);
                return Err(error);
            }
        }
        Ok(())
    }

    fn length(&self, length: usize) -> Result<u16, FrameError> {
        let too_long = FrameError::FrameTooLong { length, max: self.max.into() };
        match u16::try_from(length) {
            Ok(short) if usize::from(short) < LENGTH_FIELD => {
                Err(FrameError::FrameTooShort(length))
            }
            Ok(short) if short <= self.max => Ok(short),
            _ => Err(too_long),
        }
    }
}

const LENGTH_FIELD: usize = size_of::<u16>();

#[cfg(test)]
mod tests {
    use super::*;

    const FRAMES: SelfCounting = SelfCounting { max: 8 };

    #[test]
    fn a_frame_is_what_its_length_says() {
        for (bytes, expected) in [
            (&b""[..], Ok(None)),
            (b"\x05", Ok(None)),
            (b"\x05\x00ab", Ok(None)),
            (b"\x05\x00abc", Ok(Some(&b"abc"[..]))),
            (b"\x05\x00abcdef", Ok(Some(b"abc"))),
            (b"\x02\x00", Ok(Some(b""))),
            (b"\x08\x00abcdef", Ok(Some(b"abcdef"))),
            (b"\x00\x00", Err(FrameError::FrameTooShort(0))),
            (b"\x01\x00abc", Err(FrameError::FrameTooShort(1))),
            (b"\x09\x00", Err(FrameError::FrameTooLong { length: 9, max: 8 })),
            (b"\x05\x01", Err(FrameError::FrameTooLong { length: 261, max: 8 })),
        ] {
            let frame = { FRAMES }.next(&mut BytesMut::from(bytes));
            assert_eq!(frame, expected.map(|frame| frame.map(BytesMut::from)), "{bytes:?}");
        }
    }

    #[test]
    fn what_is_encoded_is_read_back_however_it_is_cut() {
        let mut bytes = BytesMut::new();
        for frame in [&b"a"[..], b"", b"abcdef"] {
            encode(frame, &mut bytes).unwrap();
        }
        for cut in 0..=bytes.len() {
            let mut src = BytesMut::from(&bytes[..cut]);
            let mut frames = Vec::new();
            let mut frames_of = |src: &mut BytesMut| {
                while let Some(frame) = { FRAMES }.next(src).unwrap() {
                    frames.push(frame.to_vec());
                }
            };
            frames_of(&mut src);
            src.extend_from_slice(&bytes[cut..]);
            frames_of(&mut src);
            assert_eq!(frames, [&b"a"[..], b"", b"abcdef"], "cut at {cut}");
        }
    }

    #[test]
    fn a_frame_that_is_too_long_is_not_written() {
        let mut bytes = BytesMut::from("before");
        let error = encode(b"abcdefg", &mut bytes).unwrap_err();
        assert_eq!(error, FrameError::FrameTooLong { length: 9, max: 8 });
        assert_eq!(bytes, "before");
    }

    fn encode(frame: &[u8], bytes: &mut BytesMut) -> Result<(), FrameError> {
        FRAMES.encode(bytes, |bytes| {
            bytes.extend_from_slice(frame);
            Ok(())
        })
    }
}
