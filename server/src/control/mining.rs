//! `mine`: an operation that knows its blocks again by a mark in their coinbases. What a crash of
//! the node or of its base node leaves undone is counted exactly, and the rest is mined then.

use bllvm_ipc::types::BlockHash;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::folders::{Begin, interrupted};
use super::{Control, ControlCode, ControlError};
use crate::model::{Actor, Failure, Id, Operation, OperationKind};
use crate::node::{MineRequest, NodeError};
use crate::store::commands::{Done, StartOperation, actions};

/// Blocks that may be asked for at once.
const MAX_BLOCKS: u32 = 1000;
/// Between two records of progress.
const PROGRESS: Duration = Duration::from_millis(250);
/// How long a base node that went away is waited for.
const NODE_PATIENCE: Duration = Duration::from_mins(10);
/// How often a base node may go away under one operation.
const MAX_LOSSES: u32 = 5;
/// Where in a block the mark can be: the coinbase's script begins within the first bytes after the
/// header, and has at most 100.
const MARKED: std::ops::Range<usize> = 80..280;

/// What a mining operation is to do; kept with it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Order {
    count: u32,
    address: Option<String>,
    /// The tip's height before the first block; 0 where it was not known.
    #[serde(default)]
    from: u32,
}

impl Control {
    /// Mines blocks on a chain where anybody can (regtest).
    ///
    /// # Errors
    /// Where the count makes no sense, or blocks take more than a word on this chain.
    pub async fn mine(
        &self,
        count: u32,
        address: Option<String>,
        by: &Actor,
    ) -> Result<Operation, ControlError> {
        let verb = async {
            if !(1..=MAX_BLOCKS).contains(&count) {
                return Err(ControlError::refused(
                    ControlCode::InvalidRequest,
                    format!("`count` is {count}: ask for 1 to {MAX_BLOCKS} blocks"),
                ));
            }
            // A base node that is away now may be back until the blocks are mined.
            if let Ok(info) = self.0.parts.read_node.info().await
                && info.chain != "regtest"
            {
                let text = format!(
                    "blocks are mined at once on regtest only; this is {}",
                    info.chain
                );
                return Err(ControlError::refused(ControlCode::InvalidRequest, text));
            }
            let tip = self.0.parts.read_node.tip().await;
            let order = Order {
                count,
                address,
                from: tip.map_or(0, |tip| tip.height),
            };
            let begin = Begin {
                start: StartOperation {
                    kind: OperationKind::Mine,
                    module: None,
                    about: None,
                    params: json!(order),
                    by: by.clone(),
                },
                done: Done {
                    action: actions::MINE_BLOCKS.to_owned(),
                    target: "node".to_owned(),
                    detail: format!("{count} blocks"),
                    by: by.clone(),
                },
            };
            let operation = self.store().commit(begin).await?;
            self.spawn_mining(operation.id, order, false);
            Ok(operation)
        };
        self.audited(actions::MINE_BLOCKS, "node", by, verb).await
    }

    /// Goes on with mining that our own end cut short.
    pub(super) async fn resume_mining(&self, operation: &Operation, params: &Value) {
        if let Ok(order) = serde_json::from_value(params.clone()) {
            self.spawn_mining(operation.id, order, true);
            return;
        }
        let why = format!(
            "it does not say what it was to mine; {} blocks were mined at least",
            operation.done
        );
        self.end(operation.id, Err(interrupted(&why))).await;
    }

    fn spawn_mining(&self, id: Id, order: Order, resumed: bool) {
        let control = self.clone();
        self.spawn_operation(id, |cancel| async move {
            let mining = Mining {
                control: control.clone(),
                id,
                order,
                cancel,
            };
            let outcome = mining.run(resumed).await;
            // The node stops: the operation stays open, and the next start goes on.
            if outcome.is_err() && control.soft().is_cancelled() {
                return;
            }
            control.end(id, outcome).await;
        });
    }
}

/// One operation under way.
struct Mining {
    control: Control,
    id: Id,
    order: Order,
    cancel: CancellationToken,
}

