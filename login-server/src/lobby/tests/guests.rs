//! Guests: let in, kept once they have something, claimed by their session.

use protocol::{Channel, Expect, Goodbye, Refusal, Speaker};

use super::*;
use crate::lobby::Task;

/// The number of the account a guest of these tests is kept as.
const ACCOUNT: SessionId = SessionId(7);

fn token(guest: SessionId) -> SessionToken {
    SessionToken([guest.0 as u8 ^ 0xff; 32])
}

fn known(guest: SessionId) -> Answer {
    let Answer::Session(known) = session(1) else { unreachable!() };
    let name = Text::lossy(&format!("~guest-{}", guest.0 as u8));
    Answer::Session(KnownSession { session: guest, name, token: token(guest), number: 0, ..known })
}

fn as_guest(request: RequestId) -> FromGameClient {
    FromGameClient::LogInAsGuest { request }
}

/// A guest who is in, and the number of the place.
fn guest(bench: &mut Bench) -> (LinkId, SessionId) {
    let link = bench.greeted();
    let asked = bench.says(link, as_guest(REQUEST));
    let Effect::Ask(_, Query::LogInAsGuest { session, .. }) = &asked[0] else {
        panic!("{asked:?}")
    };
    let session = *session;
    let effects = bench.answer(&asked, known(session));
    assert_eq!(summary(&effects), "trust, client LoggedIn");
    (link, session)
}

fn set_data(request: u32) -> FromGameClient {
    let (game, key) = (Text::lossy("chess"), Text::lossy("opening"));
    let (request, value, expect) = (RequestId(request), None, Expect::Anything);
    FromGameClient::SetData { request, game, key, value, expect }
}

fn claim(request: u32) -> FromGameClient {
    let (name, password) = (Text::lossy("ann"), Password(Text::lossy("password")));
    FromGameClient::Claim { request: RequestId(request), name, password }
}

fn done(request: u32) -> Answer {
    Answer::Done(ToGameClient::Done { request: RequestId(request) })
}

fn claimed() -> Answer {
    let (name, permissions) = (Text::lossy("ann"), player());
    Answer::Claimed { account: ACCOUNT, number: 3, name, permissions }
}

fn resumes(bench: &mut Bench, guest: SessionId, last: Option<LastSeen>) -> (LinkId, Vec<Effect>) {
    let link = bench.greeted();
    let resume = FromGameClient::Resume { request: REQUEST, token: token(guest), last };
    let asked = bench.says(link, resume);
    (link, asked)
}

#[test]
fn a_guest_comes_back_with_the_token_and_nothing_is_lost() {
    let mut bench = Bench::new();
    let (link, id) = guest(&mut bench);
    bench.gone(link);
    let last = Some(LastSeen { boot: BootId(1), count: 0 });
    let (_, asked) = resumes(&mut bench, id, last);
    assert_eq!(summary(&asked), "ask ResumeGuest");
    let effects = bench.answer(&asked, known(id));
    assert_eq!(continues(&effects), Some(Continuation { seen: 0, next: 1 }));
    // The address is banned by now.
    let (_, asked) = resumes(&mut bench, id, None);
    let refused = bench.answer(&asked, Answer::Refused(Refusal::Unavailable));
    assert_eq!(summary(&refused), "refused Unavailable");
}

#[test]
fn a_guest_whose_place_is_lost_is_forgotten() {
    let mut bench = Bench::new();
    let (link, id) = guest(&mut bench);
    bench.gone(link);
    bench.pass(Duration::from_secs(61));
    assert_eq!(bench.lobby.guests.len(), 0);
    let (_, asked) = resumes(&mut bench, id, None);
    assert_eq!(summary(&asked), "ask Resume", "perhaps it is kept");
}

