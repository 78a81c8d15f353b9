//! Brings a database to the newest version, or refuses it.

use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::{SqlSafeStr, SqliteConnection};

use crate::store::{OpenError, StoreError};

/// Runs what is missing, all of it or nothing.
///
/// `connection` has to be inside a transaction that holds the write lock: of two processes that
/// open a new database, the second finds it finished.
pub(super) async fn run(connection: &mut SqliteConnection) -> Result<(), OpenError> {
    let migrator = migrator();
    connection.ensure_migrations_table(&migrator.table_name).await.map_err(other)?;
    refuse_newer(connection, &migrator).await?;
    migrator.run_direct(None, connection, false).await.map_err(other)
}

/// Every version of the database there ever was. Never change one that was released: add one.
const MIGRATIONS: [(&str, &str); 3] = [
    ("accounts", include_str!("../../../migrations/0001_accounts.sql")),
    ("sessions", include_str!("../../../migrations/0002_sessions.sql")),
    ("launchers", include_str!("../../../migrations/0003_launchers.sql")),
];

fn migrator() -> Migrator {
    let migrations = (1..).zip(MIGRATIONS).map(|(version, (description, sql))| {
        Migration::new(
            version,
            description.into(),
            MigrationType::Simple,
            sql.into_sql_str(),
            false,
        )
    });
    Migrator::with_migrations(migrations.collect())
}

async fn refuse_newer(
    connection: &mut SqliteConnection,
    migrator: &Migrator,
) -> Result<(), OpenError> {
    let applied = connection.list_applied_migrations(&migrator.table_name).await.map_err(other)?;
    let found = applied.iter().map(|migration| migration.version).max().unwrap_or(0);
    let known = migrator.iter().map(|migration| migration.version).max().unwrap_or(0);
    if found > known {
        return Err(OpenError::TooNew { found: found.unsigned_abs(), known: known.unsigned_abs() });
    }
    Ok(())
}

fn other(error: MigrateError) -> OpenError {
    match error {
        MigrateError::VersionMismatch(version)
        | MigrateError::VersionMissing(version)
        | MigrateError::Dirty(version) => OpenError::Foreign { version: version.unsigned_abs() },
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            StoreError::from(error).into()
        }
        error => StoreError::Other(error.into()).into(),
    }
}
