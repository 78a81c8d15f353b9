//! What the tests of the store share.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::path::PathBuf;

use accounts::{
    AccountName, EnrollmentSecret, KeyedHash, LauncherName, PasswordHash, SecretKey, SessionToken,
    SqliteStore, UnixMillis,
};
use tempfile::TempDir;

pub(crate) const NOW: UnixMillis = UnixMillis::from_millis(1_700_000_000_000);
pub(crate) const LATER: UnixMillis = UnixMillis::from_millis(1_700_000_060_000);
pub(crate) const MUCH_LATER: UnixMillis = UnixMillis::from_millis(1_700_009_000_000);

/// A database file of its own, gone with the test.
pub(crate) struct Database {
    pub(crate) directory: TempDir,
    pub(crate) path: PathBuf,
}

impl Database {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("accounts.db");
        Self { directory, path }
    }

    pub(crate) async fn open(&self) -> SqliteStore {
        SqliteStore::open(&self.path).await.unwrap()
    }
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
