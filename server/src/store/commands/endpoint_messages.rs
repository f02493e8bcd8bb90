//! The queue of outgoing webhooks: messages come from the journal, are tried, and are sent again on
//! request.

use serde_json::json;

use super::actions;
use crate::model::{Actor, Id, Lane, MessageAttempt, MessageState, UtcTime, WebhookMessage, kinds};
use crate::store::endpoints::message;
use crate::store::row::{int, parsed};
use crate::store::{Command, MessageFilter, StoreError, Tx};

/// Messages that one request sends again at the most.
pub const REDELIVER_LIMIT: i64 = 1000;

/// What is queued for one endpoint.
#[derive(Clone, Debug)]
pub struct Queued {
    /// The endpoint.
    pub endpoint: String,
    /// Events up to this number were looked at.
    pub upto: u64,
    /// The first event of those that the journal no longer had, where there were any.
    pub missed_from: Option<u64>,
    /// Number, type and body of each that it is told of.
    pub messages: Vec<(u64, String, String)>,
}

/// Queues messages and moves the cursors, in one transaction: what is behind a cursor is in the
/// queue, and is there once.
#[derive(Clone, Debug)]
pub struct QueueMessages(pub Vec<Queued>);

impl Command for QueueMessages {
    type Output = ();
    /// It takes in, so it stops where intake stops; the journal keeps what is not queued yet.
    const APPEND_ONLY: bool = true;

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let now = tx.now().to_string();
        for queued in self.0 {
            let upto = int(queued.upto);
            // Who was removed or disabled in the meantime is told nothing; who was made anew under
            // the same name starts later.
            let cursor = sqlx::query_scalar!(
                "SELECT cursor FROM webhook_endpoints
                 WHERE name = $1 AND state = 'enabled' AND cursor < $2",
                queued.endpoint,
                upto
            )
            .fetch_optional(tx.db())
            .await?;
            let Some(cursor) = cursor else { continue };
            for (seq, kind, body) in &queued.messages {
                let (id, seq) = (tx.new_id().to_string(), int(*seq));
                if seq <= cursor {
                    continue;
                }
                sqlx::query!(
                    "INSERT INTO webhook_messages (id, endpoint, seq, kind, body, state, tries,
                         due_at, created_at, changed_at)
                     VALUES ($1, $2, $3, $4, $5, 'waiting', 0, $6, $6, $6)
                     ON CONFLICT (endpoint, seq) DO NOTHING",
                    id,
                    queued.endpoint,
                    seq,
                    kind,
                    body,
                    now
                )
                .execute(tx.db())
                .await?;
            }
            sqlx::query!(
                "UPDATE webhook_endpoints SET cursor = $2 WHERE name = $1",
                queued.endpoint,
                upto
            )
            .execute(tx.db())
            .await?;
            if let Some(from) = queued.missed_from {
                let data = json!({ "endpoint": queued.endpoint, "from": from });
                tx.host_event(kinds::WEBHOOK_EVENTS_MISSED, data).await?;
            }
        }
        Ok(())
    }
}

/// Queues a test, which is tried once and by whoever asked for it.
#[derive(Clone, Debug)]
pub struct QueueTest {
    /// The endpoint.
    pub endpoint: String,
    /// The message's id.
    pub id: Id,
    /// Its body.
    pub body: String,
    /// Who.
    pub by: Actor,
}

impl Command for QueueTest {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let (id, now) = (self.id.to_string(), tx.now().to_string());
        // Not due: nobody but its asker sends it. If the node ends first, it stays as failed.
        sqlx::query!(
            "INSERT INTO webhook_messages (id, endpoint, kind, body, state, tries, created_at,
                 changed_at)
             VALUES ($1, $2, $3, $4, 'failed', 0, $5, $5)",
            id,
            self.endpoint,
            kinds::WEBHOOK_TEST,
            self.body,
            now
        )
        .execute(tx.db())
        .await?;
        let detail = format!("message {}", self.id);
        tx.accepted(
            &self.by,
            actions::TEST_WEBHOOK_ENDPOINT,
            &self.endpoint,
            &detail,
        )
        .await
    }
}

