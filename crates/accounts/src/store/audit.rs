//! What was done by those who may do more than play: only ever added to.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::error::StoreError;
use super::sql::{About, Row, Tx, Value};
use super::{AccountId, PAGE, PORTION, Store};
use crate::name::LauncherName;
use crate::note::Note;
use crate::time::UnixMillis;

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Author {
    /// Whoever has the machine: the command line.
    Console,
    /// The program itself.
    System,
    /// A player, whatever their role.
    Account(AccountId),
    /// A launcher.
    Launcher(LauncherName),
}

/// A text that names no author.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an author is console, system, account:ID or launcher:NAME")]
pub struct AuthorError;

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Console => f.write_str("console"),
            Self::System => f.write_str("system"),
            Self::Account(id) => write!(f, "account:{id}"),
            Self::Launcher(name) => write!(f, "launcher:{name}"),
        }
    }
}

impl FromStr for Author {
    type Err = AuthorError;

    fn from_str(text: &str) -> Result<Self, AuthorError> {
        match text.split_once(':') {
            None if text == "console" => Ok(Self::Console),
            None if text == "system" => Ok(Self::System),
            Some(("account", id)) => {
                id.parse().map(|id| Self::Account(AccountId::from_u64(id))).map_err(|_| AuthorError)
            }
            Some(("launcher", name)) => {
                LauncherName::parse(name).map(Self::Launcher).map_err(|_| AuthorError)
            }
            _ => Err(AuthorError),
        }
    }
}

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What was done.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum AuditAction {
            $($(#[$doc])* $name,)*
        }

        impl AuditAction {
            /// What operators call it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

actions! {
    /// Created an account for somebody.
    AccountCreated = "account-created",
    /// Gave an account another name.
    AccountRenamed = "account-renamed",
    /// Erased an account.
    AccountErased = "account-erased",
    /// Took a copy of everything about a player.
    AccountExported = "account-exported",
    /// Set a password.
    PasswordSet = "password-set",
    /// Made a guest's account their own.
    GuestClaimed = "guest-claimed",
    /// Gave an account another role.
    RoleGiven = "role-given",
    /// Changed what a role may do.
    RoleChanged = "role-changed",
    /// Removed a role.
    RoleRemoved = "role-removed",
    /// Ended sessions of somebody.
    SessionsRevoked = "sessions-revoked",
    /// Banned or muted.
    Sanctioned = "sanctioned",
    /// Ended a ban or a mute.
    SanctionLifted = "sanction-lifted",
    /// Put somebody out, without a ban.
    Kicked = "kicked",
    /// Closed a report.
    ReportClosed = "report-closed",
    /// Changed keys of the login server.
    KeysRotated = "keys-rotated",
    /// Invited a launcher.
    LauncherInvited = "launcher-invited",
    /// Became a launcher.
    LauncherEnrolled = "launcher-enrolled",
    /// Gave a launcher another name.
    LauncherRenamed = "launcher-renamed",
    /// Changed what a launcher may do.
    LauncherLimited = "launcher-limited",
    /// Took a launcher's key back.
    LauncherRevoked = "launcher-revoked",
    /// Changed a key of the server.
    KeyRotated = "key-rotated",
    /// Made a backup.
    BackupMade = "backup-made",
    /// Restored a backup.
    BackupRestored = "backup-restored",
    /// Said something to everybody.
    Announced = "announced",
}

/// Something to be written into the audit log.
#[derive(Clone, Debug)]
pub struct Audited<'a> {
    /// What was done.
    pub action: AuditAction,
    /// By whom.
    pub author: &'a Author,
    /// To whom.
    pub subject: Option<AccountId>,
    /// What else is to be known: no secret, and no address.
    pub detail: &'a str,
    /// Where the author was; forgotten in time ([`Retention`](super::Retention)).
    pub address: Option<IpAddr>,
}

impl<'a> Audited<'a> {
    /// This, by this author.
    pub fn of(action: AuditAction, author: &'a Author) -> Self {
        Self { action, author, subject: None, detail: "", address: None }
    }

    /// Done to this account.
    #[must_use]
    pub fn on(self, subject: AccountId) -> Self {
        Self { subject: Some(subject), ..self }
    }

    /// With this to be known.
    #[must_use]
    pub fn saying(self, detail: &'a str) -> Self {
        Self { detail, ..self }
    }
}

/// An entry of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Rises with every entry.
    pub number: u64,
    /// When.
    pub at: UnixMillis,
    /// By whom.
    pub author: Author,
    /// What was done: the name of an [`AuditAction`], perhaps a newer program's.
    pub action: String,
    /// To whom; perhaps an account that is gone.
    pub subject: Option<AccountId>,
    /// What else is to be known.
    pub detail: Note,
    /// Where the author was, if that is still known.
    pub address: Option<IpAddr>,
}

/// Which entries of the audit log.
#[derive(Clone, Copy, Debug, Default)]
pub struct AuditFilter {
    /// Those before this one.
    pub before: Option<u64>,
    /// Those about this account.
    pub subject: Option<AccountId>,
}

impl Store {
    /// Writes into the audit log what no other method writes by itself.
    ///
    /// # Errors
    ///
    /// When the store does not work.
    pub async fn audit(&self, audited: &Audited<'_>, now: UnixMillis) -> Result<(), StoreError> {
        let mut tx = self.database.begin(About::Rows).await?;
        tx.audit(audited, now).await?;
        tx.commit().await
    }

    /// The newest entries of the audit log, at most `limit` (and 500).
    ///
    /// # Errors
    ///
    /// When the store does not work.
    pub async fn audit_entries(
        &self,
        filter: AuditFilter,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let sql = "SELECT id, at_ms, author, action, subject_id, detail, address FROM audit
                   WHERE id < $1 AND ($2 IS NULL OR subject_id = $2) ORDER BY id DESC LIMIT $3";
        let before = filter.before.and_then(|number| i64::try_from(number).ok());
        let subject = match filter.subject {
            Some(subject) => subject.into(),
            None => Value::Int(None),
        };
        let values = [before.unwrap_or(i64::MAX).into(), subject, limit.min(PAGE).into()];
        self.database.rows(sql, &values).await?.iter().map(read).collect()
    }

    /// Forgets addresses written before this, and says how many.
    pub(super) async fn forget_addresses(&self, before: UnixMillis) -> Result<u64, StoreError> {
        let mut forgotten = 0;
        for sql in [
            "UPDATE audit SET address = NULL WHERE id IN (
                 SELECT id FROM audit WHERE address IS NOT NULL AND at_ms < $1 LIMIT $2)",
            "UPDATE sessions SET prefix = NULL WHERE id IN (
                 SELECT id FROM sessions WHERE prefix IS NOT NULL AND seen_ms < $1 LIMIT $2)",
        ] {
            loop {
                let portion = self.database.execute(sql, &[before.into(), PORTION.into()]).await?;
                forgotten += portion;
                if portion < u64::from(PORTION) {
                    break;
                }
            }
        }
        Ok(forgotten)
    }
}

