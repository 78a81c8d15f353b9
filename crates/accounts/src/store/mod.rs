//! What is durable, and what everything else needs to know of it.

mod accounts;
mod audit;
mod backup;
mod data;
mod database_url;
mod error;
mod export;
mod guests;
mod launchers;
mod migrations;
mod progress;
mod reports;
mod roles;
mod sanctions;
mod sessions;
mod sql;

use std::fmt;
use std::path::Path;
use std::time::Duration;

use crate::time::UnixMillis;

pub use accounts::Account;
pub use audit::{AuditAction, AuditEntry, AuditFilter, Audited, Author, AuthorError};
pub use backup::{BackupError, BackupSummary, RestoreError, SecretFile};
pub use data::{DataEntry, DataError, DataKey, DataKeyError, Expect, Stored};
pub use database_url::{DatabaseUrl, DatabaseUrlError};
pub use error::{CreateAccountError, EnrollError, OpenError, StoreError};
pub use launchers::{LauncherLimits, LauncherRecord, RenameLauncherError, Revoked};
pub use progress::{Counted, MatchId, MatchReport, Progress, ProgressError, ProgressRules};
pub use reports::{NewReport, Report, ReportError};
pub use roles::RoleError;
pub use sanctions::{
    NewSanction, Sanction, SanctionFilter, SanctionId, SanctionKind, SanctionTarget,
};
pub use sessions::{MAX_SESSIONS_PER_ACCOUNT, NewSession, Session, SessionNumber, SessionRecord};

use sql::Database;

/// Everything kept for good, in SQLite or PostgreSQL.
///
/// A handle: cheap to clone, all clones mean the same store. When a method returned `Ok`, what it
/// wrote survives the death of the process and of the machine. Every method ends within a bounded
/// time: in SQLite after some ten seconds (five in the queue of this process, five for another
/// process to finish writing), in PostgreSQL after ten for each statement.
///
/// Every method is atomic; concurrent calls, also from other processes, behave as if they came one
/// after the other.
///
/// # SQLite
///
/// Written through one connection, read through two others which never wait for it (write-ahead
/// log, `synchronous=FULL`). Several processes may have the file open at once; it has to be on a
/// local disk. The files `-wal` and `-shm` beside it belong to it.
///
/// # Cancel safety
///
/// Dropping a returned future is safe for the store, but leaves open whether a write happened.
#[derive(Clone)]
pub struct Store {
    database: Database,
}

impl Store {
    /// Opens the database, creates its tables when there are none, and brings it to the newest
    /// version. A file of SQLite is created, too (mode 0600); before it is brought to a newer
    /// version, a copy named `….version-N.bak` is put beside it.
    ///
    /// Needs a running tokio runtime, as all methods do.
    ///
    /// # Errors
    ///
    /// [`OpenError::TooNew`] when a newer program has written it; it is left as it is.
    pub async fn open(url: &DatabaseUrl) -> Result<Self, OpenError> {
        Ok(Self { database: Database::open(url).await? })
    }

    /// [`Store::open`] for a file of SQLite.
    ///
    /// # Errors
    ///
    /// As [`Store::open`].
    pub async fn open_sqlite(path: &Path) -> Result<Self, OpenError> {
        Self::open(&DatabaseUrl::sqlite(path)).await
    }

    /// Closes the database once what is under way is done, all clones with it.
    ///
    /// Calls that come later fail with [`StoreError::Unavailable`]. Not closing loses nothing.
    pub async fn close(&self) {
        self.database.close().await;
    }

    /// Forgets what has lasted long enough, and says how much that was.
    ///
    /// Nothing of it is found anyway except guests and addresses. Works in small portions, so that
    /// others get in between; call it every few minutes.
    ///
    /// # Errors
    ///
    /// When the store does not work; what was forgotten until then stays forgotten.
    pub async fn sweep(&self, keep: &Retention, now: UnixMillis) -> Result<Swept, StoreError> {
        Ok(Swept {
            sessions: self.remove_expired_sessions(now).await?,
            guests: self.remove_stale_guests(now.saturating_sub(keep.guests)).await?,
            addresses: self.forget_addresses(now.saturating_sub(keep.addresses)).await?,
            matches: self.remove_old_matches(now.saturating_sub(keep.matches)).await?,
        })
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.database {
            Database::Sqlite { .. } => "Store(SQLite)",
            Database::Postgres(_) => "Store(PostgreSQL)",
        })
    }
}

/// How long [`Store::sweep`] leaves things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Guests, since they were last seen. 30 days.
    pub guests: Duration,
    /// Addresses in the audit log, and networks of sessions, since they were written or last
    /// seen. 30 days.
    pub addresses: Duration,
    /// What tells a match that was counted from a new one; must not be less than
    /// [`ProgressRules::oldest`]. 8 days.
    pub matches: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        let days = |days: u64| Duration::from_secs(days * 24 * 3600);
        Self { guests: days(30), addresses: days(30), matches: days(8) }
    }
}

/// How much [`Store::sweep`] has forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Sessions that had ended.
    pub sessions: u64,
    /// Guests who have not come back.
    pub guests: u64,
    /// Addresses.
    pub addresses: u64,
    /// Matches nobody can report again.
    pub matches: u64,
}

/// Which account: a number that is never given out twice, also not after an account is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(u64);

impl AccountId {
    /// The id that [`AccountId::as_u64`] gave.
    pub const fn from_u64(id: u64) -> Self {
        Self(id)
    }

    /// As a number, for logs and messages.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Rows removed at once: some milliseconds of the one writer.
const PORTION: u32 = 500;

/// Most rows of a list that is asked for page by page.
const PAGE: u32 = 500;

#[cfg(test)]
mod tests;
