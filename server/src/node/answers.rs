//! What the base node's process answers about its chain: the engine's nouns as those of the channel.

use bllvm_ipc::types as t;
use bllvm_kernel_node::bitcoin::consensus::encode::deserialize;
use bllvm_kernel_node::bitcoin::hashes::Hash as _;
use bllvm_kernel_node::bitcoin::{self, bip158};
use bllvm_kernel_node::{
    BlockId, ChainEvent, Engine, EngineError, HeaderInfo, SpentOutput, Verdict,
};

use super::{ChainStatus, ChainStep, EmbeddedChain, NodeError, unconfirmed, wire};

/// A tip that is older is far from the present.
const FRESH_SECONDS: u64 = 24 * 60 * 60;

pub(super) fn hash_in(hash: t::BlockHash) -> bitcoin::BlockHash {
    bitcoin::BlockHash::from_byte_array(hash.0)
}

pub(super) fn hash_out(hash: bitcoin::BlockHash) -> t::BlockHash {
    t::BlockHash(hash.to_byte_array())
}

pub(super) fn params(message: String) -> NodeError {
    NodeError::Invalid {
        code: "params".to_owned(),
        message,
    }
}

pub(super) fn fault(error: EngineError) -> NodeError {
    match error {
        EngineError::Closed => NodeError::Unavailable {
            why: error.to_string(),
            retry_ms: 500,
        },
        EngineError::UndecodableBlock { .. } | EngineError::ScriptCheck { .. } => {
            params(error.to_string())
        }
        EngineError::NeverConnected { .. } | EngineError::UnknownCursor => {
            NodeError::NotFound(error.to_string())
        }
        other => NodeError::Internal(other.to_string()),
    }
}

pub(super) fn no_block(hash: t::BlockHash) -> NodeError {
    NodeError::NotFound(format!("there is no block {hash}"))
}

pub(super) fn no_height(height: u32) -> NodeError {
    NodeError::NotFound(format!("the best chain has no block at height {height}"))
}

pub(super) fn tip(engine: &Engine) -> Result<t::Tip, NodeError> {
    let tip = engine.tip().map_err(fault)?;
    Ok(t::Tip {
        hash: hash_out(tip.hash),
        height: tip.height,
        time: tip.time,
        median_time: tip.median_time_past,
        header: t::Hex(tip.header.to_vec()),
    })
}

pub(super) fn header_out(found: &HeaderInfo) -> Result<t::HeaderInfo, NodeError> {
    let parsed: bitcoin::block::Header =
        deserialize(&found.header).map_err(|error| NodeError::Internal(error.to_string()))?;
    Ok(t::HeaderInfo {
        hash: hash_out(found.hash),
        prev: hash_out(parsed.prev_blockhash),
        height: found.height,
        time: parsed.time,
        in_best_chain: found.in_best_chain,
        header: t::Hex(found.header.to_vec()),
    })
}

pub(super) fn header(engine: &Engine, wanted: &t::BlockRef) -> Result<t::HeaderInfo, NodeError> {
    let (id, missing) = match (wanted.hash, wanted.height) {
        (Some(hash), None) => (BlockId::Hash(hash_in(hash)), no_block(hash)),
        (None, Some(height)) => (BlockId::Height(height), no_height(height)),
        _ => return Err(params("give either `hash` or `height`".to_owned())),
    };
    header_out(&engine.header(id).map_err(fault)?.ok_or(missing)?)
}

pub(super) fn headers(
    engine: &Engine,
    wanted: &t::HeadersRequest,
) -> Result<t::Headers, NodeError> {
    let locator: Vec<_> = wanted.locator.iter().copied().map(hash_in).collect();
    let found = engine
        .headers(&locator, wanted.max.min(2000))
        .map_err(fault)?;
    Ok(t::Headers {
        headers: found.iter().map(header_out).collect::<Result<_, _>>()?,
    })
}

pub(super) fn block(engine: &Engine, hash: t::BlockHash) -> Result<Vec<u8>, NodeError> {
    engine
        .block(&hash_in(hash))
        .map_err(fault)?
        .ok_or_else(|| no_block(hash))
}

pub(super) fn parsed_block(
    engine: &Engine,
    hash: t::BlockHash,
) -> Result<bitcoin::Block, NodeError> {
    deserialize(&block(engine, hash)?).map_err(|error| NodeError::Internal(error.to_string()))
}

pub(super) fn spent_of(
    engine: &Engine,
    hash: t::BlockHash,
) -> Result<Vec<Vec<SpentOutput>>, NodeError> {
    let all = engine.spent_outputs(&hash_in(hash)).map_err(fault)?;
    let all = all.ok_or_else(|| no_block(hash))?;
    // The engine lists the coinbase, too, which spends nothing.
    Ok(all.into_iter().skip(1).collect())
}

