//! Methods about transactions and fees.

use bitcoin::consensus::encode::deserialize;
use bitcoin::constants::genesis_block;
use bitcoin::{OutPoint, Transaction, hashes::Hash as _};
use bllvm_ipc::types::{
    Coin, FeeRequest, Hex, PageRequest, TransactionInfo, TransactionRequest, Txid, UtxoRequest,
};
use serde_json::{Map, Value, json};

use super::Face;
use super::chain::{around, known_block, spent};
use super::error::{INTERNAL, NOT_FOUND, Outcome, PARAMETER, Refusal, missing, no_mempool};
use super::params::Args;
use super::render::{self, bitcoins};
use crate::api::auth::Caller;
use crate::node::{MempoolEntry, MempoolStatus, NodeError};

/// Ids that one page of the mempool has.
const PAGE: u32 = 1000;
/// Blocks that a fee estimate may look ahead.
const MAX_TARGET: i32 = 1008;

pub(super) async fn info(face: &Face, _: &Caller, _: Args) -> Outcome {
    let info = face.node().mempool_info().await.map_err(no_mempool)?;
    let mut shown = json!({
        "loaded": true,
        "size": info.transactions,
        "bytes": info.vsize,
        "mempoolminfee": bitcoins(info.min_fee_sat_per_kvb),
    });
    // What a base node does not tell is left out.
    if let Some(status) = status(face).await? {
        shown["usage"] = json!(status.usage);
        shown["maxmempool"] = json!(status.max_usage);
        shown["total_fee"] = bitcoins(status.fees_sat);
        shown["minrelaytxfee"] = bitcoins(status.min_relay_sat_per_kvb);
        shown["incrementalrelayfee"] = bitcoins(status.incremental_sat_per_kvb);
        shown["fullrbf"] = json!(true);
        // Not followed, as in the entries.
        shown["unbroadcastcount"] = json!(0);
    }
    Ok(shown)
}

