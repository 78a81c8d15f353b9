//! Where the database is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

/// Where the database is: `sqlite:PATH`, or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
///
/// For PostgreSQL, everything its own programs understand in such an address: `?host=/run/postgresql`
/// for a Unix socket, `?sslmode=verify-full&sslrootcert=FILE` for TLS; what is not said is taken
/// from `PGPASSWORD`, `~/.pgpass` and the like. Shown without its password.
///
/// ```
/// use accounts::DatabaseUrl;
///
/// let url: DatabaseUrl = "postgres://gatehouse:hunter2@db.example/gatehouse".parse()?;
/// assert_eq!(url.to_string(), "postgres://gatehouse:***@db.example/gatehouse");
/// # Ok::<(), accounts::DatabaseUrlError>(())
/// ```
#[derive(Clone)]
pub struct DatabaseUrl {
    shown: String,
    place: Place,
}

#[derive(Clone)]
pub(super) enum Place {
    Sqlite(PathBuf),
    Postgres(Box<PgConnectOptions>),
}

/// A text that says not where a database is. Repeats nothing of it: there may be a password in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a database is sqlite:PATH or postgres://USER@HOST/DATABASE")]
pub struct DatabaseUrlError;

impl DatabaseUrl {
    /// A file.
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self { shown: format!("sqlite:{}", path.display()), place: Place::Sqlite(path) }
    }

    /// The same, where the path of a file is meant from this directory on unless it is absolute.
    #[must_use]
    pub fn in_directory(self, directory: &Path) -> Self {
        match &self.place {
            Place::Sqlite(path) => Self::sqlite(directory.join(path)),
            Place::Postgres(_) => self,
        }
    }

    /// The file, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match &self.place {
            Place::Sqlite(path) => Some(path),
            Place::Postgres(_) => None,
        }
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }
}

impl FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;

    fn from_str(text: &str) -> Result<Self, DatabaseUrlError> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() { Err(DatabaseUrlError) } else { Ok(Self::sqlite(path)) };
        }
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(DatabaseUrlError);
        }
        let options = text.parse().map_err(|_| DatabaseUrlError)?;
        Ok(Self { shown: without_password(text), place: Place::Postgres(Box::new(options)) })
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({})", self.shown)
    }
}

impl PartialEq for DatabaseUrl {
    /// Equal as shown.
    fn eq(&self, other: &Self) -> bool {
        self.shown == other.shown
    }
}

impl Eq for DatabaseUrl {}

fn without_password(url: &str) -> String {
    let (address, query) = url.split_once('?').map_or((url, None), |(a, q)| (a, Some(q)));
    let mut shown = match (address.find("://"), address.rfind('@')) {
        (Some(scheme), Some(at)) if scheme + 3 <= at => {
            let user = &address[scheme + 3..at];
            match user.split_once(':') {
                Some((user, _)) => {
                    format!("{}{user}:***{}", &address[..scheme + 3], &address[at..])
                }
                None => address.to_owned(),
            }
        }
        _ => address.to_owned(),
    };
    for (number, part) in query.into_iter().flat_map(|query| query.split('&')).enumerate() {
        shown.push(if number == 0 { '?' } else { '&' });
        let is_secret = part.split('=').next().is_some_and(|name| name.contains("pass"));
        shown.push_str(if is_secret { "password=***" } else { part });
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password() {
        let cases = [
            ("sqlite:accounts.db", "sqlite:accounts.db"),
            ("sqlite:///srv/a.db", "sqlite:/srv/a.db"),
            ("postgres://u@h/d", "postgres://u@h/d"),
            ("postgresql://u:p%40ss@h:1/d", "postgresql://u:***@h:1/d"),
            (
                "postgres:///d?host=/run/x&user=u&password=secret",
                "postgres:///d?host=/run/x&user=u&password=***",
            ),
        ];
        for (text, shown) in cases {
            let url: DatabaseUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), shown);
            assert!(!format!("{url:?}").contains("secret"));
        }
        for text in ["", "sqlite:", "accounts.db", "mysql://h/d", "postgres"] {
            assert_eq!(text.parse::<DatabaseUrl>(), Err(DatabaseUrlError), "{text}");
        }
    }

    #[test]
    fn a_path_is_meant_from_a_directory_on() {
        let url: DatabaseUrl = "sqlite:a.db".parse().unwrap();
        assert_eq!(url.in_directory(Path::new("/srv")).file(), Some(Path::new("/srv/a.db")));
        let url: DatabaseUrl = "sqlite:/var/a.db".parse().unwrap();
        assert_eq!(url.in_directory(Path::new("/srv")).file(), Some(Path::new("/var/a.db")));
    }
}
