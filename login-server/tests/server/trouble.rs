//! Who does not follow the protocol, and what happens to the others.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use login_server::{Config, config::ConfigLimits};
use protocol::{Channel, FromGameClient, Goodbye, Hello, Refusal, RequestId, Text, ToGameClient};
use tokio::io::AsyncWriteExt;

use crate::support::{Client, PASSWORD, Server, goodbye, greeted, log_in, register, within};

/// Sends bytes as they are.
async fn send_raw(client: &mut Client, bytes: &[u8]) {
    // The server may end it before all is written.
    let _ = within(client.write.get_mut().write_all(bytes)).await;
}

#[actix::test]
async fn who_sends_garbage_is_gone_and_the_others_are_served() {
    let server = Server::start().await;
    let (mut ann, _) = server.registered("ann").await;
    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[3, 0, 250, 250, 250],
        &[255; 1000],
        &[1, 0, 9],
        // A Hello with bytes behind it.
        &[9, 0, 0, 1, b'x', 0, 0, 0, 1, 2, 3],
    ] {
        let mut eve = server.stranger().await;
        send_raw(&mut eve, garbage).await;
        eve.write.get_mut().shutdown().await.ok();
        let rest = eve.rest().await;
        assert!(!rest.iter().any(|m| matches!(m, ToGameClient::Welcome(_))), "{rest:?}");
    }
    ann.send(FromGameClient::Ping { nonce: 1 }).await;
    assert_eq!(ann.receive().await, ToGameClient::Pong { nonce: 1 });
    server.stop().await;
}

#[actix::test]
async fn a_message_has_at_most_4_kib_before_the_login() {
    let server = Server::start().await;
    let mut eve = server.client().await;
    let mut frame = 65_534u16.to_le_bytes().to_vec();
    frame.resize(65_536, 1);
    send_raw(&mut eve, &frame).await;
    assert_eq!(eve.rest().await, []);
    server.stop().await;
}

#[actix::test]
async fn the_first_message_is_hello_and_only_the_first() {
    let server = Server::start().await;
    let mut eve = server.stranger().await;
    eve.send(log_in("ann", "correct horse")).await;
    assert!(matches!(goodbye(&eve.rest().await), Goodbye::Violation { .. }));
    let mut eve = server.client().await;
    eve.send(FromGameClient::Hello(Hello::from_us("test"))).await;
    assert!(matches!(goodbye(&eve.rest().await), Goodbye::Violation { .. }));
    server.stop().await;
}

#[actix::test]
async fn a_program_of_another_version_is_told_which_side_is_too_old() {
    let server = Server::start().await;
    let mut newer = server.stranger().await;
    newer.send(FromGameClient::Hello(Hello { lowest: 1, highest: 2, ..Hello::from_us("x") })).await;
    assert_eq!(goodbye(&newer.rest().await), &Goodbye::IAmTooOld { highest: 0 });
    server.stop().await;
}

#[actix::test]
async fn who_talks_too_much_is_slowed_down_then_sent_away() {
    let server = Server::start().await;
    let (mut ann, _) = server.registered("ann").await;
    for request in 0..1300 {
        let (request, text) = (RequestId(request), Text::lossy("spam"));
        ann.send(FromGameClient::Chat { request, channel: Channel::Lobby, text }).await;
    }
    let rest = ann.rest().await;
    let said = rest.iter().filter(|m| matches!(m, ToGameClient::Said(_))).count();
    assert!((5..10).contains(&said), "{said} were heard");
    let busy =
        |m: &ToGameClient| matches!(m, ToGameClient::Refused { reason: Refusal::Busy { .. }, .. });
    assert!(rest.iter().any(busy));
    assert!(matches!(goodbye(&rest), Goodbye::Violation { .. }));
    server.stop().await;
}

#[actix::test]
async fn registrations_from_one_network_are_limited() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_in(directory.path()).await;
    let mut config = server.config.clone();
    server.stop().await;
    config.limits.registrations_per_hour = 1;
    let server = Server::start_with(config).await;
    let (_ann, _) = server.registered("ann").await;
    let mut bob = server.client().await;
    bob.send(register("bob", "correct horse")).await;
    assert!(matches!(bob.refused().await, Refusal::Busy { .. }));
    server.stop().await;
}

#[actix::test]
async fn a_server_at_every_ipv6_address_serves_ipv4_too_and_knows_who_is_who() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_with(Config {
        data_dir: directory.path().join("data"),
        listen: vec!["[::]:0".parse().unwrap()],
        ready_file: Some(directory.path().join("ready.json")),
        limits: ConfigLimits { registrations_per_hour: 1, ..Default::default() },
        ..Default::default()
    })
    .await;
    for (ip, name) in [("127.0.0.1", "ann"), ("::1", "bob")] {
        let addr = SocketAddr::new(ip.parse().unwrap(), server.addr.port());
        let mut client = greeted(addr, &server.trust).await;
        client.send(register(name, PASSWORD)).await;
        client.logged_in().await;
        // Who connects over IPv4 is of that network, and not of one that all of IPv4 shares.
        let mut another = greeted(addr, &server.trust).await;
        another.send(register("cem", PASSWORD)).await;
        assert!(matches!(another.refused().await, Refusal::Busy { .. }));
        // And over TCP as well as UDP.
        within(tokio::net::TcpStream::connect(addr)).await.unwrap();
    }
    server.stop().await;
}

#[actix::test]
async fn stopping_does_not_wait_for_who_does_not_listen() {
    let server = Server::start().await;
    let _silent = server.stranger().await;
    let (_ann, _) = server.registered("ann").await;
    let begun = Instant::now();
    server.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}
