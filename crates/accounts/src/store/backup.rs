//! Copies of everything, made and put back while others work.
//!
//! One file of JSON lines, the same for both databases: what was kept in SQLite can be restored
//! into PostgreSQL and the other way round. The first line says what it is, then come files with
//! keys, sequences and rows, and the last line has the SHA-256 of all before it: what was cut off
//! or damaged is refused as a whole.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use data_encoding::{BASE64, HEXLOWER};
use futures_util::StreamExt;
use ring::digest::{self, SHA256};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sqlx::AssertSqlSafe;
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use zeroize::Zeroizing;

use super::Store;
use super::audit::{AuditAction, Audited, Author};
use super::error::StoreError;
use super::migrations::{self, KNOWN};
use super::sql::{About, Row, Tx, Value};
use crate::private_file;
use crate::time::UnixMillis;

/// A file that belongs to the database and is not in it: keys.
#[derive(Clone)]
pub struct SecretFile {
    /// Its name in the data directory.
    pub name: String,
    /// What is in it.
    pub bytes: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for SecretFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretFile({:?}, ..)", self.name)
    }
}

/// What is in a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupSummary {
    /// When it was made.
    pub created: UnixMillis,
    /// The version of the database it was made of.
    pub version: u64,
    /// How many rows there are, of all tables.
    pub rows: u64,
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file exists already, or cannot be written.
    #[error("backup {path}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The store does not work.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a backup was not restored. What was there before is still there.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The file cannot be read.
    #[error("backup {path}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// It is no backup, or was cut off or damaged.
    #[error("{path} is no whole backup: line {line}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The first line that makes no sense.
        line: u64,
    },
    /// A newer program has made it.
    #[error("the backup has version {found}, this program knows {known} at most")]
    TooNew {
        /// Version of the backup.
        found: u64,
        /// Newest version this program knows.
        known: u64,
    },
    /// The store does not work.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A line of a backup.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Line {
    GatehouseBackup { version: u64, created_ms: u64 },
    Secret { name: String, bytes: String },
    Sequence { table: String, last: i64 },
    Table { name: String, columns: Vec<String> },
    Row(Vec<Json>),
    End { rows: u64, sha256: String },
}

impl Store {
    /// Writes everything as it is at this moment into a new file (mode 0600), while others read and
    /// write. The file contains everything a thief could want: `secrets` and all hashes.
    ///
    /// # Errors
    ///
    /// When the file exists already. What could not be finished is removed.
    pub async fn backup(
        &self,
        path: &Path,
        secrets: &[SecretFile],
        by: &Author,
        now: UnixMillis,
    ) -> Result<BackupSummary, BackupError> {
        let file_error = |source| BackupError::File { path: path.to_owned(), source };
        let unfinished = private_file::temporary_name(path).map_err(file_error)?;
        let written = self.write_backup(&unfinished, path, secrets, now).await;
        let _ = tokio::fs::remove_file(&unfinished).await;
        let summary = written?;
        self.audit(&Audited::of(AuditAction::BackupMade, by), now).await?;
        Ok(summary)
    }

