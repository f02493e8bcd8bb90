//! The newest committed events in memory, shared by all who follow the journal.
//!
//! Whoever is further behind reads from the database. Each event is encoded for the wire once, by
//! the first who needs it.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use bllvm_ipc::connection::encode_event;
use bytes::Bytes;
use tokio::sync::watch;

use crate::model::EventEnvelope;

/// Bounds of what is kept: number of events, and bytes of their data as JSON.
const MAX_EVENTS: usize = 4096;
const MAX_BYTES: usize = 4 << 20;

/// An event that was committed, and its frame.
#[derive(Debug)]
pub(crate) struct Recorded {
    /// The event.
    pub event: EventEnvelope,
    frame: OnceLock<Bytes>,
    size: usize,
}

impl Recorded {
    pub(crate) fn new(event: EventEnvelope, size: usize) -> Arc<Self> {
        Arc::new(Self {
            event,
            frame: OnceLock::new(),
            size,
        })
    }

    /// The frame that every receiver gets.
    pub(crate) fn frame(&self) -> Bytes {
        self.frame
            .get_or_init(|| {
                encode_event(&self.event).unwrap_or_else(|reason| {
                    // JSON values always fit MessagePack.
                    tracing::error!(event.seq = self.event.seq, %reason, "an event could not be encoded");
                    Bytes::new()
                })
            })
            .clone()
    }

    /// Bytes of its data as JSON.
    pub(crate) fn size(&self) -> usize {
        self.size
    }
}

#[derive(Debug)]
pub(crate) struct Feed {
    newest: RwLock<Newest>,
    last: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Newest {
    events: VecDeque<Arc<Recorded>>,
    bytes: usize,
}

impl Feed {
    /// A feed that continues after `last`.
    pub(super) fn after(last: u64) -> Self {
        Self {
            newest: RwLock::default(),
            last: watch::Sender::new(last),
        }
    }

    /// The number of the newest committed event.
    pub(crate) fn last(&self) -> u64 {
        *self.last.borrow()
    }

    /// Tells when there are more.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }

    /// Takes what a transaction committed.
    pub(super) fn push(&self, events: Vec<Arc<Recorded>>) {
        let Some(last) = events.last().map(|last| last.event.seq) else {
            return;
        };
        let mut newest = self.newest.write().unwrap_or_else(PoisonError::into_inner);
        for event in events {
            newest.bytes += event.size;
            newest.events.push_back(event);
        }
        while newest.events.len() > MAX_EVENTS || newest.bytes > MAX_BYTES {
            let Some(oldest) = newest.events.pop_front() else {
                break;
            };
            newest.bytes -= oldest.size;
        }
        drop(newest);
        self.last.send_replace(last);
    }

    /// Up to `limit` events after `seq`, or `None` where memory does not reach back so far.
    pub(crate) fn after_seq(&self, seq: u64, limit: usize) -> Option<Vec<Arc<Recorded>>> {
        let newest = self.newest.read().unwrap_or_else(PoisonError::into_inner);
        let first = newest.events.front()?.event.seq;
        // Numbers in memory have no holes: whoever needs the next one after `seq` finds its place.
        let skip = usize::try_from((seq + 1).checked_sub(first)?).ok()?;
        Some(
            newest
                .events
                .iter()
                .skip(skip)
                .take(limit)
                .cloned()
                .collect(),
        )
    }
}
