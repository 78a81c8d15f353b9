//! What goes into statements and comes out of rows.

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{ColumnIndex, Decode, Postgres, Row as _, SqlSafeStr, Sqlite, Type};

use crate::secret_key::KeyedHash;
use crate::store::{AccountId, StoreError};
use crate::time::UnixMillis;

/// A value for a parameter. What may be missing says what it would be: PostgreSQL wants to know.
#[derive(Clone, Copy)]
pub(in crate::store) enum Value<'a> {
    Int(Option<i64>),
    Text(Option<&'a str>),
    Bytes(Option<&'a [u8]>),
}

pub(super) fn to_sqlite<'q>(
    sql: impl SqlSafeStr,
    values: &[Value<'_>],
) -> Query<'q, Sqlite, SqliteArguments> {
    values.iter().fold(sqlx::query(sql), |query, value| match *value {
        Value::Int(int) => query.bind(int),
        Value::Text(text) => query.bind(text.map(str::to_owned)),
        Value::Bytes(bytes) => query.bind(bytes.map(<[u8]>::to_vec)),
    })
}

pub(super) fn to_postgres<'q>(
    sql: impl SqlSafeStr,
    values: &[Value<'_>],
) -> Query<'q, Postgres, PgArguments> {
    values.iter().fold(sqlx::query(sql), |query, value| match *value {
        Value::Int(int) => query.bind(int),
        Value::Text(text) => query.bind(text.map(str::to_owned)),
        Value::Bytes(bytes) => query.bind(bytes.map(<[u8]>::to_vec)),
    })
}

/// What a statement found.
#[derive(Debug)]
pub(in crate::store) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// What both databases can read from a column.
pub(in crate::store) trait Cell:
    Sized + Type<Sqlite> + Type<Postgres> + for<'r> Decode<'r, Sqlite> + for<'r> Decode<'r, Postgres>
{
}

impl<T> Cell for T where
    T: Type<Sqlite> + Type<Postgres> + for<'r> Decode<'r, Sqlite> + for<'r> Decode<'r, Postgres>
{
}

impl Row {
    /// The value in a column, counted from zero.
    pub(in crate::store) fn get<T: Cell>(&self, column: usize) -> Result<T, StoreError>
    where
        usize: ColumnIndex<SqliteRow> + ColumnIndex<PgRow>,
    {
        match self {
            Self::Sqlite(row) => Ok(row.try_get(column)?),
            Self::Postgres(row) => Ok(row.try_get(column)?),
        }
    }

    pub(in crate::store) fn time(&self, column: usize) -> Result<UnixMillis, StoreError> {
        millis_from(self.get(column)?)
    }

    pub(in crate::store) fn optional_time(
        &self,
        column: usize,
    ) -> Result<Option<UnixMillis>, StoreError> {
        self.get::<Option<i64>>(column)?.map(millis_from).transpose()
    }

    pub(in crate::store) fn account(&self, column: usize) -> Result<AccountId, StoreError> {
        self.unsigned(column).map(AccountId::from_u64)
    }

    pub(in crate::store) fn unsigned(&self, column: usize) -> Result<u64, StoreError> {
        u64::try_from(self.get::<i64>(column)?).map_err(StoreError::corrupt)
    }

    /// Text that says what `parse` understands.
    pub(in crate::store) fn parsed<T, E>(
        &self,
        column: usize,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, StoreError>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        parse(&self.get::<String>(column)?).map_err(StoreError::corrupt)
    }

    /// Exactly this many bytes.
    pub(in crate::store) fn array<const N: usize>(
        &self,
        column: usize,
    ) -> Result<[u8; N], StoreError> {
        let bytes: Vec<u8> = self.get(column)?;
        bytes.try_into().map_err(|_| StoreError::corrupt("bytes of another length"))
    }
}

fn millis_from(millis: i64) -> Result<UnixMillis, StoreError> {
    u64::try_from(millis).map(UnixMillis::from_millis).map_err(StoreError::corrupt)
}

impl From<i64> for Value<'_> {
    fn from(int: i64) -> Self {
        Self::Int(Some(int))
    }
}

impl From<u32> for Value<'_> {
    fn from(int: u32) -> Self {
        Self::Int(Some(int.into()))
    }
}

impl From<bool> for Value<'_> {
    fn from(is: bool) -> Self {
        Self::Int(Some(is.into()))
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Some(text))
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(Some(bytes))
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Value<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Self::Bytes(Some(bytes))
    }
}

impl<'a> From<&'a KeyedHash> for Value<'a> {
    fn from(hash: &'a KeyedHash) -> Self {
        hash.as_bytes().into()
    }
}

impl From<UnixMillis> for Value<'_> {
    fn from(time: UnixMillis) -> Self {
        Self::Int(Some(time.as_database()))
    }
}

impl From<Option<UnixMillis>> for Value<'_> {
    fn from(time: Option<UnixMillis>) -> Self {
        Self::Int(time.map(UnixMillis::as_database))
    }
}

impl From<AccountId> for Value<'_> {
    /// An id that no row can have finds none.
    fn from(id: AccountId) -> Self {
        Self::Int(Some(i64::try_from(id.as_u64()).unwrap_or(-1)))
    }
}
