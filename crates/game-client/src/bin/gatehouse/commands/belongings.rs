//! `sessions`, `export`, `data`, `progress`, `report`: what is a player's own.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    time::Duration,
};

use protocol::{Blob, DataVersion, Expect, SessionNumber, Text};

use crate::{
    args::{Data, Sessions},
    failure::Failure,
    link::{Link, Reply, Request},
    output::{Event, Output},
    place::Place,
};

pub(super) async fn sessions(
    place: &mut Place,
    action: Option<Sessions>,
    output: Output,
) -> Result<(), Failure> {
    let Some(Sessions::Revoke { number, others: _ }) = action else {
        let reply = ask(place, Request::Sessions).await?;
        let Reply::Sessions(sessions) = reply else { return Err(reply.unexpected()) };
        return sessions
            .into_iter()
            .try_for_each(|session| output.event(&Event::Session(session.into())));
    };
    ask(place, Request::RevokeSessions { number: number.map(SessionNumber) }).await?;
    output.event(&Event::SessionsRevoked)
}

pub(super) async fn export(
    place: &mut Place,
    file: Option<PathBuf>,
    output: Output,
) -> Result<(), Failure> {
    let mut link = Link::short(place).await?;
    let mut bytes = Vec::new();
    loop {
        let reply = link.request(Request::Export { offset: bytes.len() as u64 }).await;
        match reply {
            Ok(Reply::Exported(part)) => {
                bytes.extend_from_slice(&part.part);
                if bytes.len() as u64 >= part.total || part.part.is_empty() {
                    break;
                }
            }
            Ok(other) => return Err(other.unexpected()),
            // It wants the parts more slowly.
            Err(failure) if failure.reason == "busy" && !bytes.is_empty() => {
                tokio::time::sleep(PAUSE).await;
            }
            Err(failure) => return Err(failure),
        }
    }
    link.close().await;
    let failed = |error: &dyn std::fmt::Display| Failure::failed("export", error);
    let Some(file) = file else {
        let data = serde_json::from_slice(&bytes).map_err(|error| failed(&error))?;
        return output.event(&Event::Exported { file: None, data: Some(data) });
    };
    let write = || -> io::Result<()> {
        // For its owner only, and nothing is overwritten.
        let mut options = OpenOptions::new();
        let mut written = options.write(true).create_new(true).mode(0o600).open(&file)?;
        written.write_all(&bytes)?;
        written.sync_all()
    };
    let name = file.display().to_string();
    write().map_err(|error| failed(&format!("{name}: {error}")))?;
    output.event(&Event::Exported { file: Some(name), data: None })
}

pub(super) async fn data(place: &mut Place, action: Data, output: Output) -> Result<(), Failure> {
    let (key, request) = match action {
        Data::List { game } => {
            let reply = ask(place, Request::DataKeys { game: text(&game)? }).await?;
            let Reply::DataKeys(entries) = reply else { return Err(reply.unexpected()) };
            return entries.into_iter().try_for_each(|entry| {
                output.event(&Event::DataKey {
                    key: entry.key.to_string(),
                    version: entry.version.0,
                    bytes: entry.length,
                    updated_ms: entry.updated.0,
                })
            });
        }
        Data::Get { game, key } => {
            let reply = ask(place, Request::Data { game: text(&game)?, key: text(&key)? }).await?;
            let Reply::Data(value) = reply else { return Err(reply.unexpected()) };
            let version = value.as_ref().map(|value| value.version.0);
            let bytes = value.map(|value| value.bytes);
            let text = bytes.as_ref().and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
            let base64url = bytes.map(String::from);
            return output.event(&Event::Data { key, version, text, base64url });
        }
        Data::Set { game, key, value, if_version, if_new } => {
            let value = Blob::try_from(value.into_bytes())
                .map_err(|error| Failure::usage("invalid_value", error))?;
            let expect = match if_new {
                true => Expect::Nothing,
                false => expect_version(if_version),
            };
            let (game, name) = (text(&game)?, text(&key)?);
            (key, Request::SetData { game, key: name, value: Some(value), expect })
        }
        Data::Remove { game, key, if_version } => {
            let (game, name) = (text(&game)?, text(&key)?);
            let expect = expect_version(if_version);
            (key, Request::SetData { game, key: name, value: None, expect })
        }
    };
    let reply = ask(place, request).await?;
    let Reply::DataWritten(version) = reply else { return Err(reply.unexpected()) };
    output.event(&Event::DataWritten { key, version: version.map(|version| version.0) })
}

pub(super) async fn progress(place: &mut Place, game: &str, output: Output) -> Result<(), Failure> {
    let reply = ask(place, Request::Progress { game: text(game)? }).await?;
    let Reply::Progress(progress) = reply else { return Err(reply.unexpected()) };
    output.event(&Event::Progress {
        game: game.to_owned(),
        played_ms: progress.played_ms,
        matches: progress.matches,
        wins: progress.wins,
        xp: progress.xp,
    })
}

pub(super) async fn report(
    place: &mut Place,
    player: &str,
    said: &str,
    output: Output,
) -> Result<(), Failure> {
    let request = Request::Report { player: text(player)?, text: text(said)? };
    ask(place, request).await?;
    output.event(&Event::Reported { player: player.to_owned() })
}

async fn ask(place: &mut Place, request: Request) -> Result<Reply, Failure> {
    let mut link = Link::short(place).await?;
    let reply = link.request(request).await?;
    link.close().await;
    Ok(reply)
}

fn text<const MAX: usize>(text: &str) -> Result<Text<MAX>, Failure> {
    Text::parse(text).map_err(|error| Failure::usage("invalid_text", error))
}

fn expect_version(version: Option<u64>) -> Expect {
    version.map_or(Expect::Anything, |version| Expect::Version(DataVersion(version)))
}

/// Before the next part of an export is asked for again.
const PAUSE: Duration = Duration::from_secs(1);
