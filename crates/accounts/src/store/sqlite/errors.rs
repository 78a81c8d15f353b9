//! From what SQLite says to what a caller can do about it.

use crate::store::StoreError;

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let kind = match &error {
            sqlx::Error::Database(database) => by_code(database.code().as_deref()),
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => Self::Unavailable,
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Self::Corrupt,
            _ => Self::Other,
        };
        kind(error.into())
    }
}

type Kind = fn(Box<dyn std::error::Error + Send + Sync>) -> StoreError;

/// The low byte of SQLite's extended result code says what it is about.
fn by_code(code: Option<&str>) -> Kind {
    let code: Option<u32> = code.and_then(|code| code.parse().ok());
    match code.map(|code| code & 0xff) {
        Some(SQLITE_FULL) => StoreError::Full,
        Some(SQLITE_BUSY | SQLITE_LOCKED) => StoreError::Unavailable,
        Some(SQLITE_CORRUPT | SQLITE_NOTADB) => StoreError::Corrupt,
        _ => StoreError::Other,
    }
}

const SQLITE_BUSY: u32 = 5;
const SQLITE_LOCKED: u32 = 6;
const SQLITE_CORRUPT: u32 = 11;
const SQLITE_FULL: u32 = 13;
const SQLITE_NOTADB: u32 = 26;
