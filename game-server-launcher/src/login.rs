//! The link to the login server: which one, how to know it, and when to try again.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use actix::{Actor, Addr};
use anyhow::Context as _;
use connection_handler::{
    ConnectionConfig, Drain, OutgoingConnectionHandler, Peer, PeerId,
    transport::{
        keys::{Identity, KeyFingerprint, KnownKeys, Trust},
        secure::SecureConnector,
    },
};
use protocol::{ALPN_LAUNCHER, KeyPin};
use serde::{Deserialize, Serialize};

use crate::{
    atomic_file,
    handlers::login_server::{LoginServer, LoginServerHandler, ToLoginServer},
    server::Launcher,
};

/// The login server this launcher belongs to, as enrolment has left it in `login-server.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LoginServerAddress {
    /// `HOST:PORT`.
    pub(crate) address: String,
    /// The fingerprint of its key, and of the next one if it has announced one: [`KnownKeys`] as
    /// text.
    pub(crate) pin: String,
    /// What its operator calls this launcher.
    pub(crate) name: String,
}

impl LoginServerAddress {
    /// The one enrolled at, if any.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or is damaged.
    pub(crate) fn load(data_dir: &Path) -> anyhow::Result<Option<Self>> {
        let path = data_dir.join(FILE);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .with_context(|| format!("{} is damaged: enrol again", path.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Keeps it.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub(crate) fn store(&self, data_dir: &Path) -> anyhow::Result<()> {
        let path = data_dir.join(FILE);
        atomic_file::write(&path, &serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// The keys by which it is known.
    ///
    /// # Errors
    ///
    /// When they are no fingerprints.
    pub(crate) fn keys(&self) -> anyhow::Result<KnownKeys> {
        self.pin.parse().context("the pin in login-server.json")
    }

    /// What connects there.
    pub(crate) fn connector(&self, known: &KnownKeys, identity: Identity) -> SecureConnector {
        let trust = Trust::Known(known.clone());
        SecureConnector::new(self.address.as_str(), ALPN_LAUNCHER, trust, Some(identity))
    }
}

/// The keys by which the login server is known, on disk too.
#[derive(Clone)]
pub(crate) struct RememberedKeys {
    known: KnownKeys,
    server: LoginServerAddress,
    data_dir: PathBuf,
    /// One after the other, and each writes what is known by then.
    writing: Arc<Mutex<()>>,
}

impl RememberedKeys {
    pub(crate) fn new(known: KnownKeys, server: LoginServerAddress, data_dir: PathBuf) -> Self {
        Self { known, server, data_dir, writing: Arc::default() }
    }

    /// It has proven to own `key`.
    fn proven(&self, key: KeyFingerprint) {
        if self.known.proven(key) {
            tracing::info!(%key, "the login server uses the key that it has announced");
            self.store();
        }
    }

    /// It has proven to own `by`, and says that its key will be `next`.
    fn announced(&self, by: KeyFingerprint, next: KeyFingerprint) {
        if self.known.announced(by, next) {
            tracing::info!(%next, "the login server has announced another key");
            self.store();
        }
    }

    fn store(&self) {
        let this = self.clone();
        actix::spawn(async move {
            let stored = tokio::task::spawn_blocking(move || {
                let _writing = this.writing.lock().unwrap_or_else(PoisonError::into_inner);
                let pin = this.known.to_string();
                LoginServerAddress { pin, ..this.server.clone() }.store(&this.data_dir)
            });
            if let Ok(Err(error)) = stored.await {
                tracing::error!(error = %format!("{error:#}"), "its keys are not remembered");
            }
        });
    }
}

/// The key of this launcher.
pub(crate) fn identity(data_dir: &Path) -> anyhow::Result<Identity> {
    Identity::load_or_create(data_dir, "launcher").context("the key of this launcher")
}

/// The link to the login server.
pub(crate) struct LoginLink {
    connector: Option<SecureConnector>,
    /// Of the key by which the login server knows this launcher.
    pub(crate) fingerprint: [u8; 32],
    keys: Option<RememberedKeys>,
    handler: Option<Addr<OutgoingConnectionHandler<LoginServerHandler, SecureConnector>>>,
    peer: Option<LoginServer>,
    /// When to try again, after a goodbye that says so or does not go away by itself.
    retry_at: Option<Instant>,
    next_ping: Option<Instant>,
}

impl LoginLink {
    /// Not connected yet. Without a connector it never will be.
    pub(crate) fn new(
        way: Option<(SecureConnector, RememberedKeys)>,
        fingerprint: [u8; 32],
    ) -> Self {
        let (connector, keys) = way.unzip();
        let (handler, peer) = (None, None);
        Self { connector, fingerprint, keys, handler, peer, retry_at: None, next_ping: None }
    }

    /// Connects, and goes on trying, unless it does already.
    pub(crate) fn open(&mut self, central: Addr<Launcher>) {
        let Some(connector) = self.connector.clone().filter(|_| self.handler.is_none()) else {
            return;
        };
        let config = ConnectionConfig {
            handshake_timeout: Duration::from_secs(10),
            idle_timeout: Some(SILENT_AFTER),
            reconnect_delay: Some(Duration::from_millis(200)),
            max_reconnect_delay: Duration::from_secs(5),
            ..ConnectionConfig::default()
        };
        let handler =
            OutgoingConnectionHandler::new(LoginServerHandler, connector, central, config);
        self.handler = Some(handler.start());
    }

    pub(crate) fn connected(&mut self, peer: LoginServer) {
        if let Some((keys, key)) = self.keys.as_ref().zip(peer.link().identity()) {
            keys.proven(key);
        }
        self.peer = Some(peer);
        self.next_ping = None;
    }

    /// The login server says that its key will be `next`.
    pub(crate) fn next_key(&self, next: KeyPin) {
        let by = self.peer.as_ref().and_then(|peer| peer.link().identity());
        if let Some((keys, by)) = self.keys.as_ref().zip(by) {
            keys.announced(by, KeyFingerprint::from_bytes(next.0));
        }
    }

    /// Whether this was the connection.
    pub(crate) fn disconnected(&mut self, peer: PeerId) -> bool {
        self.peer.take_if(|known| known.id() == peer).is_some()
    }

    pub(crate) fn is(&self, peer: PeerId) -> bool {
        self.peer.as_ref().is_some_and(|known| known.id() == peer)
    }

    /// Tells the login server, if it is there.
    pub(crate) fn send(&self, message: ToLoginServer) {
        if let Some(peer) = &self.peer {
            peer.send(message);
        }
    }

    /// Gives up for so long.
    pub(crate) fn pause(&mut self, now: Instant, pause: Duration) {
        if let Some(handler) = self.handler.take() {
            handler.do_send(CLOSE);
        }
        self.retry_at = Some(now + pause);
    }

    /// Sends what is queued, disconnects, and does not connect again. Resolves when that is done.
    pub(crate) fn close(&mut self) -> impl Future<Output = ()> + use<> {
        let closed = self.handler.take().map(|handler| handler.send(CLOSE));
        async move {
            if let Some(closed) = closed {
                // The handler can only be gone already.
                let _ = closed.await;
            }
        }
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, now: Instant, central: &Addr<Launcher>) {
        if self.retry_at.take_if(|at| *at <= now).is_some() {
            self.open(central.clone());
        }
        match self.next_ping {
            _ if self.peer.is_none() => {}
            Some(at) if at > now => {}
            before => {
                if before.is_some() {
                    self.send(ToLoginServer::Ping { nonce: crate::unix_now().0 });
                }
                self.next_ping = Some(now + PING_EVERY);
            }
        }
    }
}

const FILE: &str = "login-server.json";

const CLOSE: Drain = Drain { patience: Duration::ZERO };

const PING_EVERY: Duration = Duration::from_secs(15);

/// Three pings without an answer.
const SILENT_AFTER: Duration = Duration::from_secs(45);
