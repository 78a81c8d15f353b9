//! OpenTTD's admin protocol, version 2: as OpenTTD 13 speaks it.
//!
//! A frame is a length that counts itself, a byte that says which packet it is, and the packet's
//! fields: little-endian numbers, and text that ends with a zero byte. What follows the fields we
//! know was added later, and is left out.

use bytes::{Buf, BufMut, BytesMut};
use framing::{FrameError, self_counting::SelfCounting};
use tokio_util::codec::{Decoder, Encoder};

/// What OpenTTD says on its admin port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FromOpenttd {
    /// It takes no further admin connections.
    Full,
    /// It refuses this address.
    Banned,
    /// Something we did was wrong.
    Error(u8),
    /// The version of the protocol.
    Protocol { version: u8 },
    /// We are in, or a new map was made.
    Welcome(Welcome),
    /// A new map is being made: every client is disconnected.
    NewGame,
    /// It stops.
    Shutdown,
    /// The day, counted from the beginning of the year 0.
    Date(u32),
    /// A client is in the game.
    ClientJoin(u32),
    /// A client, in the game or still at the password prompt.
    ClientInfo { client: u32, name: String, company: u8 },
    /// A client has another name or company.
    ClientUpdate { client: u32, name: String },
    /// A client has left.
    ClientQuit(u32),
    /// A client was disconnected.
    ClientError(u32),
    /// Somebody said something.
    Chat { action: u8, destination: u8, client: u32, text: String },
    /// A line of the answer to a command.
    Rcon(String),
    /// The answer to this command is complete.
    RconEnd(String),
    /// The answer to a ping.
    Pong(u32),
    /// Anything else.
    Other(u8),
}

/// What OpenTTD says about itself and its map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Welcome {
    pub(crate) name: String,
    pub(crate) revision: String,
    pub(crate) seed: u32,
    pub(crate) landscape: u8,
    pub(crate) width: u16,
    pub(crate) height: u16,
}

/// What we say to OpenTTD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ToOpenttd {
    /// First: who we are.
    Join { password: String, name: String, version: String },
    /// Tell us of `kind`, this often.
    UpdateFrequency { kind: UpdateKind, frequency: Frequency },
    /// Tell us of all clients, once.
    PollClients,
    /// Run this command of its console. Answered by `Rcon`s and one `RconEnd`.
    Rcon(String),
    /// Answered by `Pong`.
    Ping(u32),
    /// Show this to all who are in the game.
    ExternalChat { source: String, speaker: String, text: String },
}

/// What OpenTTD can tell us of again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UpdateKind {
    Date = 0,
    ClientInfo = 1,
    Chat = 5,
}

/// How often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frequency {
    Daily = 0x02,
    Automatic = 0x40,
}

/// Why a packet cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenttdError {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("packet of type {0} ends too early")]
    Truncated(u8),
    #[error("packet without a type")]
    Untyped,
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Both directions of the admin port.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenttdCodec {
    frames: SelfCounting,
}

impl Default for OpenttdCodec {
    fn default() -> Self {
        Self { frames: SelfCounting { max: MAX_FRAME } }
    }
}

impl Decoder for OpenttdCodec {
    type Item = FromOpenttd;
    type Error = OpenttdError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<FromOpenttd>, OpenttdError> {
        match self.frames.next(src)? {
            Some(frame) => decode(&frame).map(Some),
            None => Ok(None),
        }
    }
}

impl Encoder<ToOpenttd> for OpenttdCodec {
    type Error = OpenttdError;

    fn encode(&mut self, message: ToOpenttd, dst: &mut BytesMut) -> Result<(), OpenttdError> {
        self.frames.encode(dst, |bytes| {
            encode(&message, bytes);
            Ok(())
        })
    }
}

