//! What launchers may say about players, and how many servers they may have.

use protocol::{GamePlayerId, Goodbye, LauncherRefusal};

use super::*;
use crate::lobby::Whom;

/// The ticket and the code that the launcher was told of in `effects`.
#[track_caller]
fn announced(effects: &[Effect]) -> (SignedTicket, JoinSecret) {
    let admit = effects.iter().find_map(|effect| match effect {
        Effect::ToLauncher(_, ToLauncher::Admit { ticket, code, .. }) => {
            Some((ticket.clone(), code.clone()))
        }
        _ => None,
    });
    admit.unwrap_or_else(|| panic!("nobody is to be let in: {effects:?}"))
}

/// A player who has joined [`SERVER`] of launcher 1, with their ticket.
fn player(bench: &mut Bench, launcher: LinkId, id: u64) -> (LinkId, SignedTicket) {
    let link = bench.logged_in(id);
    let asked = bench.says(link, join());
    let (ticket, _) = announced(&asked);
    let effects = bench.admit(launcher, &asked);
    let [Effect::ToClient(_, ToGameClient::Joined(joined))] = &effects[..] else {
        panic!("{effects:?}");
    };
    assert_eq!(joined.ticket, ticket, "both have the same");
    (link, ticket)
}

fn arrived(ticket: &SignedTicket) -> FromLauncher {
    FromLauncher::Arrived { ticket: ticket.clone(), player: GamePlayerId(7) }
}

fn left(number: u8) -> FromLauncher {
    FromLauncher::Left { ticket: TicketId([number; 16]) }
}

#[track_caller]
fn refused(effects: &[Effect], number: Option<u8>) {
    let ticket = number.map(|number| TicketId([number; 16]));
    let refusal = ToLauncher::Refused(LauncherRefusal::NotYourPlayer { ticket });
    assert!(matches!(effects, [Effect::ToLauncher(_, said)] if *said == refusal), "{effects:?}");
}

#[test]
fn a_launcher_speaks_only_about_players_whose_tickets_it_holds() {
    let mut bench = Bench::new();
    let (ours, other) = (bench.with_server(1, SERVER), bench.with_server(2, SERVER));
    let (_, ticket) = player(&mut bench, ours, 1);
    assert_eq!(bench.reports(ours, arrived(&ticket)), []);
    assert_eq!(bench.lobby.playing(), [(SessionId(1), GamePlayerId(7))]);
    refused(&bench.reports(other, arrived(&ticket)), Some(1));
    refused(&bench.reports(other, left(1)), Some(1));
    refused(&bench.reports(ours, left(9)), Some(9));
    let forged = SignedTicket(Text::lossy("v4.public.AAAA"));
    refused(&bench.reports(ours, arrived(&forged)), None);
    assert_eq!(bench.lobby.playing(), [(SessionId(1), GamePlayerId(7))], "as before");
    assert_eq!(bench.reports(ours, left(1)), []);
    assert_eq!(bench.lobby.playing(), []);
}

#[test]
fn every_join_has_a_ticket_and_a_code_of_its_own() {
    let mut bench = Bench::new();
    let launcher = bench.with_server(1, SERVER);
    let link = bench.joined(1, launcher);
    let (first, second) =
        (announced(&bench.says(link, join())), {
            bench.pass(Duration::from_secs(5));
            announced(&bench.says(
                link,
                FromGameClient::Join { request: RequestId(10), server: public(1, SERVER) },
            ))
        });
    assert_ne!(first.0, second.0);
    assert_ne!(first.1, second.1);
}

#[test]
fn of_who_has_left_a_launcher_may_say_how_it_ended_for_ten_minutes() {
    let mut bench = Bench::new();
    let launcher = bench.with_server(1, SERVER);
    let (link, ticket) = player(&mut bench, launcher, 1);
    bench.reports(launcher, arrived(&ticket));
    bench.says(link, FromGameClient::Leave { request: RequestId(10) });
    bench.running += Duration::from_secs(599);
    bench.apply(Event::Tick);
    assert_eq!(bench.reports(launcher, arrived(&ticket)), []);
    assert_eq!(bench.reports(launcher, left(1)), []);
    bench.running += Duration::from_secs(1);
    bench.apply(Event::Tick);
    assert_eq!(bench.lobby.tickets_held(), 0);
    refused(&bench.reports(launcher, left(1)), Some(1));
}

#[test]
fn who_was_not_let_in_is_nobodys_player_for_long() {
    let mut bench = Bench::new();
    let launcher = bench.with_server(1, SERVER);
    let link = bench.logged_in(1);
    for (request, admission) in [Admission::Full, Admission::TicketRefused].into_iter().enumerate()
    {
        let request = RequestId(request as u32);
        let asked = bench.says(link, FromGameClient::Join { request, server: public(1, SERVER) });
        let request = admission_of(&asked);
        bench.reports(launcher, FromLauncher::Admitted { request, admission });
    }
    assert_eq!(bench.lobby.tickets_held(), 2);
    bench.running += Duration::from_secs(600);
    bench.apply(Event::Tick);
    assert_eq!(bench.lobby.tickets_held(), 0);
}

