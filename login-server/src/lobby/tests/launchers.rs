//! Launchers and the list of servers, in tables and in stories.

use protocol::{Channel, GamePlayerId, Goodbye};

use super::*;

#[test]
fn every_message_has_an_answer_in_every_state() {
    let (v, n) = ("goodbye Violation", "goodbye NotEnrolled");
    let reachable = Reachable { server: SERVER, addresses: List::default(), port: 1 };
    let table: Vec<(FromLauncher, [&str; 5])> = vec![
        // connected, not known yet, not enrolled, enrolled, listed
        (FromLauncher::Hello(Hello::from_us("test")), ["ask FindLauncher", v, v, v, v]),
        (enroll(), [v, "", "ask Enroll", "launcher Enrolled", "launcher Enrolled"]),
        (FromLauncher::Servers(whole_list(&[SERVER])), [v, "", n, "", ""]),
        (
            FromLauncher::Servers(ServerEvents { fresh: false, ..whole_list(&[]) }),
            [v, "", n, v, ""],
        ),
        (FromLauncher::Reachable(reachable), [v, "", n, "", ""]),
        (
            FromLauncher::Admitted { request: REQUEST, admission: Admission::Full },
            [v, "", n, "", ""],
        ),
        (
            FromLauncher::Said { server: SERVER, name: Text::default(), text: Text::default() },
            [v, "", n, "", ""],
        ),
        (
            FromLauncher::Ping { nonce: 1 },
            [v, "", "launcher Pong", "launcher Pong", "launcher Pong"],
        ),
        (FromLauncher::Pong { nonce: 1 }, [v, "", "", "", ""]),
        (
            FromLauncher::Arrived {
                ticket: SignedTicket(Text::default()),
                player: GamePlayerId(1),
            },
            [v, "", n, "launcher Refused", "launcher Refused"],
        ),
        (
            FromLauncher::Left { ticket: TicketId([1; 16]) },
            [v, "", n, "launcher Refused", "launcher Refused"],
        ),
    ];
    for (message, expected) in table {
        for (state, expected) in expected.into_iter().enumerate() {
            let mut bench = Bench::new();
            let hello = FromLauncher::Hello(Hello::from_us("test"));
            let link = match state {
                3 => bench.enrolled(1),
                4 => bench.with_server(1, SERVER),
                _ => bench.launcher(1),
            };
            if state == 1 || state == 2 {
                let asked = bench.reports(link, hello);
                if state == 2 {
                    bench.answer(&asked, Answer::NoLauncher);
                }
            }
            let effects = bench.reports(link, message.clone());
            assert_eq!(summary(&effects), expected, "{message:?} in state {state}");
            bench.gone(link);
            assert_eq!(bench.reports(link, message.clone()), [], "{message:?} after the end");
        }
    }
}

#[test]
fn a_launcher_without_a_key_or_without_an_enrolment_is_sent_away() {
    let mut bench = Bench::new();
    let link = bench.link();
    bench.apply(Event::LauncherConnected { link, from: NEAR, key: None });
    let hello = FromLauncher::Hello(Hello::from_us("test"));
    assert_eq!(summary(&bench.reports(link, hello.clone())), "goodbye NotEnrolled");

    let link = bench.launcher(1);
    let asked = bench.reports(link, hello);
    assert_eq!(summary(&bench.answer(&asked, Answer::NoLauncher)), "launcher Welcome");
    assert_eq!(summary(&bench.pass(Duration::from_secs(9))), "");
    assert_eq!(summary(&bench.pass(Duration::from_secs(1))), "goodbye NotEnrolled");
}

