//! What only a server can do: go away, fall short of space, belong to a newer program.

use accounts::testing::{Durable, Postgres};
use accounts::*;
use sqlx::{Connection, PgConnection};

use crate::common::*;

/// Does to the database what no method does.
async fn execute(database: &Database, sql: &'static str) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(&database.url.to_string()).await.unwrap();
    let result = sqlx::raw_sql(sql).execute(&mut connection).await.map(drop);
    connection.close().await.unwrap();
    result
}

#[tokio::test]
async fn a_server_with_troubles_is_told_by_what_can_be_done() {
    let mut server = Postgres::start(Durable::No);
    let database = Database::in_postgres(&server).await;
    let store = database.open().await;
    let rosa = account(&store, "Rosa").await;

    // No space: said by the server itself, in its own words.
    let full = "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
                CREATE TRIGGER full_disk BEFORE INSERT ON sessions
                FOR EACH ROW EXECUTE FUNCTION full_disk();";
    execute(&database, full).await.unwrap();
    let error = store.open_session(rosa, &session(&token(1), LATER), NOW).await.unwrap_err();
    assert!(matches!(error, StoreError::Full(_)), "{error:?}");
    assert!(store.account(&name("rosa")).await.unwrap().is_some(), "reading works");
    execute(&database, "DROP TRIGGER full_disk ON sessions").await.unwrap();
    store.open_session(rosa, &session(&token(1), LATER), NOW).await.unwrap();

    // What is in the audit log stays.
    store.audit(&Audited::of(AuditAction::Kicked, &BY), NOW).await.unwrap();
    for sql in ["DELETE FROM audit", "UPDATE audit SET author = 'system'"] {
        let error = execute(&database, sql).await.unwrap_err();
        assert!(error.to_string().contains("only ever added to"), "{error}");
    }

    // The server dies, and comes back: the store goes on by itself.
    server.kill_and_restart();
    let mut refusals = 0;
    while let Err(error) = store.session(&token(1), NOW).await {
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
        refusals += 1;
        assert!(refusals < 20, "every connection is found dead once");
    }
    account(&store, "Karl").await;

    // What is acknowledged is on disk, whatever the server's own default is.
    execute(&database, "ALTER SYSTEM SET synchronous_commit = off").await.unwrap();
    execute(&database, "SELECT pg_reload_conf()").await.unwrap();
    let again = database.open().await;
    account(&again, "Third").await;

    // A newer program has been here.
    execute(
        &database,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (999, 'from the future', TRUE, '\\x00', 0)",
    )
    .await
    .unwrap();
    let error = Store::open(&database.url).await.unwrap_err();
    assert!(matches!(error, OpenError::TooNew { found: 999, known: 10 }), "{error:?}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_said_so_within_a_limited_time() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("postgres:///x?host={}&user=u", directory.path().display());
    let url = url.parse().unwrap();
    let opened = tokio::time::timeout(std::time::Duration::from_secs(60), Store::open(&url));
    let error = opened.await.expect("it gives up").unwrap_err();
    assert!(matches!(error, OpenError::Store(StoreError::Unavailable(_))), "{error:?}");
}

#[tokio::test]
async fn what_was_kept_in_a_file_is_restored_into_a_server_and_back() {
    let server = Postgres::start(Durable::No);
    let (file, database, back) =
        (Database::new(), Database::in_postgres(&server).await, Database::new());
    let store = file.open().await;
    let rosa = crate::copies::fill(&store).await;
    let copies: Vec<_> = (0..3).map(|n| file.directory.path().join(format!("copy-{n}"))).collect();
    store.backup(&copies[0], &[], &BY, NOW).await.unwrap();
    let moved = database.open().await;
    moved.restore(&copies[0], &BY, NOW).await.unwrap();
    moved.backup(&copies[1], &[], &BY, NOW).await.unwrap();
    let home = back.open().await;
    home.restore(&copies[1], &BY, NOW).await.unwrap();
    home.backup(&copies[2], &[], &BY, NOW).await.unwrap();

    let rows = |path| {
        let text = std::fs::read_to_string(path).unwrap();
        let kept = text.lines().filter(|l| l.starts_with("{\"row\"") && !l.contains("backup-"));
        kept.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(rows(&copies[1]), rows(&copies[0]));
    assert_eq!(rows(&copies[2]), rows(&copies[0]));
    assert!(account(&moved, "Newcomer").await > rosa);
    assert!(moved.session(&token(1), NOW).await.unwrap().is_some());
}
