//! Captures: what is in them, what is not, and that nobody waits for them.

use std::{
    fs, io,
    path::PathBuf,
    sync::mpsc::{Receiver, Sender, channel},
    time::Duration,
};

use connection_handler::{
    Broadcast, ConnectionConfig, Peer,
    capture::{
        Capture, CaptureConfig, CaptureError, Direction, EndCause, Event, Payload, Reader, Scope,
    },
    transport::Connector,
};
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt, time::timeout};

use crate::{
    LIMIT, OpenHandler, Pipe, Server,
    handler::{Client, ClientHandler},
    hear,
    protocol::{ToClient, ToServer},
    say, wire,
};

#[actix::test]
async fn both_directions_are_recorded_as_far_as_the_handler_allows() {
    let test = Test::new();
    test.start(Scope::Everybody);
    let mut server = Server::start(OpenHandler, test.config());
    let (peer, mut pipe) = connect(&mut server).await;
    say(&mut pipe, &ToServer::Say("hello".into())).await;
    server.message().await;
    peer.send(ToClient::Said("hello".into()));
    hear(&mut pipe, &ToClient::Said("hello".into())).await;
    say(&mut pipe, &ToServer::SayTimes(2, "secret".into())).await;
    server.message().await;
    Broadcast::new(ToClient::Bye).to([&peer]);
    hear(&mut pipe, &ToClient::Bye).await;
    drop(pipe);
    server.end().await;

    let id = peer.id().as_u64();
    assert_eq!(
        test.stop(),
        [
            Event::Connected {
                peer: id,
                kind: "Open".into(),
                transport: "memory".into(),
                remote_addr: "127.0.0.1:0".parse().unwrap(),
            },
            heard(id, "say", &ToServer::Say("hello".into())),
            said(id, "said", &ToClient::Said("hello".into())),
            redacted(heard(id, "say_times", &ToServer::SayTimes(2, "secret".into()))),
            redacted(said(id, "bye", &ToClient::Bye)),
            Event::Disconnected { peer: id, reason: "remote_close".into() },
            Event::End(EndCause::Stopped),
        ]
    );
    assert!(!contains(&test.bytes(), b"secret"));
}

#[actix::test]
async fn nothing_is_shown_of_a_handler_that_says_nothing() {
    let test = Test::new();
    test.start(Scope::Everybody);
    let mut server = Server::start(ClientHandler, test.config());
    let (peer, mut pipe) = connect(&mut server).await;
    say(&mut pipe, &ToServer::Say("password".into())).await;
    server.message().await;
    peer.send(ToClient::Said("password".into()));
    hear(&mut pipe, &ToClient::Said("password".into())).await;
    // Not a message: nobody can say whether it is a secret.
    pipe.write.write_all(b"\x08\0password").await.unwrap();
    server.end().await;

    let id = peer.id().as_u64();
    let events = test.stop();
    assert_eq!(events[1], redacted(heard(id, "", &ToServer::Say("password".into()))));
    assert_eq!(events[2], redacted(said(id, "", &ToClient::Said("password".into()))));
    assert!(!contains(&test.bytes(), b"password"));
}

#[actix::test]
async fn who_panics_when_asked_what_may_be_shown_shows_nothing() {
    let test = Test::new();
    test.start(Scope::Everybody);
    let mut server = Server::start(OpenHandler, test.config());
    let (peer, mut pipe) = connect(&mut server).await;
    say(&mut pipe, &ToServer::Say("panic".into())).await;
    assert_eq!(server.message().await, ToServer::Say("panic".into()));
    let expected = redacted(heard(peer.id().as_u64(), "", &ToServer::Say("panic".into())));
    assert_eq!(test.stop()[1], expected);
}

