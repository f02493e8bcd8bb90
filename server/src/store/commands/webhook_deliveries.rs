//! The inbox: a delivery comes in, is announced, is judged, is announced again.

use bllvm_manifest::ModuleName;
use serde_json::json;

use super::actions;
use crate::model::{Actor, AttemptKind, DeliveryState, Id, UtcTime, WebhookDelivery, kinds};
use crate::store::row::{int, parsed};
use crate::store::webhooks::delivery;
use crate::store::{Command, DeliveryFilter, StoreError, Tx};

/// Deliveries that one replay announces at the most.
pub const REPLAY_LIMIT: i64 = 1000;

/// Takes a delivery in whose signature was found good.
#[derive(Clone)]
pub struct ReceiveWebhook {
    /// The source.
    pub source: String,
    /// The sender's id for it.
    pub sender_id: String,
    /// Whether a body that came before under another id is the same delivery.
    pub by_digest: bool,
    /// SHA-256 of the body.
    pub digest: [u8; 32],
    /// The sender's word for what happened.
    pub kind: Option<String>,
    /// The body's media type.
    pub media_type: Option<String>,
    /// Which secret signed it.
    pub secret: Id,
    /// Whether to note that the secret was used.
    pub touch: bool,
    /// The body, as it came.
    pub body: bytes::Bytes,
}

impl std::fmt::Debug for ReceiveWebhook {
    /// Without the body, which others sent in confidence.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReceiveWebhook")
            .field("source", &self.source)
            .field("sender_id", &self.sender_id)
            .finish_non_exhaustive()
    }
}

/// What a delivery turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// A new one, now in the inbox.
    New(Id),
    /// One that is in the inbox already.
    Duplicate(Id),
    /// The id of one in the inbox, with another body.
    Conflict(Id),
}

impl Command for ReceiveWebhook {
    type Output = Received;
    /// One row in the usual case. What is not new is an answer, never an error, so that no group
    /// is lost over it.
    const APPEND_ONLY: bool = true;

    async fn apply(self, tx: &mut Tx<'_>) -> Result<Received, StoreError> {
        let (id, now, seq) = (tx.new_id(), tx.now().to_string(), int(tx.next_seq()));
        let (text, secret) = (id.to_string(), self.secret.to_string());
        let (digest, body) = (self.digest.as_slice(), &self.body[..]);
        let size = int(self.body.len() as u64);
        let added = sqlx::query!(
            "INSERT INTO webhook_deliveries (id, source, sender_id, digest, kind, media_type,
                 secret, seq, state, size, received_at, changed_at, body)
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, 'waiting', $9, $10, $10, $11
             WHERE NOT ($12 AND EXISTS
                 (SELECT 1 FROM webhook_deliveries WHERE source = $2 AND digest = $4))
             ON CONFLICT (source, sender_id) DO NOTHING",
            text,
            self.source,
            self.sender_id,
            digest,
            self.kind,
            self.media_type,
            secret,
            seq,
            size,
            now,
            body,
            self.by_digest
        )
        .execute(tx.db())
        .await?;
        if self.touch {
            sqlx::query!(
                "UPDATE webhook_secrets SET last_used_at = $2 WHERE id = $1",
                secret,
                now
            )
            .execute(tx.db())
            .await?;
        }
        if added.rows_affected() == 0 {
            return self.again(tx).await;
        }
        let data = json!({
            "delivery": id, "source": self.source, "sender_id": self.sender_id,
            "digest": hex::encode(self.digest), "size": size, "kind": self.kind,
            "media_type": self.media_type, "attempt": 0,
        });
        tx.host_event(kinds::WEBHOOK_RECEIVED, data).await?;
        Ok(Received::New(id))
    }
}