/// Reads one packet, without its length.
fn decode(frame: &[u8]) -> Result<FromOpenttd, OpenttdError> {
    let [kind, fields @ ..] = frame else { return Err(OpenttdError::Untyped) };
    Fields(fields).packet(*kind).ok_or(OpenttdError::Truncated(*kind))
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn packet(&mut self, kind: u8) -> Option<FromOpenttd> {
        Some(match kind {
            100 => FromOpenttd::Full,
            101 => FromOpenttd::Banned,
            102 => FromOpenttd::Error(self.u8()?),
            103 => FromOpenttd::Protocol { version: self.u8()? },
            104 => FromOpenttd::Welcome(self.welcome()?),
            105 => FromOpenttd::NewGame,
            106 => FromOpenttd::Shutdown,
            107 => FromOpenttd::Date(self.u32()?),
            108 => FromOpenttd::ClientJoin(self.u32()?),
            109 => self.client_info()?,
            110 => FromOpenttd::ClientUpdate { client: self.u32()?, name: self.text()? },
            111 => FromOpenttd::ClientQuit(self.u32()?),
            112 => FromOpenttd::ClientError(self.u32()?),
            119 => FromOpenttd::Chat {
                action: self.u8()?,
                destination: self.u8()?,
                client: self.u32()?,
                text: self.text()?,
            },
            120 => {
                let _colour = self.u16()?;
                FromOpenttd::Rcon(self.text()?)
            }
            125 => FromOpenttd::RconEnd(self.text()?),
            126 => FromOpenttd::Pong(self.u32()?),
            other => FromOpenttd::Other(other),
        })
    }

    fn welcome(&mut self) -> Option<Welcome> {
        let (name, revision) = (self.text()?, self.text()?);
        let (_dedicated, _map) = (self.u8()?, self.text()?);
        let (seed, landscape, _start_date) = (self.u32()?, self.u8()?, self.u32()?);
        let (width, height) = (self.u16()?, self.u16()?);
        Some(Welcome { name, revision, seed, landscape, width, height })
    }

    fn client_info(&mut self) -> Option<FromOpenttd> {
        let client = self.u32()?;
        let (_host, name) = (self.text()?, self.text()?);
        let (_language, _joined) = (self.u8()?, self.u32()?);
        Some(FromOpenttd::ClientInfo { client, name, company: self.u8()? })
    }

    fn u8(&mut self) -> Option<u8> {
        self.0.try_get_u8().ok()
    }

    fn u16(&mut self) -> Option<u16> {
        self.0.try_get_u16_le().ok()
    }

    fn u32(&mut self) -> Option<u32> {
        self.0.try_get_u32_le().ok()
    }

    /// Text comes from players: it is shown as well as it can be.
    fn text(&mut self) -> Option<String> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let text = String::from_utf8_lossy(self.0.get(..end)?).into_owned();
        self.0.advance(end + 1);
        Some(text)
    }
}

/// Appends one packet, without its length.
fn encode(message: &ToOpenttd, bytes: &mut BytesMut) {
    match message {
        ToOpenttd::Join { password, name, version } => {
            bytes.put_u8(0);
            for text in [password, name, version] {
                put_text(text, bytes);
            }
        }
        ToOpenttd::UpdateFrequency { kind, frequency } => {
            bytes.put_u8(2);
            bytes.put_u16_le(*kind as u16);
            bytes.put_u16_le(*frequency as u16);
        }
        ToOpenttd::PollClients => {
            bytes.put_u8(3);
            bytes.put_u8(UpdateKind::ClientInfo as u8);
            bytes.put_u32_le(ALL);
        }
        ToOpenttd::Rcon(command) => {
            bytes.put_u8(5);
            put_text(command, bytes);
        }
        ToOpenttd::Ping(nonce) => {
            bytes.put_u8(7);
            bytes.put_u32_le(*nonce);
        }
        ToOpenttd::ExternalChat { source, speaker, text } => {
            bytes.put_u8(8);
            put_text(source, bytes);
            bytes.put_u16_le(WHITE);
            put_text(speaker, bytes);
            put_text(text, bytes);
        }
    }
}

/// A zero byte would end the text, and make the rest other fields.
fn put_text(text: &str, bytes: &mut BytesMut) {
    bytes.extend(text.bytes().filter(|byte| *byte != 0));
    bytes.put_u8(0);
}

/// What OpenTTD itself takes at most. Longer ones end the connection.
const MAX_FRAME: u16 = 32_767;

const ALL: u32 = u32::MAX;

/// Another number than those it knows ends the connection.
const WHITE: u16 = 12;

#[cfg(test)]
mod tests;
