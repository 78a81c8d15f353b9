//! Brings a database to the newest version, or refuses it.

use std::borrow::Cow;

use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr, SqliteConnection};

use super::sql::Tx;
use super::{OpenError, StoreError};
use crate::name::AccountName;

/// Which SQL is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

/// Runs what is missing, all of it or nothing.
///
/// `connection` has to be inside a transaction that holds a lock: of two processes that open a new
/// database, the second finds it finished.
pub(super) async fn run(connection: &mut impl Migrate, dialect: Dialect) -> Result<(), OpenError> {
    let migrator = migrator(dialect);
    connection.ensure_migrations_table(&migrator.table_name).await.map_err(other)?;
    refuse_newer(newest(connection, &migrator).await?)?;
    migrator.run_direct(None, connection, false).await.map_err(other)
}

/// What migrations cannot do in SQL: how names look that were there before this was kept.
pub(super) async fn fill(transaction: &mut Tx) -> Result<(), StoreError> {
    let missing = "SELECT id, name FROM accounts WHERE look IS NULL ORDER BY id";
    for row in transaction.rows(missing, &[]).await? {
        let name = row.parsed(1, AccountName::parse_stored)?;
        // Names that were given before looks counted stay, the first with the look.
        let update = "UPDATE accounts SET look = $2 WHERE id = $1
                      AND NOT EXISTS (SELECT 1 FROM accounts AS other WHERE other.look = $2)";
        transaction.execute(update, &[row.account(0)?.into(), name.look().into()]).await?;
    }
    Ok(())
}

/// Does to rows that were kept in `version` what the migrations since then did to theirs.
pub(super) async fn catch_up(tx: &mut Tx, version: u64) -> Result<(), StoreError> {
    let since = usize::try_from(version).unwrap_or(usize::MAX).min(MIGRATIONS.len());
    for (_, sql) in &MIGRATIONS[since..] {
        let dialect = match tx {
            Tx::Sqlite(_) => Dialect::Sqlite,
            Tx::Postgres(_) => Dialect::Postgres,
        };
        for statement in about_rows(&sql.in_dialect(dialect)) {
            tx.execute(AssertSqlSafe(statement), &[]).await?;
        }
    }
    Ok(())
}

/// The statements that change or add rows, and not tables.
fn about_rows(sql: &str) -> Vec<String> {
    let without_comments = sql.lines().filter(|line| !line.trim_start().starts_with("--"));
    let sql = without_comments.collect::<Vec<_>>().join("\n");
    let statements = sql.split(';').map(str::trim);
    let about_rows = |s: &&str| s.starts_with("INSERT INTO ") || s.starts_with("UPDATE ");
    statements.filter(about_rows).map(str::to_owned).collect()
}

/// Lets entries of the audit log be removed, within this transaction: to restore a backup.
pub(super) async fn open_audit(tx: &mut Tx) -> Result<(), StoreError> {
    match tx {
        Tx::Sqlite(_) => {
            tx.execute("DROP TRIGGER audit_keeps_entries", &[]).await?;
            tx.execute("DROP TRIGGER audit_keeps_contents", &[]).await?;
        }
        Tx::Postgres(_) => {
            tx.execute("ALTER TABLE audit DISABLE TRIGGER USER", &[]).await?;
        }
    }
    Ok(())
}

/// Ends what [`open_audit`] has begun.
pub(super) async fn close_audit(tx: &mut Tx) -> Result<(), StoreError> {
    match tx {
        Tx::Sqlite(_) => tx.execute(APPEND_ONLY_SQLITE, &[]).await?,
        Tx::Postgres(_) => tx.execute("ALTER TABLE audit ENABLE TRIGGER USER", &[]).await?,
    };
    Ok(())
}

/// The version of a database that is neither new nor of the newest version.
pub(super) async fn outdated(connection: &mut SqliteConnection) -> Result<Option<u64>, OpenError> {
    let exists = "SELECT name FROM sqlite_schema WHERE name = '_sqlx_migrations'";
    let exists = sqlx::query(exists).fetch_optional(&mut *connection).await;
    if exists.map_err(StoreError::from)?.is_none() {
        return Ok(None);
    }
    let found = newest(connection, &migrator(Dialect::Sqlite)).await?;
    Ok((1..KNOWN).contains(&found).then_some(found))
}

/// The version this program brings every database to.
pub(super) const KNOWN: u64 = MIGRATIONS.len() as u64;

