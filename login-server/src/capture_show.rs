//! `login-server capture show`: what a capture holds, with the messages of our protocol.

use std::{collections::HashMap, fs::File, io::BufReader, path::Path};

use anyhow::Context;
use bytes::BytesMut;
use connection_handler::{
    MessageLimit,
    capture::{self, Direction, EndCause, Event, Payload, Record},
    transport::Format,
};
use protocol::{FromGameClient, FromLauncher, MAX_AFTER_LOGIN, ToGameClient, ToLauncher, Wire};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio_util::codec::Decoder;

use crate::{
    handlers::codec::{Codec, Reader},
    recordings::{GAME_CLIENT, LAUNCHER},
};

/// Prints the records of `file`, one in a line: as JSON, or for a person.
///
/// # Errors
///
/// When it cannot be read; what comes before the damage is printed.
pub(crate) fn show(file: &Path, as_json: bool) -> anyhow::Result<()> {
    let shown = || file.display().to_string();
    let source = BufReader::new(File::open(file).with_context(shown)?);
    // Of whom which messages are.
    let mut kinds = HashMap::new();
    for record in capture::Reader::new(source).with_context(shown)? {
        let Record { at, event } = record.with_context(shown)?;
        if let Event::Connected { peer, kind, .. } = &event {
            kinds.insert(*peer, kind.clone());
        }
        let mut value = described(event, &kinds);
        value["at"] = json!(at.as_secs_f64());
        println!("{}", if as_json { value.to_string() } else { for_a_person(&value) });
    }
    Ok(())
}

fn described(event: Event, kinds: &HashMap<u64, String>) -> Value {
    match event {
        Event::Connected { peer, kind, transport, remote_addr } => json!({
            "event": "connected", "peer": peer, "kind": kind, "transport": transport,
            "remote_addr": remote_addr,
        }),
        Event::Message { peer, direction, kind, length, payload } => {
            let of = kinds.get(&peer).map(String::as_str);
            let (arrow, message) = (arrow(direction), message(of, direction, &payload));
            json!({
                "event": "message", "peer": peer, "direction": arrow, "kind": kind,
                "bytes": length, "message": message,
            })
        }
        Event::Disconnected { peer, reason } => {
            json!({"event": "disconnected", "peer": peer, "reason": reason})
        }
        Event::Gap { records } => json!({"event": "gap", "missing_records": records}),
        Event::End(EndCause::Stopped) => json!({"event": "end", "reason": "stopped"}),
        Event::End(EndCause::Full) => json!({"event": "end", "reason": "full"}),
        _ => json!({"event": "unknown"}),
    }
}

fn message(of: Option<&str>, direction: Direction, payload: &Payload) -> Value {
    match (payload, of, direction) {
        (Payload::Redacted, ..) => json!("redacted"),
        (Payload::Cut(bytes), ..) => json!(format!("cut to {} bytes", bytes.len())),
        (Payload::Whole(bytes), Some(GAME_CLIENT), Direction::Incoming) => {
            decoded::<FromGameClient>(bytes)
        }
        (Payload::Whole(bytes), Some(GAME_CLIENT), Direction::Outgoing) => {
            decoded::<ToGameClient>(bytes)
        }
        (Payload::Whole(bytes), Some(LAUNCHER), Direction::Incoming) => {
            decoded::<FromLauncher>(bytes)
        }
        (Payload::Whole(bytes), Some(LAUNCHER), Direction::Outgoing) => {
            decoded::<ToLauncher>(bytes)
        }
        (Payload::Whole(_), ..) => json!("of a kind of connection this program does not have"),
    }
}

/// What the program's own decoder makes of the bytes of one message.
fn decoded<M: Wire + Serialize + DeserializeOwned + 'static>(bytes: &[u8]) -> Value {
    // Behind the length. No message in bytes has a tag like the first character of one in JSON.
    let format = match bytes.get(2) {
        Some(b'{' | b'"') => Format::Text,
        _ => Format::Binary,
    };
    let limit = MessageLimit::new(MAX_AFTER_LOGIN);
    let mut reader = Reader::<M>::new(Codec::new(format), limit);
    match reader.decode(&mut BytesMut::from(bytes)) {
        Ok(Some(message)) => json!(message),
        Ok(None) => json!("not a whole message"),
        Err(error) => json!(format!("not a message: {error}")),
    }
}

fn arrow(direction: Direction) -> &'static str {
    match direction {
        Direction::Incoming => "in",
        Direction::Outgoing => "out",
    }
}

/// Texts stay quoted as in JSON, which leaves some control characters as they are: a terminal gets
/// none of them.
fn for_a_person(value: &Value) -> String {
    let at = value["at"].as_f64().unwrap_or_default();
    let mut line = format!("{at:>12.6} {}", value["event"].as_str().unwrap_or_default());
    for (name, value) in value.as_object().into_iter().flatten() {
        if name != "at" && name != "event" {
            line.push_str(&format!(" {name}={value}"));
        }
    }
    let escaped = |c: char| match c.is_control() {
        true => c.escape_unicode().collect(),
        false => String::from(c),
    };
    line.chars().map(escaped).collect()
}
