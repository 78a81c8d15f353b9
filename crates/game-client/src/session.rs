//! A session that outlives its connections.

use std::time::Duration;

use protocol::{
    Channel, JoinTicket, LoggedIn, Password, Refusal, Said, ServerEvents, ServerId, SessionToken,
    Text, UnixMillis,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, timeout, timeout_at},
};

use crate::{
    Client, ClientConfig, ConnectError, ConnectionLost, RequestError, SessionEnd, StartError,
};

mod account;
mod keeper;

/// A session that outlives its connections: when one is lost, it connects again, by itself, after
/// 0.2 to 5 s, and continues where it was: it watches the servers again, and is on the game server
/// it had joined, if need be by joining it once more.
///
/// Shared by its clones; when the last is dropped, the connection ends, and the session itself can
/// be continued with [`resume`](Self::resume) until its token expires.
///
/// What holds for a [`Client`] holds here: 64 requests at a time, and who does not take
/// [`SessionEvents`] (or drop them) gets no answers. A request without connection waits for the
/// next one, as long as [`ClientConfig::request_timeout`] allows.
///
/// # Cancel safety
///
/// As of a [`Client`]: a dropped request may be done all the same.
#[derive(Clone, Debug)]
pub struct Session {
    wishes: mpsc::Sender<Wish>,
    state: watch::Receiver<State>,
    name: Text<64>,
    token: SessionToken,
    expires: UnixMillis,
    request_timeout: Duration,
}

/// What happens in a session, in order.
#[derive(Debug)]
pub struct SessionEvents {
    events: mpsc::Receiver<SessionEvent>,
    state: watch::Receiver<State>,
}

/// What happens in a session.
#[derive(Clone, Debug)]
pub enum SessionEvent {
    /// The list of servers, or what became different in it: for a [`ServerList`](crate::ServerList).
    Servers(ServerEvents),
    /// Somebody said something: we too.
    Said(Said),
    /// The connection is lost. It is looked for, until `Reconnected` or the end.
    ConnectionLost(ConnectionLost),
    /// There is a connection again, and the session goes on.
    Reconnected,
    /// The login server had forgotten which game server we are on, and knows again. The secret may
    /// be another one than before: of interest to who connects to the game anew.
    JoinedAgain(JoinTicket),
    /// We are on no game server any more: it is gone for good, or could not be joined again.
    Left,
}

impl Session {
    /// Connects, and continues a session.
    ///
    /// # Errors
    ///
    /// What stands in the way now. This first connection is tried once.
    pub async fn resume(
        config: ClientConfig,
        token: SessionToken,
    ) -> Result<(Self, SessionEvents), StartError> {
        let connection = connect(&config).await?;
        let logged_in = connection.client.resume(token).await?;
        Ok(Self::start(config, connection, logged_in))
    }

    /// Connects, and logs in.
    ///
    /// # Errors
    ///
    /// As of [`resume`](Self::resume).
    pub async fn log_in(
        config: ClientConfig,
        name: Text<64>,
        password: Password,
    ) -> Result<(Self, SessionEvents), StartError> {
        let connection = connect(&config).await?;
        let logged_in = connection.client.log_in(name, password).await?;
        Ok(Self::start(config, connection, logged_in))
    }

    /// Connects, makes an account and logs in to it.
    ///
    /// # Errors
    ///
    /// As of [`resume`](Self::resume).
    pub async fn register(
        config: ClientConfig,
        name: Text<64>,
        password: Password,
    ) -> Result<(Self, SessionEvents), StartError> {
        let connection = connect(&config).await?;
        let logged_in = connection.client.register(name, password).await?;
        Ok(Self::start(config, connection, logged_in))
    }

    /// Connects, and logs in without an account.
    ///
    /// # Errors
    ///
    /// As of [`resume`](Self::resume).
    pub async fn log_in_as_guest(
        config: ClientConfig,
    ) -> Result<(Self, SessionEvents), StartError> {
        let connection = connect(&config).await?;
        let logged_in = connection.client.log_in_as_guest().await?;
        Ok(Self::start(config, connection, logged_in))
    }

    /// The account's name, written as at its registration.
    pub fn name(&self) -> &Text<64> {
        &self.name
    }

    /// Continues this session later, in another process if need be. It is a secret.
    pub fn token(&self) -> &SessionToken {
        &self.token
    }

    /// When the token stops working, if it is not used before.
    pub fn expires(&self) -> UnixMillis {
        self.expires
    }