/// What comes after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// The receiver took it.
    Delivered,
    /// It is tried again.
    Again(UtcTime),
    /// It is not tried again.
    Failed,
}

/// Records an attempt and what comes after it.
#[derive(Clone, Debug)]
pub struct RecordAttempt {
    /// The endpoint.
    pub endpoint: String,
    /// The message.
    pub message: Id,
    /// The attempt; its number is given here.
    pub attempt: MessageAttempt,
    /// What comes after it.
    pub after: After,
    /// The lane after it; none where the attempt says nothing about the lane.
    pub lane: Option<Lane>,
    /// Why the endpoint is disabled by it.
    pub disable: Option<String>,
}

impl Command for RecordAttempt {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let (id, now) = (self.message.to_string(), tx.now().to_string());
        let (state, due) = match self.after {
            After::Delivered => (MessageState::Delivered, None),
            After::Again(due) => (MessageState::Waiting, Some(due.to_string())),
            After::Failed => (MessageState::Failed, None),
        };
        let word = state.as_str();
        let changed = sqlx::query!(
            "UPDATE webhook_messages SET state = $2, tries = tries + 1, due_at = $3, changed_at = $4
             WHERE id = $1",
            id,
            word,
            due,
            now
        )
        .execute(tx.db())
        .await?;
        if changed.rows_affected() == 0 {
            // Its endpoint was removed while it was under way.
            return Ok(());
        }
        let (time, code) = (self.attempt.time.to_string(), self.attempt.code.as_str());
        let (duration, status) = (
            int(self.attempt.duration_ms),
            self.attempt.status.map(i64::from),
        );
        sqlx::query!(
            "INSERT INTO webhook_message_attempts (message, number, time, duration_ms, code, status,
                 detail, reply)
             SELECT $1, 1 + coalesce(max(number), 0), $2, $3, $4, $5, $6, $7
             FROM webhook_message_attempts WHERE message = $1",
            id,
            time,
            duration,
            code,
            status,
            self.attempt.detail,
            self.attempt.reply
        )
        .execute(tx.db())
        .await?;
        if let Some(lane) = self.lane {
            let failures = i64::from(lane.failures);
            let since = lane.failing_since.map(|time| time.to_string());
            let until = lane.held_until.map(|time| time.to_string());
            sqlx::query!(
                "UPDATE webhook_endpoints SET failures = $2, failing_since = $3, held_until = $4
                 WHERE name = $1 AND state = 'enabled'",
                self.endpoint,
                failures,
                since,
                until
            )
            .execute(tx.db())
            .await?;
        }
        if state == MessageState::Failed && self.lane.is_some() {
            let data = json!({
                "endpoint": self.endpoint, "message": self.message, "code": code,
                "detail": self.attempt.detail,
            });
            tx.host_event(kinds::WEBHOOK_MESSAGE_FAILED, data).await?;
        }
        match &self.disable {
            Some(reason) => tx.disable_endpoint(&self.endpoint, reason).await,
            None => Ok(()),
        }
    }
}

/// Sends one message again, at once and by a new schedule.
#[derive(Clone, Debug)]
pub struct RedeliverMessage {
    /// The message.
    pub id: Id,
    /// Who.
    pub by: Actor,
}

impl Command for RedeliverMessage {
    type Output = WebhookMessage;

    async fn apply(self, tx: &mut Tx<'_>) -> Result<WebhookMessage, StoreError> {
        let missing = || StoreError::not_found("webhook message", self.id);
        let known = message(&mut *tx.db(), self.id).await?.ok_or_else(missing)?;
        tx.check_enabled(&known.endpoint).await?;
        tx.due_now(self.id).await?;
        tx.accepted(&self.by, actions::REDELIVER_WEBHOOK_MESSAGE, self.id, "")
            .await?;
        message(&mut *tx.db(), self.id).await?.ok_or_else(missing)
    }
}

