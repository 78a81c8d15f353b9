//! Launchers and their invitations in SQLite.

use sqlx::{Sqlite, Transaction};

use super::{SqliteStore, millis_from};
use crate::name::LauncherName;
use crate::secret_key::KeyedHash;
use crate::store::{EnrollError, LauncherRecord, Revoked, StoreError};
use crate::time::UnixMillis;

pub(super) async fn invite(
    store: &SqliteStore,
    name: &LauncherName,
    secret: &KeyedHash,
    expires: UnixMillis,
    now: UnixMillis,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT OR REPLACE INTO launcher_invitations
             (name_key, name, secret_hash, created_ms, expires_ms) VALUES (?, ?, ?, ?, ?)",
    )
    .bind(name.key())
    .bind(name.as_str())
    .bind(secret.as_bytes().as_slice())
    .bind(now.as_database())
    .bind(expires.as_database())
    .execute(&store.writer)
    .await?;
    Ok(())
}

pub(super) async fn enroll(
    store: &SqliteStore,
    secret: &KeyedHash,
    key: [u8; 32],
    now: UnixMillis,
) -> Result<LauncherName, EnrollError> {
    // Whoever returns early drops the transaction, and with it what was written.
    let mut transaction = store.begin_write().await?;
    let name = use_invitation(&mut transaction, secret, now).await?;
    refuse_key_of_another(&mut transaction, &name, &key).await?;
    sqlx::query(
        "INSERT INTO launchers (name_key, name, key, enrolled_ms) VALUES (?, ?, ?, ?)
         ON CONFLICT (name_key) DO UPDATE
         SET name = excluded.name, key = excluded.key, enrolled_ms = excluded.enrolled_ms",
    )
    .bind(name.key())
    .bind(name.as_str())
    .bind(key.as_slice())
    .bind(now.as_database())
    .execute(&mut *transaction)
    .await
    .map_err(StoreError::from)?;
    transaction.commit().await.map_err(StoreError::from)?;
    Ok(name)
}

async fn use_invitation(
    transaction: &mut Transaction<'static, Sqlite>,
    secret: &KeyedHash,
    now: UnixMillis,
) -> Result<LauncherName, EnrollError> {
    let row: Option<(String, i64)> =
        sqlx::query_as("SELECT name, expires_ms FROM launcher_invitations WHERE secret_hash = ?")
            .bind(secret.as_bytes().as_slice())
            .fetch_optional(&mut **transaction)
            .await
            .map_err(StoreError::from)?;
    let Some((name, expires)) = row else { return Err(EnrollError::UnknownOrUsed) };
    if millis_from(expires)? <= now {
        return Err(EnrollError::Expired);
    }
    sqlx::query("DELETE FROM launcher_invitations WHERE secret_hash = ?")
        .bind(secret.as_bytes().as_slice())
        .execute(&mut **transaction)
        .await
        .map_err(StoreError::from)?;
    Ok(name_from(&name)?)
}

async fn refuse_key_of_another(
    transaction: &mut Transaction<'static, Sqlite>,
    name: &LauncherName,
    key: &[u8; 32],
) -> Result<(), EnrollError> {
    let other: Option<(i64,)> =
        sqlx::query_as("SELECT 1 FROM launchers WHERE key = ? AND name_key <> ?")
            .bind(key.as_slice())
            .bind(name.key())
            .fetch_optional(&mut **transaction)
            .await
            .map_err(StoreError::from)?;
    match other {
        Some(_) => Err(EnrollError::KeyInUse),
        None => Ok(()),
    }
}

pub(super) async fn find(
    store: &SqliteStore,
    key: &[u8; 32],
) -> Result<Option<LauncherName>, StoreError> {
    let row: Option<(String,)> = sqlx::query_as("SELECT name FROM launchers WHERE key = ?")
        .bind(key.as_slice())
        .fetch_optional(&store.readers)
        .await?;
    row.map(|(name,)| name_from(&name)).transpose()
}

pub(super) async fn list(store: &SqliteStore) -> Result<Vec<LauncherRecord>, StoreError> {
    let rows: Vec<(String, Vec<u8>, i64)> =
        sqlx::query_as("SELECT name, key, enrolled_ms FROM launchers ORDER BY name_key")
            .fetch_all(&store.readers)
            .await?;
    rows.into_iter()
        .map(|(name, key, enrolled)| {
            Ok(LauncherRecord {
                name: name_from(&name)?,
                key: key_from(key)?,
                enrolled: millis_from(enrolled)?,
            })
        })
        .collect()
}

pub(super) async fn revoke(
    store: &SqliteStore,
    name: &LauncherName,
) -> Result<Revoked, StoreError> {
    let mut transaction = store.begin_write().await?;
    let key: Option<(Vec<u8>,)> =
        sqlx::query_as("DELETE FROM launchers WHERE name_key = ? RETURNING key")
            .bind(name.key())
            .fetch_optional(&mut *transaction)
            .await?;
    let invitations = sqlx::query("DELETE FROM launcher_invitations WHERE name_key = ?")
        .bind(name.key())
        .execute(&mut *transaction)
        .await?
        .rows_affected();
    transaction.commit().await?;
    match key {
        Some((key,)) => key_from(key).map(Revoked::Launcher),
        None if invitations > 0 => Ok(Revoked::Invitation),
        None => Ok(Revoked::Nothing),
    }
}

fn key_from(key: Vec<u8>) -> Result<[u8; 32], StoreError> {
    key.try_into().map_err(|_| StoreError::Corrupt("a key that has not 32 bytes".into()))
}

fn name_from(name: &str) -> Result<LauncherName, StoreError> {
    LauncherName::parse(name).map_err(|error| StoreError::Corrupt(error.into()))
}