#[test]
fn what_a_launcher_says_before_its_welcome_counts_after_it() {
    for (answer, expected) in [
        (Answer::NoLauncher, "launcher Welcome, goodbye NotEnrolled"),
        (
            Answer::Launcher(Text::lossy("ours"), LauncherLimits::default()),
            "trust, launcher Welcome, launcher Enrolled, launcher TicketKeys, launcher Pong",
        ),
    ] {
        let mut bench = Bench::new();
        let link = bench.launcher(1);
        let asked = bench.reports(link, FromLauncher::Hello(Hello::from_us("test")));
        bench.reports(link, FromLauncher::Servers(whole_list(&[SERVER])));
        bench.reports(link, FromLauncher::Ping { nonce: 1 });
        assert_eq!(summary(&bench.answer(&asked, answer)), expected);
    }
    let mut bench = Bench::new();
    let link = bench.launcher(1);
    bench.reports(link, FromLauncher::Hello(Hello::from_us("test")));
    let effects = (0..9).flat_map(|_| bench.reports(link, enroll())).collect::<Vec<_>>();
    assert_eq!(summary(&effects), "goodbye Violation");
}

#[test]
fn a_launcher_that_says_nothing_is_gone_within_ten_seconds() {
    let mut bench = Bench::with(Limits::default());
    let launcher = bench.enrolled(1);
    let effects = summary(&bench.pass(Duration::from_secs(9)));
    assert_eq!(effects, "launcher Ping, launcher Ping, goodbye Silent");
    assert_eq!(bench.gone(launcher), []);
}

#[test]
fn a_launcher_waits_no_longer_for_the_store_than_a_player() {
    let mut bench = Bench::new();
    let link = bench.launcher(1);
    bench.reports(link, FromLauncher::Hello(Hello::from_us("test")));
    assert_eq!(summary(&bench.pass(Duration::from_secs(10))), "goodbye Busy");
}

#[test]
fn the_newer_of_two_connections_with_one_key_wins_and_nothing_flickers() {
    let mut bench = Bench::new();
    let watcher = bench.logged_in(1);
    bench.says(watcher, FromGameClient::WatchServers);
    let old = bench.with_server(1, SERVER);
    let new = bench.launcher(1);
    let asked = bench.reports(new, FromLauncher::Hello(Hello::from_us("test")));
    let effects = bench
        .answer(&asked, Answer::Launcher(Text::lossy("launcher-1"), LauncherLimits::default()));
    assert_eq!(effects.first(), Some(&Effect::Goodbye(old, Goodbye::TakenOver)));
    assert_eq!(told(&effects), []);
    assert_eq!(told(&bench.reports(new, FromLauncher::Servers(whole_list(&[SERVER])))), []);
    assert_eq!(bench.gone(old), []);
}

#[test]
fn servers_of_a_lost_launcher_are_unreachable_then_gone() {
    let mut bench = Bench::new();
    let launcher = bench.with_server(1, SERVER);
    let watcher = bench.joined(1, launcher);
    bench.says(watcher, FromGameClient::WatchServers);
    let unreachable = property(public(1, SERVER), ServerProperty::State(ServerState::Unreachable));
    assert_eq!(told(&bench.gone(launcher)), [unreachable]);
    assert_eq!(summary(&bench.says(watcher, join())), "refused Unavailable");
    let mut effects = Vec::new();
    for _ in 0..300 {
        bench.says(watcher, FromGameClient::Pong { nonce: 0 });
        assert_eq!(told(&effects), []);
        effects = bench.pass(Duration::from_secs(1));
    }
    assert_eq!(told(&effects), [ServerEvent::Disappeared { server: public(1, SERVER) }]);
    assert!(summary(&effects).ends_with("client Left"), "{effects:?}");
}

#[test]
fn a_launcher_that_is_back_changes_only_what_is_different() {
    let mut bench = Bench::new();
    let (kept, gone, new) = (ServerId(1), ServerId(2), ServerId(3));
    let launcher = bench.enrolled(1);
    bench.reports(launcher, FromLauncher::Servers(whole_list(&[kept, gone])));
    let watcher = bench.logged_in(1);
    bench.says(watcher, FromGameClient::WatchServers);
    bench.gone(launcher);
    let launcher = bench.enrolled(1);
    let effects = bench.reports(launcher, FromLauncher::Servers(whole_list(&[kept, new])));
    let ready = ServerProperty::State(ServerState::Ready);
    assert_eq!(
        told(&effects),
        [
            property(public(1, kept), ready.clone()),
            ServerEvent::Disappeared { server: public(1, gone) },
            ServerEvent::Appeared { server: public(1, new) },
            property(public(1, new), ready),
        ]
    );
}

