//! What the base node's process answers about transactions that no block holds yet: mempool, fees,
//! templates.

use std::collections::BTreeSet;

use bllvm_ipc::types as t;
use bllvm_kernel_node::bitcoin::consensus::encode::{deserialize, serialize};
use bllvm_kernel_node::bitcoin::hashes::Hash as _;
use bllvm_kernel_node::bitcoin::{OutPoint, Transaction, TxIn, TxOut, Txid};
use bllvm_kernel_node::mempool::{MAX_WEIGHT, Pool, Room, Sum, Verdicts};
use bllvm_kernel_node::{BlockTemplate, Engine};

use super::answers::{fault, hash_out, params};
use super::{MempoolEntry, MempoolStatus, NodeError, Relatives};

/// Ids in one page at the most.
const MOST: usize = 5000;
/// Cost of the coinbase's signature checks that templates leave room for, as Bitcoin Core does.
const COINBASE_SIGOPS: u64 = 400;

pub(super) fn info(engine: &Engine) -> t::MempoolInfo {
    engine.mempool(|pool, now| t::MempoolInfo {
        transactions: pool.len() as u64,
        vsize: pool.vsize(),
        min_fee_sat_per_kvb: pool.min_rate(now),
    })
}

pub(super) fn status(engine: &Engine) -> MempoolStatus {
    engine.mempool(|pool, _| {
        let policy = pool.policy();
        MempoolStatus {
            usage: pool.usage(),
            max_usage: policy.max_usage,
            fees_sat: pool.iter().map(|entry| entry.fee).sum(),
            min_relay_sat_per_kvb: policy.min_relay,
            incremental_sat_per_kvb: policy.incremental,
        }
    })
}

pub(super) fn list(engine: &Engine, page: &t::PageRequest) -> Result<t::TxidPage, NodeError> {
    let after = match &page.cursor {
        None => None,
        Some(cursor) => Some(cursor.parse::<Txid>().map_err(|_| {
            params("`cursor` is not `next` of an earlier page; leave it out to start".to_owned())
        })?),
    };
    let limit = page.limit.map_or(100, |limit| limit as usize);
    if !(1..=MOST).contains(&limit) {
        return Err(params(format!("`limit` is {limit}; use 1 to {MOST}")));
    }
    let mut items: Vec<Txid> = engine.mempool(|pool, _| {
        let rest = pool.iter().map(|entry| entry.txid);
        rest.filter(|txid| after.is_none_or(|after| *txid > after))
            .collect()
    });
    // Sorting all of them for each page would cost more than the page.
    let more = items.len() > limit;
    if more {
        items.select_nth_unstable(limit);
        items.truncate(limit);
    }
    items.sort_unstable();
    Ok(t::TxidPage {
        next: items.last().filter(|_| more).map(ToString::to_string),
        items: items.into_iter().map(id_out).collect(),
    })
}

pub(super) fn transaction(
    engine: &Engine,
    wanted: &t::TransactionRequest,
) -> Result<t::TransactionInfo, NodeError> {
    find(engine, wanted.txid).ok_or_else(|| {
        NodeError::NotFound(format!("the mempool has no transaction {}", wanted.txid))
    })
}

/// An unconfirmed transaction, if it is there.
pub(super) fn find(engine: &Engine, txid: t::Txid) -> Option<t::TransactionInfo> {
    let id = Txid::from_byte_array(txid.0);
    let found = engine.mempool(|pool, _| pool.get(&id).map(|entry| entry.transaction.clone()))?;
    Some(t::TransactionInfo {
        txid,
        raw: t::Hex(serialize(&*found)),
        block: None,
    })
}

/// What unconfirmed transactions make of an output; none where they do not touch it.
pub(super) fn utxo(engine: &Engine, outpoint: &OutPoint) -> Result<Option<t::Utxo>, NodeError> {
    told(engine, engine.mempool(|pool, _| touched(pool, outpoint)))
}

/// The same, or none where somebody changes the mempool just now.
pub(super) fn utxo_now(
    engine: &Engine,
    outpoint: &OutPoint,
) -> Option<Result<Option<t::Utxo>, NodeError>> {
    let found = engine.mempool_now(|pool, _| touched(pool, outpoint))?;
    Some(told(engine, found))
}

/// What the mempool does to an output.
enum Touched {
    Not,
    Spent,
    Made(TxOut),
}

fn touched(pool: &Pool, outpoint: &OutPoint) -> Touched {
    if pool.spender(outpoint).is_some() {
        return Touched::Spent;
    }
    let made = pool.get(&outpoint.txid);
    let outputs = made.map(|made| &made.transaction.output);
    let output = outputs.and_then(|outputs| outputs.get(outpoint.vout as usize));
    output.map_or(Touched::Not, |output| Touched::Made(output.clone()))
}

fn told(engine: &Engine, touched: Touched) -> Result<Option<t::Utxo>, NodeError> {
    let output = match touched {
        Touched::Not => return Ok(None),
        Touched::Spent => None,
        Touched::Made(output) => Some(output),
    };
    let tip = engine.tip().map_err(fault)?;
    let coin = output.map(|output| t::Coin {
        value_sat: output.value.to_sat(),
        script_pubkey: t::Hex(output.script_pubkey.into_bytes()),
        height: tip.height + 1,
        coinbase: false,
    });
    Ok(Some(t::Utxo {
        coin,
        tip: hash_out(tip.hash),
    }))
}

