//! What players say about players.

use std::str::FromStr;

use super::audit::{AuditAction, Audited, Author};
use super::error::StoreError;
use super::sql::{About, Row};
use super::{AccountId, PAGE, Store};
use crate::note::Note;
use crate::time::UnixMillis;

/// Something a player says about another.
#[derive(Clone, Copy, Debug)]
pub struct NewReport<'a> {
    /// Who says it.
    pub reporter: AccountId,
    /// About whom.
    pub about: AccountId,
    /// Where it happened: the lobby, or the name of a server.
    pub place: &'a str,
    /// What.
    pub said: &'a str,
}

/// A report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Which one.
    pub number: u64,
    /// Who reported; none when their account is gone.
    pub reporter: Option<AccountId>,
    /// Whom.
    pub about: AccountId,
    /// Where it happened.
    pub place: Note,
    /// What they said.
    pub said: Note,
    /// When.
    pub created: UnixMillis,
    /// When it was closed, by whom, and what came of it.
    pub closed: Option<(UnixMillis, Author, Note)>,
}

/// Why a report was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The reporter has [`Store::MAX_OPEN_REPORTS`] that nobody has looked at yet.
    #[error("too many of your reports are still open")]
    TooMany,
    /// One of the two accounts does not exist.
    #[error("there is no such account")]
    UnknownAccount,
    /// The store did not work.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Most open reports of one reporter: who reports everybody drowns nobody.
    pub const MAX_OPEN_REPORTS: u32 = 20;

    /// Keeps a report, and says its number.
    ///
    /// # Errors
    ///
    /// See [`ReportError`].
    pub async fn file_report(
        &self,
        report: &NewReport<'_>,
        now: UnixMillis,
    ) -> Result<u64, ReportError> {
        let NewReport { reporter, about, place, said } = *report;
        let mut tx = self.database.begin(About::Account(reporter)).await?;
        let both = "SELECT id FROM accounts WHERE id IN ($1, $2)";
        let wanted = if reporter == about { 1 } else { 2 };
        if tx.rows(both, &[reporter.into(), about.into()]).await?.len() != wanted {
            return Err(ReportError::UnknownAccount);
        }
        let open = "SELECT COUNT(*) FROM reports WHERE reporter_id = $1 AND closed_ms IS NULL";
        let open = tx.row(open, &[reporter.into()]).await?;
        if open.map_or(Ok(0), |row| row.unsigned(0))? >= u64::from(Self::MAX_OPEN_REPORTS) {
            return Err(ReportError::TooMany);
        }
        let (place, said) = (Note::new(place), Note::new(said));
        let sql = "INSERT INTO reports (reporter_id, about_id, place, said, created_ms)
                   VALUES ($1, $2, $3, $4, $5) RETURNING id";
        let values = [
            reporter.into(),
            about.into(),
            place.as_str().into(),
            said.as_str().into(),
            now.into(),
        ];
        let row = tx.row(sql, &values).await?;
        let number =
            row.ok_or_else(|| StoreError::corrupt("an insert without a row"))?.unsigned(0)?;
        tx.commit().await?;
        Ok(number)
    }

    /// Reports nobody has closed yet, the oldest first: at most `limit` (and 500) after `after`.
    ///
    /// # Errors
    ///
    /// When the store does not work.
    pub async fn open_reports(
        &self,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Report>, StoreError> {
        let sql = "SELECT id, reporter_id, about_id, place, said, created_ms, closed_ms, closed_by,
                       resolution
                   FROM reports WHERE closed_ms IS NULL AND id > $1 ORDER BY id LIMIT $2";
        let after = i64::try_from(after.unwrap_or(0)).unwrap_or(i64::MAX);
        let rows = self.database.rows(sql, &[after.into(), limit.min(PAGE).into()]).await?;
        rows.iter().map(read).collect()
    }

    /// The newest reports about an account, open or not: at most `limit` (and 500).
    ///
    /// # Errors
    ///
    /// When the store does not work.
    pub async fn reports_about(
        &self,
        account: AccountId,
        limit: u32,
    ) -> Result<Vec<Report>, StoreError> {
        let sql = "SELECT id, reporter_id, about_id, place, said, created_ms, closed_ms, closed_by,
                       resolution
                   FROM reports WHERE about_id = $1 ORDER BY id DESC LIMIT $2";
        let rows = self.database.rows(sql, &[account.into(), limit.min(PAGE).into()]).await?;
        rows.iter().map(read).collect()
    }

    /// Closes a report, and says what came of it; false when there is none of this number that is
    /// open.
    ///
    /// # Errors
    ///
    /// When the store does not work.
    pub async fn close_report(
        &self,
        number: u64,
        resolution: &str,
        by: &Author,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let (author, resolution) = (by.to_string(), Note::new(resolution));
        let id = i64::try_from(number).unwrap_or(-1);
        let mut tx = self.database.begin(About::Rows).await?;
        let sql = "UPDATE reports SET closed_ms = $2, closed_by = $3, resolution = $4
                   WHERE id = $1 AND closed_ms IS NULL RETURNING about_id";
        let values = [id.into(), now.into(), author.as_str().into(), resolution.as_str().into()];
        let Some(row) = tx.row(sql, &values).await? else { return Ok(false) };
        let detail = format!("{number}: {resolution}");
        let audited = Audited::of(AuditAction::ReportClosed, by).on(row.account(0)?);
        tx.audit(&audited.saying(&detail), now).await?;
        tx.commit().await?;
        Ok(true)
    }
}

fn read(row: &Row) -> Result<Report, StoreError> {
    let note = |column| Ok::<_, StoreError>(Note::new(&row.get::<String>(column)?));
    let closed = match row.optional_time(6)? {
        Some(at) => Some((at, row.parsed(7, Author::from_str)?, note(8)?)),
        None => None,
    };
    let reporter = row.get::<Option<i64>>(1)?.map(|id| AccountId::from_u64(id.unsigned_abs()));
    Ok(Report {
        number: row.unsigned(0)?,
        reporter,
        about: row.account(2)?,
        place: note(3)?,
        said: note(4)?,
        created: row.time(5)?,
        closed,
    })
}
