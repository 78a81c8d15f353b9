//! The store against real databases: what it keeps, what it refuses.

mod accounts_kept;
mod common;
mod launchers;
mod sessions;
mod sqlite;

use std::panic::{AssertUnwindSafe, catch_unwind};

use accounts::testing::{Durable, Postgres};
use common::Database;

/// What holds in SQLite, test by test, holds in PostgreSQL, too: all of it on one server, each
/// check in a database of its own.
#[test]
fn everything_holds_in_postgresql_too() {
    let server = Postgres::start(Durable::No);
    let mut failed = Vec::new();
    for check in [accounts_kept::CHECKS, sessions::CHECKS, launchers::CHECKS].concat() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        println!("{}", check.name);
        let result = catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(async {
                let database = Database::in_postgres(&server).await;
                (check.run)(&database).await;
            });
        }));
        if result.is_err() {
            failed.push(check.name);
        }
    }
    assert!(failed.is_empty(), "failed in PostgreSQL: {failed:?}");
}
