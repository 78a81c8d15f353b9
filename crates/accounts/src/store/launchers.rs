//! Launchers and their invitations.

use super::Store;
use super::audit::{AuditAction, Audited, Author};
use super::error::{EnrollError, StoreError};
use super::sql::{About, Row, Tx, Value};
use crate::name::LauncherName;
use crate::secret_key::KeyedHash;
use crate::time::UnixMillis;

/// A launcher that is enrolled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LauncherRecord {
    /// The name its operator gave it.
    pub name: LauncherName,
    /// What it is known by: the fingerprint of its public key.
    pub key: [u8; 32],
    /// Since when it has this key.
    pub enrolled: UnixMillis,
    /// What it may do.
    pub limits: LauncherLimits,
}

/// What an operator allows a launcher.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LauncherLimits {
    /// Most servers it may list at once. None: as many as any launcher may.
    pub max_servers: Option<u32>,
    /// Whether what it reports counts for the progress of players. Not until an operator says so.
    pub counts_progress: bool,
}

/// What a name had that was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// Neither a launcher nor an invitation.
    Nothing,
    /// An invitation.
    Invitation,
    /// A launcher, known by this key until now.
    Launcher([u8; 32]),
}

/// Why a launcher was not renamed.
#[derive(Debug, thiserror::Error)]
pub enum RenameLauncherError {
    /// There is no launcher of the old name.
    #[error("there is no such launcher")]
    Unknown,
    /// Another launcher has the new name, or it is invited.
    #[error("this name is taken")]
    NameTaken,
    /// The store did not work.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Invites a launcher: whoever proves the secret until `expires` is enrolled under this name.
    ///
    /// A name has at most one open invitation: a new one replaces it. The name of an enrolled
    /// launcher may be invited again (its machine was lost, its key renewed): that launcher goes
    /// on as before until the new secret is used, and only then its key is replaced.
    ///
    /// # Errors
    ///
    /// When the store does not work.
    pub async fn invite_launcher(
        &self,
        name: &LauncherName,
        secret: &KeyedHash,
        expires: UnixMillis,
        by: &Author,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let mut tx = self.database.begin(About::Launchers).await?;
        let sql = "INSERT INTO launcher_invitations
                       (name_key, name, secret_hash, created_ms, expires_ms)
                   VALUES ($1, $2, $3, $4, $5)
                   ON CONFLICT (name_key) DO UPDATE
                   SET name = excluded.name, secret_hash = excluded.secret_hash,
                       created_ms = excluded.created_ms, expires_ms = excluded.expires_ms";
        let values =
            [name.key().into(), name.as_str().into(), secret.into(), now.into(), expires.into()];
        tx.execute(sql, &values).await?;
        tx.audit(&Audited::of(AuditAction::LauncherInvited, by).saying(name.as_str()), now).await?;
        tx.commit().await
    }

    /// Uses an invitation: from now on `key` is the launcher of that name. A launcher that is
    /// enrolled anew keeps its limits.
    ///
    /// The invitation is used up by success only. Of several calls with one secret, one succeeds:
    /// who did not hear the answer to its first finds out with [`Store::launcher`].
    ///
    /// # Errors
    ///
    /// The invitation is unknown, used, replaced, revoked or expired; or another launcher has the
    /// key.
    pub async fn enroll_launcher(
        &self,
        secret: &KeyedHash,
        key: [u8; 32],
        now: UnixMillis,
    ) -> Result<LauncherName, EnrollError> {
        // Whoever returns early drops the transaction, and with it what was written.
        let mut tx = self.database.begin(About::Launchers).await?;
        let name = use_invitation(&mut tx, secret, now).await?;
        let other = "SELECT name FROM launchers WHERE key = $1 AND name_key <> $2";
        if tx.row(other, &[(&key).into(), name.key().into()]).await?.is_some() {
            return Err(EnrollError::KeyInUse);
        }
        let sql = "INSERT INTO launchers (name_key, name, key, enrolled_ms) VALUES ($1, $2, $3, $4)
                   ON CONFLICT (name_key) DO UPDATE
                   SET name = excluded.name, key = excluded.key, enrolled_ms = excluded.enrolled_ms";
        let values = [name.key().into(), name.as_str().into(), (&key).into(), now.into()];
        tx.execute(sql, &values).await?;
        let by = Author::Launcher(name.clone());
        tx.audit(&Audited::of(AuditAction::LauncherEnrolled, &by), now).await?;
        tx.commit().await?;
        Ok(name)
    }

    /// The launcher that has this key.
    ///
    /// # Errors
    ///
    /// When the store does not work.
    pub async fn launcher(&self, key: &[u8; 32]) -> Result<Option<LauncherRecord>, StoreError> {
        let sql = "SELECT name, key, enrolled_ms, max_servers, counts_progress
                   FROM launchers WHERE key = $1";
        self.database.row(sql, &[key.into()]).await?.as_ref().map(read).transpose()
    }

