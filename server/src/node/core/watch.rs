//! The poll: is Bitcoin Core there, is it the right one, and did its tip move?

use std::sync::Arc;

use bllvm_ipc::types::BlockHash;
use serde_json::json;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::rpc::RpcError;
use super::{Shared, identity};
use crate::node::NodeState;

/// Watches until `stop`.
pub(super) async fn watch(shared: Arc<Shared>, wake: Arc<Notify>, stop: CancellationToken) {
    let mut seen: Option<BlockHash> = None;
    loop {
        let looked = tokio::select! {
            looked = look(&shared) => looked,
            () = stop.cancelled() => break,
        };
        match looked {
            Ok(tip) => {
                shared.set_state(NodeState::Ready);
                if seen.replace(tip) != Some(tip) {
                    shared.changed();
                }
            }
            Err(error) => shared.set_state(NodeState::Unavailable { why: words(error) }),
        }
        tokio::select! {
            () = tokio::time::sleep(shared.settings.poll) => {}
            () = wake.notified() => {}
            () = stop.cancelled() => break,
        }
    }
    let why = "the host is shutting down".to_owned();
    shared.set_state(NodeState::Unavailable { why });
}

/// The tip. Who was away may come back as another, so it is looked at anew.
async fn look(shared: &Shared) -> Result<BlockHash, RpcError> {
    if *shared.state.borrow() != NodeState::Ready {
        identity::check(&shared.rpc, &shared.settings).await?;
    }
    shared.rpc.call("getbestblockhash", json!([])).await
}

pub(super) fn words(error: RpcError) -> String {
    match error {
        RpcError::Away(why) => why,
        RpcError::Refused { code: -28, message } => format!("Bitcoin Core is starting: {message}"),
        RpcError::Refused { code, message } => format!("Bitcoin Core says: {message} ({code})"),
        RpcError::Shape(what) => format!("this does not look like Bitcoin Core: {what}"),
    }
}

impl Shared {
    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    fn set_state(&self, state: NodeState) {
        let moved = self.state.send_if_modified(|now| {
            let moved = *now != state;
            if moved {
                if let NodeState::Unavailable { why } = &state {
                    tracing::warn!(node.reason = %why, "Bitcoin Core is not available");
                } else {
                    tracing::info!(node.url = self.settings.url, "Bitcoin Core answers");
                }
            }
            *now = state;
            moved
        });
        if moved {
            self.changed();
        }
    }
}
