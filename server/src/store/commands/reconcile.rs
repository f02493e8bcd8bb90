//! Which webhook sources are reconciled, and what came of it.

use super::actions;
use crate::model::{Actor, Id, ReconcileReport, ReconcileSettings};
use crate::store::row::to_json;
use crate::store::{Command, StoreError, Tx};

/// A token of the sender's API, to be kept.
#[derive(Clone)]
pub struct NewApiToken {
    /// The id that it was encrypted for.
    pub id: Id,
    /// The token, encrypted.
    pub sealed: Vec<u8>,
}

impl std::fmt::Debug for NewApiToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewApiToken")
    }
}

/// Has a source reconciled; without a token, with the one that is kept.
#[derive(Clone, Debug)]
pub struct SetReconcile {
    /// The source.
    pub source: String,
    /// How.
    pub settings: ReconcileSettings,
    /// A new token.
    pub token: Option<NewApiToken>,
    /// Who.
    pub by: Actor,
}

impl Command for SetReconcile {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let now = tx.now().to_string();
        let settings = to_json(&self.settings)?;
        let set = match &self.token {
            Some(token) => {
                let id = token.id.to_string();
                sqlx::query!(
                    "INSERT INTO webhook_reconciles (source, settings, token, sealed, made_by, changed_at)
                     VALUES ($1, $2, $3, $4, $5, $6)
                     ON CONFLICT (source) DO UPDATE SET settings = excluded.settings,
                         token = excluded.token, sealed = excluded.sealed,
                         made_by = excluded.made_by, changed_at = excluded.changed_at",
                    self.source,
                    settings,
                    id,
                    token.sealed,
                    self.by.id,
                    now
                )
                .execute(tx.db())
                .await?
            }
            None => {
                sqlx::query!(
                    "UPDATE webhook_reconciles SET settings = $2, made_by = $3, changed_at = $4
                     WHERE source = $1",
                    self.source,
                    settings,
                    self.by.id,
                    now
                )
                .execute(tx.db())
                .await?
            }
        };
        if set.rows_affected() == 0 {
            return Err(StoreError::Refused {
                code: "invalid_request",
                detail: "`token` is needed the first time: one of the sender's API that may \
                         administer the hook"
                    .to_owned(),
            });
        }
        tx.accepted(
            &self.by,
            actions::SET_WEBHOOK_RECONCILE,
            &self.source,
            &settings,
        )
        .await
    }
}

/// Has a source reconciled no more, and forgets its token.
#[derive(Clone, Debug)]
pub struct RemoveReconcile {
    /// The source.
    pub source: String,
    /// Who.
    pub by: Actor,
}

impl Command for RemoveReconcile {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let gone = sqlx::query!(
            "DELETE FROM webhook_reconciles WHERE source = $1",
            self.source
        )
        .execute(tx.db())
        .await?;
        if gone.rows_affected() == 0 {
            return Err(StoreError::not_found(
                "reconciling of webhook source",
                &self.source,
            ));
        }
        tx.accepted(
            &self.by,
            actions::DELETE_WEBHOOK_RECONCILE,
            &self.source,
            "",
        )
        .await
    }
}

/// Records what came of a run.
#[derive(Clone, Debug)]
pub struct RecordReconcile {
    /// The source.
    pub source: String,
    /// What came of it.
    pub report: ReconcileReport,
}

impl Command for RecordReconcile {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let (now, report) = (tx.now().to_string(), to_json(&self.report)?);
        sqlx::query!(
            "UPDATE webhook_reconciles SET last_run_at = $2, last_report = $3 WHERE source = $1",
            self.source,
            now,
            report
        )
        .execute(tx.db())
        .await?;
        Ok(())
    }
}