    async fn write_backup(
        &self,
        unfinished: &Path,
        path: &Path,
        secrets: &[SecretFile],
        now: UnixMillis,
    ) -> Result<BackupSummary, BackupError> {
        let file_error = |source| BackupError::File { path: path.to_owned(), source };
        let mut options = File::options();
        let file = options.write(true).create_new(true).mode(0o600).open(unfinished).await;
        let mut writer = Writer::new(file.map_err(file_error)?);
        let header = Line::GatehouseBackup { version: KNOWN, created_ms: now.as_millis() };
        writer.line(&header).await.map_err(file_error)?;
        for SecretFile { name, bytes } in secrets {
            let line = Line::Secret { name: name.clone(), bytes: BASE64.encode(bytes) };
            writer.line(&line).await.map_err(file_error)?;
        }
        let mut tx = self.database.snapshot().await?;
        let mut rows = 0;
        for table in &TABLES {
            if let Some(last) = table.sequence(&mut tx).await? {
                let line = Line::Sequence { table: table.name.to_owned(), last };
                writer.line(&line).await.map_err(file_error)?;
            }
            let columns = table.columns.iter().map(|(name, _)| (*name).to_owned()).collect();
            let line = Line::Table { name: table.name.to_owned(), columns };
            writer.line(&line).await.map_err(file_error)?;
            let mut found = tx.stream(table.select());
            while let Some(row) = found.next().await {
                writer.line(&Line::Row(table.to_json(&row?)?)).await.map_err(file_error)?;
                rows += 1;
            }
        }
        writer.finish(rows).await.map_err(file_error)?;
        // Not renamed: that would overwrite what somebody else has put there.
        tokio::fs::hard_link(unfinished, path).await.map_err(file_error)?;
        let directory = File::open(private_file::directory_of(path)).await.map_err(file_error)?;
        directory.sync_all().await.map_err(file_error)?;
        Ok(BackupSummary { created: now, version: KNOWN, rows })
    }

    /// Reads a backup to its end, and says what is in it.
    ///
    /// # Errors
    ///
    /// When it is not whole, or a newer program has made it.
    pub async fn check_backup(
        path: &Path,
    ) -> Result<(BackupSummary, Vec<SecretFile>), RestoreError> {
        let mut reader = Reader::open(path).await?;
        let (created, version) = match reader.next().await? {
            Some(Line::GatehouseBackup { version, created_ms }) => {
                (UnixMillis::from_millis(created_ms), version)
            }
            _ => return Err(reader.damaged()),
        };
        if version > KNOWN {
            return Err(RestoreError::TooNew { found: version, known: KNOWN });
        }
        let mut secrets = Vec::new();
        let mut rows = 0;
        loop {
            let digest = reader.digest.clone().finish();
            match reader.next().await? {
                Some(Line::Secret { name, bytes }) => {
                    let bytes = BASE64.decode(bytes.as_bytes()).map_err(|_| reader.damaged())?;
                    secrets.push(SecretFile { name, bytes: bytes.into() });
                }
                Some(Line::Sequence { .. } | Line::Table { .. }) => {}
                Some(Line::Row(_)) => rows += 1,
                Some(Line::End { rows: promised, sha256 }) => {
                    let whole = promised == rows && sha256 == HEXLOWER.encode(digest.as_ref());
                    if !whole || reader.next().await?.is_some() {
                        return Err(reader.damaged());
                    }
                    return Ok((BackupSummary { created, version, rows }, secrets));
                }
                Some(Line::GatehouseBackup { .. }) | None => return Err(reader.damaged()),
            }
        }
    }

    /// Puts a backup in the place of everything there is, in one step: whoever looks sees all of
    /// the old or all of the new. Others may read meanwhile; who writes has to wait, and may be
    /// refused as [`StoreError::Unavailable`].
    ///
    /// Puts back no secrets: their files are the caller's, see [`Store::check_backup`].
    ///
    /// # Errors
    ///
    /// See [`RestoreError`]; nothing has changed then.
    pub async fn restore(
        &self,
        path: &Path,
        by: &Author,
        now: UnixMillis,
    ) -> Result<BackupSummary, RestoreError> {
        let (summary, _) = Self::check_backup(path).await?;
        let mut tx = self.database.begin(About::Rows).await?;
        migrations::open_audit(&mut tx).await?;
        tx.empty(&TABLES.map(|table| table.name)).await?;
        self.restore_lines(&mut tx, path).await?;
        migrations::catch_up(&mut tx, summary.version).await?;
        migrations::fill(&mut tx).await?;
        migrations::close_audit(&mut tx).await?;
        tx.audit(&Audited::of(AuditAction::BackupRestored, by), now).await?;
        tx.commit().await?;
        Ok(summary)
    }