#[test]
fn after_our_restart_launchers_say_again_who_is_in_and_only_then_old_tickets_count() {
    let mut bench = Bench::new();
    let launcher = bench.with_server(1, SERVER);
    // Of a life before this one, which began a moment ago: `now` in `tests/mod.rs`.
    let old = |number: u8| SignedTicket(Text::lossy(&format!("{number} 1 5 33 1600000000000")));
    assert_eq!(bench.reports(launcher, arrived(&old(50))), []);
    assert_eq!(bench.lobby.playing(), [(SessionId(33), GamePlayerId(7))]);
    let later = UnixMillis(1_700_000_000_000 + 600_000);
    let running = bench.running + Duration::from_secs(600);
    let message = arrived(&old(51));
    let event = Event::FromLauncher { link: launcher, message };
    refused(&bench.lobby.apply(event, Now { running, clock: later }), Some(51));
}

#[test]
fn who_is_banned_is_thrown_out_of_the_game() {
    let mut bench = Bench::new();
    let launcher = bench.with_server(1, SERVER);
    let (_, ticket) = player(&mut bench, launcher, 1);
    bench.reports(launcher, arrived(&ticket));
    let whom = Whom::Account(SessionId(1));
    let reason = Text::lossy("too loud");
    let effects = bench.apply(Event::Banned { whom, until: None, reason: reason.clone() });
    let kick = ToLauncher::Kick { server: SERVER, player: GamePlayerId(7), reason };
    assert!(effects.contains(&Effect::ToLauncher(launcher, kick)), "{effects:?}");
}

#[test]
fn a_revoked_launcher_speaks_of_nobody() {
    let mut bench = Bench::new();
    let launcher = bench.with_server(1, SERVER);
    let (_, ticket) = player(&mut bench, launcher, 1);
    bench.reports(launcher, arrived(&ticket));
    bench.apply(Event::Revoked { key: LauncherKey([1; 32]) });
    assert_eq!(bench.lobby.tickets_held(), 0);
}

#[test]
fn new_keys_are_told_to_every_launcher() {
    let mut bench = Bench::new();
    let (one, two) = (bench.enrolled(1), bench.enrolled(2));
    let keys = SigningKeys::generate().unwrap();
    let effects = bench.apply(Event::TicketKeys(keys.into()));
    let told: Vec<_> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::ToLauncher(link, ToLauncher::TicketKeys { .. }) => Some(*link),
            _ => None,
        })
        .collect();
    assert_eq!(told, [one, two]);
}

/// An enrolled launcher that may have so many servers.
fn limited(bench: &mut Bench, max_servers: u32) -> LinkId {
    let link = bench.launcher(1);
    let asked = bench.reports(link, FromLauncher::Hello(Hello::from_us("test")));
    let limits = LauncherLimits { max_servers: Some(max_servers), counts_progress: false };
    bench.answer(&asked, Answer::Launcher(Text::lossy("limited"), limits));
    link
}

#[test]
fn a_launcher_has_as_many_servers_as_its_operator_allows_and_hears_of_the_rest() {
    let mut bench = Bench::new();
    let watcher = bench.logged_in(1);
    bench.says(watcher, FromGameClient::WatchServers);
    let launcher = limited(&mut bench, 2);
    let ids: Vec<_> = (1..=4).map(ServerId).collect();
    let effects = bench.reports(launcher, FromLauncher::Servers(whole_list(&ids)));
    let refusal = |server| {
        let refusal = LauncherRefusal::TooManyServers { server: ServerId(server), most: 2 };
        Effect::ToLauncher(launcher, ToLauncher::Refused(refusal))
    };
    assert_eq!(effects[..2], [refusal(3), refusal(4)]);
    assert_eq!(told(&effects), listed(1, &ids[..2]));
    assert_eq!(bench.lobby.servers().count_of(LauncherKey([1; 32])), (2, 2));
    let again = ServerEvent::Appeared { server: ServerId(4) };
    let again = ServerEvents { fresh: false, events: List::first_of([again]) };
    assert_eq!(bench.reports(launcher, FromLauncher::Servers(again)), [], "it was told");

    // Another limit holds at once: on a new connection.
    let key = LauncherKey([1; 32]);
    let effects = bench.apply(Event::LauncherLimited { key });
    let sent_away = matches!(
        effects.first(),
        Some(Effect::Goodbye(link, Goodbye::ComeBack { .. })) if *link == launcher
    );
    assert!(sent_away, "{effects:?}");
    let launcher = limited(&mut bench, 1);
    let effects = bench.reports(launcher, FromLauncher::Servers(whole_list(&ids[..2])));
    assert_eq!(
        told(&effects).last(),
        Some(&ServerEvent::Disappeared { server: public(1, ids[1]) })
    );
    assert_eq!(bench.lobby.servers().count_of(key), (1, 1));
}
