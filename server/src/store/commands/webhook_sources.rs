//! Who may send webhooks, and what they sign with.

use super::actions;
use crate::model::{Actor, Id, SourceSettings, UtcTime};
use crate::store::row::to_json;
use crate::store::{Command, StoreError, Tx};

/// Secrets of a source that work at the same time.
pub const LIVE_SECRETS: i64 = 2;

/// Lets a source send.
#[derive(Clone, Debug)]
pub struct AddWebhookSource {
    /// The name in its address.
    pub name: String,
    /// How its deliveries are checked.
    pub settings: SourceSettings,
    /// Its first secret's id, which is part of what the secret was encrypted for.
    pub secret: Id,
    /// The secret, encrypted.
    pub sealed: Vec<u8>,
    /// Who.
    pub by: Actor,
}

impl Command for AddWebhookSource {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let now = tx.now().to_string();
        let settings = to_json(&self.settings)?;
        let made = sqlx::query!(
            "INSERT INTO webhook_sources (name, settings, made_by, created_at, changed_at)
             VALUES ($1, $2, $3, $4, $4) ON CONFLICT (name) DO NOTHING",
            self.name,
            settings,
            self.by.id,
            now
        )
        .execute(tx.db())
        .await?;
        if made.rows_affected() == 0 {
            return Err(StoreError::Refused {
                code: "webhook_source_exists",
                detail: format!(
                    "there is a source `{}` already: take another name, or rotate its secret",
                    self.name
                ),
            });
        }
        tx.insert_webhook_secret(&self.name, self.secret, &self.sealed)
            .await?;
        tx.accepted(
            &self.by,
            actions::CREATE_WEBHOOK_SOURCE,
            &self.name,
            &settings,
        )
        .await
    }
}

/// Changes how a source's deliveries are checked.
#[derive(Clone, Debug)]
pub struct SetWebhookSource {
    /// The source.
    pub name: String,
    /// All its settings.
    pub settings: SourceSettings,
    /// Who.
    pub by: Actor,
}

impl Command for SetWebhookSource {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let now = tx.now().to_string();
        let settings = to_json(&self.settings)?;
        let changed = sqlx::query!(
            "UPDATE webhook_sources SET settings = $2, changed_at = $3 WHERE name = $1",
            self.name,
            settings,
            now
        )
        .execute(tx.db())
        .await?;
        if changed.rows_affected() == 0 {
            return Err(no_source(&self.name));
        }
        tx.accepted(&self.by, actions::SET_WEBHOOK_SOURCE, &self.name, &settings)
            .await
    }
}

/// Lets a source send no more. Its deliveries stay.
#[derive(Clone, Debug)]
pub struct RemoveWebhookSource {
    /// The source.
    pub name: String,
    /// Who.
    pub by: Actor,
}

impl Command for RemoveWebhookSource {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let gone = sqlx::query!("DELETE FROM webhook_sources WHERE name = $1", self.name)
            .execute(tx.db())
            .await?;
        if gone.rows_affected() == 0 {
            return Err(no_source(&self.name));
        }
        tx.accepted(&self.by, actions::DELETE_WEBHOOK_SOURCE, &self.name, "")
            .await
    }
}

/// Gives a source a new secret. The one before it goes on working until a moment; older ones end
/// at once.
#[derive(Clone, Debug)]
pub struct RotateWebhookSecret {
    /// The source.
    pub name: String,
    /// The new secret's id.
    pub secret: Id,
    /// The new secret, encrypted.
    pub sealed: Vec<u8>,
    /// When the one before ends.
    pub old_until: UtcTime,
    /// Who.
    pub by: Actor,
}

impl Command for RotateWebhookSecret {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let now = tx.now().to_string();
        let found = sqlx::query!(
            "UPDATE webhook_sources SET changed_at = $2 WHERE name = $1",
            self.name,
            now
        )
        .execute(tx.db())
        .await?;
        if found.rows_affected() == 0 {
            return Err(no_source(&self.name));
        }
        let until = self.old_until.to_string();
        sqlx::query!(
            "UPDATE webhook_secrets SET expires_at = min(coalesce(expires_at, $2), $2)
             WHERE source = $1",
            self.name,
            until
        )
        .execute(tx.db())
        .await?;
        tx.insert_webhook_secret(&self.name, self.secret, &self.sealed)
            .await?;
        sqlx::query!(
            "DELETE FROM webhook_secrets WHERE source = $1 AND (expires_at <= $3 OR id NOT IN
                 (SELECT id FROM webhook_secrets WHERE source = $1
                  ORDER BY rowid DESC LIMIT $2))",
            self.name,
            LIVE_SECRETS,
            now
        )
        .execute(tx.db())
        .await?;
        let detail = format!("secret {}; the one before ends at {until}", self.secret);
        tx.accepted(
            &self.by,
            actions::ROTATE_WEBHOOK_SECRET,
            &self.name,
            &detail,
        )
        .await
    }
}

impl Tx<'_> {
    async fn insert_webhook_secret(
        &mut self,
        source: &str,
        id: Id,
        sealed: &[u8],
    ) -> Result<(), StoreError> {
        let (id, now) = (id.to_string(), self.now().to_string());
        sqlx::query!(
            "INSERT INTO webhook_secrets (id, source, sealed, created_at) VALUES ($1, $2, $3, $4)",
            id,
            source,
            sealed,
            now
        )
        .execute(self.db())
        .await?;
        Ok(())
    }
}

fn no_source(name: &str) -> StoreError {
    StoreError::not_found("webhook source", name)
}