#[test]
fn a_guest_has_nothing_and_nobody_is_asked() {
    let mut bench = Bench::new();
    let (link, _) = guest(&mut bench);
    let (game, key) = (Text::<64>::lossy("chess"), Text::lossy("opening"));
    let says = |bench: &mut Bench, message| summary(&bench.says(link, message));
    let request = RequestId;
    let password = Password(Text::lossy("password"));
    let (old, new) = (password.clone(), password);
    for (message, expected) in [
        (FromGameClient::ListData { request: request(1), game: game.clone() }, "client DataKeys"),
        (FromGameClient::GetData { request: request(2), game: game.clone(), key }, "client Data"),
        (FromGameClient::GetProgress { request: request(3), game }, "client Progress"),
        (FromGameClient::ListSessions { request: request(4) }, "refused NotForGuests"),
        (
            FromGameClient::RevokeSessions { request: request(5), number: None },
            "refused NotForGuests",
        ),
        (FromGameClient::ChangePassword { request: request(6), old, new }, "refused NotForGuests"),
        (FromGameClient::Export { request: request(7), offset: 0 }, "refused NotForGuests"),
        (FromGameClient::LogOut { request: request(8) }, "client LoggedOut"),
    ] {
        assert_eq!(says(&mut bench, message.clone()), expected, "{message:?}");
    }
    let (link, _) = guest(&mut bench);
    let delete = FromGameClient::DeleteAccount { request: request(1), password: None };
    assert_eq!(summary(&bench.says(link, delete)), "client LoggedOut");
    assert_eq!((bench.lobby.guests.len(), bench.lobby.sessions.len()), (0, 0));
}

#[test]
fn a_guest_who_has_something_is_kept_and_stays_where_they_are() {
    let mut bench = Bench::new();
    let launcher = bench.with_server(1, SERVER);
    let (link, id) = guest(&mut bench);
    let joining = bench.says(link, join());
    bench.admit(launcher, &joining);
    let keeping = bench.says(link, set_data(1));
    assert_eq!(summary(&keeping), "ask KeepGuest");
    // What was asked meanwhile is for the same player.
    let other = bench.says(link, set_data(2));
    assert_eq!(summary(&other), "ask KeepGuest");
    let kept = Answer::Kept { account: ACCOUNT, number: 3 };
    let writing = bench.answer(&keeping, kept.clone());
    let Effect::Ask(_, Query::Task { owner, .. }) = &writing[0] else { panic!("{writing:?}") };
    assert_eq!(owner.account, ACCOUNT);
    assert_eq!(bench.lobby.session_of(link), Some(ACCOUNT));
    assert!(!bench.lobby.sessions.contains_key(&id));
    assert_eq!(summary(&bench.answer(&other, kept)), "ask Task");
    assert_eq!(summary(&bench.answer(&writing, done(1))), "client Done");
    let leave = FromGameClient::Leave { request: RequestId(3) };
    assert_eq!(summary(&bench.says(link, leave)), "launcher Dismiss, client Left");
    // From now on the store knows the token.
    let (_, asked) = resumes(&mut bench, id, None);
    assert_eq!(summary(&asked), "ask Resume");
}

#[test]
fn a_guest_who_comes_back_while_being_kept_comes_back_as_who_is_kept() {
    let mut bench = Bench::new();
    let (link, id) = guest(&mut bench);
    let keeping = bench.says(link, set_data(1));
    bench.gone(link);
    let last = Some(LastSeen { boot: BootId(1), count: 0 });
    let (again, resuming) = resumes(&mut bench, id, last);
    let writing = bench.answer(&keeping, Answer::Kept { account: ACCOUNT, number: 3 });
    let effects = bench.answer(&resuming, known(id));
    assert_eq!(continues(&effects), Some(Continuation { seen: 1, next: 1 }));
    assert_eq!(bench.lobby.session_of(again), Some(ACCOUNT));
    assert_eq!(bench.lobby.sessions[&ACCOUNT].number, 3);
    assert_eq!(summary(&bench.answer(&writing, done(1))), "client Done");
}

#[test]
fn a_guest_who_is_about_to_be_kept_does_not_leave_that_behind() {
    let mut bench = Bench::new();
    let (link, _) = guest(&mut bench);
    let keeping = bench.says(link, set_data(1));
    let log_out = |request| FromGameClient::LogOut { request: RequestId(request) };
    assert_eq!(summary(&bench.says(link, log_out(2))), "refused Busy");
    bench.answer(&keeping, Answer::Kept { account: ACCOUNT, number: 3 });
    assert_eq!(summary(&bench.says(link, log_out(3))), "ask LogOut");
}

