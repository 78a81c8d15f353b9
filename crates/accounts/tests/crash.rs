//! Processes that are killed while they write: what was told to be written is there, and whole.
//!
//! A few times here, a hundred times each in `cargo xtask soak`.

#[path = "store/common.rs"]
mod common;

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use accounts::testing::{Durable, Postgres};
use accounts::{AccountId, AuditAction, AuditFilter, Audited, Author, DataKey, Expect, Store};
use common::{BY, Database, LATER, NOW, hash, name, session, token};

#[tokio::test]
async fn every_acknowledged_write_survives_kill_9_in_sqlite() {
    kill_writers(&Database::new(), 4).await;
}

#[tokio::test]
async fn every_acknowledged_write_survives_kill_9_in_postgresql() {
    let mut server = Postgres::start(Durable::Yes);
    let database = Database::in_postgres(&server).await;
    kill_writers(&database, 2).await;
    kill_servers(&mut server, &database, 2).await;
}

mod soak {
    use super::*;

    #[tokio::test]
    #[ignore = "soak"]
    async fn a_hundred_kills_lose_nothing_in_sqlite() {
        kill_writers(&Database::new(), 100).await;
    }

    #[tokio::test]
    #[ignore = "soak"]
    async fn a_hundred_kills_of_writers_lose_nothing_in_postgresql() {
        let server = Postgres::start(Durable::Yes);
        kill_writers(&Database::in_postgres(&server).await, 100).await;
    }

    #[tokio::test]
    #[ignore = "soak"]
    async fn a_hundred_kills_of_the_server_lose_nothing_in_postgresql() {
        let mut server = Postgres::start(Durable::Yes);
        let database = Database::in_postgres(&server).await;
        kill_servers(&mut server, &database, 100).await;
    }
}

/// Kills the program that writes, again and again, on one database.
async fn kill_writers(database: &Database, rounds: u8) {
    let mut acknowledged = BTreeMap::new();
    for round in 0..rounds {
        let mut writer = start_writer(database, round);
        let killed =
            wait_for_writes(&mut writer, &mut acknowledged, |writer| writer.kill().unwrap());
        assert!(!killed, "it was killed, not done");
        check(database, &acknowledged, round).await;
    }
}

/// Kills the server of the database. The program that writes is refused, or only has to connect
/// again if the server is back soon enough: then it is killed, too.
async fn kill_servers(server: &mut Postgres, database: &Database, rounds: u8) {
    let mut acknowledged = BTreeMap::new();
    for round in 100..100 + rounds {
        let mut writer = start_writer(database, round);
        wait_for_writes(&mut writer, &mut acknowledged, |writer| {
            server.kill_and_restart();
            // One that has ended already is as good.
            let _ = writer.kill();
        });
        check(database, &acknowledged, round).await;
    }
}

/// Kills after some writes, and takes down every write that was acknowledged. Says whether the
/// writer ended well.
fn wait_for_writes(
    writer: &mut Child,
    acknowledged: &mut BTreeMap<String, u64>,
    mut kill: impl FnMut(&mut Child),
) -> bool {
    let mut told = 0;
    // After the kill, what is still in the pipe was acknowledged, too.
    for line in BufReader::new(writer.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let Some((name, id)) = line.strip_prefix("created ").and_then(|l| l.split_once(' ')) else {
            continue;
        };
        acknowledged.insert(name.to_owned(), id.parse::<u64>().unwrap());
        told += 1;
        if told == WRITES {
            kill(writer);
        }
    }
    assert!(told >= WRITES, "only {told} accounts were created");
    writer.wait().unwrap().success()
}

