//! The reading trait, answered by Bitcoin Core.

use async_trait::async_trait;
use bitcoin::bip158;
use bitcoin::consensus::encode::deserialize;
use bitcoin::hashes::Hash as _;
use bllvm_ipc::types as t;
use bytes::Bytes;
use serde_json::json;
use tokio::sync::watch;

use super::rpc::{Rpc, RpcError};
use super::shapes::{
    ChainInfo, Filter, MempoolInfo, NetworkInfo, Peer, RawTransaction, SpendingBlock, TxOut,
    satoshi,
};
use super::{CoreNode, chain, mempool};
use crate::node::{
    BlockPlace, ChainStatus, ChainStep, MempoolEntry, MempoolStatus, NodeError, NodeState, ReadNode,
};

/// What Bitcoin Core's RPC has no method for.
const UNSUPPORTED: &[&str] = &["chain.verify_script"];

fn no_block(hash: t::BlockHash) -> impl Fn(RpcError) -> NodeError {
    move |error| error.or_missing(|| format!("there is no block {hash}"))
}

async fn raw_block(rpc: &Rpc, hash: t::BlockHash) -> Result<t::Hex, NodeError> {
    let found = rpc.call("getblock", json!([hash, 0])).await;
    found.map_err(|error| match error {
        RpcError::Refused { code: -1, message } if message.contains("pruned") => {
            let text = format!("Bitcoin Core has pruned block {hash}, and keeps newer ones only");
            NodeError::Unsupported(text)
        }
        RpcError::Refused { code: -1, .. } => NodeError::NotFound(format!(
            "Bitcoin Core has the header of {hash}, not its block"
        )),
        other => no_block(hash)(other),
    })
}

async fn spent(rpc: &Rpc, hash: t::BlockHash) -> Result<Vec<Vec<t::Coin>>, NodeError> {
    // What is pruned or not known is told by the block itself, in plain words.
    raw_block(rpc, hash).await?;
    let block: SpendingBlock = rpc.call("getblock", json!([hash, 3])).await?;
    let mut transactions = Vec::new();
    for transaction in block.tx.into_iter().skip(1) {
        let mut coins = Vec::new();
        for input in transaction.vin {
            let prevout = input.prevout.ok_or_else(|| {
                let text =
                    format!("block {hash} was never connected, so its spent outputs are unknown");
                NodeError::NotFound(text)
            })?;
            coins.push(prevout.coin()?);
        }
        transactions.push(coins);
    }
    Ok(transactions)
}

/// A filter worked out of the block, for a Bitcoin Core without an index of filters.
async fn worked_out_filter(rpc: &Rpc, hash: t::BlockHash) -> Result<t::Hex, NodeError> {
    let broken = |error: String| NodeError::Internal(format!("block {hash}: {error}"));
    let raw = raw_block(rpc, hash).await?;
    let block: bitcoin::Block = deserialize(&raw.0).map_err(|error| broken(error.to_string()))?;
    let mut scripts = std::collections::HashMap::new();
    if block.txdata.len() > 1 {
        let spent = spent(rpc, hash).await?;
        for (transaction, coins) in block.txdata.iter().skip(1).zip(spent) {
            for (input, coin) in transaction.input.iter().zip(coins) {
                let script = bitcoin::ScriptBuf::from_bytes(coin.script_pubkey.0);
                scripts.insert(input.previous_output, script);
            }
        }
    }
    let filter = bip158::BlockFilter::new_script_filter(&block, |outpoint| {
        let script = scripts.get(outpoint).cloned();
        script.ok_or(bip158::Error::UtxoMissing(*outpoint))
    });
    let filter = filter.map_err(|error| broken(error.to_string()))?;
    Ok(t::Hex(filter.content))
}

/// A transaction, by whatever way Bitcoin Core finds it.
pub(super) async fn transaction(
    rpc: &Rpc,
    request: &t::TransactionRequest,
) -> Result<t::TransactionInfo, NodeError> {
    let txid = request.txid;
    let params = match request.block {
        Some(block) => json!([txid, true, block]),
        None => json!([txid, true]),
    };
    let found = rpc
        .call::<RawTransaction>("getrawtransaction", params)
        .await;
    if let (Err(RpcError::Refused { code: -1, .. }), Some(block)) = (&found, request.block) {
        // What is pruned or not known is told by the block itself, in plain words.
        raw_block(rpc, block).await?;
    }
    let found = found.map_err(|error| {
        error.or_missing(|| match request.block {
            Some(block) => format!("block {block} has no transaction {txid}"),
            None => format!("the best chain has no transaction {txid}, as far as Bitcoin Core can look without txindex"),
        })
    })?;
    Ok(t::TransactionInfo {
        txid,
        raw: found.hex,
        block: found.blockhash.or(request.block),
    })
}

