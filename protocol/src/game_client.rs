//! What a player's program and the login server say to each other.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{
    Blob, BootId, DataEntry, DataValue, DataVersion, Expect, ExportPart, Goodbye, Hello,
    JoinSecret, KeyPin, List, MAX_VALUE, Password, Progress, RequestId, ServerEvents, ServerId,
    SessionList, SessionNumber, SessionToken, SignedTicket, Text, UnixMillis, Welcome,
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
    /// Log in without a name or a password. Only while not logged in. Answered by `LoggedIn`.
    LogInAsGuest {
        /// Ties the answer to it.
        request: RequestId,
    },
    /// Give me, a guest, a name and a password. The session goes on, and all I have earned is
    /// still mine. Answered by `Done`.
    Claim {
        /// Ties the answer to it.
        request: RequestId,
        /// The account's name from now on.
        name: Text<64>,
        /// Its password.
        password: Password,
    },
    /// Tell me my sessions. Answered by `Sessions`.
    ListSessions {
        /// Ties the answer to it.
        request: RequestId,
    },
    /// End sessions of mine. Answered by `Done`.
    RevokeSessions {
        /// Ties the answer to it.
        request: RequestId,
        /// Which one; it may be this one. None: all others.
        number: Option<SessionNumber>,
    },
    /// From now on I have another password; all other sessions end. Answered by `Done`.
    ChangePassword {
        /// Ties the answer to it.
        request: RequestId,
        /// The one until now.
        old: Password,
        /// The one from now on.
        new: Password,
    },
    /// Forget me, with everything that is mine, for good. Answered by `LoggedOut`.
    DeleteAccount {
        /// Ties the answer to it.
        request: RequestId,
        /// The account's password. Guests have none.
        password: Option<Password>,
    },
    /// Tell me everything that is kept about me. Answered by `Exported`.
    Export {
        /// Ties the answer to it.
        request: RequestId,
        /// From here on. 0: as it is now; otherwise the rest of what was told before.
        #[serde(with = "decimal")]
        offset: u64,
    },
    /// Which values does a game keep for me? Answered by `DataKeys`.
    ListData {
        /// Ties the answer to it.
        request: RequestId,
        /// The game.
        game: Text<64>,
    },
    /// What value does a game keep for me under this name? Answered by `Data`.
    GetData {
        /// Ties the answer to it.
        request: RequestId,
        /// The game.
        game: Text<64>,
        /// The name of the value.
        key: Text<64>,
    },
    /// Keep a value for me, if there is what is expected. Answered by `DataWritten`.
    SetData {
        /// Ties the answer to it.
        request: RequestId,
        /// The game.
        game: Text<64>,
        /// The name of the value.
        key: Text<64>,
        /// What is kept from now on. None: nothing.
        value: Option<Blob<MAX_VALUE>>,
        /// What has to be there.
        expect: Expect,
    },
    /// What have I achieved in a game? Answered by `Progress`.
    GetProgress {
        /// Ties the answer to it.
        request: RequestId,
        /// The game.
        game: Text<64>,
    },
    /// A moderator should look at what a player does. Answered by `Done`.
    Report {
        /// Ties the answer to it.
        request: RequestId,
        /// The player's account.
        player: Text<64>,
        /// What happened.
        text: Text<400>,
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
    /// The sessions of the account.
    Sessions(SessionList),
    /// What is kept about the player, or a part of it.
    Exported(ExportPart),
    /// The values that a game keeps for the player, by name.
    DataKeys {
        /// The request it answers.
        request: RequestId,
        /// As many as there may be.
        entries: List<DataEntry, 64>,
    },
    /// A value that a game keeps for the player.
    Data {
        /// The request it answers.
        request: RequestId,
        /// None: there is none of this name.
        value: Option<DataValue>,
    },
    /// A value was written or removed.
    DataWritten {
        /// The request it answers.
        request: RequestId,
        /// Its version. None: there is none any more.
        version: Option<DataVersion>,
    },
    /// What the player has achieved in a game.
    Progress {
        /// The request it answers.
        request: RequestId,
        /// In all.
        progress: Progress,
    },
    /// The login server's key will be another one. Comes after the welcome, and when it is decided:
    /// who pins keys has to know it by then.
    NextKey {
        /// The next key.
        pin: KeyPin,
    },
}

