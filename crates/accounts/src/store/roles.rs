//! Roles, and who has which.

use super::audit::{AuditAction, Audited, Author};
use super::error::StoreError;
use super::sql::{About, Row};
use super::{AccountId, Store};
use crate::role::{Permissions, Role, RoleName};
use crate::time::UnixMillis;

/// Why a role was not given, changed or removed.
#[derive(Debug, thiserror::Error)]
pub enum RoleError {
    /// There is no role of this name.
    #[error("there is no such role")]
    UnknownRole,
    /// There is no such account, or it is a guest's.
    #[error("there is no such account")]
    UnknownAccount,
    /// `operator` stays as it is, and `player` stays.
    #[error("this role stays as it is")]
    Fixed,
    /// Somebody has this role.
    #[error("somebody has this role")]
    InUse,
    /// A rank is at most 99: 100 is the operator's.
    #[error("a rank is at most 99")]
    Rank,
    /// The store did not work.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// All roles, the highest first.
    ///
    /// # Errors
    ///
    /// When the store does not work.
    pub async fn roles(&self) -> Result<Vec<Role>, StoreError> {
        let sql = "SELECT name, rank, permissions FROM roles ORDER BY rank DESC, name";
        self.database.rows(sql, &[]).await?.iter().map(read).collect()
    }

    /// Creates a role, or changes it.
    ///
    /// # Errors
    ///
    /// [`RoleError::Fixed`] for `operator`, [`RoleError::Rank`] for a rank above 99.
    pub async fn set_role(
        &self,
        role: &Role,
        by: &Author,
        now: UnixMillis,
    ) -> Result<(), RoleError> {
        if role.name == RoleName::operator() {
            return Err(RoleError::Fixed);
        }
        if role.rank > 99 {
            return Err(RoleError::Rank);
        }
        let permissions = role.permissions.to_string();
        let mut tx = self.database.begin(About::Roles).await?;
        let sql = "INSERT INTO roles (name, rank, permissions) VALUES ($1, $2, $3)
                   ON CONFLICT (name) DO UPDATE
                   SET rank = excluded.rank, permissions = excluded.permissions";
        let rank = u32::from(role.rank);
        tx.execute(sql, &[role.name.as_str().into(), rank.into(), permissions.as_str().into()])
            .await?;
        let detail = format!("{}: rank {}, {permissions}", role.name, role.rank);
        tx.audit(&Audited::of(AuditAction::RoleChanged, by).saying(&detail), now).await?;
        Ok(tx.commit().await?)
    }

    /// Removes a role that nobody has.
    ///
    /// # Errors
    ///
    /// [`RoleError::InUse`], [`RoleError::UnknownRole`]; [`RoleError::Fixed`] for `player` and
    /// `operator`.
    pub async fn remove_role(
        &self,
        name: &RoleName,
        by: &Author,
        now: UnixMillis,
    ) -> Result<(), RoleError> {
        if [RoleName::player(), RoleName::operator()].contains(name) {
            return Err(RoleError::Fixed);
        }
        let mut tx = self.database.begin(About::Roles).await?;
        let used = "SELECT id FROM accounts WHERE role = $1 LIMIT 1";
        if tx.row(used, &[name.as_str().into()]).await?.is_some() {
            return Err(RoleError::InUse);
        }
        if tx.execute("DELETE FROM roles WHERE name = $1", &[name.as_str().into()]).await? == 0 {
            return Err(RoleError::UnknownRole);
        }
        let detail = name.to_string();
        tx.audit(&Audited::of(AuditAction::RoleRemoved, by).saying(&detail), now).await?;
        Ok(tx.commit().await?)
    }

    /// Gives an account a role, and takes the one it had.
    ///
    /// # Errors
    ///
    /// [`RoleError::UnknownRole`], [`RoleError::UnknownAccount`].
    pub async fn give_role(
        &self,
        account: AccountId,
        name: &RoleName,
        by: &Author,
        now: UnixMillis,
    ) -> Result<(), RoleError> {
        let mut tx = self.database.begin(About::Roles).await?;
        let known = "SELECT name FROM roles WHERE name = $1";
        if tx.row(known, &[name.as_str().into()]).await?.is_none() {
            return Err(RoleError::UnknownRole);
        }
        let update = "UPDATE accounts SET role = $2 WHERE id = $1 AND guest = 0";
        if tx.execute(update, &[account.into(), name.as_str().into()]).await? == 0 {
            return Err(RoleError::UnknownAccount);
        }
        let audited = Audited::of(AuditAction::RoleGiven, by).on(account);
        tx.audit(&audited.saying(name.as_str()), now).await?;
        Ok(tx.commit().await?)
    }

    /// Whether anybody is an operator: the first one is made from the console.
    ///
    /// # Errors
    ///
    /// When the store does not work.
    pub async fn has_operator(&self) -> Result<bool, StoreError> {
        let sql = "SELECT id FROM accounts WHERE role = 'operator' LIMIT 1";
        Ok(self.database.row(sql, &[]).await?.is_some())
    }
}

fn read(row: &Row) -> Result<Role, StoreError> {
    Ok(Role {
        name: row.parsed(0, RoleName::parse)?,
        rank: u8::try_from(row.unsigned(1)?).map_err(StoreError::corrupt)?,
        permissions: Permissions::from_words(&row.get::<String>(2)?),
    })
}
