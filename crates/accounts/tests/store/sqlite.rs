//! What only a file can do: be damaged, shared, looked into.

use std::collections::HashSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use accounts::*;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};

use crate::common::*;

#[test]
fn many_may_open_a_new_file_at_once() {
    for _ in 0..50 {
        let database = Database::new();
        let together = Barrier::new(6);
        let open_and_write = |number: u32| {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            together.wait();
            runtime.block_on(async {
                let store = database.open().await;
                store.create_account(&name(&format!("n{number}")), hash(number), NOW).await.unwrap()
            })
        };
        let ids: HashSet<_> = thread::scope(|scope| {
            let threads: Vec<_> =
                (0..6).map(|number| scope.spawn(move || open_and_write(number))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(ids.len(), 6);
    }
}

#[tokio::test]
async fn a_writer_that_never_ends_holds_up_writing_for_a_limited_time_and_no_reading() {
    let database = Database::new();
    let store = database.open().await;
    store.create_account(&name("Rosa"), hash(1), NOW).await.unwrap();
    let mut other = connect(&database.path).await;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();

    let limit = Duration::from_secs(30);
    let karl = name("Karl");
    let write = tokio::time::timeout(limit, store.create_account(&karl, hash(2), NOW));
    let error = write.await.expect("it gives up").unwrap_err();
    assert!(matches!(error, CreateAccountError::Store(StoreError::Unavailable(_))), "{error:?}");
    assert!(store.account(&name("rosa")).await.unwrap().is_some(), "reading works");

    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    store.create_account(&karl, hash(2), NOW).await.unwrap();
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_refused_and_left_alone() {
    let database = Database::new();
    let store = database.open().await;
    store.create_account(&name("Rosa"), hash(1), NOW).await.unwrap();
    store.close().await;
    execute(
        &database.path,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (999, 'from the future', TRUE, x'00', 0)",
    )
    .await;
    let before = fs::read(&database.path).unwrap();
    let error = Store::open_sqlite(&database.path).await.unwrap_err();
    assert!(matches!(error, OpenError::TooNew { found: 999, known: 10 }), "{error:?}");
    assert_eq!(error.to_string(), "the database has version 999, this program knows 10 at most");
    assert_eq!(fs::read(&database.path).unwrap(), before);
}

#[tokio::test]
async fn a_database_with_other_migrations_is_refused() {
    let database = Database::new();
    database.open().await.close().await;
    execute(&database.path, "UPDATE _sqlx_migrations SET checksum = x'00' WHERE version = 2").await;
    let error = Store::open_sqlite(&database.path).await.unwrap_err();
    assert!(matches!(error, OpenError::Foreign { version: 2 }), "{error:?}");
}

#[tokio::test]
async fn what_is_no_database_is_refused_and_left_alone() {
    let database = Database::new();
    let content = b"once upon a time, there was a file of another program ".repeat(100);
    fs::write(&database.path, &content).unwrap();
    let error = Store::open_sqlite(&database.path).await.unwrap_err();
    assert!(matches!(error, OpenError::Store(StoreError::Corrupt(_))), "{error:?}");
    assert_eq!(fs::read(&database.path).unwrap(), content);
}

#[tokio::test]
async fn a_directory_that_is_missing_is_named_in_the_error() {
    let database = Database::new();
    let path = database.directory.path().join("missing/accounts.db");
    let error = Store::open_sqlite(&path).await.unwrap_err();
    assert!(matches!(error, OpenError::File { .. }), "{error:?}");
    assert!(error.to_string().contains("missing/accounts.db"), "{error}");
}

#[tokio::test]
async fn no_file_of_the_database_can_be_read_by_others() {
    let database = Database::new();
    let store = database.open().await;
    store.create_account(&name("Rosa"), hash(1), NOW).await.unwrap();
    let files: Vec<_> =
        fs::read_dir(database.directory.path()).unwrap().map(Result::unwrap).collect();
    assert_eq!(files.len(), 3, "database, log and index: {files:?}");
    for file in files {
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", file.path());
    }
}

#[tokio::test]
async fn a_database_others_could_read_is_closed_to_them() {
    let database = Database::new();
    database.open().await.close().await;
    fs::set_permissions(&database.path, Permissions::from_mode(0o664)).unwrap();
    let _store = database.open().await;
    assert_eq!(fs::metadata(&database.path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn no_file_of_the_database_contains_a_secret() {
    let database = Database::new();
    let store = database.open().await;
    let cheap = HashParameters { memory_kib: 8, iterations: 1, parallelism: 1 };
    let queue =
        HashQueue::new(HashQueueConfig { parameters: cheap, ..Default::default() }).unwrap();
    let text = "correct horse battery staple";
    let origin = Origin::new([192, 0, 2, 1].into(), 1);
    let password_hash = queue.hash(origin, Password::new(text.to_owned()).unwrap()).await.unwrap();
    let id = store.create_account(&name("Rosa"), password_hash, NOW).await.unwrap();
    let session = SessionToken::generate().unwrap();
    store
        .open_session(id, &crate::common::session(&key().hash_token(&session), LATER), NOW)
        .await
        .unwrap();
    let invitation = accounts::EnrollmentSecret::generate().unwrap();
    let invited = key().hash_enrollment(&invitation);
    store.invite_launcher(&launcher("Hall"), &invited, LATER, &BY, NOW).await.unwrap();

    let content = everything_in(database.directory.path());
    assert!(contains(&content, b"Rosa"), "this looks in the right place");
    assert!(contains(&content, b"$argon2id$"));
    assert!(!contains(&content, text.as_bytes()), "the password");
    assert!(!contains(&content, session.as_bytes()), "the token");
    assert!(!contains(&content, session.to_text().as_bytes()), "the token as text");
    assert!(!contains(&content, invitation.as_bytes()), "the enrolment secret");
    assert!(!contains(&content, invitation.to_text().as_bytes()), "the enrolment secret as text");
    assert!(!contains(&content, &[3; 32]), "the key");
}

/// Another program with the file open.
async fn connect(path: &Path) -> SqliteConnection {
    SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(path)).await.unwrap()
}

/// Does to the file what no method does.
async fn execute(path: &Path, sql: &'static str) {
    let mut connection = connect(path).await;
    sqlx::query(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

fn everything_in(directory: &Path) -> Vec<u8> {
    let read = |entry: std::io::Result<fs::DirEntry>| fs::read(entry.unwrap().path()).unwrap();
    fs::read_dir(directory).unwrap().flat_map(read).collect()
}

fn contains(content: &[u8], wanted: &[u8]) -> bool {
    content.windows(wanted.len()).any(|window| window == wanted)
}

/// As a program of today that finds what one of yesterday has left.
#[tokio::test]
async fn an_older_database_is_copied_before_it_is_brought_to_the_newest_version() {
    let database = Database::new();
    let old = [
        include_str!("../../migrations/0001_accounts.sql"),
        include_str!("../../migrations/0002_sessions.sql"),
        include_str!("../../migrations/0003_launchers.sql"),
    ];
    // What the migrations of that program left, with the names and sums it wrote down.
    let mut connection = SqliteConnection::connect_with(
        &SqliteConnectOptions::new().filename(&database.path).create_if_missing(true),
    )
    .await
    .unwrap();
    let migrations = (1..).zip(["accounts", "sessions", "launchers"]).zip(old);
    let migrations = migrations.map(|((version, description), sql)| {
        let kind = sqlx::migrate::MigrationType::Simple;
        sqlx::migrate::Migration::new(
            version,
            description.into(),
            kind,
            sqlx::SqlSafeStr::into_sql_str(sql),
            false,
        )
    });
    let migrator = sqlx::migrate::Migrator::with_migrations(migrations.collect());
    migrator.run_direct(None, &mut connection, false).await.unwrap();
    for (id, text) in [(1, "Bob"), (2, "B0b"), (3, "Rosa")] {
        sqlx::query("INSERT INTO accounts VALUES (?, ?, ?, ?, 1000)")
            .bind(id)
            .bind(text)
            .bind(text.to_lowercase())
            .bind(hash(1).as_str())
            .execute(&mut connection)
            .await
            .unwrap();
    }
    connection.close().await.unwrap();

    let store = database.open().await;
    for text in ["Bob", "B0b", "Rosa"] {
        let account =
            store.account(&name(text)).await.unwrap().expect("everybody keeps their name");
        assert_eq!(
            (account.seen, account.role.as_str()),
            (UnixMillis::from_millis(1000), "player")
        );
    }
    let error = store.create_account(&name("bOB"), hash(1), NOW).await.unwrap_err();
    assert!(matches!(error, CreateAccountError::NameTaken), "{error:?}");
    let error = store.create_account(&name("r0sa"), hash(1), NOW).await.unwrap_err();
    assert!(matches!(error, CreateAccountError::NameTaken), "{error:?}");

    let copy = database.directory.path().join("accounts.db.version-3.bak");
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    let mut connection = connect(&copy).await;
    let kept: Vec<(String,)> = sqlx::query_as("SELECT name FROM accounts ORDER BY id")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    assert_eq!(kept.len(), 3);
    let version: (i64,) = sqlx::query_as("SELECT MAX(version) FROM _sqlx_migrations")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(version.0, 3);
    let before = fs::read_dir(database.directory.path()).unwrap().count();
    drop(store);
    let _again = database.open().await;
    assert_eq!(fs::read_dir(database.directory.path()).unwrap().count(), before, "no further copy");
}

#[tokio::test]
async fn what_is_in_the_audit_log_stays() {
    let database = Database::new();
    let store = database.open().await;
    store.audit(&Audited::of(AuditAction::Kicked, &BY), NOW).await.unwrap();
    let mut connection = connect(&database.path).await;
    for sql in [
        "DELETE FROM audit",
        "UPDATE audit SET author = 'system'",
        "UPDATE audit SET address = '::1'",
    ] {
        let error = sqlx::query(sql).execute(&mut connection).await.unwrap_err();
        assert!(error.to_string().contains("only ever added to"), "{error}");
    }
}
