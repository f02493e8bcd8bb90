//! Events of which only the newest counts.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::watch;

use crate::model::{EventEnvelope, NewEvent, UtcTime};
use crate::store::Recorded;

/// Keys kept; beyond them the one that changed longest ago is forgotten.
const MAX_KEYS: usize = 4096;

type Key = (String, String, Option<String>);

/// The newest event of each publisher, type and `key` field.
#[derive(Debug)]
pub(super) struct Latest {
    kept: RwLock<Kept>,
    version: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Kept {
    version: u64,
    by_key: HashMap<Key, u64>,
    by_version: BTreeMap<u64, (Key, Arc<Recorded>)>,
}

impl Latest {
    pub(super) fn new() -> Self {
        Self {
            kept: RwLock::default(),
            version: watch::Sender::new(0),
        }
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Replaces what was there under the same key.
    pub(super) fn put(&self, event: NewEvent, now: UtcTime) {
        let field = event.data.get("key").and_then(|key| key.as_str());
        let key: Key = (
            event.publisher.clone(),
            event.kind.clone(),
            field.map(str::to_owned),
        );
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        kept.version += 1;
        let version = kept.version;
        let envelope = EventEnvelope {
            seq: version,
            kind: event.kind,
            class: event.class,
            publisher: event.publisher,
            time: now.to_string(),
            data: event.data,
        };
        if let Some(older) = kept.by_key.insert(key.clone(), version) {
            kept.by_version.remove(&older);
        }
        kept.by_version
            .insert(version, (key, Recorded::new(envelope, 0)));
        if kept.by_version.len() > MAX_KEYS
            && let Some((_, (oldest, _))) = kept.by_version.pop_first()
        {
            kept.by_key.remove(&oldest);
        }
        drop(kept);
        self.version.send_replace(version);
    }

    /// What changed after a version, oldest change first, and the version that this is.
    pub(super) fn after(&self, version: u64) -> (Vec<Arc<Recorded>>, u64) {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let changed = kept
            .by_version
            .range(version + 1..)
            .map(|(_, (_, event))| event.clone())
            .collect();
        (changed, kept.version)
    }
}
