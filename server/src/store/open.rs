//! Opening the database: the lock, the version, the migrations, one writer and a few readers.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection, SqlitePool};
use tokio::sync::mpsc;

use super::StoreError;
use super::feed::Feed;
use super::handle::{Inner, Store};
use super::lock::DataDirLock;
use super::row::count;
use super::tx::Pending;
use super::writer::{QUEUE, Writer};
use crate::clock::SharedClock;

/// The database in the data directory.
pub const FILE: &str = "bllvm.sqlite";
/// Intake of events stops below so many free bytes.
const DISK_FLOOR: u64 = 512 << 20;
const READERS: u32 = 4;

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");

/// When a commit counts as durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Synchronous {
    /// After the fsync: an answer survives a power cut.
    #[default]
    Full,
    /// Before it: only to show in a test what would be lost.
    Normal,
}

/// How to open; other than the default for tests only.
#[derive(Clone, Debug)]
pub struct Options {
    /// When a commit counts as durable.
    pub synchronous: Synchronous,
    /// Intake of events stops below so many free bytes.
    pub disk_floor: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            synchronous: Synchronous::Full,
            disk_floor: DISK_FLOOR,
        }
    }
}

pub(super) async fn open(
    data_dir: &Path,
    clock: SharedClock,
    options: Options,
) -> Result<Store, StoreError> {
    let lock = DataDirLock::take(data_dir).await?;
    let path = data_dir.join(FILE);
    let connect = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(match options.synchronous {
            Synchronous::Full => SqliteSynchronous::Full,
            Synchronous::Normal => SqliteSynchronous::Normal,
        })
        .foreign_keys(true)
        // Only a backup or an operator's own sqlite3 can ever be in the way.
        .busy_timeout(Duration::from_secs(10))
        .disable_statement_logging();

    let mut connection = connect
        .connect()
        .await
        .map_err(|error| at(&path, error.into()))?;
    migrate(&mut connection)
        .await
        .map_err(|error| at(&path, error))?;
    let (last, upto) = journal_end(&mut connection)
        .await
        .map_err(|error| at(&path, error))?;

    let readers: SqlitePool = SqlitePoolOptions::new()
        .max_connections(READERS)
        .min_connections(1)
        .acquire_timeout(Duration::from_secs(30))
        .connect_with(connect.create_if_missing(false).pragma("query_only", "on"))
        .await
        .map_err(|error| at(&path, error.into()))?;

    let feed = Arc::new(Feed::after(last));
    let (post, messages) = mpsc::channel(QUEUE);
    let writer = Writer {
        connection,
        clock: clock.clone(),
        feed: feed.clone(),
        pending: Pending::after(last, upto),
        data_dir: data_dir.to_owned(),
        disk_floor: options.disk_floor,
        lock,
    };
    // Not one of the tracker's tasks: it must outlive all that may still write.
    tokio::spawn(writer.run(messages));
    Ok(Store(Arc::new(Inner {
        readers,
        post,
        clock,
        feed,
        path,
    })))
}

/// Names the file in what could not be opened.
fn at(path: &Path, error: StoreError) -> StoreError {
    let path: PathBuf = path.to_owned();
    match error {
        StoreError::Corrupt { detail, .. } => StoreError::Corrupt { path, detail },
        StoreError::Database { detail } => StoreError::Open { path, detail },
        other => other,
    }
}

/// Brings the tables up to date, unless a newer program has been here.
async fn migrate(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let tracked: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_master WHERE name = '_sqlx_migrations'")
            .fetch_one(&mut *connection)
            .await?;
    let found: i64 = if tracked == 0 {
        0
    } else {
        sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM _sqlx_migrations")
            .fetch_one(&mut *connection)
            .await?
    };
    let known = newest_migration();
    if found > known {
        return Err(StoreError::NewerDatabase { found, known });
    }
    MIGRATIONS
        .run(connection)
        .await
        .map_err(|error| match error {
            MigrateError::Execute(error) => match StoreError::from(error) {
                StoreError::Database { detail } => StoreError::Migration { detail },
                known => known,
            },
            other => StoreError::Migration {
                detail: other.to_string(),
            },
        })
}

/// The newest migration of this program.
pub(super) fn newest_migration() -> i64 {
    let all = MIGRATIONS.iter().map(|migration| migration.version);
    all.max().unwrap_or(0)
}

/// The newest event's number, also when it was pruned, and the bytes up to it.
async fn journal_end(connection: &mut SqliteConnection) -> Result<(u64, u64), StoreError> {
    let mut tx = connection.begin().await?;
    // SQLite's own table; its columns have no declared types for the macro to check.
    let last: Option<i64> =
        sqlx::query_scalar("SELECT seq FROM sqlite_sequence WHERE name = 'events'")
            .fetch_optional(&mut *tx)
            .await?;
    let upto = sqlx::query_scalar!("SELECT upto FROM events ORDER BY seq DESC LIMIT 1")
        .fetch_optional(&mut *tx)
        .await?;
    tx.rollback().await?;
    Ok((count(last.unwrap_or(0)), count(upto.unwrap_or(0))))
}
