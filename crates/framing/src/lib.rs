//! Where a message begins and ends: three answers, without any I/O.
//!
//! * [`chunks`]: a message is cut into chunks, each behind a 16-bit length. A message may be longer
//!   than the length field can say, and needs no terminator.
//! * [`lines`]: a message is a line of text.
//! * [`self_counting`]: a message stands behind a 16-bit length that counts itself.
//!
//! All three work on a [`BytesMut`](bytes::BytesMut) that somebody else fills: they take from its
//! front what is whole, leave there what is not, and look at no byte again and again. Nothing here
//! panics on what a peer sends, and nothing is kept beyond the limit it was given.
//!
//! ```
//! use bytes::BytesMut;
//! use framing::lines::Lines;
//!
//! let mut lines = Lines::new(80);
//! let mut received = BytesMut::from("hello\r\nwor");
//! assert_eq!(lines.next(&mut received)?.as_deref(), Some(&b"hello"[..]));
//! assert_eq!(lines.next(&mut received)?, None);
//! received.extend_from_slice(b"ld\n");
//! assert_eq!(lines.next(&mut received)?.as_deref(), Some(&b"world"[..]));
//! # Ok::<(), framing::FrameError>(())
//! ```

pub mod chunks;
mod error;
pub mod lines;
pub mod self_counting;

pub use crate::error::FrameError;
