//! Endpoints of outgoing webhooks, their queue and every attempt, read. Keys come out as they are
//! kept: encrypted.

use sqlx::SqliteExecutor;

use super::row::{count, from_json, parsed, parsed_option, word};
use super::{Page, PageRequest, Store, StoreError};
use crate::model::{
    AttemptCode, EndpointKey, EndpointState, Id, Lane, MessageAttempt, MessageState, SigningScheme,
    UtcTime, WebhookEndpoint, WebhookMessage,
};

const ENDPOINTS: &str = "webhook_endpoints";
const KEYS: &str = "webhook_endpoint_keys";
const MESSAGES: &str = "webhook_messages";
const ATTEMPTS: &str = "webhook_message_attempts";

/// A key as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedEndpointKey {
    /// What people see of it.
    pub key: EndpointKey,
    /// Its endpoint.
    pub endpoint: String,
    /// Nonce and ciphertext.
    pub sealed: Vec<u8>,
}

impl std::fmt::Debug for SealedEndpointKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealedEndpointKey")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// A message that is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueMessage {
    /// Its id.
    pub id: Id,
    /// The event's type.
    pub kind: String,
    /// Its body.
    pub body: String,
    /// Tries on the present schedule.
    pub tries: u32,
    /// When it is due.
    pub due_at: UtcTime,
}

/// Which messages are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageFilter {
    /// Only to this endpoint.
    pub endpoint: Option<String>,
    /// Only in this state.
    pub state: Option<MessageState>,
    /// Only queued at this moment or later.
    pub since: Option<UtcTime>,
    /// Only queued before this moment.
    pub until: Option<UtcTime>,
}

struct MessageRow {
    id: String,
    endpoint: String,
    seq: Option<i64>,
    kind: String,
    state: String,
    tries: i64,
    due_at: Option<String>,
    size: i64,
    created_at: String,
    changed_at: String,
}

impl TryFrom<MessageRow> for WebhookMessage {
    type Error = StoreError;

    fn try_from(row: MessageRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: parsed(MESSAGES, &row.id)?,
            endpoint: row.endpoint,
            seq: row.seq.map(count),
            kind: row.kind,
            state: word::<MessageState>(MESSAGES, &row.state)?,
            tries: small(row.tries),
            due_at: parsed_option(MESSAGES, row.due_at.as_deref())?,
            size: count(row.size),
            created_at: parsed(MESSAGES, &row.created_at)?,
            changed_at: parsed(MESSAGES, &row.changed_at)?,
        })
    }
}

