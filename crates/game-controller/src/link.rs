//! The threads that hold the connection to the keeper, and make it again.

use std::{
    io::{self, Write as _},
    net::{Shutdown, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc::SyncSender},
    thread,
    time::{Duration, Instant},
};

use protocol::{Goodbye, ToGameController};

use crate::{
    ConnectError, Environment,
    connection::{Connection, Lost, MessageReader, encoded},
    outbox::Outbox,
};

/// What the game and the threads of its link share.
///
/// Not a queue of commands: what the game says is merged where it waits, so that it neither fails,
/// nor waits, nor grows. The lock is only held for that.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// There is something to say, or something has ended.
    changed: Condvar,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) outbox: Outbox,
    /// The connection, while there is one.
    stream: Option<TcpStream>,
    /// The game does not want it any more.
    closing: bool,
    /// Then everything was said, up to the end.
    written: bool,
}

impl Shared {
    pub(crate) fn new() -> Self {
        let outbox = Outbox::new();
        let state = State { outbox, stream: None, closing: false, written: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Says something.
    pub(crate) fn say<R>(&self, say: impl FnOnce(&mut Outbox) -> R) -> R {
        let said = say(&mut self.lock().outbox);
        self.changed.notify_all();
        said
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.lock().stream.is_some()
    }

    /// Says what is left, for at most this long, and ends.
    pub(crate) fn close(&self, within: Duration) {
        let mut state = self.lock();
        state.closing = true;
        self.changed.notify_all();
        let over = self
            .changed
            .wait_timeout_while(state, within, |state| !state.written && state.stream.is_some());
        state = over.unwrap_or_else(PoisonError::into_inner).0;
        if let Some(stream) = state.stream.take() {
            // It may have failed by itself.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Nobody panics while holding the lock, and if somebody did: what is merged there is whole
    /// after each step.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connected(&self, stream: TcpStream) {
        let mut state = self.lock();
        state.stream = Some(stream);
        state.outbox.reconnected();
        self.changed.notify_all();
    }

    fn disconnected(&self) {
        self.lock().stream = None;
        self.changed.notify_all();
    }

    /// Waits for so long, or until the game does not want a connection any more. Whether it does.
    fn pause(&self, pause: Duration) -> bool {
        let waited = self.changed.wait_timeout_while(self.lock(), pause, |state| !state.closing);
        !waited.unwrap_or_else(PoisonError::into_inner).0.closing
    }

    fn written(&self) {
        self.lock().written = true;
        self.changed.notify_all();
    }

    /// Waits until there is something to say. `None`: there is no connection any more, or nothing
    /// more to be said on it.
    fn next(&self) -> Option<bytes::BytesMut> {
        let idle = |state: &mut State| {
            state.stream.is_some() && !state.closing && !state.outbox.has_work()
        };
        let state = self.changed.wait_while(self.lock(), idle);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        if state.stream.is_none() || !state.outbox.has_work() {
            return None;
        }
        Some(encoded(&state.outbox.take(Instant::now())))
    }
}

/// Starts the thread that holds `connection`, and those that follow it.
///
/// # Errors
///
/// When there can be no thread.
pub(crate) fn start(
    connection: Connection,
    environment: Environment,
    program: String,
    shared: Arc<Shared>,
    heard: SyncSender<ToGameController>,
) -> io::Result<()> {
    shared.connected(connection.stream.try_clone()?);
    let link = Link { environment, program, shared, heard };
    thread::Builder::new().name("game controller".to_owned()).spawn(move || {
        link.hold(connection);
        link.shared.disconnected();
    })?;
    Ok(())
}

struct Link {
    environment: Environment,
    program: String,
    shared: Arc<Shared>,
    heard: SyncSender<ToGameController>,
}

impl Link {
    /// Holds a connection for as long as anybody wants one.
    fn hold(&self, first: Connection) {
        let mut next = Some(first);
        let mut pause = FIRST_PAUSE;
        loop {
            if let Some(connection) = next.take() {
                let began = Instant::now();
                match self.converse(connection) {
                    End::Unwanted => return,
                    End::Refused(goodbye) => {
                        return tracing::info!(%goodbye, "the keeper wants nothing more of this game");
                    }
                    End::Lost(why) => tracing::warn!(%why, "the connection to the keeper is lost"),
                }
                if began.elapsed() > LASTED {
                    pause = FIRST_PAUSE;
                }
            }
            if !self.shared.pause(pause) {
                return;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            next = match self.connect() {
                Ok(connection) => Some(connection),
                Err(ConnectError::Refused(goodbye)) => {
                    return tracing::error!(%goodbye, "the keeper does not take this game any more");
                }
                Err(error) => {
                    tracing::debug!(%error, "no connection to the keeper");
                    None
                }
            };
        }
    }

    fn connect(&self) -> Result<Connection, ConnectError> {
        // What it was to be it is already.
        let (connection, _start) = Connection::open(&self.environment, &self.program)?;
        let address = self.environment.address;
        let stream = connection.stream.try_clone();
        self.shared
            .connected(stream.map_err(|source| ConnectError::Unreachable { address, source })?);
        Ok(connection)
    }

    /// Says and hears what there is, until the connection ends.
    fn converse(&self, Connection { stream, reader }: Connection) -> End {
        let end = thread::scope(|scope| {
            let writer = thread::Builder::new().name("game controller writer".to_owned());
            let writer = writer.spawn_scoped(scope, || self.write(&stream));
            let end = match writer {
                Ok(_) => self.read(reader),
                Err(error) => End::Lost(error.into()),
            };
            self.shared.disconnected();
            // Wakes a writer whom the keeper takes nothing of. It may have failed by itself.
            let _ = stream.shutdown(Shutdown::Both);
            end
        });
        match self.shared.lock().closing {
            true => End::Unwanted,
            false => end,
        }
    }

    fn read(&self, mut reader: MessageReader<TcpStream>) -> End {
        loop {
            match reader.next() {
                Ok(ToGameController::Goodbye(goodbye)) => {
                    return match goodbye {
                        // A newer connection of ours, or one that can be had again.
                        Goodbye::TakenOver | Goodbye::Busy { .. } | Goodbye::Silent => {
                            End::Lost(Lost::Goodbye(goodbye))
                        }
                        _ => End::Refused(goodbye),
                    };
                }
                // A game that does not poll is not read for: its keeper sees that it hangs.
                Ok(message) => {
                    if self.heard.send(message).is_err() {
                        return End::Unwanted;
                    }
                }
                Err(lost) => return End::Lost(lost),
            }
        }
    }

    fn write(&self, mut stream: &TcpStream) {
        while let Some(bytes) = self.shared.next() {
            if let Err(error) = stream.write_all(&bytes) {
                tracing::debug!(%error, "the keeper takes nothing");
                let _ = stream.shutdown(Shutdown::Both);
                return;
            }
        }
        self.shared.written();
    }
}

/// How a conversation has ended.
enum End {
    /// The game wants no connection any more.
    Unwanted,
    /// The keeper does not, for good.
    Refused(Goodbye),
    /// It can be made again.
    Lost(Lost),
}

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// After a connection that lasted so long the pauses begin anew.
const LASTED: Duration = Duration::from_secs(10);
