//! Everything about a player, to be taken along or to be forgotten.

use data_encoding::BASE64;
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::audit::{AuditAction, Audited, Author};
use super::error::StoreError;
use super::sql::{About, Tx};
use super::{AccountId, Store};
use crate::time::UnixMillis;

impl Store {
    /// Everything kept about a player, as JSON; none when there is no such account.
    ///
    /// Times are milliseconds since 1970 in UTC, values of games base64. Neither the password's
    /// hash nor anything that could log somebody in is part of it, nor who reported the player.
    ///
    /// # Errors
    ///
    /// When the store does not work.
    pub async fn export_account(
        &self,
        id: AccountId,
        by: &Author,
        now: UnixMillis,
    ) -> Result<Option<Json>, StoreError> {
        let mut tx = self.database.snapshot().await?;
        let sql = "SELECT name, guest, role, created_ms, seen_ms FROM accounts WHERE id = $1";
        let Some(row) = tx.row(sql, &[id.into()]).await? else { return Ok(None) };
        let account = json!({
            "id": id.as_u64(),
            "name": row.get::<String>(0)?,
            "guest": row.get::<i64>(1)? != 0,
            "role": row.get::<String>(2)?,
            "created": row.get::<i64>(3)?,
            "seen": row.get::<i64>(4)?,
        });
        let mut parts = serde_json::Map::from_iter([("account".to_owned(), account)]);
        for part in &PARTS {
            parts.insert(part.name.to_owned(), part.read(&mut tx, id).await?);
        }
        drop(tx);
        self.audit(&Audited::of(AuditAction::AccountExported, by).on(id), now).await?;
        Ok(Some(Json::Object(parts)))
    }

    /// Erases a player: the account, its sessions, values, progress, bans and mutes, and reports
    /// about it. What they reported stays, without their name; entries of the audit log stay, with
    /// the number of an account that is not there. The name is free then, the number never comes
    /// back. False when there is no such account.
    ///
    /// A backup made before still has everything.
    ///
    /// # Errors
    ///
    /// When the store does not work.
    pub async fn erase_account(
        &self,
        id: AccountId,
        by: &Author,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let mut tx = self.database.begin(About::Account(id)).await?;
        if tx.execute("DELETE FROM accounts WHERE id = $1", &[id.into()]).await? == 0 {
            return Ok(false);
        }
        tx.audit(&Audited::of(AuditAction::AccountErased, by).on(id), now).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// A list in an export.
struct Part {
    name: &'static str,
    /// With the account as `$1`.
    sql: &'static str,
    /// What its columns are called, and are.
    columns: &'static [(&'static str, Kind)],
}

#[derive(Clone, Copy)]
enum Kind {
    Int,
    Text,
    Bytes,
}

impl Part {
    async fn read(&self, tx: &mut Tx, id: AccountId) -> Result<Json, StoreError> {
        let mut list = Vec::new();
        for row in tx.rows(self.sql, &[id.into()]).await? {
            let mut entry = serde_json::Map::new();
            for (column, (name, kind)) in self.columns.iter().enumerate() {
                let value = match kind {
                    Kind::Int => to_json(row.get::<Option<i64>>(column)?),
                    Kind::Text => to_json(row.get::<Option<String>>(column)?),
                    Kind::Bytes => {
                        let bytes = row.get::<Option<Vec<u8>>>(column)?;
                        to_json(bytes.map(|bytes| BASE64.encode(&bytes)))
                    }
                };
                entry.insert((*name).to_owned(), value);
            }
            list.push(Json::Object(entry));
        }
        Ok(Json::Array(list))
    }
}

fn to_json(value: Option<impl Serialize>) -> Json {
    value.map_or(Json::Null, |value| json!(value))
}

const PARTS: [Part; 8] = [
    Part {
        name: "sessions",
        sql: "SELECT created_ms, seen_ms, expires_ms, prefix, client FROM sessions
              WHERE account_id = $1 ORDER BY id",
        columns: &[
            ("created", Kind::Int),
            ("seen", Kind::Int),
            ("expires", Kind::Int),
            ("network", Kind::Text),
            ("client", Kind::Text),
        ],
    },
    Part {
        name: "sanctions",
        sql: "SELECT kind, reason, created_ms, expires_ms, lifted_ms FROM sanctions
              WHERE account_id = $1 ORDER BY id",
        columns: &[
            ("kind", Kind::Text),
            ("reason", Kind::Text),
            ("created", Kind::Int),
            ("expires", Kind::Int),
            ("lifted", Kind::Int),
        ],
    },
    Part {
        name: "reports_by",
        sql: "SELECT place, said, created_ms, closed_ms FROM reports
              WHERE reporter_id = $1 ORDER BY id",
        columns: &[
            ("place", Kind::Text),
            ("said", Kind::Text),
            ("created", Kind::Int),
            ("closed", Kind::Int),
        ],
    },
    Part {
        name: "reports_about",
        sql: "SELECT place, said, created_ms, closed_ms, resolution FROM reports
              WHERE about_id = $1 ORDER BY id",
        columns: &[
            ("place", Kind::Text),
            ("said", Kind::Text),
            ("created", Kind::Int),
            ("closed", Kind::Int),
            ("resolution", Kind::Text),
        ],
    },
    Part {
        name: "audit",
        sql: "SELECT at_ms, action, detail FROM audit WHERE subject_id = $1 ORDER BY id",
        columns: &[("at", Kind::Int), ("action", Kind::Text), ("detail", Kind::Text)],
    },
    Part {
        name: "data",
        sql: "SELECT game, name, value, version, updated_ms FROM player_data
              WHERE account_id = $1 ORDER BY game, name",
        columns: &[
            ("game", Kind::Text),
            ("key", Kind::Text),
            ("value", Kind::Bytes),
            ("version", Kind::Int),
            ("updated", Kind::Int),
        ],
    },
    Part {
        name: "progress",
        sql: "SELECT game, played_ms, matches, wins, xp FROM progress
              WHERE account_id = $1 ORDER BY game",
        columns: &[
            ("game", Kind::Text),
            ("played_ms", Kind::Int),
            ("matches", Kind::Int),
            ("wins", Kind::Int),
            ("xp", Kind::Int),
        ],
    },
    Part {
        name: "matches",
        sql: "SELECT launcher, started_ms, ended_ms FROM progress_matches
              WHERE account_id = $1 ORDER BY started_ms",
        columns: &[("launcher", Kind::Text), ("started", Kind::Int), ("ended", Kind::Int)],
    },
];
