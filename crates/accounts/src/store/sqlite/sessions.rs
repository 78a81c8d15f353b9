//! Sessions in SQLite.

use sqlx::{Sqlite, SqliteExecutor, Transaction};

use super::accounts::{id_from, id_to, name_from};
use super::{SqliteStore, millis_from};
use crate::secret_key::KeyedHash;
use crate::store::{AccountId, MAX_SESSIONS_PER_ACCOUNT, Session, StoreError};
use crate::time::UnixMillis;

pub(super) async fn open(
    store: &SqliteStore,
    account: AccountId,
    token: &KeyedHash,
    expires: UnixMillis,
    now: UnixMillis,
) -> Result<(), StoreError> {
    let mut transaction = store.begin_write().await?;
    write(&mut transaction, account, token, expires, now).await?;
    // By id, not by time: the clock may have been set back.
    sqlx::query(
        "DELETE FROM sessions WHERE id IN (
             SELECT id FROM sessions WHERE account_id = ? ORDER BY id DESC LIMIT -1 OFFSET ?)",
    )
    .bind(id_to(account))
    .bind(MAX_SESSIONS_PER_ACCOUNT)
    .execute(&mut *transaction)
    .await?;
    Ok(transaction.commit().await?)
}

pub(super) async fn find(
    store: &SqliteStore,
    token: &KeyedHash,
    now: UnixMillis,
) -> Result<Option<Session>, StoreError> {
    read(&store.readers, token, now).await
}

pub(super) async fn extend(
    store: &SqliteStore,
    token: &KeyedHash,
    expires: UnixMillis,
    now: UnixMillis,
) -> Result<Option<Session>, StoreError> {
    let mut transaction = store.begin_write().await?;
    let Some(session) = read(&mut *transaction, token, now).await? else { return Ok(None) };
    // Written anew, not updated: with a new id it is not the oldest.
    write(&mut transaction, session.account, token, expires, now).await?;
    transaction.commit().await?;
    Ok(Some(Session { expires, ..session }))
}

pub(super) async fn close(store: &SqliteStore, token: &KeyedHash) -> Result<bool, StoreError> {
    let done = sqlx::query("DELETE FROM sessions WHERE token_hash = ?")
        .bind(token.as_bytes().as_slice())
        .execute(&store.writer)
        .await?;
    Ok(done.rows_affected() > 0)
}

async fn read(
    database: impl SqliteExecutor<'_>,
    token: &KeyedHash,
    now: UnixMillis,
) -> Result<Option<Session>, StoreError> {
    let row: Option<(i64, String, i64)> = sqlx::query_as(
        "SELECT accounts.id, accounts.name, sessions.expires_ms
         FROM sessions JOIN accounts ON accounts.id = sessions.account_id
         WHERE sessions.token_hash = ? AND sessions.expires_ms > ?",
    )
    .bind(token.as_bytes().as_slice())
    .bind(now.as_database())
    .fetch_optional(database)
    .await?;
    let Some((id, name, expires)) = row else { return Ok(None) };
    Ok(Some(Session {
        account: id_from(id)?,
        name: name_from(&name)?,
        expires: millis_from(expires)?,
    }))
}

async fn write(
    transaction: &mut Transaction<'static, Sqlite>,
    account: AccountId,
    token: &KeyedHash,
    expires: UnixMillis,
    now: UnixMillis,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT OR REPLACE INTO sessions (token_hash, account_id, created_ms, expires_ms)
         VALUES (?, ?, ?, ?)",
    )
    .bind(token.as_bytes().as_slice())
    .bind(id_to(account))
    .bind(now.as_database())
    .bind(expires.as_database())
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

pub(super) async fn remove_expired(
    store: &SqliteStore,
    now: UnixMillis,
) -> Result<u64, StoreError> {
    let mut removed = 0;
    loop {
        let portion = sqlx::query(
            "DELETE FROM sessions WHERE id IN (
                 SELECT id FROM sessions WHERE expires_ms <= ? LIMIT ?)",
        )
        .bind(now.as_database())
        .bind(PORTION)
        .execute(&store.writer)
        .await?
        .rows_affected();
        removed += portion;
        if portion < u64::from(PORTION) {
            return Ok(removed);
        }
    }
}

/// Sessions removed at once: some milliseconds of the one writer.
const PORTION: u32 = 500;
