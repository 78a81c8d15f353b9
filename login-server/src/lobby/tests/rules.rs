//! Every kind of message × state × role.

use accounts::{Permission, Permissions};
use protocol::FromGameClientKind as Kind;

use super::*;
use crate::lobby::{
    clients::ClientState,
    rules::{MAX_STRIKES, Verdict, rule},
};

/// What becomes of each kind: connected, greeted, waiting for a place, logged in as a player, and
/// logged in with a role that allows nothing.
const TABLE: &[(Kind, [&str; 5])] = &[
    (Kind::Hello, ["allowed", V, V, V, V]),
    (Kind::Register, [V, "allowed", "Busy", "AlreadyLoggedIn", "AlreadyLoggedIn"]),
    (Kind::LogIn, [V, "allowed", "Busy", "AlreadyLoggedIn", "AlreadyLoggedIn"]),
    (Kind::Resume, [V, "allowed", "Busy", "AlreadyLoggedIn", "AlreadyLoggedIn"]),
    (Kind::LogOut, [V, NO, NO, "allowed", "allowed"]),
    (Kind::WatchServers, [V, NO, NO, "allowed", "allowed"]),
    (Kind::UnwatchServers, [V, NO, NO, "allowed", "allowed"]),
    (Kind::Join, [V, NO, NO, "allowed", "NotAllowed"]),
    (Kind::Leave, [V, NO, NO, "allowed", "allowed"]),
    (Kind::Chat, [V, NO, NO, "allowed", "NotAllowed"]),
    (Kind::Ping, [V, "allowed", "allowed", "allowed", "allowed"]),
    (Kind::Pong, [V, "allowed", "allowed", "allowed", "allowed"]),
    (Kind::Ack, [V, "allowed", "allowed", "allowed", "allowed"]),
    (Kind::LogInAsGuest, [V, "allowed", "Busy", "AlreadyLoggedIn", "AlreadyLoggedIn"]),
    (Kind::Claim, [V, NO, NO, "allowed", "allowed"]),
    (Kind::ListSessions, [V, NO, NO, "allowed", "allowed"]),
    (Kind::RevokeSessions, [V, NO, NO, "allowed", "allowed"]),
    (Kind::ChangePassword, [V, NO, NO, "allowed", "allowed"]),
    (Kind::DeleteAccount, [V, NO, NO, "allowed", "allowed"]),
    (Kind::Export, [V, NO, NO, "allowed", "allowed"]),
    (Kind::ListData, [V, NO, NO, "allowed", "allowed"]),
    (Kind::GetData, [V, NO, NO, "allowed", "allowed"]),
    (Kind::SetData, [V, NO, NO, "allowed", "allowed"]),
    (Kind::GetProgress, [V, NO, NO, "allowed", "allowed"]),
    (Kind::Report, [V, NO, NO, "allowed", "NotAllowed"]),
];

const V: &str = "violation";
const NO: &str = "NotLoggedIn";

#[test]
fn every_kind_has_a_rule_for_every_state_and_role() {
    let session = SessionId(1);
    let player = [Permission::Chat, Permission::Join, Permission::Report];
    let player: Permissions = player.into_iter().collect();
    for kind in Kind::ALL {
        let row = TABLE.iter().find(|(row, _)| row == kind);
        let (_, expected) = row.unwrap_or_else(|| panic!("{kind:?} has no row: who may say it?"));
        let states = [
            (ClientState::Connected, player),
            (ClientState::Greeted { since: Duration::ZERO }, player),
            (ClientState::Queued { session }, player),
            (ClientState::LoggedIn { session }, player),
            (ClientState::LoggedIn { session }, Permissions::NONE),
        ];
        for ((state, permissions), expected) in states.into_iter().zip(expected) {
            let verdict = match rule(*kind).judge(&state, |p| permissions.contains(p)) {
                Verdict::Allowed => "allowed".to_owned(),
                Verdict::Violation(_) => V.to_owned(),
                Verdict::Refused(refusal) => variant(&refusal),
            };
            assert_eq!(verdict, *expected, "{kind:?} in {state:?} with {permissions}");
        }
    }
    assert_eq!(TABLE.len(), Kind::ALL.len(), "a row for a kind that is none");
}