pub(super) fn spent(engine: &Engine, hash: t::BlockHash) -> Result<t::SpentOutputs, NodeError> {
    let coin = |spent: SpentOutput| t::Coin {
        value_sat: spent.value_sat,
        script_pubkey: t::Hex(spent.script_pubkey.into_bytes()),
        height: spent.height,
        coinbase: spent.coinbase,
    };
    let transactions = spent_of(engine, hash)?;
    let transactions = transactions
        .into_iter()
        .map(|inputs| inputs.into_iter().map(coin).collect());
    Ok(t::SpentOutputs {
        transactions: transactions.collect(),
        continues: false,
        next: None,
    })
}

pub(super) fn filter(engine: &Engine, hash: t::BlockHash) -> Result<t::BlockFilter, NodeError> {
    let block = parsed_block(engine, hash)?;
    let mut scripts = std::collections::HashMap::new();
    let spent = if block.txdata.len() > 1 {
        spent_of(engine, hash)?
    } else {
        Vec::new()
    };
    for (transaction, outputs) in block.txdata.iter().skip(1).zip(spent) {
        for (input, output) in transaction.input.iter().zip(outputs) {
            scripts.insert(input.previous_output, output.script_pubkey);
        }
    }
    let filter = bip158::BlockFilter::new_script_filter(&block, |outpoint| {
        scripts
            .get(outpoint)
            .cloned()
            .ok_or(bip158::Error::UtxoMissing(*outpoint))
    });
    let filter = filter.map_err(|error| NodeError::Internal(error.to_string()))?;
    Ok(t::BlockFilter {
        hash,
        filter: t::Hex(filter.content),
    })
}

pub(super) fn transaction(
    engine: &Engine,
    wanted: &t::TransactionRequest,
) -> Result<t::TransactionInfo, NodeError> {
    let Some(hash) = wanted.block else {
        if let Some(unconfirmed) = unconfirmed::find(engine, wanted.txid) {
            return Ok(unconfirmed);
        }
        let txid = bitcoin::Txid::from_byte_array(wanted.txid.0);
        let found = engine.transaction(&txid).map_err(fault)?;
        let (transaction, block) = found.ok_or_else(|| {
            NodeError::NotFound(format!(
                "neither mempool nor best chain have a transaction {}",
                wanted.txid
            ))
        })?;
        return Ok(t::TransactionInfo {
            txid: wanted.txid,
            raw: t::Hex(bitcoin::consensus::serialize(&transaction)),
            block: Some(hash_out(block)),
        });
    };
    let block = parsed_block(engine, hash)?;
    let found = block
        .txdata
        .iter()
        .find(|tx| tx.compute_txid().to_byte_array() == wanted.txid.0);
    let found = found.ok_or_else(|| {
        NodeError::NotFound(format!("block {hash} has no transaction {}", wanted.txid))
    })?;
    let raw = bitcoin::consensus::serialize(found);
    Ok(t::TransactionInfo {
        txid: wanted.txid,
        raw: t::Hex(raw),
        block: Some(hash),
    })
}

pub(super) fn utxo(engine: &Engine, wanted: &t::UtxoRequest) -> Result<t::Utxo, NodeError> {
    let outpoint = outpoint(wanted);
    if wanted.include_mempool
        && let Some(found) = unconfirmed::utxo(engine, &outpoint)?
    {
        return Ok(found);
    }
    confirmed(engine, &outpoint)
}

/// The same, or none where that has to wait for somebody.
pub(super) fn utxo_now(
    engine: &Engine,
    wanted: &t::UtxoRequest,
) -> Option<Result<t::Utxo, NodeError>> {
    let outpoint = outpoint(wanted);
    let unconfirmed = if wanted.include_mempool {
        unconfirmed::utxo_now(engine, &outpoint)?
    } else {
        Ok(None)
    };
    Some(unconfirmed.and_then(|found| match found {
        Some(found) => Ok(found),
        None => confirmed(engine, &outpoint),
    }))
}

fn outpoint(wanted: &t::UtxoRequest) -> bitcoin::OutPoint {
    bitcoin::OutPoint {
        txid: bitcoin::Txid::from_byte_array(wanted.txid.0),
        vout: wanted.vout,
    }
}

fn confirmed(engine: &Engine, outpoint: &bitcoin::OutPoint) -> Result<t::Utxo, NodeError> {
    let (coin, tip) = engine.coin(outpoint).map_err(fault)?;
    Ok(t::Utxo {
        coin: coin.map(|coin| t::Coin {
            value_sat: coin.output.value.to_sat(),
            script_pubkey: t::Hex(coin.output.script_pubkey.into_bytes()),
            height: coin.height,
            coinbase: coin.coinbase,
        }),
        tip: hash_out(tip),
    })
}

