//! Game clients, in tables and in stories.

use protocol::{Channel, Goodbye, KeyPin, Refusal};

use super::*;

/// Every message in every state: what is done.
#[test]
fn every_message_has_an_answer_in_every_state() {
    let chat = |channel| FromGameClient::Chat { request: REQUEST, channel, text: Text::default() };
    let v = "goodbye Violation";
    let no = "refused NotLoggedIn";
    let already = "refused AlreadyLoggedIn";
    let busy = "refused Busy";
    let task = [v, no, no, "ask Task", "ask Task"];
    let (game, password) = (|| Text::lossy("game"), || Password(Text::lossy("password")));
    let hello = FromGameClient::Hello(Hello::from_us("test"));
    let table: Vec<(FromGameClient, [&str; 5])> = vec![
        // connected, greeted, logging in, logged in, joined
        (hello, ["client Welcome", v, "goodbye Violation, abandon", v, v]),
        (register(), [v, "ask Register", busy, already, already]),
        (log_in(), [v, "ask LogIn", busy, already, already]),
        (resume(), [v, "ask Resume", busy, already, already]),
        (FromGameClient::LogOut { request: REQUEST }, [v, no, no, "ask LogOut", "ask LogOut"]),
        (FromGameClient::WatchServers, [v, "", "", "client Servers", "client Servers"]),
        (FromGameClient::UnwatchServers, [v, "", "", "", ""]),
        (join(), [v, no, no, "launcher Admit", "launcher Admit"]),
        (
            FromGameClient::Leave { request: REQUEST },
            [v, no, no, "refused NotOnServer", "launcher Dismiss, client Left"],
        ),
        (
            chat(Channel::Lobby),
            [v, no, no, "clients Said, client Done", "clients Said, client Done"],
        ),
        (
            chat(Channel::Server),
            [v, no, no, "refused NotOnServer", "clients Said, launcher Say, client Done"],
        ),
        (
            FromGameClient::Ping { nonce: 1 },
            [v, "client Pong", "client Pong", "client Pong", "client Pong"],
        ),
        (FromGameClient::Pong { nonce: 1 }, [v, "", "", "", ""]),
        (FromGameClient::Ack { seen: 0 }, [v, "", "", "", ""]),
        (FromGameClient::Ack { seen: u64::MAX }, [v, "", "", v, v]),
        (
            FromGameClient::LogInAsGuest { request: REQUEST },
            [v, "ask LogInAsGuest", busy, already, already],
        ),
        (
            FromGameClient::Claim { request: REQUEST, name: game(), password: password() },
            [v, no, no, "ask Task", "refused OnServer"],
        ),
        (FromGameClient::ListSessions { request: REQUEST }, task),
        (FromGameClient::RevokeSessions { request: REQUEST, number: None }, task),
        (
            FromGameClient::ChangePassword { request: REQUEST, old: password(), new: password() },
            task,
        ),
        (FromGameClient::DeleteAccount { request: REQUEST, password: None }, task),
        (FromGameClient::Export { request: REQUEST, offset: 0 }, task),
        (FromGameClient::ListData { request: REQUEST, game: game() }, task),
        (FromGameClient::GetData { request: REQUEST, game: game(), key: game() }, task),
        (
            FromGameClient::SetData {
                request: REQUEST,
                game: game(),
                key: game(),
                value: None,
                expect: protocol::Expect::Anything,
            },
            task,
        ),
        (FromGameClient::GetProgress { request: REQUEST, game: game() }, task),
        (FromGameClient::Report { request: REQUEST, player: game(), text: Text::default() }, task),
    ];
    for (message, expected) in table {
        for (state, expected) in expected.into_iter().enumerate() {
            let mut bench = Bench::new();
            let launcher = bench.with_server(1, SERVER);
            let link = match state {
                0 => bench.client(),
                1 => bench.greeted(),
                2 => {
                    let link = bench.greeted();
                    bench.says(link, log_in());
                    link
                }
                3 => bench.logged_in(1),
                _ => bench.joined(1, launcher),
            };
            let effects = bench.says(link, message.clone());
            assert_eq!(summary(&effects), expected, "{message:?} in state {state}");
            bench.gone(link);
            let effects = bench.says(link, message.clone());
            assert_eq!(effects, [], "{message:?} after the end");
        }
    }
}