kinds! {
    /// What a game client says, without its fields.
    FromGameClientKind of FromGameClient {
        Hello, Register, LogIn, Resume, LogOut, WatchServers, UnwatchServers, Join, Leave, Chat,
        Ping, Pong, Ack, LogInAsGuest, Claim, ListSessions, RevokeSessions, ChangePassword,
        DeleteAccount, Export, ListData, GetData, SetData, GetProgress, Report,
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
            | Self::LogInAsGuest { .. }
            | Self::Ping { .. }
            | Self::Pong { .. }
            | Self::Ack { .. } => false,
            Self::LogOut { .. }
            | Self::WatchServers
            | Self::UnwatchServers
            | Self::Join { .. }
            | Self::Leave { .. }
            | Self::Chat { .. }
            | Self::Claim { .. }
            | Self::ListSessions { .. }
            | Self::RevokeSessions { .. }
            | Self::ChangePassword { .. }
            | Self::DeleteAccount { .. }
            | Self::Export { .. }
            | Self::ListData { .. }
            | Self::GetData { .. }
            | Self::SetData { .. }
            | Self::GetProgress { .. }
            | Self::Report { .. } => true,
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
            | Self::Chat { request, .. }
            | Self::LogInAsGuest { request }
            | Self::Claim { request, .. }
            | Self::ListSessions { request }
            | Self::RevokeSessions { request, .. }
            | Self::ChangePassword { request, .. }
            | Self::DeleteAccount { request, .. }
            | Self::Export { request, .. }
            | Self::ListData { request, .. }
            | Self::GetData { request, .. }
            | Self::SetData { request, .. }
            | Self::GetProgress { request, .. }
            | Self::Report { request, .. } => Some(*request),
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
            | Self::Queued { .. }
            | Self::NextKey { .. } => false,
            Self::Refused { .. }
            | Self::LoggedOut { .. }
            | Self::Servers(_)
            | Self::Joined(_)
            | Self::Left { .. }
            | Self::Said(_)
            | Self::Done { .. }
            | Self::Sessions(_)
            | Self::Exported(_)
            | Self::DataKeys { .. }
            | Self::Data { .. }
            | Self::DataWritten { .. }
            | Self::Progress { .. } => true,
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
            | Self::Done { request }
            | Self::Sessions(SessionList { request, .. })
            | Self::Exported(ExportPart { request, .. })
            | Self::DataKeys { request, .. }
            | Self::Data { request, .. }
            | Self::DataWritten { request, .. }
            | Self::Progress { request, .. } => Some(*request),
            Self::Welcome(_)
            | Self::Goodbye(_)
            | Self::Servers(_)
            | Self::Left { request: None }
            | Self::Said(_)
            | Self::Ping { .. }
            | Self::Pong { .. }
            | Self::Ack { .. }
            | Self::Queued { .. }
            | Self::NextKey { .. } => None,
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
    /// The account has no session of this number.
    #[error("there is no such session")]
    UnknownSession,
    /// Guests have no account: claim a name first.
    #[error("not for guests")]
    NotForGuests,
    /// This is no guest: the account has a name and a password.
    #[error("no guest")]
    NotAGuest,
    /// Leave the game server first.
    #[error("on a game server")]
    OnServer,
    /// There is no player of this name.
    #[error("there is no such player")]
    UnknownPlayer,
    /// No game and no value can have this name.
    #[error("the key cannot be used: {rule}")]
    InvalidKey {
        /// The rule it breaks.
        rule: Text<128>,
    },
    /// Something else is there than was expected: somebody has written in between.
    #[error("somebody else has written it")]
    Changed {
        /// The version that is there. None: nothing.
        version: Option<DataVersion>,
    },
    /// There are as many as there may be: values, games, open reports.
    #[error("too many")]
    TooMany,
}
