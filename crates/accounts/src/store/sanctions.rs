//! Bans and mutes.

use std::net::IpAddr;
use std::str::FromStr;

use super::audit::{AuditAction, Audited, Author};
use super::error::StoreError;
use super::sql::{About, Row, Value};
use super::{AccountId, PAGE, Store};
use crate::note::Note;
use crate::range::{AddressRange, address_bytes};
use crate::time::UnixMillis;

/// What somebody may not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SanctionKind {
    /// Log in, register, play.
    Ban,
    /// Speak.
    Mute,
}

impl SanctionKind {
    /// `ban` or `mute`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ban => "ban",
            Self::Mute => "mute",
        }
    }

    fn from_name(name: &str) -> Result<Self, &'static str> {
        match name {
            "ban" => Ok(Self::Ban),
            "mute" => Ok(Self::Mute),
            _ => Err("neither ban nor mute"),
        }
    }
}

/// Who is banned or muted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SanctionTarget {
    /// An account, wherever it comes from.
    Account(AccountId),
    /// Everybody who comes from there.
    Addresses(AddressRange),
}

/// A ban or mute to be imposed.
#[derive(Clone, Copy, Debug)]
pub struct NewSanction<'a> {
    /// What they may not do.
    pub kind: SanctionKind,
    /// Who.
    pub target: SanctionTarget,
    /// Why: they are told.
    pub reason: &'a str,
    /// Until when. None: until it is lifted.
    pub expires: Option<UnixMillis>,
}

/// Which ban or mute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SanctionId(pub u64);

/// A ban or mute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sanction {
    /// Which one.
    pub id: SanctionId,
    /// What they may not do.
    pub kind: SanctionKind,
    /// Who.
    pub target: SanctionTarget,
    /// Why.
    pub reason: Note,
    /// Who imposed it.
    pub author: Author,
    /// Since when.
    pub created: UnixMillis,
    /// Until when. None: until it is lifted.
    pub expires: Option<UnixMillis>,
    /// When it was lifted, and by whom.
    pub lifted: Option<(UnixMillis, Author)>,
}

impl Sanction {
    /// Whether it holds at `now`.
    pub fn holds(&self, now: UnixMillis) -> bool {
        self.lifted.is_none() && self.expires.is_none_or(|expires| expires > now)
    }
}

/// Which bans and mutes to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct SanctionFilter {
    /// Those of this account.
    pub account: Option<AccountId>,
    /// Those that hold at this time.
    pub holding_at: Option<UnixMillis>,
    /// Those imposed before this one.
    pub before: Option<SanctionId>,
}

impl Store {
    /// Bans or mutes, from now on. None when there is no such account.
    ///
    /// # Errors
    ///
    /// When the store does not work.
    pub async fn impose(
        &self,
        sanction: &NewSanction<'_>,
        by: &Author,
        now: UnixMillis,
    ) -> Result<Option<SanctionId>, StoreError> {
        let NewSanction { kind, target, reason, expires } = *sanction;
        let mut tx = self.database.begin(About::Rows).await?;
        let (account, range) = match target {
            SanctionTarget::Account(id) => (Some(id), None),
            SanctionTarget::Addresses(range) => (None, Some(range)),
        };
        if let Some(id) = account
            && tx.row("SELECT id FROM accounts WHERE id = $1", &[id.into()]).await?.is_none()
        {
            return Ok(None);
        }
        let (low, high) = (range.map(|range| range.low()), range.map(|range| range.high()));
        let (reason, author) = (Note::new(reason), by.to_string());
        let sql = "INSERT INTO sanctions
                       (kind, account_id, low, high, bits, reason, author, created_ms, expires_ms)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id";
        let values = [
            kind.name().into(),
            account.map_or(Value::Int(None), Value::from),
            Value::Bytes(low.as_ref().map(<[u8; 16]>::as_slice)),
            Value::Bytes(high.as_ref().map(<[u8; 16]>::as_slice)),
            Value::Int(range.map(|range| range.bits().into())),
            reason.as_str().into(),
            author.as_str().into(),
            now.into(),
            expires.into(),
        ];
        let row = tx.row(sql, &values).await?;
        let id = row.ok_or_else(|| StoreError::corrupt("an insert without a row"))?.unsigned(0)?;
        let detail = match range {
            Some(range) => format!("{} {id} of {range}: {reason}", kind.name()),
            None => format!("{} {id}: {reason}", kind.name()),
        };
        let audited = Audited::of(AuditAction::Sanctioned, by).saying(&detail);
        tx.audit(&Audited { subject: account, ..audited }, now).await?;
        tx.commit().await?;
        Ok(Some(SanctionId(id)))
    }

