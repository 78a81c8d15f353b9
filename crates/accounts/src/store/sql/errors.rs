//! From what a database says to what a caller can do about it.

use crate::store::StoreError;

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let kind = match &error {
            sqlx::Error::Database(database) => by_code(database.code().as_deref()),
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) => {
                Self::Unavailable
            }
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Self::Corrupt,
            _ => Self::Other,
        };
        kind(error.into())
    }
}

type Kind = fn(Box<dyn std::error::Error + Send + Sync>) -> StoreError;

/// PostgreSQL's codes have five characters, SQLite's are numbers of at most four digits.
fn by_code(code: Option<&str>) -> Kind {
    match code {
        Some(code) if code.len() == 5 => by_sqlstate(code),
        Some(code) => by_result_code(code),
        None => StoreError::Other,
    }
}

/// The low byte of SQLite's extended result code says what it is about.
fn by_result_code(code: &str) -> Kind {
    match code.parse::<u32>().map(|code| code & 0xff) {
        Ok(SQLITE_FULL) => StoreError::Full,
        Ok(SQLITE_BUSY | SQLITE_LOCKED) => StoreError::Unavailable,
        Ok(SQLITE_CORRUPT | SQLITE_NOTADB) => StoreError::Corrupt,
        _ => StoreError::Other,
    }
}

fn by_sqlstate(code: &str) -> Kind {
    match code {
        DISK_FULL => StoreError::Full,
        // Lost the connection, short of something, stopping or starting, cancelled by a timeout.
        _ if ["08", "53", "57"].iter().any(|class| code.starts_with(class)) => {
            StoreError::Unavailable
        }
        SERIALIZATION_FAILURE | DEADLOCK | LOCK_NOT_AVAILABLE => StoreError::Unavailable,
        DATA_CORRUPTED | INDEX_CORRUPTED => StoreError::Corrupt,
        _ => StoreError::Other,
    }
}

const SQLITE_BUSY: u32 = 5;
const SQLITE_LOCKED: u32 = 6;
const SQLITE_CORRUPT: u32 = 11;
const SQLITE_FULL: u32 = 13;
const SQLITE_NOTADB: u32 = 26;

const DISK_FULL: &str = "53100";
const SERIALIZATION_FAILURE: &str = "40001";
const DEADLOCK: &str = "40P01";
const LOCK_NOT_AVAILABLE: &str = "55P03";
const DATA_CORRUPTED: &str = "XX001";
const INDEX_CORRUPTED: &str = "XX002";
