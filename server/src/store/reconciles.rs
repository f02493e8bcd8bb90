//! Which webhook sources are reconciled, read. Tokens come out as they are kept: encrypted.

use std::collections::HashSet;

use super::row::{from_json, from_json_option, parsed, parsed_option, to_json};
use super::{Store, StoreError};
use crate::model::{Id, WebhookReconcile};

const TABLE: &str = "webhook_reconciles";

/// A source that is reconciled.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptReconcile {
    /// The source.
    pub source: String,
    /// What people see of it.
    pub reconcile: WebhookReconcile,
    /// The id that its token was encrypted for.
    pub token: Id,
    /// Nonce and ciphertext.
    pub sealed: Vec<u8>,
}

impl std::fmt::Debug for KeptReconcile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeptReconcile")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Every source that is reconciled, by name.
    pub async fn webhook_reconciles(&self) -> Result<Vec<KeptReconcile>, StoreError> {
        let rows = sqlx::query!(
            "SELECT source, settings, token, sealed, made_by, changed_at, last_run_at, last_report
             FROM webhook_reconciles ORDER BY source"
        )
        .fetch_all(self.db())
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(KeptReconcile {
                    source: row.source,
                    reconcile: WebhookReconcile {
                        settings: from_json(TABLE, &row.settings)?,
                        by: row.made_by,
                        changed_at: parsed(TABLE, &row.changed_at)?,
                        last_run_at: parsed_option(TABLE, row.last_run_at.as_deref())?,
                        last_report: from_json_option(TABLE, row.last_report.as_deref())?,
                    },
                    token: parsed(TABLE, &row.token)?,
                    sealed: row.sealed,
                })
            })
            .collect()
    }

    /// Which of these ids of its sender a source's inbox has.
    pub async fn webhook_sender_ids(
        &self,
        source: &str,
        ids: Vec<String>,
    ) -> Result<HashSet<String>, StoreError> {
        let ids = to_json(&ids)?;
        let found = sqlx::query_scalar!(
            "SELECT sender_id FROM webhook_deliveries
             WHERE source = $1 AND sender_id IN (SELECT value FROM json_each($2))",
            source,
            ids
        )
        .fetch_all(self.db())
        .await?;
        Ok(found.into_iter().collect())
    }
}
