//! Accounts in SQLite.

use super::SqliteStore;
use crate::hashing::PasswordHash;
use crate::name::AccountName;
use crate::store::{Account, AccountId, CreateAccountError, StoreError};
use crate::time::UnixMillis;

pub(super) async fn create(
    store: &SqliteStore,
    name: &AccountName,
    password_hash: &PasswordHash,
    now: UnixMillis,
) -> Result<AccountId, CreateAccountError> {
    // Without RETURNING: its row would arrive before the commit is known to have worked.
    let done = sqlx::query(
        "INSERT INTO accounts (name, name_key, password_hash, created_ms) VALUES (?, ?, ?, ?)
         ON CONFLICT (name_key) DO NOTHING",
    )
    .bind(name.as_str())
    .bind(name.key())
    .bind(password_hash.as_str())
    .bind(now.as_database())
    .execute(&store.writer)
    .await
    .map_err(StoreError::from)?;
    if done.rows_affected() == 0 {
        return Err(CreateAccountError::NameTaken);
    }
    Ok(id_from(done.last_insert_rowid())?)
}

pub(super) async fn find(
    store: &SqliteStore,
    name: &AccountName,
) -> Result<Option<Account>, StoreError> {
    let row: Option<(i64, String, String)> =
        sqlx::query_as("SELECT id, name, password_hash FROM accounts WHERE name_key = ?")
            .bind(name.key())
            .fetch_optional(&store.readers)
            .await?;
    let Some((id, name, password_hash)) = row else { return Ok(None) };
    let password_hash =
        PasswordHash::parse(&password_hash).map_err(|error| StoreError::Corrupt(error.into()))?;
    Ok(Some(Account { id: id_from(id)?, name: name_from(&name)?, password_hash }))
}

pub(super) fn id_from(id: i64) -> Result<AccountId, StoreError> {
    let id = u64::try_from(id).map_err(|error| StoreError::Corrupt(error.into()))?;
    Ok(AccountId::from_u64(id))
}

/// An id that no row can have finds none.
pub(super) fn id_to(id: AccountId) -> i64 {
    i64::try_from(id.as_u64()).unwrap_or(-1)
}

pub(super) fn name_from(name: &str) -> Result<AccountName, StoreError> {
    AccountName::parse(name).map_err(|error| StoreError::Corrupt(error.into()))
}
