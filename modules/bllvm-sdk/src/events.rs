//! Events: what comes in, in which order, and what a module publishes.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bllvm_ipc::method::{EventsPublish, EventsSubscribe};
use bllvm_ipc::types::{PublishRequest, SubscribeRequest, Subscribed};
use bllvm_ipc::{CallError, Connection, EventClass, EventEnvelope};
use serde::Serialize;
use tokio::sync::Notify;

use crate::{Error, Result};

/// An event as it travels: type, publisher, sequence number and its own fields in `data`.
pub type Event = EventEnvelope;

/// Lossy events that may wait for a module; the oldest is dropped beyond it.
const LOSSY_LIMIT: usize = 1024;

/// Publishing, and a subscription other than [`crate::Module::EVENTS`].
#[derive(Clone, Debug)]
pub struct Events {
    connection: Connection,
    queue: Arc<EventQueue>,
}

impl Events {
    pub(crate) fn new(connection: Connection, queue: Arc<EventQueue>) -> Self {
        Self { connection, queue }
    }

    /// Publishes a durable event: journaled when this returns. Its type starts with the
    /// module's name (without `bllvm-`) and a dot.
    ///
    /// # Errors
    /// A refused or unfit event, or a lost connection.
    pub async fn publish(&self, kind: &str, data: impl Serialize) -> Result<u64> {
        self.send(kind, data, true).await
    }

    /// Publishes an event that may be dropped where a receiver is slow.
    ///
    /// # Errors
    /// A refused or unfit event, or a lost connection.
    pub async fn publish_lossy(&self, kind: &str, data: impl Serialize) -> Result<()> {
        self.send(kind, data, false).await.map(drop)
    }

    async fn send(&self, kind: &str, data: impl Serialize, durable: bool) -> Result<u64> {
        let request = PublishRequest {
            kind: kind.to_owned(),
            durable,
            data: serde_json::to_value(data).map_err(Error::from)?,
        };
        let published = self.connection.call::<EventsPublish>(&request).await?;
        Ok(published.seq)
    }

    /// Subscribes to other events than before. `after` is the number after which durable ones
    /// come; none goes on after the last acknowledged one.
    ///
    /// # Errors
    /// A missing grant, or a lost connection.
    pub async fn subscribe(
        &self,
        types: &[&str],
        after: Option<u64>,
    ) -> Result<Subscribed, CallError> {
        if after.is_some() {
            self.queue.goes_back.store(true, Ordering::Relaxed);
        }
        let types = types.iter().map(|kind| (*kind).to_owned()).collect();
        self.connection
            .call::<EventsSubscribe>(&SubscribeRequest { types, after })
            .await
    }
}

/// Events that wait for the module. Durable ones are bounded by the host's window of
/// unacknowledged events, latest ones by their keys, lossy ones by [`LOSSY_LIMIT`].
#[derive(Debug, Default)]
pub(crate) struct EventQueue {
    waiting: Mutex<Waiting>,
    arrived: Notify,
    /// The module chose itself where its feed begins.
    goes_back: AtomicBool,
}

#[derive(Debug, Default)]
struct Waiting {
    durable: VecDeque<Event>,
    latest: VecDeque<Event>,
    lossy: VecDeque<Event>,
    missed: u64,
    /// The class whose turn it is, so that no class starves another.
    turn: usize,
}

/// What of a latest event is replaced by a newer one.
fn key(event: &Event) -> (&str, &str, Option<&str>) {
    let key = event.data.get("key").and_then(serde_json::Value::as_str);
    (&event.publisher, &event.kind, key)
}

impl EventQueue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, event: Event) {
        let mut waiting = self.waiting();
        match event.class {
            EventClass::Durable => waiting.durable.push_back(event),
            EventClass::Latest => {
                let older = waiting
                    .latest
                    .iter_mut()
                    .find(|old| key(old) == key(&event));
                match older {
                    Some(older) => *older = event,
                    None => waiting.latest.push_back(event),
                }
            }
            EventClass::Lossy => {
                if waiting.lossy.len() >= LOSSY_LIMIT {
                    waiting.lossy.pop_front();
                    waiting.missed += 1;
                }
                waiting.lossy.push_back(event);
            }
        }
        drop(waiting);
        self.arrived.notify_one();
    }

    /// Whether an event that was applied may be wanted again.
    pub(crate) fn goes_back(&self) -> bool {
        self.goes_back.load(Ordering::Relaxed)
    }

    /// Whether no durable event waits.
    pub(crate) fn no_durable(&self) -> bool {
        self.waiting().durable.is_empty()
    }

    /// The next event, once there is one. Dropping the future loses nothing.
    pub(crate) async fn next(&self) -> Event {
        loop {
            if let Some(event) = self.waiting().pop() {
                return event;
            }
            self.arrived.notified().await;
        }
    }
}

impl Waiting {
    fn pop(&mut self) -> Option<Event> {
        (0..3).find_map(|_| {
            self.turn = (self.turn + 1) % 3;
            match self.turn {
                0 => self.durable.pop_front(),
                1 => self.latest.pop_front(),
                _ => self.pop_lossy(),
            }
        })
    }

    /// A gap is told before the event that follows it.
    fn pop_lossy(&mut self) -> Option<Event> {
        let missed = std::mem::take(&mut self.missed);
        if missed == 0 {
            return self.lossy.pop_front();
        }
        let next = self.lossy.front()?;
        Some(Event {
            seq: next.seq,
            kind: "events.gap".to_owned(),
            class: EventClass::Lossy,
            publisher: "host".to_owned(),
            time: next.time.clone(),
            data: serde_json::json!({ "missed": missed }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(seq: u64, class: EventClass, key: &str) -> Event {
        Event {
            seq,
            kind: "a.b".to_owned(),
            class,
            publisher: "host".to_owned(),
            time: String::new(),
            data: serde_json::json!({ "key": key }),
        }
    }

    #[tokio::test]
    async fn durable_events_keep_their_order_and_latest_ones_are_replaced() {
        let queue = EventQueue::default();
        for seq in 1..=2 {
            queue.push(event(seq, EventClass::Durable, ""));
            queue.push(event(10 + seq, EventClass::Latest, "tip"));
            queue.push(event(20 + seq, EventClass::Latest, "fee"));
        }
        let mut seen = Vec::new();
        for _ in 0..4 {
            seen.push(queue.next().await.seq);
        }
        assert!(queue.waiting().pop().is_none());
        let position = |seq| seen.iter().position(|s| *s == seq).unwrap();
        assert!(position(1) < position(2));
        assert!(seen.contains(&12) && seen.contains(&22));
    }

    #[tokio::test]
    async fn dropped_lossy_events_are_accounted_for() {
        let queue = EventQueue::default();
        for seq in 0..(LOSSY_LIMIT as u64 + 5) {
            queue.push(event(seq, EventClass::Lossy, ""));
        }
        let gap = queue.next().await;
        assert_eq!(
            (gap.kind.as_str(), &gap.data["missed"]),
            ("events.gap", &5.into())
        );
        assert_eq!(queue.next().await.seq, 5);
    }
}
