//! What a player's program and the login server say to each other.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{
    BootId, Goodbye, Hello, JoinSecret, Password, RequestId, ServerEvents, ServerId, SessionToken,
    SignedTicket, Text, UnixMillis, Welcome,
    codec::{Decode, Encode},
    ids::decimal,
    kind::kinds,
};

/// What a game client says to the login server.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub enum FromGameClient {
    /// First, and once.
    Hello(Hello),
    /// Make an account, and log in to it. Only while not logged in. Answered by `LoggedIn`.
    Register {
        /// Ties the answer to it.
        request: RequestId,
        /// The account's name.
        name: Text<64>,
        /// Its password.
        password: Password,
    },
    /// Log in with a password. Only while not logged in. Answered by `LoggedIn`.
    LogIn {
        /// Ties the answer to it.
        request: RequestId,
        /// The account's name.
        name: Text<64>,
        /// Its password.
        password: Password,
    },
    /// Continue a session. Only while not logged in. Answered by `LoggedIn`, perhaps after some
    /// `Queued`.
    Resume {
        /// Ties the answer to it.
        request: RequestId,
        /// What `LoggedIn` said.
        token: SessionToken,
        /// How far the conversation has come on the connection before. None: begin anew.
        last: Option<LastSeen>,
    },
    /// End the session: its token is worth nothing from then on. Answered by `LoggedOut`.
    LogOut {
        /// Ties the answer to it.
        request: RequestId,
    },
    /// From now on tell me the list of servers: all of it once, then what changes in it.
    WatchServers,
    /// No longer tell me the list of servers.
    UnwatchServers,
    /// Let me join a game server, in place of the one joined before. Answered by `Joined`.
    Join {
        /// Ties the answer to it.
        request: RequestId,
        /// Which one.
        server: ServerId,
    },
    /// I have left the game server I joined. Answered by `Left`.
    Leave {
        /// Ties the answer to it.
        request: RequestId,
    },
    /// Say something. Answered by `Done`.
    Chat {
        /// Ties the answer to it.
        request: RequestId,
        /// To whom.
        channel: Channel,
        /// What.
        text: Text<400>,
    },
    /// Are you there? Answered by `Pong`.
    Ping {
        /// Comes back in the answer.
        #[serde(with = "decimal")]
        nonce: u64,
    },
    /// The answer to `Ping`.
    Pong {
        /// What the ping said.
        #[serde(with = "decimal")]
        nonce: u64,
    },
    /// So many counted messages have come since `LoggedIn` first said that they are counted.
    Ack {
        /// How many.
        #[serde(with = "decimal")]
        seen: u64,
    },
}

/// What the login server says to a game client.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub enum ToGameClient {
    /// The answer to `Hello`.
    Welcome(Welcome),
    /// The connection ends, and why.
    Goodbye(Goodbye),
    /// A request was not done.
    Refused {
        /// Which one.
        request: RequestId,
        /// Why not.
        reason: Refusal,
    },
    /// This connection has a session now.
    LoggedIn(LoggedIn),
    /// This connection has no session any more.
    LoggedOut {
        /// The request it answers.
        request: RequestId,
    },
    /// The list of servers, or what became different in it.
    Servers(ServerEvents),
    /// The game server expects this player.
    Joined(JoinTicket),
    /// This player is no longer expected on any game server.
    Left {
        /// The request it answers; none when the server's launcher, or the server, is gone for good.
        request: Option<RequestId>,
    },
    /// Somebody said something.
    Said(Said),
    /// Are you there? Answered by `Pong`.
    Ping {
        /// Comes back in the answer.
        #[serde(with = "decimal")]
        nonce: u64,
    },
    /// The answer to `Ping`.
    Pong {
        /// What the ping said.
        #[serde(with = "decimal")]
        nonce: u64,
    },
    /// So many counted messages have come: they need not be kept any more.
    Ack {
        /// How many.
        #[serde(with = "decimal")]
        seen: u64,
    },
    /// Everybody has a place who fits in. This player gets one after those before.
    Queued {
        /// The request to log in that waits.
        request: RequestId,
        /// 1: the next.
        position: u32,
    },
    /// A request was done, and there is nothing else to say about it.
    Done {
        /// Which one.
        request: RequestId,
    },
}

kinds! {
    /// What a game client says, without its fields.
    FromGameClientKind of FromGameClient {
        Hello, Register, LogIn, Resume, LogOut, WatchServers, UnwatchServers, Join, Leave, Chat,
        Ping, Pong, Ack,
    }
}

impl FromGameClient {
    /// Whether this is one of the messages that both sides count, and send again when a
    /// connection has lost them.
    pub const fn is_counted(&self) -> bool {
        match self {
            Self::Hello(_)
            | Self::Register { .. }
            | Self::LogIn { .. }
            | Self::Resume { .. }
            | Self::Ping { .. }
            | Self::Pong { .. }
            | Self::Ack { .. } => false,
            Self::LogOut { .. }
            | Self::WatchServers
            | Self::UnwatchServers
            | Self::Join { .. }
            | Self::Leave { .. }
            | Self::Chat { .. } => true,
        }
    }

    /// The request this makes, if it makes one.
    pub const fn request(&self) -> Option<RequestId> {
        match self {
            Self::Register { request, .. }
            | Self::LogIn { request, .. }
            | Self::Resume { request, .. }
            | Self::LogOut { request }
            | Self::Join { request, .. }
            | Self::Leave { request }
            | Self::Chat { request, .. } => Some(*request),
            Self::Hello(_)
            | Self::WatchServers
            | Self::UnwatchServers
            | Self::Ping { .. }
            | Self::Pong { .. }
            | Self::Ack { .. } => None,
        }
    }
}

