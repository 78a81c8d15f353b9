//! Reading a capture again.

use std::{
    io::{self, Read},
    net::SocketAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::format::{
    CONNECTED, CUT, DISCONNECTED, END, GAP, LENGTH, MAGIC, MAX_RECORD, MESSAGE, OUTGOING, REDACTED,
    VERSION,
};

/// Reads the records of a capture, in the order in which they happened.
///
/// It trusts nobody: of a damaged file it returns what can be read, and then one error. It reads
/// small pieces, so give it something buffered. It never holds more than one record, of at most
/// 1 MiB and a little.
#[derive(Debug)]
pub struct Reader<R> {
    source: R,
    started: SystemTime,
    failed: bool,
}

impl<R: Read> Reader<R> {
    /// Reads the beginning of the file.
    ///
    /// # Errors
    ///
    /// When it is not a capture, or of another version.
    pub fn new(mut source: R) -> Result<Self, CaptureError> {
        let mut header = [0; MAGIC.len() + 1 + 8];
        match source.read_exact(&mut header) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(CaptureError::NotACapture);
            }
            read => read?,
        }
        let mut fields = Fields(&header);
        if fields.bytes(MAGIC.len())? != MAGIC {
            return Err(CaptureError::NotACapture);
        }
        match fields.u8()? {
            VERSION => {}
            other => return Err(CaptureError::Version(other)),
        }
        let since_epoch = Duration::from_micros(fields.u64()?);
        let started = UNIX_EPOCH.checked_add(since_epoch).ok_or(CaptureError::Malformed)?;
        Ok(Self { source, started, failed: false })
    }

    /// When the capture was started.
    pub fn started(&self) -> SystemTime {
        self.started
    }

    /// The next record this version knows.
    fn read(&mut self) -> Result<Option<Record>, CaptureError> {
        loop {
            let Some(length) = self.read_length()? else { return Ok(None) };
            if length > MAX_RECORD {
                return Err(CaptureError::TooLong(length));
            }
            // Grows as bytes come: a length alone costs nothing.
            let mut bytes = Vec::new();
            (&mut self.source).take(length as u64).read_to_end(&mut bytes)?;
            if bytes.len() < length {
                return Err(CaptureError::Truncated);
            }
            if let Some(record) = parse(&bytes)? {
                return Ok(Some(record));
            }
        }
    }

    fn read_length(&mut self) -> Result<Option<usize>, CaptureError> {
        let mut length = Vec::with_capacity(LENGTH);
        (&mut self.source).take(LENGTH as u64).read_to_end(&mut length)?;
        match <[u8; LENGTH]>::try_from(&length[..]) {
            Ok(length) => Ok(Some(u32::from_le_bytes(length) as usize)),
            Err(_) if length.is_empty() => Ok(None),
            Err(_) => Err(CaptureError::Truncated),
        }
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Record, CaptureError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let record = self.read();
        self.failed = record.is_err();
        record.transpose()
    }
}

/// Something that was captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When it happened, since the capture was started.
    pub at: Duration,
    /// What happened.
    pub event: Event,
}

/// What was captured. Texts are as they are in the file: escape them to show them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A peer has connected, or had before the capture was started and is heard of for the first
    /// time.
    Connected {
        /// Its number.
        peer: u64,
        /// Its kind of connection.
        kind: String,
        /// How the bytes travel.
        transport: String,
        /// Where it is.
        remote_addr: SocketAddr,
    },
    /// A message.
    Message {
        /// The number of the peer who said or heard it.
        peer: u64,
        /// Which of both.
        direction: Direction,
        /// Which message it is. Nothing, if its handler does not say.
        kind: String,
        /// How many bytes it has on the wire.
        length: u32,
        /// These bytes.
        payload: Payload,
    },
    /// A peer is gone.
    Disconnected {
        /// Its number.
        peer: u64,
        /// Why, in one word.
        reason: String,
    },
    /// Some records are missing: they came faster than they could be written.
    Gap {
        /// How many.
        records: u64,
    },
    /// The last record. A file without it is not whole.
    End(EndCause),
}

/// Who has said a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The peer.
    Incoming,
    /// We.
    Outgoing,
}

/// The bytes of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// All of them.
    Whole(Vec<u8>),
    /// The first ones: the message is longer than the capture was allowed to keep.
    Cut(Vec<u8>),
    /// None: its handler has not allowed it to be seen.
    Redacted,
}

/// Why a capture ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndCause {
    /// It was stopped.
    Stopped,
    /// The file has become as large as it may be.
    Full,
}

/// Why a capture cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// It does not begin like one.
    #[error("not a capture")]
    NotACapture,
    /// It is of another version.
    #[error("capture of version {0}, not {VERSION}")]
    Version(u8),
    /// A record is longer than any that is written.
    #[error("record of {0} bytes exceeds {MAX_RECORD}")]
    TooLong(usize),
    /// It ends inside a record.
    #[error("capture ends inside a record")]
    Truncated,
    /// A record does not hold what its type says.
    #[error("malformed record")]
    Malformed,
    /// It could not be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// One record, or nothing if its type is not known.
fn parse(bytes: &[u8]) -> Result<Option<Record>, CaptureError> {
    let mut fields = Fields(bytes);
    let kind = fields.u8()?;
    let at = Duration::from_micros(fields.u64()?);
    let peer = fields.u64()?;
    let event = match kind {
        CONNECTED => Event::Connected {
            peer,
            kind: fields.text()?,
            transport: fields.text()?,
            remote_addr: fields.text()?.parse().map_err(|_| CaptureError::Malformed)?,
        },
        MESSAGE => message(peer, fields)?,
        DISCONNECTED => Event::Disconnected { peer, reason: fields.text()? },
        GAP => Event::Gap { records: fields.u64()? },
        END => Event::End(match fields.u8()? {
            0 => EndCause::Stopped,
            1 => EndCause::Full,
            _ => return Err(CaptureError::Malformed),
        }),
        _ => return Ok(None),
    };
    Ok(Some(Record { at, event }))
}

fn message(peer: u64, mut fields: Fields<'_>) -> Result<Event, CaptureError> {
    let flags = fields.u8()?;
    let kind = fields.text()?;
    let length = fields.u32()?;
    let direction = match flags & OUTGOING {
        0 => Direction::Incoming,
        _ => Direction::Outgoing,
    };
    let Fields(bytes) = fields;
    let payload = match (flags & REDACTED != 0, flags & CUT != 0) {
        (true, _) if bytes.is_empty() => Payload::Redacted,
        (false, true) if bytes.len() < length as usize => Payload::Cut(bytes.into()),
        (false, false) if bytes.len() == length as usize => Payload::Whole(bytes.into()),
        _ => return Err(CaptureError::Malformed),
    };
    Ok(Event::Message { peer, direction, kind, length, payload })
}

/// What is left of a record.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn bytes(&mut self, length: usize) -> Result<&'a [u8], CaptureError> {
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(CaptureError::Malformed)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CaptureError> {
        self.bytes(N)?.try_into().map_err(|_| CaptureError::Malformed)
    }

    fn u8(&mut self) -> Result<u8, CaptureError> {
        self.array().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Result<u32, CaptureError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, CaptureError> {
        self.array().map(u64::from_le_bytes)
    }

    fn text(&mut self) -> Result<String, CaptureError> {
        let length = self.u8()?;
        let text = std::str::from_utf8(self.bytes(length.into())?);
        Ok(text.map_err(|_| CaptureError::Malformed)?.into())
    }
}
