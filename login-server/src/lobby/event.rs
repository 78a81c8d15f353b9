//! What the lobby is told, and what it wants done.

use std::{net::IpAddr, sync::Arc, time::Duration};

use accounts::{AddressRange, LauncherLimits, Permissions};
use protocol::{
    Counting, EnrollmentSecret, FromGameClient, FromLauncher, Goodbye, KeyPin, Password, Refusal,
    RequestId, SessionToken, Text, ToGameClient, ToLauncher, UnixMillis,
};
use tickets::SigningKeys;

use super::{Guest, Owner, Task};

/// A connection, of a game client or of a launcher. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// A player's place in the lobby: one per account, whoever is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// The key a launcher proved to have in the handshake: its name for all that is to be remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LauncherKey(pub [u8; 32]);

/// Ties an answer of the store to its query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// When something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Since the program began: never goes back.
    pub running: Duration,
    /// What the clock shows: only to be told to others.
    pub clock: UnixMillis,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A game client has connected.
    ClientConnected {
        /// Its connection.
        link: LinkId,
        /// Where it connects from.
        from: IpAddr,
    },
    /// A launcher has connected.
    LauncherConnected {
        /// Its connection.
        link: LinkId,
        /// Where it connects from.
        from: IpAddr,
        /// The key it has proved to have.
        key: Option<LauncherKey>,
    },
    /// A game client has said something.
    FromClient {
        /// Its connection.
        link: LinkId,
        /// What.
        message: FromGameClient,
    },
    /// A launcher has said something.
    FromLauncher {
        /// Its connection.
        link: LinkId,
        /// What.
        message: FromLauncher,
    },
    /// A connection has ended.
    Disconnected {
        /// Which one.
        link: LinkId,
    },
    /// The store has answered. It may be late, twice or never.
    Answered {
        /// Which query.
        ticket: Ticket,
        /// What.
        answer: Answer,
    },
    /// An operator has withdrawn a launcher's enrolment.
    Revoked {
        /// The launcher's key.
        key: LauncherKey,
    },
    /// An operator has said anew what a launcher may do.
    LauncherLimited {
        /// The launcher's key.
        key: LauncherKey,
    },
    /// Tickets are signed with other keys from now on.
    TicketKeys(Arc<SigningKeys>),
    /// A moderator does not let somebody in any more.
    Banned {
        /// Whom.
        whom: Whom,
        /// Until then. None: until it is lifted.
        until: Option<UnixMillis>,
        /// Why: they are told.
        reason: Text<128>,
    },
    /// A moderator does not let somebody speak, or does again.
    Muted {
        /// Whom.
        whom: Whom,
        /// None: they may speak.
        mute: Option<Mute>,
    },
    /// Sessions of an account are over: the store has ended them.
    SessionsEnded {
        /// Whose.
        account: SessionId,
        /// Which one. None: all.
        number: Option<u64>,
    },
    /// An account has another role.
    RoleGiven {
        /// Which one.
        account: SessionId,
        /// What it allows.
        permissions: Permissions,
    },
    /// Our key will be another one. None: it is ours now.
    NextKey {
        /// The next key.
        next: Option<KeyPin>,
    },
    /// Time has passed. Expected about twice a second.
    Tick,
    /// The program stops.
    ShuttingDown,
}

/// Against whom a moderator acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// An account.
    Account(SessionId),
    /// Everybody who comes from there.
    Addresses(AddressRange),
}

/// Somebody may not speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mute {
    /// Until then. None: until it is lifted.
    pub until: Option<UnixMillis>,
}

/// Something to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Say this to a game client.
    ToClient(LinkId, ToGameClient),
    /// Say this to several game clients: encoded once. Never empty.
    ToClients(Vec<LinkId>, ToGameClient),
    /// Say this to a launcher.
    ToLauncher(LinkId, ToLauncher),
    /// Take longer messages from now on: it is known who sends them.
    Trust(LinkId),
    /// Say goodbye, and end the connection. Nothing follows for it.
    Goodbye(LinkId, Goodbye),
    /// Ask the store, and answer with this ticket.
    Ask(Ticket, Query),
    /// Nobody waits for this answer any more: what was not done yet need not be done.
    Abandon(Ticket),
}

