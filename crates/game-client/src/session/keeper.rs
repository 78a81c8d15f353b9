//! The task behind a session: it sees to it that there is a connection, and that the login server
//! knows on it what it knew before.

use std::{pin::Pin, time::Duration};

use protocol::{Goodbye, JoinTicket, Refusal, ServerId, SessionToken};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep},
};

use super::{SessionEvent, State, Wish};
use crate::{
    Client, ClientConfig, ConnectError, ConnectionLost, Event, Events, RequestError, SessionEnd,
    backoff::Backoff, client::Carried, deliver::deliver,
};

/// What a session is to be, and who hears of it.
pub(super) struct Keeper {
    config: ClientConfig,
    token: SessionToken,
    wishes: mpsc::Receiver<Wish>,
    events: mpsc::Sender<SessionEvent>,
    state: watch::Sender<State>,
    watching: bool,
    /// The login server knows that in this conversation.
    watch_told: bool,
    /// The game server to be on, while the login server does not know that we are.
    rejoin: Option<ServerId>,
}

/// One connection of the session.
pub(super) struct Connection {
    pub(super) client: Client,
    pub(super) events: Events,
    /// What it leaves to the next one.
    pub(super) left: oneshot::Receiver<Carried>,
}

/// What one connection leaves behind.
enum Left {
    /// Look for another one.
    Lost(ConnectionLost),
    Ended(SessionEnd),
}

type Rejoining = Pin<Box<dyn Future<Output = Option<JoinTicket>> + Send>>;

impl Keeper {
    pub(super) fn new(
        config: ClientConfig,
        token: SessionToken,
        wishes: mpsc::Receiver<Wish>,
        events: mpsc::Sender<SessionEvent>,
        state: watch::Sender<State>,
    ) -> Self {
        Self {
            config,
            token,
            wishes,
            events,
            state,
            watching: false,
            watch_told: false,
            rejoin: None,
        }
    }

    /// Keeps the session until it is over for good.
    pub(super) async fn run(mut self, connection: Connection) {
        let end = self.keep(connection).await;
        tracing::debug!(reason = %end, "session ended");
        // Before `events` goes, and with it the last word to who listens.
        self.state.send_replace(State::Ended(end));
    }

    async fn keep(&mut self, mut connection: Connection) -> SessionEnd {
        loop {
            let Connection { client, events, left } = connection;
            let lost = match self.serve(&client, events).await {
                Left::Lost(lost) => lost,
                Left::Ended(end) => return end,
            };
            let rejoining = self.rejoin;
            self.rejoin = client.joined().or(rejoining);
            drop(client);
            self.state.send_replace(State::Connecting { joined: self.rejoin });
            tracing::debug!(reason = %lost, "connection lost");
            let mut told = Some(SessionEvent::ConnectionLost(lost.clone()));
            // It comes at once: a connection leaves it before it tells anybody that it is lost.
            let carried = left.await.ok();
            let continues;
            (connection, continues) = match self.reconnect(&lost, carried, &mut told).await {
                Ok(connected) => connected,
                Err(end) => return end,
            };
            let client = connection.client.clone();
            if !continues {
                self.watch_told = false;
            } else if client.joined().is_none() {
                // It is known that we are on none: who is not on the way to one is not sent there.
                self.rejoin = rejoining;
            }
            let rejoining = client.joined().is_none() && self.rejoin.is_some();
            self.state.send_replace(State::Connected { client, rejoining });
            for event in told.into_iter().chain([SessionEvent::Reconnected]) {
                if let Err(end) = self.tell(event).await {
                    return end;
                }
            }
        }
    }