/// Every version of the database there ever was. Never change one that was released: add one.
const MIGRATIONS: [(&str, Sql); 10] = [
    ("accounts", Sql::Both(include_str!("../../migrations/0001_accounts.sql"))),
    ("sessions", Sql::Both(include_str!("../../migrations/0002_sessions.sql"))),
    ("launchers", Sql::Both(include_str!("../../migrations/0003_launchers.sql"))),
    ("names", Sql::Both(include_str!("../../migrations/0004_names.sql"))),
    ("session list", Sql::Both(include_str!("../../migrations/0005_session_list.sql"))),
    ("roles and guests", Sql::Both(include_str!("../../migrations/0006_roles_and_guests.sql"))),
    ("moderation", Sql::Both(include_str!("../../migrations/0007_moderation.sql"))),
    ("player data", Sql::Both(include_str!("../../migrations/0008_player_data.sql"))),
    ("launcher limits", Sql::Both(include_str!("../../migrations/0009_launcher_limits.sql"))),
    (
        "append only",
        Sql::Each {
            sqlite: APPEND_ONLY_SQLITE,
            postgres: include_str!("../../migrations/0010_append_only.postgres.sql"),
        },
    ),
];

const APPEND_ONLY_SQLITE: &str = include_str!("../../migrations/0010_append_only.sqlite.sql");

enum Sql {
    /// Written for SQLite, and put into PostgreSQL's words: see [`for_postgres`].
    Both(&'static str),
    Each {
        sqlite: &'static str,
        postgres: &'static str,
    },
}

impl Sql {
    fn in_dialect(&self, dialect: Dialect) -> Cow<'static, str> {
        match (self, dialect) {
            (Self::Both(sql), Dialect::Sqlite) => (*sql).into(),
            (Self::Both(sql), Dialect::Postgres) => for_postgres(sql).into(),
            (Self::Each { sqlite, .. }, Dialect::Sqlite) => (*sqlite).into(),
            (Self::Each { postgres, .. }, Dialect::Postgres) => (*postgres).into(),
        }
    }
}

/// So that there is one schema, and not two that drift apart. Text is ordered by its bytes, as in
/// SQLite, wherever the database was made.
fn for_postgres(sql: &str) -> String {
    sql.replace(
        "INTEGER PRIMARY KEY AUTOINCREMENT",
        "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
    )
    .replace("INTEGER", "BIGINT")
    .replace("BLOB", "BYTEA")
    .replace(" TEXT", " TEXT COLLATE \"C\"")
    .replace(") STRICT;", ");")
}

fn migrator(dialect: Dialect) -> Migrator {
    let migrations = (1..).zip(&MIGRATIONS).map(|(version, (description, sql))| {
        Migration::new(
            version,
            (*description).into(),
            MigrationType::Simple,
            AssertSqlSafe(sql.in_dialect(dialect)).into_sql_str(),
            false,
        )
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
    // The caller holds a lock already.
    migrator.set_locking(false);
    migrator
}

async fn newest(connection: &mut impl Migrate, migrator: &Migrator) -> Result<u64, OpenError> {
    let applied = connection.list_applied_migrations(&migrator.table_name).await.map_err(other)?;
    Ok(applied.iter().map(|migration| migration.version.unsigned_abs()).max().unwrap_or(0))
}

fn refuse_newer(found: u64) -> Result<(), OpenError> {
    if found > KNOWN { Err(OpenError::TooNew { found, known: KNOWN }) } else { Ok(()) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_put_into_the_words_of_postgresql() {
        let sql = "CREATE TABLE t (\n id INTEGER PRIMARY KEY AUTOINCREMENT,\n a TEXT NOT NULL,\n b BLOB,\n c INTEGER\n) STRICT;";
        let expected = "CREATE TABLE t (\n id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,\n a TEXT COLLATE \"C\" NOT NULL,\n b BYTEA,\n c BIGINT\n);";
        assert_eq!(for_postgres(sql), expected);
    }

    #[test]
    fn what_migrations_do_to_rows_is_known() {
        let all = MIGRATIONS.iter().map(|(_, sql)| about_rows(&sql.in_dialect(Dialect::Sqlite)));
        let counts: Vec<_> = all.map(|statements| statements.len()).collect();
        assert_eq!(counts[..10], [0, 0, 0, 0, 1, 2, 0, 0, 0, 0]);
    }

    #[test]
    fn nothing_of_sqlite_is_left_in_what_postgresql_hears() {
        for (name, sql) in &MIGRATIONS {
            let sql = sql.in_dialect(Dialect::Postgres);
            for word in ["STRICT", "AUTOINCREMENT", "BLOB", "INTEGER"] {
                assert!(!sql.contains(word), "{name}: {word}");
            }
        }
    }
}
