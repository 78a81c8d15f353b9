//! PostgreSQL: how to connect, to lock, and to be sure of the disk.

use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::{About, LONGEST_CALL, Tx, Value};
use crate::store::migrations::{self, Dialect};
use crate::store::{OpenError, StoreError};

pub(super) async fn open(options: &PgConnectOptions) -> Result<PgPool, OpenError> {
    let limit = LONGEST_STATEMENT.as_millis().to_string();
    let options = options.clone().application_name("gatehouse").options([
        // Whatever the server's default is: what is acknowledged is on disk.
        ("synchronous_commit", "on"),
        ("default_transaction_isolation", "read committed"),
        ("statement_timeout", &limit),
        ("idle_in_transaction_session_timeout", &limit),
    ]);
    migrate(&options).await?;
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(Some(IDLE_TIMEOUT))
        .connect_with(options)
        .await
        .map_err(StoreError::from)?;
    warn_of_unsafe_settings(&pool).await;
    Ok(pool)
}

/// Waits until nobody else is at the same thing.
pub(super) async fn lock(transaction: &mut Tx, about: About) -> Result<(), StoreError> {
    let (class, key) = match about {
        About::Rows => return Ok(()),
        About::Account(id) => (1, id.as_u64()),
        About::Launchers => (2, 0),
        About::Roles => (3, 0),
    };
    // What is cut off only makes two wait for each other that need not.
    let number = (class << 56_i64) | i64::try_from(key & 0x00ff_ffff_ffff_ffff).unwrap_or(0);
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[Value::from(number)]).await?;
    Ok(())
}

/// Lets a transaction that copies everything have statements that take longer.
pub(super) async fn take_time(transaction: &mut Tx) -> Result<(), StoreError> {
    transaction.execute("SET LOCAL statement_timeout = 0", &[]).await?;
    transaction.execute("SET LOCAL idle_in_transaction_session_timeout = 0", &[]).await?;
    Ok(())
}

async fn migrate(options: &PgConnectOptions) -> Result<(), OpenError> {
    // A migration of many rows takes as long as it takes.
    let options = options.clone().options([("statement_timeout", "0")]);
    let connect =
        PgPoolOptions::new().max_connections(1).acquire_timeout(LONGEST_CALL).connect_with(options);
    let pool = connect.await.map_err(StoreError::from)?;
    let mut transaction = pool.begin().await.map_err(StoreError::from)?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(MIGRATION_LOCK)
        .execute(&mut *transaction)
        .await
        .map_err(StoreError::from)?;
    migrations::run(&mut *transaction, Dialect::Postgres).await?;
    let mut transaction = Tx::Postgres(transaction);
    migrations::fill(&mut transaction).await?;
    transaction.commit().await?;
    pool.close().await;
    Ok(())
}

async fn warn_of_unsafe_settings(pool: &PgPool) {
    for setting in ["fsync", "full_page_writes"] {
        let value = sqlx::query_scalar::<_, String>("SELECT current_setting($1)")
            .bind(setting)
            .fetch_one(pool)
            .await;
        if value.is_ok_and(|value| value == "off") {
            tracing::warn!(setting, "is off in PostgreSQL: a loss of power may lose everything");
        }
    }
}

/// Enough to share the work of a commit, and a small part of the hundred a server has by default.
const CONNECTIONS: u32 = 8;

/// Longest wait for a connection of this process.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// A statement takes milliseconds: past this, something is wrong with the server.
const LONGEST_STATEMENT: Duration = Duration::from_secs(8);

const IDLE_TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// Of two programs that open a new database, the second finds it finished.
const MIGRATION_LOCK: i64 = i64::from_be_bytes(*b"\0gatehou");
