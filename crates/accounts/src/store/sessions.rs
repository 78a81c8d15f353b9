//! Sessions: what stands for a password once somebody is logged in.

use super::error::StoreError;
use super::sql::{About, Row, Tx, Value};
use super::{AccountId, PORTION, Store};
use crate::name::AccountName;
use crate::note::Note;
use crate::prefix::Prefix;
use crate::role::RoleName;
use crate::secret_key::KeyedHash;
use crate::time::UnixMillis;

/// Most sessions an account has at once; a player has fewer devices.
pub const MAX_SESSIONS_PER_ACCOUNT: u32 = 32;

/// A session to be opened, or to be continued.
#[derive(Clone, Copy, Debug)]
pub struct NewSession<'a> {
    /// What is kept of its token.
    pub token: &'a KeyedHash,
    /// When it ends by itself.
    pub expires: UnixMillis,
    /// Where it is used from: shown to its owner, to know their sessions apart.
    pub prefix: Option<Prefix>,
    /// What uses it: name and version of the program, as it says.
    pub client: &'a str,
}

/// A session that is open and not expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Whose session it is.
    pub account: AccountId,
    /// The name of that account.
    pub name: AccountName,
    /// What its owner may do.
    pub role: RoleName,
    /// Which of that account's sessions it is.
    pub number: SessionNumber,
    /// When it ends by itself.
    pub expires: UnixMillis,
}

/// Which session, as its owner sees it in a list: no secret, and never given out twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionNumber(pub u64);

/// A session, as its owner sees it in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    /// Which one.
    pub number: SessionNumber,
    /// When it was opened.
    pub created: UnixMillis,
    /// When it was last continued.
    pub seen: UnixMillis,
    /// When it ends by itself.
    pub expires: UnixMillis,
    /// The network it was last continued from, as [`Prefix`] writes it; none when that is not
    /// known, or was long ago.
    pub prefix: Option<String>,
    /// What opened it.
    pub client: Note,
}

