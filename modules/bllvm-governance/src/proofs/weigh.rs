//! What proofs weigh at the tip: coins that are unspent now, blocks that pay to proven scripts.

use std::collections::{BTreeMap, BTreeSet};

use bitcoin::OutPoint;
use bllvm_sdk::types::BlockHash;
use bllvm_sdk::{CallError, ErrorCode, Node};
use serde::{Deserialize, Serialize};

use super::check::txid;
use super::{HOLDS, Proof};
use crate::mining::coinbase::Mined;

/// What one key has proven, as of a tip.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proven {
    /// Satoshi of unspent outputs.
    pub sat: u64,
    /// Heights of the blocks that pay mostly to its scripts.
    pub blocks: Vec<u32>,
    /// Until which height its newest proof holds; none if none holds.
    pub holds_until: Option<u32>,
}

/// Weighs all proofs that still hold at a height.
///
/// # Errors
/// The node is away.
pub async fn weigh(
    node: &Node,
    proofs: &[Proof],
    mined: &[(u32, Mined)],
    height: u32,
) -> Result<BTreeMap<String, Proven>, CallError> {
    let mut weights: BTreeMap<String, Proven> = BTreeMap::new();
    let (mut scripts, mut counted) = (BTreeMap::new(), BTreeSet::new());
    for proof in proofs {
        let until = proof.height.saturating_add(HOLDS);
        if height > until || !still_there(node, proof).await? {
            continue;
        }
        let proven = weights.entry(proof.key.clone()).or_default();
        proven.holds_until = proven.holds_until.max(Some(until));
        scripts
            .entry(proof.script.clone())
            .or_insert_with(|| proof.key.clone());
        for coin in &proof.coins {
            let Ok(coin) = coin.parse::<OutPoint>() else {
                continue;
            };
            // Once, whoever shows it how often.
            if counted.insert(coin) {
                let found = node.utxo(txid(&coin), coin.vout).await?.coin;
                proven.sat = proven
                    .sat
                    .saturating_add(found.map_or(0, |coin| coin.value_sat));
            }
        }
    }
    for (height, mined) in mined {
        if let Some(key) = owner(mined, &scripts) {
            weights.entry(key.clone()).or_default().blocks.push(*height);
        }
    }
    Ok(weights)
}

async fn still_there(node: &Node, proof: &Proof) -> Result<bool, CallError> {
    let Ok(block) = proof.block.parse::<BlockHash>() else {
        return Ok(false);
    };
    match node.header(block).await {
        Ok(header) => Ok(header.in_best_chain),
        Err(CallError::Reply(reply)) if reply.code == ErrorCode::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whose scripts at least half of a coinbase pays.
fn owner<'a>(mined: &Mined, scripts: &'a BTreeMap<String, String>) -> Option<&'a String> {
    let mut paid: BTreeMap<&String, u64> = BTreeMap::new();
    for payout in &mined.payouts {
        if let Some(key) = scripts.get(&payout.script.to_hex_string()) {
            *paid.entry(key).or_default() += payout.value_sat;
        }
    }
    let (value, key) = paid.into_iter().map(|(key, value)| (value, key)).max()?;
    (u128::from(value) * 2 >= u128::from(mined.total_sat)).then_some(key)
}