/// An unconfirmed transaction's fee, age and relatives.
pub(super) fn entry(engine: &Engine, txid: t::Txid) -> Result<MempoolEntry, NodeError> {
    let id = Txid::from_byte_array(txid.0);
    let found = engine.mempool(|pool, _| {
        let entry = pool.get(&id)?;
        let outputs = (0..).take(entry.transaction.output.len());
        let spenders: BTreeSet<Txid> = outputs
            .filter_map(|vout| pool.spender(&OutPoint { txid: id, vout }))
            .collect();
        let inputs = entry.transaction.input.iter();
        let parents: BTreeSet<Txid> = inputs
            .map(|input| input.previous_output.txid)
            .filter(|txid| pool.get(txid).is_some())
            .collect();
        let signals = |input: &TxIn| input.sequence.is_rbf();
        Some(MempoolEntry {
            wtxid: t::Txid(entry.wtxid.to_byte_array()),
            vsize: entry.vsize,
            weight: entry.weight,
            fee_sat: entry.fee,
            time: entry.time,
            height: entry.height,
            ancestors: relatives(pool.with_ancestors(id)),
            descendants: relatives(pool.with_descendants(id)),
            depends: parents.into_iter().map(id_out).collect(),
            spent_by: spenders.into_iter().map(id_out).collect(),
            replaceable: entry.transaction.input.iter().any(signals),
        })
    });
    found.ok_or_else(|| NodeError::NotFound(format!("the mempool has no transaction {txid}")))
}

fn relatives(sum: Sum) -> Relatives {
    Relatives {
        count: sum.count as u64,
        vsize: sum.vsize,
        fees_sat: sum.fee,
    }
}

pub(super) fn test_accept(
    engine: &Engine,
    wanted: &t::Transactions,
) -> Result<t::Acceptance, NodeError> {
    let transactions = parsed(wanted)?;
    let verdicts = engine.test_transactions(&transactions).map_err(fault)?;
    Ok(acceptance(verdicts))
}

pub(super) fn broadcast(
    engine: &Engine,
    wanted: &t::Transactions,
) -> Result<t::Acceptance, NodeError> {
    let transactions = parsed(wanted)?;
    let verdicts = engine.submit_transactions(&transactions).map_err(fault)?;
    Ok(acceptance(verdicts))
}

fn parsed(wanted: &t::Transactions) -> Result<Vec<Transaction>, NodeError> {
    if wanted.transactions.is_empty() {
        return Err(params(
            "`transactions` is empty; give at least one".to_owned(),
        ));
    }
    let all = wanted.transactions.iter().enumerate();
    all.map(|(index, raw)| {
        deserialize(&raw.0).map_err(|error| {
            params(format!(
                "`transactions[{index}]` is no transaction: {error}"
            ))
        })
    })
    .collect()
}

fn acceptance(verdicts: Verdicts) -> t::Acceptance {
    let results = verdicts.into_iter().map(|(txid, verdict)| {
        let (fee_sat, reason) = match verdict {
            Ok(taken) => (Some(taken.fee), None),
            Err(reject) => (None, Some(reject.code.to_owned())),
        };
        t::TransactionVerdict {
            txid: id_out(txid),
            accepted: reason.is_none(),
            reason,
            fee_sat,
        }
    });
    t::Acceptance {
        results: results.collect(),
    }
}

pub(super) fn fee(engine: &Engine, wanted: &t::FeeRequest) -> Result<t::FeeEstimate, NodeError> {
    let estimate = engine.fee_estimate(wanted.target_blocks).map_err(fault)?;
    Ok(match estimate {
        Ok((rate, basis)) => t::FeeEstimate {
            sat_per_kvb: Some(rate),
            basis,
        },
        Err(basis) => t::FeeEstimate {
            sat_per_kvb: None,
            basis,
        },
    })
}

/// What a template leaves to the mempool; a request without a weight gets Bitcoin Core's reserve.
pub(super) fn room(wanted: &t::TemplateRequest) -> Result<Room, NodeError> {
    match u64::from(wanted.coinbase_weight) {
        0 => Ok(Room::default()),
        weight if weight < MAX_WEIGHT => Ok(Room::beside(weight, COINBASE_SIGOPS)),
        weight => Err(params(format!(
            "`coinbase_weight` is {weight}; a whole block has {MAX_WEIGHT}"
        ))),
    }
}

pub(super) fn template(engine: &Engine, room: Room) -> Result<t::Template, NodeError> {
    let BlockTemplate {
        plan,
        selection,
        id,
    } = engine.template(room).map_err(fault)?;
    let transactions = selection.transactions.iter();
    let fees = transactions.clone().map(|(_, fee)| *fee);
    Ok(t::Template {
        fees_sat: fees.collect(),
        sigop_costs: selection.sigop_costs.clone(),
        longpoll_id: id,
        prev: hash_out(plan.prev),
        height: plan.height,
        bits: plan.bits.to_consensus(),
        min_time: plan.min_time,
        coinbase_value_sat: plan.subsidy().to_sat() + selection.fee,
        transactions: transactions
            .map(|(transaction, _)| t::Hex(serialize(&**transaction)))
            .collect(),
    })
}

fn id_out(txid: Txid) -> t::Txid {
    t::Txid(txid.to_byte_array())
}
