//! What a program says on its standard output: one JSON object a line.

use std::{
    fmt::Write as _,
    io::{BufRead, BufReader, Read},
    panic::Location,
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use serde_json::Value;

/// One JSON object.
#[derive(Clone, Debug, PartialEq)]
pub struct Event(pub Value);

impl Event {
    /// What it is: its member `event`.
    pub fn kind(&self) -> &str {
        self.text("event")
    }

    /// A member that is text, or the empty text.
    pub fn text(&self, member: &str) -> &str {
        self.0[member].as_str().unwrap_or_default()
    }

    /// Whether it is a `server` that takes players.
    pub fn is_ready(&self) -> bool {
        self.kind() == "server" && self.text("state") == "ready"
    }

    /// Whether it is a `chat` with this text.
    pub fn says(&self, text: &str) -> bool {
        self.kind() == "chat" && self.text("text") == text
    }

    /// Whether it is a `server` on whose list of players `name` is.
    pub fn has_player(&self, name: &str) -> bool {
        self.kind() == "server" && list_of(&self.0["players"]).contains(&name)
    }
}

/// The texts of a JSON array; of anything else, none.
pub fn list_of(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The events of one program, in order, each taken once.
#[derive(Debug)]
pub struct Events {
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Events {
    pub(crate) fn of(output: impl Read + Send + 'static) -> Self {
        let (sender, lines) = channel();
        thread::spawn(move || {
            // Whoever does not listen any more is gone, and the program ends with its pipe.
            BufReader::new(output).lines().map_while(Result::ok).try_for_each(|l| sender.send(l))
        });
        Self { lines, seen: Vec::new() }
    }

    /// The next event that `is_it` accepts; those before it are dropped.
    ///
    /// # Errors
    ///
    /// After `limit`, or when the program closes its output before: with all it has said.
    #[track_caller]
    pub fn wait(
        &mut self,
        what: &str,
        limit: Duration,
        mut is_it: impl FnMut(&Event) -> bool,
    ) -> Result<Event> {
        let caller = Location::caller();
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    let event = serde_json::from_str(&line).map(Event);
                    self.seen.push(line);
                    match event {
                        Ok(event) if is_it(&event) => return Ok(event),
                        Ok(_) | Err(_) => {}
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    bail!("{caller}: waited {limit:?} for {what}; seen: {}", self.seen())
                }
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("{caller}: it ended before {what}; seen: {}", self.seen())
                }
            }
        }
    }

    /// The next event of a kind.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    #[track_caller]
    pub fn kind(&mut self, kind: &str, limit: Duration) -> Result<Event> {
        self.wait(kind, limit, |event| event.kind() == kind)
    }

    /// All lines until now that were not taken yet.
    pub fn rest(&mut self) -> Vec<Event> {
        let lines: Vec<_> = self.lines.try_iter().collect();
        let events = lines.iter().filter_map(|l| serde_json::from_str(l).ok().map(Event)).collect();
        self.seen.extend(lines);
        events
    }

    /// The last lines it has said, for a report.
    pub fn seen(&self) -> String {
        let hidden = self.seen.len().saturating_sub(SHOWN);
        let mut text = format!("{} lines", self.seen.len());
        for line in &self.seen[hidden..] {
            let _ = write!(text, "\n    {line}");
        }
        text
    }
}

const SHOWN: usize = 30;