impl ReceiveWebhook {
    /// It is not new: a repetition, or an id that came with another body.
    async fn again(&self, tx: &mut Tx<'_>) -> Result<Received, StoreError> {
        let digest = self.digest.as_slice();
        let first = sqlx::query!(
            "SELECT id, digest FROM webhook_deliveries WHERE source = $1 AND sender_id = $2
             UNION ALL
             SELECT id, digest FROM webhook_deliveries WHERE source = $1 AND digest = $3 LIMIT 1",
            self.source,
            self.sender_id,
            digest
        )
        .fetch_one(tx.db())
        .await?;
        let id: Id = parsed("webhook_deliveries", &first.id)?;
        let same = first.digest == digest;
        let mut attempt = NewAttempt {
            delivery: id,
            kind: AttemptKind::Duplicate,
            actor: &self.source,
            code: None,
            detail: &format!("delivered again as `{}`", self.sender_id),
            seq: None,
        };
        if same {
            tx.add_attempt(attempt).await?;
            return Ok(Received::Duplicate(id));
        }
        let found = hex::encode(digest);
        let data = json!({
            "delivery": id, "source": self.source, "sender_id": self.sender_id,
            "digest": hex::encode(&first.digest), "other_digest": found,
        });
        let detail = format!("the same id came with another body, SHA-256 {found}");
        attempt.kind = AttemptKind::Conflict;
        attempt.code = Some("webhook_conflict");
        attempt.detail = &detail;
        attempt.seq = Some(tx.host_event(kinds::WEBHOOK_CONFLICT, data).await?);
        tx.add_attempt(attempt).await?;
        Ok(Received::Conflict(id))
    }
}

/// A module says what became of a delivery.
#[derive(Clone, Debug)]
pub struct JudgeWebhook {
    /// The delivery.
    pub id: Id,
    /// The module.
    pub module: ModuleName,
    /// What became of it; not `waiting`.
    pub state: DeliveryState,
    /// The verdict's code.
    pub code: Option<String>,
    /// In words.
    pub detail: String,
}

impl Command for JudgeWebhook {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let (id, now, state) = (
            self.id.to_string(),
            tx.now().to_string(),
            self.state.as_str(),
        );
        let source = sqlx::query_scalar!(
            "UPDATE webhook_deliveries SET state = $2, changed_at = $3 WHERE id = $1
             RETURNING source",
            id,
            state,
            now
        )
        .fetch_optional(tx.db())
        .await?
        .ok_or_else(|| no_delivery(self.id))?;
        let data = json!({
            "delivery": self.id, "source": source, "module": self.module, "verdict": state,
            "code": self.code, "detail": self.detail,
        });
        let seq = tx.host_event(kinds::WEBHOOK_JUDGED, data).await?;
        let detail = match self.detail.as_str() {
            "" => state.to_owned(),
            said => format!("{state}: {said}"),
        };
        tx.add_attempt(NewAttempt {
            delivery: self.id,
            kind: AttemptKind::Verdict,
            actor: &format!("module:{}", self.module),
            code: self.code.as_deref(),
            detail: &detail,
            seq: Some(seq),
        })
        .await
    }
}

/// Announces one delivery again.
#[derive(Clone, Debug)]
pub struct ReplayWebhook {
    /// The delivery.
    pub id: Id,
    /// Who.
    pub by: Actor,
}

impl Command for ReplayWebhook {
    type Output = WebhookDelivery;

    async fn apply(self, tx: &mut Tx<'_>) -> Result<WebhookDelivery, StoreError> {
        let found = delivery(&mut *tx.db(), self.id)
            .await?
            .ok_or_else(|| no_delivery(self.id))?;
        if !found.body_kept {
            return Err(StoreError::Refused {
                code: "webhook_body_dropped",
                detail: "the delivery's body is kept no more: ask the sender to deliver it again \
                         under a new id"
                    .to_owned(),
            });
        }
        tx.announce_again(&found, &self.by).await?;
        tx.accepted(&self.by, actions::REPLAY_WEBHOOK_DELIVERY, self.id, "")
            .await?;
        delivery(&mut *tx.db(), self.id)
            .await?
            .ok_or_else(|| no_delivery(self.id))
    }
}

/// Announces many deliveries again, oldest first.
#[derive(Clone, Debug)]
pub struct ReplayWebhooks {
    /// Which.
    pub filter: DeliveryFilter,
    /// Who.
    pub by: Actor,
}

/// What a replay of many did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Replayed {
    /// Deliveries that were announced again.
    pub replayed: u64,
    /// The newest of them: where more were asked for than one replay does, go on after it.
    pub last: Option<Id>,
    /// Whether more fit.
    pub more: bool,
}

impl Command for ReplayWebhooks {
    type Output = Replayed;

