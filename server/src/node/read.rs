//! The reading half of a base node.

use async_trait::async_trait;
use bllvm_ipc::types::{
    Acceptance, BlockFilter, BlockHash, BlockRef, FeeEstimate, FeeRequest, HeaderInfo, Headers,
    HeadersRequest, MempoolInfo, NetworkInfo, PageRequest, Peers, ScriptVerdict, SpentOutputs,
    SpentOutputsRequest, Tip, TransactionInfo, TransactionRequest, Transactions, Txid, TxidPage,
    Utxo, UtxoRequest, VerifyScriptRequest,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{NodeError, spent_pages};

/// One step of the best chain. Applying all steps in order leads from a cursor to the tip.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChainStep {
    /// A block joined.
    Connected {
        /// Its height.
        height: u32,
        /// Its hash.
        hash: BlockHash,
        /// The block before it.
        prev: BlockHash,
        /// The header's time, Unix seconds.
        time: u32,
        /// Transactions in it.
        transactions: u32,
    },
    /// A block left.
    Disconnected {
        /// Its height.
        height: u32,
        /// Its hash.
        hash: BlockHash,
        /// The block before it, which is the tip now.
        prev: BlockHash,
    },
}

/// Whether the base node can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeState {
    /// It opens its data.
    Starting,
    /// It answers.
    Ready,
    /// It is away.
    Unavailable {
        /// What is known about it.
        why: String,
    },
}

/// What a backend's own index says of a block beyond its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockPlace {
    /// The work in the chain up to this block: a number of 256 bits, big-endian.
    pub chain_work: [u8; 32],
    /// Median time of the eleven blocks that end here (BIP113), Unix seconds.
    pub median_time: u32,
    /// Transactions in it.
    pub transactions: u32,
}

/// Sums over a transaction and its unconfirmed relatives, itself included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relatives {
    /// How many.
    pub count: u64,
    /// Their virtual bytes.
    pub vsize: u64,
    /// Their fees.
    pub fees_sat: u64,
}

/// An unconfirmed transaction as the mempool keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MempoolEntry {
    /// Hash of the transaction with its witness.
    pub wtxid: Txid,
    /// Virtual bytes, as the mempool counts them.
    pub vsize: u64,
    /// Weight units.
    pub weight: u64,
    /// The fee.
    pub fee_sat: u64,
    /// When it came, Unix seconds.
    pub time: u64,
    /// The tip's height when it came.
    pub height: u32,
    /// What it stands on.
    pub ancestors: Relatives,
    /// What stands on it.
    pub descendants: Relatives,
    /// Unconfirmed transactions whose outputs it spends.
    pub depends: Vec<Txid>,
    /// Unconfirmed transactions that spend its outputs.
    pub spent_by: Vec<Txid>,
    /// Whether it says that it may be replaced (BIP125).
    pub replaceable: bool,
}

/// How far a backend's chain is, and what it takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChainStatus {
    /// The height of the best header, whose block may be missing.
    pub headers: u32,
    /// How much of the chain is verified, 0 to 1.
    pub progress: f64,
    /// Whether it is still far behind the present.
    pub syncing: bool,
    /// What blocks take on disk, in bytes.
    pub size_on_disk: u64,
    /// The lowest block that is kept, where older ones are deleted.
    pub pruned_below: Option<u32>,
    /// What its operator should know.
    pub warnings: Vec<String>,
}

/// The mempool's memory and limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MempoolStatus {
    /// The memory it takes, in bytes.
    pub usage: u64,
    /// The most that it may take.
    pub max_usage: u64,
    /// The fees of all transactions.
    pub fees_sat: u64,
    /// The lowest fee rate that is relayed at all, satoshi per 1,000 virtual bytes.
    pub min_relay_sat_per_kvb: u64,
    /// What a replacement pays on top of what it replaces, satoshi per 1,000 virtual bytes.
    pub incremental_sat_per_kvb: u64,
}

fn unsupported<T>(what: &str, name: &str) -> Result<T, NodeError> {
    Err(NodeError::Unsupported(format!(
        "`{what}` is not served by the {name} backend"
    )))
}

