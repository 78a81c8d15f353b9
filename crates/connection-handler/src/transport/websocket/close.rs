//! How a connection ends: close codes (RFC 6455, 7.4).

use std::{error::Error, io};

use bytes::{BufMut, BytesMut};
use framing::FrameError;

use super::{
    WebSocketError,
    frame::{MAX_CONTROL, Opcode, ServerHead},
};
use crate::{DisconnectReason, Goodbye};

/// Why a WebSocket ended, as it is told to the other side (RFC 6455, 7.4).
///
/// What each [`DisconnectReason`] becomes:
///
/// | code | reason |
/// |---|---|
/// | 1000 | `Drop`: there is no more to say |
/// | 1001 | `Drain`: we are going away |
/// | 1002 | `InvalidMessage`, of a WebSocket that breaks the rules of WebSockets |
/// | 1003 | `InvalidMessage`: bytes where text is spoken, or text where bytes are |
/// | 1007 | `InvalidMessage`, any other: what it says is no message |
/// | 1008 | `RateExceeded`, or too many frames that say nothing |
/// | 1009 | `InvalidMessage` that is too long |
/// | 1011 | `Bug`, and `Io` if there is still somebody to tell |
/// | 4000 | `Kick`: the reason says why |
/// | 4001 | `Idle` |
/// | 4002 | `Timeout` |
/// | 4003 | `SlowConsumer` |
///
/// `RemoteClose` is answered with the code that the other side has given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// There is no more to say.
    pub const NORMAL: Self = Self(1000);
    /// The server shuts down.
    pub const GOING_AWAY: Self = Self(1001);
    /// The rules of WebSockets are broken.
    pub const PROTOCOL: Self = Self(1002);
    /// Bytes where text is spoken, or text where bytes are.
    pub const UNSUPPORTED: Self = Self(1003);
    /// What was said is no message.
    pub const INVALID: Self = Self(1007);
    /// More was said than may be.
    pub const POLICY: Self = Self(1008);
    /// A message is too long.
    pub const TOO_BIG: Self = Self(1009);
    /// A bug of ours.
    pub const INTERNAL: Self = Self(1011);
    /// The program wants it so.
    pub const KICK: Self = Self(4000);
    /// Silent for too long.
    pub const IDLE: Self = Self(4001);
    /// Something took too long.
    pub const TIMEOUT: Self = Self(4002);
    /// Did not read fast enough.
    pub const SLOW_CONSUMER: Self = Self(4003);

    /// The code as it is sent.
    pub fn as_u16(self) -> u16 {
        self.0
    }

    /// The code of a close frame. `None` for what nobody may send.
    pub(super) fn received(code: u16) -> Option<Self> {
        matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999).then_some(Self(code))
    }
}

impl From<&DisconnectReason> for CloseCode {
    fn from(reason: &DisconnectReason) -> Self {
        match reason {
            DisconnectReason::Drop | DisconnectReason::RemoteClose => Self::NORMAL,
            DisconnectReason::Drain => Self::GOING_AWAY,
            DisconnectReason::InvalidMessage(error) => of_invalid(&**error),
            DisconnectReason::RateExceeded(_) => Self::POLICY,
            DisconnectReason::Bug => Self::INTERNAL,
            DisconnectReason::Kick(_) => Self::KICK,
            DisconnectReason::Idle => Self::IDLE,
            DisconnectReason::Timeout(_) => Self::TIMEOUT,
            DisconnectReason::SlowConsumer => Self::SLOW_CONSUMER,
            DisconnectReason::Io(error) if error.kind() == io::ErrorKind::TimedOut => Self::IDLE,
            DisconnectReason::Io(_) => Self::INTERNAL,
        }
    }
}

