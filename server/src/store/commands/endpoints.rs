//! Who is told by webhooks, and what messages to them are signed with.

use serde_json::json;

use super::actions;
use super::webhook_sources::LIVE_SECRETS;
use crate::model::{Actor, EndpointSettings, Id, SigningScheme, UtcTime, kinds};
use crate::store::row::{int, to_json};
use crate::store::{Command, StoreError, Tx};

/// A key to be kept.
#[derive(Clone)]
pub struct NewEndpointKey {
    /// Its id, which is part of what it was encrypted for.
    pub id: Id,
    /// How it signs.
    pub scheme: SigningScheme,
    /// The key, encrypted.
    pub sealed: Vec<u8>,
    /// What the receiver checks with, where that is public.
    pub public: Option<String>,
}

impl std::fmt::Debug for NewEndpointKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewEndpointKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// What the audit trail is told of settings: of the address only where it leads to, because its
/// path may be the receiver's secret.
fn told(settings: &EndpointSettings) -> String {
    let origin = reqwest::Url::parse(&settings.url)
        .map(|url| url.origin().ascii_serialization())
        .unwrap_or_default();
    format!("{} to {origin}", settings.events.join(", "))
}

/// Makes an endpoint, which is told of events from now on.
#[derive(Clone, Debug)]
pub struct AddEndpoint {
    /// Its name.
    pub name: String,
    /// What is sent where.
    pub settings: EndpointSettings,
    /// Its first key.
    pub key: NewEndpointKey,
    /// Who.
    pub by: Actor,
}

impl Command for AddEndpoint {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let (now, cursor) = (tx.now().to_string(), int(tx.next_seq() - 1));
        let settings = to_json(&self.settings)?;
        let made = sqlx::query!(
            "INSERT INTO webhook_endpoints (name, settings, state, reason, cursor, failures,
                 made_by, created_at, changed_at)
             VALUES ($1, $2, 'enabled', '', $3, 0, $4, $5, $5) ON CONFLICT (name) DO NOTHING",
            self.name,
            settings,
            cursor,
            self.by.id,
            now
        )
        .execute(tx.db())
        .await?;
        if made.rows_affected() == 0 {
            return Err(StoreError::Refused {
                code: "webhook_endpoint_exists",
                detail: format!(
                    "there is an endpoint `{}` already: take another name, or change that one",
                    self.name
                ),
            });
        }
        tx.insert_endpoint_key(&self.name, &self.key).await?;
        let detail = told(&self.settings);
        tx.accepted(
            &self.by,
            actions::CREATE_WEBHOOK_ENDPOINT,
            &self.name,
            &detail,
        )
        .await
    }
}

/// Changes what is sent where.
#[derive(Clone, Debug)]
pub struct SetEndpoint {
    /// The endpoint.
    pub name: String,
    /// All its settings.
    pub settings: EndpointSettings,
    /// Events up to this number were looked at with the settings before.
    pub looked_at: u64,
    /// Who.
    pub by: Actor,
}

impl Command for SetEndpoint {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let (now, looked_at) = (tx.now().to_string(), int(self.looked_at));
        let settings = to_json(&self.settings)?;
        let changed = sqlx::query!(
            "UPDATE webhook_endpoints
             SET settings = $2, changed_at = $3, cursor = max(cursor, $4) WHERE name = $1",
            self.name,
            settings,
            now,
            looked_at
        )
        .execute(tx.db())
        .await?;
        found(&self.name, changed.rows_affected())?;
        let detail = told(&self.settings);
        tx.accepted(&self.by, actions::SET_WEBHOOK_ENDPOINT, &self.name, &detail)
            .await
    }
}

/// Removes an endpoint with its messages.
#[derive(Clone, Debug)]
pub struct RemoveEndpoint {
    /// The endpoint.
    pub name: String,
    /// Who.
    pub by: Actor,
}

impl Command for RemoveEndpoint {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let waiting = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!: i64" FROM webhook_messages
               WHERE endpoint = $1 AND state = 'waiting'"#,
            self.name
        )
        .fetch_one(tx.db())
        .await?;
        let gone = sqlx::query!("DELETE FROM webhook_endpoints WHERE name = $1", self.name)
            .execute(tx.db())
            .await?;
        found(&self.name, gone.rows_affected())?;
        let detail = format!("{waiting} messages that waited go with it");
        tx.accepted(
            &self.by,
            actions::DELETE_WEBHOOK_ENDPOINT,
            &self.name,
            &detail,
        )
        .await
    }
}

/// Sends to an endpoint no more, until it is enabled again.
#[derive(Clone, Debug)]
pub struct DisableEndpoint {
    /// The endpoint.
    pub name: String,
    /// Why.
    pub reason: String,
    /// Who.
    pub by: Actor,
}

