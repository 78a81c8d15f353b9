//! The way to the login server: a connection of our own, or through a running `join`.

use game_client::{Client, Event, Events, ServerList, Session, SessionEvent};
use protocol::{
    Blob, Channel, DataEntry, DataValue, DataVersion, Expect, ExportPart, JoinTicket, MAX_VALUE,
    Password, Progress, Said, ServerEvents, SessionInfo, SessionNumber, Text,
};
use serde::{Deserialize, Serialize};

use crate::{
    control::ControlClient,
    failure::Failure,
    listening::Listening,
    output::{self, Output},
    place::Place,
};

/// The way to the login server. A session is on one connection at a time, so while `join` runs the
/// other commands of the same profile go through it.
#[derive(Debug)]
pub(crate) enum Link {
    /// For as long as a command takes.
    Short(Client, Events),
    /// For as long as a person wants.
    Long(Session, Listening),
    /// Through a running `join`.
    Through(ControlClient),
}

/// What a command may want.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    Chat {
        channel: Channel,
        text: Text<400>,
    },
    Ping,
    Leave,
    LogOut,
    /// The list of servers, before the answer, and from then on what changes in it.
    WatchServers,
    Sessions,
    RevokeSessions {
        number: Option<SessionNumber>,
    },
    ChangePassword {
        old: Password,
        new: Password,
    },
    Export {
        offset: u64,
    },
    DataKeys {
        game: Text<64>,
    },
    Data {
        game: Text<64>,
        key: Text<64>,
    },
    SetData {
        game: Text<64>,
        key: Text<64>,
        value: Option<Blob<MAX_VALUE>>,
        expect: Expect,
    },
    Progress {
        game: Text<64>,
    },
    Report {
        player: Text<64>,
        text: Text<400>,
    },
}

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    Done,
    /// How long the ping took, in milliseconds.
    Rtt(f64),
    Sessions(Vec<SessionInfo>),
    Exported(ExportPart),
    DataKeys(Vec<DataEntry>),
    Data(Option<DataValue>),
    DataWritten(Option<DataVersion>),
    Progress(Progress),
}

impl Reply {
    /// It is none to what was asked.
    pub(crate) fn unexpected(&self) -> Failure {
        Failure::failed("failed", "a request was answered as another one")
    }
}

/// Does a request on a [`Client`] or a [`Session`], which can do the same.
macro_rules! perform {
    ($on:expr, $request:expr) => {
        match $request {
            Request::Chat { channel, text } => $on.chat(channel, text).await.map(|()| Reply::Done),
            Request::Ping => $on.ping().await.map(|rtt| Reply::Rtt(rtt.as_secs_f64() * 1000.0)),
            Request::Leave => $on.leave().await.map(|()| Reply::Done),
            Request::LogOut => $on.log_out().await.map(|()| Reply::Done),
            Request::WatchServers => $on.watch_servers().await.map(|()| Reply::Done),
            Request::Sessions => $on.sessions().await.map(Reply::Sessions),
            Request::RevokeSessions { number } => {
                $on.revoke_sessions(number).await.map(|()| Reply::Done)
            }
            Request::ChangePassword { old, new } => {
                $on.change_password(old, new).await.map(|()| Reply::Done)
            }
            Request::Export { offset } => $on.export_part(offset).await.map(Reply::Exported),
            Request::DataKeys { game } => $on.data_keys(game).await.map(Reply::DataKeys),
            Request::Data { game, key } => $on.data(game, key).await.map(Reply::Data),
            Request::SetData { game, key, value, expect } => {
                $on.set_data(game, key, value, expect).await.map(Reply::DataWritten)
            }
            Request::Progress { game } => $on.progress(game).await.map(Reply::Progress),
            Request::Report { player, text } => {
                $on.report(player, text).await.map(|()| Reply::Done)
            }
        }
    };
}

/// What the login server, or the running `join`, says unasked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Notice {
    Servers(ServerEvents),
    Said(Said),
    ConnectionLost(String),
    Reconnected,
    JoinedAgain(JoinTicket),
    Left,
}