/// What only the store knows.
#[derive(Clone, Debug, PartialEq)]
pub enum Query {
    /// Make an account and a session.
    Register {
        /// Its name.
        name: Text<64>,
        /// Its password.
        password: Password,
        /// Where the player is.
        from: IpAddr,
        /// Which program the player uses.
        program: Text<64>,
        /// Whose request it is.
        link: LinkId,
    },
    /// Make a session.
    LogIn {
        /// The account's name.
        name: Text<64>,
        /// Its password.
        password: Password,
        /// Where the player is.
        from: IpAddr,
        /// Which program the player uses.
        program: Text<64>,
        /// Whose request it is.
        link: LinkId,
    },
    /// Let a guest in, if that is allowed, and find a name and a token.
    LogInAsGuest {
        /// Whose place it will be.
        session: SessionId,
        /// Where the player is.
        from: IpAddr,
    },
    /// Let a guest in again who is not kept.
    ResumeGuest {
        /// Who.
        guest: Guest,
        /// Where the player is.
        from: IpAddr,
    },
    /// Keep a guest from now on, with the session that proves who they are. Asked again, it is done
    /// once.
    KeepGuest {
        /// Who.
        guest: Guest,
        /// Where the player is.
        from: IpAddr,
        /// What the player's program calls itself.
        program: Text<64>,
    },
    /// Do something for a player.
    Task {
        /// Which request it is, for the answer.
        request: RequestId,
        /// For whom.
        owner: Owner,
        /// What.
        task: Task,
    },
    /// Continue a session, and let it last longer.
    Resume {
        /// What proves it.
        token: SessionToken,
        /// Where the player is.
        from: IpAddr,
        /// Which program the player uses.
        program: Text<64>,
    },
    /// End a session.
    LogOut {
        /// What proves it.
        token: SessionToken,
    },
    /// Find the launcher with a key.
    FindLauncher {
        /// Its key.
        key: LauncherKey,
    },
    /// Use a secret up, and enrol a launcher with it.
    Enroll {
        /// What the operator gave it.
        secret: EnrollmentSecret,
        /// Its key.
        key: LauncherKey,
    },
}

/// What the store says.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// To `Register`, `LogIn`, `LogInAsGuest`, `ResumeGuest` and `Resume`: there is a session.
    Session(KnownSession),
    /// To `KeepGuest`: the guest is kept.
    Kept {
        /// Under the number of this account.
        account: SessionId,
        /// Which of its sessions it is.
        number: u64,
    },
    /// To `Task` with `CountMatch`: this became of it.
    Counted(Counting),
    /// To `Task`: it is done, and this is what the player is to be told.
    Done(ToGameClient),
    /// To `Task` with `Claim`: the guest has an account.
    Claimed {
        /// Its number.
        account: SessionId,
        /// Which of its sessions the guest's is.
        number: u64,
        /// Its name.
        name: Text<64>,
        /// What its role allows.
        permissions: Permissions,
    },
    /// To `LogOut`: there is no such session any more.
    LoggedOut,
    /// To `FindLauncher` and `Enroll`: a launcher with this name has this key, and may do so much.
    Launcher(Text<64>, LauncherLimits),
    /// To `FindLauncher` and `Enroll`: no launcher has this key, or not by this secret.
    NoLauncher,
    /// To any query: it was not done.
    Refused(Refusal),
}

/// A session, as the store knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownSession {
    /// The account, by number.
    pub session: SessionId,
    /// The account's name, as it was written at its registration.
    pub name: Text<64>,
    /// What proves it.
    pub token: SessionToken,
    /// When it ends by itself.
    pub expires: UnixMillis,
    /// Which of the account's sessions it is.
    pub number: u64,
    /// What the account's role allows.
    pub permissions: Permissions,
    /// Whether the player may not speak.
    pub mute: Option<Mute>,
}