#[actix::test]
async fn a_message_is_whole_however_it_arrives() {
    let message = ToServer::Say("hello".into());
    let bytes = wire(&message);
    for split in 1..bytes.len() {
        let test = Test::new();
        test.start(Scope::Everybody);
        let mut server = Server::start(OpenHandler, test.config());
        let (peer, mut pipe) = connect(&mut server).await;
        let quit = wire(&ToServer::Quit);
        pipe.write.write_all(&[&quit, &bytes[..split]].concat()).await.unwrap();
        server.message().await;
        pipe.write.write_all(&bytes[split..]).await.unwrap();
        server.message().await;
        let id = peer.id().as_u64();
        let events = test.stop();
        assert_eq!(events[1], heard(id, "quit", &ToServer::Quit));
        assert_eq!(events[2], heard(id, "say", &message), "split at {split}");
    }
}

#[actix::test]
async fn one_peer_of_many_is_captured_from_now_on() {
    let test = Test::new();
    let mut server = Server::start(OpenHandler, test.config());
    let (_first, mut other_pipe) = connect(&mut server).await;
    let (peer, mut pipe) = connect(&mut server).await;
    say(&mut pipe, &ToServer::Quit).await;
    server.message().await;
    test.start(Scope::Peer(peer.id()));
    say(&mut other_pipe, &ToServer::Quit).await;
    server.message().await;
    say(&mut pipe, &ToServer::Say("now".into())).await;
    server.message().await;
    let events = test.stop();
    let id = peer.id().as_u64();
    assert!(matches!(events[0], Event::Connected { peer, .. } if peer == id));
    assert_eq!(events[1], heard(id, "say", &ToServer::Say("now".into())));
    assert_eq!(events[2..], [Event::End(EndCause::Stopped)]);

    fs::remove_file(&test.path).unwrap();
    test.start(Scope::Kind("Client".into()));
    say(&mut pipe, &ToServer::Quit).await;
    server.message().await;
    assert_eq!(test.stop(), [Event::End(EndCause::Stopped)], "of another kind");
}

#[actix::test]
async fn a_file_is_not_larger_than_allowed_and_says_so() {
    const MAX_BYTES: u64 = 1000;
    let test = Test::new();
    let config = CaptureConfig { max_bytes: MAX_BYTES, ..Default::default() };
    test.capture.start(&test.path, config).unwrap();
    let mut server = Server::start(OpenHandler, test.config());
    let (_peer, mut pipe) = connect(&mut server).await;
    for _ in 0..100 {
        say(&mut pipe, &ToServer::Quit).await;
        server.message().await;
    }
    assert!(!test.capture.is_on());
    let events = test.stop();
    let size = fs::metadata(&test.path).unwrap().len();
    assert!((MAX_BYTES - 100..=MAX_BYTES).contains(&size), "{size} bytes");
    assert_eq!(events.last(), Some(&Event::End(EndCause::Full)));
}

#[actix::test]
async fn a_long_message_is_cut() {
    let test = Test::new();
    test.capture
        .start(&test.path, CaptureConfig { max_payload: 10, ..Default::default() })
        .unwrap();
    let mut server = Server::start(OpenHandler, test.config());
    let (_peer, mut pipe) = connect(&mut server).await;
    let message = ToServer::Say("x".repeat(100));
    // In two reads, so that it is put together.
    let bytes = wire(&message);
    pipe.write.write_all(&bytes[..5]).await.unwrap();
    tokio::task::yield_now().await;
    pipe.write.write_all(&bytes[5..]).await.unwrap();
    server.message().await;
    let events = test.stop();
    let Event::Message { length, payload, .. } = &events[1] else { panic!("{events:?}") };
    assert_eq!(*length as usize, bytes.len());
    assert_eq!(*payload, Payload::Cut(bytes[..10].into()));
}

