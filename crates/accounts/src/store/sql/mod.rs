//! One way to talk to two databases.
//!
//! Statements are written once, in what both understand: parameters are `$1`, `$2`, …, values are
//! 64-bit integers, text and bytes. What differs (how to connect, to lock, to begin) is here.

mod errors;
mod postgres;
mod sqlite;
mod value;

use std::future::Future;
use std::time::Duration;

use futures_util::stream::{BoxStream, StreamExt, TryStreamExt};
use sqlx::{AssertSqlSafe, PgPool, Postgres, SqlSafeStr, Sqlite, SqlitePool, Transaction};

use super::{OpenError, StoreError};
use crate::store::AccountId;
use crate::store::database_url::{DatabaseUrl, Place};

pub(super) use value::{Row, Value};

/// Connections to a database.
#[derive(Clone, Debug)]
pub(super) enum Database {
    /// Written through one connection, because SQLite has one writer anyway: here it waits in a
    /// fair queue instead of polling for the lock. Read through a few others, which never wait for
    /// the writer.
    Sqlite {
        writer: SqlitePool,
        readers: SqlitePool,
    },
    Postgres(PgPool),
}

/// What a transaction is about: two about the same thing come one after the other.
///
/// SQLite has one writer and needs no names. In PostgreSQL each is an advisory lock, taken first
/// and held to the end. A transaction takes one, so that there is no circle to wait in.
#[derive(Clone, Copy, Debug)]
pub(super) enum About {
    /// What a single statement or a constraint keeps in order.
    Rows,
    Account(AccountId),
    Launchers,
    Roles,
}

/// Statements that come true together, or not at all: dropped, nothing happened.
#[derive(Debug)]
pub(super) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Database {
    /// Connects, and brings the database to the newest version.
    pub(super) async fn open(url: &DatabaseUrl) -> Result<Self, OpenError> {
        match url.place() {
            Place::Sqlite(path) => {
                let (writer, readers) = sqlite::open(path).await?;
                Ok(Self::Sqlite { writer, readers })
            }
            Place::Postgres(options) => Ok(Self::Postgres(postgres::open(options).await?)),
        }
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }

    /// Begins to write.
    pub(super) async fn begin(&self, about: About) -> Result<Tx, StoreError> {
        match self {
            // The write lock is held from the start, so that nothing has to be given up in the
            // middle because another process wrote first.
            Self::Sqlite { writer, .. } => {
                Ok(Tx::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?))
            }
            Self::Postgres(pool) => {
                let mut transaction = Tx::Postgres(limited(pool.begin()).await?);
                postgres::lock(&mut transaction, about).await?;
                Ok(transaction)
            }
        }
    }

    /// Begins to read what is there at this moment, whatever is written meanwhile.
    pub(super) async fn snapshot(&self) -> Result<Tx, StoreError> {
        match self {
            Self::Sqlite { readers, .. } => Ok(Tx::Sqlite(readers.begin_with("BEGIN").await?)),
            Self::Postgres(pool) => {
                let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
                let mut transaction = Tx::Postgres(limited(pool.begin_with(begin)).await?);
                postgres::take_time(&mut transaction).await?;
                Ok(transaction)
            }
        }
    }

    /// One statement that writes, and how many rows it wrote. Returns no rows on purpose: they
    /// would arrive before the commit is known to have worked.
    pub(super) async fn execute(
        &self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<u64, StoreError> {
        match self {
            Self::Sqlite { writer, .. } => {
                let done = value::to_sqlite(sql, values).execute(writer).await?;
                Ok(done.rows_affected())
            }
            Self::Postgres(pool) => {
                let done = written(value::to_postgres(sql, values).execute(pool)).await?;
                Ok(done.rows_affected())
            }
        }
    }

    pub(super) async fn rows(
        &self,
        sql: impl SqlSafeStr,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::Sqlite { readers, .. } => {
                let rows = value::to_sqlite(sql, values).fetch_all(readers).await?;
                Ok(rows.into_iter().map(Row::Sqlite).collect())
            }
            Self::Postgres(pool) => {
                let rows = limited(value::to_postgres(sql, values).fetch_all(pool)).await?;
                Ok(rows.into_iter().map(Row::Postgres).collect())
            }
        }
    }

    pub(super) async fn row(
        &self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }
}

