//! The store in one file, for one machine.

mod accounts;
mod errors;
mod launchers;
mod migrations;
mod sessions;

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, Sqlite, SqliteConnection, SqlitePool, Transaction};

use crate::hashing::PasswordHash;
use crate::name::{AccountName, LauncherName};
use crate::private_file;
use crate::secret_key::KeyedHash;
use crate::store::{
    Account, AccountId, CreateAccountError, EnrollError, LauncherRecord, OpenError, Revoked,
    Session, Store, StoreError,
};
use crate::time::UnixMillis;

/// A [`Store`](crate::Store) in an SQLite file.
///
/// Written through one connection, because SQLite has one writer anyway: here it waits in a fair
/// queue instead of polling for the lock. Read through a few others, which never wait for the
/// writer (write-ahead log). Several processes may have the file open at once; it has to be on a
/// local disk. The files `-wal` and `-shm` beside it belong to it.
///
/// Every call ends within some ten seconds: it waits up to five in the queue of this process, and
/// up to five for another process to finish writing.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl SqliteStore {
    /// Opens the database at `path`, creates it (mode 0600) when there is none, and brings it to
    /// the newest version.
    ///
    /// Needs a running tokio runtime, as all methods do.
    ///
    /// # Errors
    ///
    /// [`OpenError::TooNew`] when a newer program has written it; it is left as it is.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        prepare_file(path).map_err(|source| OpenError::File { path: path.to_owned(), source })?;
        let options = options(path);
        migrate(&options).await?;
        let writer =
            pool_options(1).connect_with(options.clone()).await.map_err(StoreError::from)?;
        let readers = pool_options(READERS)
            .connect_with(options.pragma("query_only", "ON"))
            .await
            .map_err(StoreError::from)?;
        Ok(Self { writer, readers })
    }

    /// Closes the file once what is under way is done, all clones with it.
    ///
    /// Calls that come later fail with [`StoreError::Unavailable`]. Not closing loses nothing.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// A transaction that writes: it holds the write lock from the start, so that it never has to
    /// give up in the middle because another process wrote first.
    async fn begin_write(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }
}

impl Store for SqliteStore {
    async fn create_account(
        &self,
        name: &AccountName,
        password_hash: PasswordHash,
        now: UnixMillis,
    ) -> Result<AccountId, CreateAccountError> {
        accounts::create(self, name, &password_hash, now).await
    }

    async fn account(&self, name: &AccountName) -> Result<Option<Account>, StoreError> {
        accounts::find(self, name).await
    }

    async fn open_session(
        &self,
        account: AccountId,
        token: &KeyedHash,
        expires: UnixMillis,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        sessions::open(self, account, token, expires, now).await
    }

    async fn session(
        &self,
        token: &KeyedHash,
        now: UnixMillis,
    ) -> Result<Option<Session>, StoreError> {
        sessions::find(self, token, now).await
    }

    async fn extend_session(
        &self,
        token: &KeyedHash,
        expires: UnixMillis,
        now: UnixMillis,
    ) -> Result<Option<Session>, StoreError> {
        sessions::extend(self, token, expires, now).await
    }

    async fn close_session(&self, token: &KeyedHash) -> Result<bool, StoreError> {
        sessions::close(self, token).await
    }

    async fn remove_expired_sessions(&self, now: UnixMillis) -> Result<u64, StoreError> {
        sessions::remove_expired(self, now).await
    }

    async fn invite_launcher(
        &self,
        name: &LauncherName,
        secret: &KeyedHash,
        expires: UnixMillis,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        launchers::invite(self, name, secret, expires, now).await
    }

    async fn enroll_launcher(
        &self,
        secret: &KeyedHash,
        key: [u8; 32],
        now: UnixMillis,
    ) -> Result<LauncherName, EnrollError> {
        launchers::enroll(self, secret, key, now).await
    }

    async fn launcher(&self, key: &[u8; 32]) -> Result<Option<LauncherName>, StoreError> {
        launchers::find(self, key).await
    }

    async fn launchers(&self) -> Result<Vec<LauncherRecord>, StoreError> {
        launchers::list(self).await
    }

    async fn revoke_launcher(&self, name: &LauncherName) -> Result<Revoked, StoreError> {
        launchers::revoke(self, name).await
    }
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

fn millis_from(millis: i64) -> Result<UnixMillis, StoreError> {
    let millis = u64::try_from(millis).map_err(|error| StoreError::Corrupt(error.into()))?;
    Ok(UnixMillis::from_millis(millis))
}

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

async fn migrate(options: &SqliteConnectOptions) -> Result<(), OpenError> {
    let mut connection = connect(options).await?;
    let mut transaction =
        connection.begin_with("BEGIN IMMEDIATE").await.map_err(StoreError::from)?;
    migrations::run(&mut transaction).await?;
    transaction.commit().await.map_err(StoreError::from)?;
    connection.close().await.map_err(StoreError::from)?;
    Ok(())
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

#[cfg(test)]
mod tests;
