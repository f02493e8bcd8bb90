//! Turns the base node's chain into durable events, each block once and in order.
//!
//! The chain cursor and the events that it stands for are committed together: a restart of host or
//! node neither skips nor doubles a step, and a reorganisation that happened while one of them was
//! down comes out as disconnects and connects like any other.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bllvm_ipc::types::{BlockHash, Tip};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{ChainStep, NodeError, NodeState, ReadNode};
use crate::journal::Journal;
use crate::model::{EventClass, NewEvent, kinds};
use crate::store::{Command, Store, StoreError, Tx};

/// The fact under which the cursor is kept.
const CURSOR: &str = "chain.cursor";
/// Blocks that the cursor remembers: reorganisations up to this depth can be undone exactly.
const REMEMBERED: usize = 300;
/// Steps that one commit announces.
const STEPS: u32 = 500;
/// The pause after a failure.
const RETRY: Duration = Duration::from_millis(500);

/// The last announced blocks, newest first.
type Cursor = VecDeque<(u32, BlockHash)>;

/// Announces the chain until `stop`: each step durably, then the tip that they lead to.
pub async fn announce(
    store: Store,
    journal: Journal,
    node: Arc<dyn ReadNode>,
    stop: CancellationToken,
) {
    let mut changes = node.changes();
    let mut shown = Shown::default();
    loop {
        let pause = match say_what_is_new(&store, &journal, &*node, &mut shown).await {
            Ok(())
            | Err(Failure::Node(NodeError::Unavailable { .. } | NodeError::Unsupported(_))) => None,
            Err(failure) => {
                tracing::warn!(error = %failure, "could not announce the chain; trying again");
                Some(RETRY)
            }
        };
        let waited = async {
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                // A sender that is gone means a host that is leaving.
                None => drop(changes.changed().await),
            }
        };
        tokio::select! {
            () = waited => {}
            () = stop.cancelled() => return,
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Node(#[from] NodeError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was said last in this run.
#[derive(Default)]
struct Shown {
    state: Option<NodeState>,
    tip: Option<BlockHash>,
}

async fn say_what_is_new(
    store: &Store,
    journal: &Journal,
    node: &dyn ReadNode,
    shown: &mut Shown,
) -> Result<(), Failure> {
    let state = node.state();
    if *shown.state.get_or_insert(NodeState::Starting) != state {
        store
            .commit(Announce {
                events: vec![state_event(node.backend(), &state)],
                cursor: None,
            })
            .await?;
        shown.state = Some(state.clone());
    }
    if state != NodeState::Ready {
        return Ok(());
    }
    catch_up(store, node).await?;
    let tip = node.tip().await?;
    if shown.tip != Some(tip.hash) {
        shown.tip = Some(tip.hash);
        journal.pass(vec![tip_event(&tip)]);
    }
    Ok(())
}

/// Announces every step that was not announced yet.
async fn catch_up(store: &Store, node: &dyn ReadNode) -> Result<(), Failure> {
    let mut cursor: Cursor = store.fact(CURSOR).await?.unwrap_or_default();
    loop {
        let steps = match node
            .chain_since(cursor.iter().copied().collect(), STEPS)
            .await
        {
            Ok(steps) => steps,
            Err(NodeError::NotFound(why)) => {
                tracing::warn!(%why, "the base node knows none of the announced blocks: starting anew");
                let data = json!({ "why": why, "announced": cursor.front() });
                let events = vec![NewEvent::host(kinds::CHAIN_RESET, data)];
                cursor.clear();
                store
                    .commit(Announce {
                        events,
                        cursor: Some(json!(cursor)),
                    })
                    .await?;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        if steps.is_empty() {
            return Ok(());
        }
        let events = steps.iter().map(step_event).collect();
        for step in &steps {
            follow(&mut cursor, step);
        }
        store
            .commit(Announce {
                events,
                cursor: Some(json!(cursor)),
            })
            .await?;
    }
}

fn follow(cursor: &mut Cursor, step: &ChainStep) {
    match *step {
        ChainStep::Connected { height, hash, .. } => {
            cursor.push_front((height, hash));
            cursor.truncate(REMEMBERED);
        }
        ChainStep::Disconnected { height, prev, .. } => {
            cursor.retain(|(known, _)| *known < height);
            if cursor.is_empty() && height > 0 {
                cursor.push_front((height - 1, prev));
            }
        }
    }
}

fn step_event(step: &ChainStep) -> NewEvent {
    match *step {
        ChainStep::Connected {
            height,
            hash,
            prev,
            time,
            transactions,
        } => NewEvent::host(
            kinds::BLOCK_CONNECTED,
            json!({ "height": height, "hash": hash, "prev": prev, "time": time, "transactions": transactions }),
        ),
        ChainStep::Disconnected { height, hash, prev } => NewEvent::host(
            kinds::BLOCK_DISCONNECTED,
            json!({ "height": height, "hash": hash, "prev": prev }),
        ),
    }
}

/// Of class latest: only the newest tip counts.
fn tip_event(tip: &Tip) -> NewEvent {
    NewEvent {
        class: EventClass::Latest,
        ..NewEvent::host(
            kinds::TIP,
            json!({ "height": tip.height, "hash": tip.hash, "time": tip.time }),
        )
    }
}

fn state_event(backend: &str, state: &NodeState) -> NewEvent {
    let (word, why) = match state {
        NodeState::Starting => ("starting", None),
        NodeState::Ready => ("ready", None),
        NodeState::Unavailable { why } => ("unavailable", Some(why)),
    };
    NewEvent::host(
        kinds::NODE_STATE,
        json!({ "backend": backend, "state": word, "why": why }),
    )
}

/// Events and, where it moved, the cursor that they lead to.
struct Announce {
    events: Vec<NewEvent>,
    cursor: Option<Value>,
}

impl Command for Announce {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        for event in self.events {
            tx.append_event(event).await?;
        }
        if let Some(cursor) = &self.cursor {
            tx.set_fact(CURSOR, cursor).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connected(height: u32, hash: u8) -> ChainStep {
        let prev = BlockHash([hash - 1; 32]);
        ChainStep::Connected {
            height,
            hash: BlockHash([hash; 32]),
            prev,
            time: 0,
            transactions: 1,
        }
    }

    #[test]
    fn the_cursor_follows_a_reorganisation() {
        let mut cursor = Cursor::new();
        for height in 1..=3 {
            follow(
                &mut cursor,
                &connected(height, u8::try_from(height).unwrap()),
            );
        }
        let gone = ChainStep::Disconnected {
            height: 3,
            hash: BlockHash([3; 32]),
            prev: BlockHash([2; 32]),
        };
        follow(&mut cursor, &gone);
        follow(&mut cursor, &connected(3, 9));
        let heights: Vec<_> = cursor
            .iter()
            .map(|(height, hash)| (*height, hash.0[0]))
            .collect();
        assert_eq!(heights, [(3, 9), (2, 2), (1, 1)]);
    }
}
