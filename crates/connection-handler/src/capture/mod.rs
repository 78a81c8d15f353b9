//! What was said on chosen connections, in a file: switched on and off while the program runs.
//!
//! Give a [`Capture`] to a handler with [`ConnectionConfig::capture`](crate::ConnectionConfig), keep
//! a clone, and [`start`](Capture::start) it when there is something to find out. The bytes of every
//! message of one peer, of one kind, or of everybody then go to a file, in both directions and with
//! the time. A [`Reader`] reads it again; the example `capture` prints it.
//!
//! ```
//! use connection_handler::{
//!     ConnectionConfig,
//!     capture::{Capture, CaptureConfig, Event, Reader, Scope},
//! };
//!
//! let capture = Capture::default();
//! let config = ConnectionConfig { capture: Some(capture.clone()), ..Default::default() };
//! // … a handler with this config …
//!
//! let dir = std::env::temp_dir().join(format!("capture-{}", std::process::id()));
//! std::fs::create_dir_all(&dir)?;
//! let path = dir.join("players.capture");
//! let scope = Scope::Kind("GameClient".into());
//! capture.start(&path, CaptureConfig { scope, ..Default::default() })?;
//! // … something happens …
//! if let Some(ending) = capture.stop() {
//!     ending.wait()?;
//! }
//!
//! let reader = Reader::new(std::fs::File::open(&path)?)?;
//! for record in reader {
//!     if let Event::Message { peer, direction, kind, length, .. } = record?.event {
//!         println!("#{peer} {direction:?} {kind:?}, {length} bytes");
//!     }
//! }
//! # std::fs::remove_dir_all(&dir)?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is not written
//!
//! Messages hold passwords, tokens and what players say to each other. So a message is written as
//! its length alone, unless its handler says with an [`Exposure`] what kind of message it is and
//! that it may be seen: see
//! [`ConnectionHandler::expose_incoming`](crate::ConnectionHandler::expose_incoming). Bytes that no
//! decoder has made a message of are not written at all. On Unix nobody else may read the file.
//!
//! # What it costs
//!
//! Handlers without a capture: one comparison per read, and one per message that is sent. While it
//! is off: one more. While it is on, every message is copied, and a thread of its own writes them:
//! connections never wait for the disk. When more than 4 MiB or 4096 records wait for that, further
//! ones are left out, and a [`Gap`](Event::Gap) says how many. The file is not larger than
//! [`CaptureConfig::max_bytes`], and its [last record](Event::End) says why it ends.
//!
//! # The file
//!
//! Numbers are little endian. A text is one byte with its length, and so many bytes of UTF-8. The
//! file begins with `GHCAPTUR`, the version (one byte: 1) and the beginning of the capture in
//! microseconds since 1970 (eight bytes). Records follow until the end of the file:
//!
//! | bytes | |
//! |---|---|
//! | 4 | length of the rest of the record, at most 1 MiB + 1 KiB |
//! | 1 | type |
//! | 8 | microseconds since the beginning |
//! | 8 | the number of the peer, see [`PeerId::as_u64`]; 0 in records about the file |
//!
//! | type | | rest |
//! |---|---|---|
//! | 1 | a peer has connected, or is heard of for the first time | text: kind; text: transport; text: address |
//! | 2 | a message | one byte: 1 if we said it, + 2 if it is redacted, + 4 if it is cut; text: its kind; four bytes: its length; the bytes themselves |
//! | 3 | a peer is gone | text: [`DisconnectReason::label`] |
//! | 4 | a gap | eight bytes: how many records are missing |
//! | 5 | the end | one byte: 0 if it was stopped, 1 if the file has become too large |
//!
//! The bytes of a message are those on the wire: what its decoder has consumed since the message
//! before, or its encoder has made. A message that fills several frames is one record. What comes or
//! goes on a lane or as a datagram is a message like any other: in its order on its own lane, and in
//! none with the others. Records of
//! other types are to be skipped, and so is what follows the fields above in types 3 to 5: this is
//! how the format may grow. Any other change has another version.

mod format;
mod reader;
mod session;
mod tap;