/// What can be read from a base node. Methods that a backend does not have answer
/// [`NodeError::Unsupported`] and are listed in [`NetworkInfo::unsupported`].
#[async_trait]
pub trait ReadNode: Send + Sync + 'static {
    /// The backend's name: `embedded`, `core`, `none`.
    fn backend(&self) -> &'static str;
    /// Whether it can be asked.
    fn state(&self) -> NodeState;
    /// The mempool's size, whenever it or the chain moved; none before that, or without a mempool.
    fn mempool_changes(&self) -> watch::Receiver<Option<MempoolInfo>> {
        watch::channel(None).1
    }
    /// Counts up whenever the chain moved, or the backend came or went.
    fn changes(&self) -> watch::Receiver<u64>;
    /// What an operator should know about its data, such as blocks that could not be brought back.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
    /// What it is and can do.
    async fn info(&self) -> Result<NetworkInfo, NodeError>;
    /// The end of the best chain.
    async fn tip(&self) -> Result<Tip, NodeError>;
    /// A header.
    async fn header(&self, block: BlockRef) -> Result<HeaderInfo, NodeError>;
    /// Headers after a locator.
    async fn headers(&self, request: HeadersRequest) -> Result<Headers, NodeError>;
    /// A block's bytes.
    async fn block(&self, hash: BlockHash) -> Result<Bytes, NodeError>;
    /// The best chain's block at a height.
    async fn block_hash_at(&self, height: u32) -> Result<BlockHash, NodeError>;
    /// The outputs that a block spent.
    async fn spent_outputs(&self, hash: BlockHash) -> Result<SpentOutputs, NodeError>;
    /// The same by pages; whole where the request names neither place nor limit.
    async fn spent_outputs_page(
        &self,
        request: SpentOutputsRequest,
    ) -> Result<SpentOutputs, NodeError> {
        spent_pages::page(self.spent_outputs(request.hash).await?, &request)
    }
    /// Whether an input's script holds.
    async fn verify_script(&self, request: VerifyScriptRequest)
    -> Result<ScriptVerdict, NodeError>;
    /// The steps from a cursor to the tip, at most `max` of them. `known` is the last step's block
    /// and a few ancestors, newest first; empty starts before genesis.
    async fn chain_since(
        &self,
        known: Vec<(u32, BlockHash)>,
        max: u32,
    ) -> Result<Vec<ChainStep>, NodeError>;

    /// A compact block filter (BIP158).
    async fn filter(&self, _hash: BlockHash) -> Result<BlockFilter, NodeError> {
        unsupported("chain.filter", self.backend())
    }
    /// A transaction.
    async fn transaction(
        &self,
        _request: TransactionRequest,
    ) -> Result<TransactionInfo, NodeError> {
        unsupported("chain.transaction", self.backend())
    }
    /// An unspent output.
    async fn utxo(&self, _request: UtxoRequest) -> Result<Utxo, NodeError> {
        unsupported("chain.utxo", self.backend())
    }
    /// The mempool's size.
    async fn mempool_info(&self) -> Result<MempoolInfo, NodeError> {
        unsupported("mempool.info", self.backend())
    }
    /// The ids of unconfirmed transactions.
    async fn mempool_list(&self, _page: PageRequest) -> Result<TxidPage, NodeError> {
        unsupported("mempool.list", self.backend())
    }
    /// An unconfirmed transaction.
    async fn mempool_transaction(
        &self,
        _request: TransactionRequest,
    ) -> Result<TransactionInfo, NodeError> {
        unsupported("mempool.transaction", self.backend())
    }
    /// Whether transactions would be accepted.
    async fn test_accept(&self, _transactions: Transactions) -> Result<Acceptance, NodeError> {
        unsupported("mempool.test_accept", self.backend())
    }
    /// A fee rate, or why there is none.
    async fn fee(&self, _request: FeeRequest) -> Result<FeeEstimate, NodeError> {
        unsupported("fee.estimate", self.backend())
    }
    /// The peers.
    async fn peers(&self) -> Result<Peers, NodeError> {
        unsupported("network.peers", self.backend())
    }
    /// What the backend's own index says of a block beyond its header. A backend without such an
    /// index is asked for headers and the block instead.
    async fn block_place(&self, _hash: BlockHash) -> Result<BlockPlace, NodeError> {
        unsupported("node.block_place", self.backend())
    }
    /// How far its chain is, and what it takes.
    async fn chain_status(&self) -> Result<ChainStatus, NodeError> {
        unsupported("node.chain_status", self.backend())
    }
    /// The mempool's memory and limits.
    async fn mempool_status(&self) -> Result<MempoolStatus, NodeError> {
        unsupported("node.mempool_status", self.backend())
    }
    /// An unconfirmed transaction's fee, age and relatives.
    async fn mempool_entry(&self, _txid: Txid) -> Result<MempoolEntry, NodeError> {
        unsupported("node.mempool_entry", self.backend())
    }
}