/// The mempool's memory and limits, where the base node tells them.
pub(super) async fn status(face: &Face) -> Outcome<Option<MempoolStatus>> {
    match face.node().mempool_status().await {
        Ok(status) => Ok(Some(status)),
        Err(NodeError::Unsupported(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn list(face: &Face, _: &Caller, args: Args) -> Outcome {
    let verbose = args.flag(0, false);
    if args.flag(1, false) {
        let text = if verbose {
            "Verbose results cannot contain mempool sequence values."
        } else {
            "this node numbers no changes of its mempool; leave `mempool_sequence` out"
        };
        return Err(Refusal::new(PARAMETER, text));
    }
    let ids = all_ids(face).await?;
    if !verbose {
        return Ok(json!(ids));
    }
    let mut entries = Map::new();
    for id in ids {
        match face.node().mempool_entry(id).await {
            Ok(entry) => drop(entries.insert(id.to_string(), entry_json(&entry))),
            // It left meanwhile.
            Err(NodeError::NotFound(_)) => {}
            Err(error) => return Err(no_mempool(error)),
        }
    }
    Ok(Value::Object(entries))
}

pub(super) async fn all_ids(face: &Face) -> Outcome<Vec<Txid>> {
    let (mut ids, mut cursor) = (Vec::new(), None);
    loop {
        let request = PageRequest {
            cursor,
            limit: Some(PAGE),
        };
        let page = face
            .node()
            .mempool_list(request)
            .await
            .map_err(no_mempool)?;
        ids.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            return Ok(ids);
        }
    }
}

pub(super) async fn entry(face: &Face, _: &Caller, args: Args) -> Outcome {
    let txid = args.txid(0, "parameter 1")?;
    match face.node().mempool_entry(txid).await {
        Ok(entry) => Ok(entry_json(&entry)),
        Err(NodeError::NotFound(_)) => Err(Refusal::new(NOT_FOUND, "Transaction not in mempool")),
        Err(error) => Err(no_mempool(error)),
    }
}

fn entry_json(entry: &MempoolEntry) -> Value {
    json!({
        "vsize": entry.vsize,
        "weight": entry.weight,
        "time": entry.time,
        "height": entry.height,
        "descendantcount": entry.descendants.count,
        "descendantsize": entry.descendants.vsize,
        "ancestorcount": entry.ancestors.count,
        "ancestorsize": entry.ancestors.vsize,
        "wtxid": entry.wtxid,
        "fees": {
            "base": bitcoins(entry.fee_sat),
            "modified": bitcoins(entry.fee_sat),
            "ancestor": bitcoins(entry.ancestors.fees_sat),
            "descendant": bitcoins(entry.descendants.fees_sat),
        },
        "depends": entry.depends,
        "spentby": entry.spent_by,
        "bip125-replaceable": entry.replaceable,
        "unbroadcast": false,
    })
}

pub(super) async fn raw_transaction(face: &Face, _: &Caller, args: Args) -> Outcome {
    let txid = args.txid(0, "parameter 1")?;
    let level = args.level(1, 0)?;
    let block = match args.value(2) {
        None => None,
        Some(_) => Some(args.block_hash(2, "parameter 3")?),
    };
    // A base node that is away is told of below.
    if let Ok(network) = face.network().await
        && txid.0 == genesis_block(network).header.merkle_root.to_byte_array()
    {
        let text = "The genesis block coinbase is not considered an ordinary transaction and cannot be retrieved";
        return Err(Refusal::new(NOT_FOUND, text));
    }
    if let Some(hash) = block {
        known_block(face, hash, "Block hash not found").await?;
    }
    let found = find_transaction(face, txid, block).await?;
    if level <= 0 {
        return Ok(json!(found.raw));
    }
    transaction_json(face, &found, level, block.is_some()).await
}

/// A transaction with its place, as JSON.
pub(super) async fn transaction_json(
    face: &Face,
    found: &TransactionInfo,
    level: i32,
    named_block: bool,
) -> Outcome {
    let tx: Transaction = deserialize(&found.raw.0)
        .map_err(|error| NodeError::Internal(format!("{} cannot be read: {error}", found.txid)))?;
    let spent = match (level, found.block) {
        (2.., None) => coins_of(face, &tx).await?,
        (2.., Some(hash)) => spent_in_block(face, hash, found.txid).await?,
        _ => None,
    };
    let network = face.network().await?;
    let mut shown = render::transaction(&tx, spent.as_deref(), level >= 2, network);
    if let Some(hash) = found.block {
        let info = known_block(face, hash, "Block hash not found").await?;
        let around = around(face, &info).await?;
        shown.insert("blockhash".to_owned(), json!(hash));
        if info.in_best_chain {
            shown.insert("confirmations".to_owned(), json!(around.confirmations));
            shown.insert("time".to_owned(), json!(info.time));
            shown.insert("blocktime".to_owned(), json!(info.time));
        } else {
            shown.insert("confirmations".to_owned(), json!(0));
        }
        if named_block {
            shown.insert("in_active_chain".to_owned(), json!(info.in_best_chain));
        }
    }
    Ok(Value::Object(shown))
}

/// A transaction: unconfirmed, then in the chain.
pub(super) async fn find_transaction(
    face: &Face,
    txid: Txid,
    block: Option<bllvm_ipc::types::BlockHash>,
) -> Outcome<TransactionInfo> {
    let request = TransactionRequest { txid, block };
    if block.is_none() {
        match face.node().mempool_transaction(request.clone()).await {
            Ok(found) => return Ok(found),
            Err(NodeError::NotFound(_) | NodeError::Unsupported(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let words = match block {
        Some(_) => {
            "No such transaction found in the provided block. Use gettransaction for wallet transactions."
        }
        None => {
            "No such mempool or blockchain transaction. Use gettransaction for wallet transactions."
        }
    };
    match face.node().transaction(request).await {
        Err(NodeError::Unsupported(_)) if block.is_none() => Err(Refusal::new(
            NOT_FOUND,
            "No such mempool transaction. Use -txindex or provide a block hash to enable blockchain transaction queries. Use gettransaction for wallet transactions.",
        )),
        found => found.map_err(missing(words)),
    }
}

async fn spent_in_block(
    face: &Face,
    hash: bllvm_ipc::types::BlockHash,
    txid: Txid,
) -> Outcome<Option<Vec<Coin>>> {
    let raw = face.node().block(hash).await?;
    let block: bitcoin::Block = deserialize(&raw)
        .map_err(|error| NodeError::Internal(format!("block {hash} cannot be read: {error}")))?;
    let at = block.txdata.iter().position(|tx| id(tx) == txid);
    let Some(at) = at.and_then(|at| at.checked_sub(1)) else {
        return Ok(None);
    };
    let spent = spent(face, hash).await?;
    Ok(spent.and_then(|spent| spent.into_iter().nth(at)))
}

fn id(tx: &Transaction) -> Txid {
    Txid(tx.compute_txid().to_byte_array())
}

/// The unspent outputs that a transaction spends; none where one of them is not there.
pub(super) async fn coins_of(face: &Face, tx: &Transaction) -> Outcome<Option<Vec<Coin>>> {
    let mut coins = Vec::new();
    for input in &tx.input {
        let Some(coin) = coin_of(face, &input.previous_output).await? else {
            return Ok(None);
        };
        coins.push(coin);
    }
    Ok(Some(coins))
}

/// An output, whether or not an unconfirmed transaction spends it.
pub(super) async fn coin_of(face: &Face, outpoint: &OutPoint) -> Outcome<Option<Coin>> {
    let txid = Txid(outpoint.txid.to_byte_array());
    let request = TransactionRequest { txid, block: None };
    let made = match face.node().mempool_transaction(request).await {
        Ok(found) => deserialize::<Transaction>(&found.raw.0).ok(),
        Err(NodeError::NotFound(_) | NodeError::Unsupported(_)) => None,
        Err(error) => return Err(error.into()),
    };
    if let Some(output) = made.and_then(|made| made.output.get(outpoint.vout as usize).cloned()) {
        return Ok(Some(Coin {
            value_sat: output.value.to_sat(),
            script_pubkey: Hex(output.script_pubkey.into_bytes()),
            height: face.node().tip().await?.height + 1,
            coinbase: false,
        }));
    }
    let request = UtxoRequest {
        txid,
        vout: outpoint.vout,
        include_mempool: false,
    };
    Ok(face.node().utxo(request).await?.coin)
}

pub(super) async fn smart_fee(face: &Face, _: &Caller, args: Args) -> Outcome {
    let target: i32 = args.number(0)?.unwrap_or_default();
    let blocks = match u16::try_from(target) {
        Ok(blocks) if (1..=MAX_TARGET).contains(&target) => blocks,
        _ => {
            let text = format!("Invalid conf_target, must be between 1 and {MAX_TARGET}");
            return Err(Refusal::new(PARAMETER, text));
        }
    };
    let mode = args.text(1).to_ascii_lowercase();
    if args.value(1).is_some() && !["unset", "economical", "conservative"].contains(&&*mode) {
        let text = "Invalid estimate_mode parameter, must be one of: \"unset\", \"economical\", \"conservative\"";
        return Err(Refusal::new(PARAMETER, text));
    }
    let request = FeeRequest {
        target_blocks: blocks,
    };
    let estimate = face.node().fee(request).await;
    let estimate = estimate.map_err(|error| match error {
        NodeError::Unsupported(_) => Refusal::new(INTERNAL, "Fee estimation disabled"),
        other => other.into(),
    })?;
    Ok(match estimate.sat_per_kvb {
        Some(rate) => json!({ "feerate": bitcoins(rate), "blocks": blocks }),
        None => json!({ "errors": ["Insufficient data or no feerate found"], "blocks": blocks }),
    })
}