impl Command for DisableEndpoint {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        tx.disable_endpoint(&self.name, &self.reason).await?;
        tx.accepted(
            &self.by,
            actions::DISABLE_WEBHOOK_ENDPOINT,
            &self.name,
            &self.reason,
        )
        .await
    }
}

/// Sends to an endpoint again: what waits, and the events since it was disabled or from now on.
#[derive(Clone, Debug)]
pub struct EnableEndpoint {
    /// The endpoint.
    pub name: String,
    /// Whether the events in between are left out.
    pub from_now: bool,
    /// Who.
    pub by: Actor,
}

impl Command for EnableEndpoint {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let (now, last) = (tx.now().to_string(), int(tx.next_seq() - 1));
        let changed = sqlx::query!(
            "UPDATE webhook_endpoints
             SET state = 'enabled', reason = '', failures = 0, failing_since = NULL,
                 held_until = NULL, changed_at = $2,
                 cursor = CASE WHEN $3 AND state = 'disabled' THEN max(cursor, $4) ELSE cursor END
             WHERE name = $1",
            self.name,
            now,
            self.from_now,
            last
        )
        .execute(tx.db())
        .await?;
        found(&self.name, changed.rows_affected())?;
        let detail = if self.from_now {
            "events in between are left out"
        } else {
            "events in between are sent"
        };
        tx.accepted(
            &self.by,
            actions::ENABLE_WEBHOOK_ENDPOINT,
            &self.name,
            detail,
        )
        .await
    }
}

/// Gives an endpoint a new key. The one before goes on signing beside it until a moment; older ones
/// end at once.
#[derive(Clone, Debug)]
pub struct RotateEndpointKey {
    /// The endpoint.
    pub name: String,
    /// The new key.
    pub key: NewEndpointKey,
    /// When the one before ends.
    pub old_until: UtcTime,
    /// Who.
    pub by: Actor,
}

impl Command for RotateEndpointKey {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let (now, until) = (tx.now().to_string(), self.old_until.to_string());
        let changed = sqlx::query!(
            "UPDATE webhook_endpoints SET changed_at = $2 WHERE name = $1",
            self.name,
            now
        )
        .execute(tx.db())
        .await?;
        found(&self.name, changed.rows_affected())?;
        sqlx::query!(
            "UPDATE webhook_endpoint_keys SET expires_at = min(coalesce(expires_at, $2), $2)
             WHERE endpoint = $1",
            self.name,
            until
        )
        .execute(tx.db())
        .await?;
        tx.insert_endpoint_key(&self.name, &self.key).await?;
        sqlx::query!(
            "DELETE FROM webhook_endpoint_keys WHERE endpoint = $1 AND (expires_at <= $3 OR id NOT IN
                 (SELECT id FROM webhook_endpoint_keys WHERE endpoint = $1
                  ORDER BY rowid DESC LIMIT $2))",
            self.name,
            LIVE_SECRETS,
            now
        )
        .execute(tx.db())
        .await?;
        let detail = format!("key {}; the one before ends at {until}", self.key.id);
        tx.accepted(&self.by, actions::ROTATE_WEBHOOK_KEY, &self.name, &detail)
            .await
    }
}

impl Tx<'_> {
    async fn insert_endpoint_key(
        &mut self,
        endpoint: &str,
        key: &NewEndpointKey,
    ) -> Result<(), StoreError> {
        let (id, now, scheme) = (
            key.id.to_string(),
            self.now().to_string(),
            key.scheme.as_str(),
        );
        sqlx::query!(
            "INSERT INTO webhook_endpoint_keys (id, endpoint, scheme, sealed, public, created_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
            id,
            endpoint,
            scheme,
            key.sealed,
            key.public,
            now
        )
        .execute(self.db())
        .await?;
        Ok(())
    }

    /// Disables an endpoint and tells of it.
    pub(super) async fn disable_endpoint(
        &mut self,
        name: &str,
        reason: &str,
    ) -> Result<(), StoreError> {
        let now = self.now().to_string();
        let changed = sqlx::query!(
            "UPDATE webhook_endpoints SET state = 'disabled', reason = $2, changed_at = $3
             WHERE name = $1",
            name,
            reason,
            now
        )
        .execute(self.db())
        .await?;
        found(name, changed.rows_affected())?;
        let data = json!({ "endpoint": name, "reason": reason });
        self.host_event(kinds::WEBHOOK_ENDPOINT_DISABLED, data)
            .await?;
        Ok(())
    }
}

fn found(name: &str, rows: u64) -> Result<(), StoreError> {
    if rows == 0 {
        return Err(StoreError::not_found("webhook endpoint", name));
    }
    Ok(())
}
