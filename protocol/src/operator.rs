//! What an operator's command line and the running login server say to each other, over a Unix
//! socket that only the server's own user can open.

use serde::{Deserialize, Serialize};

use crate::{
    BootId, GamePlayerId, Goodbye, Hello, List, Password, RequestId, ServerId, ServerState, Text,
    UnixMillis, Welcome,
    codec::{Decode, Encode},
    ids::decimal,
};

/// What an operator says to the login server.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub enum FromOperator {
    /// First, and once.
    Hello(Hello),
    /// Let a launcher enrol under this name. Answered by `Invitation`.
    InviteLauncher {
        /// Ties the answer to it.
        request: RequestId,
        /// What to call it.
        name: Text<64>,
        /// `HOST:PORT` where it reaches the login server. None: what the configuration says.
        address: Option<Text<255>>,
    },
    /// Which launchers are there? Answered by a `Launcher` for each, then `Done`.
    ListLaunchers {
        /// Ties the answers to it.
        request: RequestId,
    },
    /// Withdraw a launcher's enrolment, and invitations in its name. Answered by `Done`.
    RevokeLauncher {
        /// Ties the answer to it.
        request: RequestId,
        /// Which one.
        name: Text<64>,
    },
    /// Which game servers are in the list? Answered by a `Server` for each, then `Done`.
    ListServers {
        /// Ties the answers to it.
        request: RequestId,
    },
    /// Throw a player out of a game. Answered by `Done` when the launcher was told.
    Kick {
        /// Ties the answer to it.
        request: RequestId,
        /// The server: its id or its title.
        server: Text<64>,
        /// The player: the number or the name the game knows.
        player: Text<64>,
        /// Shown to the player.
        reason: Text<128>,
    },
    /// How is the login server? Answered by `Status`.
    Status {
        /// Ties the answer to it.
        request: RequestId,
    },
    /// What has it counted? Answered by `Metrics`, as often as it takes, then `Done`.
    Metrics {
        /// Ties the answers to it.
        request: RequestId,
    },
    /// Record what is said from now on. Answered by `Capture`.
    StartCapture {
        /// Ties the answer to it.
        request: RequestId,
        /// By whom, and to whom.
        scope: CaptureScope,
        /// Largest size of the file.
        #[serde(with = "decimal")]
        max_bytes: u64,
    },
    /// Record no more. Answered by `Capture` when all is written.
    StopCapture {
        /// Ties the answer to it.
        request: RequestId,
    },
    /// Do something about players, launchers or the data. Answered by a `Record` for each thing
    /// there is to show, then `Done`.
    Perform {
        /// Ties the answers to it.
        request: RequestId,
        /// What.
        task: Task,
    },
}

/// Something only an operator may have done. Names are those of accounts, unless it says otherwise;
/// files are named as the login server finds them.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[allow(missing_docs, reason = "fields that are what they are called")]
pub enum Task {
    /// Make an operator of an account; of a new one where there is a password.
    AddOperator { name: Text<64>, password: Option<Password> },
    /// Show all accounts.
    Accounts,
    /// Show one, and what holds against it.
    ShowAccount { name: Text<64> },
    /// Set a password, and end all sessions.
    SetPassword { name: Text<64>, password: Password },
    /// Give an account another name, and end its sessions.
    RenameAccount { name: Text<64>, to: Text<64> },
    /// Write everything about a player into a new file.
    ExportAccount { name: Text<64>, file: Text<255> },
    /// Erase a player.
    EraseAccount { name: Text<64> },
    /// Give an account a role.
    GiveRole { name: Text<64>, role: Text<64> },
    /// Show all roles.
    Roles,
    /// Ban or mute an account, or an address or range of addresses. No minutes: until it is lifted.
    Sanction { penalty: Penalty, target: Text<64>, minutes: Option<u32>, reason: Text<128> },
    /// End a ban or mute.
    Lift { number: u64 },
    /// Show bans and mutes that hold.
    Sanctions,
    /// Show the sessions of an account.
    Sessions { name: Text<64> },
    /// End one, or all.
    RevokeSessions { name: Text<64>, number: Option<u64> },
    /// Give a launcher another name.
    RenameLauncher { name: Text<64>, to: Text<64> },
    /// Say what a launcher may do.
    LimitLauncher { name: Text<64>, max_servers: Option<u32>, counts_progress: bool },
    /// Show the last entries of the audit log.
    Audit { count: u32 },
    /// Show reports that nobody has closed.
    Reports,
    /// Close one.
    CloseReport { number: u64, resolution: Text<255> },
    /// Write everything into a new file.
    Backup { file: Text<255> },
    /// Show the keys that sign tickets, by their ids.
    TicketKeys,
    /// Sign tickets with the next key from now on; with two new ones, if the old were stolen.
    RotateTicketKeys { stolen: bool },
    /// Show the key by which the login server is known, and the next one.
    Keys,
    /// Announce another key, which is the one after so many seconds.
    RotateKey { after_s: u32 },
}

