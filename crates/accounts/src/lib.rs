//! Who may log in: accounts, passwords, sessions, launchers.
//!
//! This crate decides nothing about connections: it has no actors and no sockets, and knows no
//! message. A server parses what it was sent into the types here, asks, and gets typed answers.
//!
//! # What is here
//!
//! * **Names**: [`AccountName`] and [`LauncherName`], kept as written, unique without case, and
//!   accounts' by sight; [`NameRules`] for what nobody may be called.
//! * **Passwords**: [`Password`] (wiped, never shown) becomes a [`PasswordHash`] (argon2id) on the
//!   threads of a [`HashQueue`], which is bounded and fair, so that a storm of logins is served in
//!   order and a flood from one network delays only that network. [`Lockout`] counts wrong ones.
//! * **Secrets handed out**: a [`SessionToken`] stands for a password once somebody is logged in,
//!   an [`EnrollmentSecret`] admits one launcher once. What is kept of either is a [`KeyedHash`].
//! * **The store**: [`Store`], in one file of SQLite or in PostgreSQL: accounts and guests, sessions,
//!   launchers, roles, bans and mutes, reports, the audit log, what games keep for players, and what
//!   players have achieved; to be backed up, exported and erased.
//!
//! # What a thief gains
//!
//! From the database: names, and argon2id hashes to guess at, one at a time and each at full cost.
//! Nothing in it logs anybody in: tokens and enrolment secrets are kept as HMAC-SHA256 under the
//! [`SecretKey`], which lies in a file beside it. From database *and* key: the same, because a
//! token has 256 random bits and an HMAC cannot be turned round. The key makes sure that nobody
//! who can only write to the database can plant a session. From a core dump or a log: passwords
//! and tokens are wiped when dropped, and no `Debug` shows a secret.
//!
//! # What is promised
//!
//! * A method of the store that returned `Ok` has its write on disk: it survives kill -9 and loss
//!   of power.
//! * Every call ends: the store within some ten seconds, the queue at once when it is full.
//! * Whether a name exists does not show in the time a login takes
//!   ([`HashQueue::verify`] with `None`).
//! * Nothing reads the wall clock; every method that needs the time takes a [`UnixMillis`].
//!
//! # An account from beginning to end
//!
//! ```
//! use std::time::{Duration, SystemTime};
//!
//! use accounts::{
//!     AccountName, HashQueue, HashQueueConfig, NewSession, Origin, Password, SecretKey,
//!     SessionToken, Store, UnixMillis, Verified,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let data = directory.path();
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let store = Store::open_sqlite(&data.join("accounts.db")).await?;
//! let key = SecretKey::load_or_create(&data.join("token.key"))?;
//! let hashing = HashQueue::new(HashQueueConfig::default())?;
//!
//! // Somebody registers.
//! let now = UnixMillis::from(SystemTime::now());
//! let origin = Origin::new("192.0.2.7".parse()?, 1);
//! let name = AccountName::parse("Rosa")?;
//! let hash = hashing.hash(origin, Password::new("correct horse".to_owned())?).await?;
//! let id = store.create_account(&name, hash, now).await?;
//!
//! // Logs in: an unknown name takes the same way.
//! let account = store.account(&AccountName::parse("rosa")?).await?;
//! let hash = account.and_then(|account| account.password_hash);
//! let verified = hashing.verify(origin, Password::new("correct horse".to_owned())?, hash).await?;
//! assert!(matches!(verified, Verified::Right { .. }));
//! let token = SessionToken::generate()?;
//! let expires = now.saturating_add(Duration::from_secs(30 * 24 * 3600));
//! let hash = key.hash_token(&token);
//! let session = NewSession { token: &hash, expires, prefix: Some(origin.prefix), client: "a game" };
//! store.open_session(id, &session, now).await?;
//!
//! // And comes back with the token alone.
//! let shown = SessionToken::parse(&token.to_text())?;
//! let session = store.session(&key.hash_token(&shown), now).await?;
//! assert_eq!(session.map(|session| session.account), Some(id));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })
//! # }
//! ```

mod hashing;
mod lockout;
mod name;
mod name_rules;
mod note;
mod password;
mod prefix;
pub mod private_file;
mod range;
mod role;
mod secret_key;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod time;
mod token;

pub use hashing::{
    HashError, HashParameters, HashParametersError, HashQueue, HashQueueConfig, HashQueueError,
    HashQueueStatistics, Origin, PasswordHash, PasswordHashError, Verified,
};
pub use lockout::{LockedOut, Lockout, LockoutRules};
pub use name::{AccountName, LauncherName, NameError};
pub use name_rules::{NameRefused, NameRules};
pub use note::Note;
pub use password::{Password, PasswordError};
pub use prefix::Prefix;
pub use range::{AddressRange, AddressRangeError};
pub use role::{Permission, Permissions, Role, RoleName};
pub use secret_key::{KeyedHash, SecretKey, SecretKeyError};
pub use store::*;
pub use time::UnixMillis;
pub use token::{EnrollmentSecret, RandomError, SessionToken, TokenError};