#[test]
fn a_list_in_several_messages_is_shown_when_it_is_whole() {
    let mut bench = Bench::new();
    let watcher = bench.logged_in(1);
    bench.says(watcher, FromGameClient::WatchServers);
    let launcher = bench.enrolled(1);
    let player = |id: u32| ServerEvent::Changed {
        server: SERVER,
        change: ServerChange::PlayerEntered { player: GamePlayerId(id), name: Text::default() },
    };
    let begin = [ServerEvent::Appeared { server: SERVER }].into_iter().chain((0..255).map(player));
    let begin = ServerEvents { fresh: true, events: List::first_of(begin) };
    assert_eq!(bench.reports(launcher, FromLauncher::Servers(begin.clone())), []);
    let end = ServerEvents { fresh: false, events: List::first_of([player(255)]) };
    assert_eq!(told(&bench.reports(launcher, FromLauncher::Servers(end))).len(), 257);

    // Whoever lists exactly a full message is believed after a while.
    assert_eq!(bench.reports(launcher, FromLauncher::Servers(begin)), []);
    let left = ServerChange::PlayerLeft { player: GamePlayerId(255) };
    let effects = bench.pass(Duration::from_secs(5));
    let server = public(1, SERVER);
    assert_eq!(told(&effects), [ServerEvent::Changed { server, change: left }]);
}

#[test]
fn two_launchers_may_name_their_servers_alike() {
    let mut bench = Bench::new();
    let watcher = bench.logged_in(9);
    bench.says(watcher, FromGameClient::WatchServers);
    let mut pairs = Vec::new();
    for key in [1, 2] {
        let launcher = bench.enrolled(key);
        let mut report = whole_list(&[SERVER]);
        let entered =
            ServerChange::PlayerEntered { player: GamePlayerId(7), name: Text::lossy("ada") };
        let entered = ServerEvent::Changed { server: SERVER, change: entered };
        report.events = List::first_of(report.events.into_iter().chain([entered]));
        let effects = bench.reports(launcher, FromLauncher::Servers(report));
        assert_eq!(told(&effects)[..2], listed(key, &[SERVER]));
        let reachable = Reachable { server: SERVER, addresses: List::default(), port: key.into() };
        bench.reports(launcher, FromLauncher::Reachable(reachable));
        pairs.push((key, launcher));
    }
    assert_eq!(bench.lobby.servers().iter().count(), 2);

    let mut players = Vec::new();
    for (key, launcher) in pairs.clone() {
        let server = public(key, SERVER);
        let player = bench.logged_in(key.into());
        players.push(player);
        let asked = bench.says(player, FromGameClient::Join { request: REQUEST, server });
        assert!(
            matches!(asked[..], [Effect::ToLauncher(to, ToLauncher::Admit { server: SERVER, .. })] if to == launcher),
            "{asked:?}"
        );
        let effects = bench.admit(launcher, &asked);
        let [Effect::ToClient(_, ToGameClient::Joined(ticket))] = &effects[..] else {
            panic!("{effects:?}");
        };
        assert_eq!((ticket.server, ticket.port), (server, key.into()));
    }
    for ((key, launcher), player) in pairs.into_iter().zip(players) {
        let text = Text::lossy("hello");
        let channel = Channel::Server;
        let chat = FromGameClient::Chat { request: REQUEST, channel, text: text.clone() };
        let effects = bench.says(player, chat);
        let [
            Effect::ToClients(heard, _),
            Effect::ToLauncher(to, ToLauncher::Say { server, .. }),
            Effect::ToClient(_, ToGameClient::Done { .. }),
        ] = &effects[..]
        else {
            panic!("{effects:?}");
        };
        assert_eq!((&heard[..], *to, *server), (&[player][..], launcher, SERVER));

        let said = FromLauncher::Said { server: SERVER, name: Text::lossy("ada"), text };
        let effects = bench.reports(launcher, said);
        assert!(
            matches!(&effects[..], [Effect::ToClients(heard, ToGameClient::Said(_))] if heard[..] == [player]),
            "{effects:?}"
        );

        let server = public(key, SERVER);
        let kick = bench.lobby.kick(&server.to_string(), "ada", Text::default());
        let (player, reason) = (GamePlayerId(7), Text::default());
        let expected = ToLauncher::Kick { server: SERVER, player, reason };
        assert_eq!(kick, Ok(Effect::ToLauncher(launcher, expected)));

        let gone = ServerEvent::Disappeared { server: SERVER };
        let gone = ServerEvents { fresh: false, events: List::first_of([gone]) };
        let effects = bench.reports(launcher, FromLauncher::Servers(gone));
        assert_eq!(told(&effects), [ServerEvent::Disappeared { server }]);
    }
}

