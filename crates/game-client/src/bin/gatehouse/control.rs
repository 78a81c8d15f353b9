//! Between a running `join` and the other commands of the same profile: JSON lines over a socket.

use std::{collections::VecDeque, io, time::Duration};

use bytes::{Bytes, BytesMut};
use framing::lines::{self, Lines};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::timeout,
};

use crate::{
    failure::Failure,
    link::{Notice, Reply, Request},
    place::Place,
};

mod server;

pub(crate) use self::server::{ControlServer, Hub, Order};

/// What a running `join` says to another command.
#[derive(Debug, Serialize, Deserialize)]
enum FromJoin {
    Notice(Notice),
    Answer(Result<Reply, Failure>),
}

/// The other command's end.
#[derive(Debug)]
pub(crate) struct ControlClient {
    lines: JsonLines,
    /// Said while an answer was awaited.
    waiting: VecDeque<Notice>,
}

impl ControlClient {
    /// Connects to the running `join`. `None`: there is none.
    pub(crate) async fn connect(place: &Place) -> Result<Option<Self>, Failure> {
        match UnixStream::connect(place.profile.socket(&place.server)).await {
            Ok(stream) => {
                Ok(Some(Self { lines: JsonLines::new(stream), waiting: VecDeque::new() }))
            }
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound
                | io::ErrorKind::ConnectionRefused
                // It died while we waited for it.
                | io::ErrorKind::ConnectionReset
                // Too long a path: no `join` can have a socket there.
                | io::ErrorKind::InvalidInput => Ok(None),
                _ => Err(Failure::failed("join_running", format!("the running join: {error}"))),
            },
        }
    }

    /// Does `request`.
    pub(crate) async fn request(&mut self, request: Request) -> Result<Reply, Failure> {
        let answer = timeout(ANSWER_TIMEOUT, async {
            self.lines.write(&request).await?;
            loop {
                match self.lines.next().await? {
                    FromJoin::Answer(answer) => return Ok(answer),
                    FromJoin::Notice(notice) if self.waiting.len() < MAX_WAITING => {
                        self.waiting.push_back(notice);
                    }
                    FromJoin::Notice(_) => {}
                }
            }
        });
        match answer.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => Err(gone(&error)),
            Err(_) => Err(Failure::failed("timeout", "the running join does not answer")),
        }
    }

    /// Waits for what is said unasked. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Notice, Failure> {
        if let Some(notice) = self.try_next() {
            return Ok(notice);
        }
        loop {
            match self.lines.next().await.map_err(|error| gone(&error))? {
                FromJoin::Notice(notice) => return Ok(notice),
                // To a request that was given up.
                FromJoin::Answer(_) => {}
            }
        }
    }

    /// What was said before the last answer.
    pub(crate) fn try_next(&mut self) -> Option<Notice> {
        self.waiting.pop_front()
    }
}

/// Values as lines of JSON.
#[derive(Debug)]
struct JsonLines {
    stream: UnixStream,
    received: BytesMut,
    lines: Lines,
}

impl JsonLines {
    fn new(stream: UnixStream) -> Self {
        Self { stream, received: BytesMut::new(), lines: Lines::new(MAX_LINE) }
    }

    /// Waits for the next value. Cancel-safe.
    async fn next<T: DeserializeOwned>(&mut self) -> io::Result<T> {
        loop {
            if let Some(line) = self.lines.next(&mut self.received).map_err(io::Error::other)? {
                return Ok(serde_json::from_slice(&line)?);
            }
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Writes a value, in a limited time. Not cancel-safe.
    async fn write<T: Serialize>(&mut self, value: &T) -> io::Result<()> {
        let mut line = BytesMut::new();
        let json = Bytes::from(serde_json::to_vec(value)?);
        lines::encode(&json, &mut line).map_err(io::Error::other)?;
        let written = timeout(WRITE_TIMEOUT, self.stream.write_all(&line)).await;
        written.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

fn gone(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionReset => {
            Failure::failed("join_ended", "the running join has ended")
        }
        _ => Failure::failed("join_running", format!("the running join: {error}")),
    }
}

/// Bytes of a line: more than 256 events take. A longer one ends the connection.
const MAX_LINE: usize = 1024 * 1024;

/// Notices kept while an answer is awaited; further ones are dropped.
const MAX_WAITING: usize = 4096;

/// Longer than a request takes, and than a game may take to end (`--stop-timeout`).
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// A command that reads nothing for so long is given up.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
