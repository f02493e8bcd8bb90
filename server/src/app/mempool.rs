//! Passes the mempool's size on to whoever listens: only the newest counts.

use std::sync::Arc;

use bllvm_ipc::EventClass;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::journal::Journal;
use crate::model::{NewEvent, kinds};
use crate::node::ReadNode;

/// Publishes each change until `stop`.
pub async fn announce(journal: Journal, node: Arc<dyn ReadNode>, stop: CancellationToken) {
    let mut changes = node.mempool_changes();
    loop {
        let now = changes.borrow_and_update().clone();
        if let Some(info) = now {
            journal.pass(vec![NewEvent {
                class: EventClass::Latest,
                ..NewEvent::host(kinds::MEMPOOL, json!(info))
            }]);
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() {
                return;
            },
            () = stop.cancelled() => return,
        }
    }
}
