//! `[database]`: how long events are kept.

use super::reader::{self, Key, Reader};

const EVENT_DAYS: Key = Key::new(
    "database.keep_events_days",
    "30",
    "Durable events older than so many days are removed. Governance, webhook and payment\nevents that a module has not seen yet stay. Bodies of webhooks go as long after their verdict.",
);
const EVENT_SIZE: Key = Key::new(
    "database.keep_events_size",
    "\"1 GiB\"",
    "The oldest events are removed beyond this size.",
);

pub(super) const KEYS: &[Key] = &[EVENT_DAYS, EVENT_SIZE];

/// The settings of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// Days for which events are kept.
    pub keep_events_days: u32,
    /// Bytes of events that are kept.
    pub keep_events_size: u64,
}

impl Database {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            keep_events_days: reader.get(&EVENT_DAYS, reader::count),
            keep_events_size: reader.get(&EVENT_SIZE, reader::size),
        }
    }
}
