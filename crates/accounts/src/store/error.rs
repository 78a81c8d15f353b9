//! What can go wrong with a store, by what a caller can do about it.

use std::error::Error;
use std::io;
use std::path::PathBuf;

type Source = Box<dyn Error + Send + Sync>;

/// Why a store did not do what it was asked: a variant for each thing a caller can do about it.
///
/// Nothing was written, as far as the store knows. Only after [`StoreError::Uncertain`] and
/// [`StoreError::Other`] it may not know: a disk that fails during a write does not say how far it
/// came, nor does a server that is gone.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no space left. Reading works; tell the operator.
    #[error("the disk of the store is full")]
    Full(#[source] Source),
    /// Too busy, not reached, or closed. Worth another try a little later.
    #[error("the store is not available at the moment")]
    Unavailable(#[source] Source),
    /// The server went away, or fell silent, after it was told to write: it may have. Look before
    /// another try.
    #[error("the store went away while it was writing")]
    Uncertain(#[source] Source),
    /// What is stored makes no sense. Needs a person.
    #[error("the store is damaged")]
    Corrupt(#[source] Source),
    /// Anything else, such as a failing disk or missing rights.
    #[error("the store does not work")]
    Other(#[source] Source),
}

impl StoreError {
    pub(super) fn corrupt(error: impl Into<Source>) -> Self {
        Self::Corrupt(error.into())
    }

    /// Whether a row was in the way.
    pub(super) fn is_duplicate(&self) -> bool {
        let Self::Other(source) = self else { return false };
        let database = source.downcast_ref().and_then(sqlx::Error::as_database_error);
        database.is_some_and(|error| error.is_unique_violation())
    }
}

/// Why an account was not created, renamed or claimed.
#[derive(Debug, thiserror::Error)]
pub enum CreateAccountError {
    /// An account has this name already, perhaps in another case, or one that looks like it.
    #[error("this name is taken")]
    NameTaken,
    /// The store did not work.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl CreateAccountError {
    /// From writing a name.
    pub(super) fn from_write(error: StoreError) -> Self {
        if error.is_duplicate() { Self::NameTaken } else { Self::Store(error) }
    }
}

/// Why a launcher was not enrolled.
#[derive(Debug, thiserror::Error)]
pub enum EnrollError {
    /// No open invitation has this secret.
    #[error("this invitation is unknown or was used already")]
    UnknownOrUsed,
    /// The invitation was not used in time.
    #[error("this invitation has expired")]
    Expired,
    /// A launcher of another name has this key; the invitation stays open.
    #[error("another launcher has this key")]
    KeyInUse,
    /// The store did not work.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The database file can be neither found nor created, or its rights not be restricted.
    #[error("database file {path}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A newer program has written this database; this one would not understand it.
    #[error("the database has version {found}, this program knows {known} at most")]
    TooNew {
        /// Version of the database.
        found: u64,
        /// Newest version this program knows.
        known: u64,
    },
    /// The database was set up by something else than the program's own migrations.
    #[error("version {version} of the database is not the one this program knows")]
    Foreign {
        /// The first version that differs.
        version: u64,
    },
    /// The database does not work.
    #[error(transparent)]
    Store(#[from] StoreError),
}
