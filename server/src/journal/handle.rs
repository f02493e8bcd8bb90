//! The handle that everyone holds.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bllvm_ipc::Connection;
use bllvm_ipc::types::{SubscribeRequest, Subscribed};
use bllvm_manifest::ModuleName;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::deliver::Delivery;
use super::latest::Latest;
use super::live::LiveFeed;
use super::lossy::Lossy;
use crate::model::{EventClass, NewEvent};
use crate::store::commands::{AppendEvents, SetCursor};
use crate::store::{Store, StoreError};

/// The journal. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Journal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    latest: Latest,
    lossy: Lossy,
    /// How far each module that is being delivered to has come.
    positions: Mutex<BTreeMap<ModuleName, u64>>,
}

impl Journal {
    /// A journal over the store's events.
    pub fn new(store: Store) -> Self {
        Self(Arc::new(Inner {
            store,
            latest: Latest::new(),
            lossy: Lossy::new(),
            positions: Mutex::default(),
        }))
    }

    /// Publishes events. Durable ones are committed before anyone sees them, in one step and in
    /// this order. Gives the number of the first durable one; without any, of the newest there is.
    ///
    /// # Errors
    /// Why the durable ones were not kept; then none of the others was published either.
    pub async fn publish(&self, events: Vec<NewEvent>) -> Result<u64, StoreError> {
        let (durable, passing): (Vec<_>, Vec<_>) = events
            .into_iter()
            .partition(|event| event.class == EventClass::Durable);
        let first = if durable.is_empty() {
            self.last_seq()
        } else {
            self.0.store.commit(AppendEvents(durable)).await?
        };
        self.pass(passing);
        Ok(first)
    }

    /// Publishes events that are not durable, without waiting for anything. Durable ones are not
    /// taken here.
    pub fn pass(&self, events: Vec<NewEvent>) {
        let now = self.0.store.clock().now();
        for event in events {
            match event.class {
                EventClass::Latest => self.0.latest.put(event, now),
                EventClass::Lossy => self.0.lossy.push(event, now),
                EventClass::Durable => {
                    tracing::error!(event.kind, "a durable event was passed past the journal");
                }
            }
        }
    }

    /// The number of the newest committed event.
    pub fn last_seq(&self) -> u64 {
        self.0.store.last_seq()
    }

    /// Follows events that match one of the patterns: durable ones after a number (none: from now
    /// on), the newest of the latest ones, and lossy ones from now on.
    pub fn live(&self, patterns: Vec<String>, after: Option<u64>) -> LiveFeed {
        LiveFeed::new(self, patterns, after)
    }

    /// Where a module's subscription starts: at `after`, else at its cursor, else at the end, which
    /// becomes its cursor. Answer the module with it, and pass `after` on to
    /// [`Journal::deliver`].
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn begin(
        &self,
        to: &ModuleName,
        request: &SubscribeRequest,
    ) -> Result<Subscribed, StoreError> {
        let store = &self.0.store;
        let last = self.last_seq();
        let cursor = store.cursor(to).await?;
        let after = request.after.or(cursor).unwrap_or(last).min(last);
        if cursor != Some(after) {
            let module = to.clone();
            store.commit(SetCursor { module, seq: after }).await?;
        }
        let first = store.first_seq().await?;
        Ok(Subscribed { after, first })
    }

    /// Delivers to a module until the connection ends or `cancel` fires: durable events in
    /// batches within a window of 1,024 events or 1 MiB that it has not acknowledged, and what
    /// passes. `acks` are the numbers that the module acknowledged; its cursor follows them. Run
    /// one delivery a module at a time, and let it end before the next begins.
    pub async fn deliver(
        &self,
        to: &ModuleName,
        connection: Connection,
        request: SubscribeRequest,
        acks: mpsc::Receiver<u64>,
        cancel: CancellationToken,
    ) {
        match self.begin(to, &request).await {
            Ok(start) => {
                Delivery::new(self, to, connection, request.types, start.after)
                    .run(acks, cancel)
                    .await;
            }
            Err(error) => {
                tracing::error!(module.name = %to, %error, "events could not be delivered");
            }
        }
        self.positions().remove(to);
    }

    /// Durable events that a module which is being delivered to has not applied yet.
    pub fn lag(&self, module: &ModuleName) -> Option<u64> {
        let position = *self.positions().get(module)?;
        Some(self.last_seq().saturating_sub(position))
    }

    pub(super) fn set_position(&self, module: &ModuleName, position: u64) {
        let mut positions = self.positions();
        match positions.get_mut(module) {
            Some(known) => *known = position,
            None => drop(positions.insert(module.clone(), position)),
        }
    }

    fn positions(&self) -> std::sync::MutexGuard<'_, BTreeMap<ModuleName, u64>> {
        self.0
            .positions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(super) fn latest(&self) -> &Latest {
        &self.0.latest
    }

    pub(super) fn lossy(&self) -> &Lossy {
        &self.0.lossy
    }
}
