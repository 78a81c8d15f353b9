//! What players have achieved, as far as it can be true.

use std::time::Duration;

use super::error::StoreError;
use super::sql::{About, Row, Tx};
use super::{AccountId, DataKey, PORTION, Store};
use crate::name::LauncherName;
use crate::time::UnixMillis;

/// Which match: 16 bytes its launcher has drawn at random.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MatchId(pub [u8; 16]);

/// What a launcher says of a player who has played.
#[derive(Clone, Debug)]
pub struct MatchReport<'a> {
    /// Which match. Reported twice, it counts once.
    pub id: MatchId,
    /// Which player.
    pub account: AccountId,
    /// Which game.
    pub game: &'a DataKey,
    /// Who says so. Whether it may is the caller's to know: it has that player's ticket, and
    /// [`LauncherLimits::counts_progress`](super::LauncherLimits::counts_progress).
    pub launcher: &'a LauncherName,
    /// When the player began, by the clock of this server.
    pub started: UnixMillis,
    /// When the player ended.
    pub ended: UnixMillis,
    /// Whether they won.
    pub won: bool,
    /// Experience they earned.
    pub xp: u64,
}

/// What a player has achieved in one game.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Time played.
    pub played: Duration,
    /// Matches played.
    pub matches: u64,
    /// Matches won.
    pub wins: u64,
    /// Experience.
    pub xp: u64,
}

/// What came of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// It counts; this is the sum.
    Now(Progress),
    /// It was counted before; this is the sum.
    Before(Progress),
}

/// What can be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgressRules {
    /// Experience for each full or begun minute, at most. 100.
    pub xp_per_minute: u64,
    /// Experience for a win on top of that, at most. 5,000.
    pub xp_per_win: u64,
    /// How long one match lasts at least: no win without a game. 30 s.
    pub shortest: Duration,
    /// How long one match lasts at most. 24 h.
    pub longest: Duration,
    /// How long ago a match may have ended, for a launcher that could not reach us. 7 days.
    pub oldest: Duration,
    /// How much a launcher's clock may be ahead, and how much two matches may overlap. 10 s.
    pub tolerance: Duration,
}

impl Default for ProgressRules {
    fn default() -> Self {
        Self {
            xp_per_minute: 100,
            xp_per_win: 5_000,
            shortest: Duration::from_secs(30),
            longest: Duration::from_secs(24 * 3600),
            oldest: Duration::from_secs(7 * 24 * 3600),
            tolerance: Duration::from_secs(10),
        }
    }
}

/// Why a report does not count.
#[derive(Debug, thiserror::Error)]
pub enum ProgressError {
    /// It ended before it began, was too short or too long, or ends in the future.
    #[error("this match cannot have been at that time")]
    ImpossibleTime,
    /// It ended too long ago.
    #[error("this match is too long ago")]
    TooOld,
    /// More experience than can be earned in that time.
    #[error("so much cannot be earned in that time")]
    ImpossibleXp,
    /// The player was in another match at that time.
    #[error("the player was in another match at that time")]
    ElsewhereThen,
    /// There is no such account.
    #[error("there is no such account")]
    UnknownAccount,
    /// The store did not work.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ProgressRules {
    /// Whether a report can be true by itself.
    ///
    /// # Errors
    ///
    /// Why it cannot.
    pub fn check(&self, report: &MatchReport<'_>, now: UnixMillis) -> Result<(), ProgressError> {
        let lasted = report.ended.saturating_since(report.started);
        if report.ended < report.started
            || lasted < self.shortest
            || lasted > self.longest
            || report.ended > now.saturating_add(self.tolerance)
        {
            return Err(ProgressError::ImpossibleTime);
        }
        if now.saturating_since(report.ended) > self.oldest {
            return Err(ProgressError::TooOld);
        }
        let for_time = lasted.as_secs().div_ceil(60).saturating_mul(self.xp_per_minute);
        let for_win = if report.won { self.xp_per_win } else { 0 };
        if report.xp > for_time.saturating_add(for_win) {
            return Err(ProgressError::ImpossibleXp);
        }
        Ok(())
    }
}