    /// The game server we are on, as far as is known.
    pub fn joined(&self) -> Option<ServerId> {
        match &*self.state.borrow() {
            State::Connected { client, .. } => client.joined(),
            State::Connecting { joined } => *joined,
            State::Ended(_) => None,
        }
    }

    /// The connection there is now, if there is one.
    pub fn client(&self) -> Option<Client> {
        match &*self.state.borrow() {
            State::Connected { client, .. } => Some(client.clone()),
            State::Connecting { .. } | State::Ended(_) => None,
        }
    }

    /// Joins a game server, in place of the one joined before, and from then on after every
    /// reconnection.
    pub async fn join(&self, server: ServerId) -> Result<JoinTicket, RequestError> {
        self.forget_join().await?;
        self.with_client(|client| async move { client.join(server).await }).await
    }

    /// Leaves the game server joined.
    pub async fn leave(&self) -> Result<(), RequestError> {
        self.forget_join().await?;
        self.with_client(|client| async move { client.leave().await }).await
    }

    /// Says something. When this is `Ok`, the server has taken it.
    ///
    /// What is for the players of the game server waits while that is joined again, as long as
    /// [`ClientConfig::request_timeout`] allows; who wants to wait longer waits for
    /// [`rejoined`](Self::rejoined) before.
    pub async fn chat(&self, channel: Channel, text: Text<400>) -> Result<(), RequestError> {
        let ready = match channel {
            Channel::Lobby => Ready::Connected,
            Channel::Server => Ready::Rejoined,
        };
        self.with_client_when(ready, |client| {
            let text = text.clone();
            async move { client.chat(channel, text).await }
        })
        .await
    }

    /// Waits while the session is on its way back to the game server it was on: without
    /// connection, and then until the login server knows again. Says which server it is on then;
    /// at once when it is on its way to none.
    ///
    /// It waits as long as the login server is away: limit it.
    ///
    /// # Cancel safety
    ///
    /// It can be dropped and called again at any time.
    pub async fn rejoined(&self) -> Option<ServerId> {
        let mut state = self.state.clone();
        // Of a keeper that is gone nothing comes any more.
        let _ = state.wait_for(|state| !state.is_rejoining()).await;
        self.joined()
    }

    /// How long a message to the server and back takes.
    pub async fn ping(&self) -> Result<Duration, RequestError> {
        self.with_client(|client| async move { client.ping().await }).await
    }

    /// Asks for the list of servers, as [`SessionEvent::Servers`]: all of it once after every
    /// connection, then what changes.
    pub async fn watch_servers(&self) -> Result<(), RequestError> {
        self.wish(Wish::WatchServers).await
    }

    /// Ends the session for good: its token is worth nothing from then on.
    pub async fn log_out(&self) -> Result<(), RequestError> {
        self.with_client(|client| async move { client.log_out().await }).await?;
        // When nobody listens any more it has ended anyway.
        let _ = self.wish(Wish::End).await;
        Ok(())
    }

    /// Ends the connection, for all clones, and leaves the session to be resumed. What was said
    /// before still arrives, if it does within two seconds.
    pub async fn close(self) {
        let client = self.client();
        let _ = self.wish(Wish::Close).await;
        if let Some(client) = client {
            client.close().await;
        }
    }

    fn start(
        config: ClientConfig,
        connection: keeper::Connection,
        logged_in: LoggedIn,
    ) -> (Self, SessionEvents) {
        let LoggedIn { name, token, expires, .. } = logged_in;
        let request_timeout = config.request_timeout;
        let (wishes, wishes_rx) = mpsc::channel(MAX_WISHES);
        let (events_tx, events_rx) = mpsc::channel(config.max_events.max(1));
        let client = connection.client.clone();
        let connected = State::Connected { client, rejoining: false };
        let (state_tx, state) = watch::channel(connected);
        let keeper = keeper::Keeper::new(config, token.clone(), wishes_rx, events_tx, state_tx);
        tokio::spawn(keeper.run(connection));
        let session = Self { wishes, state: state.clone(), name, token, expires, request_timeout };
        (session, SessionEvents { events: events_rx, state })
    }

