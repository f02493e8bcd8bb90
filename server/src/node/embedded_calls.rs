//! Both traits, answered by the embedded base node's process.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use bllvm_ipc::Raw;
use bllvm_ipc::method as m;
use bllvm_ipc::types as t;
use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::wire::{
    self, ChainSince, CheckBlock, EntryOf, HashAt, Mine, StatusOfChain, StatusOfMempool,
    SubmitBlocks,
};
use super::{
    ChainStatus, ChainStep, EmbeddedNode, MempoolEntry, MempoolStatus, MineRequest, NodeError,
    NodeState, ReadNode, SubmitNode,
};

#[async_trait]
impl ReadNode for EmbeddedNode {
    fn backend(&self) -> &'static str {
        "embedded"
    }

    fn state(&self) -> NodeState {
        self.shared.state.borrow().clone()
    }

    fn mempool_changes(&self) -> watch::Receiver<Option<t::MempoolInfo>> {
        self.shared.mempool.subscribe()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    fn warnings(&self) -> Vec<String> {
        self.shared.warnings.borrow().clone()
    }

    async fn info(&self) -> Result<t::NetworkInfo, NodeError> {
        self.call::<m::NetworkInfo>(&t::Empty {}).await
    }

    async fn tip(&self) -> Result<t::Tip, NodeError> {
        self.connection()?;
        let kept = self.shared.tip.borrow().clone();
        match kept {
            Some(tip) => Ok(tip),
            None => self.call::<m::ChainTip>(&t::Empty {}).await,
        }
    }

    async fn header(&self, block: t::BlockRef) -> Result<t::HeaderInfo, NodeError> {
        self.call::<m::ChainHeader>(&block).await
    }

    async fn headers(&self, request: t::HeadersRequest) -> Result<t::Headers, NodeError> {
        self.call::<m::ChainHeaders>(&request).await
    }

    async fn block(&self, hash: t::BlockHash) -> Result<Bytes, NodeError> {
        Ok(self
            .call::<m::ChainBlock>(&t::BlockByHash { hash })
            .await?
            .0)
    }

    async fn block_hash_at(&self, height: u32) -> Result<t::BlockHash, NodeError> {
        Ok(self.call::<HashAt>(&wire::Height { height }).await?.hash)
    }

    async fn spent_outputs(&self, hash: t::BlockHash) -> Result<t::SpentOutputs, NodeError> {
        self.spent_outputs_page(t::SpentOutputsRequest {
            hash,
            cursor: None,
            limit: None,
        })
        .await
    }

    async fn spent_outputs_page(
        &self,
        request: t::SpentOutputsRequest,
    ) -> Result<t::SpentOutputs, NodeError> {
        self.call::<m::ChainSpentOutputs>(&request).await
    }

    async fn verify_script(
        &self,
        request: t::VerifyScriptRequest,
    ) -> Result<t::ScriptVerdict, NodeError> {
        self.call::<m::ChainVerifyScript>(&request).await
    }

    async fn chain_since(
        &self,
        known: Vec<(u32, t::BlockHash)>,
        max: u32,
    ) -> Result<Vec<ChainStep>, NodeError> {
        self.call::<ChainSince>(&wire::ChainSinceRequest { known, max })
            .await
    }

    async fn filter(&self, hash: t::BlockHash) -> Result<t::BlockFilter, NodeError> {
        self.call::<m::ChainFilter>(&t::BlockByHash { hash }).await
    }

    async fn transaction(
        &self,
        request: t::TransactionRequest,
    ) -> Result<t::TransactionInfo, NodeError> {
        self.call::<m::ChainTransaction>(&request).await
    }

    async fn mempool_info(&self) -> Result<t::MempoolInfo, NodeError> {
        self.call::<m::MempoolInfo>(&t::Empty {}).await
    }

    async fn mempool_list(&self, page: t::PageRequest) -> Result<t::TxidPage, NodeError> {
        self.call::<m::MempoolList>(&page).await
    }

    async fn mempool_transaction(
        &self,
        request: t::TransactionRequest,
    ) -> Result<t::TransactionInfo, NodeError> {
        self.call::<m::MempoolTransaction>(&request).await
    }

    async fn test_accept(&self, transactions: t::Transactions) -> Result<t::Acceptance, NodeError> {
        self.call::<m::MempoolTestAccept>(&transactions).await
    }

    async fn peers(&self) -> Result<t::Peers, NodeError> {
        self.call::<m::NetworkPeers>(&t::Empty {}).await
    }

    async fn chain_status(&self) -> Result<ChainStatus, NodeError> {
        let status = self.call::<StatusOfChain>(&t::Empty {}).await?;
        Ok(ChainStatus {
            warnings: self.warnings(),
            ..status
        })
    }

    async fn mempool_status(&self) -> Result<MempoolStatus, NodeError> {
        self.call::<StatusOfMempool>(&t::Empty {}).await
    }

    async fn mempool_entry(&self, txid: t::Txid) -> Result<MempoolEntry, NodeError> {
        self.call::<EntryOf>(&wire::Id { txid }).await
    }

    async fn fee(&self, request: t::FeeRequest) -> Result<t::FeeEstimate, NodeError> {
        self.call::<m::FeeEstimate>(&request).await
    }

    async fn utxo(&self, request: t::UtxoRequest) -> Result<t::Utxo, NodeError> {
        self.call::<m::ChainUtxo>(&request).await
    }
}

#[async_trait]
impl SubmitNode for EmbeddedNode {
    async fn submit_block(&self, block: Bytes) -> Result<t::BlockVerdict, NodeError> {
        self.call::<m::MiningSubmitBlock>(&Raw(block)).await
    }

    async fn submit_blocks(&self, blocks: Vec<Bytes>) -> Result<Vec<t::BlockVerdict>, NodeError> {
        let blocks = blocks.into_iter().map(|raw| t::Hex(raw.into()));
        let blocks = blocks.collect();
        self.call::<SubmitBlocks>(&wire::Blocks { blocks }).await
    }

    async fn check_block(&self, block: Bytes) -> Result<t::BlockVerdict, NodeError> {
        self.call::<CheckBlock>(&Raw(block)).await
    }

    async fn broadcast(&self, transactions: t::Transactions) -> Result<t::Acceptance, NodeError> {
        self.call::<m::TxBroadcast>(&transactions).await
    }

    async fn template(&self, request: t::TemplateRequest) -> Result<t::Template, NodeError> {
        self.call::<m::MiningTemplate>(&request).await
    }

    async fn mine(
        &self,
        request: MineRequest,
        progress: mpsc::Sender<u32>,
        cancel: CancellationToken,
    ) -> Result<Vec<t::BlockHash>, NodeError> {
        let number = self.shared.minings.fetch_add(1, Ordering::Relaxed) + 1;
        let mut mined = self.shared.mined.subscribe();
        let connection = self.connection()?;
        let request = wire::MineNumbered { number, request };
        let call = connection.call::<Mine>(&request);
        tokio::pin!(call);
        loop {
            tokio::select! {
                done = &mut call => return done.map(|mined| mined.hashes).map_err(Self::failed),
                () = cancel.cancelled() => {
                    let message = "cancelled; blocks mined before stay".to_owned();
                    return Err(NodeError::Invalid { code: "cancelled".to_owned(), message });
                }
                changed = mined.changed() => {
                    let (of, done) = *mined.borrow_and_update();
                    if changed.is_ok() && of == number {
                        // Progress is for show: a full channel skips a step.
                        let _ = progress.try_send(done);
                    }
                }
            }
        }
    }
}