fn small(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl Store {
    /// Every endpoint with its keys and how many messages wait and have failed, by name.
    pub async fn webhook_endpoints(&self) -> Result<Vec<WebhookEndpoint>, StoreError> {
        let keys = self.webhook_endpoint_keys().await?;
        let rows = sqlx::query!(
            r#"SELECT name, settings, state, reason, cursor, failures, failing_since, held_until,
                      made_by, created_at, changed_at,
                      (SELECT count(*) FROM webhook_messages
                       WHERE endpoint = name AND state = 'waiting') AS "waiting!: i64",
                      (SELECT count(*) FROM webhook_messages
                       WHERE endpoint = name AND state = 'failed' AND seq IS NOT NULL) AS "failed!: i64"
               FROM webhook_endpoints ORDER BY name"#
        )
        .fetch_all(self.db())
        .await?;
        rows.into_iter()
            .map(|row| {
                let of_endpoint = keys.iter().filter(|one| one.endpoint == row.name);
                Ok(WebhookEndpoint {
                    settings: from_json(ENDPOINTS, &row.settings)?,
                    state: word::<EndpointState>(ENDPOINTS, &row.state)?,
                    reason: row.reason,
                    keys: of_endpoint.map(|one| one.key.clone()).collect(),
                    cursor: count(row.cursor),
                    lane: Lane {
                        failures: small(row.failures),
                        failing_since: parsed_option(ENDPOINTS, row.failing_since.as_deref())?,
                        held_until: parsed_option(ENDPOINTS, row.held_until.as_deref())?,
                    },
                    waiting: count(row.waiting),
                    failed: count(row.failed),
                    by: row.made_by,
                    created_at: parsed(ENDPOINTS, &row.created_at)?,
                    changed_at: parsed(ENDPOINTS, &row.changed_at)?,
                    name: row.name,
                })
            })
            .collect()
    }

    /// Every endpoint's keys, newest first.
    pub async fn webhook_endpoint_keys(&self) -> Result<Vec<SealedEndpointKey>, StoreError> {
        let rows = sqlx::query!(
            "SELECT id, endpoint, scheme, sealed, public, created_at, expires_at
             FROM webhook_endpoint_keys ORDER BY rowid DESC"
        )
        .fetch_all(self.db())
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(SealedEndpointKey {
                    key: EndpointKey {
                        id: parsed(KEYS, &row.id)?,
                        scheme: word::<SigningScheme>(KEYS, &row.scheme)?,
                        public: row.public,
                        created_at: parsed(KEYS, &row.created_at)?,
                        expires_at: parsed_option(KEYS, row.expires_at.as_deref())?,
                    },
                    endpoint: row.endpoint,
                    sealed: row.sealed,
                })
            })
            .collect()
    }

    /// An endpoint's lane while it is enabled; none where it is not, or there is none.
    pub async fn webhook_lane(&self, endpoint: &str) -> Result<Option<Lane>, StoreError> {
        let row = sqlx::query!(
            "SELECT failures, failing_since, held_until FROM webhook_endpoints
             WHERE name = $1 AND state = 'enabled'",
            endpoint
        )
        .fetch_optional(self.db())
        .await?;
        row.map(|row| {
            Ok(Lane {
                failures: small(row.failures),
                failing_since: parsed_option(ENDPOINTS, row.failing_since.as_deref())?,
                held_until: parsed_option(ENDPOINTS, row.held_until.as_deref())?,
            })
        })
        .transpose()
    }

    /// The message that an endpoint is sent next, due or not: the one that is due first, or, where
    /// the order is kept, the oldest.
    pub async fn next_webhook_message(
        &self,
        endpoint: &str,
        ordered: bool,
    ) -> Result<Option<DueMessage>, StoreError> {
        struct Row {
            id: String,
            kind: String,
            body: String,
            tries: i64,
            due_at: String,
        }
        let row = if ordered {
            sqlx::query_as!(
                Row,
                r#"SELECT id, kind, body, tries, due_at AS "due_at!" FROM webhook_messages
                   WHERE endpoint = $1 AND due_at IS NOT NULL ORDER BY seq, id LIMIT 1"#,
                endpoint
            )
            .fetch_optional(self.db())
            .await?
        } else {
            sqlx::query_as!(
                Row,
                r#"SELECT id, kind, body, tries, due_at AS "due_at!" FROM webhook_messages
                   WHERE endpoint = $1 AND due_at IS NOT NULL ORDER BY due_at, seq LIMIT 1"#,
                endpoint
            )
            .fetch_optional(self.db())
            .await?
        };
        row.map(|row| {
            Ok(DueMessage {
                id: parsed(MESSAGES, &row.id)?,
                kind: row.kind,
                body: row.body,
                tries: small(row.tries),
                due_at: parsed(MESSAGES, &row.due_at)?,
            })
        })
        .transpose()
    }

    /// Messages, newest first.
    pub async fn webhook_messages(
        &self,
        page: &PageRequest,
        filter: &MessageFilter,
    ) -> Result<Page<WebhookMessage>, StoreError> {
        let before = page.cursor::<Id>()?.map(|id| id.to_string());
        let state = filter.state.map(MessageState::as_str);
        let since = filter.since.map(|time| time.to_string());
        let until = filter.until.map(|time| time.to_string());
        let limit = page.rows();
        let rows = sqlx::query_as!(
            MessageRow,
            r#"SELECT id, endpoint, seq, kind, state, tries, due_at,
                      length(CAST(body AS BLOB)) AS "size!: i64", created_at, changed_at
               FROM webhook_messages
               WHERE ($1 IS NULL OR id < $1) AND ($2 IS NULL OR endpoint = $2)
                 AND ($3 IS NULL OR state = $3)
                 AND ($4 IS NULL OR created_at >= $4) AND ($5 IS NULL OR created_at < $5)
               ORDER BY id DESC LIMIT $6"#,
            before,
            filter.endpoint,
            state,
            since,
            until,
            limit
        )
        .fetch_all(self.db())
        .await?;
        Page::of_rows(rows, page, |message: &WebhookMessage| {
            message.id.to_string()
        })
    }

    /// One message.
    pub async fn webhook_message(&self, id: Id) -> Result<Option<WebhookMessage>, StoreError> {
        message(self.db(), id).await
    }

    /// A message's body.
    pub async fn webhook_message_body(&self, id: Id) -> Result<Option<String>, StoreError> {
        let id = id.to_string();
        Ok(
            sqlx::query_scalar!("SELECT body FROM webhook_messages WHERE id = $1", id)
                .fetch_optional(self.db())
                .await?,
        )
    }

    /// Every attempt for a message, oldest first.
    pub async fn webhook_message_attempts(
        &self,
        id: Id,
    ) -> Result<Vec<MessageAttempt>, StoreError> {
        let id = id.to_string();
        let rows = sqlx::query!(
            "SELECT number, time, duration_ms, code, status, detail, reply
             FROM webhook_message_attempts WHERE message = $1 ORDER BY number",
            id
        )
        .fetch_all(self.db())
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(MessageAttempt {
                    number: count(row.number),
                    time: parsed(ATTEMPTS, &row.time)?,
                    duration_ms: count(row.duration_ms),
                    code: word::<AttemptCode>(ATTEMPTS, &row.code)?,
                    status: row.status.and_then(|status| u16::try_from(status).ok()),
                    detail: row.detail,
                    reply: row.reply,
                })
            })
            .collect()
    }

    /// How many messages there are, by endpoint and state, without those that were delivered.
    pub async fn webhook_queues(&self) -> Result<Vec<(String, MessageState, u64)>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT endpoint, state, count(*) AS "count!: i64" FROM webhook_messages
               WHERE state != 'delivered' GROUP BY endpoint, state"#
        )
        .fetch_all(self.db())
        .await?;
        rows.into_iter()
            .map(|row| Ok((row.endpoint, word(MESSAGES, &row.state)?, count(row.count))))
            .collect()
    }
}

/// One message, inside or outside a transaction.
pub(super) async fn message(
    db: impl SqliteExecutor<'_>,
    id: Id,
) -> Result<Option<WebhookMessage>, StoreError> {
    let id = id.to_string();
    sqlx::query_as!(
        MessageRow,
        r#"SELECT id, endpoint, seq, kind, state, tries, due_at,
                  length(CAST(body AS BLOB)) AS "size!: i64", created_at, changed_at
           FROM webhook_messages WHERE id = $1"#,
        id
    )
    .fetch_optional(db)
    .await?
    .map(WebhookMessage::try_from)
    .transpose()
}
