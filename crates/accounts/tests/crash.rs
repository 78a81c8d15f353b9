//! A process that is killed while it writes: what it was told is written, is there.

#[path = "store/common.rs"]
mod common;

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use accounts::Store;
use common::{Database, LATER, NOW, hash, name, session as new_session, token};

/// Every account and session a killed process had been told of is there, whole, and the file still
/// works: several times over, on the same file.
#[tokio::test]
async fn every_acknowledged_write_survives_kill_9() {
    let database = Database::new();
    let mut acknowledged = BTreeMap::new();
    for round in 0..4 {
        let mut writer = start_writer(&database.path, round);
        let lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        let mut told = 0;
        for line in lines {
            // After the kill, what is still in the pipe was acknowledged, too.
            if let Some((name, id)) =
                line.unwrap().strip_prefix("created ").and_then(|l| l.split_once(' '))
            {
                acknowledged.insert(name.to_owned(), id.parse::<u64>().unwrap());
                told += 1;
            }
            if told == 30 {
                writer.kill().unwrap();
            }
        }
        assert!(!writer.wait().unwrap().success(), "it was killed, not done");
        assert!(told >= 30, "only {told} accounts were created");

        let store = database.open().await;
        for (text, id) in &acknowledged {
            let account = store.account(&name(text)).await.unwrap().expect("acknowledged");
            assert_eq!((account.id.as_u64(), account.name.as_str()), (*id, text.as_str()));
        }
        let session = store.session(&token(round), NOW).await.unwrap().expect("acknowledged");
        assert_eq!(session.name.as_str(), format!("r{round}.t0.n0"));
        store.close().await;
    }
}

/// Not a test of its own: what [`start_writer`] runs in a process of its own.
#[tokio::test]
async fn writes_until_it_is_killed() {
    let (Some(path), Ok(round)) = (env::var_os(PATH), env::var(ROUND)) else { return };
    let store = Store::open_sqlite(Path::new(&path)).await.unwrap();
    let session = token(round.parse().unwrap());
    let mut writers = Vec::new();
    for task in 0..3 {
        let (store, round) = (store.clone(), round.clone());
        writers.push(tokio::spawn(async move {
            for number in 0.. {
                let text = format!("r{round}.t{task}.n{number}");
                let id = store.create_account(&name(&text), hash(number), NOW).await.unwrap();
                if (task, number) == (0, 0) {
                    store.open_session(id, &new_session(&session, LATER), NOW).await.unwrap();
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

fn start_writer(path: &Path, round: u8) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "writes_until_it_is_killed", "--nocapture"])
        .env(PATH, path)
        .env(ROUND, round.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

const PATH: &str = "ACCOUNTS_CRASH_PATH";
const ROUND: &str = "ACCOUNTS_CRASH_ROUND";