    /// Serves one connection until it is lost, and everything it has brought is taken.
    async fn serve(&mut self, client: &Client, mut events: Events) -> Left {
        let mut rejoining = self.rejoining(client);
        let mut blocked = None;
        self.watch(client).await;
        loop {
            let reading = blocked.is_none();
            tokio::select! {
                biased;
                wish = self.wishes.recv() => match wish {
                    None | Some(Wish::Close) => return Left::Ended(SessionEnd::Closed),
                    Some(Wish::End) => return Left::Ended(SessionEnd::LoggedOut),
                    Some(Wish::ForgetJoin { done }) => {
                        (self.rejoin, rejoining) = (None, None);
                        self.state.send_if_modified(State::stop_rejoining);
                        // Who asked may have given up.
                        let _ = done.send(());
                    }
                    Some(Wish::WatchServers) => {
                        (self.watching, self.watch_told) = (true, false);
                        self.watch(client).await;
                    }
                },
                () = deliver(&self.events, &mut blocked), if !reading => {}
                ticket = async { rejoining.as_mut().expect("checked").await },
                    if reading && rejoining.is_some() =>
                {
                    (self.rejoin, rejoining) = (None, None);
                    self.state.send_if_modified(State::stop_rejoining);
                    blocked = Some(ticket.map_or(SessionEvent::Left, SessionEvent::JoinedAgain));
                }
                event = events.next(), if reading => match event {
                    Ok(Event::Servers(servers)) => blocked = Some(SessionEvent::Servers(servers)),
                    Ok(Event::Said(said)) => blocked = Some(SessionEvent::Said(said)),
                    Ok(Event::Left) => blocked = Some(SessionEvent::Left),
                    Err(lost) => return left(lost),
                },
            }
        }
    }

    /// Asks for the list of servers. When the connection is lost meanwhile, its events tell.
    async fn watch(&mut self, client: &Client) {
        if self.watching && !self.watch_told {
            self.watch_told = client.watch_servers().await.is_ok();
        }
    }

    /// The work of being on the game server again, if we were on one.
    fn rejoining(&mut self, client: &Client) -> Option<Rejoining> {
        if client.joined().is_some() {
            self.rejoin = None;
        }
        let server = self.rejoin?;
        Some(Box::pin(rejoin(client.clone(), server)))
    }

    /// Connects until it works, or it cannot work any more. Tells `told` meanwhile.
    async fn reconnect(
        &mut self,
        lost: &ConnectionLost,
        mut carried: Option<Carried>,
        told: &mut Option<SessionEvent>,
    ) -> Result<(Connection, bool), SessionEnd> {
        let mut backoff = Backoff::new();
        let mut pause = backoff.pause_at_least(asked_by(lost));
        loop {
            self.wait(pause, told).await?;
            let attempt = resume(self.config.clone(), self.token.clone(), carried.take());
            tokio::pin!(attempt);
            let failure = loop {
                tokio::select! {
                    biased;
                    wish = self.wishes.recv() => self.grant(wish)?,
                    connected = &mut attempt => match connected {
                        Ok(connected) => return Ok(connected),
                        Err((failure, back)) => {
                            carried = back;
                            break failure;
                        }
                    },
                }
            };
            pause = match failure {
                Failure::Again(asked) => backoff.pause_at_least(asked),
                Failure::Over(end) => return Err(end),
            };
        }
    }

    /// Lets time pass, and does what can be done meanwhile.
    async fn wait(
        &mut self,
        pause: Duration,
        told: &mut Option<SessionEvent>,
    ) -> Result<(), SessionEnd> {
        let over = sleep(pause);
        tokio::pin!(over);
        loop {
            tokio::select! {
                biased;
                wish = self.wishes.recv() => self.grant(wish)?,
                () = deliver(&self.events, told), if told.is_some() => {}
                () = &mut over => return Ok(()),
            }
        }
    }

    /// Waits until `event` fits among those that wait to be taken.
    async fn tell(&mut self, event: SessionEvent) -> Result<(), SessionEnd> {
        let mut event = Some(event);
        while event.is_some() {
            tokio::select! {
                wish = self.wishes.recv() => self.grant(wish)?,
                () = deliver(&self.events, &mut event) => {}
            }
        }
        Ok(())
    }

