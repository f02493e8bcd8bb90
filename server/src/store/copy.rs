//! Copies of the database: made while it is in use, and fitted to the place they are brought back to.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use utoipa::ToSchema;

use super::row::count;
use super::{Store, StoreError, open};

/// What a copy of the database holds, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Holdings {
    /// The newest migration.
    pub migration: i64,
    /// Modules.
    pub modules: u64,
    /// Grants.
    pub grants: u64,
    /// Revisions of configurations.
    pub revisions: u64,
    /// Durable events.
    pub events: u64,
    /// The newest event's number.
    pub last_event: u64,
    /// Rows of the audit trail.
    pub audit: u64,
}

impl Store {
    /// Writes a copy as of one moment to a file that is not there yet; readers and the writer go on.
    ///
    /// # Errors
    /// Where SQLite or the disk refuses.
    pub async fn copy_to(&self, path: &Path) -> Result<Holdings, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(&self.0.path)
            .create_if_missing(false)
            .disable_statement_logging();
        let mut connection = options.connect().await?;
        sqlx::query("VACUUM INTO $1")
            .bind(path.to_string_lossy().into_owned())
            .execute(&mut connection)
            .await?;
        connection.close().await?;
        let mut copy = connect(path).await?;
        let holdings = holdings(&mut copy).await?;
        copy.close().await?;
        Ok(holdings)
    }
}

/// The newest migration that this program knows.
pub fn newest_migration() -> i64 {
    open::newest_migration()
}

/// Makes a copy fit for another place: modules lie below `modules_dir` there, and who was logged in is
/// not logged in any more.
///
/// # Errors
/// Where the copy is damaged, or of a newer version.
pub async fn fit_copy(path: &Path, modules_dir: &Path) -> Result<Holdings, StoreError> {
    let damaged = |detail: String| StoreError::Corrupt {
        path: path.to_owned(),
        detail,
    };
    let mut connection = connect(path)
        .await
        .map_err(|error| damaged(error.to_string()))?;
    let found: String = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_one(&mut connection)
        .await
        .map_err(|error| damaged(error.to_string()))?;
    if found != "ok" {
        return Err(damaged(found));
    }
    let held = holdings(&mut connection).await?;
    if held.migration > newest_migration() {
        return Err(StoreError::NewerDatabase {
            found: held.migration,
            known: newest_migration(),
        });
    }
    let mut tx = connection.begin().await?;
    for table in ["sessions", "login_codes", "idempotency"] {
        let sql = format!("DELETE FROM {table}");
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .execute(&mut *tx)
            .await?;
    }
    let names: Vec<String> = sqlx::query_scalar("SELECT name FROM modules")
        .fetch_all(&mut *tx)
        .await?;
    for name in names {
        let dir: PathBuf = modules_dir.join(&name);
        sqlx::query("UPDATE modules SET dir = $2 WHERE name = $1")
            .bind(name)
            .bind(dir.to_string_lossy().into_owned())
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await?;
    connection.close().await?;
    Ok(held)
}

/// A copy is one file: no journal of it stays beside it.
async fn connect(path: &Path) -> Result<SqliteConnection, StoreError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Delete)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .disable_statement_logging();
    Ok(options.connect().await?)
}

async fn holdings(connection: &mut SqliteConnection) -> Result<Holdings, StoreError> {
    let mut numbers = [0; 7];
    let questions = [
        "SELECT coalesce(max(version), 0) FROM _sqlx_migrations",
        "SELECT count(*) FROM modules",
        "SELECT count(*) FROM grants",
        "SELECT count(*) FROM revisions",
        "SELECT count(*) FROM events",
        "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'events'",
        "SELECT count(*) FROM audit",
    ];
    for (number, question) in numbers.iter_mut().zip(questions) {
        *number = sqlx::query_scalar::<_, i64>(question)
            .fetch_one(&mut *connection)
            .await?;
    }
    let [migration, rest @ ..] = numbers;
    let [modules, grants, revisions, events, last_event, audit] = rest.map(count);
    Ok(Holdings {
        migration,
        modules,
        grants,
        revisions,
        events,
        last_event,
        audit,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::commands::AppendEvents;
    use crate::store::testing::{TestStore, event};

    #[tokio::test]
    async fn a_copy_is_whole_while_the_store_goes_on() {
        let test = TestStore::new().await;
        let dir = test.dir.path();
        let append = |number| AppendEvents(vec![event(number)]);
        test.store.commit(append(1)).await.unwrap();
        let path = dir.join("copy.sqlite");

        let held = test.store.copy_to(&path).await.unwrap();
        test.store.commit(append(2)).await.unwrap();

        assert_eq!((held.events, held.last_event), (1, 1));
        assert_eq!(held.migration, newest_migration());
        let fitted = fit_copy(&path, Path::new("/elsewhere")).await.unwrap();
        assert_eq!(fitted, held);
        let left: Vec<_> = std::fs::read_dir(dir)
            .unwrap()
            .flatten()
            .map(|entry| entry.file_name().into_string().unwrap())
            .filter(|name| name.starts_with("copy"))
            .collect();
        assert_eq!(left, ["copy.sqlite"]);

        std::fs::write(&path, b"no database at all, but long enough to look").unwrap();
        let refused = fit_copy(&path, Path::new("/elsewhere")).await;
        assert!(
            matches!(refused, Err(StoreError::Corrupt { .. })),
            "{refused:?}"
        );
    }
}