#[test]
fn a_launcher_has_so_many_servers_and_no_more() {
    let mut bench = Bench::new();
    let watcher = bench.logged_in(1);
    bench.says(watcher, FromGameClient::WatchServers);
    let launcher = bench.enrolled(1);
    let servers: Vec<_> = (0..80).map(ServerId).collect();
    let effects = bench.reports(launcher, FromLauncher::Servers(whole_list(&servers)));
    let appeared = told(&effects);
    let appeared = appeared.iter().filter(|e| matches!(e, ServerEvent::Appeared { .. })).count();
    assert_eq!(appeared, 64);
}

#[test]
fn no_message_of_the_list_exceeds_64_kib() {
    let mut bench = Bench::new();
    let mut launcher = LinkId(0);
    let wide = "\u{10FFFF}".repeat(16);
    for n in 0..64 {
        // No launcher has more than a quarter of the list.
        let fresh = n % 16 == 0;
        if fresh {
            launcher = bench.enrolled(n);
        }
        let server = ServerId(u64::MAX - 63 + u64::from(n));
        let mut events = vec![ServerEvent::Appeared { server }];
        events.extend((0..16).map(|n| {
            let key = Text::lossy(&format!("{n:032}"));
            property(server, ServerProperty::Detail { key, value: Text::lossy(&wide) })
        }));
        events.extend((0..239).map(|n| {
            let (player, name) = (GamePlayerId(u32::MAX - n), Text::lossy(&wide));
            ServerEvent::Changed { server, change: ServerChange::PlayerEntered { player, name } }
        }));
        let report = ServerEvents { fresh, events: List::first_of(events) };
        bench.reports(launcher, FromLauncher::Servers(report));
        bench.pass(Duration::from_secs(if fresh { 5 } else { 0 }));
    }
    let watcher = bench.logged_in(1);
    let effects = bench.says(watcher, FromGameClient::WatchServers);
    assert!(effects.len() > 60);
    let mut total = 0;
    for (n, effect) in effects.iter().enumerate() {
        let Effect::ToClient(_, message @ ToGameClient::Servers(list)) = effect else {
            panic!("{effect:?}");
        };
        assert_eq!(list.fresh, n == 0);
        let mut bytes = Vec::new();
        protocol::encode(message, &mut bytes);
        assert!(bytes.len() <= 64 * 1024, "{} bytes", bytes.len());
        total += bytes.len();
    }
    assert!(total < 2 * 1024 * 1024, "a snapshot of {total} bytes");
}

