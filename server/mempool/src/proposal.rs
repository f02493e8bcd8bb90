//! Whether a block could be the next one, its proof of work and its header apart: every consensus
//! rule, in Bitcoin Core's order and words. Nothing changes, whatever comes out.

use std::collections::{HashMap, HashSet};

use bitcoin::{
    Block, OutPoint, Transaction, TxOut, Weight, absolute::LockTime, consensus::encode::VarInt,
    hashes::Hash as _, script::Builder,
};

use crate::{Chain, Coin, Fault, Reject, Stop, rules, sigops};

const MAX_WEIGHT: u64 = Weight::MAX_BLOCK.to_wu();
const MAX_SIGOPS: u64 = 80_000;
/// Marks the coinbase's output that commits to the witnesses.
const COMMITMENT: [u8; 6] = [0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed];

/// Checks a block that stands on the chain's tip. `subsidy` is what its coinbase may claim beside
/// fees.
///
/// # Errors
/// [`Fault`] if the chain could not be asked.
pub fn check_proposal(
    block: &Block,
    chain: &impl Chain,
    subsidy: u64,
) -> Result<Result<(), Reject>, Fault> {
    Stop::verdict(check(block, chain, subsidy))
}

fn check(block: &Block, chain: &impl Chain, subsidy: u64) -> Result<(), Stop> {
    check_form(block)?;
    check_place(block, chain)?;
    check_spends(block, chain, subsidy)
}

/// What must hold wherever the block stands.
fn check_form(block: &Block) -> Result<(), Stop> {
    check_merkle_root(block)?;
    let size = 80 + VarInt::from(block.txdata.len()).size() as u64;
    let sizes = block.txdata.iter().map(|tx| tx.base_size() as u64);
    let bare = size + sizes.sum::<u64>();
    if block.txdata.is_empty() || bare * 4 > MAX_WEIGHT {
        return Stop::because("bad-blk-length", "size limits failed");
    }
    let (coinbase, others) = block.txdata.split_at(1);
    if !coinbase[0].is_coinbase() {
        return Stop::because("bad-cb-missing", "first tx is not coinbase");
    }
    if others.iter().any(Transaction::is_coinbase) {
        return Stop::because("bad-cb-multiple", "more than one coinbase");
    }
    rules::check_coinbase(&coinbase[0])?;
    for transaction in others {
        rules::check_alone(transaction)?;
    }
    if block.txdata.iter().map(sigops::bare_cost).sum::<u64>() > MAX_SIGOPS {
        return Stop::because("bad-blk-sigops", "out-of-bounds SigOpCount");
    }
    Ok(())
}

/// The root must be the one of these transactions, and of no list that repeats some of them
/// (CVE-2012-2459).
fn check_merkle_root(block: &Block) -> Result<(), Stop> {
    if block
        .compute_merkle_root()
        .is_some_and(|root| root != block.header.merkle_root)
    {
        return Stop::because("bad-txnmrklroot", "hashMerkleRoot mismatch");
    }
    let mut level: Vec<_> = block
        .txdata
        .iter()
        .map(|tx| tx.compute_txid().to_byte_array())
        .collect();
    while level.len() > 1 {
        if level.chunks_exact(2).any(|pair| pair[0] == pair[1]) {
            return Stop::because("bad-txns-duplicate", "duplicate transaction");
        }
        let hash = |pair: &[[u8; 32]]| {
            let last = pair[pair.len() - 1];
            bitcoin::hashes::sha256d::Hash::hash(&[pair[0], last].concat()).to_byte_array()
        };
        level = level.chunks(2).map(hash).collect();
    }
    Ok(())
}

/// What its height and the time ask of it.
fn check_place(block: &Block, chain: &impl Chain) -> Result<(), Stop> {
    for transaction in &block.txdata {
        if transaction.lock_time != LockTime::ZERO
            && rules::check_final(transaction, chain).is_err()
        {
            return Stop::because("bad-txns-nonfinal", "non-final transaction");
        }
    }
    let height = Builder::new().push_int(i64::from(chain.height() + 1));
    let coinbase = &block.txdata[0];
    let script = coinbase.input[0].script_sig.as_bytes();
    if !script.starts_with(height.as_script().as_bytes()) {
        return Stop::because("bad-cb-height", "block height mismatch in coinbase");
    }
    check_witnesses(block)?;
    if block.weight() > Weight::MAX_BLOCK {
        return Stop::because("bad-blk-weight", "weight limit failed");
    }
    Ok(())
}

