//! What games keep for a player: small values under names, with versions.

use super::error::StoreError;
use super::sql::{About, Row, Tx};
use super::{AccountId, Store};
use crate::time::UnixMillis;

/// The name of a game or of a value: 1 to 64 of `a-z 0-9 _ - . /`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DataKey(Box<str>);

/// A text that is no [`DataKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key has 1 to 64 of a to z, digits, '_', '-', '.' and '/'")]
pub struct DataKeyError;

impl DataKey {
    /// Checks a key.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, DataKeyError> {
        let may_stand = |b: u8| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'.' | b'/')
        };
        if (1..=64).contains(&text.len()) && text.bytes().all(may_stand) {
            return Ok(Self(text.into()));
        }
        Err(DataKeyError)
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A value that is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The bytes, as they were given.
    pub value: Vec<u8>,
    /// Changes with every write; no version of an account's data comes twice.
    pub version: u64,
}

/// A value in a list, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataEntry {
    /// Its name.
    pub key: DataKey,
    /// Its version.
    pub version: u64,
    /// Its length in bytes.
    pub bytes: u64,
    /// When it was written.
    pub updated: UnixMillis,
}

/// What is to be there for a write to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Whatever there is.
    Anything,
    /// No value.
    Nothing,
    /// The value of this version.
    Version(u64),
}

/// Why a value was not written or removed.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// There is something else than was expected: a value of this version, or none.
    #[error("somebody else has written this value")]
    Changed {
        /// The version that is there.
        version: Option<u64>,
    },
    /// More than [`Store::MAX_VALUE_BYTES`].
    #[error("a value has at most {} bytes", Store::MAX_VALUE_BYTES)]
    TooLong,
    /// The account has [`Store::MAX_VALUES`] values in this game, or values in
    /// [`Store::MAX_GAMES`] others.
    #[error("this account stores too many values")]
    TooMany,
    /// There is no such account.
    #[error("there is no such account")]
    UnknownAccount,
    /// The store did not work.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Most bytes of a value.
    pub const MAX_VALUE_BYTES: usize = 16 * 1024;

    /// Most values of an account in one game: with the longest, one mebibyte.
    pub const MAX_VALUES: u32 = 64;

    /// Most games an account has values in.
    pub const MAX_GAMES: u32 = 16;

    /// A value.
    ///
    /// # Errors
    ///
    /// When the store does not work.
    pub async fn data(
        &self,
        account: AccountId,
        game: &DataKey,
        key: &DataKey,
    ) -> Result<Option<Stored>, StoreError> {
        let sql = "SELECT value, version FROM player_data
                   WHERE account_id = $1 AND game = $2 AND name = $3";
        let values = [account.into(), game.as_str().into(), key.as_str().into()];
        let Some(row) = self.database.row(sql, &values).await? else { return Ok(None) };
        Ok(Some(Stored { value: row.get(0)?, version: row.unsigned(1)? }))
    }

    /// The values of an account in one game, by name, without their bytes.
    ///
    /// # Errors
    ///
    /// When the store does not work.
    pub async fn data_entries(
        &self,
        account: AccountId,
        game: &DataKey,
    ) -> Result<Vec<DataEntry>, StoreError> {
        let sql = "SELECT name, version, CAST(length(value) AS BIGINT), updated_ms FROM player_data
                   WHERE account_id = $1 AND game = $2 ORDER BY name";
        let rows = self.database.rows(sql, &[account.into(), game.as_str().into()]).await?;
        let read = |row: &Row| {
            Ok(DataEntry {
                key: row.parsed(0, DataKey::parse)?,
                version: row.unsigned(1)?,
                bytes: row.unsigned(2)?,
                updated: row.time(3)?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// Writes a value if what is there is what is expected, and says its version.
    ///
    /// # Errors
    ///
    /// See [`DataError`].
    pub async fn put_data(
        &self,
        account: AccountId,
        game: &DataKey,
        key: &DataKey,
        value: &[u8],
        expect: Expect,
        now: UnixMillis,
    ) -> Result<u64, DataError> {
        if value.len() > Self::MAX_VALUE_BYTES {
            return Err(DataError::TooLong);
        }
        let mut tx = self.database.begin(About::Account(account)).await?;
        let next = "UPDATE accounts SET data_version = data_version + 1 WHERE id = $1
                    RETURNING data_version";
        let next = tx.row(next, &[account.into()]).await?.ok_or(DataError::UnknownAccount)?;
        let version: i64 = next.get(0)?;
        let place = [account.into(), game.as_str().into(), key.as_str().into()];
        let found = tx.row(FIND_VERSION, &place).await?.map(|row| row.unsigned(0)).transpose()?;
        if !expect.is_met(found) {
            return Err(DataError::Changed { version: found });
        }
        if found.is_none() {
            refuse_too_many(&mut tx, account, game).await?;
        }
        let sql = "INSERT INTO player_data (account_id, game, name, value, version, updated_ms)
                   VALUES ($1, $2, $3, $4, $5, $6)
                   ON CONFLICT (account_id, game, name) DO UPDATE
                   SET value = excluded.value, version = excluded.version,
                       updated_ms = excluded.updated_ms";
        let [account, game, key] = place;
        tx.execute(sql, &[account, game, key, value.into(), version.into(), now.into()]).await?;
        tx.commit().await?;
        Ok(version.unsigned_abs())
    }

    /// Removes a value if what is there is what is expected; false when there is none.
    ///
    /// # Errors
    ///
    /// [`DataError::Changed`], or when the store does not work.
    pub async fn remove_data(
        &self,
        account: AccountId,
        game: &DataKey,
        key: &DataKey,
        expect: Expect,
    ) -> Result<bool, DataError> {
        let mut tx = self.database.begin(About::Account(account)).await?;
        let place = [account.into(), game.as_str().into(), key.as_str().into()];
        let found = tx.row(FIND_VERSION, &place).await?.map(|row| row.unsigned(0)).transpose()?;
        if !expect.is_met(found) {
            return Err(DataError::Changed { version: found });
        }
        let sql = "DELETE FROM player_data WHERE account_id = $1 AND game = $2 AND name = $3";
        let removed = tx.execute(sql, &place).await?;
        tx.commit().await?;
        Ok(removed > 0)
    }
}

impl Expect {
    fn is_met(self, found: Option<u64>) -> bool {
        match self {
            Self::Anything => true,
            Self::Nothing => found.is_none(),
            Self::Version(version) => found == Some(version),
        }
    }
}

const FIND_VERSION: &str =
    "SELECT version FROM player_data WHERE account_id = $1 AND game = $2 AND name = $3";

async fn refuse_too_many(tx: &mut Tx, account: AccountId, game: &DataKey) -> Result<(), DataError> {
    let games = "SELECT game, COUNT(*) FROM player_data WHERE account_id = $1 GROUP BY game";
    let games = tx.rows(games, &[account.into()]).await?;
    let mut known = false;
    for row in &games {
        if row.get::<String>(0)? == game.as_str() {
            known = true;
            if row.unsigned(1)? >= u64::from(Store::MAX_VALUES) {
                return Err(DataError::TooMany);
            }
        }
    }
    if !known && games.len() >= Store::MAX_GAMES as usize {
        return Err(DataError::TooMany);
    }
    Ok(())
}