impl Store {
    /// Opens a session that ends at its time, or when it is closed.
    ///
    /// An account has at most [`MAX_SESSIONS_PER_ACCOUNT`] sessions: those not seen for longest are
    /// closed to make room. A session with the same hash is replaced.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] also when there is no such account.
    pub async fn open_session(
        &self,
        account: AccountId,
        session: &NewSession<'_>,
        now: UnixMillis,
    ) -> Result<SessionNumber, StoreError> {
        let mut tx = self.database.begin(About::Account(account)).await?;
        let number = insert(&mut tx, account, session, now).await?;
        // Not by time alone: the clock may have been set back, and the new one has to stay.
        let make_room = "DELETE FROM sessions WHERE id IN (
                SELECT id FROM sessions WHERE account_id = $1 AND token_hash <> $2
                ORDER BY seen_ms DESC, id DESC LIMIT 1000 OFFSET $3)";
        let others = MAX_SESSIONS_PER_ACCOUNT - 1;
        tx.execute(make_room, &[account.into(), session.token.into(), others.into()]).await?;
        let seen = "UPDATE accounts SET seen_ms = $2 WHERE id = $1";
        tx.execute(seen, &[account.into(), now.into()]).await?;
        tx.commit().await?;
        Ok(number)
    }

    /// The session of this token, unless it is closed or expired at `now`.
    ///
    /// # Errors
    ///
    /// When the store does not work.
    pub async fn session(
        &self,
        token: &KeyedHash,
        now: UnixMillis,
    ) -> Result<Option<Session>, StoreError> {
        let sql =
            "SELECT accounts.id, accounts.name, accounts.role, sessions.id, sessions.expires_ms
                   FROM sessions JOIN accounts ON accounts.id = sessions.account_id
                   WHERE sessions.token_hash = $1 AND sessions.expires_ms > $2";
        let row = self.database.row(sql, &[token.into(), now.into()]).await?;
        row.as_ref().map(read).transpose()
    }

    /// Lets the session of this token last until `expires`, and says whose it is; none when it is
    /// closed or expired at `now`. It was seen now, from this network and in this program.
    ///
    /// One step: a session that somebody closes at the same time does not come back.
    ///
    /// # Errors
    ///
    /// When the store does not work.
    pub async fn extend_session(
        &self,
        seen: &NewSession<'_>,
        now: UnixMillis,
    ) -> Result<Option<Session>, StoreError> {
        let NewSession { token, expires, prefix, client } = *seen;
        let Some(session) = self.session(token, now).await? else { return Ok(None) };
        let mut tx = self.database.begin(About::Account(session.account)).await?;
        let prefix = prefix.map(|prefix| prefix.to_string());
        let client = Note::new(client);
        let extend = "UPDATE sessions SET expires_ms = $3, seen_ms = $2, prefix = $4, client = $5
                      WHERE token_hash = $1 AND expires_ms > $2";
        let prefix = Value::Text(prefix.as_deref());
        let client = client.as_str().into();
        let values = [token.into(), now.into(), expires.into(), prefix, client];
        if tx.execute(extend, &values).await? == 0 {
            return Ok(None);
        }
        let seen = "UPDATE accounts SET seen_ms = $2 WHERE id = $1";
        tx.execute(seen, &[session.account.into(), now.into()]).await?;
        tx.commit().await?;
        Ok(Some(Session { expires, ..session }))
    }

    /// Closes a session; false when there was none.
    ///
    /// # Errors
    ///
    /// When the store does not work.
    pub async fn close_session(&self, token: &KeyedHash) -> Result<bool, StoreError> {
        let sql = "DELETE FROM sessions WHERE token_hash = $1";
        Ok(self.database.execute(sql, &[token.into()]).await? > 0)
    }

    /// The open sessions of an account, the one seen last first.
    ///
    /// # Errors
    ///
    /// When the store does not work.
    pub async fn sessions(
        &self,
        account: AccountId,
        now: UnixMillis,
    ) -> Result<Vec<SessionRecord>, StoreError> {
        let sql = "SELECT id, created_ms, seen_ms, expires_ms, prefix, client FROM sessions
                   WHERE account_id = $1 AND expires_ms > $2 ORDER BY seen_ms DESC, id DESC";
        let rows = self.database.rows(sql, &[account.into(), now.into()]).await?;
        rows.iter().map(read_record).collect()
    }

    /// Closes one session of an account; false when it has none of this number.
    ///
    /// # Errors
    ///
    /// When the store does not work.
    pub async fn revoke_session(
        &self,
        account: AccountId,
        number: SessionNumber,
    ) -> Result<bool, StoreError> {
        let sql = "DELETE FROM sessions WHERE account_id = $1 AND id = $2";
        let number = i64::try_from(number.0).unwrap_or(-1);
        Ok(self.database.execute(sql, &[account.into(), number.into()]).await? > 0)
    }

    /// Closes all sessions of an account but the one with the token `keep`, and says how many.
    ///
    /// # Errors
    ///
    /// When the store does not work.
    pub async fn revoke_sessions(
        &self,
        account: AccountId,
        keep: Option<&KeyedHash>,
    ) -> Result<u64, StoreError> {
        let keep = Value::Bytes(keep.map(|hash| hash.as_bytes().as_slice()));
        let sql = "DELETE FROM sessions
                   WHERE account_id = $1 AND ($2 IS NULL OR token_hash <> $2)";
        self.database.execute(sql, &[account.into(), keep]).await
    }

    /// Forgets sessions that are expired at `now`, and says how many.
    ///
    /// They are not found anyway; this frees their space.
    ///
    /// # Errors
    ///
    /// When the store does not work.
    pub async fn remove_expired_sessions(&self, now: UnixMillis) -> Result<u64, StoreError> {
        let sql = "DELETE FROM sessions WHERE id IN (
                       SELECT id FROM sessions WHERE expires_ms <= $1 LIMIT $2)";
        let mut removed = 0;
        loop {
            let portion = self.database.execute(sql, &[now.into(), PORTION.into()]).await?;
            removed += portion;
            if portion < u64::from(PORTION) {
                return Ok(removed);
            }
        }
    }
}

pub(super) async fn insert(
    tx: &mut Tx,
    account: AccountId,
    session: &NewSession<'_>,
    now: UnixMillis,
) -> Result<SessionNumber, StoreError> {
    // Not updated: another session gets another number.
    tx.execute("DELETE FROM sessions WHERE token_hash = $1", &[session.token.into()]).await?;
    let prefix = session.prefix.map(|prefix| prefix.to_string());
    let client = Note::new(session.client);
    let sql = "INSERT INTO sessions
                   (token_hash, account_id, created_ms, expires_ms, seen_ms, prefix, client)
               VALUES ($1, $2, $3, $4, $3, $5, $6) RETURNING id";
    let values = [
        session.token.into(),
        account.into(),
        now.into(),
        session.expires.into(),
        Value::Text(prefix.as_deref()),
        client.as_str().into(),
    ];
    let row = tx.row(sql, &values).await?;
    row.ok_or_else(|| StoreError::corrupt("an insert without a row"))?
        .unsigned(0)
        .map(SessionNumber)
}

fn read(row: &Row) -> Result<Session, StoreError> {
    Ok(Session {
        account: row.account(0)?,
        name: row.parsed(1, AccountName::parse_stored)?,
        role: row.parsed(2, RoleName::parse)?,
        number: SessionNumber(row.unsigned(3)?),
        expires: row.time(4)?,
    })
}

fn read_record(row: &Row) -> Result<SessionRecord, StoreError> {
    Ok(SessionRecord {
        number: SessionNumber(row.unsigned(0)?),
        created: row.time(1)?,
        seen: row.time(2)?,
        expires: row.time(3)?,
        prefix: row.get(4)?,
        client: Note::new(&row.get::<String>(5)?),
    })
}