    /// All enrolled launchers, by name.
    ///
    /// # Errors
    ///
    /// When the store does not work.
    pub async fn launchers(&self) -> Result<Vec<LauncherRecord>, StoreError> {
        let sql = "SELECT name, key, enrolled_ms, max_servers, counts_progress
                   FROM launchers ORDER BY name_key";
        self.database.rows(sql, &[]).await?.iter().map(read).collect()
    }

    /// Gives a launcher another name; its key stays.
    ///
    /// # Errors
    ///
    /// See [`RenameLauncherError`].
    pub async fn rename_launcher(
        &self,
        old: &LauncherName,
        new: &LauncherName,
        by: &Author,
        now: UnixMillis,
    ) -> Result<(), RenameLauncherError> {
        let mut tx = self.database.begin(About::Launchers).await?;
        if old.key() != new.key() {
            let taken = "SELECT name FROM launchers WHERE name_key = $1
                         UNION ALL SELECT name FROM launcher_invitations WHERE name_key = $1";
            if tx.row(taken, &[new.key().into()]).await?.is_some() {
                return Err(RenameLauncherError::NameTaken);
            }
        }
        let sql = "UPDATE launchers SET name = $2, name_key = $3 WHERE name_key = $1";
        if tx.execute(sql, &[old.key().into(), new.as_str().into(), new.key().into()]).await? == 0 {
            return Err(RenameLauncherError::Unknown);
        }
        let detail = format!("{old} is now {new}");
        tx.audit(&Audited::of(AuditAction::LauncherRenamed, by).saying(&detail), now).await?;
        Ok(tx.commit().await?)
    }

    /// Sets what a launcher may do; false when there is none of this name.
    ///
    /// # Errors
    ///
    /// When the store does not work.
    pub async fn limit_launcher(
        &self,
        name: &LauncherName,
        limits: LauncherLimits,
        by: &Author,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let mut tx = self.database.begin(About::Launchers).await?;
        let sql = "UPDATE launchers SET max_servers = $2, counts_progress = $3 WHERE name_key = $1";
        let servers = Value::Int(limits.max_servers.map(i64::from));
        if tx.execute(sql, &[name.key().into(), servers, limits.counts_progress.into()]).await? == 0
        {
            return Ok(false);
        }
        let servers =
            limits.max_servers.map_or_else(|| "any number of".to_owned(), |n| n.to_string());
        let progress = if limits.counts_progress { "counts" } else { "does not count" };
        let detail = format!("{name}: {servers} servers, progress {progress}");
        tx.audit(&Audited::of(AuditAction::LauncherLimited, by).saying(&detail), now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Takes back the key and any open invitation of this name, and says what there was.
    ///
    /// # Errors
    ///
    /// When the store does not work.
    pub async fn revoke_launcher(
        &self,
        name: &LauncherName,
        by: &Author,
        now: UnixMillis,
    ) -> Result<Revoked, StoreError> {
        let mut tx = self.database.begin(About::Launchers).await?;
        let launcher = "DELETE FROM launchers WHERE name_key = $1 RETURNING key";
        let key = tx.row(launcher, &[name.key().into()]).await?;
        let invitation = "DELETE FROM launcher_invitations WHERE name_key = $1";
        let invitations = tx.execute(invitation, &[name.key().into()]).await?;
        let revoked = match key {
            Some(row) => Revoked::Launcher(row.array(0)?),
            None if invitations > 0 => Revoked::Invitation,
            None => return Ok(Revoked::Nothing),
        };
        tx.audit(&Audited::of(AuditAction::LauncherRevoked, by).saying(name.as_str()), now).await?;
        tx.commit().await?;
        Ok(revoked)
    }
}

async fn use_invitation(
    tx: &mut Tx,
    secret: &KeyedHash,
    now: UnixMillis,
) -> Result<LauncherName, EnrollError> {
    let find = "SELECT name, expires_ms FROM launcher_invitations WHERE secret_hash = $1";
    let row = tx.row(find, &[secret.into()]).await?.ok_or(EnrollError::UnknownOrUsed)?;
    if row.time(1)? <= now {
        return Err(EnrollError::Expired);
    }
    let name = row.parsed(0, LauncherName::parse)?;
    tx.execute("DELETE FROM launcher_invitations WHERE secret_hash = $1", &[secret.into()]).await?;
    Ok(name)
}

fn read(row: &Row) -> Result<LauncherRecord, StoreError> {
    let max_servers = row.get::<Option<i64>>(3)?.map(u32::try_from);
    Ok(LauncherRecord {
        name: row.parsed(0, LauncherName::parse)?,
        key: row.array(1)?,
        enrolled: row.time(2)?,
        limits: LauncherLimits {
            max_servers: max_servers.transpose().map_err(StoreError::corrupt)?,
            counts_progress: row.get::<i64>(4)? != 0,
        },
    })
}
