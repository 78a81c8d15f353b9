//! Launchers, their servers, and players on them.

use connection_handler::transport::keys::Identity;
use protocol::{
    Admission, Channel, Enrollment, EnrollmentSecret, FromGameClient, FromLauncher, GamePlayerId,
    Goodbye, JoinSecret, List, Refusal, RequestId, Said, ServerChange, ServerEvent, ServerEvents,
    ServerId, ServerProperty, ServerState, Speaker, Text, ToGameClient, ToLauncher,
};

use crate::{
    commands::{command, enroll},
    support::{Client, Launcher, PASSWORD, REQUEST, Server, appeared, log_in, one_server},
};

/// As the launcher names it.
pub(crate) const SERVER: ServerId = ServerId(0x1234);

/// A launcher that has just enrolled.
pub(crate) async fn enrolled(server: &Server, name: &str) -> (Launcher, Identity) {
    let enrollment = enroll(server, name).await;
    let identity = Identity::ephemeral().unwrap();
    let mut launcher = server.launcher(&identity).await;
    assert!(matches!(launcher.receive().await, ToLauncher::Welcome(_)));
    launcher.send(FromLauncher::Enroll { secret: enrollment.secret }).await;
    assert_eq!(launcher.receive().await, ToLauncher::Enrolled { name: Text::lossy(name) });
    assert!(matches!(launcher.receive().await, ToLauncher::TicketKeys { .. }));
    (launcher, identity)
}

/// The same launcher on a new connection.
pub(crate) async fn back(server: &Server, identity: &Identity) -> Launcher {
    let mut launcher = server.launcher(identity).await;
    assert!(matches!(launcher.receive().await, ToLauncher::Welcome(_)));
    assert!(matches!(launcher.receive().await, ToLauncher::Enrolled { .. }));
    assert!(matches!(launcher.receive().await, ToLauncher::TicketKeys { .. }));
    launcher
}

/// Lets `client` join the server of `launcher`. Returns its id, as clients know it.
async fn join(client: &mut Client, launcher: &mut Launcher, name: &str) -> ServerId {
    let server = client.the_server().await;
    client.send(FromGameClient::Join { request: REQUEST, server }).await;
    let ToLauncher::Admit { request, server: SERVER, player, ticket: announced, .. } =
        launcher.receive().await
    else {
        panic!("nobody wants to join");
    };
    assert_eq!(player.as_str(), name);
    let secret = JoinSecret(Text::lossy("open sesame"));
    let admission = Admission::Granted { secret: secret.clone() };
    launcher.send(FromLauncher::Admitted { request, admission }).await;
    let ToGameClient::Joined(ticket) = client.receive().await else { panic!("not joined") };
    assert_eq!((ticket.request, ticket.server, ticket.secret), (REQUEST, server, secret));
    assert_eq!((ticket.address, ticket.port), ([127, 0, 0, 1].into(), 3979));
    assert_eq!(ticket.ticket, announced);
    server
}

fn last(messages: &[ToLauncher]) -> Option<&ToLauncher> {
    messages.last()
}

#[actix::test]
async fn a_launcher_enrols_once_and_is_known_by_its_key_from_then_on() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_in(directory.path()).await;
    let (mut launcher, identity) = enrolled(&server, "ours").await;
    launcher.list_server(SERVER, "A server").await;
    let (mut ann, _) = server.registered("ann").await;
    let shown = ann.the_server().await;
    drop(launcher);
    drop(back(&server, &identity).await);
    server.stop().await;

    let server = Server::start_in(directory.path()).await;
    let mut launcher = back(&server, &identity).await;
    launcher.list_server(SERVER, "A server").await;
    let (mut ben, _) = server.registered("ben").await;
    assert_eq!(ben.the_server().await, shown, "its servers are the same ones");
    server.stop().await;
}

#[actix::test]
async fn an_enrolment_secret_works_once_and_only_if_it_is_right() {
    let server = Server::start().await;
    let Enrollment { secret, .. } = enroll(&server, "ours").await;
    let attempt = async |secret: EnrollmentSecret| {
        let mut launcher = server.launcher(&Identity::ephemeral().unwrap()).await;
        assert!(matches!(launcher.receive().await, ToLauncher::Welcome(_)));
        launcher.send(FromLauncher::Enroll { secret }).await;
        launcher.receive().await
    };
    let refused = ToLauncher::Goodbye(Goodbye::EnrollmentRefused);
    assert_eq!(attempt(EnrollmentSecret([9; 32])).await, refused);
    assert!(matches!(attempt(secret.clone()).await, ToLauncher::Enrolled { .. }));
    assert_eq!(attempt(secret).await, refused);
    server.stop().await;
}

