//! Where the login server is, how to know it, and how long to wait for it.

use std::{sync::Arc, time::Duration};

use connection_handler::transport::{keys::Trust, secure::QuicBlocked};
use tokio::sync::watch;

/// Where the login server is, how to know it, and how long to wait for it.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// `HOST:PORT` of the login server. A name is resolved anew at every attempt to connect.
    pub server: String,
    /// Whom to believe that they are the login server. With [`Trust::Known`] it is learnt here
    /// which key it announces: remember what is known when the program ends.
    pub trust: Trust,
    /// Whether QUIC did not get through to it lately: then TLS is tried first. Shared by clones, so a
    /// session remembers it from one connection to the next.
    pub quic_blocked: QuicBlocked,
    /// What the login server's log shows of this program: its name and version, at most 64 bytes.
    pub program: String,
    /// How long connecting may take, from resolving the name to the login server's welcome.
    pub connect_timeout: Duration,
    /// How long a request may take, the wait for a connection included. A login that waits for a
    /// place has no limit: the server says that it waits, and whether the server is there is known.
    pub request_timeout: Duration,
    /// Where a login stands that waits for a place. Shared by clones, so a session shows it for each
    /// of its connections.
    pub queue_position: QueuePosition,
    /// A server that says nothing for this long gets a ping.
    pub ping_interval: Duration,
    /// A connection without a word from the server for this long is lost. Time in which nobody took
    /// an event, so that nothing was read, does not count.
    ///
    /// Over QUIC this is how long it takes to find out that a server was killed: nothing else tells.
    pub silence_timeout: Duration,
    /// Events that wait to be taken. When so many do, the socket is no longer read, which slows the
    /// server down; after a while it ends the connection. At least 1.
    pub max_events: usize,
}

/// Where a login stands that waits for a place. Shared by its clones.
#[derive(Clone, Debug)]
pub struct QueuePosition(Arc<watch::Sender<Option<u32>>>);

impl QueuePosition {
    /// Where it stands now, 1 being the next; none when no login waits.
    pub fn now(&self) -> Option<u32> {
        *self.0.borrow()
    }

    /// Tells of every change, from now on.
    pub fn subscribe(&self) -> watch::Receiver<Option<u32>> {
        self.0.subscribe()
    }

    pub(crate) fn is(&self, position: Option<u32>) {
        self.0.send_replace(position);
    }
}

impl Default for QueuePosition {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }
}

impl ClientConfig {
    /// The login server at `server`, with limits that are right for players.
    pub fn new(server: impl Into<String>, trust: Trust) -> Self {
        Self {
            server: server.into(),
            trust,
            quic_blocked: QuicBlocked::default(),
            program: concat!("gatehouse/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(10),
            queue_position: QueuePosition::default(),
            ping_interval: Duration::from_secs(3),
            silence_timeout: Duration::from_secs(7),
            max_events: 64,
        }
    }
}
