//! What can be wrong with a frame.

/// What can be wrong with a frame, or with a message that is to become one.
///
/// After an error the stream is of no further use: nobody knows where the next frame begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// A message without any bytes, which the framing cannot carry.
    #[error("empty message")]
    Empty,
    /// A single frame is longer than both sides have agreed on.
    #[error("frame of {length} bytes exceeds {max}")]
    FrameTooLong {
        /// What the frame claims, in bytes.
        length: usize,
        /// What it may have, in bytes.
        max: usize,
    },
    /// A length that does not even cover the length field itself.
    #[error("frame of {0} bytes is shorter than its length field")]
    FrameTooShort(usize),
    /// A message is longer than its reader accepts.
    #[error("message of at least {length} bytes exceeds {max}")]
    MessageTooLong {
        /// What is known of it so far, in bytes.
        length: usize,
        /// What it may have, in bytes.
        max: usize,
    },
    /// The last chunk of a message has been read, and the message is not whole.
    #[error("message ends after {0} bytes, before it is whole")]
    Incomplete(usize),
    /// The stream has ended in the middle of a message.
    #[error("stream ended inside a message")]
    UnexpectedEnd,
    /// A line that is to be written contains the end of a line.
    #[error("line break inside a line")]
    LineBreak,
}