/// Sends many messages again, oldest first.
#[derive(Clone, Debug)]
pub struct RedeliverMessages {
    /// The endpoint.
    pub endpoint: String,
    /// Which of its messages.
    pub filter: MessageFilter,
    /// Who.
    pub by: Actor,
}

/// What a redelivery of many did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Redelivered {
    /// Messages that are sent again.
    pub redelivered: u64,
    /// Whether more fit.
    pub more: bool,
}

impl Command for RedeliverMessages {
    type Output = Redelivered;

    async fn apply(self, tx: &mut Tx<'_>) -> Result<Redelivered, StoreError> {
        tx.check_enabled(&self.endpoint).await?;
        let state = self.filter.state.map(MessageState::as_str);
        let since = self.filter.since.map(|time| time.to_string());
        let until = self.filter.until.map(|time| time.to_string());
        let most = REDELIVER_LIMIT + 1;
        let mut ids = sqlx::query_scalar!(
            "SELECT id FROM webhook_messages
             WHERE endpoint = $1 AND seq IS NOT NULL AND state != 'waiting'
               AND ($2 IS NULL OR state = $2)
               AND ($3 IS NULL OR created_at >= $3) AND ($4 IS NULL OR created_at < $4)
             ORDER BY id LIMIT $5",
            self.endpoint,
            state,
            since,
            until,
            most
        )
        .fetch_all(tx.db())
        .await?;
        let more = int(ids.len() as u64) > REDELIVER_LIMIT;
        ids.truncate(usize::try_from(REDELIVER_LIMIT).unwrap_or(usize::MAX));
        for id in &ids {
            tx.due_now(parsed("webhook_messages", id)?).await?;
        }
        let detail = format!("{} messages", ids.len());
        tx.accepted(
            &self.by,
            actions::REDELIVER_WEBHOOK_MESSAGES,
            &self.endpoint,
            &detail,
        )
        .await?;
        Ok(Redelivered {
            redelivered: ids.len() as u64,
            more,
        })
    }
}

/// Drops messages that were over before a moment, with their attempts; a few thousand at a time.
#[derive(Clone, Copy, Debug)]
pub struct DropWebhookMessages {
    /// Over before.
    pub before: UtcTime,
}

impl Command for DropWebhookMessages {
    type Output = u64;

    async fn apply(self, tx: &mut Tx<'_>) -> Result<u64, StoreError> {
        let before = self.before.to_string();
        let dropped = sqlx::query!(
            "DELETE FROM webhook_messages WHERE id IN (
                 SELECT id FROM webhook_messages
                 WHERE due_at IS NULL AND changed_at < $1 LIMIT 1000)",
            before
        )
        .execute(tx.db())
        .await?;
        Ok(dropped.rows_affected())
    }
}

impl Tx<'_> {
    async fn check_enabled(&mut self, endpoint: &str) -> Result<(), StoreError> {
        let state = sqlx::query_scalar!(
            "SELECT state FROM webhook_endpoints WHERE name = $1",
            endpoint
        )
        .fetch_optional(self.db())
        .await?
        .ok_or_else(|| StoreError::not_found("webhook endpoint", endpoint))?;
        if state == "enabled" {
            return Ok(());
        }
        Err(StoreError::Refused {
            code: "webhook_endpoint_disabled",
            detail: format!("the endpoint `{endpoint}` is disabled: enable it first"),
        })
    }

    async fn due_now(&mut self, id: Id) -> Result<(), StoreError> {
        let (id, now) = (id.to_string(), self.now().to_string());
        sqlx::query!(
            "UPDATE webhook_messages
             SET state = 'waiting', tries = 0, due_at = $2, changed_at = $2 WHERE id = $1",
            id,
            now
        )
        .execute(self.db())
        .await?;
        Ok(())
    }
}
