//! Methods about blocks to be.

use bitcoin::consensus::encode::{deserialize, serialize_hex};
use bitcoin::hashes::{Hash as _, HashEngine as _, sha256d};
use bitcoin::{Block, CompactTarget, Transaction};
use bllvm_ipc::types::{BlockRef, BlockVerdict, Template, TemplateRequest};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::Face;
use super::error::{
    DESERIALIZATION, MISC, NOT_FOUND, Outcome, PARAMETER, REJECTED, Refusal, TYPE, no_mempool,
};
use super::params::{self, Args};
use super::{render, script};
use crate::api::auth::Caller;
use crate::control::ControlError;
use crate::model::OperationStatus;
use crate::node::NodeError;
use crate::store::commands::actions;

/// Weight that Bitcoin Core keeps free for the coinbase.
const COINBASE_WEIGHT: u32 = 8000;
/// Blocks that one request may ask for.
const MAX_BLOCKS: i32 = 1000;

pub(super) async fn generate(face: &Face, caller: &Caller, args: Args) -> Outcome {
    let count = args.number(0)?.unwrap_or_default();
    let tries: Option<i32> = args.number(2)?;
    let address = params::address(args.text(1), face.network().await?)?;
    mine(face, caller, blocks(count, tries == Some(0)), Some(address)).await
}

/// Of descriptors, those that this node can pay: an address, and the script that anyone can spend.
pub(super) async fn generate_to_descriptor(face: &Face, caller: &Caller, args: Args) -> Outcome {
    let count = args.number(0)?.unwrap_or_default();
    let tries: Option<u64> = args.number(2)?;
    let text = args.text(1);
    let bare = match text.split_once('#') {
        Some((bare, sum)) if sum == script::checksum(bare) => bare,
        Some((bare, sum)) => {
            let text = wrong_checksum(bare, sum);
            return Err(Refusal::new(NOT_FOUND, text));
        }
        None => text,
    };
    let inside = bare
        .strip_prefix("addr(")
        .and_then(|rest| rest.strip_suffix(')'));
    let address = match (bare, inside) {
        ("raw(51)", _) => None,
        (_, Some(address)) => Some(params::address(address, face.network().await?)?),
        _ => {
            let text = "this node pays the descriptors `raw(51)` and `addr(...)` only";
            return Err(Refusal::new(NOT_FOUND, text));
        }
    };
    mine(face, caller, blocks(count, tries == Some(0)), address).await
}

/// What Bitcoin Core says of a checksum that does not fit.
fn wrong_checksum(bare: &str, sum: &str) -> String {
    if sum.contains('#') {
        return "Multiple '#' symbols".to_owned();
    }
    let count = sum.chars().count();
    if count != 8 {
        return format!("Expected 8 character checksum, not {count} characters");
    }
    let computed = script::checksum(bare);
    format!("Provided checksum '{sum}' does not match computed checksum '{computed}'")
}

/// How many blocks are mined. On regtest a block takes two tries or so: only who allows none gets
/// none.
fn blocks(asked: i32, without_a_try: bool) -> i32 {
    if without_a_try { 0 } else { asked.max(0) }
}

async fn mine(face: &Face, caller: &Caller, count: i32, address: Option<String>) -> Outcome {
    let chain = face.node().info().await?.chain;
    if chain != "regtest" {
        let text = format!("blocks are mined at once on regtest only; this is {chain}");
        return Err(Refusal::new(MISC, text));
    }
    if count == 0 {
        return Ok(json!([]));
    }
    let wrong = || {
        let text = format!("the number of blocks is {count}: ask for at most {MAX_BLOCKS}");
        Refusal::new(PARAMETER, text)
    };
    let blocks = u32::try_from(count)
        .ok()
        .filter(|_| count <= MAX_BLOCKS)
        .ok_or_else(wrong)?;
    let control = face.control();
    let operation = control.mine(blocks, address, &caller.actor()).await;
    let operation = operation.map_err(|error| control_refusal(&error))?;
    let done = face.operation_ended(operation.id).await?;
    match (done.status, done.failure) {
        (OperationStatus::Succeeded, _) => Ok(done.result["hashes"].clone()),
        (_, Some(failure)) => Err(Refusal::new(MISC, failure.detail)),
        (_, None) => Err(Refusal::new(MISC, "the blocks were not mined")),
    }
}

fn control_refusal(error: &ControlError) -> Refusal {
    Refusal::new(MISC, error.to_string())
}

pub(super) async fn submit_block(face: &Face, caller: &Caller, args: Args) -> Outcome {
    face.pace().check(caller)?;
    let raw = block_bytes(args.text(0))?;
    let hash = raw.get(..80).map(sha256d::Hash::hash);
    let submitted = face.submit().submit_block(raw.into()).await;
    let outcome = match &submitted {
        Ok(verdict) if verdict.accepted => Ok(verdict.reason.clone().unwrap_or_default()),
        Ok(verdict) => Err(verdict.reason.clone().unwrap_or_default()),
        Err(error) => Err(error.to_string()),
    };
    let target = hash.map_or_else(|| "block".to_owned(), |hash| format!("block {hash}"));
    let control = face.control();
    control
        .record_submission(actions::SUBMIT_BLOCK, target, outcome, &caller.actor())
        .await;
    Ok(verdict_json(submitted?))
}

