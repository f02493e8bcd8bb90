//! Methods about blocks and unspent outputs.

use bitcoin::consensus::encode::deserialize;
use bitcoin::hex::DisplayHex as _;
use bllvm_ipc::types::{BlockHash, BlockRef, Coin, HeaderInfo, Tip, UtxoRequest};
use serde_json::{Map, Value, json};

use super::Face;
use super::error::{MISC, NOT_FOUND, Outcome, PARAMETER, Refusal, missing};
use super::params::Args;
use super::render::{self, Around, Detail};
use super::script;
use crate::api::auth::Caller;
use crate::node::{ChainStatus, NodeError};

/// A block whose time is older than this is far from the present.
const FRESH_SECONDS: i64 = 24 * 60 * 60;

pub(super) async fn best_block_hash(face: &Face, _: &Caller, _: Args) -> Outcome {
    Ok(json!(face.node().tip().await?.hash))
}

pub(super) async fn block_count(face: &Face, _: &Caller, _: Args) -> Outcome {
    Ok(json!(face.node().tip().await?.height))
}

pub(super) async fn info(face: &Face, _: &Caller, _: Args) -> Outcome {
    let info = face.node().info().await?;
    let tip = face.node().tip().await?;
    let header = header_of(face, tip.hash).await?;
    let place = face.places().of(&header).await?;
    let bits = render::parse_header(&header)?.bits;
    let status = match face.node().chain_status().await {
        Ok(status) => status,
        Err(NodeError::Unsupported(_)) => status_of(&tip, face.now_seconds()),
        Err(error) => return Err(error.into()),
    };
    let mut shown = json!({
        "chain": info.chain,
        "blocks": tip.height,
        "headers": status.headers.max(tip.height),
        "bestblockhash": tip.hash,
        "bits": format!("{:08x}", bits.to_consensus()),
        "target": render::target(bits),
        "difficulty": render::difficulty(bits),
        "time": tip.time,
        "mediantime": tip.median_time,
        "verificationprogress": status.progress,
        "initialblockdownload": status.syncing,
        "chainwork": place.chain_work.to_lower_hex_string(),
        "size_on_disk": status.size_on_disk,
        "pruned": status.pruned_below.is_some(),
        "warnings": status.warnings,
    });
    if let Some(challenge) = &info.signet_challenge {
        shown["signet_challenge"] = json!(challenge);
    }
    if let Some(lowest) = status.pruned_below {
        shown["pruneheight"] = json!(lowest);
    }
    Ok(shown)
}

/// What the tip alone says, of a base node that says no more.
fn status_of(tip: &Tip, now: i64) -> ChainStatus {
    ChainStatus {
        headers: tip.height,
        progress: 1.0,
        syncing: tip.height == 0 || now - i64::from(tip.time) > FRESH_SECONDS,
        size_on_disk: 0,
        pruned_below: None,
        warnings: Vec::new(),
    }
}

pub(super) async fn block_hash(face: &Face, _: &Caller, args: Args) -> Outcome {
    let height: i32 = args.number(0)?.unwrap_or(-1);
    Ok(json!(hash_at(face, height.into()).await?))
}

pub(super) async fn hash_at(face: &Face, height: i64) -> Outcome<BlockHash> {
    let outside = || Refusal::new(PARAMETER, "Block height out of range");
    let height = u32::try_from(height).map_err(|_| outside())?;
    match face.node().block_hash_at(height).await {
        Err(NodeError::NotFound(_)) => Err(outside()),
        found => Ok(found?),
    }
}

pub(super) async fn header_of(face: &Face, hash: BlockHash) -> Outcome<HeaderInfo> {
    let request = BlockRef {
        hash: Some(hash),
        height: None,
    };
    let found = face.node().header(request).await;
    found.map_err(missing("Block not found"))
}

pub(super) async fn block_header(face: &Face, _: &Caller, args: Args) -> Outcome {
    let info = header_of(face, args.block_hash(0, "hash")?).await?;
    if !args.flag(1, true) {
        return Ok(json!(info.header));
    }
    let around = around(face, &info).await?;
    Ok(Value::Object(render::header(&info, &around)?))
}