#[test]
fn an_answer_may_be_late_or_come_twice_or_never() {
    let mut bench = Bench::new();
    let link = bench.greeted();
    let first = bench.says(link, log_in());
    let effects = bench.pass(Duration::from_secs(11));
    assert_eq!(summary(&effects), "abandon, refused Unavailable");
    assert_eq!(bench.answer(&first, session(1)), [], "it is late");
    let second = bench.says(link, log_in());
    assert_eq!(summary(&bench.answer(&second, session(1))), "trust, client LoggedIn");
    assert_eq!(bench.answer(&second, session(1)), [], "it was given already");

    let gone = bench.greeted();
    let third = bench.says(gone, log_in());
    bench.gone(gone);
    assert_eq!(bench.answer(&third, session(2)), [], "nobody waits for it");
}

#[test]
fn what_the_store_refuses_is_refused_and_may_be_asked_again() {
    let mut bench = Bench::new();
    let link = bench.greeted();
    for reason in [Refusal::WrongNameOrPassword, Refusal::Unavailable, Refusal::NameTaken] {
        let asked = bench.says(link, log_in());
        let effects = bench.answer(&asked, Answer::Refused(reason.clone()));
        assert_eq!(
            effects,
            [Effect::ToClient(link, ToGameClient::Refused { request: REQUEST, reason })]
        );
    }
    let asked = bench.says(link, log_in());
    assert_eq!(summary(&bench.answer(&asked, Answer::LoggedOut)), "refused Unavailable");
}

#[test]
fn who_does_not_log_in_within_a_minute_is_gone() {
    let mut bench = Bench::new();
    let link = bench.greeted();
    let answered = |bench: &mut Bench, seconds| {
        let effects = bench.pass(Duration::from_secs(seconds));
        bench.says(link, FromGameClient::Pong { nonce: 1 });
        effects
            .into_iter()
            .filter(|effect| matches!(effect, Effect::Goodbye(..)))
            .collect::<Vec<_>>()
    };
    assert_eq!(answered(&mut bench, 29), []);
    assert_eq!(answered(&mut bench, 30), []);
    assert_eq!(answered(&mut bench, 1), [Effect::Goodbye(link, Goodbye::Silent)]);
}

#[test]
fn who_answers_no_ping_is_gone_and_who_says_anything_is_not() {
    let mut bench = Bench::new();
    let (ann, bob) = (bench.logged_in(1), bench.logged_in(2));
    assert_eq!(summary(&bench.pass(Duration::from_secs(15))), "client Ping, client Ping");
    bench.says(bob, FromGameClient::Pong { nonce: 0 });
    bench.pass(Duration::from_secs(15));
    bench.says(bob, FromGameClient::UnwatchServers);
    let effects = bench.pass(Duration::from_secs(15));
    assert!(effects.contains(&Effect::Goodbye(ann, Goodbye::Silent)), "{effects:?}");
    assert!(!effects.contains(&Effect::Goodbye(bob, Goodbye::Silent)), "{effects:?}");
}

#[test]
fn a_session_keeps_its_place_for_a_minute_in_the_lobby() {
    for (seconds, kept) in [(59, true), (61, false)] {
        let mut bench = Bench::new();
        let link = bench.logged_in(1);
        bench.gone(link);
        bench.pass(Duration::from_secs(seconds));
        let link = bench.greeted();
        let effects = bench.resumes(link, 1, 0);
        assert_eq!(continues(&effects).is_some(), kept, "{effects:?} after {seconds} s");
    }
}