/// Null for a block that is the tip now; else the reason, as BIP22 has it.
fn verdict_json(verdict: BlockVerdict) -> Value {
    match verdict.reason {
        None if verdict.accepted => Value::Null,
        None => json!("rejected"),
        Some(reason) => json!(reason),
    }
}

fn block_bytes(text: &str) -> Outcome<Vec<u8>> {
    let refuse = || Refusal::new(DESERIALIZATION, "Block decode failed");
    let raw = hex::decode(text).map_err(|_| refuse())?;
    let block: Block = deserialize(&raw).map_err(|_| refuse())?;
    if !block.txdata.first().is_some_and(Transaction::is_coinbase) {
        let text = "Block does not start with a coinbase";
        return Err(Refusal::new(DESERIALIZATION, text));
    }
    Ok(raw)
}

pub(super) async fn block_template(face: &Face, _: &Caller, args: Args) -> Outcome {
    let empty = json!({});
    let request = args.value(0).unwrap_or(&empty);
    match request.get("mode") {
        None | Some(Value::Null) => {}
        Some(Value::String(mode)) if mode == "template" => {}
        Some(Value::String(mode)) if mode == "proposal" => return propose(face, request).await,
        Some(_) => return Err(Refusal::new(PARAMETER, "Invalid mode")),
    }
    let rules = request.get("rules").and_then(Value::as_array);
    let rules = rules.map_or(&[][..], Vec::as_slice).iter();
    let rules: Vec<&str> = rules.map(params::text_of).collect::<Outcome<_>>()?;
    let longpoll_id = match request.get("longpollid") {
        None | Some(Value::Null) => None,
        Some(Value::String(id)) => Some(longpoll_id(id)?),
        Some(_) => return Err(Refusal::new(TYPE, "Wrong type passed: `longpollid`")),
    };
    let knows = |rule: &str| rules.contains(&rule);
    let info = face.node().info().await?;
    let signet = info.chain == "signet";
    if signet && !knows("signet") {
        let text = "getblocktemplate must be called with the signet rule set (call with {\"rules\": [\"segwit\", \"signet\"]})";
        return Err(Refusal::new(PARAMETER, text));
    }
    if !knows("segwit") {
        let text = "getblocktemplate must be called with the segwit rule set (call with {\"rules\": [\"segwit\"]})";
        return Err(Refusal::new(PARAMETER, text));
    }
    let _waits = match &longpoll_id {
        None => None,
        Some(_) => Some(face.0.longpolls.try_acquire().map_err(|_| {
            let text = "too many longpolls wait already; ask without `longpollid`, or again later";
            Refusal::new(MISC, text)
        })?),
    };
    let wanted = TemplateRequest {
        coinbase_weight: COINBASE_WEIGHT,
        longpoll_id,
    };
    let template = face.submit().template(wanted).await.map_err(no_mempool)?;
    let mut shown = template_json(&template, face.now_seconds(), signet)?;
    if let Some(challenge) = info.signet_challenge {
        shown["signet_challenge"] = json!(challenge);
    }
    Ok(shown)
}

/// A longpoll's id, which begins with a block's hash.
fn longpoll_id(id: &str) -> Outcome<String> {
    let hash: String = id.chars().take(64).collect();
    params::hash::<bllvm_ipc::types::BlockHash>(&hash, "longpollid", PARAMETER)?;
    Ok(id.to_owned())
}

