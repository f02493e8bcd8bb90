//! What is removed in time.

use serde_json::json;

use crate::store::events::PRUNED;
use crate::store::row::{count, int};
use crate::store::{Command, Pruned, StoreError, Tx};

/// Removes events up to and with a number, but at most a few thousand: ask again while something
/// was removed. Governance, webhook and payment events that some module has not applied stay.
#[derive(Clone, Copy, Debug)]
pub struct PruneEvents {
    /// The newest event that may go; [`crate::store::Store::prunable`] knows.
    pub upto: u64,
}

impl Command for PruneEvents {
    type Output = Pruned;

    async fn apply(self, tx: &mut Tx<'_>) -> Result<Pruned, StoreError> {
        let upto = int(self.upto);
        let removed = sqlx::query!(
            "DELETE FROM events WHERE seq IN (
                 SELECT seq FROM events WHERE seq <= $1 AND NOT (
                     (kind LIKE 'governance.%' OR kind LIKE 'webhook.%' OR kind LIKE '%.payment\\_%' ESCAPE '\\')
                     AND seq > coalesce((SELECT min(seq) FROM cursors), seq))
                 ORDER BY seq LIMIT 5000)",
            upto
        )
        .execute(tx.db())
        .await?
        .rows_affected();
        let kept = sqlx::query_scalar!(
            r#"SELECT count(*) AS "kept!: i64" FROM events WHERE seq <= $1
               AND (kind LIKE 'governance.%' OR kind LIKE 'webhook.%' OR kind LIKE '%.payment\_%' ESCAPE '\')"#,
            upto
        )
        .fetch_one(tx.db())
        .await?;
        let pruned: u64 = tx.fact(PRUNED).await?.unwrap_or(0);
        if removed > 0 && self.upto > pruned {
            tx.set_fact(PRUNED, &json!(self.upto)).await?;
        }
        Ok(Pruned {
            upto: self.upto.max(pruned),
            removed,
            kept: count(kept),
        })
    }
}

/// Removes what has expired: sessions, login codes, kept answers older than a day, and operations
/// that ended more than 30 days ago.
#[derive(Clone, Copy, Debug)]
pub struct DropExpired;

impl Command for DropExpired {
    type Output = u64;

    async fn apply(self, tx: &mut Tx<'_>) -> Result<u64, StoreError> {
        const DAY_MS: i64 = 24 * 60 * 60 * 1000;
        let now = tx.now().to_string();
        let yesterday = tx.now().plus_ms(-DAY_MS).to_string();
        let last_month = tx.now().plus_ms(-30 * DAY_MS).to_string();
        let mut removed = 0;
        let gone = sqlx::query!("DELETE FROM sessions WHERE expires_at <= $1", now);
        removed += gone.execute(tx.db()).await?.rows_affected();
        let gone = sqlx::query!("DELETE FROM login_codes WHERE expires_at <= $1", now);
        removed += gone.execute(tx.db()).await?.rows_affected();
        let gone = sqlx::query!("DELETE FROM idempotency WHERE created_at <= $1", yesterday);
        removed += gone.execute(tx.db()).await?.rows_affected();
        let gone = sqlx::query!(
            "DELETE FROM operations WHERE changed_at <= $1 AND status NOT IN ('queued', 'running')",
            last_month
        );
        removed += gone.execute(tx.db()).await?.rows_affected();
        Ok(removed)
    }
}
