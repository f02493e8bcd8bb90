//! A feed for people and programs over HTTP: no cursor is kept, the caller brings its own.

use std::collections::VecDeque;
use std::sync::Arc;

use super::reader::Reader;
use super::{GAP, Journal, RESET};
use crate::model::EventEnvelope;
use crate::store::{Recorded, StoreError};

/// Events read ahead.
const BATCH: usize = 64;
const BATCH_BYTES: usize = 256 << 10;

/// What a feed yields.
#[derive(Clone, Debug, PartialEq)]
pub enum FeedItem {
    /// An event.
    Event(EventEnvelope),
    /// Events before `first` are no longer in the journal, and some were asked for.
    Reset {
        /// The oldest number from which on the journal has everything.
        first: u64,
    },
    /// So many lossy events were missed.
    Gap {
        /// How many.
        missed: u64,
    },
}

/// A follower that asks for one item after the other.
#[derive(Debug)]
pub struct LiveFeed {
    reader: Reader,
    ready: VecDeque<Arc<Recorded>>,
}

impl LiveFeed {
    pub(super) fn new(journal: &Journal, patterns: Vec<String>, after: Option<u64>) -> Self {
        let after = after.unwrap_or(journal.last_seq());
        Self {
            reader: Reader::new(journal, patterns, after),
            ready: VecDeque::new(),
        }
    }

    /// The next item, once there is one; `None` when the journal is gone. Dropping the future
    /// loses nothing.
    ///
    /// # Errors
    /// When older events cannot be read.
    pub async fn next(&mut self) -> Result<Option<FeedItem>, StoreError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(item(&event.event)));
            }
            if self.reader.has_passing() {
                self.ready.extend(self.reader.passing());
            }
            if self.reader.has_durable() {
                // Nothing is lost when this is dropped: positions move after the read.
                let events = self.reader.durable(BATCH, BATCH_BYTES).await?;
                self.ready.extend(events);
            } else if self.ready.is_empty() && !self.reader.moved(true).await {
                return Ok(None);
            }
        }
    }
}

fn item(event: &EventEnvelope) -> FeedItem {
    let number = |field: &str| event.data.get(field).and_then(serde_json::Value::as_u64);
    match (event.kind.as_str(), number("first"), number("missed")) {
        (RESET, Some(first), _) => FeedItem::Reset { first },
        (GAP, _, Some(missed)) => FeedItem::Gap { missed },
        _ => FeedItem::Event(event.clone()),
    }
}
