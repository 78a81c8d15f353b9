//! What messages are made of.

use protocol::{
    Admission, Channel, Counting, DataVersion, Expect, GamePlayerId, Goodbye, JoinSecret,
    LauncherRefusal, Refusal, ServerChange, ServerEvent, ServerId, ServerProperty, ServerState,
    SignedTicket, Speaker, TicketId, UnixMillis,
};

use super::{samples, text};

/// The server of all samples.
pub(super) const SERVER: ServerId = ServerId(0x0123_4567_89ab_cdef);

samples! { Goodbye {
    YouAreTooOld: Goodbye::YouAreTooOld { lowest: 3 };
    IAmTooOld: Goodbye::IAmTooOld { highest: 2 };
    ShuttingDown: Goodbye::ShuttingDown;
    TakenOver: Goodbye::TakenOver;
    Violation: Goodbye::Violation { what: text("second Hello") };
    NotEnrolled: Goodbye::NotEnrolled;
    EnrollmentRefused: Goodbye::EnrollmentRefused;
    Busy: Goodbye::Busy { retry_after_ms: 250 }, later: Goodbye::Busy { retry_after_ms: 60_000 },
        never: Goodbye::Busy { retry_after_ms: u32::MAX };
    Revoked: Goodbye::Revoked;
    Silent: Goodbye::Silent;
    Banned: Goodbye::Banned {
        until: Some(UnixMillis(1_800_000_000_000)), reason: text("too loud"),
    };
    ComeBack: Goodbye::ComeBack { after_ms: 500 };
} }

samples! { Refusal {
    NotLoggedIn: Refusal::NotLoggedIn;
    AlreadyLoggedIn: Refusal::AlreadyLoggedIn;
    NameTaken: Refusal::NameTaken;
    InvalidName: Refusal::InvalidName { rule: text("at least 3 characters") };
    InvalidPassword: Refusal::InvalidPassword { rule: text("at least 8 characters") };
    WrongNameOrPassword: Refusal::WrongNameOrPassword;
    SessionEnded: Refusal::SessionEnded;
    UnknownServer: Refusal::UnknownServer;
    ServerNotReady: Refusal::ServerNotReady;
    ServerFull: Refusal::ServerFull;
    NotOnServer: Refusal::NotOnServer;
    Busy: Refusal::Busy { retry_after_ms: 1000 };
    Unavailable: Refusal::Unavailable;
    Muted: Refusal::Muted { until: None };
    NotAllowed: Refusal::NotAllowed;
    UnknownSession: Refusal::UnknownSession;
    NotForGuests: Refusal::NotForGuests;
    NotAGuest: Refusal::NotAGuest;
    OnServer: Refusal::OnServer;
    UnknownPlayer: Refusal::UnknownPlayer;
    InvalidKey: Refusal::InvalidKey { rule: text("1 to 64 characters") };
    Changed: Refusal::Changed { version: Some(DataVersion(41)) },
        nothing: Refusal::Changed { version: None };
    TooMany: Refusal::TooMany;
} }

samples! { Counting {
    Counts: Counting::Counts;
    NotAllowed: Counting::NotAllowed;
    Impossible: Counting::Impossible;
    UnknownPlayer: Counting::UnknownPlayer;
    Unavailable: Counting::Unavailable;
} }

samples! { Expect {
    Anything: Expect::Anything;
    Nothing: Expect::Nothing;
    Version: Expect::Version(DataVersion(41));
} }

samples! { Channel {
    Lobby: Channel::Lobby;
    Server: Channel::Server;
} }

samples! { Speaker {
    Account: Speaker::Account(text("ada"));
    InGame: Speaker::InGame(text("Ada & Co. 🚂"));
} }

samples! { ServerEvent {
    Appeared: ServerEvent::Appeared { server: SERVER };
    Changed: ServerEvent::Changed { server: SERVER, change: ServerChange::AllPlayersLeft };
    Disappeared: ServerEvent::Disappeared { server: SERVER };
} }

samples! { ServerChange {
    Property: ServerChange::Property(ServerProperty::State(ServerState::Ready));
    PlayerEntered: ServerChange::PlayerEntered { player: GamePlayerId(2), name: text("Ada") };
    PlayerLeft: ServerChange::PlayerLeft { player: GamePlayerId(2) };
    AllPlayersLeft: ServerChange::AllPlayersLeft;
} }

samples! { ServerProperty {
    Title: ServerProperty::Title(text("A friendly server"));
    Game: ServerProperty::Game(text("openttd"));
    State: ServerProperty::State(ServerState::Starting);
    Map: ServerProperty::Map(text("Little Valley")), none: ServerProperty::Map(text(""));
    MaxPlayers: ServerProperty::MaxPlayers(16), one_byte: ServerProperty::MaxPlayers(250),
        two_bytes: ServerProperty::MaxPlayers(251), most: ServerProperty::MaxPlayers(u16::MAX);
    Detail: ServerProperty::Detail { key: text("date"), value: text("1950-01-01") };
} }

samples! { ServerState {
    Starting: ServerState::Starting;
    Ready: ServerState::Ready;
    Restarting: ServerState::Restarting;
    Stopping: ServerState::Stopping;
    Stopped: ServerState::Stopped;
    Failed: ServerState::Failed;
    Unreachable: ServerState::Unreachable;
} }

samples! { Admission {
    Granted: Admission::Granted { secret: secret() };
    UnknownServer: Admission::UnknownServer;
    NotReady: Admission::NotReady;
    Full: Admission::Full;
    TicketRefused: Admission::TicketRefused;
} }

samples! { LauncherRefusal {
    TooManyServers: LauncherRefusal::TooManyServers { server: SERVER, most: 2 };
    NotYourPlayer: LauncherRefusal::NotYourPlayer { ticket: Some(ticket_id()) },
        unreadable: LauncherRefusal::NotYourPlayer { ticket: None };
} }

pub(super) fn secret() -> JoinSecret {
    JoinSecret(text("k3jyt8wq2zbvx5rmpa7e"))
}

/// Begins as a real one does: those have some 400 characters.
pub(super) fn signed_ticket() -> SignedTicket {
    SignedTicket(text("v4.public.eyJqdGkiOiIi"))
}

pub(super) fn ticket_id() -> TicketId {
    TicketId(std::array::from_fn(|i| i as u8))
}