#[actix::test]
async fn nobody_waits_for_a_stuck_disk_and_the_gap_is_recorded() {
    const MESSAGES: usize = 10_000;
    let test = Test::new();
    let (release, released) = channel();
    let (written, bytes) = channel();
    test.capture.start_to(Stuck { released, written }, CaptureConfig::default()).unwrap();
    let mut server = Server::start(OpenHandler, test.config());
    let (peer, mut pipe) = connect(&mut server).await;
    for _ in 0..MESSAGES / 100 {
        pipe.write.write_all(&wire(&ToServer::Quit).repeat(100)).await.unwrap();
        for _ in 0..100 {
            server.message().await;
        }
    }
    drop(release);
    let ending = test.capture.stop().unwrap();
    tokio::task::spawn_blocking(|| ending.wait()).await.unwrap().unwrap();

    let bytes: Vec<u8> = bytes.into_iter().flatten().collect();
    let events = events(&bytes).unwrap();
    let quit = heard(peer.id().as_u64(), "quit", &ToServer::Quit);
    let recorded = events.iter().filter(|event| **event == quit).count();
    let missing: u64 = events
        .iter()
        .map(|event| if let Event::Gap { records } = event { *records } else { 0 })
        .sum();
    assert!(recorded < MESSAGES / 2, "{recorded} messages waited for the disk");
    assert_eq!(recorded as u64 + missing, MESSAGES as u64);
    assert!(matches!(events[events.len() - 2..], [Event::Gap { .. }, Event::End(_)]));
}

#[actix::test]
async fn a_disk_that_fails_ends_the_capture_and_nothing_else() {
    let test = Test::new();
    test.capture.start_to(Broken, CaptureConfig::default()).unwrap();
    let mut server = Server::start(OpenHandler, test.config());
    let (_peer, mut pipe) = connect(&mut server).await;
    let until_off = async {
        while test.capture.is_on() {
            say(&mut pipe, &ToServer::Quit).await;
            server.message().await;
        }
    };
    timeout(LIMIT, until_off).await.unwrap();
    let ending = test.capture.stop().unwrap();
    let error = tokio::task::spawn_blocking(|| ending.wait()).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    say(&mut pipe, &ToServer::Quit).await;
    server.message().await;
}