/// What somebody may not do any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
pub enum Penalty {
    /// Come in.
    Ban,
    /// Speak.
    Mute,
}

/// One of the facts an operator is shown about something.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Field {
    /// What it is.
    pub name: Text<32>,
    /// What it says.
    pub value: Text<400>,
}

/// What the login server says to an operator.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub enum ToOperator {
    /// The answer to `Hello`.
    Welcome(Welcome),
    /// The connection ends, and why.
    Goodbye(Goodbye),
    /// A request was not done.
    Refused {
        /// Which one.
        request: RequestId,
        /// Why not, for a person.
        why: Text<255>,
    },
    /// A request was done; for a list: that was all.
    Done {
        /// Which one.
        request: RequestId,
    },
    /// What the launcher needs, once.
    Invitation {
        /// The request it answers.
        request: RequestId,
        /// An [`Enrollment`](crate::Enrollment) as text. As secret as a password until it was used.
        enrollment: Text<512>,
        /// When it stops working.
        expires: UnixMillis,
    },
    /// An enrolled launcher.
    Launcher {
        /// The request it answers.
        request: RequestId,
        /// The launcher.
        launcher: LauncherInfo,
    },
    /// A game server in the list.
    Server {
        /// The request it answers.
        request: RequestId,
        /// The server.
        server: ServerInfo,
    },
    /// How the login server is.
    Status {
        /// The request it answers.
        request: RequestId,
        /// How it is.
        status: LoginServerStatus,
    },
    /// Some of what was counted.
    Metrics {
        /// The request it answers.
        request: RequestId,
        /// Lines of the text format of Prometheus.
        lines: List<Text<400>, 256>,
    },
    /// A file that is being written, or was.
    Capture {
        /// The request it answers.
        request: RequestId,
        /// Where it is.
        path: Text<4096>,
    },
    /// What there is to show of one thing.
    Record {
        /// The request it answers.
        request: RequestId,
        /// Its facts.
        record: List<Field, 16>,
    },
}

/// How a login server is.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct LoginServerStatus {
    /// Which program it is.
    pub program: Text<64>,
    /// This run of it.
    pub boot: BootId,
    /// Since when it runs.
    pub since: UnixMillis,
    /// Game clients that are connected.
    pub game_clients: u32,
    /// Sessions of players: with a connection, or waiting for their player to come back.
    pub sessions: u32,
    /// Launchers that are connected.
    pub launchers: u32,
    /// Game servers in the list.
    pub servers: u32,
    /// What is being recorded to.
    pub capture: Option<Text<4096>>,
}

/// Whose messages are recorded.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub enum CaptureScope {
    /// All game clients, and all launchers.
    Everybody,
    /// All game clients.
    GameClients,
    /// All launchers.
    Launchers,
    /// One of them, by the number the log gives it.
    Peer(#[serde(with = "decimal")] u64),
}

/// An enrolled launcher, as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct LauncherInfo {
    /// Its name.
    pub name: Text<64>,
    /// SHA-256 of its public key, as `sha256:` and 64 hexadecimal digits.
    pub key: Text<80>,
    /// Since when it has this key.
    pub enrolled: UnixMillis,
    /// Whether it is connected. Unknown while the login server does not run.
    pub connected: Option<bool>,
    /// Most servers its operator lets it have. None: as many as any launcher.
    pub max_servers: Option<u32>,
    /// Whether its reports count for the progress of players.
    pub counts_progress: bool,
    /// How many servers of it are in the list.
    pub servers: u32,
    /// How many it wants there in vain, because it may not have more.
    pub refused_servers: u32,
}

/// A game server, as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct ServerInfo {
    /// Its id.
    pub server: ServerId,
    /// What players see in the list.
    pub title: Text<64>,
    /// Which game it is.
    pub game: Text<32>,
    /// Where it is in its life, if its launcher has said so.
    pub state: Option<ServerState>,
    /// Who is in the game.
    pub players: List<PlayerInfo, 256>,
}

/// A player in a game, as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct PlayerInfo {
    /// The number the game gave.
    pub player: GamePlayerId,
    /// The name the game knows.
    pub name: Text<64>,
}
