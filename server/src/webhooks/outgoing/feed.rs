//! From the journal into the queue.
//!
//! One reader serves all endpoints. What matches is queued in the transaction that moves the
//! cursor; where nothing matches, the cursor is moved now and then only, because looking at events
//! twice costs less than a commit for each.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bllvm_ipc::event::matches;
use tokio_util::sync::CancellationToken;

use super::body;
use super::endpoints::{Live, Outgoing};
use crate::model::{EventEnvelope, kinds};
use crate::store::StoreError;
use crate::store::commands::{QueueMessages, Queued};

/// Events looked at in one step.
const STEP: i64 = 256;
/// So many events are looked at twice after a restart at the most.
const KEEP_AFTER: u64 = 4096;
/// After an error of the database, such as a full disk.
const PAUSE: Duration = Duration::from_secs(5);

impl Outgoing {
    pub(super) async fn feed(self, soft: CancellationToken) {
        let mut journal = self.0.store.feed().changes();
        loop {
            journal.mark_unchanged();
            let queued = self.queue_next().await;
            let wait = async {
                match queued {
                    Ok(true) => {}
                    Ok(false) => tokio::select! {
                        _ = journal.changed() => {}
                        () = self.0.changed.notified() => {}
                    },
                    Err(StoreError::Closed) => std::future::pending().await,
                    Err(error) => {
                        tracing::warn!(%error, "could not queue webhooks; the journal keeps their events, and it is tried again");
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            };
            tokio::select! {
                () = soft.cancelled() => return,
                () = wait => {}
            }
        }
    }

    /// Looks at the next events for those who are furthest behind; whether there were any.
    ///
    /// # Errors
    /// Where the database refuses; nothing was queued then, and nothing is lost.
    pub(super) async fn queue_next(&self) -> Result<bool, StoreError> {
        let store = &self.0.store;
        let last = store.last_seq();
        let endpoints = self.endpoints();
        let behind: Vec<_> = endpoints
            .values()
            .filter(|live| live.enabled && live.looked_at.load(Ordering::Relaxed) < last)
            .collect();
        let position = |live: &Live| live.looked_at.load(Ordering::Relaxed);
        let Some(from) = behind.iter().map(|live| position(live)).min() else {
            return Ok(false);
        };
        let first = store.first_seq().await?;
        let events = match store
            .feed()
            .after_seq(from, usize::try_from(STEP).unwrap_or(1))
        {
            Some(events) => events,
            None => store.recorded_after(from, STEP).await?,
        };
        // A journal that was pruned up to its end has nothing to look at.
        let upto = events.last().map_or(last, |event| event.event.seq);
        let mut queued = Vec::new();
        for live in &behind {
            let position = position(live);
            let wanted = |event: &EventEnvelope| {
                event.seq > position
                    && live.events.iter().any(|one| matches(one, &event.kind))
                    && !about(&live.name, event)
            };
            let messages: Vec<_> = events
                .iter()
                .filter(|event| wanted(&event.event))
                .map(|event| {
                    let event = &event.event;
                    (event.seq, event.kind.clone(), body::of_event(event))
                })
                .collect();
            let kept = live.kept_at.load(Ordering::Relaxed);
            let missed_from = (position + 1 < first && position < upto).then_some(position + 1);
            if !messages.is_empty() || missed_from.is_some() || upto >= kept + KEEP_AFTER {
                queued.push(Queued {
                    endpoint: live.name.clone(),
                    upto,
                    missed_from,
                    messages,
                });
            }
        }
        let woken: Vec<String> = queued.iter().map(|one| one.endpoint.clone()).collect();
        if !queued.is_empty() {
            store.commit(QueueMessages(queued)).await?;
        }
        for live in behind {
            live.looked_at.fetch_max(upto, Ordering::Relaxed);
            if woken.contains(&live.name) {
                live.kept_at.fetch_max(upto, Ordering::Relaxed);
                live.wake.notify_one();
            }
        }
        Ok(true)
    }
}

/// An endpoint is not told of its own failures, which would fail in turn and never end.
fn about(endpoint: &str, event: &EventEnvelope) -> bool {
    let own = [
        kinds::WEBHOOK_MESSAGE_FAILED,
        kinds::WEBHOOK_ENDPOINT_DISABLED,
        kinds::WEBHOOK_EVENTS_MISSED,
    ];
    own.contains(&event.kind.as_str()) && event.data["endpoint"] == endpoint
}