impl Mining {
    async fn run(&self, resumed: bool) -> Result<Value, Failure> {
        let mut there = Vec::new();
        let mut look = resumed;
        let mut losses = 0;
        loop {
            if look {
                there = self.look().await?;
            }
            let error = match self.rest(there.len()).await {
                Ok(mined) => {
                    there.extend(mined);
                    return Ok(json!({ "hashes": there }));
                }
                Err(error) => error,
            };
            let away = matches!(error, NodeError::Unavailable { .. });
            if away && losses < MAX_LOSSES && !self.cancel.is_cancelled() {
                losses += 1;
                look = true;
                continue;
            }
            return Err(self.failed(&error).await);
        }
    }

    /// The blocks of this operation that are in the chain, as soon as the base node can tell.
    async fn look(&self) -> Result<Vec<BlockHash>, Failure> {
        self.step("looking for the blocks that are there", 0).await;
        let mut changes = self.control.0.parts.read_node.changes();
        let looking = async {
            loop {
                changes.borrow_and_update();
                match self.marked().await {
                    Err(NodeError::Unavailable { .. }) => {}
                    found => return found,
                }
                if changes.changed().await.is_err() {
                    return self.marked().await;
                }
            }
        };
        let looking = self.cancel.run_until_cancelled(looking);
        let why = match timeout(NODE_PATIENCE, looking).await {
            Ok(Some(Ok(found))) => return Ok(found),
            Ok(Some(Err(error))) => error.to_string(),
            Ok(None) => "it was cancelled".to_owned(),
            Err(_) => "the base node stayed away".to_owned(),
        };
        Err(interrupted(&format!(
            "how many of the {} blocks were mined could not be seen ({why})",
            self.order.count
        )))
    }

    /// Mines what is missing.
    async fn rest(&self, there: usize) -> Result<Vec<BlockHash>, NodeError> {
        let there = u32::try_from(there).unwrap_or(u32::MAX);
        let count = self.order.count.saturating_sub(there);
        if count == 0 {
            return Ok(Vec::new());
        }
        let request = MineRequest {
            count,
            address: self.order.address.clone(),
            mark: self.id,
        };
        let (progress, mut done) = mpsc::channel(16);
        let node = &self.control.0.parts.submit_node;
        let mining = node.mine(request, progress, self.cancel.clone());
        tokio::pin!(mining);
        let mut told: Option<Instant> = None;
        let mut listening = true;
        loop {
            tokio::select! {
                outcome = &mut mining => return outcome,
                count = done.recv(), if listening => match count {
                    Some(count) if told.is_none_or(|told| told.elapsed() >= PROGRESS) => {
                        told = Some(Instant::now());
                        self.step("mining", there + count).await;
                    }
                    Some(_) => {}
                    None => listening = false,
                },
            }
        }
    }

    /// The blocks in the chain that carry this operation's mark.
    async fn marked(&self) -> Result<Vec<BlockHash>, NodeError> {
        let node = &self.control.0.parts.read_node;
        let mark = self.id.0.to_bytes();
        let tip = node.tip().await?;
        let mut found = Vec::new();
        for height in self.order.from + 1..=tip.height {
            let hash = node.block_hash_at(height).await?;
            let block = node.block(hash).await?;
            let script = &block[MARKED.start.min(block.len())..MARKED.end.min(block.len())];
            if script.windows(mark.len()).any(|bytes| bytes == mark) {
                found.push(hash);
            }
        }
        Ok(found)
    }

    async fn failed(&self, error: &NodeError) -> Failure {
        let code = match error {
            NodeError::Unsupported(_) => "unsupported",
            NodeError::NotFound(_) => "not_found",
            NodeError::Unavailable { .. } => "node_unavailable",
            NodeError::Invalid { .. } => "invalid_request",
            NodeError::Internal(_) => "internal",
        };
        let detail = match self.marked().await {
            Ok(found) => {
                let (done, count) = (found.len(), self.order.count);
                format!("{done} of {count} blocks were mined, then {error}")
            }
            Err(_) => error.to_string(),
        };
        Failure {
            code: code.to_owned(),
            detail,
        }
    }

    async fn step(&self, step: &str, done: u32) {
        let total = self.order.count.into();
        let recorded = self.control.step(self.id, step, done.into(), total).await;
        if let Err(error) = recorded {
            tracing::warn!(operation.id = %self.id, %error, "could not record progress");
        }
    }
}