#[actix::test]
async fn a_launcher_that_is_not_enrolled_is_sent_away() {
    let server = Server::start().await;
    let mut launcher = server.launcher(&Identity::ephemeral().unwrap()).await;
    assert!(matches!(launcher.receive().await, ToLauncher::Welcome(_)));
    launcher.send(FromLauncher::Servers(one_server(SERVER, "mine"))).await;
    assert_eq!(last(&launcher.rest().await), Some(&ToLauncher::Goodbye(Goodbye::NotEnrolled)));
    server.stop().await;
}

#[actix::test]
async fn a_revoked_launcher_is_gone_at_once_with_its_servers() {
    let server = Server::start().await;
    let (mut launcher, identity) = enrolled(&server, "ours").await;
    launcher.list_server(SERVER, "A server").await;
    let (mut ann, _) = server.registered("ann").await;
    ann.send(FromGameClient::WatchServers).await;
    let events = ann.events_until(|event| matches!(event, ServerEvent::Appeared { .. })).await;
    command(&server, &["launcher", "revoke", "OURS"]).await.unwrap();
    assert_eq!(last(&launcher.rest().await), Some(&ToLauncher::Goodbye(Goodbye::Revoked)));
    let gone = ServerEvent::Disappeared { server: appeared(&events) };
    assert!(ann.events_until(|event| *event == gone).await.contains(&gone));

    let mut launcher = server.launcher(&identity).await;
    assert!(matches!(launcher.receive().await, ToLauncher::Welcome(_)));
    launcher.send(FromLauncher::Servers(one_server(SERVER, "mine"))).await;
    assert_eq!(last(&launcher.rest().await), Some(&ToLauncher::Goodbye(Goodbye::NotEnrolled)));
    server.stop().await;
}

#[actix::test]
async fn watchers_see_the_list_then_its_changes_and_no_flicker_when_the_launcher_is_back() {
    let server = Server::start().await;
    let (mut launcher, identity) = enrolled(&server, "ours").await;
    launcher.list_server(SERVER, "A server").await;
    let (mut ann, _) = server.registered("ann").await;
    ann.send(FromGameClient::WatchServers).await;
    let ToGameClient::Servers(list) = ann.receive().await else { panic!("no list") };
    assert!(list.fresh);
    assert_eq!(list.events.len(), one_server(SERVER, "A server").events.len());

    let changed = |server, property| ServerEvent::Changed {
        server,
        change: ServerChange::Property(property),
    };
    let shown = appeared(&list.events);
    let property = |property| changed(shown, property);
    let title = ServerProperty::Title(Text::lossy("Another title"));
    let events = List::first_of([changed(SERVER, title.clone())]);
    launcher.send(FromLauncher::Servers(ServerEvents { fresh: false, events })).await;
    let ToGameClient::Servers(change) = ann.receive().await else { panic!("no change") };
    assert!(!change.fresh);
    assert_eq!(*change.events, [property(title)]);

    drop(launcher);
    let unreachable = property(ServerProperty::State(ServerState::Unreachable));
    let ToGameClient::Servers(change) = ann.receive().await else { panic!("no change") };
    assert_eq!(*change.events, [unreachable]);

    let mut launcher = back(&server, &identity).await;
    launcher.list_server(SERVER, "Another title").await;
    let ready = property(ServerProperty::State(ServerState::Ready));
    let ToGameClient::Servers(change) = ann.receive().await else { panic!("no change") };
    assert_eq!(*change.events, [ready]);
    server.stop().await;
}