impl Store {
    /// Counts a match for a player, once, if it can be true.
    ///
    /// # Errors
    ///
    /// See [`ProgressError`].
    pub async fn count_match(
        &self,
        report: &MatchReport<'_>,
        rules: &ProgressRules,
        now: UnixMillis,
    ) -> Result<Counted, ProgressError> {
        rules.check(report, now)?;
        let mut tx = self.database.begin(About::Account(report.account)).await?;
        let known = "SELECT id FROM accounts WHERE id = $1";
        if tx.row(known, &[report.account.into()]).await?.is_none() {
            return Err(ProgressError::UnknownAccount);
        }
        let game = report.game.as_str();
        let counted =
            "SELECT ended_ms FROM progress_matches WHERE account_id = $1 AND match_id = $2";
        let id = &report.id.0;
        if tx.row(counted, &[report.account.into(), id.into()]).await?.is_some() {
            drop(tx);
            return Ok(Counted::Before(self.progress(report.account, report.game).await?));
        }
        self.refuse_overlap(&mut tx, report, rules).await?;
        let remember = "INSERT INTO progress_matches
                            (account_id, match_id, launcher, started_ms, ended_ms)
                        VALUES ($1, $2, $3, $4, $5)";
        let values = [
            report.account.into(),
            id.into(),
            report.launcher.as_str().into(),
            report.started.into(),
            report.ended.into(),
        ];
        tx.execute(remember, &values).await?;
        let add = "INSERT INTO progress (account_id, game, played_ms, matches, wins, xp)
                   VALUES ($1, $2, $3, 1, $4, $5)
                   ON CONFLICT (account_id, game) DO UPDATE
                   SET played_ms = progress.played_ms + excluded.played_ms,
                       matches = progress.matches + 1,
                       wins = progress.wins + excluded.wins,
                       xp = progress.xp + excluded.xp
                   RETURNING played_ms, matches, wins, xp";
        let played = report.ended.saturating_since(report.started).as_millis();
        let values = [
            report.account.into(),
            game.into(),
            i64::try_from(played).unwrap_or(i64::MAX).into(),
            report.won.into(),
            i64::try_from(report.xp).unwrap_or(i64::MAX).into(),
        ];
        let row = tx.row(add, &values).await?;
        let sum = read(&row.ok_or_else(|| StoreError::corrupt("an insert without a row"))?)?;
        tx.commit().await.map_err(ProgressError::Store)?;
        Ok(Counted::Now(sum))
    }

    /// A little overlap is two clocks; more is two places at once.
    async fn refuse_overlap(
        &self,
        tx: &mut Tx,
        report: &MatchReport<'_>,
        rules: &ProgressRules,
    ) -> Result<(), ProgressError> {
        let MatchReport { account, started, ended, .. } = *report;
        let sql = "SELECT started_ms, ended_ms FROM progress_matches
                   WHERE account_id = $1 AND started_ms < $2 AND ended_ms > $3 LIMIT 100";
        let mut elsewhere = Duration::ZERO;
        for row in tx.rows(sql, &[account.into(), ended.into(), started.into()]).await? {
            elsewhere += row.time(1)?.min(ended).saturating_since(row.time(0)?.max(started));
        }
        // Otherwise any number of short ones would fit into the tolerance.
        let allowed = rules.tolerance.min(ended.saturating_since(started) / 2);
        if elsewhere > allowed { Err(ProgressError::ElsewhereThen) } else { Ok(()) }
    }

    /// What a player has achieved in a game.
    ///
    /// # Errors
    ///
    /// When the store does not work.
    pub async fn progress(
        &self,
        account: AccountId,
        game: &DataKey,
    ) -> Result<Progress, StoreError> {
        let sql = "SELECT played_ms, matches, wins, xp FROM progress
                   WHERE account_id = $1 AND game = $2";
        let row = self.database.row(sql, &[account.into(), game.as_str().into()]).await?;
        row.as_ref().map_or(Ok(Progress::default()), read)
    }

    pub(super) async fn remove_old_matches(&self, before: UnixMillis) -> Result<u64, StoreError> {
        let sql = "DELETE FROM progress_matches WHERE (account_id, match_id) IN (
                       SELECT account_id, match_id FROM progress_matches WHERE ended_ms < $1 LIMIT $2)";
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

fn read(row: &Row) -> Result<Progress, StoreError> {
    Ok(Progress {
        played: Duration::from_millis(row.unsigned(0)?),
        matches: row.unsigned(1)?,
        wins: row.unsigned(2)?,
        xp: row.unsigned(3)?,
    })
}
