//! `[limits]`: how long and how much before the node says no.

use std::time::Duration;

use super::reader::{self, Key, Reader};

const SHUTDOWN: Key = Key::new(
    "limits.shutdown_deadline",
    "\"20 s\"",
    "How long a first signal may take to end everything; then it is ended the hard way.",
);
const CALL: Key = Key::new(
    "limits.call_deadline",
    "\"30 s\"",
    "How long a call of a module's method may take, where the caller does not say.",
);
const STORAGE: Key = Key::new(
    "limits.module_storage",
    "\"64 MiB\"",
    "The most that one module may keep in the node's database.",
);
const SUBMISSIONS: Key = Key::new(
    "limits.submissions_per_minute",
    "120",
    "Submissions (transactions, blocks) that one module may make per minute.",
);
const LEFTOVERS: Key = Key::new(
    "limits.keep_leftovers",
    "\"720 h\"",
    "How long what nothing refers to any more is kept: removed modules' folders and logs, packages\nthat were fetched, copies of data. Modules' data is never swept.",
);
const WEBHOOK_BODY: Key = Key::new(
    "limits.webhook_body",
    "\"1 MiB\"",
    "The largest body of a webhook that comes in.",
);

pub(super) const KEYS: &[Key] = &[
    SHUTDOWN,
    CALL,
    STORAGE,
    SUBMISSIONS,
    LEFTOVERS,
    WEBHOOK_BODY,
];

/// Deadlines and quotas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the first signal to the hard end.
    pub shutdown_deadline: Duration,
    /// A call of a module's method.
    pub call_deadline: Duration,
    /// What one module may keep in the database.
    pub module_storage: u64,
    /// Submissions of one module.
    pub submissions_per_minute: u32,
    /// What nothing refers to any more is kept as long.
    pub keep_leftovers: Duration,
    /// A webhook's body.
    pub webhook_body: u64,
}

impl Limits {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            shutdown_deadline: reader.get(&SHUTDOWN, reader::duration),
            call_deadline: reader.get(&CALL, reader::duration),
            module_storage: reader.get(&STORAGE, reader::size),
            submissions_per_minute: reader.get(&SUBMISSIONS, reader::count),
            keep_leftovers: reader.get(&LEFTOVERS, reader::duration),
            webhook_body: reader.get(&WEBHOOK_BODY, reader::size),
        }
    }
}
