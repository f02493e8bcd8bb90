//! The module's own database: facts, and which deliveries they came from, in one transaction.
//!
//! SQLite in the module's directory, one connection, every commit on disk before it is acknowledged.
//! The statements are few and each is run by a test, so they are written out here instead of being
//! checked against a second schema whenever the workspace is compiled.

mod apply;
mod kept;
mod queues;

use std::path::Path;
use std::sync::Arc;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Row, SqliteConnection};
use tokio::sync::{Mutex, MutexGuard};

use crate::facts::Fact;

pub use apply::{Effect, Verdict};
pub use queues::{News, Untold};

const FILE: &str = "governance.sqlite";

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// The database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store(Arc<Mutex<SqliteConnection>>);

/// Why the database does not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite refuses.
    #[error("the module's database: {0}")]
    Sqlite(#[from] sqlx::Error),
    /// It cannot be brought up to date.
    #[error("the module's database could not be brought up to date: {0}")]
    Migrate(#[from] MigrateError),
    /// A row is not what was written.
    #[error("the module's database has a fact that is not readable: {0}")]
    Fact(#[from] serde_json::Error),
}

/// How much is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Deliveries that were taken in, counted up with each one's effect.
    pub deliveries: u64,
    /// Those among them that were applied.
    pub applied: u64,
    /// Those that were refused.
    pub refused: u64,
    /// Those that could not be applied for want of a chain.
    pub failed: u64,
    /// Verdicts that the node does not have yet.
    pub untold: u64,
    /// Facts.
    pub facts: u64,
}

impl Store {
    /// Opens the database in a directory, or makes it.
    pub async fn open(folder: &Path) -> Result<Self, StoreError> {
        let mut connection = SqliteConnectOptions::new()
            .filename(folder.join(FILE))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // What is acknowledged to the node does not come again, so it must survive a power cut.
            .synchronous(SqliteSynchronous::Full)
            .disable_statement_logging()
            .connect()
            .await?;
        // `run` itself makes a future that the compiler does not let change threads.
        MIGRATIONS.run_direct(None, &mut connection, false).await?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    async fn lock(&self) -> MutexGuard<'_, SqliteConnection> {
        self.0.lock().await
    }

    /// All facts, in the order of their places.
    pub async fn facts(&self) -> Result<Vec<Fact>, StoreError> {
        let rows = sqlx::query("SELECT value FROM facts ORDER BY repository, number, kind, key")
            .fetch_all(&mut *self.lock().await)
            .await?;
        rows.iter()
            .map(|row| Ok(serde_json::from_str(row.try_get("value")?)?))
            .collect()
    }

    /// How much is known.
    pub async fn counts(&self) -> Result<Counts, StoreError> {
        let mut connection = self.lock().await;
        let row = sqlx::query(
            "SELECT count(*) FILTER (WHERE verdict = 'applied') AS applied,
                    count(*) FILTER (WHERE verdict = 'refused') AS refused,
                    count(*) FILTER (WHERE verdict = 'failed') AS failed,
                    count(*) FILTER (WHERE told = 0) AS untold,
                    (SELECT count(*) FROM facts) AS facts,
                    (SELECT coalesce(max(value), 0) FROM counters WHERE name = 'deliveries')
                        AS deliveries
             FROM inbox",
        )
        .fetch_one(&mut *connection)
        .await?;
        let number = |name: &str| -> Result<u64, StoreError> {
            Ok(row.try_get::<i64, _>(name)?.unsigned_abs())
        };
        Ok(Counts {
            deliveries: number("deliveries")?,
            applied: number("applied")?,
            refused: number("refused")?,
            failed: number("failed")?,
            untold: number("untold")?,
            facts: number("facts")?,
        })
    }

    /// A small thing that was remembered.
    pub async fn recall(&self, name: &str) -> Result<Option<String>, StoreError> {
        let row = sqlx::query("SELECT value FROM remembered WHERE name = $1")
            .bind(name)
            .fetch_optional(&mut *self.lock().await)
            .await?;
        Ok(row.map(|row| row.try_get("value")).transpose()?)
    }

    /// Remembers a small thing.
    pub async fn remember(&self, name: &str, value: &str) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO remembered (name, value) VALUES ($1, $2)
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )
        .bind(name)
        .bind(value)
        .execute(&mut *self.lock().await)
        .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
