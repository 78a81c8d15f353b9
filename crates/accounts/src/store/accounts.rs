//! Accounts: names, passwords, roles.

use super::audit::{AuditAction, Audited, Author};
use super::error::{CreateAccountError, StoreError};
use super::sql::{About, Row, Tx, Value};
use super::{AccountId, PAGE, Store};
use crate::hashing::PasswordHash;
use crate::name::AccountName;
use crate::role::RoleName;
use crate::secret_key::KeyedHash;
use crate::time::UnixMillis;

/// An account, as the store has it.
#[derive(Clone, Debug)]
pub struct Account {
    /// Which one.
    pub id: AccountId,
    /// Its name, as its owner wrote it when registering; [`AccountName::is_guest`] says whether it
    /// is a guest's.
    pub name: AccountName,
    /// What a password is checked against. None: nobody can log in with a password; guests.
    pub password_hash: Option<PasswordHash>,
    /// What its owner may do.
    pub role: RoleName,
    /// Since when there is this account.
    pub created: UnixMillis,
    /// When its owner last opened or continued a session, or was created.
    pub seen: UnixMillis,
}

impl Store {
    /// Creates an account.
    ///
    /// # Errors
    ///
    /// [`CreateAccountError::NameTaken`] when an account has this name, in whatever case, or one
    /// that looks like it.
    pub async fn create_account(
        &self,
        name: &AccountName,
        password_hash: PasswordHash,
        now: UnixMillis,
    ) -> Result<AccountId, CreateAccountError> {
        let mut tx = self.database.begin(About::Rows).await?;
        let id = insert(&mut tx, name, Some(&password_hash), now).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// The account with this name, in whatever case. A name that only looks like it finds nothing.
    ///
    /// # Errors
    ///
    /// When the store does not work.
    pub async fn account(&self, name: &AccountName) -> Result<Option<Account>, StoreError> {
        let sql = "SELECT id, name, password_hash, role, created_ms, seen_ms
                   FROM accounts WHERE name_key = $1";
        self.database.row(sql, &[name.key().into()]).await?.as_ref().map(read).transpose()
    }

    /// The account with this id.
    ///
    /// # Errors
    ///
    /// When the store does not work.
    pub async fn account_by_id(&self, id: AccountId) -> Result<Option<Account>, StoreError> {
        let sql = "SELECT id, name, password_hash, role, created_ms, seen_ms
                   FROM accounts WHERE id = $1";
        self.database.row(sql, &[id.into()]).await?.as_ref().map(read).transpose()
    }

    /// A page of accounts, by id: the first `limit` (at most 500) after `after`.
    ///
    /// # Errors
    ///
    /// When the store does not work.
    pub async fn accounts(
        &self,
        after: Option<AccountId>,
        limit: u32,
    ) -> Result<Vec<Account>, StoreError> {
        let sql = "SELECT id, name, password_hash, role, created_ms, seen_ms
                   FROM accounts WHERE id > $1 ORDER BY id LIMIT $2";
        let after = after.unwrap_or(AccountId::from_u64(0));
        let rows = self.database.rows(sql, &[after.into(), limit.min(PAGE).into()]).await?;
        rows.iter().map(read).collect()
    }

    /// Gives an account another name. Its old one is free then. False when there is no such
    /// account, or it is a guest's.
    ///
    /// # Errors
    ///
    /// [`CreateAccountError::NameTaken`] as when creating one.
    pub async fn rename_account(
        &self,
        id: AccountId,
        name: &AccountName,
        by: &Author,
        now: UnixMillis,
    ) -> Result<bool, CreateAccountError> {
        if name.is_guest() {
            return Err(CreateAccountError::NameTaken);
        }
        let mut tx = self.database.begin(About::Rows).await?;
        let update = "UPDATE accounts SET name = $2, name_key = $3, look = $4
                      WHERE id = $1 AND guest = 0";
        let values = [id.into(), name.as_str().into(), name.key().into(), name.look().into()];
        if tx.execute(update, &values).await.map_err(CreateAccountError::from_write)? == 0 {
            return Ok(false);
        }
        // Without the names: the log outlives the account, and its owner may want to be forgotten.
        tx.audit(&Audited::of(AuditAction::AccountRenamed, by).on(id), now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Sets a password, and closes every session of the account but the one with the token `keep`:
    /// whoever knew the old password is out. Returns false when there is no such account.
    ///
    /// # Errors
    ///
    /// When the store does not work.
    pub async fn set_password(
        &self,
        id: AccountId,
        password_hash: PasswordHash,
        keep: Option<&KeyedHash>,
        by: &Author,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let mut tx = self.database.begin(About::Account(id)).await?;
        let update = "UPDATE accounts SET password_hash = $2 WHERE id = $1 AND guest = 0";
        if tx.execute(update, &[id.into(), password_hash.as_str().into()]).await? == 0 {
            return Ok(false);
        }
        let keep = Value::Bytes(keep.map(|hash| hash.as_bytes().as_slice()));
        let close = "DELETE FROM sessions
                     WHERE account_id = $1 AND ($2 IS NULL OR token_hash <> $2)";
        tx.execute(close, &[id.into(), keep]).await?;
        tx.audit(&Audited::of(AuditAction::PasswordSet, by).on(id), now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Replaces the hash of an unchanged password by a stronger one of the same password; false
    /// when it is not `old` any more. Sessions stay.
    ///
    /// # Errors
    ///
    /// When the store does not work.
    pub async fn replace_password_hash(
        &self,
        id: AccountId,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE accounts SET password_hash = $3 WHERE id = $1 AND password_hash = $2";
        let values = [id.into(), old.as_str().into(), new.as_str().into()];
        Ok(self.database.execute(sql, &values).await? > 0)
    }
}

/// Adds an account to the table.
pub(super) async fn insert(
    tx: &mut Tx,
    name: &AccountName,
    password_hash: Option<&PasswordHash>,
    now: UnixMillis,
) -> Result<AccountId, CreateAccountError> {
    let sql =
        "INSERT INTO accounts (name, name_key, look, password_hash, guest, created_ms, seen_ms)
               VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT DO NOTHING RETURNING id";
    let values = [
        name.as_str().into(),
        name.key().into(),
        name.look().into(),
        password_hash.map_or("", PasswordHash::as_str).into(),
        name.is_guest().into(),
        now.into(),
    ];
    let row = tx.row(sql, &values).await?.ok_or(CreateAccountError::NameTaken)?;
    Ok(row.account(0)?)
}

pub(super) fn read(row: &Row) -> Result<Account, StoreError> {
    let hash: String = row.get(2)?;
    let password_hash = if hash.is_empty() {
        None
    } else {
        Some(PasswordHash::parse(&hash).map_err(StoreError::corrupt)?)
    };
    Ok(Account {
        id: row.account(0)?,
        name: row.parsed(1, AccountName::parse_stored)?,
        password_hash,
        role: row.parsed(3, RoleName::parse)?,
        created: row.time(4)?,
        seen: row.time(5)?,
    })
}
