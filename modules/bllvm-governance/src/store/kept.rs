//! Proofs and frozen transcripts, and news that are told once.

use std::cmp::Reverse;

use serde::Serialize;
use sqlx::{Connection, Row};

use super::{News, Store, StoreError};
use crate::mining::fork::Fork;
use crate::proofs::Proof;
use crate::veto::Transcript;

/// Proofs of one key that are kept, so that nobody's push out another's.
const MOST_PROOFS: i64 = 50;
/// Branches that are told at once.
const MOST_FORKS: usize = 100;

impl Store {
    /// Keeps a proof; the same one again changes nothing.
    pub async fn keep_proof(&self, proof: &Proof) -> Result<(), StoreError> {
        let mut connection = self.lock().await;
        let mut tx = connection.begin().await?;
        sqlx::query("INSERT INTO proofs (signature, value) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(&proof.signature)
            .bind(serde_json::to_string(proof)?)
            .execute(&mut *tx)
            .await?;
        sqlx::query(
            "DELETE FROM proofs WHERE json_extract(value, '$.key') = $1 AND id NOT IN
                 (SELECT id FROM proofs WHERE json_extract(value, '$.key') = $1
                  ORDER BY id DESC LIMIT $2)",
        )
        .bind(&proof.key)
        .bind(MOST_PROOFS)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// The proofs, in the order in which they came.
    pub async fn proofs(&self) -> Result<Vec<Proof>, StoreError> {
        let rows = sqlx::query("SELECT value FROM proofs ORDER BY id")
            .fetch_all(&mut *self.lock().await)
            .await?;
        rows.iter()
            .map(|row| Ok(serde_json::from_str(row.try_get("value")?)?))
            .collect()
    }

    /// The frozen transcript of a proposal's head.
    pub async fn transcript(&self, name: &str) -> Result<Option<Transcript>, StoreError> {
        let row = sqlx::query("SELECT value FROM transcripts WHERE name = $1")
            .bind(name)
            .fetch_optional(&mut *self.lock().await)
            .await?;
        match row {
            Some(row) => Ok(Some(serde_json::from_str(row.try_get("value")?)?)),
            None => Ok(None),
        }
    }

    /// Freezes a transcript, with its news. One that differs from what is kept replaces it, and is
    /// news again.
    pub async fn freeze(
        &self,
        name: &str,
        transcript: &Transcript,
        news: &News,
    ) -> Result<(), StoreError> {
        let mut connection = self.lock().await;
        let mut tx = connection.begin().await?;
        let added = sqlx::query(
            "INSERT INTO transcripts (name, value) VALUES ($1, $2)
             ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE value != excluded.value",
        )
        .bind(name)
        .bind(serde_json::to_string(transcript)?)
        .execute(&mut *tx)
        .await?;
        if added.rows_affected() > 0 {
            add_news(&mut tx, news).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Tells news unless this was told before under the same name.
    pub async fn tell_once(&self, name: &str, news: &News) -> Result<bool, StoreError> {
        self.keep_once(name, &(), news).await
    }

    /// Keeps a thing under a name and tells it, if none of this name is kept.
    pub async fn keep_once<T: Serialize + Sync>(
        &self,
        name: &str,
        value: &T,
        news: &News,
    ) -> Result<bool, StoreError> {
        let value = serde_json::to_string(value)?;
        let mut connection = self.lock().await;
        let mut tx = connection.begin().await?;
        let added = sqlx::query(
            "INSERT INTO remembered (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        )
        .bind(name)
        .bind(value)
        .execute(&mut *tx)
        .await?;
        let first = added.rows_affected() > 0;
        if first {
            add_news(&mut tx, news).await?;
        }
        tx.commit().await?;
        Ok(first)
    }
}

impl Store {
    /// Branches that were left, highest first.
    pub async fn forks(&self) -> Result<Vec<Fork>, StoreError> {
        let rows = sqlx::query("SELECT value FROM remembered WHERE name LIKE 'fork %'")
            .fetch_all(&mut *self.lock().await)
            .await?;
        let forks = rows
            .iter()
            .map(|row| Ok(serde_json::from_str(row.try_get("value")?)?));
        let mut forks = forks.collect::<Result<Vec<Fork>, StoreError>>()?;
        forks.sort_by(|one, other| {
            let key = |fork: &Fork| (Reverse(fork.left_height), fork.left_block.clone());
            key(one).cmp(&key(other))
        });
        forks.truncate(MOST_FORKS);
        Ok(forks)
    }
}

async fn add_news(connection: &mut sqlx::SqliteConnection, news: &News) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO outbox (kind, data) VALUES ($1, $2)")
        .bind(&news.kind)
        .bind(news.data.to_string())
        .execute(connection)
        .await?;
    Ok(())
}