impl Link {
    /// Through a running `join`, or with the stored session over a connection that need not last.
    pub(crate) async fn short(place: &mut Place) -> Result<Self, Failure> {
        if let Some(control) = ControlClient::connect(place).await? {
            return Ok(Self::Through(control));
        }
        let session = place.session()?;
        let (client, events) = Client::connect(place.config().await?).await?;
        client.resume(session.token).await?;
        Ok(Self::Short(client, events))
    }

    /// Through a running `join`, or with the stored session over connections that come back.
    pub(crate) async fn long(place: &mut Place) -> Result<Self, Failure> {
        if let Some(control) = ControlClient::connect(place).await? {
            return Ok(Self::Through(control));
        }
        let session = place.session()?;
        let (session, events) = Session::resume(place.config().await?, session.token).await?;
        Ok(Self::Long(session, Listening::new(events)))
    }

    /// Does `request`.
    pub(crate) async fn request(&mut self, request: Request) -> Result<Reply, Failure> {
        match self {
            Self::Short(client, _) => Ok(perform!(client, request)?),
            Self::Long(session, events) => events.during(on_session(session, request)).await,
            Self::Through(control) => control.request(request).await,
        }
    }

    /// Waits for what is said unasked. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Notice, Failure> {
        match self {
            Self::Short(_, events) => Ok(events.next().await?.into()),
            Self::Long(_, events) => Ok(events.next().await?),
            Self::Through(control) => control.next().await,
        }
    }

    /// The whole list of servers, once.
    pub(crate) async fn servers(&mut self) -> Result<ServerList, Failure> {
        let mut list = ServerList::new();
        match self {
            Self::Short(client, events) => {
                client.watch_servers().await?;
                // The server answers in order: when the ping is back, the list is here.
                let mut ping = std::pin::pin!(client.ping());
                loop {
                    tokio::select! {
                        biased;
                        event = events.next() => apply(&mut list, event?.into()),
                        pong = &mut ping => {
                            pong?;
                            break;
                        }
                    };
                }
                while let Some(event) = events.try_next() {
                    apply(&mut list, event.into());
                }
            }
            Self::Long(_, events) => apply(&mut list, events.next().await?),
            Self::Through(control) => {
                control.request(Request::WatchServers).await?;
                while let Some(notice) = control.try_next() {
                    apply(&mut list, notice);
                }
            }
        }
        Ok(list)
    }

    /// Ends the connection, when everything has arrived.
    pub(crate) async fn close(self) {
        match self {
            Self::Short(client, _) => client.close().await,
            Self::Long(session, _) => session.close().await,
            Self::Through(_) => {}
        }
    }
}

/// Does `request` on a session.
pub(crate) async fn on_session(session: &Session, request: Request) -> Result<Reply, Failure> {
    Ok(perform!(session, request)?)
}

impl Notice {
    /// Prints it, if it is no news of servers.
    pub(crate) fn print(&self, output: Output) -> Result<(), Failure> {
        match self {
            Self::Servers(_) => Ok(()),
            Self::Said(said) => output.event(&said.into()),
            Self::ConnectionLost(reason) => {
                output.event(&output::Event::ConnectionLost { reason: reason.clone() })
            }
            Self::Reconnected => output.event(&output::Event::Reconnected),
            Self::JoinedAgain(ticket) if output.json => output.event(&ticket.into()),
            Self::JoinedAgain(_) => output.hint("-- joined again"),
            Self::Left => output.event(&output::Event::Left),
        }
    }
}

impl From<Event> for Notice {
    fn from(event: Event) -> Self {
        match event {
            Event::Servers(events) => Self::Servers(events),
            Event::Said(said) => Self::Said(said),
            Event::Left => Self::Left,
        }
    }
}

impl From<SessionEvent> for Notice {
    fn from(event: SessionEvent) -> Self {
        match event {
            SessionEvent::Servers(events) => Self::Servers(events),
            SessionEvent::Said(said) => Self::Said(said),
            SessionEvent::ConnectionLost(lost) => Self::ConnectionLost(lost.to_string()),
            SessionEvent::Reconnected => Self::Reconnected,
            SessionEvent::JoinedAgain(ticket) => Self::JoinedAgain(ticket),
            SessionEvent::Left => Self::Left,
        }
    }
}

fn apply(list: &mut ServerList, notice: Notice) {
    if let Notice::Servers(events) = notice {
        list.apply(&events);
    }
}