fn template_json(template: &Template, now: i64, signet: bool) -> Outcome {
    let mut transactions = Vec::new();
    for (at, raw) in template.transactions.iter().enumerate() {
        let tx: Transaction = deserialize(&raw.0).map_err(|error| {
            NodeError::Internal(format!("transaction {at} of the template: {error}"))
        })?;
        transactions.push(tx);
    }
    let ids: Vec<_> = transactions.iter().map(Transaction::compute_txid).collect();
    let at_of: std::collections::HashMap<_, _> = ids
        .iter()
        .enumerate()
        .map(|(at, id)| (*id, at + 1))
        .collect();
    let mut shown = Vec::new();
    for (at, tx) in transactions.iter().enumerate() {
        let depends: std::collections::BTreeSet<usize> = tx
            .input
            .iter()
            .filter_map(|input| at_of.get(&input.previous_output.txid).copied())
            .collect();
        let mut one = json!({
            "data": serialize_hex(tx),
            "txid": ids[at],
            "hash": tx.compute_wtxid(),
            "depends": depends,
            "weight": tx.weight().to_wu(),
        });
        // BIP22: what is not known is left out.
        if let Some(fee) = template.fees_sat.get(at) {
            one["fee"] = json!(fee);
        }
        if let Some(cost) = template.sigop_costs.get(at) {
            one["sigops"] = json!(cost);
        }
        shown.push(one);
    }
    let bits = CompactTarget::from_consensus(template.bits);
    let rules: &[&str] = if signet {
        &["csv", "!segwit", "!signet", "taproot"]
    } else {
        &["csv", "!segwit", "taproot"]
    };
    Ok(json!({
        "capabilities": ["proposal"],
        "version": 0x2000_0000,
        "rules": rules,
        "vbavailable": {},
        "vbrequired": 0,
        "previousblockhash": template.prev,
        "transactions": shown,
        "coinbaseaux": {},
        "coinbasevalue": template.coinbase_value_sat,
        "longpollid": template.longpoll_id,
        "target": render::target(bits),
        "mintime": template.min_time,
        "mutable": ["time", "transactions", "prevblock"],
        "noncerange": "00000000ffffffff",
        "sigoplimit": 80_000,
        "sizelimit": 4_000_000,
        "weightlimit": 4_000_000,
        "curtime": now.max(i64::from(template.min_time)),
        "bits": format!("{:08x}", template.bits),
        "height": template.height,
        "default_witness_commitment": witness_commitment(&transactions),
    }))
}

/// The coinbase's output that commits to the witnesses (BIP141), with 32 zeros as its reserved value.
fn witness_commitment(transactions: &[Transaction]) -> String {
    let mut level: Vec<[u8; 32]> = vec![[0; 32]];
    level.extend(
        transactions
            .iter()
            .map(|tx| tx.compute_wtxid().to_byte_array()),
    );
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| double_hash(&pair[0], pair.last().unwrap_or(&pair[0])))
            .collect();
    }
    format!(
        "6a24aa21a9ed{}",
        hex::encode(double_hash(&level[0], &[0; 32]))
    )
}

fn double_hash(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let mut engine = sha256d::Hash::engine();
    engine.input(left);
    engine.input(right);
    sha256d::Hash::from_engine(engine).to_byte_array()
}

/// Whether a block would be accepted, its proof of work apart (BIP23).
async fn propose(face: &Face, request: &Value) -> Outcome {
    let Some(data) = request.get("data").and_then(Value::as_str) else {
        return Err(Refusal::new(TYPE, "Missing data String key for proposal"));
    };
    let refuse = || Refusal::new(DESERIALIZATION, "Block decode failed");
    let raw = hex::decode(data).map_err(|_| refuse())?;
    let block: Block = deserialize(&raw).map_err(|_| refuse())?;
    let hash = bllvm_ipc::types::BlockHash(block.block_hash().to_byte_array());
    let known = BlockRef {
        hash: Some(hash),
        height: None,
    };
    match face.node().header(known).await {
        Ok(known) if known.in_best_chain => return Ok(json!("duplicate")),
        Ok(_) | Err(NodeError::NotFound(_)) => {}
        Err(error) => return Err(error.into()),
    }
    if face.node().tip().await?.hash.0 != block.header.prev_blockhash.to_byte_array() {
        return Ok(json!("inconclusive-not-best-prevblk"));
    }
    match face.submit().check_block(raw.into()).await {
        Ok(verdict) => Ok(verdict_json(verdict)),
        Err(NodeError::Invalid { code, .. }) => Err(Refusal::new(REJECTED, code)),
        Err(error) => Err(error.into()),
    }
}

/// A longpoll ends with the node.
pub(super) async fn until_stop<T>(
    stop: &CancellationToken,
    work: impl Future<Output = Outcome<T>>,
) -> Outcome<T> {
    tokio::select! {
        // What is done at once is spared the line of those who wait for the stop.
        biased;
        done = work => done,
        () = stop.cancelled() => Err(Refusal::new(-9, "Shutting down")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_block_commits_to_the_coinbase_alone() {
        // As every empty block on every chain has it.
        assert_eq!(
            witness_commitment(&[]),
            "6a24aa21a9ede2f61c3f71d1defd3fa999dfa36953755c690689799962b48bebd836974e8cf9"
        );
    }

    #[test]
    fn what_is_not_known_of_a_transaction_is_left_out() {
        let template = Template {
            longpoll_id: "1".to_owned(),
            prev: bllvm_ipc::types::BlockHash([1; 32]),
            height: 2,
            bits: 0x207f_ffff,
            min_time: 100,
            coinbase_value_sat: 5_000_000_000,
            transactions: Vec::new(),
            fees_sat: Vec::new(),
            sigop_costs: Vec::new(),
        };
        let shown = template_json(&template, 50, false).unwrap();
        assert_eq!(shown["curtime"], 100);
        assert_eq!(shown["bits"], "207fffff");
        assert_eq!(shown["coinbasevalue"], 5_000_000_000_u64);
        assert_eq!(shown["target"].as_str().unwrap().len(), 64);
    }
}
