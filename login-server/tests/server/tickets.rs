//! Tickets of players, checked as a launcher does, and limits of launchers.

use std::time::{SystemTime, UNIX_EPOCH};

use connection_handler::transport::keys::Identity;
use protocol::{
    Counting, FromGameClient, FromLauncher, GamePlayerId, Goodbye, JoinSecret, LauncherRefusal,
    MatchId, Refusal, RequestId, ServerEvent, ServerEvents, ServerId, SignedTicket, Text, TicketId,
    ToGameClient, ToLauncher, UnixMillis,
};
use serde_json::Value;
use tickets::{ServerName, Ticket, TicketError, VerifyingKey, VerifyingKeys};
use tokio::time::timeout;

use crate::{
    commands::command,
    launchers::{SERVER, back, enrolled},
    support::{Client, LIMIT, Launcher, Server, one_server},
};

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

/// What the launcher believes from now on.
async fn keys(launcher: &mut Launcher) -> VerifyingKeys {
    match launcher.receive().await {
        ToLauncher::TicketKeys { now, keys } => {
            assert!(now.0.abs_diff(now_ms()) < 60_000);
            VerifyingKeys::new(keys.iter().map(|key| VerifyingKey::from_bytes(key.0)))
        }
        other => panic!("{other:?}"),
    }
}

/// The launcher on a new connection, and what it believes.
async fn back_with_keys(server: &Server, identity: &Identity) -> (Launcher, VerifyingKeys) {
    let mut launcher = server.launcher(identity).await;
    assert!(matches!(launcher.receive().await, ToLauncher::Welcome(_)));
    assert!(matches!(launcher.receive().await, ToLauncher::Enrolled { .. }));
    let keys = keys(&mut launcher).await;
    (launcher, keys)
}

/// Lets a player ask to join the server of `launcher`, and returns what was announced.
async fn announced(
    client: &mut Client,
    request: u32,
    server: ServerId,
    launcher: &mut Launcher,
) -> (SignedTicket, JoinSecret) {
    client.send(FromGameClient::Join { request: RequestId(request), server }).await;
    match launcher.receive().await {
        ToLauncher::Admit { request, ticket, code, .. } => {
            let admission = protocol::Admission::Full;
            launcher.send(FromLauncher::Admitted { request, admission }).await;
            client.refused().await;
            (ticket, code)
        }
        other => panic!("{other:?}"),
    }
}

fn check(
    ticket: &SignedTicket,
    identity: &Identity,
    keys: &VerifyingKeys,
) -> Result<Ticket, TicketError> {
    let name = ServerName::of_launcher(identity.fingerprint().as_bytes(), SERVER.0);
    Ticket::check(ticket.reveal(), &name, keys, now_ms())
}

#[actix::test]
async fn a_ticket_is_checked_with_the_keys_the_launcher_was_told_and_keys_rotate() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_in(directory.path()).await;
    let (launcher, identity) = enrolled(&server, "ours").await;
    drop(launcher);
    // Keys that were rotated while nobody heard it are told on the next connection.
    command(&server, &["ticket-key", "rotate"]).await.unwrap();
    let (mut launcher, before) = back_with_keys(&server, &identity).await;
    assert_eq!(before.iter().count(), 3, "the last one too");
    launcher.list_server(SERVER, "A server").await;
    let (mut ann, _) = server.registered("ann").await;
    let listed = ann.the_server().await;

    let (first, code) = announced(&mut ann, 10, listed, &mut launcher).await;
    assert_eq!(check(&first, &identity, &before).unwrap().player, "ann");
    assert_eq!(code.reveal().len(), 20);
    let shown = command(&server, &["--json", "ticket-key", "rotate"]).await.unwrap();
    let ids: Vec<Value> = shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&ids[0]["state"], &ids[1]["state"]), (&"signs".into(), &"next".into()));
    let after = keys(&mut launcher).await;
    assert!(check(&first, &identity, &after).is_ok(), "the overlap");
    let (second, other_code) = announced(&mut ann, 11, listed, &mut launcher).await;
    assert!(check(&second, &identity, &after).is_ok());
    assert!(check(&second, &identity, &before).is_ok(), "the announced key signs now");
    assert_ne!(code, other_code);

    command(&server, &["ticket-key", "rotate", "--stolen"]).await.unwrap();
    let replaced = keys(&mut launcher).await;
    assert_eq!(check(&second, &identity, &replaced), Err(TicketError::UnknownKey));
    launcher.send(FromLauncher::Arrived { ticket: second, player: GamePlayerId(1) }).await;
    let refusal = LauncherRefusal::NotYourPlayer { ticket: None };
    assert_eq!(launcher.receive().await, ToLauncher::Refused(refusal));
    server.stop().await;

    // They are on disk.
    let server = Server::start_in(directory.path()).await;
    let (_launcher, read) = back_with_keys(&server, &identity).await;
    assert_eq!(read, replaced);
    server.stop().await;
}