    async fn restore_lines(&self, tx: &mut Tx, path: &Path) -> Result<(), RestoreError> {
        let mut reader = Reader::open(path).await?;
        let mut insert = None;
        while let Some(line) = reader.next().await? {
            match line {
                Line::GatehouseBackup { .. } | Line::Secret { .. } | Line::End { .. } => {}
                Line::Sequence { table, last } => {
                    let table = Table::named(&table).ok_or_else(|| reader.damaged())?;
                    table.set_sequence(tx, last).await?;
                }
                Line::Table { name, columns } => {
                    let table = Table::named(&name).ok_or_else(|| reader.damaged())?;
                    insert = Some(Insert::new(table, &columns).ok_or_else(|| reader.damaged())?);
                }
                Line::Row(values) => {
                    let insert = insert.as_ref().ok_or_else(|| reader.damaged())?;
                    let cells = insert.cells(values).ok_or_else(|| reader.damaged())?;
                    let values: Vec<_> = cells.iter().map(Cell::as_value).collect();
                    tx.execute(AssertSqlSafe(insert.sql.as_str()), &values).await?;
                }
            }
        }
        Ok(())
    }
}

/// Writes lines, and what they come to.
struct Writer {
    file: File,
    buffer: Vec<u8>,
    digest: digest::Context,
}

impl Writer {
    fn new(file: File) -> Self {
        Self { file, buffer: Vec::new(), digest: digest::Context::new(&SHA256) }
    }

    async fn line(&mut self, line: &Line) -> io::Result<()> {
        let begin = self.buffer.len();
        serde_json::to_writer(&mut self.buffer, line)?;
        self.buffer.push(b'\n');
        self.digest.update(&self.buffer[begin..]);
        if self.buffer.len() >= WRITE_BYTES {
            self.file.write_all(&self.buffer).await?;
            self.buffer.clear();
        }
        Ok(())
    }

    async fn finish(mut self, rows: u64) -> io::Result<()> {
        let sha256 = HEXLOWER.encode(self.digest.clone().finish().as_ref());
        self.line(&Line::End { rows, sha256 }).await?;
        self.file.write_all(&self.buffer).await?;
        self.file.sync_all().await
    }
}

const WRITE_BYTES: usize = 64 * 1024;

struct Reader<'a> {
    path: &'a Path,
    lines: Lines<BufReader<File>>,
    digest: digest::Context,
    line: u64,
}

impl<'a> Reader<'a> {
    async fn open(path: &'a Path) -> Result<Self, RestoreError> {
        let file = File::open(path).await;
        let file = file.map_err(|source| RestoreError::File { path: path.to_owned(), source })?;
        let lines = BufReader::new(file).lines();
        Ok(Self { path, lines, digest: digest::Context::new(&SHA256), line: 0 })
    }

    async fn next(&mut self) -> Result<Option<Line>, RestoreError> {
        let text = self.lines.next_line().await;
        let file_error = |source| RestoreError::File { path: self.path.to_owned(), source };
        self.line += 1;
        let text = match text {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(self.damaged()),
            text => text.map_err(file_error)?,
        };
        let Some(text) = text else { return Ok(None) };
        self.digest.update(text.as_bytes());
        self.digest.update(b"\n");
        serde_json::from_str(&text).map(Some).map_err(|_| self.damaged())
    }

    fn damaged(&self) -> RestoreError {
        RestoreError::Damaged { path: self.path.to_owned(), line: self.line }
    }
}

/// What there is to be copied of a table.
struct Table {
    name: &'static str,
    /// The columns its rows are ordered by.
    order: &'static str,
    columns: &'static [(&'static str, Kind)],
    /// Whether its ids are given out by the database.
    numbered: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Int,
    Text,
    Bytes,
}

enum Cell {
    Int(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
}

impl Cell {
    fn as_value(&self) -> Value<'_> {
        match self {
            Self::Int(int) => Value::Int(*int),
            Self::Text(text) => Value::Text(text.as_deref()),
            Self::Bytes(bytes) => Value::Bytes(bytes.as_deref()),
        }
    }
}

