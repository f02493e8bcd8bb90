//! What the base node's process answers about transactions that no block holds yet: mempool, fees,
//! templates.

use bllvm_ipc::types as t;
use bllvm_kernel_node::bitcoin::consensus::encode::{deserialize, serialize};
use bllvm_kernel_node::bitcoin::hashes::Hash as _;
use bllvm_kernel_node::bitcoin::{Transaction, Txid};
use bllvm_kernel_node::mempool::{MAX_WEIGHT, Room, Verdicts};
use bllvm_kernel_node::{BlockTemplate, Engine};

use super::NodeError;
use super::child::{fault, hash_out, params};

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
    let txids = engine.mempool(|pool, _| pool.txids());
    let mut rest = txids
        .into_iter()
        .filter(|txid| after.is_none_or(|after| *txid > after));
    let items: Vec<Txid> = rest.by_ref().take(limit).collect();
    let more = rest.next().is_some();
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
        let reason = verdict.err().map(|reject| reject.code.to_owned());
        t::TransactionVerdict {
            txid: id_out(txid),
            accepted: reason.is_none(),
            reason,
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
        min_time,
    } = engine.template(room).map_err(fault)?;
    let transactions = selection.transactions.iter();
    Ok(t::Template {
        longpoll_id: id,
        prev: hash_out(plan.prev),
        height: plan.height,
        bits: plan.bits.to_consensus(),
        min_time,
        coinbase_value_sat: plan.subsidy().to_sat() + selection.fee,
        transactions: transactions
            .map(|(transaction, _)| t::Hex(serialize(&**transaction)))
            .collect(),
    })
}

fn id_out(txid: Txid) -> t::Txid {
    t::Txid(txid.to_byte_array())
}
