//! What the programs of Gatehouse say to each other.
//!
//! One exhaustive enum per direction of a link, named after the other side as the receiver sees it:
//!
//! | link | says | hears |
//! |---|---|---|
//! | game client → login server | [`FromGameClient`] | [`ToGameClient`] |
//! | launcher → login server | [`FromLauncher`] | [`ToLauncher`] |
//! | launcher → keeper | [`ToKeeper`] | [`FromKeeper`] |
//! | operator → login server | [`FromOperator`] | [`ToOperator`] |
//! | game server → keeper | [`FromGameController`] | [`ToGameController`] |
//!
//! The connecting side speaks first: [`Hello`]. The answer is [`Welcome`] or [`Goodbye`], and both
//! keep their place and their bytes in every version, so that two programs of any age understand
//! at least why they do not understand each other.
//!
//! [`encode`] and [`decode`] turn one message into bytes and back; `PROTOCOL.md`, beside this
//! crate's manifest, describes each of those bytes for who has no Rust. [`encode_json`] and
//! [`decode_json`] do the same in JSON. Nothing here does I/O.
//!
//! What is decoded is valid: text without control characters ([`Text`]), lists of bounded length
//! ([`List`]), nothing left over behind a message.

mod account;
mod blob;
mod codec;
mod enrollment;
mod game_client;
mod game_controller;
mod hello;
mod ids;
mod json;
mod keeper;
mod key_pin;
mod kind;
mod launcher;
mod list;
mod operator;
mod secret;
mod server;
mod text;

pub use crate::{
    account::{
        DataEntry, DataValue, Expect, ExportPart, MAX_EXPORT_PART, MAX_VALUE, Progress,
        SessionInfo, SessionList,
    },
    blob::{Blob, BlobError},
    codec::{DecodeError, MAX_AFTER_LOGIN, MAX_BEFORE_LOGIN, Wire, decode, encode, encoded_len},
    enrollment::{Enrollment, EnrollmentError},
    game_client::{
        Channel, Continuation, FromGameClient, FromGameClientKind, JoinTicket, LastSeen, LoggedIn,
        Refusal, Said, Speaker, ToGameClient,
    },
    game_controller::{
        CONTROLLER_LOWEST, CONTROLLER_VERSION, Clock, FromGameController, GameChange, GameChanges,
        MAX_CONTEXT, MAX_PLAYER_DATA, MatchEnd, PlayerDataAnswer, PlayerResult, Start, TeamId,
        ToGameController, controller_hello, negotiate_controller,
    },
    hello::{Goodbye, Hello, MAX_HELLO, UnixMillis, VERSION, Welcome, negotiate},
    ids::{
        BootId, DataVersion, GamePlayerId, MatchId, RequestId, ServerId, SessionNumber, TicketId,
        TicketKey,
    },
    json::{decode_json, encode_json},
    keeper::{
        ExitCause, Exited, FromKeeper, KEEPER_LOWEST, KEEPER_VERSION, KeeperChange, KeeperChanges,
        ToKeeper, keeper_hello, negotiate_keeper,
    },
    key_pin::KeyPin,
    kind::{GoodbyeKind, LauncherRefusalKind, RefusalKind},
    launcher::{
        Admission, Counting, FromLauncher, FromLauncherKind, LauncherRefusal, Reachable, ToLauncher,
    },
    list::{List, ListError},
    operator::{
        CaptureScope, Field, FromOperator, LauncherInfo, LoginServerStatus, Penalty, PlayerInfo,
        ServerInfo, Task, ToOperator,
    },
    secret::{ControllerToken, EnrollmentSecret, JoinSecret, Password, SessionToken, SignedTicket},
    server::{ServerChange, ServerEvent, ServerEvents, ServerProperty, ServerState},
    text::{Text, TextError},
};

/// ALPN id of game clients: what they ask for in the TLS handshake.
pub const ALPN_GAME_CLIENT: &str = "gatehouse-client/1";

/// WebSocket subprotocol of game clients that speak bytes, one message in each.
pub const SUBPROTOCOL_GAME_CLIENT: &str = "gatehouse-client.1";

/// WebSocket subprotocol of game clients that speak JSON.
pub const SUBPROTOCOL_GAME_CLIENT_JSON: &str = "gatehouse-client.1.json";

/// ALPN id of launchers.
pub const ALPN_LAUNCHER: &str = "gatehouse-launcher/1";
