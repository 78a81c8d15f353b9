//! What the tests of the store share.
#![allow(dead_code, unused_macros, unused_imports, reason = "each test binary uses a part of it")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::pin::Pin;

use accounts::testing::{Durable, Postgres};
use accounts::{
    AccountId, AccountName, Author, DatabaseUrl, EnrollmentSecret, KeyedHash, LauncherName,
    NewSession, PasswordHash, SecretKey, SessionToken, Store, UnixMillis,
};
use tempfile::TempDir;

pub(crate) const NOW: UnixMillis = UnixMillis::from_millis(1_700_000_000_000);
pub(crate) const LATER: UnixMillis = UnixMillis::from_millis(1_700_000_060_000);
pub(crate) const MUCH_LATER: UnixMillis = UnixMillis::from_millis(1_700_009_000_000);

/// Who does things in tests.
pub(crate) const BY: Author = Author::Console;

/// A database of its own, gone with the test.
pub(crate) struct Database {
    pub(crate) directory: TempDir,
    /// Of the file, if it is one.
    pub(crate) path: PathBuf,
    pub(crate) url: DatabaseUrl,
}

impl Database {
    /// A file of SQLite.
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("accounts.db");
        let url = DatabaseUrl::sqlite(&path);
        Self { directory, path, url }
    }

    pub(crate) async fn in_postgres(server: &Postgres) -> Self {
        Self { url: server.database().await, ..Self::new() }
    }

    pub(crate) async fn open(&self) -> Store {
        Store::open(&self.url).await.unwrap()
    }
}

/// Something that has to hold in every database.
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Database) -> Pin<Box<dyn Future<Output = ()> + '_>>,
}

/// Checks that have to hold in SQLite, where each is a test, and in PostgreSQL, where all of a file
/// are one test: on one server, each in a database of its own.
macro_rules! in_every_database {
    ($($(#[doc = $doc:literal])* async fn $name:ident($database:ident: &Database) $body:block)*) => {
        $($(#[doc = $doc])* async fn $name($database: &Database) $body)*

        #[test]
        fn all_of_this_holds_in_postgresql_too() {
            crate::common::check_in_postgres(&[$(crate::common::Check {
                name: stringify!($name),
                run: |database| Box::pin($name(database)),
            }),*]);
        }

        mod in_sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&crate::common::Database::new()).await;
            })*
        }
    };
}

pub(crate) use in_every_database;

pub(crate) fn check_in_postgres(checks: &[Check]) {
    let server = Postgres::start(Durable::No);
    let mut failed = Vec::new();
    for check in checks {
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

pub(crate) fn name(text: &str) -> AccountName {
    AccountName::parse(text).unwrap()
}

pub(crate) fn launcher(text: &str) -> LauncherName {
    LauncherName::parse(text).unwrap()
}

/// A hash of nothing in particular; `number` tells it from others.
pub(crate) fn hash(number: u32) -> PasswordHash {
    let output = format!("{number:043}").replace('0', "A");
    let text = format!("$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ${}A", &output[1..]);
    PasswordHash::parse(&text).unwrap()
}

pub(crate) fn key() -> SecretKey {
    SecretKey::from_bytes(&[3; 32])
}

pub(crate) fn token(number: u8) -> KeyedHash {
    key().hash_token(&SessionToken::from_bytes([number; 32]))
}

pub(crate) fn secret(number: u8) -> KeyedHash {
    key().hash_enrollment(&EnrollmentSecret::from_bytes([number; 32]))
}

/// A session from nowhere in particular.
pub(crate) fn session(token: &KeyedHash, expires: UnixMillis) -> NewSession<'_> {
    NewSession { token, expires, prefix: None, client: "a test" }
}

/// An account of this name.
pub(crate) async fn account(store: &Store, text: &str) -> AccountId {
    store.create_account(&name(text), hash(1), NOW).await.unwrap()
}

/// The name of the launcher that has this key.
pub(crate) async fn launcher_with(store: &Store, key: &[u8; 32]) -> Option<LauncherName> {
    store.launcher(key).await.unwrap().map(|launcher| launcher.name)
}