#[actix::test]
async fn a_player_joins_chats_with_the_game_and_leaves() {
    let server = Server::start().await;
    let (mut launcher, _) = enrolled(&server, "ours").await;
    launcher.list_server(SERVER, "A server").await;
    let (mut ann, _) = server.registered("ann").await;
    join(&mut ann, &mut launcher, "ann").await;

    let text = Text::lossy("hello in there");
    let chat = |request| FromGameClient::Chat {
        request: RequestId(request),
        channel: Channel::Server,
        text: text.clone(),
    };
    ann.send(chat(20)).await;
    let say = ToLauncher::Say { server: SERVER, speaker: Text::lossy("ann"), text: text.clone() };
    assert_eq!(launcher.receive().await, say);
    let said = |speaker| {
        ToGameClient::Said(Said { channel: Channel::Server, speaker, text: text.clone() })
    };
    assert_eq!(ann.receive().await, said(Speaker::Account(Text::lossy("ann"))));
    assert_eq!(ann.receive().await, ToGameClient::Done { request: RequestId(20) });
    let name = Text::lossy("somebody");
    let in_game = FromLauncher::Said { server: SERVER, name: name.clone(), text: text.clone() };
    launcher.send(in_game).await;
    assert_eq!(ann.receive().await, said(Speaker::InGame(name)));

    ann.send(FromGameClient::Leave { request: RequestId(21) }).await;
    assert_eq!(ann.receive().await, ToGameClient::Left { request: Some(RequestId(21)) });
    let dismiss = ToLauncher::Dismiss { server: SERVER, player: Text::lossy("ann") };
    assert_eq!(launcher.receive().await, dismiss);
    ann.send(chat(22)).await;
    assert_eq!(ann.refused().await, Refusal::NotOnServer);
    server.stop().await;
}

#[actix::test]
async fn a_player_whose_connection_is_lost_is_still_on_the_server() {
    let server = Server::start().await;
    let (mut launcher, _) = enrolled(&server, "ours").await;
    launcher.list_server(SERVER, "A server").await;
    let (mut ann, logged_in) = server.registered("ann").await;
    let joined = join(&mut ann, &mut launcher, "ann").await;
    drop(ann);
    let mut ann = server.client().await;
    ann.send(FromGameClient::Resume { request: REQUEST, token: logged_in.token, last: None }).await;
    assert_eq!(ann.logged_in().await.on_server, Some(joined));
    let mut ann = server.client().await;
    ann.send(log_in("ann", PASSWORD)).await;
    assert_eq!(ann.logged_in().await.on_server, Some(joined));
    server.stop().await;
}

#[actix::test]
async fn what_the_launcher_refuses_is_refused() {
    let server = Server::start().await;
    let (mut launcher, _) = enrolled(&server, "ours").await;
    launcher.list_server(SERVER, "A server").await;
    let (mut ann, _) = server.registered("ann").await;
    let listed = ann.the_server().await;
    let join = |request, server| FromGameClient::Join { request: RequestId(request), server };
    for (number, admission, reason) in [
        (1, Admission::Full, Refusal::ServerFull),
        (2, Admission::NotReady, Refusal::ServerNotReady),
        (3, Admission::UnknownServer, Refusal::UnknownServer),
    ] {
        ann.send(join(number, listed)).await;
        let ToLauncher::Admit { request, .. } = launcher.receive().await else {
            panic!("nobody wants to join");
        };
        launcher.send(FromLauncher::Admitted { request, admission }).await;
        assert_eq!(ann.refused().await, reason);
    }
    ann.send(join(4, SERVER)).await;
    assert_eq!(ann.refused().await, Refusal::UnknownServer);
    ann.send(join(5, listed)).await;
    assert!(matches!(launcher.receive().await, ToLauncher::Admit { .. }));
    drop(launcher);
    assert_eq!(ann.refused().await, Refusal::Unavailable);
    server.stop().await;
}

#[actix::test]
async fn an_operator_throws_a_player_out() {
    let server = Server::start().await;
    let (mut launcher, _) = enrolled(&server, "ours").await;
    launcher.list_server(SERVER, "A server").await;
    let player = GamePlayerId(5);
    let change = ServerChange::PlayerEntered { player, name: Text::lossy("Griefer") };
    let events = List::first_of([ServerEvent::Changed { server: SERVER, change }]);
    launcher.send(FromLauncher::Servers(ServerEvents { fresh: false, events })).await;
    launcher.send(FromLauncher::Ping { nonce: 1 }).await;
    assert_eq!(launcher.receive().await, ToLauncher::Pong { nonce: 1 });

    command(&server, &["server", "list"]).await.unwrap();
    command(&server, &["server", "kick", "A server", "Griefer", "enough"]).await.unwrap();
    let kick = ToLauncher::Kick { server: SERVER, player, reason: Text::lossy("enough") };
    assert_eq!(launcher.receive().await, kick);
    let unknown = command(&server, &["server", "kick", "A server", "Nobody"]).await.unwrap_err();
    assert_eq!(unknown, "there is no such player in the game");
    server.stop().await;
}