pub(super) fn verify(
    engine: &Engine,
    wanted: &t::VerifyScriptRequest,
) -> Result<t::ScriptVerdict, NodeError> {
    let spent: Vec<bitcoin::TxOut> = wanted
        .spent
        .iter()
        .map(|coin| bitcoin::TxOut {
            value: bitcoin::Amount::from_sat(coin.value_sat),
            script_pubkey: coin.script_pubkey.0.clone().into(),
        })
        .collect();
    let valid = engine
        .verify_script(&wanted.transaction.0, wanted.input, &spent)
        .map_err(fault)?;
    let reason = (!valid).then(|| "the script does not hold".to_owned());
    Ok(t::ScriptVerdict { valid, reason })
}

pub(super) fn info(
    engine: &Engine,
    chain: &EmbeddedChain,
    peers: u32,
    p2p_address: Option<String>,
) -> t::NetworkInfo {
    let info = engine.info();
    t::NetworkInfo {
        chain: chain.name().to_owned(),
        backend: "embedded".to_owned(),
        version: info.kernel.to_owned(),
        genesis: hash_out(info.genesis),
        unsupported: Vec::new(),
        peers,
        p2p_address,
        signet_challenge: chain.challenge().map(|script| t::Hex(script.to_bytes())),
    }
}

pub(super) fn submit(engine: &Engine, raw: &[u8]) -> Result<t::BlockVerdict, NodeError> {
    Ok(verdict(engine.submit_block(raw).map_err(fault)?))
}

/// Judges blocks until one is refused; what is no block at all is refused by its place.
pub(super) fn submit_all(
    engine: &Engine,
    blocks: &[t::Hex],
) -> Result<Vec<t::BlockVerdict>, NodeError> {
    if blocks.is_empty() {
        return Err(params("`blocks` is empty".to_owned()));
    }
    let blocks: Vec<&[u8]> = blocks.iter().map(|raw| raw.0.as_slice()).collect();
    let verdicts = engine.submit_blocks(&blocks).map_err(fault)?;
    Ok(verdicts.into_iter().map(verdict).collect())
}

/// Judges a block that is not to be taken.
pub(super) fn check(engine: &Engine, raw: &[u8]) -> Result<t::BlockVerdict, NodeError> {
    Ok(verdict(engine.check_block(raw).map_err(fault)?))
}

fn verdict(verdict: Verdict) -> t::BlockVerdict {
    let (accepted, new_tip, reason) = match verdict {
        Verdict::Accepted { tip_changed } => (true, tip_changed, None),
        Verdict::SideBranch => (true, false, Some("inconclusive".to_owned())),
        Verdict::Duplicate => (false, false, Some("duplicate".to_owned())),
        Verdict::Invalid { code, .. } => (false, false, Some(code)),
    };
    t::BlockVerdict {
        accepted,
        new_tip,
        reason,
    }
}

/// `offered` is the height of the best chain that a peer offers.
pub(super) fn chain_status(engine: &Engine, offered: u32) -> Result<ChainStatus, NodeError> {
    let tip = engine.tip().map_err(fault)?;
    let headers = engine.best_header_height().map_err(fault)?.max(offered);
    let now = engine.mempool(|_, now| now);
    let age = now.saturating_sub(tip.time.into());
    Ok(ChainStatus {
        headers,
        progress: (f64::from(tip.height) + 1.0) / (f64::from(headers) + 1.0),
        syncing: tip.height == 0 || age > FRESH_SECONDS,
        size_on_disk: engine.block_bytes().map_err(fault)?,
        pruned_below: None,
        // The host keeps them, and adds them.
        warnings: Vec::new(),
    })
}

pub(super) fn chain_since(
    engine: &Engine,
    wanted: wire::ChainSinceRequest,
) -> Result<Vec<ChainStep>, NodeError> {
    let mut known: Vec<_> = wanted
        .known
        .into_iter()
        .map(|(height, hash)| (height, hash_in(hash)))
        .collect();
    if known.is_empty() {
        known.push((0, engine.info().genesis));
    }
    let delta = engine.chain_since(&known, wanted.max).map_err(fault)?;
    let steps = delta.events.into_iter().map(|event| match event {
        ChainEvent::Connected {
            height,
            hash,
            prev,
            header,
            tx_count,
        } => {
            let time = u32::from_le_bytes([header[68], header[69], header[70], header[71]]);
            ChainStep::Connected {
                height,
                hash: hash_out(hash),
                prev: hash_out(prev),
                time,
                transactions: tx_count,
            }
        }
        ChainEvent::Disconnected { height, hash, prev } => ChainStep::Disconnected {
            height,
            hash: hash_out(hash),
            prev: hash_out(prev),
        },
    });
    Ok(steps.collect())
}
