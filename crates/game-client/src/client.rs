//! One connection of a player to the login server.

use std::{
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use protocol::{
    Channel, DataEntry, DataValue, DataVersion, ExportPart, FromGameClient, JoinTicket, LastSeen,
    LoggedIn, Password, Progress, Refusal, RequestId, Said, ServerEvents, ServerId, SessionInfo,
    SessionToken, Text, Welcome,
};
use tokio::{
    sync::{Semaphore, mpsc, oneshot, watch},
    time::{Instant, sleep_until},
};

use crate::{ClientConfig, ConnectError, ConnectionLost, RequestError};

mod account;
mod connect;
mod conversation;
mod driver;

pub(crate) use self::{account::export, conversation::Carried};

/// One connection to the login server, shared by its clones. It ends when the last is dropped.
///
/// It does not come back when it is lost: that is what a [`Session`](crate::Session) does.
///
/// At most 64 requests wait for their answers, further ones wait for those, and each no longer than
/// [`ClientConfig::request_timeout`]. Answers stand behind events in the same stream: who takes no
/// [`Events`] gets no answers either, once [`ClientConfig::max_events`] of them wait. (Dropping the
/// `Events` is fine: then nothing waits.)
///
/// # Cancel safety
///
/// A request whose future is dropped may be done by the server all the same, or not; its answer is
/// thrown away. [`joined`](Self::joined) stays right.
#[derive(Clone, Debug)]
pub struct Client {
    commands: mpsc::Sender<Command>,
    shared: Arc<Shared>,
}

/// What the server says unasked, in order.
#[derive(Debug)]
pub struct Events {
    events: mpsc::Receiver<Event>,
    shared: Arc<Shared>,
}

/// What the server says unasked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The list of servers, or what became different in it: for a [`ServerList`](crate::ServerList).
    Servers(ServerEvents),
    /// Somebody said something: we too.
    Said(Said),
    /// The game server that was joined is gone for good, or its launcher is.
    Left,
}

impl Client {
    /// Connects, over QUIC or, where UDP does not get through, over TLS.
    ///
    /// # Errors
    ///
    /// After at most [`ClientConfig::connect_timeout`].
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time.
    ///
    /// # Cancel safety
    ///
    /// Nothing is left behind when the future is dropped.
    pub async fn connect(config: ClientConfig) -> Result<(Self, Events), ConnectError> {
        let (client, events, _) =
            connect::connect(&config, None).await.map_err(|(error, _)| error)?;
        Ok((client, events))
    }

    /// Connects for a session, of which an earlier connection has left `carried`. What this one
    /// leaves comes out at its end. When there is no connection `carried` comes back.
    pub(crate) async fn connect_carrying(
        config: &ClientConfig,
        carried: Option<Carried>,
    ) -> Result<(Self, Events, oneshot::Receiver<Carried>), (ConnectError, Option<Carried>)> {
        connect::connect(config, carried).await
    }

    /// Makes an account and logs in to it.
    pub async fn register(
        &self,
        name: Text<64>,
        password: Password,
    ) -> Result<LoggedIn, RequestError> {
        self.enter(|request| FromGameClient::Register { request, name, password }).await
    }

    /// Logs in with a password.
    pub async fn log_in(
        &self,
        name: Text<64>,
        password: Password,
    ) -> Result<LoggedIn, RequestError> {
        self.enter(|request| FromGameClient::LogIn { request, name, password }).await
    }

    /// Logs in without an account. The session is gone with its place, unless something is earned
    /// in it, or it is [claimed](Self::claim).
    pub async fn log_in_as_guest(&self) -> Result<LoggedIn, RequestError> {
        self.enter(|request| FromGameClient::LogInAsGuest { request }).await
    }

    /// Continues a session. The connection that had it before is told that it was taken over.
    ///
    /// The conversation begins anew: only a [`Session`](crate::Session) knows how far it has come.
    pub async fn resume(&self, token: SessionToken) -> Result<LoggedIn, RequestError> {
        self.resume_from(token, None).await
    }