fn of_invalid(error: &(dyn Error + Send + Sync + 'static)) -> CloseCode {
    if let Some(FrameError::MessageTooLong { .. }) = error.downcast_ref() {
        return CloseCode::TOO_BIG;
    }
    let ours = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    ours.and_then(|error| error.downcast_ref()).map_or(CloseCode::INVALID, WebSocketError::code)
}

/// What the other side hears of `reason`: what the [`Goodbye`] of every transport says, and what was
/// wrong with its messages, for who writes a client.
pub(super) fn words(reason: &DisconnectReason) -> (CloseCode, String) {
    let mut text = match reason {
        DisconnectReason::InvalidMessage(error) => error.to_string(),
        reason => Goodbye::from(reason).reason,
    };
    text.retain(|char| !char.is_control());
    text.truncate(text.floor_char_boundary(MAX_CONTROL as usize - 2));
    (CloseCode::from(reason), text)
}

/// What the other side has said, as every transport says it.
pub(super) fn goodbye(code: CloseCode, text: &[u8]) -> Goodbye {
    let goodbye = match code {
        CloseCode::NORMAL => crate::CloseCode::Done,
        CloseCode::GOING_AWAY => crate::CloseCode::ShuttingDown,
        CloseCode::INTERNAL => crate::CloseCode::InternalError,
        CloseCode(code) => crate::CloseCode::Other(code.into()),
    };
    Goodbye { code: goodbye, ..Goodbye::heard(0, text) }
}

/// Appends a close frame to `bytes`.
pub(super) fn say(code: CloseCode, text: &str, bytes: &mut BytesMut) {
    bytes.extend_from_slice(ServerHead::new(Opcode::Close, 2 + text.len()).as_bytes());
    bytes.put_u16(code.as_u16());
    bytes.extend_from_slice(text.as_bytes());
}

/// Appends the close frame that answers one with `code` to `bytes`.
pub(super) fn answer(code: Option<CloseCode>, bytes: &mut BytesMut) {
    let length = if code.is_some() { 2 } else { 0 };
    bytes.extend_from_slice(ServerHead::new(Opcode::Close, length).as_bytes());
    if let Some(code) = code {
        bytes.put_u16(code.as_u16());
    }
}

/// Reads what is in a close frame.
pub(super) fn heard(payload: &[u8]) -> Result<Option<CloseCode>, WebSocketError> {
    let Some((code, text)) = payload.split_first_chunk() else {
        return match payload.is_empty() {
            true => Ok(None),
            false => Err(WebSocketError::Protocol("half a close code")),
        };
    };
    let code = CloseCode::received(u16::from_be_bytes(*code))
        .ok_or(WebSocketError::Protocol("close code"))?;
    match str::from_utf8(text) {
        Ok(_) => Ok(Some(code)),
        Err(_) => Err(WebSocketError::NotText),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timeout;

    #[test]
    fn every_reason_has_its_code() {
        let wrapped = |error| io::Error::new(io::ErrorKind::InvalidData, error).into();
        let cases: [(DisconnectReason, u16); 14] = [
            (DisconnectReason::Drop, 1000),
            (DisconnectReason::Drain, 1001),
            (wrapped(WebSocketError::Protocol("reserved bit")), 1002),
            (wrapped(WebSocketError::WrongFormat), 1003),
            (wrapped(WebSocketError::NotText), 1007),
            (wrapped(WebSocketError::Flood), 1008),
            (wrapped(WebSocketError::TooLong { length: 2, max: 1 }), 1009),
            (FrameError::MessageTooLong { length: 2, max: 1 }.into(), 1009),
            (FrameError::Empty.into(), 1007),
            (DisconnectReason::Bug, 1011),
            ("cheated".into(), 4000),
            (DisconnectReason::Idle, 4001),
            (Timeout::FirstMessage.into(), 4002),
            (DisconnectReason::SlowConsumer, 4003),
        ];
        for (reason, code) in cases {
            assert_eq!(CloseCode::from(&reason).as_u16(), code, "{reason:?}");
        }
    }

    #[test]
    fn a_long_reason_is_cut_between_two_characters() {
        let mut bytes = BytesMut::new();
        let (code, text) = words(&DisconnectReason::from("ä".repeat(100)));
        say(code, &text, &mut bytes);
        assert_eq!(bytes[..4], [0x88, 124, 0x0f, 0xa0]);
        assert_eq!(&bytes[4..], "ä".repeat(61).as_bytes());
    }

    #[test]
    fn a_close_frame_says_a_code_and_text_or_nothing() {
        assert_eq!(heard(b""), Ok(None));
        assert_eq!(heard(b"\x03\xe8bye"), Ok(Some(CloseCode::NORMAL)));
        assert_eq!(heard(b"\x03\xe8\xff"), Err(WebSocketError::NotText));
        for wrong in [&b"\x03"[..], b"\0\0", b"\x03\xe7", b"\x03\xed", b"\x03\xf7", b"\x13\x88"] {
            assert!(matches!(heard(wrong), Err(WebSocketError::Protocol(_))), "{wrong:?}");
        }
    }
}
