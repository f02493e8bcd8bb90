//! Webhook sources and the inbox, read. Secrets come out as they are kept: encrypted.

use sqlx::SqliteExecutor;

use super::row::{count, from_json, int, parsed, parsed_option, word};
use super::{Page, PageRequest, Store, StoreError};
use crate::model::{
    AttemptKind, DeliveryAttempt, DeliveryState, Id, UtcTime, WebhookDelivery, WebhookSecret,
    WebhookSource,
};

const SOURCES: &str = "webhook_sources";
const SECRETS: &str = "webhook_secrets";
const DELIVERIES: &str = "webhook_deliveries";
const ATTEMPTS: &str = "webhook_attempts";

/// A secret as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedWebhookSecret {
    /// What people see of it.
    pub secret: WebhookSecret,
    /// The source.
    pub source: String,
    /// Nonce and ciphertext.
    pub sealed: Vec<u8>,
}

impl std::fmt::Debug for SealedWebhookSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealedWebhookSecret")
            .field("secret", &self.secret)
            .finish_non_exhaustive()
    }
}

/// Which deliveries are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// Only of this source.
    pub source: Option<String>,
    /// Only in this state.
    pub state: Option<DeliveryState>,
    /// Only dead letters: refused or failed.
    pub dead: bool,
    /// Only accepted at this moment or later.
    pub since: Option<UtcTime>,
    /// Only accepted before this moment.
    pub until: Option<UtcTime>,
}

struct DeliveryRow {
    id: String,
    source: String,
    sender_id: String,
    digest: Vec<u8>,
    kind: Option<String>,
    media_type: Option<String>,
    secret: String,
    seq: i64,
    state: String,
    size: i64,
    received_at: String,
    changed_at: String,
    kept: bool,
}

impl TryFrom<DeliveryRow> for WebhookDelivery {
    type Error = StoreError;

    fn try_from(row: DeliveryRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: parsed(DELIVERIES, &row.id)?,
            source: row.source,
            sender_id: row.sender_id,
            digest: hex::encode(row.digest),
            kind: row.kind,
            media_type: row.media_type,
            secret: row.secret,
            seq: count(row.seq),
            state: word::<DeliveryState>(DELIVERIES, &row.state)?,
            size: count(row.size),
            body_kept: row.kept,
            received_at: parsed(DELIVERIES, &row.received_at)?,
            changed_at: parsed(DELIVERIES, &row.changed_at)?,
        })
    }
}

impl Store {
    /// Every source with its secrets, by name.
    pub async fn webhook_sources(&self) -> Result<Vec<WebhookSource>, StoreError> {
        let secrets = self.webhook_secrets().await?;
        let rows = sqlx::query!(
            "SELECT name, settings, made_by, created_at, changed_at FROM webhook_sources
             ORDER BY name"
        )
        .fetch_all(self.db())
        .await?;
        rows.into_iter()
            .map(|row| {
                let of_source = secrets.iter().filter(|one| one.source == row.name);
                Ok(WebhookSource {
                    settings: from_json(SOURCES, &row.settings)?,
                    secrets: of_source.map(|one| one.secret.clone()).collect(),
                    by: row.made_by,
                    created_at: parsed(SOURCES, &row.created_at)?,
                    changed_at: parsed(SOURCES, &row.changed_at)?,
                    name: row.name,
                })
            })
            .collect()
    }