    pub(crate) async fn resume_from(
        &self,
        token: SessionToken,
        last: Option<LastSeen>,
    ) -> Result<LoggedIn, RequestError> {
        self.enter(|request| FromGameClient::Resume { request, token, last }).await
    }

    /// Ends the session: its token is worth nothing from then on.
    pub async fn log_out(&self) -> Result<(), RequestError> {
        match self.request(|request| FromGameClient::LogOut { request }).await? {
            Answer::LoggedOut => Ok(()),
            other => Err(other.unexpected()),
        }
    }

    /// Joins a game server, in place of the one joined before.
    pub async fn join(&self, server: ServerId) -> Result<JoinTicket, RequestError> {
        match self.request(|request| FromGameClient::Join { request, server }).await? {
            Answer::Joined(ticket) => Ok(ticket),
            other => Err(other.unexpected()),
        }
    }

    /// Leaves the game server joined.
    pub async fn leave(&self) -> Result<(), RequestError> {
        match self.request(|request| FromGameClient::Leave { request }).await? {
            Answer::Left => Ok(()),
            other => Err(other.unexpected()),
        }
    }

    /// Says something. When this is `Ok`, the server has taken it.
    pub async fn chat(&self, channel: Channel, text: Text<400>) -> Result<(), RequestError> {
        match self.request(|request| FromGameClient::Chat { request, channel, text }).await? {
            Answer::Done => Ok(()),
            other => Err(other.unexpected()),
        }
    }

    /// Asks for the list of servers, from now until the end of the connection: all of it once, then
    /// what changes, as [`Event::Servers`].
    pub async fn watch_servers(&self) -> Result<(), RequestError> {
        self.tell(FromGameClient::WatchServers).await
    }

    /// No longer asks for the list of servers.
    pub async fn unwatch_servers(&self) -> Result<(), RequestError> {
        self.tell(FromGameClient::UnwatchServers).await
    }

    /// How long a message to the server and back takes.
    pub async fn ping(&self) -> Result<Duration, RequestError> {
        self.in_time(async {
            let _slot = self.shared.slots.acquire().await.map_err(|_| self.not_said())?;
            let (reply, answer) = oneshot::channel();
            self.command(Command::Ping { reply }).await?;
            answer.await.map_err(|_| self.lost())
        })
        .await
    }

    /// The game server this session has joined, as far as the login server has told.
    pub fn joined(&self) -> Option<ServerId> {
        *self.shared.joined.borrow()
    }

    /// What the server said in its welcome.
    pub fn welcome(&self) -> &Welcome {
        &self.shared.welcome
    }

    /// Where the server is.
    pub fn remote_addr(&self) -> SocketAddr {
        self.shared.remote_addr
    }