    /// Ends a ban or mute; false when there is none of this id, or it was lifted before.
    ///
    /// # Errors
    ///
    /// When the store does not work.
    pub async fn lift(
        &self,
        id: SanctionId,
        by: &Author,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let author = by.to_string();
        let mut tx = self.database.begin(About::Rows).await?;
        let sql = "UPDATE sanctions SET lifted_ms = $2, lifted_by = $3
                   WHERE id = $1 AND lifted_ms IS NULL RETURNING account_id";
        let number = i64::try_from(id.0).unwrap_or(-1);
        let row = tx.row(sql, &[number.into(), now.into(), author.as_str().into()]).await?;
        let Some(row) = row else { return Ok(false) };
        let subject = row.get::<Option<i64>>(0)?.map(|id| AccountId::from_u64(id.unsigned_abs()));
        let detail = id.0.to_string();
        let audited = Audited::of(AuditAction::SanctionLifted, by).saying(&detail);
        tx.audit(&Audited { subject, ..audited }, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// What holds at `now` against this account or this address: at most 500, the newest first.
    ///
    /// # Errors
    ///
    /// When the store does not work.
    pub async fn sanctions_against(
        &self,
        account: Option<AccountId>,
        address: Option<IpAddr>,
        now: UnixMillis,
    ) -> Result<Vec<Sanction>, StoreError> {
        let sql = "SELECT id, kind, account_id, low, bits, reason, author, created_ms, expires_ms,
                       lifted_ms, lifted_by
                   FROM sanctions
                   WHERE (account_id = $1 OR (low <= $2 AND high >= $2))
                       AND lifted_ms IS NULL AND (expires_ms IS NULL OR expires_ms > $3)
                   ORDER BY id DESC LIMIT $4";
        let address = address.map(address_bytes);
        let values = [
            account.map_or(Value::Int(None), Value::from),
            Value::Bytes(address.as_ref().map(<[u8; 16]>::as_slice)),
            now.into(),
            PAGE.into(),
        ];
        self.database.rows(sql, &values).await?.iter().map(read).collect()
    }

    /// Bans and mutes, the newest first: at most `limit` (and 500).
    ///
    /// # Errors
    ///
    /// When the store does not work.
    pub async fn sanctions(
        &self,
        filter: SanctionFilter,
        limit: u32,
    ) -> Result<Vec<Sanction>, StoreError> {
        let sql = "SELECT id, kind, account_id, low, bits, reason, author, created_ms, expires_ms,
                       lifted_ms, lifted_by
                   FROM sanctions
                   WHERE id < $1 AND ($2 IS NULL OR account_id = $2)
                       AND ($3 IS NULL
                            OR (lifted_ms IS NULL AND (expires_ms IS NULL OR expires_ms > $3)))
                   ORDER BY id DESC LIMIT $4";
        let before = filter.before.and_then(|id| i64::try_from(id.0).ok());
        let values = [
            before.unwrap_or(i64::MAX).into(),
            filter.account.map_or(Value::Int(None), Value::from),
            filter.holding_at.into(),
            limit.min(PAGE).into(),
        ];
        self.database.rows(sql, &values).await?.iter().map(read).collect()
    }
}

fn read(row: &Row) -> Result<Sanction, StoreError> {
    let target = match row.get::<Option<i64>>(2)? {
        Some(_) => SanctionTarget::Account(row.account(2)?),
        None => {
            let bits = u8::try_from(row.unsigned(4)?).map_err(StoreError::corrupt)?;
            let range = AddressRange::from_stored(row.array(3)?, bits);
            SanctionTarget::Addresses(range.map_err(StoreError::corrupt)?)
        }
    };
    let lifted = match row.optional_time(9)? {
        Some(at) => Some((at, row.parsed(10, Author::from_str)?)),
        None => None,
    };
    Ok(Sanction {
        id: SanctionId(row.unsigned(0)?),
        kind: row.parsed(1, SanctionKind::from_name)?,
        target,
        reason: Note::new(&row.get::<String>(5)?),
        author: row.parsed(6, Author::from_str)?,
        created: row.time(7)?,
        expires: row.optional_time(8)?,
        lifted,
    })
}
