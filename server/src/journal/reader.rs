//! One follower's position in all three feeds.

use std::sync::Arc;

use bllvm_ipc::event::matches;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{GAP, Journal, RESET};
use crate::model::{EventClass, EventEnvelope};
use crate::store::{Recorded, StoreError};

/// Events looked at in one step.
const STEP: usize = 256;
/// What an event takes beside its data, about.
const OVERHEAD: usize = 128;

/// Reads what comes after a position, one step at a time, and skips what does not match.
#[derive(Debug)]
pub(super) struct Reader {
    journal: Journal,
    patterns: Vec<String>,
    /// Everything up to here was looked at.
    durable_at: u64,
    latest_at: u64,
    lossy_at: u64,
    /// How far the journal was pruned when the follower was last told.
    told_pruned: u64,
    durable: watch::Receiver<u64>,
    latest: watch::Receiver<u64>,
    lossy: watch::Receiver<u64>,
}

impl Reader {
    /// A follower of events that match one of the patterns: durable ones after a number, the
    /// newest of the latest ones, lossy ones from now on.
    pub(super) fn new(journal: &Journal, patterns: Vec<String>, after: u64) -> Self {
        Self {
            patterns,
            durable_at: after,
            latest_at: 0,
            lossy_at: journal.lossy().last(),
            told_pruned: 0,
            durable: journal.store().feed().changes(),
            latest: journal.latest().changes(),
            lossy: journal.lossy().changes(),
            journal: journal.clone(),
        }
    }

    fn wants(&self, event: &Recorded) -> bool {
        self.patterns
            .iter()
            .any(|pattern| matches(pattern, &event.event.kind))
    }

    /// Every durable event up to this number was looked at.
    pub(super) fn durable_at(&self) -> u64 {
        self.durable_at
    }

    /// Whether there are durable events that were not looked at.
    pub(super) fn has_durable(&self) -> bool {
        self.durable_at < self.journal.last_seq()
    }

    /// The next durable events that match, in order; may be none. At most `limit` of them and,
    /// beyond the first, at most about `bytes` of them. A reset stands before what it is about.
    pub(super) async fn durable(
        &mut self,
        limit: usize,
        bytes: usize,
    ) -> Result<Vec<Arc<Recorded>>, StoreError> {
        let last = self.journal.last_seq();
        if self.durable_at >= last || limit == 0 {
            return Ok(Vec::new());
        }
        let store = self.journal.store().clone();
        let mut found = Vec::new();
        let looked_at = if let Some(events) = store.feed().after_seq(self.durable_at, STEP) {
            events
        } else {
            let events = store.recorded_after(self.durable_at, 256).await?;
            if self.has_hole(&events) {
                found.extend(self.reset(store.first_seq().await?));
            }
            if events.is_empty() {
                self.durable_at = last;
            }
            events
        };
        let mut taken = 0;
        for event in looked_at {
            if self.wants(&event) {
                taken += event.size() + OVERHEAD;
                if found.len() >= limit || (taken > bytes && !found.is_empty()) {
                    break;
                }
                self.durable_at = event.event.seq;
                found.push(event);
            } else {
                self.durable_at = event.event.seq;
            }
        }
        Ok(found)
    }

    /// Numbers have no holes but where the journal was pruned.
    fn has_hole(&self, events: &[Arc<Recorded>]) -> bool {
        events.last().is_none_or(|last| {
            last.event.seq - self.durable_at != u64::try_from(events.len()).unwrap_or(0)
        })
    }

    /// Tells once for each state of the journal that what is asked for is no longer there.
    fn reset(&mut self, first: u64) -> Option<Arc<Recorded>> {
        if first <= self.told_pruned || first <= self.durable_at + 1 {
            return None;
        }
        self.told_pruned = first;
        // Durable, so that it keeps its place; acknowledging it acknowledges nothing new.
        Some(self.notice(
            RESET,
            EventClass::Durable,
            self.durable_at,
            json!({"first": first}),
        ))
    }

    /// What changed among the latest and the lossy ones, a gap notice included.
    pub(super) fn passing(&mut self) -> Vec<Arc<Recorded>> {
        self.latest.mark_unchanged();
        self.lossy.mark_unchanged();
        let (mut events, version) = self.journal.latest().after(self.latest_at);
        self.latest_at = version;
        let taken = self.journal.lossy().after(self.lossy_at, STEP);
        if taken.missed > 0 {
            self.lossy_at += taken.missed;
            let data = json!({"missed": taken.missed});
            events.push(self.notice(GAP, EventClass::Lossy, self.lossy_at, data));
        }
        if let Some(last) = taken.events.last() {
            self.lossy_at = last.event.seq;
        }
        events.extend(taken.events);
        events.retain(|event| {
            event.event.publisher == "host" && event.event.kind == GAP || self.wants(event)
        });
        events
    }

    fn notice(&self, kind: &str, class: EventClass, seq: u64, data: Value) -> Arc<Recorded> {
        let envelope = EventEnvelope {
            seq,
            kind: kind.to_owned(),
            class,
            publisher: "host".to_owned(),
            time: self.journal.store().clock().now().to_string(),
            data,
        };
        Recorded::new(envelope, 0)
    }

    /// Whether passing events wait.
    pub(super) fn has_passing(&self) -> bool {
        *self.latest.borrow() > self.latest_at || *self.lossy.borrow() > self.lossy_at
    }

    /// Waits until a feed moves; durable ones count only where asked. `false` when the journal is
    /// gone. Dropping the future loses nothing.
    pub(super) async fn moved(&mut self, durable: bool) -> bool {
        if self.has_passing() || (durable && self.has_durable()) {
            return true;
        }
        let (durable_at, latest_at, lossy_at) = (self.durable_at, self.latest_at, self.lossy_at);
        tokio::select! {
            moved = self.durable.wait_for(|last| *last > durable_at), if durable => moved.is_ok(),
            moved = self.latest.wait_for(|version| *version > latest_at) => moved.is_ok(),
            moved = self.lossy.wait_for(|last| *last > lossy_at) => moved.is_ok(),
        }
    }
}
