//! What only shows inside: the disk fills up, rows make no sense, settings.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use sqlx::SqlitePool;

use super::*;
use crate::hashing::PasswordHash;
use crate::name::AccountName;
use crate::secret_key::{KeyedHash, SecretKey};
use crate::token::SessionToken;

const NOW: UnixMillis = UnixMillis::from_millis(1_000_000);
const LATER: UnixMillis = UnixMillis::from_millis(2_000_000);

fn name(text: &str) -> AccountName {
    AccountName::parse(text).unwrap()
}

fn some_hash() -> PasswordHash {
    let text = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    PasswordHash::parse(text).unwrap()
}

fn session(token: &KeyedHash) -> NewSession<'_> {
    NewSession { token, expires: LATER, prefix: None, client: "" }
}

fn writer(store: &Store) -> &SqlitePool {
    let Database::Sqlite { writer, .. } = &store.database else { panic!("not SQLite") };
    writer
}

/// Lets the file grow by nothing any more, or by as much as it likes.
async fn set_full(store: &Store, full: bool) {
    let pages = if full { "PRAGMA max_page_count = 1" } else { "PRAGMA max_page_count = 1000000" };
    sqlx::query(pages).execute(writer(store)).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_is_said_so_and_is_over_when_there_is_space_again() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open_sqlite(&directory.path().join("accounts.db")).await.unwrap();
    let first = store.create_account(&name("first"), some_hash(), NOW).await.unwrap();
    set_full(&store, true).await;

    // There is room left on the last pages of the tables; not for this many.
    let mut accounts = vec![first];
    let error = loop {
        let next = name(&format!("n{}", accounts.len()));
        match store.create_account(&next, some_hash(), NOW).await {
            Ok(id) => accounts.push(id),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, CreateAccountError::Store(StoreError::Full(_))), "{error:?}");
    let token = || SecretKey::from_bytes(&[1; 32]).hash_token(&SessionToken::generate().unwrap());
    let error = 'full: {
        for account in accounts.iter().cycle().take(32 * accounts.len()) {
            if let Err(error) = store.open_session(*account, &session(&token()), NOW).await {
                break 'full error;
            }
        }
        panic!("the file never gets full");
    };
    assert!(matches!(error, StoreError::Full(_)), "{error:?}");
    assert!(store.account(&name("first")).await.unwrap().is_some(), "reading works");

    set_full(&store, false).await;
    let token = token();
    store.open_session(first, &session(&token), NOW).await.unwrap();
    assert!(store.session(&token, NOW).await.unwrap().is_some());
    store.create_account(&name("last"), some_hash(), NOW).await.unwrap();
}

#[tokio::test]
async fn what_is_written_waits_for_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open_sqlite(&directory.path().join("accounts.db")).await.unwrap();
    for (pragma, expected) in [("synchronous", "2"), ("journal_mode", "wal"), ("foreign_keys", "1")]
    {
        let value: String = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
            "SELECT CAST({pragma} AS TEXT) FROM pragma_{pragma}"
        )))
        .fetch_one(writer(&store))
        .await
        .unwrap();
        assert_eq!(value, expected, "{pragma}");
    }
}

#[tokio::test]
async fn nothing_is_written_through_a_connection_for_reading() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open_sqlite(&directory.path().join("accounts.db")).await.unwrap();
    let Database::Sqlite { readers, .. } = &store.database else { panic!("not SQLite") };
    let result = sqlx::query("DELETE FROM accounts").execute(readers).await;
    assert!(result.is_err());
}

#[tokio::test]
async fn a_row_that_makes_no_sense_is_damage() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open_sqlite(&directory.path().join("accounts.db")).await.unwrap();
    store.create_account(&name("first"), some_hash(), NOW).await.unwrap();
    sqlx::query("UPDATE accounts SET password_hash = 'hunter2'")
        .execute(writer(&store))
        .await
        .unwrap();
    let error = store.account(&name("first")).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt(_)), "{error:?}");
    assert!(!format!("{error:?}").contains("hunter2"));
}

/// The other way a disk fills up: not when a statement asks for a page, but when the commit writes
/// to the log. SQLite then ends the transaction itself, behind the driver's back.
///
/// Files of another process may only grow so far; a checkpoint makes room in its log.
#[test]
fn a_commit_that_finds_no_space_is_over_when_there_is_space_again() {
    let directory = tempfile::tempdir().unwrap();
    let output = Command::new("sh")
        .args(["-c", r#"trap "" XFSZ; ulimit -f 1000; exec "$0" "$@""#])
        .arg(env::current_exe().unwrap())
        .args(["--exact", "store::tests::fills_the_disk", "--nocapture"])
        .env(FULL, directory.path().join("accounts.db"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("went on"), "{output:?}");
}

/// Not a test of its own, see above.
#[tokio::test]
async fn fills_the_disk() {
    let Some(path) = env::var_os(FULL).map(PathBuf::from) else { return };
    let store = Store::open_sqlite(&path).await.unwrap();
    let account = store.create_account(&name("first"), some_hash(), NOW).await.unwrap();
    let token = || SecretKey::from_bytes(&[1; 32]).hash_token(&SessionToken::generate().unwrap());
    let mut opened = Vec::new();
    for number in 0.. {
        let token = token();
        match store.open_session(account, &session(&token), NOW).await {
            Ok(_) => opened.push(token),
            Err(StoreError::Full(_) | StoreError::Other(_)) => break,
            Err(error) => panic!("{error:?}"),
        }
        assert!(number < 10_000, "the file never gets full");
    }
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(writer(&store)).await.unwrap();
    opened.push(token());
    store.open_session(account, &session(opened.last().unwrap()), NOW).await.unwrap();
    for token in &opened[opened.len().saturating_sub(10)..] {
        assert!(store.session(token, NOW).await.unwrap().is_some());
    }
    println!("went on after {}", opened.len());
}

const FULL: &str = "ACCOUNTS_FULL_PATH";

#[tokio::test]
async fn a_backup_has_every_column_of_every_table() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open_sqlite(&directory.path().join("accounts.db")).await.unwrap();
    let sql = "SELECT tables.name, columns.name
               FROM sqlite_schema AS tables JOIN pragma_table_info(tables.name) AS columns
               WHERE tables.type = 'table' AND tables.name NOT LIKE 'sqlite_%'
                   AND tables.name <> '_sqlx_migrations'";
    let rows = store.database.rows(sql, &[]).await.unwrap();
    let mut there: Vec<(String, String)> =
        rows.iter().map(|row| (row.get(0).unwrap(), row.get(1).unwrap())).collect();
    let mut copied: Vec<_> = backup::columns().map(|(t, c)| (t.to_owned(), c.to_owned())).collect();
    there.sort();
    copied.sort();
    assert_eq!(there, copied);
}