    async fn forget_join(&self) -> Result<(), RequestError> {
        let (done, forgotten) = oneshot::channel();
        self.wish(Wish::ForgetJoin { done }).await?;
        match timeout(self.request_timeout, forgotten).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(self.state.borrow().lost()),
            Err(_) => Err(RequestError::Timeout),
        }
    }

    async fn wish(&self, wish: Wish) -> Result<(), RequestError> {
        let limited = timeout(self.request_timeout, self.wishes.send(wish));
        match limited.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(self.state.borrow().lost()),
            Err(_) => Err(RequestError::Timeout),
        }
    }

    /// Does a request, on the next connection if there is none now. One that was begun is done once,
    /// whatever becomes of the connection, unless the login server is another one then: nobody
    /// knows whether it was done.
    async fn with_client<T, F: Future<Output = Result<T, RequestError>>>(
        &self,
        request: impl Fn(Client) -> F,
    ) -> Result<T, RequestError> {
        self.with_client_when(Ready::Connected, request).await
    }

    async fn with_client_when<T, F: Future<Output = Result<T, RequestError>>>(
        &self,
        ready: Ready,
        request: impl Fn(Client) -> F,
    ) -> Result<T, RequestError> {
        let mut state = self.state.clone();
        let deadline = Instant::now() + self.request_timeout;
        let limited = timeout_at(deadline, async {
            loop {
                let client = loop {
                    match &*state.borrow_and_update() {
                        State::Connected { rejoining: true, .. } if ready == Ready::Rejoined => {}
                        State::Connected { client, .. } if !client.is_lost() => {
                            break client.clone();
                        }
                        State::Connected { .. } | State::Connecting { .. } => {}
                        ended @ State::Ended(_) => return Err(ended.lost()),
                    }
                    if state.changed().await.is_err() {
                        return Err(RequestError::NotSaid(ConnectionLost::Local));
                    }
                };
                match request(client).await {
                    // The keeper finds out, too, and then there is another one.
                    Err(RequestError::NotSaid(_)) => {}
                    answered => return answered,
                }
            }
        });
        limited.await.unwrap_or(Err(RequestError::Timeout))
    }
}

async fn connect(config: &ClientConfig) -> Result<keeper::Connection, ConnectError> {
    let connected = Client::connect_carrying(config, None).await;
    let (client, events, left) = connected.map_err(|(error, _)| error)?;
    Ok(keeper::Connection { client, events, left })
}

impl SessionEvents {
    /// Waits for what happens next. Cancel-safe.
    ///
    /// # Errors
    ///
    /// Why the session is over for good, after its last event, and then always.
    pub async fn next(&mut self) -> Result<SessionEvent, SessionEnd> {
        match self.events.recv().await {
            Some(event) => Ok(event),
            None => Err(match &*self.state.borrow() {
                State::Ended(end) => end.clone(),
                State::Connected { .. } | State::Connecting { .. } => SessionEnd::Closed,
            }),
        }
    }
}

/// What the handles wish of the keeper.
#[derive(Debug)]
enum Wish {
    /// The joined server is not to be joined again.
    ForgetJoin {
        done: oneshot::Sender<()>,
    },
    WatchServers,
    /// The session was logged out.
    End,
    Close,
}

/// Where a session is.
#[derive(Debug)]
enum State {
    Connected {
        client: Client,
        /// The login server does not know yet on which game server we are.
        rejoining: bool,
    },
    Connecting {
        /// The game server we were on.
        joined: Option<ServerId>,
    },
    Ended(SessionEnd),
}

/// What a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ready {
    Connected,
    /// And on the game server again, or on the way to none.
    Rejoined,
}

impl State {
    fn is_rejoining(&self) -> bool {
        match self {
            Self::Connected { rejoining, .. } => *rejoining,
            Self::Connecting { joined } => joined.is_some(),
            Self::Ended(_) => false,
        }
    }

    /// There is no game server to get back to any more, or we are back. Whether that is news.
    fn stop_rejoining(&mut self) -> bool {
        match self {
            Self::Connected { rejoining, .. } => std::mem::take(rejoining),
            Self::Connecting { joined } => joined.take().is_some(),
            Self::Ended(_) => false,
        }
    }

    /// What a request hears that was never said because of this.
    fn lost(&self) -> RequestError {
        match self {
            Self::Ended(SessionEnd::Goodbye(goodbye)) => {
                RequestError::NotSaid(ConnectionLost::Goodbye(goodbye.clone()))
            }
            Self::Ended(SessionEnd::Refused(refusal)) => RequestError::Refused(refusal.clone()),
            Self::Ended(SessionEnd::LoggedOut) => RequestError::Refused(Refusal::NotLoggedIn),
            Self::Ended(SessionEnd::Connect(ConnectError::Lost { source, .. })) => {
                RequestError::NotSaid(source.clone())
            }
            Self::Ended(_) | Self::Connected { .. } | Self::Connecting { .. } => {
                RequestError::NotSaid(ConnectionLost::Local)
            }
        }
    }
}

/// Wishes that wait for the keeper; who has a further one waits too.
const MAX_WISHES: usize = 16;