    /// How we are connected: `"quic"` or `"tls"`.
    pub fn transport(&self) -> &'static str {
        self.shared.transport
    }

    /// Whether the connection has ended.
    pub(crate) fn is_lost(&self) -> bool {
        self.shared.lost.get().is_some()
    }

    /// Ends the connection, for all clones: what was said before still arrives, if it does within
    /// two seconds.
    pub async fn close(self) {
        let (reply, done) = oneshot::channel();
        if self.commands.send(Command::Close { reply }).await.is_ok() {
            // Either way it is closed now.
            let _ = done.await;
        }
    }

    async fn request(
        &self,
        message: impl FnOnce(RequestId) -> FromGameClient,
    ) -> Result<Answer, RequestError> {
        self.in_time(self.request_without_limit(message)).await
    }

    async fn request_without_limit(
        &self,
        message: impl FnOnce(RequestId) -> FromGameClient,
    ) -> Result<Answer, RequestError> {
        let _slot = self.shared.slots.acquire().await.map_err(|_| self.not_said())?;
        let id = RequestId(self.shared.next_request.fetch_add(1, Ordering::Relaxed));
        let (reply, answer) = oneshot::channel();
        self.command(Command::Request { id, message: message(id), reply }).await?;
        match answer.await {
            Ok(answer) => answer.map_err(RequestError::Refused),
            Err(_) => Err(self.lost()),
        }
    }

    /// Gets a session. As long as the server has us wait for a place, there is no limit.
    async fn enter(
        &self,
        message: impl FnOnce(RequestId) -> FromGameClient,
    ) -> Result<LoggedIn, RequestError> {
        let mut position = self.shared.queued.subscribe();
        let mut limit = Instant::now() + self.shared.request_timeout;
        let answer = self.request_without_limit(message);
        tokio::pin!(answer);
        loop {
            let waits = position.borrow_and_update().is_some();
            tokio::select! {
                biased;
                answer = &mut answer => return match answer? {
                    Answer::LoggedIn(logged_in) => Ok(logged_in),
                    other => Err(other.unexpected()),
                },
                // Of a connection that is gone the answer tells.
                Ok(()) = position.changed() => {
                    limit = Instant::now() + self.shared.request_timeout;
                }
                () = sleep_until(limit), if !waits => return Err(RequestError::Timeout),
            }
        }
    }

    async fn tell(&self, message: FromGameClient) -> Result<(), RequestError> {
        self.in_time(self.command(Command::Tell(message))).await
    }

    async fn command(&self, command: Command) -> Result<(), RequestError> {
        self.commands.send(command).await.map_err(|_| self.not_said())
    }

    async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, RequestError>>,
    ) -> Result<T, RequestError> {
        let limited = tokio::time::timeout(self.shared.request_timeout, work);
        limited.await.unwrap_or(Err(RequestError::Timeout))
    }

    fn lost(&self) -> RequestError {
        RequestError::ConnectionLost(self.shared.lost())
    }

    fn not_said(&self) -> RequestError {
        RequestError::NotSaid(self.shared.lost())
    }
}

impl Events {
    /// Waits for the next event. Cancel-safe.
    ///
    /// # Errors
    ///
    /// How the connection ended, after its last event, and then always.
    pub async fn next(&mut self) -> Result<Event, ConnectionLost> {
        self.events.recv().await.ok_or_else(|| self.shared.lost())
    }

    /// The next event, if it is here already. Whatever the server said before it answered a request
    /// is here when the request has its answer.
    pub fn try_next(&mut self) -> Option<Event> {
        self.events.try_recv().ok()
    }
}

/// What all handles of a connection know.
#[derive(Debug)]
struct Shared {
    welcome: Welcome,
    remote_addr: SocketAddr,
    transport: &'static str,
    request_timeout: Duration,
    /// Begins anywhere, and goes on with the next connection of a session: an id is used once.
    next_request: Arc<AtomicU32>,
    /// One for each request that may wait for its answer.
    slots: Semaphore,
    joined: watch::Sender<Option<ServerId>>,
    /// Where our login stands, while it waits for a place.
    queued: watch::Sender<Option<u32>>,
    /// Set before anybody can see that it is over.
    lost: OnceLock<ConnectionLost>,
}

impl Shared {
    fn lost(&self) -> ConnectionLost {
        self.lost.get().cloned().unwrap_or(ConnectionLost::Closed)
    }
}

/// What the handles ask of the driver.
#[derive(Debug)]
enum Command {
    Request { id: RequestId, message: FromGameClient, reply: Reply },
    Tell(FromGameClient),
    Ping { reply: oneshot::Sender<Duration> },
    Close { reply: oneshot::Sender<()> },
}

type Reply = oneshot::Sender<Result<Answer, Refusal>>;

/// What the server says to a request that it has done.
#[derive(Debug)]
enum Answer {
    LoggedIn(LoggedIn),
    LoggedOut,
    Joined(JoinTicket),
    Left,
    Done,
    Sessions(Vec<SessionInfo>),
    Exported(ExportPart),
    DataKeys(Vec<DataEntry>),
    Data(Option<DataValue>),
    DataWritten(Option<DataVersion>),
    Progress(Progress),
}

impl Answer {
    fn unexpected(&self) -> RequestError {
        let what = format!("a request was answered as another one: {self:?}");
        RequestError::ConnectionLost(ConnectionLost::Invalid(what.into()))
    }
}

/// Requests that may wait for their answers.
const MAX_REQUESTS: usize = 64;
