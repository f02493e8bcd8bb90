//! A delivery's effect and its place in the inbox: one transaction.

use sqlx::{Connection, Row, SqliteConnection};

use super::{News, Store, StoreError};
use crate::facts::Fact;
use crate::news;
use crate::refusal::Code;

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// `applied`, `refused` or `failed`.
    pub word: &'static str,
    /// The reason, in a word.
    pub code: Option<&'static str>,
    /// The reason, in a sentence.
    pub detail: String,
}

impl Verdict {
    /// It was taken.
    pub fn applied(code: Option<&'static str>, detail: impl Into<String>) -> Self {
        Self {
            word: "applied",
            code,
            detail: detail.into(),
        }
    }

    /// It was not taken.
    pub fn refused(code: Code, detail: impl Into<String>) -> Self {
        Self {
            // Replaying it may help only where something was missing for the moment.
            word: if code == Code::NoChain {
                "failed"
            } else {
                "refused"
            },
            code: Some(code.word()),
            detail: detail.into(),
        }
    }
}

/// What a delivery did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It was taken in, or refused, for the first time or anew.
    Judged,
    /// It was applied before; nothing was changed.
    Known,
}

impl Store {
    /// Takes a delivery in: its facts, the news of them and its verdict are there together, or not
    /// at all. One that was applied before changes nothing; its verdict is told again.
    pub async fn apply(
        &self,
        delivery: &str,
        verdict: &Verdict,
        facts: Vec<Fact>,
    ) -> Result<Effect, StoreError> {
        let mut connection = self.lock().await;
        let mut tx = connection.begin().await?;
        let before = sqlx::query("SELECT verdict FROM inbox WHERE delivery = $1")
            .bind(delivery)
            .fetch_optional(&mut *tx)
            .await?;
        let before: Option<String> = before.map(|row| row.try_get("verdict")).transpose()?;
        if before.as_deref() == Some("applied") {
            sqlx::query("UPDATE inbox SET told = 0 WHERE delivery = $1")
                .bind(delivery)
                .execute(&mut *tx)
                .await?;
            tx.commit().await?;
            return Ok(Effect::Known);
        }
        if before.is_none() {
            sqlx::query(
                "INSERT INTO counters (name, value) VALUES ('deliveries', 1)
                 ON CONFLICT (name) DO UPDATE SET value = value + 1",
            )
            .execute(&mut *tx)
            .await?;
        }
        sqlx::query(
            "INSERT INTO inbox (delivery, verdict, code, detail) VALUES ($1, $2, $3, $4)
             ON CONFLICT (delivery) DO UPDATE SET verdict = excluded.verdict,
                 code = excluded.code, detail = excluded.detail, told = 0",
        )
        .bind(delivery)
        .bind(verdict.word)
        .bind(verdict.code)
        .bind(&verdict.detail)
        .execute(&mut *tx)
        .await?;
        for fact in facts {
            keep(&mut tx, fact).await?;
        }
        tx.commit().await?;
        Ok(Effect::Judged)
    }
}

/// Joins a fact with what is in its place, and tells the news.
async fn keep(connection: &mut SqliteConnection, fact: Fact) -> Result<(), StoreError> {
    let place = fact.place();
    let number = i64::try_from(place.number).unwrap_or(i64::MAX);
    let row = sqlx::query(
        "SELECT value FROM facts WHERE repository = $1 AND number = $2 AND kind = $3 AND key = $4",
    )
    .bind(&place.repository)
    .bind(number)
    .bind(place.kind)
    .bind(&place.key)
    .fetch_optional(&mut *connection)
    .await?;
    let before: Option<Fact> = match row {
        Some(row) => Some(serde_json::from_str(row.try_get("value")?)?),
        None => None,
    };
    let after = match &before {
        Some(before) => before.clone().join(fact),
        None => fact,
    };
    if before.as_ref() == Some(&after) {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO facts (repository, number, kind, key, value) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (repository, number, kind, key) DO UPDATE SET value = excluded.value",
    )
    .bind(&place.repository)
    .bind(number)
    .bind(place.kind)
    .bind(&place.key)
    .bind(serde_json::to_string(&after)?)
    .execute(&mut *connection)
    .await?;
    if let Some(News { kind, data }) = news::of(before.as_ref(), &after) {
        sqlx::query("INSERT INTO outbox (kind, data) VALUES ($1, $2)")
            .bind(kind)
            .bind(data.to_string())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
