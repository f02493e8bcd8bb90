//! What the node is still to be told: verdicts and events.

use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row};

use super::{Store, StoreError};

/// An event that the node is to journal.
#[derive(Clone, Debug, PartialEq)]
pub struct News {
    /// Its type.
    pub kind: String,
    /// Its fields.
    pub data: Value,
}

/// A verdict, as the node is told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untold {
    /// The delivery.
    pub delivery: String,
    /// `applied`, `refused` or `failed`.
    pub word: String,
    /// The reason, in a word.
    pub code: Option<String>,
    /// The reason, in a sentence.
    pub detail: String,
}

impl Store {
    /// Verdicts that the node does not have yet.
    pub async fn untold(&self, limit: u32) -> Result<Vec<Untold>, StoreError> {
        let rows = sqlx::query(
            "SELECT delivery, verdict, code, detail FROM inbox WHERE told = 0
             ORDER BY delivery LIMIT $1",
        )
        .bind(limit)
        .fetch_all(&mut *self.lock().await)
        .await?;
        rows.iter().map(untold).collect()
    }

    /// The newest verdicts: a delivery's id begins with when it came.
    pub async fn verdicts(&self, limit: u32) -> Result<Vec<Untold>, StoreError> {
        let rows = sqlx::query(
            "SELECT delivery, verdict, code, detail FROM inbox ORDER BY delivery DESC LIMIT $1",
        )
        .bind(limit)
        .fetch_all(&mut *self.lock().await)
        .await?;
        rows.iter().map(untold).collect()
    }

    /// Takes note that the node has these verdicts.
    pub async fn told(&self, verdicts: &[Untold]) -> Result<(), StoreError> {
        let mut connection = self.lock().await;
        let mut tx = connection.begin().await?;
        for one in verdicts {
            // A verdict that changed meanwhile is still to be told.
            sqlx::query("UPDATE inbox SET told = 1 WHERE delivery = $1 AND verdict = $2")
                .bind(&one.delivery)
                .bind(&one.word)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Events that the node is still to journal, oldest first.
    pub async fn outgoing(&self, limit: u32) -> Result<Vec<(i64, News)>, StoreError> {
        let rows = sqlx::query("SELECT id, kind, data FROM outbox ORDER BY id LIMIT $1")
            .bind(limit)
            .fetch_all(&mut *self.lock().await)
            .await?;
        let news = rows.iter().map(|row| {
            let news = News {
                kind: row.try_get("kind")?,
                data: serde_json::from_str(row.try_get("data")?)?,
            };
            Ok((row.try_get("id")?, news))
        });
        news.collect()
    }

    /// Takes note that the node journaled all events up to one.
    pub async fn journaled(&self, last: i64) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM outbox WHERE id <= $1")
            .bind(last)
            .execute(&mut *self.lock().await)
            .await?;
        Ok(())
    }
}

fn untold(row: &SqliteRow) -> Result<Untold, StoreError> {
    Ok(Untold {
        delivery: row.try_get("delivery")?,
        word: row.try_get("verdict")?,
        code: row.try_get("code")?,
        detail: row.try_get("detail")?,
    })
}