    async fn apply(self, tx: &mut Tx<'_>) -> Result<Replayed, StoreError> {
        let filter = &self.filter;
        let state = filter.state.map(DeliveryState::as_str);
        let since = filter.since.map(|time: UtcTime| time.to_string());
        let until = filter.until.map(|time: UtcTime| time.to_string());
        let most = REPLAY_LIMIT + 1;
        let mut ids = sqlx::query_scalar!(
            "SELECT id FROM webhook_deliveries
             WHERE body IS NOT NULL AND ($1 IS NULL OR source = $1) AND ($2 IS NULL OR state = $2)
               AND (NOT $3 OR state IN ('refused', 'failed'))
               AND ($4 IS NULL OR received_at >= $4) AND ($5 IS NULL OR received_at < $5)
             ORDER BY id LIMIT $6",
            filter.source,
            state,
            filter.dead,
            since,
            until,
            most
        )
        .fetch_all(tx.db())
        .await?;
        let more = int(ids.len() as u64) > REPLAY_LIMIT;
        ids.truncate(usize::try_from(REPLAY_LIMIT).unwrap_or(usize::MAX));
        let mut last = None;
        for id in &ids {
            let id = parsed("webhook_deliveries", id)?;
            if let Some(found) = delivery(&mut *tx.db(), id).await? {
                tx.announce_again(&found, &self.by).await?;
                last = Some(id);
            }
        }
        let target = filter.source.as_deref().unwrap_or("all");
        let detail = format!("{} deliveries", ids.len());
        tx.accepted(
            &self.by,
            actions::REPLAY_WEBHOOK_DELIVERIES,
            target,
            &detail,
        )
        .await?;
        Ok(Replayed {
            replayed: ids.len() as u64,
            last,
            more,
        })
    }
}

/// Drops bodies of deliveries that were judged before a moment. The rows stay, so that a repetition
/// is still recognised.
#[derive(Clone, Copy, Debug)]
pub struct DropWebhookBodies {
    /// Judged before.
    pub before: UtcTime,
}

impl Command for DropWebhookBodies {
    type Output = u64;

    async fn apply(self, tx: &mut Tx<'_>) -> Result<u64, StoreError> {
        let before = self.before.to_string();
        let dropped = sqlx::query!(
            "UPDATE webhook_deliveries SET body = NULL WHERE id IN (
                 SELECT id FROM webhook_deliveries
                 WHERE body IS NOT NULL AND state != 'waiting' AND changed_at < $1 LIMIT 1000)",
            before
        )
        .execute(tx.db())
        .await?;
        Ok(dropped.rows_affected())
    }
}

struct NewAttempt<'a> {
    delivery: Id,
    kind: AttemptKind,
    actor: &'a str,
    code: Option<&'a str>,
    detail: &'a str,
    seq: Option<u64>,
}

impl Tx<'_> {
    async fn add_attempt(&mut self, attempt: NewAttempt<'_>) -> Result<(), StoreError> {
        let (id, now) = (attempt.delivery.to_string(), self.now().to_string());
        let (kind, seq) = (attempt.kind.as_str(), attempt.seq.map(int));
        sqlx::query!(
            "INSERT INTO webhook_attempts (delivery, number, time, kind, actor, code, detail, seq)
             SELECT $1, 1 + coalesce(max(number), 0), $2, $3, $4, $5, $6, $7
             FROM webhook_attempts WHERE delivery = $1",
            id,
            now,
            kind,
            attempt.actor,
            attempt.code,
            attempt.detail,
            seq
        )
        .execute(self.db())
        .await?;
        Ok(())
    }

    async fn announce_again(
        &mut self,
        found: &WebhookDelivery,
        by: &Actor,
    ) -> Result<(), StoreError> {
        let (id, now) = (found.id.to_string(), self.now().to_string());
        let attempt = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!: i64" FROM webhook_attempts
               WHERE delivery = $1 AND kind = 'replay'"#,
            id
        )
        .fetch_one(self.db())
        .await?
            + 1;
        sqlx::query!(
            "UPDATE webhook_deliveries SET state = 'waiting', changed_at = $2 WHERE id = $1",
            id,
            now
        )
        .execute(self.db())
        .await?;
        let data = json!({
            "delivery": found.id, "source": found.source, "sender_id": found.sender_id,
            "digest": found.digest, "size": found.size, "kind": found.kind,
            "media_type": found.media_type, "attempt": attempt,
        });
        let seq = self.host_event(kinds::WEBHOOK_RECEIVED, data).await?;
        self.add_attempt(NewAttempt {
            delivery: found.id,
            kind: AttemptKind::Replay,
            actor: &by.id,
            code: None,
            detail: "announced again",
            seq: Some(seq),
        })
        .await
    }
}

fn no_delivery(id: Id) -> StoreError {
    StoreError::not_found("webhook delivery", id)
}