#[test]
fn who_does_what_is_not_allowed_again_and_again_is_sent_away() {
    let mut bench = Bench::new();
    let link = bench.greeted();
    let mut last = String::new();
    for second in 0..=MAX_STRIKES {
        assert!(!last.contains("goodbye"), "after {second}");
        let request = RequestId(second);
        last = summary(&bench.says(link, FromGameClient::Leave { request }));
        bench.running += Duration::from_secs(1);
    }
    assert_eq!(last, "goodbye Violation");
}

#[test]
fn who_is_not_allowed_to_speak_is_refused_and_comes_and_goes_all_the_same() {
    let mut bench = Bench::new();
    let link = bench.greeted();
    let asked = bench.says(link, log_in());
    let Answer::Session(known) = session(1) else { unreachable!() };
    let silent = KnownSession { permissions: Permissions::NONE, ..known };
    bench.answer(&asked, Answer::Session(silent));
    let text = Text::lossy("hello");
    let chat = FromGameClient::Chat { request: REQUEST, channel: protocol::Channel::Lobby, text };
    assert_eq!(summary(&bench.says(link, chat)), "refused NotAllowed");
    assert_eq!(
        summary(&bench.says(link, FromGameClient::LogOut { request: RequestId(2) })),
        "ask LogOut"
    );
}

/// The longest messages there are fit their rule.
#[test]
fn what_the_types_allow_the_rules_allow() {
    let longest = |length| "x".repeat(length);
    let (name, request) = (Text::lossy(&longest(64)), RequestId(u32::MAX));
    let password = Password(Text::lossy(&longest(128)));
    let (old, new) = (password.clone(), password.clone());
    let (game, key) = (name.clone(), name.clone());
    let value = Some(protocol::Blob::try_from(vec![0; protocol::MAX_VALUE]).unwrap());
    let expect = protocol::Expect::Version(protocol::DataVersion(u64::MAX));
    let token = SessionToken([255; 32]);
    let last = Some(LastSeen { boot: BootId(u64::MAX), count: u64::MAX });
    let hello =
        Hello { lowest: u16::MAX, highest: u16::MAX, features: u64::MAX, program: name.clone() };
    for message in [
        FromGameClient::Hello(hello),
        FromGameClient::Register { request, name: name.clone(), password: password.clone() },
        FromGameClient::LogIn { request, name: name.clone(), password: password.clone() },
        FromGameClient::Resume { request, token, last },
        FromGameClient::LogOut { request },
        FromGameClient::WatchServers,
        FromGameClient::UnwatchServers,
        FromGameClient::Join { request, server: ServerId(u64::MAX) },
        FromGameClient::Leave { request },
        FromGameClient::Chat {
            request,
            channel: protocol::Channel::Server,
            text: Text::lossy(&longest(400)),
        },
        FromGameClient::Ping { nonce: u64::MAX },
        FromGameClient::Pong { nonce: u64::MAX },
        FromGameClient::Ack { seen: u64::MAX },
        FromGameClient::LogInAsGuest { request },
        FromGameClient::Claim { request, name: name.clone(), password: password.clone() },
        FromGameClient::ListSessions { request },
        FromGameClient::RevokeSessions { request, number: Some(protocol::SessionNumber(u64::MAX)) },
        FromGameClient::ChangePassword { request, old, new },
        FromGameClient::DeleteAccount { request, password: Some(password) },
        FromGameClient::Export { request, offset: u64::MAX },
        FromGameClient::ListData { request, game: game.clone() },
        FromGameClient::GetData { request, game: game.clone(), key: key.clone() },
        FromGameClient::SetData { request, game: game.clone(), key, value, expect },
        FromGameClient::GetProgress { request, game },
        FromGameClient::Report { request, player: name, text: Text::lossy(&longest(400)) },
    ] {
        let (length, rule) = (protocol::encoded_len(&message), rule(message.kind()));
        assert!(length <= rule.max_bytes, "{message:?} has {length} bytes");
    }
}