#[actix::test]
async fn who_came_in_before_our_restart_is_still_a_player() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_in(directory.path()).await;
    let (mut launcher, identity) = enrolled(&server, "ours").await;
    launcher.list_server(SERVER, "A server").await;
    let (mut ann, _) = server.registered("ann").await;
    let listed = ann.the_server().await;
    let (ticket, _) = announced(&mut ann, 10, listed, &mut launcher).await;
    server.stop().await;

    let server = Server::start_in(directory.path()).await;
    let mut launcher = back(&server, &identity).await;
    let arrived = FromLauncher::Arrived { ticket, player: GamePlayerId(1) };
    launcher.send(arrived.clone()).await;
    launcher.send(FromLauncher::Left { ticket: TicketId([9; 16]) }).await;
    let refusal = LauncherRefusal::NotYourPlayer { ticket: Some(TicketId([9; 16])) };
    assert_eq!(launcher.receive().await, ToLauncher::Refused(refusal), "only this");

    // Another launcher has nothing to say about her.
    let (mut other, _) = enrolled(&server, "other").await;
    other.send(arrived).await;
    let refused = other.receive().await;
    let theirs = |refusal: &LauncherRefusal| {
        matches!(refusal, LauncherRefusal::NotYourPlayer { ticket: Some(_) })
    };
    assert!(matches!(&refused, ToLauncher::Refused(refusal) if theirs(refusal)), "{refused:?}");
    let metrics = command(&server, &["metrics"]).await.unwrap();
    let counted = "login_server_launcher_refusals_total{reason=\"NotYourPlayer\"}";
    assert!(metrics.contains(counted), "{metrics}");
    server.stop().await;
}

#[actix::test]
async fn a_launcher_has_no_more_servers_than_its_operator_allows_and_the_operator_sees_it() {
    let server = Server::start().await;
    let (mut launcher, identity) = enrolled(&server, "ours").await;
    command(&server, &["launcher", "limit", "ours", "--max-servers", "1"]).await.unwrap();
    let goodbye = launcher.rest().await.pop();
    let sent_away = matches!(goodbye, Some(ToLauncher::Goodbye(Goodbye::ComeBack { .. })));
    assert!(sent_away, "{goodbye:?}");

    let mut launcher = back(&server, &identity).await;
    let mut list: Vec<_> = one_server(SERVER, "The first").events.into_iter().collect();
    list.push(ServerEvent::Appeared { server: ServerId(0x2345) });
    let events = list.try_into().unwrap();
    launcher.send(FromLauncher::Servers(ServerEvents { fresh: true, events })).await;
    let refusal = LauncherRefusal::TooManyServers { server: ServerId(0x2345), most: 1 };
    assert_eq!(launcher.receive().await, ToLauncher::Refused(refusal));
    let shown = command(&server, &["launcher", "list"]).await.unwrap();
    assert!(shown.ends_with("connected\t1 servers of at most 1, 1 refused"), "{shown}");
    let shown = command(&server, &["--json", "launcher", "list"]).await.unwrap();
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((&shown["servers"], &shown["refused_servers"]), (&1.into(), &1.into()));
    assert_eq!((&shown["max_servers"], &shown["counts_progress"]), (&1.into(), &false.into()));

    // Without a limit it is as before.
    command(&server, &["launcher", "limit", "ours"]).await.unwrap();
    timeout(LIMIT, launcher.rest()).await.unwrap();
    let mut launcher = back(&server, &identity).await;
    launcher.list_server(SERVER, "The first").await;
    server.stop().await;
}

