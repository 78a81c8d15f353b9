//! What players have done about what is theirs, as far as the lobby has to do with it.

use protocol::{Blob, DataVersion, Expect, Goodbye, Refusal, SessionNumber};

use super::*;
use crate::lobby::{Owner, Task};

fn password(text: &str) -> Password {
    Password(Text::lossy(text))
}

fn change_password(request: u32) -> FromGameClient {
    let (old, new) = (password("old"), password("new"));
    FromGameClient::ChangePassword { request: RequestId(request), old, new }
}

fn set_data(request: u32) -> FromGameClient {
    FromGameClient::SetData {
        request: RequestId(request),
        game: Text::lossy("chess"),
        key: Text::lossy("opening"),
        value: Some(Blob::try_from(b"e4".to_vec()).unwrap()),
        expect: Expect::Nothing,
    }
}

fn delete(request: u32) -> FromGameClient {
    let password = Some(password("password"));
    FromGameClient::DeleteAccount { request: RequestId(request), password }
}

fn done(request: u32) -> Answer {
    Answer::Done(ToGameClient::Done { request: RequestId(request) })
}

/// For whom the one task in `asked` is, and what.
fn asked(effects: &[Effect]) -> (&Owner, &Task) {
    let task = effects.iter().find_map(|effect| match effect {
        Effect::Ask(_, Query::Task { owner, task, .. }) => Some((owner, task)),
        _ => None,
    });
    task.unwrap_or_else(|| panic!("nothing is to be done: {effects:?}"))
}

#[test]
fn a_task_is_for_the_account_whose_session_it_is_and_its_answer_for_who_has_asked() {
    let mut bench = Bench::new();
    let link = bench.logged_in(1);
    let effects = bench.says(link, set_data(1));
    let (owner, _) = asked(&effects);
    assert_eq!((owner.account, owner.from, owner.link), (SessionId(1), NEAR, link));
    assert_eq!((owner.token.clone(), owner.program.as_str()), (SessionToken([1; 32]), "test"));
    let written =
        ToGameClient::DataWritten { request: RequestId(1), version: Some(DataVersion(1)) };
    let effects = bench.answer(&effects, Answer::Done(written.clone()));
    assert_eq!(effects, [Effect::ToClient(link, written)]);
}

#[test]
fn a_task_is_done_once_and_its_answer_finds_the_next_connection() {
    let mut bench = Bench::new();
    let link = bench.logged_in(1);
    let asked = bench.says(link, set_data(1));
    assert_eq!(bench.apply(Event::FromClient { link, message: set_data(1) }), []);
    bench.gone(link);
    let again = bench.greeted();
    bench.resumes(again, 1, 0);
    let effects = bench.answer(&asked, done(1));
    let done = ToGameClient::Done { request: RequestId(1) };
    assert_eq!(effects, [Effect::ToClient(again, done)]);
}

#[test]
fn one_password_of_a_session_is_looked_at_at_a_time() {
    let mut bench = Bench::new();
    let link = bench.logged_in(1);
    let first = bench.says(link, change_password(1));
    assert_eq!(summary(&bench.says(link, change_password(2))), "refused Busy");
    assert_eq!(summary(&bench.says(link, delete(3))), "refused Busy");
    assert_eq!(summary(&bench.says(link, set_data(4))), "ask Task", "that needs none");
    let wrong = Answer::Refused(Refusal::WrongNameOrPassword);
    assert_eq!(summary(&bench.answer(&first, wrong)), "refused WrongNameOrPassword");
    assert_eq!(summary(&bench.says(link, change_password(5))), "ask Task");
}

#[test]
fn guesses_of_who_is_logged_in_count_as_those_of_who_is_not() {
    let mut bench = Bench::with(Limits { failed_logins_per_hour: 2, ..Default::default() });
    let link = bench.logged_in(1);
    for request in 0..2 {
        let asked = bench.says(link, change_password(request));
        bench.answer(&asked, Answer::Refused(Refusal::WrongNameOrPassword));
    }
    assert_eq!(summary(&bench.says(link, change_password(9))), "refused Busy");
    let other = bench.greeted();
    assert_eq!(summary(&bench.says(other, log_in())), "refused Busy");
}

#[test]
fn who_changes_the_password_stays_and_who_comes_with_another_session_has_to_ask_again() {
    let mut bench = Bench::new();
    let link = bench.logged_in(1);
    let changing = bench.says(link, change_password(1));
    let thief = bench.greeted();
    let token = SessionToken([9; 32]);
    let resume = FromGameClient::Resume { request: REQUEST, token: token.clone(), last: None };
    let resuming = bench.says(thief, resume);
    assert_eq!(summary(&bench.answer(&changing, done(1))), "client Done");
    assert!(bench.lobby.session_of(link).is_some());
    // The store had looked before the password was another one.
    let Answer::Session(known) = session(1) else { unreachable!() };
    let effects = bench.answer(&resuming, Answer::Session(KnownSession { token, ..known }));
    assert_eq!(summary(&effects), "refused Unavailable");
    assert!(bench.lobby.session_of(link).is_some());
    let again = bench.greeted();
    let effects = bench.resumes(again, 1, 1);
    assert!(continues(&effects).is_some(), "asked after it: {effects:?}");
}

