//! Blocks, headers and transactions as Bitcoin Core's JSON.

use bitcoin::consensus::encode::{deserialize, serialize_hex};
use bitcoin::hex::DisplayHex as _;
use bitcoin::{Amount, Block, CompactTarget, Network, Target, Transaction};
use bllvm_ipc::types::{Coin, HeaderInfo};
use serde_json::{Map, Value, json};

use super::script;
use crate::node::{BlockPlace, NodeError};

/// An amount in bitcoin.
pub(super) fn bitcoins(sat: u64) -> Value {
    json!(Amount::from_sat(sat).to_btc())
}

/// The header's fields.
pub(super) fn parse_header(header: &HeaderInfo) -> Result<bitcoin::block::Header, NodeError> {
    deserialize(&header.header.0).map_err(|error| {
        NodeError::Internal(format!("header {} cannot be read: {error}", header.hash))
    })
}

/// The difficulty of a compact target, worked out as Bitcoin Core does.
pub(super) fn difficulty(bits: CompactTarget) -> f64 {
    let bits = bits.to_consensus();
    let difficulty = f64::from(0xffff_u32) / f64::from(bits & 0x00ff_ffff);
    let exponent = i32::try_from(bits >> 24).unwrap_or_default();
    difficulty * 256_f64.powi(29 - exponent)
}

/// A target as 64 hexadecimal digits.
pub(super) fn target(bits: CompactTarget) -> String {
    Target::from_compact(bits)
        .to_be_bytes()
        .to_lower_hex_string()
}

/// What surrounds a header in the chain as it is now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Around {
    pub(super) place: BlockPlace,
    /// Blocks from this one to the tip; -1 beside the best chain.
    pub(super) confirmations: i64,
    pub(super) next: Option<bllvm_ipc::types::BlockHash>,
}

/// A header with its place.
pub(super) fn header(info: &HeaderInfo, around: &Around) -> Result<Map<String, Value>, NodeError> {
    let header = parse_header(info)?;
    let mut shown = Map::new();
    let mut set = |name: &str, value: Value| drop(shown.insert(name.to_owned(), value));
    let version = header.version.to_consensus();
    set("hash", json!(info.hash));
    set("confirmations", json!(around.confirmations));
    set("height", json!(info.height));
    set("version", json!(version));
    set("versionHex", json!(format!("{version:08x}")));
    set("merkleroot", json!(header.merkle_root));
    set("time", json!(header.time));
    set("mediantime", json!(around.place.median_time));
    set("nonce", json!(header.nonce));
    set("bits", json!(format!("{:08x}", header.bits.to_consensus())));
    set("target", json!(target(header.bits)));
    set("difficulty", json!(difficulty(header.bits)));
    set(
        "chainwork",
        json!(around.place.chain_work.to_lower_hex_string()),
    );
    set("nTx", json!(around.place.transactions));
    if info.height > 0 {
        set("previousblockhash", json!(info.prev));
    }
    if let Some(next) = around.next {
        set("nextblockhash", json!(next));
    }
    Ok(shown)
}

/// How much of a block's transactions is shown.
#[derive(Clone, Copy, Debug)]
pub(super) enum Detail<'a> {
    /// Their ids.
    Ids,
    /// All of them; the outputs that they spend where they are known.
    Whole {
        /// One list a transaction, the coinbase left out.
        spent: Option<&'a [Vec<Coin>]>,
        /// Whether the spent outputs are shown themselves.
        prevouts: bool,
    },
}

