//! Registering, logging in and out, sessions.

use protocol::{Channel, FromGameClient, Goodbye, Refusal, Said, Speaker, Text, ToGameClient};

use crate::support::{PASSWORD, REQUEST, Server, goodbye, log_in, register};

#[actix::test]
async fn who_registers_is_logged_in_and_can_log_in_again() {
    let server = Server::start().await;
    let (mut ann, logged_in) = server.registered("Ann").await;
    assert_eq!(logged_in.name.as_str(), "Ann");
    assert_eq!(logged_in.on_server, None);
    ann.send(FromGameClient::LogOut { request: REQUEST }).await;
    assert!(matches!(ann.receive().await, ToGameClient::LoggedOut { request: REQUEST }));
    ann.send(log_in("aNN", PASSWORD)).await;
    let again = ann.logged_in().await;
    assert_eq!(again.name.as_str(), "Ann", "the name is written as at its registration");
    assert_ne!(again.token, logged_in.token);
    server.stop().await;
}

#[actix::test]
async fn a_wrong_password_and_an_unknown_name_are_refused_alike() {
    let server = Server::start().await;
    let (_ann, _) = server.registered("ann").await;
    let mut eve = server.client().await;
    for attempt in [
        log_in("ann", "wrong horse"),
        log_in("nobody", PASSWORD),
        log_in("ann", ""),
        log_in("", ""),
    ] {
        eve.send(attempt.clone()).await;
        assert_eq!(eve.refused().await, Refusal::WrongNameOrPassword, "{attempt:?}");
    }
    server.stop().await;
}

#[actix::test]
async fn names_and_passwords_that_cannot_be_are_refused_with_the_rule() {
    let server = Server::start().await;
    let (_ann, _) = server.registered("ann").await;
    let mut client = server.client().await;
    client.send(register("ANN", PASSWORD)).await;
    assert_eq!(client.refused().await, Refusal::NameTaken);
    client.send(register("a b", PASSWORD)).await;
    assert!(matches!(client.refused().await, Refusal::InvalidName { .. }));
    client.send(register("bob", "short")).await;
    assert!(matches!(client.refused().await, Refusal::InvalidPassword { .. }));
    server.stop().await;
}

#[actix::test]
async fn the_longest_password_that_can_be_said_is_one() {
    let server = Server::start().await;
    let longest = "x".repeat(128);
    let mut client = server.client().await;
    client.send(register("ann", &longest)).await;
    client.logged_in().await;
    assert!(
        Text::<128>::parse(longest.clone()).is_ok() && Text::<128>::parse(longest + "x").is_err()
    );
    assert_eq!(accounts::Password::MAX_BYTES, 128);
    server.stop().await;
}

#[actix::test]
async fn a_session_is_continued_after_a_restart_and_ends_with_the_logout() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_in(directory.path()).await;
    let (_ann, logged_in) = server.registered("ann").await;
    server.stop().await;

    let server = Server::start_in(directory.path()).await;
    let resume =
        FromGameClient::Resume { request: REQUEST, token: logged_in.token.clone(), last: None };
    let mut ann = server.client().await;
    ann.send(resume.clone()).await;
    let resumed = ann.logged_in().await;
    assert_eq!((resumed.name, resumed.token), (logged_in.name, logged_in.token));
    assert!(resumed.expires >= logged_in.expires);
    ann.send(FromGameClient::LogOut { request: REQUEST }).await;
    assert!(matches!(ann.receive().await, ToGameClient::LoggedOut { .. }));
    ann.send(resume).await;
    assert_eq!(ann.refused().await, Refusal::SessionEnded);
    server.stop().await;
}

#[actix::test]
async fn a_second_connection_takes_the_session_over() {
    let server = Server::start().await;
    let (mut first, logged_in) = server.registered("ann").await;
    let mut second = server.client().await;
    second
        .send(FromGameClient::Resume { request: REQUEST, token: logged_in.token, last: None })
        .await;
    second.logged_in().await;
    assert_eq!(goodbye(&first.rest().await), &Goodbye::TakenOver);

    let mut third = server.client().await;
    third.send(log_in("ann", PASSWORD)).await;
    third.logged_in().await;
    assert_eq!(goodbye(&second.rest().await), &Goodbye::TakenOver);
    server.stop().await;
}

#[actix::test]
async fn what_is_said_in_the_lobby_is_heard_by_all_who_are_logged_in() {
    let server = Server::start().await;
    let (mut ann, _) = server.registered("ann").await;
    let (mut bob, _) = server.registered("bob").await;
    let mut stranger = server.client().await;
    let chat = |text: &str| FromGameClient::Chat {
        request: REQUEST,
        channel: Channel::Lobby,
        text: Text::lossy(text),
    };
    ann.send(chat("hello")).await;
    let expected = ToGameClient::Said(Said {
        channel: Channel::Lobby,
        speaker: Speaker::Account(Text::lossy("ann")),
        text: Text::lossy("hello"),
    });
    assert_eq!(bob.receive().await, expected);
    assert_eq!(ann.receive().await, expected, "who speaks hears it too");
    stranger.send(chat("me too")).await;
    assert_eq!(stranger.refused().await, Refusal::NotLoggedIn);
    server.stop().await;
}

#[actix::test]
async fn everybody_is_told_when_the_server_stops() {
    let server = Server::start().await;
    let (mut ann, _) = server.registered("ann").await;
    server.stop().await;
    assert!(matches!(goodbye(&ann.rest().await), Goodbye::ComeBack { .. }));
}