#[test]
fn who_has_taken_over_with_another_session_is_put_out_when_the_password_is_changed() {
    let mut bench = Bench::new();
    let link = bench.logged_in(1);
    let changing = bench.says(link, change_password(1));
    let thief = bench.greeted();
    let asked = bench.says(thief, log_in());
    let Answer::Session(known) = session(1) else { unreachable!() };
    let known = KnownSession { token: SessionToken([9; 32]), number: 9, ..known };
    bench.answer(&asked, Answer::Session(known));
    assert_eq!(bench.lobby.session_of(thief), Some(SessionId(1)));
    // Nobody waits for the answer any more.
    let effects = bench.answer(&changing, done(1));
    assert_eq!(effects, [Effect::Goodbye(thief, Goodbye::Revoked)]);
}

#[test]
fn who_ends_this_session_hears_so_and_is_out() {
    let mut bench = Bench::new();
    let link = bench.logged_in(1);
    let revoke = |request, number| FromGameClient::RevokeSessions {
        request: RequestId(request),
        number: Some(SessionNumber(number)),
    };
    let asked = bench.says(link, revoke(1, 7));
    assert_eq!(summary(&bench.answer(&asked, done(1))), "client Done", "it is another one");
    let asked = bench.says(link, revoke(2, 1));
    let effects = bench.answer(&asked, done(2));
    assert_eq!(summary(&effects), "client Done, goodbye Revoked");
    assert!(bench.lobby.sessions.is_empty());
}

#[test]
fn who_deletes_the_account_is_off_the_server_and_logged_out_and_others_wait_for_nothing() {
    let mut bench = Bench::new();
    let launcher = bench.with_server(1, SERVER);
    let link = bench.joined(1, launcher);
    let deleting = bench.says(link, delete(1));
    bench.says(link, set_data(2));
    let other = bench.greeted();
    let resuming = bench.says(other, resume());
    let gone = Answer::Done(ToGameClient::LoggedOut { request: RequestId(1) });
    let effects = bench.answer(&deleting, gone);
    assert_eq!(summary(&effects), "launcher Dismiss, refused NotLoggedIn, client LoggedOut");
    assert_eq!(summary(&bench.answer(&resuming, session(1))), "refused SessionEnded");
    let asked = bench.says(link, log_in());
    assert_eq!(summary(&bench.answer(&asked, session(2))), "trust, client LoggedIn");
}

#[test]
fn an_account_that_was_deleted_too_late_for_an_answer_is_gone_all_the_same() {
    let mut bench = Bench::new();
    let link = bench.logged_in(1);
    let deleting = bench.says(link, delete(1));
    assert_eq!(summary(&bench.pass(Duration::from_secs(10))), "client Ack, refused Unavailable");
    let gone = Answer::Done(ToGameClient::LoggedOut { request: RequestId(1) });
    let effects = bench.answer(&deleting, gone);
    assert_eq!(effects, [Effect::Goodbye(link, Goodbye::Revoked)]);
}

#[test]
fn a_report_says_where_it_was_and_there_are_so_many_in_an_hour() {
    let mut bench = Bench::with(Limits { reports_per_hour: 2, ..Default::default() });
    let launcher = bench.with_server(1, SERVER);
    let title = ServerProperty::Title(Text::lossy("A server"));
    let events = List::first_of([property(SERVER, title)]);
    bench.reports(launcher, FromLauncher::Servers(ServerEvents { fresh: false, events }));
    let report = |request| FromGameClient::Report {
        request: RequestId(request),
        player: Text::lossy("player-2"),
        text: Text::lossy("cheats"),
    };
    let place = |effects: &[Effect]| match asked(effects).1 {
        Task::Report { place, .. } => place.to_string(),
        other => panic!("{other:?}"),
    };
    let ann = bench.logged_in(1);
    assert_eq!(place(&bench.says(ann, report(1))), "lobby");
    let bob = bench.joined(2, launcher);
    assert_eq!(place(&bench.says(bob, report(1))), "A server");
    assert_eq!(summary(&bench.says(ann, report(2))), "refused Busy");
}

#[test]
fn a_long_answer_that_is_lost_is_asked_for_again() {
    let often = crate::lobby::Rate { burst: 10_000, per_second: 1 };
    let mut bench =
        Bench::with(Limits { client_messages: often, chat: often, ..Default::default() });
    let (ann, bob) = (bench.logged_in(1), bench.logged_in(2));
    let (game, key) = (Text::lossy("chess"), Text::lossy("opening"));
    let asked = bench.says(ann, FromGameClient::GetData { request: RequestId(1), game, key });
    bench.gone(ann);
    let bytes = Blob::try_from(vec![0; protocol::MAX_VALUE]).unwrap();
    let value = Some(protocol::DataValue { version: DataVersion(1), bytes });
    bench.answer(&asked, Answer::Done(ToGameClient::Data { request: RequestId(1), value }));
    let text = Text::lossy(&"x".repeat(400));
    for request in 0..200 {
        let (request, channel) = (RequestId(request), protocol::Channel::Lobby);
        let text = text.clone();
        bench.says(bob, FromGameClient::Chat { request, channel, text });
    }
    let again = bench.greeted();
    let last = Some(LastSeen { boot: BootId(1), count: 0 });
    let token = SessionToken([1; 32]);
    let resume = FromGameClient::Resume { request: REQUEST, token, last };
    let asked = bench.apply(Event::FromClient { link: again, message: resume });
    let effects = bench.answer(&asked, session(1));
    assert_eq!(summary(&effects), "trust, client LoggedIn, refused Unavailable");
}
