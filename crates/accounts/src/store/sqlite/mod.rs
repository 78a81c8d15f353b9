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
    Account, AccountId, CreateAccountError, EnrollError, LauncherRecord, OpenError, Session, Store,
    StoreError,
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

    async fn revoke_launcher(&self, name: &LauncherName) -> Result<bool, StoreError> {
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
mod tests {
    use super::*;
    use crate::secret_key::SecretKey;
    use crate::token::SessionToken;

    const NOW: UnixMillis = UnixMillis::from_millis(1_000_000);
    const LATER: UnixMillis = UnixMillis::from_millis(2_000_000);

    fn name(text: &str) -> AccountName {
        AccountName::parse(text).unwrap()
    }

    fn some_hash() -> PasswordHash {
        let text =
            "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        PasswordHash::parse(text).unwrap()
    }

    /// Lets the file grow by nothing any more, or by as much as it likes.
    async fn set_full(store: &SqliteStore, full: bool) {
        let pages =
            if full { "PRAGMA max_page_count = 1" } else { "PRAGMA max_page_count = 1000000" };
        sqlx::query(pages).execute(&store.writer).await.unwrap();
    }

    #[tokio::test]
    async fn a_full_disk_is_said_so_and_is_over_when_there_is_space_again() {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&directory.path().join("accounts.db")).await.unwrap();
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
        let token =
            || SecretKey::from_bytes(&[1; 32]).hash_token(&SessionToken::generate().unwrap());
        let error = 'full: {
            for account in accounts.iter().cycle().take(32 * accounts.len()) {
                if let Err(error) = store.open_session(*account, &token(), LATER, NOW).await {
                    break 'full error;
                }
            }
            panic!("the file never gets full");
        };
        assert!(matches!(error, StoreError::Full(_)), "{error:?}");
        assert!(store.account(&name("first")).await.unwrap().is_some(), "reading works");

        set_full(&store, false).await;
        let token = token();
        store.open_session(first, &token, LATER, NOW).await.unwrap();
        assert!(store.session(&token, NOW).await.unwrap().is_some());
        store.create_account(&name("last"), some_hash(), NOW).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_written_waits_for_the_disk() {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&directory.path().join("accounts.db")).await.unwrap();
        for (pragma, expected) in
            [("synchronous", "2"), ("journal_mode", "wal"), ("foreign_keys", "1")]
        {
            let value: String = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
                "SELECT CAST({pragma} AS TEXT) FROM pragma_{pragma}"
            )))
            .fetch_one(&store.writer)
            .await
            .unwrap();
            assert_eq!(value, expected, "{pragma}");
        }
    }

    #[tokio::test]
    async fn nothing_is_written_through_a_connection_for_reading() {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&directory.path().join("accounts.db")).await.unwrap();
        let result = sqlx::query("DELETE FROM accounts").execute(&store.readers).await;
        assert!(result.is_err());
    }

    #[tokio::test]
    async fn a_row_that_makes_no_sense_is_damage() {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&directory.path().join("accounts.db")).await.unwrap();
        store.create_account(&name("first"), some_hash(), NOW).await.unwrap();
        sqlx::query("UPDATE accounts SET password_hash = 'hunter2'")
            .execute(&store.writer)
            .await
            .unwrap();
        let error = store.account(&name("first")).await.unwrap_err();
        assert!(matches!(error, StoreError::Corrupt(_)), "{error:?}");
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}