/// Opens the store, as soon as the server that was killed takes connections again.
async fn open(database: &Database) -> Store {
    let begun = Instant::now();
    loop {
        match Store::open(&database.url).await {
            Ok(store) => return store,
            Err(error) => assert!(begun.elapsed() < BACK_WITHIN, "{error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What was acknowledged is there; what is there is whole.
async fn check(database: &Database, acknowledged: &BTreeMap<String, u64>, round: u8) {
    let store = open(database).await;
    // Those of this round only: the others were looked at before.
    let prefix = format!("r{round}.");
    for (text, id) in acknowledged.iter().filter(|(text, _)| text.starts_with(&prefix)) {
        let account = store.account(&name(text)).await.unwrap().expect("acknowledged");
        assert_eq!((account.id.as_u64(), account.name.as_str()), (*id, text.as_str()));
        let value = store.data(account.id, &key("game"), &key("name")).await.unwrap();
        assert_eq!(value.expect("acknowledged").value, text.as_bytes());
    }
    let session = store.session(&token(round), NOW).await.unwrap().expect("acknowledged");
    assert_eq!(session.name.as_str(), format!("r{round}.t0.n0"));

    // All from all rounds: nothing was lost later.
    let mut there = BTreeMap::new();
    let mut after = None;
    loop {
        let page = store.accounts(after, 500).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        there.extend(page.iter().map(|a| (a.name.as_str().to_owned(), a.id.as_u64())));
    }
    for (text, id) in acknowledged {
        assert_eq!(there.get(text), Some(id), "{text}");
    }

    // Setting a password closes the sessions, and is written down: all three or none.
    for (text, id) in there.iter().filter(|(text, _)| text.starts_with(&prefix)) {
        let id = AccountId::from_u64(*id);
        let changed = store.account_by_id(id).await.unwrap().unwrap().password_hash.unwrap();
        let changed = changed.as_str() == hash(7).as_str();
        let about = AuditFilter { subject: Some(id), ..Default::default() };
        let entries = store.audit_entries(about, 10).await.unwrap();
        assert_eq!(entries.iter().any(|e| e.action == "password-set"), changed, "{text}");
        let open = store.sessions(id, NOW).await.unwrap().len();
        assert!(!changed || open == 0 || text.ends_with(".t0.n0"), "{text}");
    }
    store.close().await;
}

/// Not a test of its own: what [`start_writer`] runs in a process of its own.
#[tokio::test]
async fn writes_until_it_is_killed() {
    let (Ok(url), Ok(round)) = (env::var(URL), env::var(ROUND)) else { return };
    let store = Store::open(&url.parse().unwrap()).await.unwrap();
    let mut writers = Vec::new();
    for task in 0..3 {
        let (store, round) = (store.clone(), round.clone());
        writers.push(tokio::spawn(async move {
            for number in 0_u32.. {
                let text = format!("r{round}.t{task}.n{number}");
                let Some(id) = write(&store, &text, number).await else { return };
                if (task, number) == (0, 0) {
                    let token = token(round.parse().unwrap());
                    store.open_session(id, &session(&token, LATER), NOW).await.unwrap();
                }
                // A line is one write, so that a kill leaves whole lines.
                let line = format!("\ncreated {text} {id}\n");
                std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
                std::io::stdout().flush().unwrap();
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
}

/// None when the database is gone.
async fn write(store: &Store, text: &str, number: u32) -> Option<AccountId> {
    let id = store.create_account(&name(text), hash(1), NOW).await.ok()?;
    let value = text.as_bytes();
    store.put_data(id, &key("game"), &key("name"), value, Expect::Nothing, NOW).await.ok()?;
    if number % 3 == 1 {
        let by = Author::Account(id);
        store.audit(&Audited::of(AuditAction::Kicked, &by), NOW).await.ok()?;
        let own = common::key().hash_token(&accounts::SessionToken::generate().unwrap());
        store.open_session(id, &session(&own, LATER), NOW).await.ok()?;
        store.set_password(id, hash(7), None, &BY, NOW).await.ok()?;
    }
    Some(id)
}

fn key(text: &str) -> DataKey {
    DataKey::parse(text).unwrap()
}

fn start_writer(database: &Database, round: u8) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "writes_until_it_is_killed", "--nocapture"])
        .env(URL, database.url.to_string())
        .env(ROUND, round.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Written before each kill, at least.
const WRITES: u32 = 30;

/// A server recovers first, and machines of tests are busy.
const BACK_WITHIN: Duration = Duration::from_secs(60);

const URL: &str = "ACCOUNTS_CRASH_URL";
const ROUND: &str = "ACCOUNTS_CRASH_ROUND";
