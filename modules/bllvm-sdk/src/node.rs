//! The base node, read and asked: one method for each row of the protocol's table.

use bllvm_ipc::method as m;
use bllvm_ipc::types::{
    Acceptance, BlockByHash, BlockByHeight, BlockFilter, BlockHash, BlockRef, BlockVerdict, Coin,
    Empty, FeeEstimate, FeeRequest, HeaderInfo, Headers, HeadersRequest, Hex, MempoolInfo,
    NetworkInfo, PageRequest, Peers, ResolveRequest, Resolved, ScriptVerdict, SpentOutputs,
    SpentOutputsRequest, Template, TemplateRequest, Tip, TransactionInfo, TransactionRequest,
    Transactions, Txid, TxidPage, Utxo, UtxoRequest, VerifyScriptRequest,
};
use bllvm_ipc::{CallError, Connection, Raw};
use bytes::Bytes;

type Answer<T> = Result<T, CallError>;

/// The most coins that the host puts on one page.
const SPENT_PAGE: u32 = 10_000;

/// The base node, as far as the operator granted it. A backend that cannot serve a method answers
/// `unsupported`; [`Node::network_info`] lists those beforehand.
#[derive(Clone, Debug)]
pub struct Node {
    connection: Connection,
}

impl Node {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection }
    }

    /// The end of the best chain.
    pub async fn tip(&self) -> Answer<Tip> {
        self.connection.call::<m::ChainTip>(&Empty {}).await
    }

    /// A header by hash, in whichever branch it is.
    pub async fn header(&self, hash: BlockHash) -> Answer<HeaderInfo> {
        let block = BlockRef {
            hash: Some(hash),
            height: None,
        };
        self.connection.call::<m::ChainHeader>(&block).await
    }

    /// A header of the best chain by height.
    pub async fn header_at(&self, height: u32) -> Answer<HeaderInfo> {
        let block = BlockRef {
            hash: None,
            height: Some(height),
        };
        self.connection.call::<m::ChainHeader>(&block).await
    }

    /// Headers of the best chain after the newest known block of `locator` (newest first).
    pub async fn headers(&self, locator: Vec<BlockHash>, max: u32) -> Answer<Headers> {
        let request = HeadersRequest { locator, max };
        self.connection.call::<m::ChainHeaders>(&request).await
    }

    /// A block's bytes by hash.
    pub async fn block(&self, hash: BlockHash) -> Answer<Bytes> {
        let request = BlockByHash { hash };
        let block = self.connection.call::<m::ChainBlock>(&request).await?;
        Ok(block.0)
    }

    /// A block's bytes by height in the best chain.
    pub async fn block_at(&self, height: u32) -> Answer<Bytes> {
        let request = BlockByHeight { height };
        let block = self
            .connection
            .call::<m::ChainBlockByHeight>(&request)
            .await?;
        Ok(block.0)
    }

    /// A block's compact filter (BIP158).
    pub async fn filter(&self, hash: BlockHash) -> Answer<BlockFilter> {
        self.connection
            .call::<m::ChainFilter>(&BlockByHash { hash })
            .await
    }

    /// A transaction; `block` helps where the backend has no index.
    pub async fn transaction(
        &self,
        txid: Txid,
        block: Option<BlockHash>,
    ) -> Answer<TransactionInfo> {
        let request = TransactionRequest { txid, block };
        self.connection.call::<m::ChainTransaction>(&request).await
    }

    /// An output, while it is unspent.
    pub async fn utxo(&self, txid: Txid, vout: u32) -> Answer<Utxo> {
        self.connection
            .call::<m::ChainUtxo>(&UtxoRequest {
                txid,
                vout,
                include_mempool: false,
            })
            .await
    }

    /// The outputs that a block spent, gathered from as many pages as there are. A block of the
    /// usual kind is one page; where memory is short, take the pages one by one.
    pub async fn spent_outputs(&self, hash: BlockHash) -> Answer<SpentOutputs> {
        let mut all = self.spent_outputs_page(hash, None).await?;
        while let Some(cursor) = all.next.take() {
            let page = self.spent_outputs_page(hash, Some(cursor)).await?;
            let mut lists = page.transactions.into_iter();
            if page.continues
                && let (Some(open), Some(rest)) = (all.transactions.last_mut(), lists.next())
            {
                open.extend(rest);
            }
            all.transactions.extend(lists);
            all.next = page.next;
        }
        Ok(all)
    }

    /// A page of the outputs that a block spent; `cursor` is `next` of the page before.
    pub async fn spent_outputs_page(
        &self,
        hash: BlockHash,
        cursor: Option<String>,
    ) -> Answer<SpentOutputs> {
        let request = SpentOutputsRequest {
            hash,
            cursor,
            limit: Some(SPENT_PAGE),
        };
        self.connection.call::<m::ChainSpentOutputs>(&request).await
    }

    /// Whether one input's script holds; `spent` are the outputs that all inputs spend, in order.
    pub async fn verify_script(
        &self,
        transaction: Vec<u8>,
        input: u32,
        spent: Vec<Coin>,
    ) -> Answer<ScriptVerdict> {
        let request = VerifyScriptRequest {
            transaction: Hex(transaction),
            input,
            spent,
        };
        self.connection.call::<m::ChainVerifyScript>(&request).await
    }

    /// The mempool's size and lowest fee rate.
    pub async fn mempool_info(&self) -> Answer<MempoolInfo> {
        self.connection.call::<m::MempoolInfo>(&Empty {}).await
    }

    /// A page of the ids of unconfirmed transactions.
    pub async fn mempool_list(&self, page: PageRequest) -> Answer<TxidPage> {
        self.connection.call::<m::MempoolList>(&page).await
    }

    /// An unconfirmed transaction.
    pub async fn mempool_transaction(&self, txid: Txid) -> Answer<TransactionInfo> {
        let request = TransactionRequest { txid, block: None };
        self.connection
            .call::<m::MempoolTransaction>(&request)
            .await
    }

    /// Whether transactions, in the order in which they depend on each other, would be accepted. As at
    /// Bitcoin Core's `testmempoolaccept` each of a list has to pay for itself and may replace nothing,
    /// and the first refusal ends it: the others have the reason `package-not-validated`. Whether a child
    /// pays for its parent shows when they are sent ([`Node::broadcast`]).
    pub async fn test_accept(&self, transactions: Vec<Vec<u8>>) -> Answer<Acceptance> {
        self.connection
            .call::<m::MempoolTestAccept>(&as_hex(transactions))
            .await
    }

    /// A fee rate for confirmation within so many blocks, or why there is none.
    pub async fn fee_estimate(&self, target_blocks: u16) -> Answer<FeeEstimate> {
        self.connection
            .call::<m::FeeEstimate>(&FeeRequest { target_blocks })
            .await
    }

    /// Submits transactions to the network, in the order in which they depend on each other.
    pub async fn broadcast(&self, transactions: Vec<Vec<u8>>) -> Answer<Acceptance> {
        self.connection
            .call::<m::TxBroadcast>(&as_hex(transactions))
            .await
    }

    /// A block template.
    pub async fn block_template(&self, request: TemplateRequest) -> Answer<Template> {
        self.connection.call::<m::MiningTemplate>(&request).await
    }

    /// Submits a block.
    pub async fn submit_block(&self, block: Bytes) -> Answer<BlockVerdict> {
        self.connection
            .call::<m::MiningSubmitBlock>(&Raw(block))
            .await
    }

    /// What the base node is and can do.
    pub async fn network_info(&self) -> Answer<NetworkInfo> {
        self.connection.call::<m::NetworkInfo>(&Empty {}).await
    }

    /// The base node's peers.
    pub async fn peers(&self) -> Answer<Peers> {
        self.connection.call::<m::NetworkPeers>(&Empty {}).await
    }

    /// The addresses of a host name, looked up by the host.
    pub async fn resolve(&self, host: &str, port: u16) -> Answer<Resolved> {
        let request = ResolveRequest {
            host: host.to_owned(),
            port,
        };
        self.connection.call::<m::NetworkResolve>(&request).await
    }
}

fn as_hex(transactions: Vec<Vec<u8>>) -> Transactions {
    Transactions {
        transactions: transactions.into_iter().map(Hex).collect(),
    }
}
