//! Bans, mutes and ended sessions: at once.

use protocol::{Goodbye, Refusal};

use super::*;
use crate::lobby::{Mute, Whom};

fn chat(bench: &mut Bench, link: LinkId, request: u32) -> Vec<Effect> {
    let (request, text) = (RequestId(request), Text::lossy("hello"));
    bench.says(link, FromGameClient::Chat { request, channel: protocol::Channel::Lobby, text })
}

#[test]
fn who_is_banned_is_out_at_once() {
    let reason = Text::lossy("cheats");
    for whom in [Whom::Account(SessionId(1)), Whom::Addresses("127.0.0.0/8".parse().unwrap())] {
        let mut bench = Bench::new();
        let launcher = bench.with_server(1, SERVER);
        let link = bench.joined(1, launcher);
        let banned = Event::Banned { whom, until: None, reason: reason.clone() };
        let effects = bench.apply(banned);
        let goodbye = Goodbye::Banned { until: None, reason: reason.clone() };
        assert_eq!(effects[0], Effect::Goodbye(link, goodbye));
        assert_eq!(summary(&effects), "goodbye Banned, launcher Dismiss");
        assert!(bench.lobby.sessions.is_empty());
    }
}

#[test]
fn who_is_banned_has_no_place_to_come_back_to() {
    let mut bench = Bench::new();
    let link = bench.logged_in(1);
    bench.gone(link);
    let whom = Whom::Account(SessionId(1));
    bench.apply(Event::Banned { whom, until: None, reason: Text::default() });
    assert!(bench.lobby.sessions.is_empty());
}

#[test]
fn who_is_muted_is_refused_until_then() {
    let mut bench = Bench::new();
    let link = bench.logged_in(1);
    let until = UnixMillis(1_700_000_000_001);
    let whom = Whom::Account(SessionId(1));
    let mute = Some(Mute { until: Some(until) });
    bench.apply(Event::Muted { whom: whom.clone(), mute });
    let effects = chat(&mut bench, link, 1);
    let reason = Refusal::Muted { until: Some(until) };
    let refused = ToGameClient::Refused { request: RequestId(1), reason };
    assert_eq!(effects, [Effect::ToClient(link, refused)]);
    let over = Some(Mute { until: Some(UnixMillis(1_700_000_000_000)) });
    bench.apply(Event::Muted { whom: whom.clone(), mute: over });
    assert_eq!(summary(&chat(&mut bench, link, 2)), "clients Said, client Done");
    bench.apply(Event::Muted { whom: whom.clone(), mute: Some(Mute { until: None }) });
    assert_eq!(summary(&chat(&mut bench, link, 3)), "refused Muted");
    bench.apply(Event::Muted { whom, mute: None });
    assert_eq!(summary(&chat(&mut bench, link, 4)), "clients Said, client Done");
}

#[test]
fn a_session_that_is_ended_is_over_at_once_and_others_go_on() {
    let mut bench = Bench::new();
    let link = bench.logged_in(1);
    let account = SessionId(1);
    assert_eq!(bench.apply(Event::SessionsEnded { account, number: Some(99) }), []);
    let effects = bench.apply(Event::SessionsEnded { account, number: Some(1) });
    assert_eq!(effects, [Effect::Goodbye(link, Goodbye::Revoked)]);
    let again = bench.greeted();
    let effects = bench.resumes(again, 1, 0);
    assert_eq!(summary(&effects), "refused SessionEnded", "the store was asked before");
}
