//! Who may log in: accounts, passwords, sessions, launchers.

mod hashing;
mod name;
mod password;
mod prefix;
mod private_file;
mod secret_key;
mod store;
mod time;
mod token;

pub use hashing::{
    HashError, HashParameters, HashParametersError, HashQueue, HashQueueConfig, HashQueueError,
    HashQueueStatistics, Origin, PasswordHash, PasswordHashError,
};
pub use name::{AccountName, LauncherName, NameError};
pub use password::{Password, PasswordError};
pub use prefix::Prefix;
pub use secret_key::{KeyedHash, SecretKey, SecretKeyError};
pub use store::{
    Account, AccountId, CreateAccountError, EnrollError, LauncherRecord, MAX_SESSIONS_PER_ACCOUNT,
    OpenError, Session, SqliteStore, Store, StoreError,
};
pub use time::UnixMillis;
pub use token::{EnrollmentSecret, RandomError, SessionToken, TokenError};