    /// Does what can be done for a wish without connection.
    fn grant(&mut self, wish: Option<Wish>) -> Result<(), SessionEnd> {
        match wish {
            None | Some(Wish::Close) => Err(SessionEnd::Closed),
            Some(Wish::End) => Err(SessionEnd::LoggedOut),
            Some(Wish::ForgetJoin { done }) => {
                self.rejoin = None;
                self.state.send_if_modified(State::stop_rejoining);
                // Who asked may have given up.
                let _ = done.send(());
                Ok(())
            }
            Some(Wish::WatchServers) => {
                (self.watching, self.watch_told) = (true, false);
                Ok(())
            }
        }
    }
}

fn left(lost: ConnectionLost) -> Left {
    match lost {
        lost if !lost.is_final() => Left::Lost(lost),
        ConnectionLost::Goodbye(goodbye) => Left::Ended(SessionEnd::Goodbye(goodbye)),
        _ => Left::Ended(SessionEnd::Closed),
    }
}

/// What an attempt to connect again leads to when it fails.
enum Failure {
    /// Another one, after what the server asked to wait.
    Again(Option<Duration>),
    Over(SessionEnd),
}

/// Connects, and goes on where `carried` says. Says whether the login server does too. After a
/// failure `carried` comes back.
async fn resume(
    config: ClientConfig,
    token: SessionToken,
    carried: Option<Carried>,
) -> Result<(Connection, bool), (Failure, Option<Carried>)> {
    let last = carried.as_ref().and_then(Carried::last);
    let connected = Client::connect_carrying(&config, carried).await;
    let (client, events, left) = connected.map_err(|(error, carried)| {
        let failure = match error {
            ConnectError::Lost { source, .. } => after(source),
            error if error.is_final() => Failure::Over(SessionEnd::Connect(error)),
            _ => Failure::Again(None),
        };
        (failure, carried)
    })?;
    let failure = match client.resume_from(token, last).await {
        Ok(logged_in) => {
            let continues = logged_in.continues.is_some();
            return Ok((Connection { client, events, left }, continues));
        }
        Err(RequestError::Refused(Refusal::Busy { retry_after_ms })) => {
            Failure::Again(Some(Duration::from_millis(retry_after_ms.into())))
        }
        Err(RequestError::Refused(Refusal::Unavailable) | RequestError::Timeout) => {
            Failure::Again(None)
        }
        Err(RequestError::Refused(refusal)) => Failure::Over(SessionEnd::Refused(refusal)),
        Err(RequestError::ConnectionLost(lost) | RequestError::NotSaid(lost)) => after(lost),
    };
    // Its last handle ends it.
    drop((client, events));
    Err((failure, left.await.ok()))
}

fn after(lost: ConnectionLost) -> Failure {
    match left(lost) {
        Left::Lost(lost) => Failure::Again(asked_by(&lost)),
        Left::Ended(end) => Failure::Over(end),
    }
}

/// How long the server asked to be left alone when it ended the connection.
fn asked_by(lost: &ConnectionLost) -> Option<Duration> {
    match lost {
        ConnectionLost::Goodbye(Goodbye::Busy { retry_after_ms }) => {
            Some(Duration::from_millis((*retry_after_ms).into()))
        }
        ConnectionLost::Goodbye(Goodbye::ComeBack { after_ms }) => {
            Some(Duration::from_millis((*after_ms).into()))
        }
        _ => None,
    }
}

/// Joins `server` again. A login server that has just started does not know its game servers yet,
/// so refusals count only after a while.
async fn rejoin(client: Client, server: ServerId) -> Option<JoinTicket> {
    let mut backoff = Backoff::new();
    let give_up = Instant::now() + REJOIN_TIMEOUT;
    loop {
        let asked = match client.join(server).await {
            Ok(ticket) => return Some(ticket),
            Err(RequestError::Refused(Refusal::Busy { retry_after_ms })) => {
                Some(Duration::from_millis(retry_after_ms.into()))
            }
            Err(_) => None,
        };
        let pause = backoff.pause_at_least(asked);
        if Instant::now() + pause > give_up {
            return None;
        }
        sleep(pause).await;
    }
}

/// How long a login server that was started again may take until its game servers are back.
const REJOIN_TIMEOUT: Duration = Duration::from_secs(60);