#[test]
fn a_session_keeps_its_place_on_a_server_for_five_minutes() {
    for (seconds, dismissed) in [(299, false), (301, true)] {
        let mut bench = Bench::new();
        let launcher = bench.with_server(1, SERVER);
        let link = bench.joined(1, launcher);
        bench.gone(link);
        let mut effects = Vec::new();
        for _ in 0..seconds {
            bench.reports(launcher, FromLauncher::Pong { nonce: 0 });
            effects.extend(bench.pass(Duration::from_secs(1)));
        }
        assert_eq!(summary(&effects).contains("Dismiss"), dismissed, "after {seconds} s");
        let link = bench.greeted();
        let asked = bench.says(link, resume());
        let effects = bench.answer(&asked, session(1));
        let on_server = effects.iter().find_map(|effect| match effect {
            Effect::ToClient(_, ToGameClient::LoggedIn(logged_in)) => Some(logged_in.on_server),
            _ => None,
        });
        assert_eq!(on_server, Some((!dismissed).then_some(public(1, SERVER))));
    }
}

#[test]
fn the_newer_connection_of_an_account_takes_over() {
    for message in [log_in(), resume()] {
        let mut bench = Bench::new();
        let old = bench.logged_in(1);
        bench.says(old, FromGameClient::WatchServers);
        let new = bench.greeted();
        let asked = bench.says(new, message);
        let effects = bench.answer(&asked, session(1));
        assert_eq!(effects.first(), Some(&Effect::Goodbye(old, Goodbye::TakenOver)));
        assert!(summary(&effects).ends_with("client LoggedIn"), "it watches nothing yet");
        assert_eq!(bench.gone(old), []);
        let leave = FromGameClient::Leave { request: REQUEST };
        assert_eq!(summary(&bench.says(new, leave)), "refused NotOnServer");
    }
}

#[test]
fn logging_out_leaves_the_server_and_lets_log_in_again() {
    let mut bench = Bench::new();
    let launcher = bench.with_server(1, SERVER);
    let link = bench.joined(1, launcher);
    let asked = bench.says(link, FromGameClient::LogOut { request: REQUEST });
    let effects = bench.answer(&asked, Answer::LoggedOut);
    assert_eq!(summary(&effects), "launcher Dismiss, client LoggedOut");
    let asked = bench.says(link, log_in());
    assert_eq!(summary(&bench.answer(&asked, session(1))), "trust, client LoggedIn");
}

#[test]
fn so_many_requests_of_one_client_wait_and_no_more() {
    let mut bench = Bench::new();
    let link = bench.logged_in(1);
    let log_out = |request| FromGameClient::LogOut { request: RequestId(request) };
    for request in 0..4 {
        assert_eq!(summary(&bench.says(link, log_out(request))), "ask LogOut");
    }
    assert_eq!(summary(&bench.says(link, log_out(3))), "", "it waits already");
    assert_eq!(summary(&bench.says(link, log_out(4))), "refused Busy");
}

#[test]
fn accounts_from_one_network_are_counted_unless_they_came_to_nothing() {
    let mut bench = Bench::with(Limits { registrations_per_hour: 1, ..Default::default() });
    let link = bench.greeted();
    let asked = bench.says(link, register());
    bench.answer(&asked, Answer::Refused(Refusal::NameTaken));
    let asked = bench.says(link, register());
    bench.answer(&asked, session(1));
    let other = bench.greeted();
    assert_eq!(summary(&bench.says(other, register())), "refused Busy");
    assert_eq!(summary(&bench.says(other, log_in())), "ask LogIn");
}

#[test]
fn everybody_hears_goodbye_at_the_end() {
    let mut bench = Bench::new();
    let links = [bench.client(), bench.logged_in(1), bench.enrolled(1)];
    let effects = bench.apply(Event::ShuttingDown);
    let [first, second, launcher] = links;
    // One after the other, the launcher first, which hears it last.
    let expected = [(first, 505), (second, 510), (launcher, 500)]
        .map(|(link, after_ms)| Effect::Goodbye(link, Goodbye::ComeBack { after_ms }));
    assert_eq!(effects, expected);
    assert_eq!(bench.pass(Duration::from_secs(60)), []);
}

