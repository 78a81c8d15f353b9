//! What is durable, and what everything else needs to know of it.

mod error;
mod sqlite;

use std::fmt;
use std::future::Future;

use crate::hashing::PasswordHash;
use crate::name::{AccountName, LauncherName};
use crate::secret_key::KeyedHash;
use crate::time::UnixMillis;

pub use error::{CreateAccountError, EnrollError, OpenError, StoreError};
pub use sqlite::SqliteStore;

/// Accounts, sessions and launchers, kept for good.
///
/// A handle: cheap to clone, all clones mean the same store. When a method returned `Ok`, what it
/// wrote survives the death of the process and of the machine. Every method ends within a bounded
/// time, with [`StoreError::Unavailable`] when the store is too busy.
///
/// Logic that keeps something takes any `S: Store`; another database is another implementation.
///
/// Every method is atomic; concurrent calls, also from other processes, behave as if they came one
/// after the other.
///
/// # Cancel safety
///
/// Dropping a returned future is safe for the store, but leaves open whether a write happened.
pub trait Store: Clone + fmt::Debug + Send + Sync + 'static {
    /// Creates an account.
    ///
    /// # Errors
    ///
    /// [`CreateAccountError::NameTaken`] when an account has this name, in whatever case.
    fn create_account(
        &self,
        name: &AccountName,
        password_hash: PasswordHash,
        now: UnixMillis,
    ) -> impl Future<Output = Result<AccountId, CreateAccountError>> + Send;

    /// The account with this name, in whatever case.
    fn account(
        &self,
        name: &AccountName,
    ) -> impl Future<Output = Result<Option<Account>, StoreError>> + Send;

    /// Opens a session that ends at `expires` or when it is closed.
    ///
    /// An account has at most [`MAX_SESSIONS_PER_ACCOUNT`] sessions: those opened first are closed
    /// to make room. A session with the same hash is replaced.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] also when there is no such account.
    fn open_session(
        &self,
        account: AccountId,
        token: &KeyedHash,
        expires: UnixMillis,
        now: UnixMillis,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The session of this token, unless it is closed or expired at `now`.
    fn session(
        &self,
        token: &KeyedHash,
        now: UnixMillis,
    ) -> impl Future<Output = Result<Option<Session>, StoreError>> + Send;

    /// Lets the session of this token last until `expires`, and says whose it is; none when it is
    /// closed or expired at `now`.
    ///
    /// One step: a session that somebody closes at the same time does not come back. It counts as
    /// the last one opened of its account.
    fn extend_session(
        &self,
        token: &KeyedHash,
        expires: UnixMillis,
        now: UnixMillis,
    ) -> impl Future<Output = Result<Option<Session>, StoreError>> + Send;

    /// Closes a session; false when there was none.
    fn close_session(
        &self,
        token: &KeyedHash,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Forgets sessions that are expired at `now`, and says how many.
    ///
    /// They are not found anyway; this frees their space. Works in small portions, so that others
    /// get in between; call it every few minutes.
    fn remove_expired_sessions(
        &self,
        now: UnixMillis,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Invites a launcher: whoever proves the secret until `expires` is enrolled under this name.
    ///
    /// A name has at most one open invitation: a new one replaces it. The name of an enrolled
    /// launcher may be invited again (its machine was lost, its key renewed): that launcher goes
    /// on as before until the new secret is used, and only then its key is replaced.
    fn invite_launcher(
        &self,
        name: &LauncherName,
        secret: &KeyedHash,
        expires: UnixMillis,
        now: UnixMillis,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Uses an invitation: from now on `key` is the launcher of that name.
    ///
    /// The invitation is used up by success only. Of several calls with one secret, one succeeds:
    /// who did not hear the answer to its first finds out with [`Store::launcher`].
    ///
    /// # Errors
    ///
    /// The invitation is unknown, used, replaced, revoked or expired; or another launcher has the
    /// key.
    fn enroll_launcher(
        &self,
        secret: &KeyedHash,
        key: [u8; 32],
        now: UnixMillis,
    ) -> impl Future<Output = Result<LauncherName, EnrollError>> + Send;

    /// The launcher that has this key.
    fn launcher(
        &self,
        key: &[u8; 32],
    ) -> impl Future<Output = Result<Option<LauncherName>, StoreError>> + Send;

    /// All enrolled launchers, by name.
    fn launchers(&self) -> impl Future<Output = Result<Vec<LauncherRecord>, StoreError>> + Send;

    /// Takes back the key and any open invitation of this name, and says what there was.
    fn revoke_launcher(
        &self,
        name: &LauncherName,
    ) -> impl Future<Output = Result<Revoked, StoreError>> + Send;
}

/// Most sessions an account has at once; a player has fewer devices.
pub const MAX_SESSIONS_PER_ACCOUNT: u32 = 32;

/// Which account: a number that is never given out twice, also not after an account is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(u64);

impl AccountId {
    /// The id that [`AccountId::as_u64`] gave.
    pub const fn from_u64(id: u64) -> Self {
        Self(id)
    }

    /// As a number, for logs and messages.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An account, as the store has it.
#[derive(Clone, Debug)]
pub struct Account {
    /// Which one.
    pub id: AccountId,
    /// Its name, as its owner wrote it when registering.
    pub name: AccountName,
    /// What a password is checked against.
    pub password_hash: PasswordHash,
}

/// A session that is open and not expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Whose session it is.
    pub account: AccountId,
    /// The name of that account.
    pub name: AccountName,
    /// When it ends by itself.
    pub expires: UnixMillis,
}

/// A launcher that is enrolled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LauncherRecord {
    /// The name its operator gave it.
    pub name: LauncherName,
    /// What it is known by: the fingerprint of its public key.
    pub key: [u8; 32],
    /// Since when it has this key.
    pub enrolled: UnixMillis,
}

/// What a name had that was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// Neither a launcher nor an invitation.
    Nothing,
    /// An invitation.
    Invitation,
    /// A launcher, known by this key until now.
    Launcher([u8; 32]),
}
