//! The waiting room.

use protocol::Goodbye;

use super::*;

fn full(queue: usize) -> (Bench, LinkId) {
    let mut bench = Bench::with(Limits { sessions: 1, queue, ..Default::default() });
    let link = bench.logged_in(1);
    (bench, link)
}

fn logs_in(bench: &mut Bench, id: u64) -> (LinkId, Vec<Effect>) {
    let link = bench.greeted();
    let asked = bench.says(link, log_in());
    (link, bench.answer(&asked, session(id)))
}

fn queued(effects: &[Effect]) -> Vec<(LinkId, u32)> {
    let told = effects.iter().filter_map(|effect| match effect {
        Effect::ToClient(link, ToGameClient::Queued { position, .. }) => Some((*link, *position)),
        _ => None,
    });
    told.collect()
}

#[test]
fn who_finds_every_place_taken_waits_and_comes_in_when_one_is_free() {
    let (mut bench, ann) = full(10);
    let (bob, effects) = logs_in(&mut bench, 2);
    assert_eq!(queued(&effects), [(bob, 1)]);
    let (eve, effects) = logs_in(&mut bench, 3);
    assert_eq!(queued(&effects), [(eve, 2)]);
    // Waiting is not being late.
    let mut effects = Vec::new();
    for _ in 0..100 {
        for link in [ann, bob, eve] {
            bench.says(link, FromGameClient::Pong { nonce: 0 });
        }
        effects.extend(bench.pass(Duration::from_secs(1)));
    }
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Goodbye(..))), "{effects:?}");
    assert_eq!(summary(&bench.says(bob, log_in())), "refused Busy");

    let asked = bench.says(ann, FromGameClient::LogOut { request: REQUEST });
    bench.answer(&asked, Answer::LoggedOut);
    let effects = bench.pass(Duration::from_millis(500));
    assert_eq!(summary(&effects), "trust, client LoggedIn, client Queued");
    assert_eq!(queued(&effects), [(eve, 1)]);
    assert!(bench.lobby.session_of(bob).is_some());
}

#[test]
fn who_has_a_place_comes_back_to_it_past_those_who_wait() {
    let (mut bench, ann) = full(10);
    logs_in(&mut bench, 2);
    bench.gone(ann);
    let (_, effects) = logs_in(&mut bench, 1);
    assert_eq!(summary(&effects), "trust, client LoggedIn");
}

#[test]
fn who_loses_the_connection_while_waiting_keeps_the_position_for_a_minute() {
    for (seconds, position) in [(59, 1), (61, 2)] {
        let (mut bench, ann) = full(10);
        let (bob, _) = logs_in(&mut bench, 2);
        let (eve, _) = logs_in(&mut bench, 3);
        bench.gone(bob);
        for _ in 0..seconds {
            for link in [ann, eve] {
                bench.says(link, FromGameClient::Pong { nonce: 0 });
            }
            bench.pass(Duration::from_secs(1));
        }
        let (bob, effects) = logs_in(&mut bench, 2);
        assert_eq!(queued(&effects), [(bob, position)], "after {seconds} s");
    }
}

#[test]
fn nobody_waits_twice() {
    let (mut bench, _) = full(10);
    let (bob, _) = logs_in(&mut bench, 2);
    let (again, effects) = logs_in(&mut bench, 2);
    assert_eq!(effects.first(), Some(&Effect::Goodbye(bob, Goodbye::TakenOver)));
    assert_eq!(queued(&effects), [(again, 1)]);
}

#[test]
fn the_waiting_room_has_walls() {
    let (mut bench, _) = full(1);
    logs_in(&mut bench, 2);
    let (_, effects) = logs_in(&mut bench, 3);
    assert_eq!(summary(&effects), "refused Busy");
}