#[test]
fn a_guest_is_claimed_in_the_same_session() {
    for kept in [false, true] {
        let mut bench = Bench::new();
        let (link, _) = guest(&mut bench);
        if kept {
            let keeping = bench.says(link, set_data(1));
            bench.answer(&keeping, Answer::Kept { account: ACCOUNT, number: 3 });
        }
        let claiming = bench.says(link, claim(2));
        let Effect::Ask(_, Query::Task { owner, task, .. }) = &claiming[0] else {
            panic!("{claiming:?}")
        };
        assert!(matches!(task, Task::Claim { .. }) && owner.account.is_kept() == kept);
        assert_eq!(summary(&bench.says(link, claim(3))), "refused Busy");
        assert_eq!(summary(&bench.answer(&claiming, claimed())), "client Done");
        assert_eq!(bench.lobby.session_of(link), Some(ACCOUNT));
        assert_eq!(bench.lobby.guests.len(), 0);
        let text = Text::lossy("hello");
        let (request, channel) = (RequestId(4), Channel::Lobby);
        let effects = bench.says(link, FromGameClient::Chat { request, channel, text });
        let said = effects.iter().find_map(|effect| match effect {
            Effect::ToClients(_, ToGameClient::Said(said)) => Some(said.speaker.clone()),
            _ => None,
        });
        assert_eq!(said, Some(Speaker::Account(Text::lossy("ann"))));
    }
}

#[test]
fn a_game_server_knows_a_guest_by_one_name() {
    let mut bench = Bench::new();
    let launcher = bench.with_server(1, SERVER);
    let (link, _) = guest(&mut bench);
    let joining = bench.says(link, join());
    assert_eq!(summary(&bench.says(link, claim(1))), "refused OnServer");
    bench.admit(launcher, &joining);
    assert_eq!(summary(&bench.says(link, claim(2))), "refused OnServer");
    bench.says(link, FromGameClient::Leave { request: RequestId(3) });
    assert_eq!(summary(&bench.says(link, claim(4))), "ask Task");
    let server = public(1, SERVER);
    let join = FromGameClient::Join { request: RequestId(5), server };
    assert_eq!(summary(&bench.says(link, join)), "refused Busy");
}

#[test]
fn a_claim_counts_as_a_registration() {
    let mut bench = Bench::with(Limits { registrations_per_hour: 1, ..Default::default() });
    let (link, _) = guest(&mut bench);
    let claiming = bench.says(link, claim(1));
    let taken = bench.answer(&claiming, Answer::Refused(Refusal::NameTaken));
    assert_eq!(summary(&taken), "refused NameTaken");
    let claiming = bench.says(link, claim(2));
    bench.answer(&claiming, claimed());
    let (other, _) = guest(&mut bench);
    assert_eq!(summary(&bench.says(other, claim(1))), "refused Busy");
    let stranger = bench.greeted();
    assert_eq!(summary(&bench.says(stranger, register())), "refused Busy");
}

#[test]
fn who_logs_in_to_a_claimed_account_before_the_guest_hears_of_it_takes_over() {
    let mut bench = Bench::new();
    let (link, _) = guest(&mut bench);
    let claiming = bench.says(link, claim(1));
    let other = bench.logged_in(ACCOUNT.0);
    let effects = bench.answer(&claiming, claimed());
    assert_eq!(effects, [Effect::Goodbye(link, Goodbye::TakenOver)]);
    assert_eq!(bench.lobby.session_of(other), Some(ACCOUNT));
    assert_eq!(bench.lobby.guests.len(), 0);
}

#[test]
fn a_guest_who_is_reported_is_kept() {
    let mut bench = Bench::new();
    let (link, id) = guest(&mut bench);
    let ann = bench.logged_in(1);
    let (player, text) = (Text::lossy(&format!("~guest-{}", id.0 as u8)), Text::lossy("cheats"));
    let keeping = bench.says(ann, FromGameClient::Report { request: RequestId(1), player, text });
    assert_eq!(summary(&keeping), "ask KeepGuest");
    let reporting = bench.answer(&keeping, Answer::Kept { account: ACCOUNT, number: 3 });
    assert_eq!(bench.lobby.session_of(link), Some(ACCOUNT));
    let Effect::Ask(_, Query::Task { owner, .. }) = &reporting[0] else { panic!("{reporting:?}") };
    assert_eq!(owner.account, SessionId(1));
    let effects = bench.answer(&reporting, done(1));
    let done = ToGameClient::Done { request: RequestId(1) };
    assert_eq!(effects, [Effect::ToClient(ann, done)]);
}

#[test]
fn so_many_guests_of_one_network_come_in_an_hour_or_none_at_all() {
    let mut bench = Bench::with(Limits { guests_per_hour: 1, ..Default::default() });
    guest(&mut bench);
    let link = bench.greeted();
    assert_eq!(summary(&bench.says(link, as_guest(REQUEST))), "refused Busy");
    let mut bench = Bench::with(Limits { guests_per_hour: 0, ..Default::default() });
    let link = bench.greeted();
    assert_eq!(summary(&bench.says(link, as_guest(REQUEST))), "refused NotAllowed");
}
