//! What can go wrong with a store, by what a caller can do about it.

use std::error::Error;
use std::io;
use std::path::PathBuf;

type Source = Box<dyn Error + Send + Sync>;

/// Why a store did not do what it was asked: a variant for each thing a caller can do about it.
///
/// Nothing was written, as far as the store knows. Only after [`StoreError::Other`] it may not
/// know: a disk that fails during a write does not say how far it came.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no space left. Reading works; tell the operator.
    #[error("the disk of the store is full")]
    Full(#[source] Source),
    /// Too busy, or closed. Worth another try a little later.
    #[error("the store is not available at the moment")]
    Unavailable(#[source] Source),
    /// What is stored makes no sense. Needs a person.
    #[error("the store is damaged")]
    Corrupt(#[source] Source),
    /// Anything else, such as a failing disk or missing rights.
    #[error("the store does not work")]
    Other(#[source] Source),
}

/// Why an account was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateAccountError {
    /// An account has this name already, perhaps in another case.
    #[error("this name is taken")]
    NameTaken,
    /// The store did not work.
    #[error(transparent)]
    Store(#[from] StoreError),
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