#[test]
fn who_waits_for_a_launcher_waits_five_seconds_and_is_dismissed() {
    let mut bench = Bench::new();
    let launcher = bench.with_server(1, SERVER);
    let link = bench.logged_in(1);
    let asked = bench.says(link, join());
    let second = FromGameClient::Join { request: RequestId(10), server: public(1, SERVER) };
    assert_eq!(summary(&bench.says(link, second)), "refused Busy");
    assert_eq!(
        summary(&bench.pass(Duration::from_secs(5))),
        "launcher Dismiss, refused Unavailable, client Ack"
    );
    assert_eq!(bench.admit(launcher, &asked), [], "it is late");
    let other = bench.enrolled(2);
    let asked = bench.says(link, join());
    assert_eq!(bench.admit(other, &asked), [], "it is not for another launcher to say");
    assert_eq!(summary(&bench.admit(launcher, &asked)), "client Joined");
    // Joining again asks for a new secret. Failing leaves the player where they are.
    bench.says(link, join());
    let effects = bench.pass(Duration::from_secs(5));
    assert_eq!(summary(&effects), "refused Unavailable, client Ack");
    let leave = FromGameClient::Leave { request: REQUEST };
    assert_eq!(summary(&bench.says(link, leave)), "launcher Dismiss, client Left");
}

#[test]
fn who_leaves_while_joining_does_not_join() {
    let mut bench = Bench::new();
    let launcher = bench.with_server(1, SERVER);
    let link = bench.logged_in(1);
    let asked = bench.says(link, join());
    let effects = bench.says(link, FromGameClient::Leave { request: RequestId(10) });
    assert_eq!(summary(&effects), "launcher Dismiss, refused NotOnServer, client Left");
    assert_eq!(bench.admit(launcher, &asked), []);
}

#[test]
fn joining_a_second_server_leaves_the_first() {
    let mut bench = Bench::new();
    let first = bench.with_server(1, SERVER);
    let second = bench.with_server(2, ServerId(6));
    let link = bench.joined(1, first);
    let server = public(2, ServerId(6));
    let asked = bench.says(link, FromGameClient::Join { request: REQUEST, server });
    let effects = bench.admit(second, &asked);
    assert_eq!(summary(&effects), "launcher Dismiss, client Joined");
    assert!(
        matches!(effects[0], Effect::ToLauncher(link, ToLauncher::Dismiss { server: SERVER, .. }) if link == first)
    );
}

#[test]
fn a_server_nobody_knows_the_address_of_cannot_be_joined() {
    let mut bench = Bench::new();
    let launcher = bench.enrolled(1);
    bench.reports(launcher, FromLauncher::Servers(whole_list(&[SERVER])));
    let link = bench.logged_in(1);
    assert_eq!(summary(&bench.says(link, join())), "refused ServerNotReady");

    // The launcher is beside the login server, the player is not.
    bench.reports(
        launcher,
        FromLauncher::Reachable(Reachable { server: SERVER, addresses: List::default(), port: 1 }),
    );
    let far = bench.link();
    bench.apply(Event::ClientConnected { link: far, from: [198, 51, 100, 1].into() });
    bench.says(far, FromGameClient::Hello(Hello::from_us("test")));
    let asked = bench.says(far, log_in());
    bench.answer(&asked, session(2));
    let asked = bench.says(far, join());
    let effects = bench.admit(launcher, &asked);
    assert_eq!(summary(&effects), "launcher Dismiss, refused Unavailable");
    // The log was told, and is told again in a minute.
    let mut may_warn =
        |after| bench.lobby.servers.may_warn(public(1, SERVER), Duration::from_secs(after));
    assert_eq!([59, 60, 61, 120].map(&mut may_warn), [false, true, false, true]);
}

#[test]
fn a_revoked_launcher_and_a_renewed_key_take_the_servers_with_them() {
    let mut bench = Bench::new();
    let watcher = bench.logged_in(1);
    bench.says(watcher, FromGameClient::WatchServers);
    let launcher = bench.with_server(1, SERVER);
    let effects = bench.apply(Event::Revoked { key: LauncherKey([1; 32]) });
    assert_eq!(effects.first(), Some(&Effect::Goodbye(launcher, Goodbye::Revoked)));
    assert_eq!(told(&effects), [ServerEvent::Disappeared { server: public(1, SERVER) }]);

    let old = bench.with_server(1, SERVER);
    let new = bench.launcher(2);
    let asked = bench.reports(new, FromLauncher::Hello(Hello::from_us("test")));
    bench.answer(&asked, Answer::NoLauncher);
    let asked = bench.reports(new, enroll());
    let effects = bench
        .answer(&asked, Answer::Launcher(Text::lossy("Launcher-1"), LauncherLimits::default()));
    assert_eq!(effects.first(), Some(&Effect::Goodbye(old, Goodbye::Revoked)));
    let effects = bench.reports(new, FromLauncher::Servers(whole_list(&[SERVER])));
    assert_eq!(told(&effects), listed(2, &[SERVER]));
}

