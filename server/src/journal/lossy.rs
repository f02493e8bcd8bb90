//! Events that may be missed, but never unnoticed.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::watch;

use crate::model::{EventEnvelope, NewEvent, UtcTime};
use crate::store::Recorded;

/// Bounds of what is kept: number of events, and bytes of their data as JSON.
const MAX_EVENTS: usize = 4096;
const MAX_BYTES: usize = 4 << 20;

/// The newest lossy events; the oldest makes room.
#[derive(Debug)]
pub(super) struct Lossy {
    ring: RwLock<Ring>,
    last: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Ring {
    last: u64,
    events: VecDeque<Arc<Recorded>>,
    bytes: usize,
}

/// What a follower finds after its position.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Events that were dropped before the follower came.
    pub(super) missed: u64,
    pub(super) events: Vec<Arc<Recorded>>,
}

impl Lossy {
    pub(super) fn new() -> Self {
        Self {
            ring: RwLock::default(),
            last: watch::Sender::new(0),
        }
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }

    pub(super) fn last(&self) -> u64 {
        *self.last.borrow()
    }

    pub(super) fn push(&self, event: NewEvent, now: UtcTime) {
        let size = event.data.to_string().len();
        let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        ring.last += 1;
        let envelope = EventEnvelope {
            seq: ring.last,
            kind: event.kind,
            class: event.class,
            publisher: event.publisher,
            time: now.to_string(),
            data: event.data,
        };
        ring.bytes += size;
        ring.events.push_back(Recorded::new(envelope, size));
        while ring.events.len() > MAX_EVENTS || (ring.bytes > MAX_BYTES && ring.events.len() > 1) {
            let Some(oldest) = ring.events.pop_front() else {
                break;
            };
            ring.bytes -= oldest.size();
        }
        let last = ring.last;
        drop(ring);
        self.last.send_replace(last);
    }

    /// Up to `limit` events after `seq`, whatever their type.
    pub(super) fn after(&self, seq: u64, limit: usize) -> Taken {
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        let Some(first) = ring.events.front().map(|event| event.event.seq) else {
            return Taken::default();
        };
        let skip = usize::try_from((seq + 1).saturating_sub(first)).unwrap_or(usize::MAX);
        Taken {
            missed: first.saturating_sub(seq + 1),
            events: ring.events.iter().skip(skip).take(limit).cloned().collect(),
        }
    }
}
