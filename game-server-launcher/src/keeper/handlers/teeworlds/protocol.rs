//! Teeworlds' external console, as version 0.7.5 speaks it.
//!
//! Lines of text both ways. Those of the game end with `\n` and two zero bytes, and most begin with
//! the time and the part of the game that speaks: `[21:32:57][chat]: 0:0:ann: hello`.

use bytes::BytesMut;
use framing::{
    FrameError,
    lines::{self, Lines},
};
use tokio_util::codec::{Decoder, Encoder};

/// A line of the game, as far as we understand it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FromTeeworlds {
    /// It wants the password of the console.
    PasswordWanted,
    /// That was the wrong one.
    PasswordWrong,
    /// We are in.
    Authenticated,
    /// The value of the variable that was asked for.
    Value(String),
    /// What was to be echoed.
    Echo(String),
    /// A player plays, or has changed sides.
    TeamJoin { client: u32, name: String },
    /// A player is gone.
    Leave { client: u32 },
    /// A client is gone that may not have been a player yet.
    Dropped { client: u32 },
    /// A line of the list of clients.
    Status { client: u32, name: String, score: i32 },
    /// Somebody has said something to all. The line is the name, a colon and what was said: either
    /// may have colons in it.
    Chat { client: u32, line: String },
    /// The map is being changed to this one.
    Rotating { map: String },
    /// Anything else.
    Other(String),
}

/// A line for the game: a command of its console, or the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ToTeeworlds(pub(crate) String);

/// Why the console cannot be read or told something.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TeeworldsError {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Both directions of the console.
#[derive(Clone, Debug)]
pub(crate) struct TeeworldsCodec(Lines);

impl Default for TeeworldsCodec {
    fn default() -> Self {
        Self(Lines::new(MAX_LINE))
    }
}

impl Decoder for TeeworldsCodec {
    type Item = FromTeeworlds;
    type Error = TeeworldsError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<FromTeeworlds>, TeeworldsError> {
        let Some(line) = self.0.next(src)? else { return Ok(None) };
        let start = line.iter().position(|byte| *byte != 0).unwrap_or(line.len());
        let line = String::from_utf8_lossy(line.get(start..).unwrap_or_default()).into_owned();
        Ok(Some(FromTeeworlds::from(line.as_str())))
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<FromTeeworlds>, TeeworldsError> {
        let message = self.decode(src)?;
        if message.is_none() {
            // The zero bytes after the last line.
            src.clear();
        }
        Ok(message)
    }
}

impl Encoder<ToTeeworlds> for TeeworldsCodec {
    type Error = TeeworldsError;

    fn encode(
        &mut self,
        ToTeeworlds(line): ToTeeworlds,
        dst: &mut BytesMut,
    ) -> Result<(), TeeworldsError> {
        Ok(lines::encode(line.as_bytes(), dst)?)
    }
}

impl From<&str> for FromTeeworlds {
    fn from(line: &str) -> Self {
        match line {
            "Enter password:" => Self::PasswordWanted,
            _ if line.starts_with("Wrong password ") => Self::PasswordWrong,
            _ if line.starts_with("Authentication successful.") => Self::Authenticated,
            _ => of_a_part(line).unwrap_or_else(|| Self::Other(line.to_owned())),
        }
    }
}

/// A line that says which part of the game speaks. Players choose what comes after that, never it.
fn of_a_part(line: &str) -> Option<FromTeeworlds> {
    let (_time, line) = line.strip_prefix('[')?.split_once("][")?;
    let (part, text) = line.split_once("]: ")?;
    match part {
        "Console" => Some(match text.strip_prefix("Value: ") {
            Some(value) => FromTeeworlds::Value(value.to_owned()),
            None => FromTeeworlds::Echo(text.to_owned()),
        }),
        "chat" => {
            let (_mode, rest) = text.split_once(':')?;
            let (client, rest) = number(rest)?;
            let line = rest.strip_prefix(':')?.to_owned();
            Some(FromTeeworlds::Chat { client, line })
        }
        "game" => of_the_game(text),
        "server" => of_the_server(text),
        _ => None,
    }
}

fn of_the_game(text: &str) -> Option<FromTeeworlds> {
    if let Some(map) = text.strip_prefix("rotating map to ") {
        return Some(FromTeeworlds::Rotating { map: map.to_owned() });
    }
    if let Some(rest) = text.strip_prefix("team_join player='") {
        let (client, rest) = number(rest)?;
        // From the end: a name may have quotation marks in it.
        let (name, _team) = rest.strip_prefix(':')?.rsplit_once("' team=")?;
        return Some(FromTeeworlds::TeamJoin { client, name: name.to_owned() });
    }
    let (client, _name) = number(text.strip_prefix("leave player='")?)?;
    Some(FromTeeworlds::Leave { client })
}

fn of_the_server(text: &str) -> Option<FromTeeworlds> {
    if let Some(rest) = text.strip_prefix("client dropped. cid=") {
        return number(rest).map(|(client, _)| FromTeeworlds::Dropped { client });
    }
    let (client, rest) = number(text.strip_prefix("id=")?)?;
    let (_address, rest) = rest.split_once(" name='")?;
    let (name, score) = rest.rsplit_once("' score=")?;
    let score = score.split(' ').next()?.parse().ok()?;
    Some(FromTeeworlds::Status { client, name: name.to_owned(), score })
}

/// The number at the beginning, and what follows it.
fn number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at_checked(end)?;
    Some((number.parse().ok()?, rest))
}

/// The game makes none of more than 1,024 bytes.
const MAX_LINE: usize = 4096;

#[cfg(test)]
mod tests;