/// What surrounds a header now.
pub(super) async fn around(face: &Face, info: &HeaderInfo) -> Outcome<Around> {
    let place = face.places().of(info).await?;
    let mut around = Around {
        place,
        confirmations: -1,
        next: None,
    };
    if info.in_best_chain {
        let tip = face.node().tip().await?.height;
        around.confirmations = i64::from(tip) - i64::from(info.height) + 1;
        around.next = match face.node().block_hash_at(info.height + 1).await {
            Ok(hash) => Some(hash),
            Err(NodeError::NotFound(_)) => None,
            Err(error) => return Err(error.into()),
        };
    }
    Ok(around)
}

pub(super) async fn block(face: &Face, _: &Caller, args: Args) -> Outcome {
    let hash = args.block_hash(0, "blockhash")?;
    let level = args.level(1, 1)?;
    if level <= 0 {
        let raw = raw_block(face, hash).await?;
        return Ok(json!(raw.to_lower_hex_string()));
    }
    block_json(face, hash, level).await
}

/// A block's bytes.
pub(super) async fn raw_block(face: &Face, hash: BlockHash) -> Outcome<bytes::Bytes> {
    header_of(face, hash).await?;
    match face.node().block(hash).await {
        Err(NodeError::NotFound(_)) => Err(Refusal::new(
            MISC,
            "Block not available (not fully downloaded)",
        )),
        // A pruned block, told by the base node in its own words.
        Err(NodeError::Unsupported(why)) => Err(Refusal::new(MISC, why)),
        found => Ok(found?),
    }
}

/// A block as JSON: level 1 with ids, 2 with transactions, 3 with what they spend.
pub(super) async fn block_json(face: &Face, hash: BlockHash, level: i32) -> Outcome {
    let info = header_of(face, hash).await?;
    let raw = raw_block(face, hash).await?;
    let parsed: bitcoin::Block = deserialize(&raw)
        .map_err(|error| NodeError::Internal(format!("block {hash} cannot be read: {error}")))?;
    let around = around(face, &info).await?;
    let mut shown = render::header(&info, &around)?;
    let spent = if level >= 2 {
        spent(face, hash).await?
    } else {
        None
    };
    let detail = match level {
        1 => Detail::Ids,
        _ => Detail::Whole {
            spent: spent.as_deref(),
            prevouts: level >= 3,
        },
    };
    render::block(&mut shown, &parsed, detail, face.network().await?);
    Ok(Value::Object(shown))
}

/// What a block spent; none where the base node does not keep it for this block.
pub(super) async fn spent(face: &Face, hash: BlockHash) -> Outcome<Option<Vec<Vec<Coin>>>> {
    match face.node().spent_outputs(hash).await {
        Ok(spent) => Ok(Some(spent.transactions)),
        Err(NodeError::NotFound(_) | NodeError::Unsupported(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn tx_out(face: &Face, _: &Caller, args: Args) -> Outcome {
    let request = UtxoRequest {
        txid: args.txid(0, "txid")?,
        vout: args.number(1)?.unwrap_or_default(),
        include_mempool: args.flag(2, true),
    };
    let found = face.node().utxo(request).await?;
    let Some(coin) = found.coin else {
        return Ok(Value::Null);
    };
    let tip = header_of(face, found.tip).await?;
    let locking = bitcoin::Script::from_bytes(&coin.script_pubkey.0);
    let mut shown = Map::new();
    shown.insert("bestblock".to_owned(), json!(found.tip));
    // The coin of an unconfirmed transaction lies above the tip.
    let confirmations = (i64::from(tip.height) - i64::from(coin.height) + 1).max(0);
    shown.insert("confirmations".to_owned(), json!(confirmations));
    shown.insert("value".to_owned(), render::bitcoins(coin.value_sat));
    let locking = script::locking(locking, face.network().await?);
    shown.insert("scriptPubKey".to_owned(), locking);
    shown.insert("coinbase".to_owned(), json!(coin.coinbase));
    Ok(Value::Object(shown))
}

/// The block that a caller named, where it must be known under these words.
pub(super) async fn known_block(face: &Face, hash: BlockHash, words: &str) -> Outcome<HeaderInfo> {
    header_of(face, hash)
        .await
        .map_err(|refusal| match refusal.code {
            NOT_FOUND => Refusal::new(NOT_FOUND, words),
            _ => refusal,
        })
}