#[test]
fn who_hangs_up_leaves_no_password_to_be_checked() {
    for (message, left) in [(log_in(), "abandon"), (register(), "abandon"), (resume(), "abandon")] {
        let mut bench = Bench::new();
        let link = bench.greeted();
        bench.says(link, message.clone());
        assert_eq!(summary(&bench.gone(link)), left, "{message:?}");
    }
    let mut bench = Bench::new();
    let link = bench.logged_in(1);
    bench.says(link, FromGameClient::LogOut { request: REQUEST });
    assert_eq!(bench.gone(link), [], "a logout is done all the same");
}

#[test]
fn passwords_are_not_guessed_without_end() {
    let limits = Limits { failed_logins_per_hour: 2, ..Default::default() };
    let mut bench = Bench::with(limits);
    let wrong = || Answer::Refused(Refusal::WrongNameOrPassword);
    for id in 0..5 {
        bench.logged_in(id);
    }
    let waiting: Vec<_> = (0..5).map(|_| bench.greeted()).collect();
    let asked: Vec<_> = waiting.iter().map(|link| bench.says(*link, log_in())).collect();
    assert!(asked.iter().all(|asked| summary(asked) == "ask LogIn"), "many may try at once");
    for (asked, id) in asked.iter().zip(10..) {
        bench.answer(asked, session(id));
    }
    let link = bench.greeted();
    let asked = bench.says(link, log_in());
    assert_eq!(summary(&bench.answer(&asked, wrong())), "refused WrongNameOrPassword");
    // Who hangs up before the answer has guessed all the same.
    bench.says(link, log_in());
    bench.gone(link);
    let link = bench.greeted();
    assert_eq!(summary(&bench.says(link, log_in())), "refused Busy");
    assert_eq!(summary(&bench.says(link, resume())), "ask Resume", "a token is not guessed");
    bench.gone(link);
    bench.pass(Duration::from_secs(3600));
    let link = bench.greeted();
    assert_eq!(summary(&bench.says(link, log_in())), "ask LogIn");
}

#[test]
fn names_are_not_tried_out_without_end() {
    let limits = Limits { failed_logins_per_hour: 3, ..Default::default() };
    let mut bench = Bench::with(limits);
    let link = bench.greeted();
    for _ in 0..3 {
        let asked = bench.says(link, register());
        let effects = bench.answer(&asked, Answer::Refused(Refusal::NameTaken));
        assert_eq!(summary(&effects), "refused NameTaken");
    }
    assert_eq!(summary(&bench.says(link, register())), "refused Busy");
    assert_eq!(summary(&bench.says(link, log_in())), "refused Busy");
}

#[test]
fn everybody_who_is_welcome_hears_of_the_next_key_until_it_is_ours() {
    let mut bench = Bench::new();
    let (_early, _launcher) = (bench.client(), bench.launcher(1));
    let next = Some(KeyPin([7; 32]));
    assert_eq!(summary(&bench.apply(Event::NextKey { next })), "", "there is nobody to tell");
    let [one, _other] = [(); 2].map(|()| bench.greeted());
    bench.with_server(2, SERVER);
    assert_eq!(summary(&bench.apply(Event::NextKey { next })), "", "they know");
    let next = Some(KeyPin([8; 32]));
    let told = bench.apply(Event::NextKey { next });
    assert_eq!(summary(&told), "clients NextKey, launcher NextKey");
    assert!(matches!(&told[0], Effect::ToClients(links, _) if links.len() == 2), "{told:?}");
    bench.gone(one);
    let hello = || FromGameClient::Hello(Hello::from_us("test"));
    let link = bench.client();
    assert_eq!(summary(&bench.says(link, hello())), "client Welcome, client NextKey");
    assert_eq!(summary(&bench.apply(Event::NextKey { next: None })), "");
    let link = bench.client();
    assert_eq!(summary(&bench.says(link, hello())), "client Welcome");
}