#[test]
fn a_capture_is_started_once_and_never_overwrites() {
    let test = Test::new();
    test.start(Scope::Everybody);
    let again = test.capture.start(test.dir.path().join("other"), CaptureConfig::default());
    assert_eq!(again.unwrap_err().kind(), io::ErrorKind::ResourceBusy);
    test.stop();
    assert!(test.capture.stop().is_none());
    let again = test.capture.start(&test.path, CaptureConfig::default());
    assert_eq!(again.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
}

#[cfg(unix)]
#[test]
fn nobody_else_may_read_a_capture() {
    use std::os::unix::fs::PermissionsExt;

    let test = Test::new();
    test.start(Scope::Everybody);
    assert_eq!(fs::metadata(&test.path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_capture_that_is_dropped_is_whole() {
    let test = Test::new();
    test.start(Scope::Everybody);
    let Test { capture, path, dir: _dir } = test;
    drop(capture);
    let deadline = std::time::Instant::now() + LIMIT;
    while events(&fs::read(&path).unwrap()).ok().is_none_or(|events| events.is_empty()) {
        assert!(std::time::Instant::now() < deadline, "the file has no end");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn the_format_is_what_the_documentation_says() {
    assert_eq!(
        events(GOLDEN).unwrap(),
        [
            Event::Connected {
                peer: 7,
                kind: "K".into(),
                transport: "tcp".into(),
                remote_addr: "[::1]:1".parse().unwrap(),
            },
            Event::Message {
                peer: 7,
                direction: Direction::Outgoing,
                kind: "m".into(),
                length: 3,
                payload: Payload::Whole(b"abc".into()),
            },
            Event::Message {
                peer: 7,
                direction: Direction::Incoming,
                kind: "".into(),
                length: 9,
                payload: Payload::Redacted,
            },
            Event::Disconnected { peer: 7, reason: "io".into() },
            Event::Gap { records: 2 },
            Event::End(EndCause::Full),
        ]
    );
    let reader = Reader::new(GOLDEN).unwrap();
    assert_eq!(reader.started(), std::time::UNIX_EPOCH + Duration::from_micros(1_000_000));
    let times: Vec<_> = reader.map(|record| record.unwrap().at.as_micros()).collect();
    assert_eq!(times, [0, 1, 2, 3, 4, 5]);
}

#[test]
fn what_is_not_a_capture_is_refused_in_words() {
    for (bytes, expected) in [
        (&b""[..], "not a capture"),
        (b"GHCAPTUR", "not a capture"),
        (b"something else entirely", "not a capture"),
        (b"GHCAPTUR\x02\0\0\0\0\0\0\0\0", "capture of version 2, not 1"),
        (b"GHCAPTUR\x01\0\0\0\0\0\0\0\0\x01", "capture ends inside a record"),
        (b"GHCAPTUR\x01\0\0\0\0\0\0\0\0\xff\0\0\0x", "capture ends inside a record"),
        (
            b"GHCAPTUR\x01\0\0\0\0\0\0\0\0\xff\xff\xff\xff",
            "record of 4294967295 bytes exceeds 1049600",
        ),
        (b"GHCAPTUR\x01\0\0\0\0\0\0\0\0\x01\0\0\0\x01", "malformed record"),
        (b"GHCAPTUR\x01\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", "malformed record"),
    ] {
        assert_eq!(events(bytes).unwrap_err().to_string(), expected, "{bytes:?}");
    }
}

#[test]
fn a_damaged_capture_is_read_as_far_as_possible_and_never_panics() {
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..50_000 {
        let mut bytes = GOLDEN.to_vec();
        for _ in 0..random.usize(..4) {
            let at = random.usize(..bytes.len());
            match random.u8(..4) {
                0 => bytes[at] = random.u8(..),
                1 => bytes[at] ^= 1 << random.u8(..8),
                2 => bytes.insert(at, random.u8(..)),
                _ => bytes.truncate(at.max(1)),
            }
        }
        let Ok(mut reader) = Reader::new(&bytes[..]) else { continue };
        let records = reader.by_ref().count();
        assert!(records <= 8, "{records} records in {bytes:?}");
        assert!(reader.next().is_none(), "an error is the last");
    }
}

/// A capture, and where it goes.
struct Test {
    capture: Capture,
    path: PathBuf,
    dir: TempDir,
}

impl Test {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { capture: Capture::default(), path: dir.path().join("test.capture"), dir }
    }

    fn config(&self) -> ConnectionConfig {
        ConnectionConfig { capture: Some(self.capture.clone()), ..Default::default() }
    }

    fn start(&self, scope: Scope) {
        self.capture.start(&self.path, CaptureConfig { scope, ..Default::default() }).unwrap();
    }

    /// Ends the capture, and says what is in it.
    fn stop(&self) -> Vec<Event> {
        self.capture.stop().unwrap().wait().unwrap();
        events(&self.bytes()).unwrap()
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(&self.path).unwrap()
    }
}

async fn connect<H>(server: &mut Server<H>) -> (Client, Pipe)
where
    H: connection_handler::ConnectionHandler<Peer = Client>,
{
    let pipe = server.connector.connect().await.unwrap();
    (server.connected().await, pipe)
}

fn events(bytes: &[u8]) -> Result<Vec<Event>, CaptureError> {
    Reader::new(bytes)?.map(|record| record.map(|record| record.event)).collect()
}

fn heard(peer: u64, kind: &str, message: &ToServer) -> Event {
    message_event(peer, Direction::Incoming, kind, wire(message))
}

fn said(peer: u64, kind: &str, message: &ToClient) -> Event {
    message_event(peer, Direction::Outgoing, kind, wire(message))
}

fn message_event(peer: u64, direction: Direction, kind: &str, wire: Vec<u8>) -> Event {
    let length = wire.len() as u32;
    Event::Message { peer, direction, kind: kind.into(), length, payload: Payload::Whole(wire) }
}

fn redacted(mut event: Event) -> Event {
    if let Event::Message { payload, .. } = &mut event {
        *payload = Payload::Redacted;
    }
    event
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// A file that is not written before `released` says so.
struct Stuck {
    released: Receiver<()>,
    written: Sender<Vec<u8>>,
}

impl io::Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Ends when the other side is dropped.
        let _ = self.released.recv();
        let _ = self.written.send(bytes.into());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Broken;

impl io::Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Version 1, one record of each type, and one of a type that does not exist yet.
const GOLDEN: &[u8] = include_bytes!("version-1.capture");
