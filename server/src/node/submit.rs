//! The submitting half of a base node: ordinary, validated submissions.

use async_trait::async_trait;
use bllvm_ipc::types::{
    Acceptance, BlockHash, BlockVerdict, Template, TemplateRequest, Transactions,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::NodeError;
use crate::model::Id;

/// Blocks to be mined at once (regtest).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MineRequest {
    /// How many, 1 to 1,000.
    pub count: u32,
    /// Whom the coinbase pays; none pays a script that anyone can spend.
    pub address: Option<String>,
    /// Stands in the coinbases, so that whoever asked finds the blocks again.
    pub mark: Id,
}

/// What can be submitted to a base node.
#[async_trait]
pub trait SubmitNode: Send + Sync + 'static {
    /// Submits a raw block.
    async fn submit_block(&self, block: Bytes) -> Result<BlockVerdict, NodeError>;

    /// Submits raw blocks in order. The verdicts are those of the first so many, one at least: they end
    /// with the first block that is refused, since what follows may stand on it.
    async fn submit_blocks(&self, blocks: Vec<Bytes>) -> Result<Vec<BlockVerdict>, NodeError> {
        let mut verdicts: Vec<BlockVerdict> = Vec::with_capacity(blocks.len());
        for block in blocks {
            match self.submit_block(block).await {
                Ok(verdict) => verdicts.push(verdict),
                Err(error) if verdicts.is_empty() => return Err(error),
                // It is told to whoever submits this block first.
                Err(_) => break,
            }
            if verdicts.last().is_some_and(BlockVerdict::is_refusal) {
                break;
            }
        }
        Ok(verdicts)
    }

    /// Mines blocks; the number of those done so far goes to `progress`.
    async fn mine(
        &self,
        request: MineRequest,
        progress: mpsc::Sender<u32>,
        cancel: CancellationToken,
    ) -> Result<Vec<BlockHash>, NodeError>;

    /// Submits transactions to the network.
    async fn broadcast(&self, _transactions: Transactions) -> Result<Acceptance, NodeError> {
        Err(NodeError::Unsupported(
            "`tx.broadcast` is not served by this backend".into(),
        ))
    }

    /// A block template.
    async fn template(&self, _request: TemplateRequest) -> Result<Template, NodeError> {
        Err(NodeError::Unsupported(
            "`mining.template` is not served by this backend".into(),
        ))
    }

    /// Whether a block would be accepted on the tip, its proof of work apart. Nothing is kept.
    async fn check_block(&self, _block: Bytes) -> Result<BlockVerdict, NodeError> {
        Err(NodeError::Unsupported(
            "it cannot judge a block without taking it".into(),
        ))
    }
}
