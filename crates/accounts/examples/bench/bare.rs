//! What cannot be saved: argon2 without a queue, commits without a store.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use accounts::HashQueueConfig;
use argon2::{Algorithm, Argon2, Params, Version};
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{PgPool, SqlitePool};

/// Hashes per second, of as many threads as the queue has.
pub(crate) fn hashes(config: HashQueueConfig, measured: Duration) -> f64 {
    let parameters = config.parameters;
    let params =
        Params::new(parameters.memory_kib, parameters.iterations, parameters.parallelism, None);
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.expect("good parameters"));
    let (begun, done) = (Instant::now(), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..config.threads.get() {
            scope.spawn(|| {
                while begun.elapsed() < measured {
                    let mut hash = [0; 32];
                    argon2
                        .hash_password_into(b"correct horse", b"a salt of 16 byt", &mut hash)
                        .expect("it works");
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    done.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64()
}

/// A table of numbers that are counted up, each time in a transaction of its own.
pub(crate) enum Commits {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Commits {
    pub(crate) async fn sqlite(path: &Path) -> Self {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await;
        let this = Self::Sqlite(pool.expect("a file"));
        this.fill().await;
        this
    }

    pub(crate) async fn postgres(url: &str) -> Self {
        let pool = PgPoolOptions::new().max_connections(8).connect(url).await;
        let this = Self::Postgres(pool.expect("the server runs"));
        this.fill().await;
        this
    }

    async fn fill(&self) {
        self.execute("CREATE TABLE numbers (id BIGINT PRIMARY KEY, number BIGINT)", None).await;
        for id in 0..64 {
            self.execute("INSERT INTO numbers VALUES ($1, 0)", Some(id)).await;
        }
    }

    async fn execute(&self, sql: &'static str, id: Option<i64>) {
        match self {
            Self::Sqlite(pool) => {
                let query = sqlx::query(sql);
                let query = if let Some(id) = id { query.bind(id) } else { query };
                query.execute(pool).await.expect("it works");
            }
            Self::Postgres(pool) => {
                let query = sqlx::query(sql);
                let query = if let Some(id) = id { query.bind(id) } else { query };
                query.execute(pool).await.expect("it works");
            }
        }
    }

    /// Commits per second, of so many at once.
    pub(crate) async fn measure(&self, at_once: u64, measured: Duration) -> f64 {
        let (begun, done) = (Instant::now(), AtomicU64::new(0));
        let all = (0..at_once).map(async |who| {
            let id = i64::try_from(who % 64).expect("it is less");
            while begun.elapsed() < measured {
                self.execute("UPDATE numbers SET number = number + 1 WHERE id = $1", Some(id))
                    .await;
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
        futures_util::future::join_all(all).await;
        done.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64()
    }
}