/// A block: its header's fields, and its own.
pub(super) fn block(
    shown: &mut Map<String, Value>,
    block: &Block,
    detail: Detail<'_>,
    net: Network,
) {
    let (size, weight) = (block.total_size(), block.weight().to_wu());
    shown.insert("size".to_owned(), json!(size));
    shown.insert("weight".to_owned(), json!(weight));
    // Weight is three times the size without witnesses, and the whole.
    shown.insert("strippedsize".to_owned(), json!((weight - size as u64) / 3));
    shown.insert("nTx".to_owned(), json!(block.txdata.len()));
    let transactions = block
        .txdata
        .iter()
        .enumerate()
        .map(|(at, tx)| match detail {
            Detail::Ids => json!(tx.compute_txid()),
            Detail::Whole { spent, prevouts } => {
                let spent = spent.and_then(|spent| spent.get(at.checked_sub(1)?));
                Value::Object(transaction(tx, spent.map(Vec::as_slice), prevouts, net))
            }
        });
    shown.insert("tx".to_owned(), transactions.collect());
}

/// A transaction; with the fee where the outputs that it spends are known.
pub(super) fn transaction(
    tx: &Transaction,
    spent: Option<&[Coin]>,
    prevouts: bool,
    network: Network,
) -> Map<String, Value> {
    let mut shown = Map::new();
    let mut set = |name: &str, value: Value| drop(shown.insert(name.to_owned(), value));
    set("txid", json!(tx.compute_txid()));
    set("hash", json!(tx.compute_wtxid()));
    set("version", json!(tx.version.0));
    set("size", json!(tx.total_size()));
    set("vsize", json!(tx.vsize()));
    set("weight", json!(tx.weight().to_wu()));
    set("locktime", json!(tx.lock_time.to_consensus_u32()));
    let coinbase = tx.is_coinbase();
    let inputs = tx.input.iter().enumerate().map(|(at, input)| {
        let mut shown = json!({ "sequence": input.sequence.0 });
        if coinbase {
            shown["coinbase"] = json!(input.script_sig.to_hex_string());
        } else {
            shown["txid"] = json!(input.previous_output.txid);
            shown["vout"] = json!(input.previous_output.vout);
            shown["scriptSig"] = json!({
                "asm": script::assembly(&input.script_sig, true),
                "hex": input.script_sig.to_hex_string(),
            });
        }
        if !input.witness.is_empty() {
            shown["txinwitness"] = input.witness.iter().map(hex::encode).collect();
        }
        if prevouts && let Some(coin) = spent.and_then(|spent| spent.get(at)) {
            let locking = bitcoin::Script::from_bytes(&coin.script_pubkey.0);
            shown["prevout"] = json!({
                "generated": coin.coinbase,
                "height": coin.height,
                "value": bitcoins(coin.value_sat),
                "scriptPubKey": script::locking(locking, network),
            });
        }
        shown
    });
    set("vin", inputs.collect());
    let outputs = tx.output.iter().enumerate().map(|(at, output)| {
        json!({
            "value": bitcoins(output.value.to_sat()),
            "n": at,
            "scriptPubKey": script::locking(&output.script_pubkey, network),
        })
    });
    set("vout", outputs.collect());
    if !coinbase && let Some(fee) = spent.and_then(|spent| fee(tx, spent)) {
        set("fee", bitcoins(fee));
    }
    set("hex", json!(serialize_hex(tx)));
    shown
}

/// What a transaction leaves to the miner; none where not every input is known.
pub(super) fn fee(tx: &Transaction, spent: &[Coin]) -> Option<u64> {
    if spent.len() != tx.input.len() {
        return None;
    }
    let found: u64 = spent.iter().map(|coin| coin.value_sat).sum();
    found.checked_sub(paid(tx)?)
}

/// What all outputs hold; none where that is more than a number can hold.
pub(super) fn paid(tx: &Transaction) -> Option<u64> {
    let mut values = tx.output.iter().map(|output| output.value.to_sat());
    values.try_fold(0, u64::checked_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn difficulties_are_those_of_bitcoin_core() {
        let of = |bits| difficulty(CompactTarget::from_consensus(bits));
        assert!((of(0x1d00_ffff) - 1.0).abs() < f64::EPSILON);
        assert!((of(0x207f_ffff) - 4.656_542_373_906_925e-10).abs() < 1e-24);
        assert!((of(0x1b04_04cb) - 16_307.420_938_523_983).abs() < 1e-8);
    }
}