impl ToGameClient {
    /// Whether this is one of the messages that both sides count while there is a session.
    pub const fn is_counted(&self) -> bool {
        match self {
            Self::Welcome(_)
            | Self::Goodbye(_)
            | Self::LoggedIn(_)
            | Self::Ping { .. }
            | Self::Pong { .. }
            | Self::Ack { .. }
            | Self::Queued { .. } => false,
            Self::Refused { .. }
            | Self::LoggedOut { .. }
            | Self::Servers(_)
            | Self::Joined(_)
            | Self::Left { .. }
            | Self::Said(_)
            | Self::Done { .. } => true,
        }
    }

    /// The request this answers, if it answers one: the last word on it.
    pub const fn answers(&self) -> Option<RequestId> {
        match self {
            Self::Refused { request, .. }
            | Self::LoggedIn(LoggedIn { request, .. })
            | Self::LoggedOut { request }
            | Self::Joined(JoinTicket { request, .. })
            | Self::Left { request: Some(request) }
            | Self::Done { request } => Some(*request),
            Self::Welcome(_)
            | Self::Goodbye(_)
            | Self::Servers(_)
            | Self::Left { request: None }
            | Self::Said(_)
            | Self::Ping { .. }
            | Self::Pong { .. }
            | Self::Ack { .. }
            | Self::Queued { .. } => None,
        }
    }
}

/// How far a conversation has come, as a game client knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
pub struct LastSeen {
    /// Which run of the login server it was.
    pub boot: BootId,
    /// Counted messages of the login server that have come.
    #[serde(with = "decimal")]
    pub count: u64,
}

/// Where a conversation goes on after its connection was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
pub struct Continuation {
    /// Counted messages of the game client that have come: it sends those behind them again.
    #[serde(with = "decimal")]
    pub seen: u64,
    /// The number of the next counted message of the login server. When it is more than one
    /// behind the last that was seen, those between are lost; the state is told anew.
    #[serde(with = "decimal")]
    pub next: u64,
}

/// A session on this connection.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct LoggedIn {
    /// The request it answers.
    pub request: RequestId,
    /// The account's name, written as at its registration.
    pub name: Text<64>,
    /// Continues the session later. The same as before when it was resumed.
    pub token: SessionToken,
    /// When the token stops working. Each resumption moves it.
    pub expires: UnixMillis,
    /// The game server this session has joined, as far as the login server knows. After its
    /// restart it does not: join again.
    pub on_server: Option<ServerId>,
    /// The conversation goes on from here. None: it begins, and both sides count from 0.
    pub continues: Option<Continuation>,
}

/// How to get into a game server.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct JoinTicket {
    /// The request it answers.
    pub request: RequestId,
    /// Which server.
    pub server: ServerId,
    /// Where it is, as this player can reach it.
    pub address: IpAddr,
    /// Its port there.
    pub port: u16,
    /// What to show it. OpenTTD has one password for all: use it at once, it changes.
    pub secret: JoinSecret,
    /// What to show it where it takes tickets: for this player, once, for some minutes.
    pub ticket: SignedTicket,
}

/// Something said.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Said {
    /// To whom it was said.
    pub channel: Channel,
    /// Who said it.
    pub speaker: Speaker,
    /// What.
    pub text: Text<400>,
}

/// Who hears something said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
pub enum Channel {
    /// Everybody who is logged in.
    Lobby,
    /// Who has joined the game server that the speaker has joined, and who is in its game.
    Server,
}

/// Who says something.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub enum Speaker {
    /// A player with this account.
    Account(Text<64>),
    /// Somebody in the game, under the name the game knows: it proves nothing.
    InGame(Text<64>),
}

/// Why a request was not done. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// Log in first.
    #[error("not logged in")]
    NotLoggedIn,
    /// Log out first.
    #[error("already logged in")]
    AlreadyLoggedIn,
    /// Another account has this name.
    #[error("the name is taken")]
    NameTaken,
    /// No account can have this name.
    #[error("the name cannot be used: {rule}")]
    InvalidName {
        /// The rule it breaks.
        rule: Text<128>,
    },
    /// No account can have this password.
    #[error("the password cannot be used: {rule}")]
    InvalidPassword {
        /// The rule it breaks.
        rule: Text<128>,
    },
    /// No account has this name and this password.
    #[error("wrong name or password")]
    WrongNameOrPassword,
    /// There is no such session any more. Log in with the password.
    #[error("the session has ended")]
    SessionEnded,
    /// There is no such server.
    #[error("there is no such server")]
    UnknownServer,
    /// The server takes no players now.
    #[error("the server is not ready")]
    ServerNotReady,
    /// The server has as many players as fit in.
    #[error("the server is full")]
    ServerFull,
    /// Join a server first.
    #[error("no server joined")]
    NotOnServer,
    /// Too much is asked at once.
    #[error("busy: try again in {retry_after_ms} ms")]
    Busy {
        /// Milliseconds after which another attempt makes sense.
        retry_after_ms: u32,
    },
    /// Something this needs does not work now: the database, the server's launcher.
    #[error("not available now")]
    Unavailable,
    /// A moderator does not let this player speak.
    #[error("muted")]
    Muted {
        /// Until then. None: until somebody lifts it.
        until: Option<UnixMillis>,
    },
    /// The account's role does not allow it.
    #[error("not allowed")]
    NotAllowed,
}