impl Tx {
    pub(super) async fn execute(
        &mut self,
        sql: impl SqlSafeStr,
        values: &[Value<'_>],
    ) -> Result<u64, StoreError> {
        match self {
            Self::Sqlite(transaction) => {
                let done = value::to_sqlite(sql, values).execute(&mut **transaction).await?;
                Ok(done.rows_affected())
            }
            Self::Postgres(transaction) => {
                let query = value::to_postgres(sql, values);
                Ok(limited(query.execute(&mut **transaction)).await?.rows_affected())
            }
        }
    }

    pub(super) async fn rows(
        &mut self,
        sql: impl SqlSafeStr,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::Sqlite(transaction) => {
                let rows = value::to_sqlite(sql, values).fetch_all(&mut **transaction).await?;
                Ok(rows.into_iter().map(Row::Sqlite).collect())
            }
            Self::Postgres(transaction) => {
                let query = value::to_postgres(sql, values);
                let rows = limited(query.fetch_all(&mut **transaction)).await?;
                Ok(rows.into_iter().map(Row::Postgres).collect())
            }
        }
    }

    pub(super) async fn row(
        &mut self,
        sql: impl SqlSafeStr,
        values: &[Value<'_>],
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }

    /// Empties these tables, whatever refers to them.
    pub(super) async fn empty(&mut self, tables: &[&'static str]) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(_) => {
                for table in tables.iter().rev() {
                    self.execute(AssertSqlSafe(format!("DELETE FROM {table}")), &[]).await?;
                }
            }
            Self::Postgres(_) => {
                postgres::take_time(self).await?;
                let tables = tables.join(", ");
                self.execute(AssertSqlSafe(format!("TRUNCATE {tables}")), &[]).await?;
            }
        }
        Ok(())
    }

    /// What a statement finds, one row after the other: for what is too much at once.
    pub(super) fn stream(
        &mut self,
        sql: impl SqlSafeStr + Send + 'static,
    ) -> BoxStream<'_, Result<Row, StoreError>> {
        match self {
            Self::Sqlite(transaction) => {
                let rows = sqlx::query(sql).fetch(&mut **transaction);
                rows.map_ok(Row::Sqlite).map_err(StoreError::from).boxed()
            }
            Self::Postgres(transaction) => {
                let rows = sqlx::query(sql).fetch(&mut **transaction);
                rows.map_ok(Row::Postgres).map_err(StoreError::from).boxed()
            }
        }
    }

    /// Makes it true, and waits for the disk.
    pub(super) async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(transaction) => Ok(transaction.commit().await?),
            Self::Postgres(transaction) => written(transaction.commit()).await,
        }
    }
}

/// A database that is not in this process may fall silent: nobody waits for it longer than this.
const LONGEST_CALL: Duration = Duration::from_secs(10);

async fn limited<T>(call: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, StoreError> {
    match tokio::time::timeout(LONGEST_CALL, call).await {
        Ok(result) => Ok(result?),
        Err(elapsed) => Err(StoreError::Unavailable(elapsed.into())),
    }
}

/// As [`limited`], for what may have been done although nobody said so.
async fn written<T>(call: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, StoreError> {
    match tokio::time::timeout(LONGEST_CALL, call).await {
        Ok(Err(error @ (sqlx::Error::Io(_) | sqlx::Error::Protocol(_)))) => {
            Err(StoreError::Uncertain(error.into()))
        }
        Ok(result) => Ok(result?),
        Err(elapsed) => Err(StoreError::Uncertain(elapsed.into())),
    }
}
