//! What a server keeps, wherever it keeps it: accounts, bans, who has guessed too often.

use std::{path::Path, time::SystemTime};

use accounts::{
    AccountName, AuditFilter, Author, NewSanction, SanctionKind, SanctionTarget, Store,
    testing::{Durable, Postgres},
};
use login_server::{Config, config::ConfigDatabase};
use protocol::{FromGameClient, Refusal};

use crate::support::{PASSWORD, REQUEST, Server, log_in, register};

fn config(directory: &Path, database: ConfigDatabase) -> Config {
    Config {
        data_dir: directory.join("data"),
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        ready_file: Some(directory.join("ready.json")),
        database,
        ..Default::default()
    }
}

#[actix::test]
async fn everything_is_kept_in_postgresql_where_that_is_configured() {
    let postgres = Postgres::start(Durable::No);
    let directory = tempfile::tempdir().unwrap();
    let database = ConfigDatabase { url: postgres.database().await };
    let config = || config(directory.path(), database.clone());
    let server = Server::start_with(config()).await;
    let (_ann, logged_in) = server.registered("ann").await;
    server.stop().await;
    assert!(!directory.path().join("data/accounts.db").exists());

    let server = Server::start_with(config()).await;
    let mut ann = server.client().await;
    let token = logged_in.token;
    ann.send(FromGameClient::Resume { request: REQUEST, token, last: None }).await;
    assert_eq!(ann.logged_in().await.name.as_str(), "ann");
    let mut again = server.client().await;
    again.send(log_in("ANN", PASSWORD)).await;
    again.logged_in().await;
    server.stop().await;
}

#[actix::test]
async fn a_name_that_looks_like_another_or_is_reserved_is_refused() {
    let server = Server::start().await;
    let (_bob, _) = server.registered("Bob").await;
    let mut client = server.client().await;
    client.send(register("B0b", PASSWORD)).await;
    assert_eq!(client.refused().await, Refusal::NameTaken);
    client.send(register("Adm1n", PASSWORD)).await;
    let refused = client.refused().await;
    assert!(matches!(refused, Refusal::InvalidName { .. }), "{refused:?}");
    client.send(register("\u{416}\u{430}\u{43d}", PASSWORD)).await;
    client.logged_in().await;
    server.stop().await;
}

#[actix::test]
async fn after_five_wrong_passwords_also_the_right_one_has_to_wait() {
    let server = Server::start().await;
    let (_ann, _) = server.registered("ann").await;
    let (_bob, _) = server.registered("bob").await;
    let mut eve = server.client().await;
    for _ in 0..5 {
        eve.send(log_in("ann", "wrong horse")).await;
        assert_eq!(eve.refused().await, Refusal::WrongNameOrPassword);
    }
    eve.send(log_in("Ann", PASSWORD)).await;
    let refused = eve.refused().await;
    assert!(matches!(refused, Refusal::Busy { retry_after_ms: 50_000..=60_000 }), "{refused:?}");
    // A name nobody has is no other.
    for _ in 0..5 {
        eve.send(log_in("nobody1", PASSWORD)).await;
        assert_eq!(eve.refused().await, Refusal::WrongNameOrPassword);
    }
    eve.send(log_in("nobody1", PASSWORD)).await;
    assert!(matches!(eve.refused().await, Refusal::Busy { .. }));
    eve.send(log_in("bob", PASSWORD)).await;
    eve.logged_in().await;
    server.stop().await;
}

#[actix::test]
async fn who_is_banned_neither_logs_in_nor_comes_back() {
    let server = Server::start().await;
    let (mut ann, logged_in) = server.registered("ann").await;
    ann.send(FromGameClient::LogOut { request: REQUEST }).await;
    ann.receive().await;
    ann.send(log_in("ann", PASSWORD)).await;
    let token = ann.logged_in().await.token;
    assert_ne!(token, logged_in.token);

    let store = Store::open_sqlite(&server.config.data_dir.join("accounts.db")).await.unwrap();
    let account = store.account(&AccountName::parse("ann").unwrap()).await.unwrap().unwrap();
    let target = SanctionTarget::Account(account.id);
    let ban = NewSanction { kind: SanctionKind::Ban, target, reason: "cheats", expires: None };
    let now = SystemTime::now().into();
    let id = store.impose(&ban, &Author::Console, now).await.unwrap().unwrap();
    let mut again = server.client().await;
    again.send(log_in("ann", PASSWORD)).await;
    assert_eq!(again.refused().await, Refusal::WrongNameOrPassword);
    let resume = FromGameClient::Resume { request: REQUEST, token, last: None };
    again.send(resume.clone()).await;
    assert_eq!(again.refused().await, Refusal::SessionEnded);
    store.lift(id, &Author::Console, now).await.unwrap();
    again.send(resume).await;
    again.logged_in().await;

    let here = SanctionTarget::Addresses("127.0.0.0/8".parse().unwrap());
    store.impose(&NewSanction { target: here, ..ban }, &Author::Console, now).await.unwrap();
    let mut third = server.client().await;
    third.send(log_in("ann", PASSWORD)).await;
    assert_eq!(third.refused().await, Refusal::WrongNameOrPassword);
    third.send(register("newcomer", PASSWORD)).await;
    assert_eq!(third.refused().await, Refusal::Unavailable);
    assert_eq!(store.audit_entries(AuditFilter::default(), 10).await.unwrap().len(), 3);
    server.stop().await;
}