impl Tx {
    pub(super) async fn audit(
        &mut self,
        audited: &Audited<'_>,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO audit (at_ms, author, action, subject_id, detail, address)
                   VALUES ($1, $2, $3, $4, $5, $6)";
        let author = audited.author.to_string();
        let detail = Note::new(audited.detail);
        let address = audited.address.map(|address| address.to_canonical().to_string());
        let subject = match audited.subject {
            Some(subject) => subject.into(),
            None => Value::Int(None),
        };
        let values = [
            now.into(),
            author.as_str().into(),
            audited.action.name().into(),
            subject,
            detail.as_str().into(),
            Value::Text(address.as_deref()),
        ];
        self.execute(sql, &values).await?;
        Ok(())
    }
}

fn read(row: &Row) -> Result<AuditEntry, StoreError> {
    let subject = row.get::<Option<i64>>(4)?.map(|id| AccountId::from_u64(id.unsigned_abs()));
    let address = row.get::<Option<String>>(6)?.map(|address| address.parse());
    Ok(AuditEntry {
        number: row.unsigned(0)?,
        at: row.time(1)?,
        author: row.parsed(2, Author::from_str)?,
        action: row.get(3)?,
        subject,
        detail: Note::new(&row.get::<String>(5)?),
        address: address.transpose().map_err(StoreError::corrupt)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_author_survives_the_way_through_text() {
        let launcher = Author::Launcher(LauncherName::parse("Hall").unwrap());
        let account = Author::Account(AccountId::from_u64(7));
        for author in [Author::Console, Author::System, account, launcher] {
            assert_eq!(author.to_string().parse(), Ok(author));
        }
        for text in ["", "root", "account:", "account:x", "console:1"] {
            assert_eq!(text.parse::<Author>(), Err(AuthorError), "{text}");
        }
    }
}
