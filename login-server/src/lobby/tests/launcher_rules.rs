//! Every kind of message of launchers × how far one has come.

use protocol::{FromLauncherKind as Kind, GamePlayerId};

use super::*;
use crate::lobby::launcher_rules::{LauncherVerdict, Standing, launcher_rule};

/// What becomes of each kind: connected, not known yet, not enrolled, enrolled.
const TABLE: &[(Kind, [&str; 4])] = &[
    (Kind::Hello, ["Allowed", V, V, V]),
    (Kind::Enroll, [V, "Kept", "Allowed", "Allowed"]),
    (Kind::Servers, [V, "Kept", NO, "Allowed"]),
    (Kind::Reachable, [V, "Kept", NO, "Allowed"]),
    (Kind::Admitted, [V, "Kept", NO, "Allowed"]),
    (Kind::Said, [V, "Kept", NO, "Allowed"]),
    (Kind::Ping, [V, "Kept", "Allowed", "Allowed"]),
    (Kind::Pong, [V, "Kept", "Allowed", "Allowed"]),
    (Kind::Arrived, [V, "Kept", NO, "Allowed"]),
    (Kind::Left, [V, "Kept", NO, "Allowed"]),
    (Kind::Played, [V, "Kept", NO, "Allowed"]),
];

const V: &str = "Violation";
const NO: &str = "NotEnrolled";

#[test]
fn every_kind_has_a_rule_for_every_standing() {
    let standings =
        [Standing::Connected, Standing::Unknown, Standing::Stranger, Standing::Enrolled];
    for kind in Kind::ALL {
        let row = TABLE.iter().find(|(row, _)| row == kind);
        let (_, expected) = row.unwrap_or_else(|| panic!("{kind:?} has no row: who may say it?"));
        for (standing, expected) in standings.into_iter().zip(expected) {
            let verdict: LauncherVerdict = launcher_rule(*kind).judge(standing);
            assert_eq!(variant(&verdict), *expected, "{kind:?} in {standing:?}");
        }
    }
    assert_eq!(TABLE.len(), Kind::ALL.len(), "a row for a kind that is none");
}

/// The longest messages there are fit their rule.
#[test]
fn what_the_types_allow_the_rules_allow() {
    let (server, request) = (ServerId(u64::MAX), RequestId(u32::MAX));
    let player = GamePlayerId(u32::MAX);
    let long = "x".repeat(1024);
    let detail = ServerProperty::Detail { key: Text::lossy(&long), value: Text::lossy(&long) };
    let events = std::iter::repeat_with(|| property(server, detail.clone())).take(256);
    let hello = Hello {
        lowest: u16::MAX,
        highest: u16::MAX,
        features: u64::MAX,
        program: Text::lossy(&long),
    };
    let addresses = List::first_of([IpAddr::from([255; 16]); 8]);
    let secret = JoinSecret(Text::lossy(&long));
    let messages = [
        FromLauncher::Hello(hello),
        enroll(),
        FromLauncher::Servers(ServerEvents { fresh: true, events: List::first_of(events) }),
        FromLauncher::Reachable(Reachable { server, addresses, port: u16::MAX }),
        FromLauncher::Admitted { request, admission: Admission::Granted { secret } },
        FromLauncher::Said { server, name: Text::lossy(&long), text: Text::lossy(&long) },
        FromLauncher::Ping { nonce: u64::MAX },
        FromLauncher::Pong { nonce: u64::MAX },
        FromLauncher::Arrived { ticket: SignedTicket(Text::lossy(&long)), player },
        FromLauncher::Left { ticket: TicketId([255; 16]) },
        FromLauncher::Played {
            request,
            ticket: TicketId([255; 16]),
            id: protocol::MatchId([255; 16]),
            started: UnixMillis(u64::MAX),
            ended: UnixMillis(u64::MAX),
            won: true,
            xp: u32::MAX,
        },
    ];
    let kinds: Vec<_> = messages.iter().map(FromLauncher::kind).collect();
    assert_eq!(kinds, Kind::ALL);
    for message in messages {
        let (length, rule) = (protocol::encoded_len(&message), launcher_rule(message.kind()));
        assert!(length <= rule.max_bytes, "{:?} has {length} bytes", message.kind());
        assert!(rule.cost >= 1);
        let is_hello = message.kind() == Kind::Hello;
        assert!(
            is_hello || rule.max_bytes <= 2 * length + 64,
            "{:?} may be much longer",
            message.kind()
        );
    }
}