/// The commitment to the witnesses (BIP 141).
fn check_witnesses(block: &Block) -> Result<(), Stop> {
    let coinbase = &block.txdata[0];
    let commits = |output: &&TxOut| {
        let script = output.script_pubkey.as_bytes();
        script.len() >= 38 && script.starts_with(&COMMITMENT)
    };
    // The last one counts.
    let Some(output) = coinbase.output.iter().rev().find(commits) else {
        let witness = |tx: &Transaction| tx.input.iter().any(|input| !input.witness.is_empty());
        if block.txdata.iter().any(witness) {
            return Stop::because("unexpected-witness", "unexpected witness data found");
        }
        return Ok(());
    };
    let mut reserved = coinbase.input[0].witness.iter();
    let (Some(value), None) = (reserved.next(), reserved.next()) else {
        return Stop::because(
            "bad-witness-nonce-size",
            "invalid witness reserved value size",
        );
    };
    if value.len() != 32 {
        return Stop::because(
            "bad-witness-nonce-size",
            "invalid witness reserved value size",
        );
    }
    let expected = block
        .witness_root()
        .map(|root| Block::compute_witness_commitment(&root, value).to_byte_array());
    if expected.as_ref().map(<[u8; 32]>::as_slice) != output.script_pubkey.as_bytes().get(6..38) {
        return Stop::because(
            "bad-witness-merkle-match",
            "witness merkle commitment mismatch",
        );
    }
    Ok(())
}

/// Inputs, amounts, checks of signatures, and what the coinbase claims.
fn check_spends(block: &Block, chain: &impl Chain, subsidy: u64) -> Result<(), Stop> {
    let next = chain.height() + 1;
    let mut made: HashMap<OutPoint, Coin> = HashMap::new();
    let mut gone: HashSet<OutPoint> = HashSet::new();
    let mut signed: Vec<(&Transaction, Vec<TxOut>)> = Vec::new();
    let (mut fees, mut cost) = (0_u64, 0);
    for (index, transaction) in block.txdata.iter().enumerate() {
        let mut coins = Vec::new();
        if index > 0 {
            for input in &transaction.input {
                let outpoint = input.previous_output;
                let coin = match made.get(&outpoint) {
                    Some(coin) => Some(coin.clone()),
                    None => chain.coin(&outpoint)?,
                };
                match coin {
                    Some(coin) if gone.insert(outpoint) => coins.push(coin),
                    _ => {
                        return Stop::because(
                            "bad-txns-inputs-missingorspent",
                            "inputs missing/spent",
                        );
                    }
                }
            }
            fees = fees.saturating_add(rules::check_amounts(transaction, &coins, chain)?);
            if rules::check_sequences(transaction, &coins, chain).is_err() {
                return Stop::because(
                    "bad-txns-nonfinal",
                    "contains a non-BIP68-final transaction",
                );
            }
        }
        cost += sigops::cost(transaction, &coins);
        if cost > MAX_SIGOPS {
            return Stop::because("bad-blk-sigops", "too many sigops");
        }
        let txid = transaction.compute_txid();
        for (vout, output) in (0_u32..).zip(&transaction.output) {
            if !Coin::unspendable(&output.script_pubkey) {
                let coin = Coin {
                    output: output.clone(),
                    height: next,
                    coinbase: index == 0,
                };
                made.insert(OutPoint { txid, vout }, coin);
            }
        }
        if index > 0 {
            let spent = coins.into_iter().map(|coin| coin.output).collect();
            signed.push((transaction, spent));
        }
    }
    let claimed = block.txdata[0].output.iter().map(|one| one.value.to_sat());
    let (claimed, limit) = (claimed.sum::<u64>(), subsidy.saturating_add(fees));
    if claimed > limit {
        return Stop::because(
            "bad-cb-amount",
            format!("coinbase pays too much (actual={claimed} vs limit={limit})"),
        );
    }
    for (transaction, spent) in signed {
        if let Err(failed) = chain.verify(transaction, &spent)? {
            let txid = transaction.compute_txid();
            return Stop::because(
                "block-script-verify-flag-failed",
                format!("input {} of {txid}", failed.input),
            );
        }
    }
    Ok(())
}
