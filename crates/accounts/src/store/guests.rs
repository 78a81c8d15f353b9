//! Guests: accounts without a password, which their session alone stands for.

use super::accounts::insert;
use super::audit::{AuditAction, Audited, Author};
use super::error::{CreateAccountError, StoreError};
use super::sessions;
use super::sql::About;
use super::{AccountId, NewSession, PORTION, Store};
use crate::hashing::PasswordHash;
use crate::name::AccountName;
use crate::time::UnixMillis;

impl Store {
    /// Keeps a guest, with the session that will prove who they are: once they have earned
    /// something, not before. A guest nobody needs to remember costs no row.
    ///
    /// `name` has to be a guest's ([`AccountName::parse_guest`], [`AccountName::generate_guest`]).
    ///
    /// # Errors
    ///
    /// [`CreateAccountError::NameTaken`] also when `name` is no guest's.
    pub async fn keep_guest(
        &self,
        name: &AccountName,
        session: &NewSession<'_>,
        now: UnixMillis,
    ) -> Result<AccountId, CreateAccountError> {
        if !name.is_guest() {
            return Err(CreateAccountError::NameTaken);
        }
        let mut tx = self.database.begin(About::Rows).await?;
        let id = insert(&mut tx, name, None, now).await?;
        sessions::insert(&mut tx, id, session, now).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Makes a guest's account one with a name and a password. Its id, its sessions and everything
    /// earned stay. False when there is no such guest (any more).
    ///
    /// The caller has made sure, by the guest's session, that it is them who asks.
    ///
    /// # Errors
    ///
    /// [`CreateAccountError::NameTaken`] as when creating an account, and for a guest's name.
    pub async fn claim_guest(
        &self,
        guest: AccountId,
        name: &AccountName,
        password_hash: PasswordHash,
        now: UnixMillis,
    ) -> Result<bool, CreateAccountError> {
        if name.is_guest() {
            return Err(CreateAccountError::NameTaken);
        }
        let mut tx = self.database.begin(About::Account(guest)).await?;
        let sql = "UPDATE accounts
                   SET name = $2, name_key = $3, look = $4, password_hash = $5, guest = 0
                   WHERE id = $1 AND guest = 1";
        let values = [
            guest.into(),
            name.as_str().into(),
            name.key().into(),
            name.look().into(),
            password_hash.as_str().into(),
        ];
        let written = tx.execute(sql, &values).await.map_err(CreateAccountError::from_write)?;
        if written == 0 {
            return Ok(false);
        }
        let by = Author::Account(guest);
        tx.audit(&Audited::of(AuditAction::GuestClaimed, &by).on(guest), now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Removes guests who were last seen before this, with everything they have.
    pub(super) async fn remove_stale_guests(&self, before: UnixMillis) -> Result<u64, StoreError> {
        let sql = "DELETE FROM accounts WHERE id IN (
                       SELECT id FROM accounts WHERE guest = 1 AND seen_ms < $1 LIMIT $2)";
        let mut removed = 0;
        loop {
            let portion = self.database.execute(sql, &[before.into(), PORTION.into()]).await?;
            removed += portion;
            if portion < u64::from(PORTION) {
                return Ok(removed);
            }
        }
    }
}
