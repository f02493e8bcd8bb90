//! No base node: the control plane alone, for a build without the kernel.

use async_trait::async_trait;
use bllvm_ipc::types as t;
use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{ChainStep, MineRequest, NodeError, NodeState, ReadNode, SubmitNode};

/// Answers every question with `unsupported` and the way out.
#[derive(Debug)]
pub struct NoNode(watch::Sender<u64>);

impl Default for NoNode {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

const WHY: &str =
    "there is no base node; set `node.backend = \"embedded\"` in a build with the `kernel` feature";

fn none<T>() -> Result<T, NodeError> {
    Err(NodeError::Unsupported(WHY.to_owned()))
}

#[async_trait]
impl ReadNode for NoNode {
    fn backend(&self) -> &'static str {
        "none"
    }

    fn state(&self) -> NodeState {
        NodeState::Unavailable {
            why: WHY.to_owned(),
        }
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }

    async fn info(&self) -> Result<t::NetworkInfo, NodeError> {
        none()
    }

    async fn tip(&self) -> Result<t::Tip, NodeError> {
        none()
    }

    async fn header(&self, _: t::BlockRef) -> Result<t::HeaderInfo, NodeError> {
        none()
    }

    async fn headers(&self, _: t::HeadersRequest) -> Result<t::Headers, NodeError> {
        none()
    }

    async fn block(&self, _: t::BlockHash) -> Result<Bytes, NodeError> {
        none()
    }

    async fn block_hash_at(&self, _: u32) -> Result<t::BlockHash, NodeError> {
        none()
    }

    async fn spent_outputs(&self, _: t::BlockHash) -> Result<t::SpentOutputs, NodeError> {
        none()
    }

    async fn verify_script(
        &self,
        _: t::VerifyScriptRequest,
    ) -> Result<t::ScriptVerdict, NodeError> {
        none()
    }

    async fn chain_since(
        &self,
        _: Vec<(u32, t::BlockHash)>,
        _: u32,
    ) -> Result<Vec<ChainStep>, NodeError> {
        none()
    }
}

#[async_trait]
impl SubmitNode for NoNode {
    async fn submit_block(&self, _: Bytes) -> Result<t::BlockVerdict, NodeError> {
        none()
    }

    async fn mine(
        &self,
        _: MineRequest,
        _: mpsc::Sender<u32>,
        _: CancellationToken,
    ) -> Result<Vec<t::BlockHash>, NodeError> {
        none()
    }
}