#[async_trait]
impl ReadNode for CoreNode {
    fn backend(&self) -> &'static str {
        "core"
    }

    fn state(&self) -> NodeState {
        self.shared.state.borrow().clone()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.subscribe()
    }

    async fn info(&self) -> Result<t::NetworkInfo, NodeError> {
        let rpc = self.ready()?;
        let network: NetworkInfo = rpc.call("getnetworkinfo", json!([])).await?;
        let chain = &self.shared.settings.chain;
        let signet_challenge = if chain == "signet" {
            let info: ChainInfo = rpc.call("getblockchaininfo", json!([])).await?;
            info.signet_challenge
        } else {
            None
        };
        Ok(t::NetworkInfo {
            chain: chain.clone(),
            backend: "core".to_owned(),
            version: network.subversion,
            genesis: chain::hash_at(rpc, 0).await?,
            unsupported: UNSUPPORTED.iter().map(ToString::to_string).collect(),
            peers: network.connections,
            p2p_address: None,
            signet_challenge,
        })
    }

    async fn tip(&self) -> Result<t::Tip, NodeError> {
        let rpc = self.ready()?;
        let info: ChainInfo = rpc.call("getblockchaininfo", json!([])).await?;
        let header = chain::header(rpc, info.bestblockhash).await?;
        Ok(t::Tip {
            hash: header.hash,
            height: header.height,
            time: header.time,
            median_time: header.mediantime,
            header: t::Hex(header.bytes()?),
        })
    }

    async fn header(&self, block: t::BlockRef) -> Result<t::HeaderInfo, NodeError> {
        let rpc = self.ready()?;
        let hash = match (block.hash, block.height) {
            (Some(hash), None) => hash,
            (None, Some(height)) => chain::hash_at(rpc, height).await?,
            _ => {
                return Err(NodeError::Invalid {
                    code: "params".to_owned(),
                    message: "give either `hash` or `height`".to_owned(),
                });
            }
        };
        Ok(chain::header(rpc, hash).await?.info()?)
    }

    async fn headers(&self, request: t::HeadersRequest) -> Result<t::Headers, NodeError> {
        let headers = chain::headers(self.ready()?, request).await?;
        Ok(t::Headers { headers })
    }

    async fn block(&self, hash: t::BlockHash) -> Result<Bytes, NodeError> {
        Ok(raw_block(self.ready()?, hash).await?.0.into())
    }

    async fn block_hash_at(&self, height: u32) -> Result<t::BlockHash, NodeError> {
        chain::hash_at(self.ready()?, height).await
    }

    async fn spent_outputs(&self, hash: t::BlockHash) -> Result<t::SpentOutputs, NodeError> {
        let transactions = spent(self.ready()?, hash).await?;
        Ok(t::SpentOutputs {
            transactions,
            continues: false,
            next: None,
        })
    }

    async fn verify_script(
        &self,
        _: t::VerifyScriptRequest,
    ) -> Result<t::ScriptVerdict, NodeError> {
        let text = "`chain.verify_script`: Bitcoin Core's RPC has no method for it";
        Err(NodeError::Unsupported(text.to_owned()))
    }

    async fn chain_since(
        &self,
        known: Vec<(u32, t::BlockHash)>,
        max: u32,
    ) -> Result<Vec<ChainStep>, NodeError> {
        chain::since(self.ready()?, known, max).await
    }

    async fn block_place(&self, hash: t::BlockHash) -> Result<BlockPlace, NodeError> {
        let header = chain::header(self.ready()?, hash).await?;
        let work = header.chainwork.0.as_slice().try_into();
        Ok(BlockPlace {
            chain_work: work.map_err(|_| NodeError::Internal("`chainwork` is no work".into()))?,
            median_time: header.mediantime,
            transactions: header.transactions,
        })
    }

    async fn filter(&self, hash: t::BlockHash) -> Result<t::BlockFilter, NodeError> {
        let rpc = self.ready()?;
        let filter = match rpc.call::<Filter>("getblockfilter", json!([hash])).await {
            Ok(found) => found.filter,
            Err(RpcError::Refused { code: -1, .. }) => worked_out_filter(rpc, hash).await?,
            Err(error) => return Err(no_block(hash)(error)),
        };
        Ok(t::BlockFilter { hash, filter })
    }

    async fn transaction(
        &self,
        request: t::TransactionRequest,
    ) -> Result<t::TransactionInfo, NodeError> {
        transaction(self.ready()?, &request).await
    }

    async fn utxo(&self, request: t::UtxoRequest) -> Result<t::Utxo, NodeError> {
        let rpc = self.ready()?;
        let params = json!([request.txid, request.vout, request.include_mempool]);
        let found: Option<TxOut> = rpc.call("gettxout", params).await?;
        let Some(found) = found else {
            let tip = rpc.call("getbestblockhash", json!([])).await?;
            return Ok(t::Utxo { coin: None, tip });
        };
        let tip = chain::header(rpc, found.bestblock).await?;
        let coin = t::Coin {
            value_sat: satoshi(found.value)?,
            script_pubkey: found.script.hex,
            height: (tip.height + 1).saturating_sub(found.confirmations),
            coinbase: found.coinbase,
        };
        Ok(t::Utxo {
            coin: Some(coin),
            tip: found.bestblock,
        })
    }

    async fn mempool_info(&self) -> Result<t::MempoolInfo, NodeError> {
        mempool::info(self.ready()?).await
    }

    async fn mempool_list(&self, page: t::PageRequest) -> Result<t::TxidPage, NodeError> {
        mempool::list(self.ready()?, &self.shared.listing, page).await
    }

    async fn mempool_transaction(
        &self,
        request: t::TransactionRequest,
    ) -> Result<t::TransactionInfo, NodeError> {
        let txid = request.txid;
        let wanted = t::TransactionRequest { txid, block: None };
        match transaction(self.ready()?, &wanted).await {
            Ok(found) if found.block.is_none() => Ok(found),
            Ok(_) | Err(NodeError::NotFound(_)) => Err(mempool::not_there(txid)),
            Err(error) => Err(error),
        }
    }

    async fn chain_status(&self) -> Result<ChainStatus, NodeError> {
        let info: ChainInfo = self.ready()?.call("getblockchaininfo", json!([])).await?;
        Ok(info.status())
    }

    async fn mempool_status(&self) -> Result<MempoolStatus, NodeError> {
        let info: MempoolInfo = self.ready()?.call("getmempoolinfo", json!([])).await?;
        Ok(MempoolStatus {
            usage: info.usage,
            max_usage: info.maxmempool,
            fees_sat: satoshi(info.total_fee)?,
            min_relay_sat_per_kvb: satoshi(info.minrelaytxfee)?,
            incremental_sat_per_kvb: satoshi(info.incrementalrelayfee)?,
        })
    }

    async fn mempool_entry(&self, txid: t::Txid) -> Result<MempoolEntry, NodeError> {
        mempool::entry(self.ready()?, txid).await
    }

    async fn test_accept(&self, transactions: t::Transactions) -> Result<t::Acceptance, NodeError> {
        mempool::test_accept(self.ready()?, &transactions).await
    }

    async fn fee(&self, request: t::FeeRequest) -> Result<t::FeeEstimate, NodeError> {
        mempool::fee(self.ready()?, request).await
    }

    async fn peers(&self) -> Result<t::Peers, NodeError> {
        let peers: Vec<Peer> = self.ready()?.call("getpeerinfo", json!([])).await?;
        let peers = peers.into_iter().map(|peer| t::Peer {
            address: peer.addr,
            inbound: peer.inbound,
            user_agent: peer.subver,
            height: u32::try_from(peer.startingheight).unwrap_or(0),
            services: u64::from_str_radix(&peer.services, 16).unwrap_or(0),
            protocol: peer.version,
            since: peer.conntime,
            sent_bytes: peer.bytessent,
            received_bytes: peer.bytesrecv,
            last_sent: peer.lastsend,
            last_received: peer.lastrecv,
        });
        Ok(t::Peers {
            peers: peers.collect(),
        })
    }
}

/// The hash of a raw block.
pub(super) fn hash_of(raw: &[u8]) -> Option<t::BlockHash> {
    let header: bitcoin::block::Header = deserialize(raw.get(..80)?).ok()?;
    Some(t::BlockHash(header.block_hash().to_byte_array()))
}