impl Table {
    fn named(name: &str) -> Option<&'static Self> {
        TABLES.iter().find(|table| table.name == name)
    }

    fn select(&self) -> AssertSqlSafe<String> {
        let columns: Vec<_> = self.columns.iter().map(|(name, _)| *name).collect();
        AssertSqlSafe(format!(
            "SELECT {} FROM {} ORDER BY {}",
            columns.join(", "),
            self.name,
            self.order
        ))
    }

    fn to_json(&self, row: &Row) -> Result<Vec<Json>, StoreError> {
        let cell = |(column, (_, kind)): (usize, &(&str, Kind))| {
            Ok(match kind {
                Kind::Int => row.get::<Option<i64>>(column)?.map_or(Json::Null, Json::from),
                Kind::Text => row.get::<Option<String>>(column)?.map_or(Json::Null, Json::from),
                Kind::Bytes => row
                    .get::<Option<Vec<u8>>>(column)?
                    .map_or(Json::Null, |bytes| BASE64.encode(&bytes).into()),
            })
        };
        self.columns.iter().enumerate().map(cell).collect()
    }

    /// The last id the database has given out.
    async fn sequence(&self, tx: &mut Tx) -> Result<Option<i64>, StoreError> {
        if !self.numbered {
            return Ok(None);
        }
        let sql = match tx {
            Tx::Sqlite(_) => {
                format!("SELECT seq FROM sqlite_sequence WHERE name = '{}'", self.name)
            }
            Tx::Postgres(_) => {
                format!("SELECT last_value FROM {}_id_seq WHERE is_called", self.name)
            }
        };
        tx.row(AssertSqlSafe(sql), &[]).await?.map(|row| row.get(0)).transpose()
    }

    /// No id up to `last` is given out again; nor any that was given out before.
    async fn set_sequence(&self, tx: &mut Tx, last: i64) -> Result<(), StoreError> {
        if !self.numbered {
            return Ok(());
        }
        let before = self.sequence(tx).await?.unwrap_or(0);
        let last = last.max(before).max(1);
        match tx {
            Tx::Sqlite(_) => {
                let name = self.name.into();
                tx.execute("DELETE FROM sqlite_sequence WHERE name = $1", &[name]).await?;
                let insert = "INSERT INTO sqlite_sequence (name, seq) VALUES ($1, $2)";
                tx.execute(insert, &[name, last.into()]).await?;
            }
            Tx::Postgres(_) => {
                let set = format!("SELECT setval('{}_id_seq', $1)", self.name);
                tx.execute(AssertSqlSafe(set), &[last.into()]).await?;
            }
        }
        Ok(())
    }
}

/// How rows of a backup are put into a table: older ones have fewer columns.
struct Insert {
    sql: String,
    kinds: Vec<Kind>,
}

impl Insert {
    fn new(table: &Table, columns: &[String]) -> Option<Self> {
        let kind = |column: &String| {
            table.columns.iter().find(|(name, _)| name == column).map(|(_, kind)| *kind)
        };
        let kinds: Vec<_> = columns.iter().map(kind).collect::<Option<_>>()?;
        let places: Vec<_> = (1..=columns.len()).map(|number| format!("${number}")).collect();
        // The names are ours: each was found in the table.
        let (names, places) = (columns.join(", "), places.join(", "));
        let sql = format!("INSERT INTO {} ({names}) VALUES ({places})", table.name);
        Some(Self { sql, kinds })
    }

    fn cells(&self, values: Vec<Json>) -> Option<Vec<Cell>> {
        if values.len() != self.kinds.len() {
            return None;
        }
        let cell = |(kind, value): (&Kind, Json)| match (kind, value) {
            (Kind::Int, Json::Null) => Some(Cell::Int(None)),
            (Kind::Int, value) => value.as_i64().map(|int| Cell::Int(Some(int))),
            (Kind::Text, Json::Null) => Some(Cell::Text(None)),
            (Kind::Text, Json::String(text)) => Some(Cell::Text(Some(text))),
            (Kind::Bytes, Json::Null) => Some(Cell::Bytes(None)),
            (Kind::Bytes, Json::String(text)) => {
                BASE64.decode(text.as_bytes()).ok().map(|bytes| Cell::Bytes(Some(bytes)))
            }
            _ => None,
        };
        self.kinds.iter().zip(values).map(cell).collect()
    }
}

