//! SQLite: one file on one machine.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Connection, SqliteConnection, SqlitePool};

use super::Tx;
use crate::private_file;
use crate::store::migrations::{self, Dialect};
use crate::store::{OpenError, StoreError};

/// Opens the file, creates it (mode 0600) when there is none, and brings it to the newest version;
/// a copy of what was there before stays beside it. Returns the writer and the readers.
pub(super) async fn open(path: &Path) -> Result<(SqlitePool, SqlitePool), OpenError> {
    let file_error = |source| OpenError::File { path: path.to_owned(), source };
    prepare_file(path).map_err(file_error)?;
    let options = options(path);
    let mut connection = connect(&options).await?;
    if let Some(version) = migrations::outdated(&mut connection).await? {
        copy_before_migrating(&mut connection, path, version).await?;
    }
    connection.close().await.map_err(StoreError::from)?;

    let writer = pool_options(1).connect_with(options.clone()).await.map_err(StoreError::from)?;
    migrate(&writer).await?;
    let readers = pool_options(READERS)
        .connect_with(options.pragma("query_only", "ON"))
        .await
        .map_err(StoreError::from)?;
    Ok((writer, readers))
}

async fn migrate(writer: &SqlitePool) -> Result<(), OpenError> {
    let begun = writer.begin_with("BEGIN IMMEDIATE").await;
    let mut transaction = begun.map_err(StoreError::from)?;
    migrations::run(&mut *transaction, Dialect::Sqlite).await?;
    let mut transaction = Tx::Sqlite(transaction);
    migrations::fill(&mut transaction).await?;
    Ok(transaction.commit().await?)
}

/// A whole copy under a name of its own. It appears under that name only when it is on disk.
async fn copy_before_migrating(
    connection: &mut SqliteConnection,
    path: &Path,
    version: u64,
) -> Result<(), OpenError> {
    let file_error = |source| OpenError::File { path: path.to_owned(), source };
    let copy = copy_name(path, version);
    let unfinished = copy.with_extension("tmp");
    let _ = fs::remove_file(&unfinished);
    private_file::create(&unfinished, &[]).map_err(file_error)?;
    let target =
        unfinished.to_str().ok_or_else(|| file_error(std::io::ErrorKind::InvalidInput.into()))?;
    sqlx::query(AssertSqlSafe(format!("VACUUM INTO '{}'", target.replace('\'', "''"))))
        .execute(connection)
        .await
        .map_err(StoreError::from)?;
    let publish = || {
        File::open(&unfinished)?.sync_all()?;
        fs::rename(&unfinished, &copy)?;
        File::open(private_file::directory_of(&copy))?.sync_all()
    };
    publish().map_err(file_error)?;
    tracing::info!(copy = %copy.display(), "the database was copied before it is brought to a newer version");
    Ok(())
}

fn copy_name(path: &Path, version: u64) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".version-{version}.bak"));
    name.into()
}

/// Longest wait for a connection of this process.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest wait for another process to finish writing.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections that read. Each is a thread; a look-up by key takes microseconds, so two are only
/// there so that a long list does not hold up a login.
const READERS: u32 = 2;

/// SQLite does not wait when two processes turn on the write-ahead log of a new file at once.
const OPEN_ATTEMPTS: u32 = 50;
const OPEN_PAUSE: Duration = Duration::from_millis(50);

fn prepare_file(path: &Path) -> std::io::Result<()> {
    // SQLite gives its other files the rights of this one.
    if !path.try_exists()? && private_file::create(path, &[])? {
        return Ok(());
    }
    if private_file::restrict(path)? {
        tracing::warn!(path = %path.display(), "others could read the database");
    }
    Ok(())
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("trusted_schema", "OFF")
        // What is erased is not to be found in the file.
        .pragma("secure_delete", "ON")
}

fn pool_options(connections: u32) -> SqlitePoolOptions {
    // A connection to a file does not go stale: neither tested before use nor replaced.
    SqlitePoolOptions::new()
        .min_connections(connections)
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .after_release(|connection, _| Box::pin(async move { is_reusable(connection).await }))
        .idle_timeout(None)
        .max_lifetime(None)
}

/// Whether a connection may serve the next caller.
///
/// SQLite ends a transaction by itself when the disk is full, and then there is nothing to roll
/// back; the driver, told so, would believe for ever to be inside a transaction. The ping makes
/// sure that the rollback was tried.
async fn is_reusable(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

async fn connect(options: &SqliteConnectOptions) -> Result<SqliteConnection, StoreError> {
    let mut attempt = 1;
    loop {
        match SqliteConnection::connect_with(options).await.map_err(StoreError::from) {
            Err(StoreError::Unavailable(_)) if attempt < OPEN_ATTEMPTS => {
                attempt += 1;
                tokio::time::sleep(OPEN_PAUSE).await;
            }
            result => return result,
        }
    }
}