use std::{
    fmt,
    fs::OpenOptions,
    io::{self, Write},
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

#[cfg(doc)]
use crate::DisconnectReason;
use crate::PeerId;

pub use self::reader::{CaptureError, Direction, EndCause, Event, Payload, Reader, Record};
use self::session::Session;
pub(crate) use self::tap::{IncomingTap, Tap, Tapped};

/// Records what is said on connections, while it is [started](Self::start). Clones are the same
/// capture, for any number of handlers.
#[derive(Clone, Default)]
pub struct Capture(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// Whether there is a session. Looked at before the lock is taken.
    on: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
enum State {
    #[default]
    Off,
    On(Session),
    /// It has ended by itself.
    Over(Ending),
}

impl Capture {
    /// Starts to write to a new file.
    ///
    /// Blocks while the file is created.
    ///
    /// # Errors
    ///
    /// When there is a file already, when it cannot be created, and with
    /// [`ResourceBusy`](io::ErrorKind::ResourceBusy) while another one is being written.
    pub fn start(&self, path: impl AsRef<Path>, config: CaptureConfig) -> io::Result<()> {
        self.check_off(&self.state())?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        self.start_to(options.open(path)?, config)
    }

    /// Starts to write to `file`, which a thread of its own does.
    ///
    /// # Errors
    ///
    /// When there can be no thread, and with [`ResourceBusy`](io::ErrorKind::ResourceBusy) while
    /// another capture is being written.
    pub fn start_to(
        &self,
        file: impl Write + Send + 'static,
        config: CaptureConfig,
    ) -> io::Result<()> {
        let mut state = self.state();
        self.check_off(&state)?;
        *state = State::On(Session::start(file, config)?);
        self.0.on.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Ends the file. `None` if nothing was being written.
    ///
    /// Does not wait until everything is written: the result does.
    pub fn stop(&self) -> Option<Ending> {
        let mut state = self.state();
        self.0.on.store(false, Ordering::Relaxed);
        match std::mem::take(&mut *state) {
            State::Off => None,
            State::On(session) => Some(session.end(EndCause::Stopped)),
            State::Over(ending) => Some(ending),
        }
    }

    /// Whether messages are being recorded. No longer when the file is full or cannot be written.
    pub fn is_on(&self) -> bool {
        self.0.on.load(Ordering::Relaxed)
    }

    /// Lets `record` add to the file, if there is one.
    fn with(&self, record: impl FnOnce(&mut Session)) {
        let mut state = self.state();
        let State::On(session) = &mut *state else { return };
        record(session);
        let Some(cause) = session.is_over() else { return };
        self.0.on.store(false, Ordering::Relaxed);
        if let State::On(session) = std::mem::take(&mut *state) {
            *state = State::Over(session.end(cause));
        }
    }

    fn check_off(&self, state: &State) -> io::Result<()> {
        match state {
            State::On(_) => Err(io::ErrorKind::ResourceBusy.into()),
            State::Off | State::Over(_) => Ok(()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let State::On(session) = std::mem::take(state) {
            session.end(EndCause::Stopped);
        }
    }
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture").field("is_on", &self.is_on()).finish()
    }
}

/// What is captured, and how much.
#[derive(Clone, Debug)]
pub struct CaptureConfig {
    /// Whose messages.
    pub scope: Scope,
    /// Largest size of the file in bytes. The last record says when that was too little; what
    /// frames an empty file, less than 100 bytes, is written in any case.
    pub max_bytes: u64,
    /// Most bytes of one message, up to 1 MiB. The rest is left out, and its record says so.
    pub max_payload: usize,
}

impl Default for CaptureConfig {
    /// Everybody, 64 MiB, and 64 KiB of each message.
    fn default() -> Self {
        Self { scope: Scope::Everybody, max_bytes: 64 * 1024 * 1024, max_payload: 64 * 1024 }
    }
}

/// Whose messages are captured, of those whose handlers have the capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All peers.
    Everybody,
    /// Peers of one [`kind`](crate::ConnectionHandler::kind).
    Kind(String),
    /// One peer.
    Peer(PeerId),
}

/// What a capture may show of a message.
///
/// By default nothing but its length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exposure {
    kind: &'static str,
    whole: bool,
}

impl Exposure {
    /// The message may be written: nothing in it is secret.
    pub const fn whole(kind: &'static str) -> Self {
        Self { kind, whole: true }
    }

    /// Only which kind of message it is, and its length.
    pub const fn redacted(kind: &'static str) -> Self {
        Self { kind, whole: false }
    }
}

/// A capture that has been stopped, and that may not be written yet.
#[derive(Debug)]
pub struct Ending(JoinHandle<io::Result<()>>);

impl Ending {
    /// Blocks until everything is written: not for the thread of a connection.
    ///
    /// # Errors
    ///
    /// When not everything could be written.
    pub fn wait(self) -> io::Result<()> {
        self.0.join().unwrap_or_else(|_| Err(io::Error::other("the writing thread has panicked")))
    }
}