use Kind::{Bytes, Int, Text};

/// Every table there is, those first that others refer to.
const TABLES: [Table; 11] = [
    Table {
        name: "roles",
        order: "name",
        columns: &[("name", Text), ("rank", Int), ("permissions", Text)],
        numbered: false,
    },
    Table {
        name: "accounts",
        order: "id",
        columns: &[
            ("id", Int),
            ("name", Text),
            ("name_key", Text),
            ("look", Text),
            ("password_hash", Text),
            ("guest", Int),
            ("role", Text),
            ("created_ms", Int),
            ("seen_ms", Int),
            ("data_version", Int),
        ],
        numbered: true,
    },
    Table {
        name: "sessions",
        order: "id",
        columns: &[
            ("id", Int),
            ("token_hash", Bytes),
            ("account_id", Int),
            ("created_ms", Int),
            ("expires_ms", Int),
            ("seen_ms", Int),
            ("prefix", Text),
            ("client", Text),
        ],
        numbered: true,
    },
    Table {
        name: "launchers",
        order: "name_key",
        columns: &[
            ("name_key", Text),
            ("name", Text),
            ("key", Bytes),
            ("enrolled_ms", Int),
            ("max_servers", Int),
            ("counts_progress", Int),
        ],
        numbered: false,
    },
    Table {
        name: "launcher_invitations",
        order: "name_key",
        columns: &[
            ("name_key", Text),
            ("name", Text),
            ("secret_hash", Bytes),
            ("created_ms", Int),
            ("expires_ms", Int),
        ],
        numbered: false,
    },
    Table {
        name: "sanctions",
        order: "id",
        columns: &[
            ("id", Int),
            ("kind", Text),
            ("account_id", Int),
            ("low", Bytes),
            ("high", Bytes),
            ("bits", Int),
            ("reason", Text),
            ("author", Text),
            ("created_ms", Int),
            ("expires_ms", Int),
            ("lifted_ms", Int),
            ("lifted_by", Text),
        ],
        numbered: true,
    },
    Table {
        name: "reports",
        order: "id",
        columns: &[
            ("id", Int),
            ("reporter_id", Int),
            ("about_id", Int),
            ("place", Text),
            ("said", Text),
            ("created_ms", Int),
            ("closed_ms", Int),
            ("closed_by", Text),
            ("resolution", Text),
        ],
        numbered: true,
    },
    Table {
        name: "audit",
        order: "id",
        columns: &[
            ("id", Int),
            ("at_ms", Int),
            ("author", Text),
            ("action", Text),
            ("subject_id", Int),
            ("detail", Text),
            ("address", Text),
        ],
        numbered: true,
    },
    Table {
        name: "player_data",
        order: "account_id, game, name",
        columns: &[
            ("account_id", Int),
            ("game", Text),
            ("name", Text),
            ("value", Bytes),
            ("version", Int),
            ("updated_ms", Int),
        ],
        numbered: false,
    },
    Table {
        name: "progress",
        order: "account_id, game",
        columns: &[
            ("account_id", Int),
            ("game", Text),
            ("played_ms", Int),
            ("matches", Int),
            ("wins", Int),
            ("xp", Int),
        ],
        numbered: false,
    },
    Table {
        name: "progress_matches",
        order: "account_id, match_id",
        columns: &[
            ("account_id", Int),
            ("match_id", Bytes),
            ("launcher", Text),
            ("started_ms", Int),
            ("ended_ms", Int),
        ],
        numbered: false,
    },
];

/// Every column of every table, for tests that look at all there is.
#[cfg(test)]
pub(super) fn columns() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLES.iter().flat_map(|table| table.columns.iter().map(|(name, _)| (table.name, *name)))
}