#[actix::test]
async fn a_session_shows_where_it_was_resumed_from_and_a_ban_by_range_holds_there_too() {
    let server = Server::start().await;
    let (ann, logged_in) = server.registered("ann").await;
    drop(ann);
    let mut ann = server.client().await;
    let (request, token) = (RequestId(3), logged_in.token);
    let resume = FromGameClient::Resume { request, token, last: None };
    ann.send(resume.clone()).await;
    ann.logged_in().await;
    let shown = command(&server, &["--json", "session", "list", "ann"]).await.unwrap();
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["program"], "test");
    assert_eq!(shown["network"], "127.0.0.0/24");

    command(&server, &["ban", "add", "127.0.0.0/8", "enough"]).await.unwrap();
    let mut again = server.client().await;
    again.send(resume).await;
    assert_eq!(again.refused().await, Refusal::SessionEnded);
    server.stop().await;
}

#[actix::test]
async fn a_match_counts_once_for_who_held_a_ticket_where_the_operator_lets_it() {
    let server = Server::start().await;
    let (mut launcher, identity) = enrolled(&server, "ours").await;
    launcher.list_server(SERVER, "A server").await;
    let (mut ann, _) = server.registered("ann").await;
    let listed = ann.the_server().await;
    let (ticket, _) = announced(&mut ann, 10, listed, &mut launcher).await;
    let (_, keys) = back_with_keys(&server, &identity).await;
    let id = TicketId(check(&ticket, &identity, &keys).unwrap().id.0);
    let mut launcher = back(&server, &identity).await;
    let arrived = FromLauncher::Arrived { ticket, player: GamePlayerId(1) };
    launcher.send(arrived.clone()).await;

    let now = now_ms();
    let played = |ticket, id, minutes: u64, xp| FromLauncher::Played {
        request: RequestId(7),
        ticket,
        id: MatchId([id; 16]),
        started: UnixMillis(now - minutes * 60_000),
        ended: UnixMillis(now),
        won: true,
        xp,
    };
    assert_eq!(counting(&mut launcher, played(id, 1, 10, 50)).await, Counting::NotAllowed);
    command(&server, &["launcher", "limit", "ours", "--counts-progress"]).await.unwrap();
    timeout(LIMIT, launcher.rest()).await.unwrap();

    let mut launcher = back(&server, &identity).await;
    launcher.list_server(SERVER, "A server").await;
    launcher.send(arrived).await;
    for (report, expected) in [
        (played(TicketId([9; 16]), 1, 10, 50), Counting::UnknownPlayer),
        (played(id, 1, 10, u32::MAX), Counting::Impossible),
        (played(id, 1, 10, 50), Counting::Counts),
        // Said again.
        (played(id, 1, 10, 50), Counting::Counts),
        // In two at a time.
        (played(id, 2, 5, 50), Counting::Impossible),
    ] {
        assert_eq!(counting(&mut launcher, report.clone()).await, expected, "{report:?}");
    }

    let game = Text::lossy("openttd");
    ann.send(FromGameClient::GetProgress { request: RequestId(20), game }).await;
    loop {
        if let ToGameClient::Progress { progress, .. } = ann.receive().await {
            assert_eq!((progress.matches, progress.wins, progress.xp), (1, 1, 50));
            break;
        }
    }
    server.stop().await;
}

/// What becomes of a report. Of nobody's ticket it is also said that it is.
async fn counting(launcher: &mut Launcher, report: FromLauncher) -> Counting {
    launcher.send(report).await;
    loop {
        match launcher.receive().await {
            ToLauncher::Counted { request: RequestId(7), counting } => return counting,
            ToLauncher::Refused(LauncherRefusal::NotYourPlayer { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
}
