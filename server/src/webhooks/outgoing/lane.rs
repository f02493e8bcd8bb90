//! One endpoint's lane: it takes the next message that is due, tries it once, and records what came
//! of it before it takes another. It can end at any moment; what was not recorded is sent again,
//! under the same id.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::breaker::{after_failure, after_success, gives_up};
use super::client::{Post, Sent};
use super::endpoints::{Live, Outgoing};
use super::schedule;
use crate::model::{AttemptCode, Id, MessageAttempt, UtcTime};
use crate::store::StoreError;
use crate::store::commands::{After, RecordAttempt};

/// The clock on the wall may jump: it is asked again after so long at the latest.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// After an error of the database.
const PAUSE: Duration = Duration::from_secs(5);

/// What a lane did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It tried a message.
    Tried(Id, Sent),
    /// Nothing is due before a moment; none where nothing waits.
    Idle(Option<UtcTime>),
}

impl Outgoing {
    pub(super) async fn lane(self, name: String, made: UtcTime, wake: Arc<Notify>) {
        loop {
            match self.step_of(&name, made).await {
                Ok(Step::Tried(..)) => {}
                Ok(Step::Idle(until)) => {
                    let sleep = until.map(|until| {
                        let ms = until.unix_ms() - self.0.store.clock().now().unix_ms();
                        Duration::from_millis(u64::try_from(ms).unwrap_or(0)).min(LONGEST_SLEEP)
                    });
                    let slept = async {
                        match sleep {
                            Some(sleep) => tokio::time::sleep(sleep).await,
                            None => std::future::pending().await,
                        }
                    };
                    tokio::select! {
                        () = slept => {}
                        () = wake.notified() => {}
                    }
                }
                Err(error) => {
                    if error != StoreError::Closed {
                        tracing::warn!(
                            webhook.endpoint = name, %error,
                            "could not read or record webhook messages; it is tried again"
                        );
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn step_of(&self, name: &str, made: UtcTime) -> Result<Step, StoreError> {
        match self.same(name, made) {
            Some(live) => self.step(&live).await,
            None => Ok(Step::Idle(None)),
        }
    }

    /// Takes the next message of an endpoint that is due and tries it once.
    ///
    /// # Errors
    /// Where the database refuses.
    pub(super) async fn step(&self, live: &Live) -> Result<Step, StoreError> {
        let store = &self.0.store;
        let Some(lane) = store.webhook_lane(&live.name).await? else {
            return Ok(Step::Idle(None));
        };
        let next = store.next_webhook_message(&live.name, live.ordered).await?;
        let Some(message) = next else {
            return Ok(Step::Idle(None));
        };
        let now = store.clock().now();
        let due = lane
            .held_until
            .map_or(message.due_at, |held| held.max(message.due_at));
        if now < due {
            return Ok(Step::Idle(Some(due)));
        }
        let (attempt, sent) = self.attempt(live, message.id, &message.body).await;
        let now = store.clock().now();
        let delivered = sent.code == AttemptCode::Delivered;
        let lane = if delivered {
            after_success()
        } else {
            after_failure(lane, now, sent.retry_after)
        };
        let again = schedule::next(message.id, message.tries + 1, now, sent.retry_after);
        let (after, disable) = match sent.code {
            AttemptCode::Delivered => (After::Delivered, None),
            AttemptCode::Gone => (After::Failed, Some(sent.detail.clone())),
            _ => {
                let disable = gives_up(lane, now).then(|| {
                    format!(
                        "it has taken nothing for 5 days; the last attempt: {}",
                        sent.detail
                    )
                });
                (again.map_or(After::Failed, After::Again), disable)
            }
        };
        if let Some(reason) = &disable {
            tracing::error!(
                webhook.endpoint = live.name,
                reason,
                "a webhook endpoint is disabled"
            );
        }
        let disabled = disable.is_some();
        store
            .commit(RecordAttempt {
                endpoint: live.name.clone(),
                message: message.id,
                attempt,
                after,
                lane: Some(lane),
                disable,
            })
            .await?;
        if disabled {
            self.reload().await?;
        }
        Ok(Step::Tried(message.id, sent))
    }

    /// Tries a test once, whatever its lane does, and records what came of it.
    ///
    /// # Errors
    /// Where the database refuses; nothing where there is no such endpoint.
    pub async fn try_once(
        &self,
        endpoint: &str,
        id: Id,
        body: &str,
    ) -> Result<Option<Sent>, StoreError> {
        let Some(live) = self.live(endpoint) else {
            return Ok(None);
        };
        let (attempt, sent) = self.attempt(&live, id, body).await;
        let after = match sent.code {
            AttemptCode::Delivered => After::Delivered,
            _ => After::Failed,
        };
        let record = RecordAttempt {
            endpoint: endpoint.to_owned(),
            message: id,
            attempt,
            after,
            lane: None,
            disable: None,
        };
        self.0.store.commit(record).await?;
        Ok(Some(sent))
    }

    async fn attempt(&self, live: &Live, id: Id, body: &str) -> (MessageAttempt, Sent) {
        let (now, began) = (self.0.store.clock().now(), Instant::now());
        let webhook_id = format!("msg_{id}");
        let signature = live.signature(&webhook_id, now, body);
        let sent = match (&live.url, signature) {
            (Some(url), Some(signature)) => {
                let seconds = now.unix_ms().div_euclid(1000).to_string();
                let post = Post {
                    url,
                    headers: [
                        ("webhook-id", webhook_id),
                        ("webhook-timestamp", seconds),
                        ("webhook-signature", signature),
                    ],
                    body,
                    timeout: live.timeout,
                    now,
                };
                self.0.client.post(post).await
            }
            (None, _) => Sent::failed(AttemptCode::Dns, "the address cannot be read: set it anew"),
            (_, None) => Sent::failed(
                AttemptCode::NoKey,
                "no key of this endpoint opens under this node's secret.key: rotate it",
            ),
        };
        self.count(&live.name, sent.code);
        let attempt = MessageAttempt {
            number: 0,
            time: now,
            duration_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            code: sent.code,
            status: sent.status,
            detail: sent.detail.clone(),
            reply: sent.reply.clone(),
        };
        (attempt, sent)
    }
}
