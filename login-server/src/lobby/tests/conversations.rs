//! Conversations over several connections, in stories. `streams` has those that happen by chance.

use protocol::{Channel, Goodbye, Said, Speaker};

use super::*;

fn chat(request: u32, text: &str) -> FromGameClient {
    let (request, text) = (RequestId(request), Text::lossy(text));
    FromGameClient::Chat { request, channel: Channel::Lobby, text }
}

fn texts(effects: &[Effect]) -> Vec<String> {
    let texts = effects.iter().filter_map(|effect| match effect {
        Effect::ToClient(_, ToGameClient::Said(Said { text, .. })) => Some(text.to_string()),
        _ => None,
    });
    texts.collect()
}

#[test]
fn what_was_said_meanwhile_is_heard_after_the_connection_is_back() {
    let mut bench = Bench::new();
    let (ann, bob) = (bench.logged_in(1), bench.logged_in(2));
    bench.apply(Event::FromClient { link: bob, message: chat(1, "one") });
    bench.gone(ann);
    bench.apply(Event::FromClient { link: bob, message: chat(2, "two") });
    let again = bench.greeted();
    let effects = bench.resumes(again, 1, 1);
    assert_eq!(continues(&effects), Some(Continuation { seen: 0, next: 2 }));
    assert_eq!(texts(&effects), ["two"]);
}

#[test]
fn a_request_is_answered_on_whatever_connection_there_is_then() {
    let mut bench = Bench::new();
    let launcher = bench.with_server(1, SERVER);
    let ann = bench.logged_in(1);
    let asked = bench.says(ann, join());
    bench.gone(ann);
    let again = bench.greeted();
    let effects = bench.resumes(again, 1, 0);
    assert_eq!(continues(&effects), Some(Continuation { seen: 1, next: 1 }));
    let effects = bench.admit(launcher, &asked);
    assert_eq!(summary(&effects), "client Joined");
    assert!(matches!(effects[0], Effect::ToClient(link, _) if link == again));
}

#[test]
fn a_request_that_comes_again_is_not_done_again() {
    let mut bench = Bench::new();
    let ann = bench.logged_in(1);
    let says = |bench: &mut Bench| {
        let message = chat(1, "once");
        summary(&bench.apply(Event::FromClient { link: ann, message }))
    };
    assert_eq!(says(&mut bench), "clients Said, client Done");
    assert_eq!(says(&mut bench), "client Done");
}

#[test]
fn another_token_another_run_and_a_lie_begin_anew() {
    let last = |boot, count| Some(LastSeen { boot: BootId(boot), count });
    for (token, last) in [(2, last(1, 0)), (1, last(2, 0)), (1, last(1, 9)), (1, None)] {
        let mut bench = Bench::new();
        let ann = bench.logged_in(1);
        bench.gone(ann);
        let again = bench.greeted();
        let token = SessionToken([token; 32]);
        let resume = FromGameClient::Resume { request: REQUEST, token: token.clone(), last };
        let asked = bench.says(again, resume);
        let Answer::Session(known) = session(1) else { unreachable!() };
        let effects = bench.answer(&asked, Answer::Session(KnownSession { token, ..known }));
        assert_eq!(summary(&effects), "trust, client LoggedIn");
        assert_eq!(continues(&effects), None);
    }
}

#[test]
fn who_missed_too_much_is_told_the_state_and_every_answer() {
    let mut bench = Bench::with(Limits {
        chat: crate::lobby::Rate { burst: 1000, per_second: 1 },
        client_messages: crate::lobby::Rate { burst: 10_000, per_second: 1 },
        ..Default::default()
    });
    bench.with_server(1, SERVER);
    let (ann, bob) = (bench.logged_in(1), bench.logged_in(2));
    bench.says(ann, FromGameClient::WatchServers);
    bench.apply(Event::FromClient { link: ann, message: chat(1, "my last word") });
    bench.gone(ann);
    let long = "x".repeat(400);
    for request in 0..200 {
        bench.apply(Event::FromClient { link: bob, message: chat(request, &long) });
    }
    let again = bench.greeted();
    let effects = bench.resumes(again, 1, 0);
    // The list, what ann said and `Done` are 1 to 3, bob has said 200.
    assert_eq!(continues(&effects), Some(Continuation { seen: 2, next: 204 }));
    assert_eq!(summary(&effects), "trust, client LoggedIn, client Done, client Servers");
}

#[test]
fn whoever_logs_out_ends_the_session_wherever_it_is() {
    // The session was resumed elsewhere before the store had ended it.
    let mut bench = Bench::new();
    let ann = bench.logged_in(1);
    let log_out = bench.says(ann, FromGameClient::LogOut { request: REQUEST });
    let other = bench.greeted();
    let asked = bench.says(other, resume());
    let effects = bench.answer(&asked, session(1));
    assert!(summary(&effects).starts_with("goodbye TakenOver"), "{effects:?}");
    let effects = bench.answer(&log_out, Answer::LoggedOut);
    assert_eq!(effects, [Effect::Goodbye(other, Goodbye::Revoked)]);

    // The answer that it was ended comes first.
    let mut bench = Bench::new();
    let ann = bench.logged_in(1);
    let log_out = bench.says(ann, FromGameClient::LogOut { request: REQUEST });
    let other = bench.greeted();
    let asked = bench.says(other, resume());
    assert_eq!(summary(&bench.answer(&log_out, Answer::LoggedOut)), "client LoggedOut");
    assert_eq!(summary(&bench.answer(&asked, session(1))), "refused SessionEnded");

    // It comes so late that nobody waits for it.
    let mut bench = Bench::new();
    let ann = bench.logged_in(1);
    let log_out = bench.says(ann, FromGameClient::LogOut { request: REQUEST });
    assert_eq!(summary(&bench.pass(Duration::from_secs(10))), "client Ack, refused Unavailable");
    assert_eq!(bench.answer(&log_out, Answer::LoggedOut), [Effect::Goodbye(ann, Goodbye::Revoked)]);
}

#[test]
fn the_client_is_told_what_has_come() {
    let mut bench = Bench::new();
    let ann = bench.logged_in(1);
    bench.says(ann, FromGameClient::UnwatchServers);
    let effects = bench.pass(Duration::from_secs(6));
    assert_eq!(effects, [Effect::ToClient(ann, ToGameClient::Ack { seen: 1 })]);
}

#[test]
fn what_somebody_says_has_their_name() {
    let mut bench = Bench::new();
    let ann = bench.logged_in(1);
    let effects = bench.says(ann, chat(1, "hello"));
    let said = effects.iter().find_map(|effect| match effect {
        Effect::ToClients(_, ToGameClient::Said(said)) => Some(said.speaker.clone()),
        _ => None,
    });
    assert_eq!(said, Some(Speaker::Account(Text::lossy("player-1"))));
}