    /// Every source's secrets, newest first.
    pub async fn webhook_secrets(&self) -> Result<Vec<SealedWebhookSecret>, StoreError> {
        let rows = sqlx::query!(
            "SELECT id, source, sealed, created_at, expires_at, last_used_at FROM webhook_secrets
             ORDER BY rowid DESC"
        )
        .fetch_all(self.db())
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(SealedWebhookSecret {
                    secret: WebhookSecret {
                        id: parsed(SECRETS, &row.id)?,
                        created_at: parsed(SECRETS, &row.created_at)?,
                        expires_at: parsed_option(SECRETS, row.expires_at.as_deref())?,
                        last_used_at: parsed_option(SECRETS, row.last_used_at.as_deref())?,
                    },
                    source: row.source,
                    sealed: row.sealed,
                })
            })
            .collect()
    }

    /// Deliveries, newest first.
    pub async fn webhook_deliveries(
        &self,
        page: &PageRequest,
        filter: &DeliveryFilter,
    ) -> Result<Page<WebhookDelivery>, StoreError> {
        let before = page.cursor::<Id>()?.map(|id| id.to_string());
        let state = filter.state.map(DeliveryState::as_str);
        let since = filter.since.map(|time| time.to_string());
        let until = filter.until.map(|time| time.to_string());
        let limit = page.rows();
        let rows = sqlx::query_as!(
            DeliveryRow,
            r#"SELECT id, source, sender_id, digest, kind, media_type, secret, seq, state, size,
                      received_at, changed_at, body IS NOT NULL AS "kept!: bool"
               FROM webhook_deliveries
               WHERE ($1 IS NULL OR id < $1) AND ($2 IS NULL OR source = $2)
                 AND ($3 IS NULL OR state = $3) AND (NOT $4 OR state IN ('refused', 'failed'))
                 AND ($5 IS NULL OR received_at >= $5) AND ($6 IS NULL OR received_at < $6)
               ORDER BY id DESC LIMIT $7"#,
            before,
            filter.source,
            state,
            filter.dead,
            since,
            until,
            limit
        )
        .fetch_all(self.db())
        .await?;
        Page::of_rows(rows, page, |delivery: &WebhookDelivery| {
            delivery.id.to_string()
        })
    }

    /// One delivery.
    pub async fn webhook_delivery(&self, id: Id) -> Result<Option<WebhookDelivery>, StoreError> {
        delivery(self.db(), id).await
    }

    /// What happened to a delivery after it was accepted, oldest first.
    pub async fn webhook_attempts(&self, id: Id) -> Result<Vec<DeliveryAttempt>, StoreError> {
        let id = id.to_string();
        let rows = sqlx::query!(
            "SELECT number, time, kind, actor, code, detail, seq FROM webhook_attempts
             WHERE delivery = $1 ORDER BY number",
            id
        )
        .fetch_all(self.db())
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(DeliveryAttempt {
                    number: count(row.number),
                    time: parsed(ATTEMPTS, &row.time)?,
                    kind: word::<AttemptKind>(ATTEMPTS, &row.kind)?,
                    actor: row.actor,
                    code: row.code,
                    detail: row.detail,
                    seq: row.seq.map(count),
                })
            })
            .collect()
    }

    /// A delivery's body; none where there is no such delivery, or its body was dropped.
    pub async fn webhook_body(&self, id: Id) -> Result<Option<Vec<u8>>, StoreError> {
        let id = id.to_string();
        let body = sqlx::query_scalar!("SELECT body FROM webhook_deliveries WHERE id = $1", id)
            .fetch_optional(self.db())
            .await?;
        Ok(body.flatten())
    }

    /// How many dead letters there are, by their state.
    pub async fn webhook_dead_letters(&self) -> Result<Vec<(DeliveryState, u64)>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT state, count(*) AS "count!: i64" FROM webhook_deliveries
               WHERE state IN ('refused', 'failed') GROUP BY state"#
        )
        .fetch_all(self.db())
        .await?;
        rows.into_iter()
            .map(|row| Ok((word(DELIVERIES, &row.state)?, count(row.count))))
            .collect()
    }

    /// The modules that have acknowledged an event.
    pub async fn modules_past(&self, seq: u64) -> Result<Vec<String>, StoreError> {
        let seq = int(seq);
        Ok(sqlx::query_scalar!(
            "SELECT module FROM cursors WHERE seq >= $1 ORDER BY module",
            seq
        )
        .fetch_all(self.db())
        .await?)
    }
}

/// One delivery, inside or outside a transaction.
pub(super) async fn delivery(
    db: impl SqliteExecutor<'_>,
    id: Id,
) -> Result<Option<WebhookDelivery>, StoreError> {
    let id = id.to_string();
    sqlx::query_as!(
        DeliveryRow,
        r#"SELECT id, source, sender_id, digest, kind, media_type, secret, seq, state, size,
                  received_at, changed_at, body IS NOT NULL AS "kept!: bool"
           FROM webhook_deliveries WHERE id = $1"#,
        id
    )
    .fetch_optional(db)
    .await?
    .map(WebhookDelivery::try_from)
    .transpose()
}