#[test]
fn a_launcher_revoked_while_the_store_says_who_it_is_stays_out() {
    let known = || Answer::Launcher(Text::lossy("launcher-1"), LauncherLimits::default());
    let revoked = || Event::Revoked { key: LauncherKey([1; 32]) };
    for enrolling in [false, true] {
        let mut bench = Bench::new();
        let link = bench.launcher(1);
        let mut asked = bench.reports(link, FromLauncher::Hello(Hello::from_us("test")));
        if enrolling {
            bench.answer(&asked, Answer::NoLauncher);
            asked = bench.reports(link, enroll());
        }
        assert_eq!(bench.apply(revoked()), [Effect::Goodbye(link, Goodbye::Revoked)]);
        assert_eq!(bench.answer(&asked, known()), [], "it was known before that");
    }
}

#[test]
fn an_enrolment_that_fails_ends_the_connection() {
    let mut bench = Bench::new();
    let link = bench.launcher(1);
    let asked = bench.reports(link, FromLauncher::Hello(Hello::from_us("test")));
    bench.answer(&asked, Answer::NoLauncher);
    let asked = bench.reports(link, enroll());
    assert_eq!(summary(&bench.answer(&asked, Answer::NoLauncher)), "goodbye EnrollmentRefused");
}

/// A server with as much as is shown of one: 256 events.
fn big_server(server: ServerId, name: &str, fresh: bool) -> FromLauncher {
    let mut events = vec![ServerEvent::Appeared { server }];
    events.extend((0..255).map(|n| {
        let change =
            ServerChange::PlayerEntered { player: GamePlayerId(n), name: Text::lossy(name) };
        ServerEvent::Changed { server, change }
    }));
    FromLauncher::Servers(ServerEvents { fresh, events: List::first_of(events) })
}

#[test]
fn one_launcher_does_not_fill_the_list_alone() {
    let mut bench = Bench::new();
    let greedy = bench.enrolled(1);
    for n in 0..64 {
        bench.reports(greedy, big_server(ServerId(n), "x", n == 0));
        bench.pass(Duration::from_secs(5));
        bench.reports(greedy, FromLauncher::Pong { nonce: 1 });
    }
    assert_eq!(bench.lobby.servers().iter().count(), 16, "its share");
    let watcher = bench.logged_in(1);
    bench.says(watcher, FromGameClient::WatchServers);
    let modest = bench.enrolled(2);
    let effects = bench.reports(modest, FromLauncher::Servers(whole_list(&[ServerId(1000)])));
    assert_eq!(told(&effects), listed(2, &[ServerId(1000)]));
}

#[test]
fn a_launcher_that_floods_the_list_is_told_of_at_a_rate_and_right_in_the_end() {
    let mut bench = Bench::new();
    let watcher = bench.logged_in(1);
    bench.says(watcher, FromGameClient::WatchServers);
    let launcher = bench.enrolled(1);
    bench.reports(launcher, big_server(SERVER, "first", true));
    bench.reports(
        launcher,
        FromLauncher::Servers(ServerEvents { fresh: false, events: List::default() }),
    );
    let mut heard = 0;
    for n in 0..200 {
        let effects = bench.reports(launcher, big_server(SERVER, &n.to_string(), false));
        heard += told(&effects).len();
    }
    assert!((3000..5000).contains(&heard), "{heard} events of 51200");
    let later = told(&bench.pass(Duration::from_secs(10)));
    assert!(later.len() <= 512, "{} events", later.len());
    let (_, view) = bench.lobby.servers().get(public(1, SERVER)).unwrap();
    assert!(view.players().all(|(_, name)| name.as_str() == "199"), "{view:?}");
}
