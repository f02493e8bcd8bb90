//! Unconfirmed transactions and fees.

use std::sync::{Arc, Mutex, PoisonError};

use bllvm_ipc::types as t;
use bllvm_mempool::NOT_JUDGED;
use serde_json::json;
use tokio::time::{Duration, Instant};

use super::rpc::{Rpc, RpcError};
use super::shapes::{
    MempoolEntry as Entry, MempoolInfo, SmartFee, Verdict, satoshi, satoshi_or_none,
};
use crate::node::{MempoolEntry, NodeError, Relatives};

/// Ids of one page.
const MAX_PAGE: usize = 1000;
/// How long later pages are cut from the ids that the first was cut from.
const LISTING_AGE: Duration = Duration::from_secs(10);

/// All ids in order, and since when they are known. Bitcoin Core tells all of them or none, so a
/// reader of a hundred pages must not ask for them a hundred times.
#[derive(Debug, Default)]
pub(super) struct Listing(Mutex<Option<(Instant, Arc<[t::Txid]>)>>);

impl Listing {
    fn kept(&self) -> Option<Arc<[t::Txid]>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, ids) = kept.as_ref()?;
        (since.elapsed() < LISTING_AGE).then(|| ids.clone())
    }

    async fn fetch(&self, rpc: &Rpc) -> Result<Arc<[t::Txid]>, NodeError> {
        let mut ids: Vec<t::Txid> = rpc.call("getrawmempool", json!([])).await?;
        ids.sort_unstable();
        let ids: Arc<[t::Txid]> = ids.into();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = Some((Instant::now(), ids.clone()));
        Ok(ids)
    }
}

pub(super) fn not_there(txid: t::Txid) -> NodeError {
    NodeError::NotFound(format!("the mempool has no transaction {txid}"))
}

pub(super) async fn info(rpc: &Rpc) -> Result<t::MempoolInfo, NodeError> {
    let info: MempoolInfo = rpc.call("getmempoolinfo", json!([])).await?;
    Ok(t::MempoolInfo {
        transactions: info.size,
        vsize: info.bytes,
        min_fee_sat_per_kvb: satoshi(info.mempoolminfee)?,
    })
}

/// A page in the order of the ids: what comes or goes meanwhile moves nothing else.
pub(super) async fn list(
    rpc: &Rpc,
    listing: &Listing,
    page: t::PageRequest,
) -> Result<t::TxidPage, NodeError> {
    let after: Option<t::Txid> = match page.cursor {
        None => None,
        Some(cursor) => Some(cursor.parse().map_err(|_| NodeError::Invalid {
            code: "params".to_owned(),
            message: "`cursor` is not of an earlier answer".to_owned(),
        })?),
    };
    let limit = page.limit.map_or(MAX_PAGE, |limit| limit as usize);
    let limit = limit.clamp(1, MAX_PAGE);
    // A first page tells of now.
    let ids = match after.and_then(|_| listing.kept()) {
        Some(ids) => ids,
        None => listing.fetch(rpc).await?,
    };
    let start = after.map_or(0, |after| ids.partition_point(|id| *id <= after));
    let rest = &ids[start..];
    let items = rest[..rest.len().min(limit)].to_vec();
    let more = rest.len() > limit;
    let next = items.last().filter(|_| more).map(ToString::to_string);
    Ok(t::TxidPage { items, next })
}

pub(super) async fn entry(rpc: &Rpc, txid: t::Txid) -> Result<MempoolEntry, NodeError> {
    let found = rpc.call::<Entry>("getmempoolentry", json!([txid])).await;
    let found = found.map_err(|error| match error {
        RpcError::Refused { code: -5, .. } => not_there(txid),
        other => other.into(),
    })?;
    Ok(MempoolEntry {
        wtxid: found.wtxid,
        vsize: found.vsize,
        weight: found.weight,
        fee_sat: satoshi(found.fees.base)?,
        time: found.time,
        height: found.height,
        ancestors: Relatives {
            count: found.ancestorcount,
            vsize: found.ancestorsize,
            fees_sat: satoshi_or_none(found.fees.ancestor)?,
        },
        descendants: Relatives {
            count: found.descendantcount,
            vsize: found.descendantsize,
            fees_sat: satoshi_or_none(found.fees.descendant)?,
        },
        depends: found.depends,
        spent_by: found.spentby,
        replaceable: found.replaceable,
    })
}

pub(super) async fn test_accept(
    rpc: &Rpc,
    transactions: &t::Transactions,
) -> Result<t::Acceptance, NodeError> {
    // No limit of the fee: that is the asker's to judge.
    let params = json!([transactions.transactions, 0]);
    let verdicts: Vec<Verdict> = rpc.call("testmempoolaccept", params).await?;
    let results = verdicts.into_iter().map(|mut found| {
        // One that was refused ended it: of the others it says nothing.
        let judged = found.allowed.is_some() || found.package_error.is_some();
        if !judged && found.reason.is_none() {
            found.reason = Some(NOT_JUDGED.to_owned());
        }
        verdict(found)
    });
    Ok(t::Acceptance {
        results: results.collect::<Result<_, _>>()?,
    })
}

/// A verdict in the words that both backends use.
pub(super) fn verdict(verdict: Verdict) -> Result<t::TransactionVerdict, RpcError> {
    let fee_sat = verdict.fees.map(|fees| satoshi(fees.base)).transpose()?;
    let reason = verdict.reason.or(verdict.error).or(verdict.package_error);
    let accepted = verdict.allowed.unwrap_or(reason.is_none());
    Ok(t::TransactionVerdict {
        txid: verdict.txid,
        accepted,
        reason: reason.filter(|_| !accepted).map(|reason| plain(&reason)),
        fee_sat: fee_sat.filter(|_| accepted),
    })
}

/// Bitcoin Core names missing inputs in two ways; one is enough.
pub(super) fn plain(reason: &str) -> String {
    match reason {
        "missing-inputs" => "bad-txns-inputs-missingorspent".to_owned(),
        other => other.to_owned(),
    }
}

pub(super) async fn fee(rpc: &Rpc, request: t::FeeRequest) -> Result<t::FeeEstimate, NodeError> {
    let params = json!([request.target_blocks]);
    let found = rpc.call::<SmartFee>("estimatesmartfee", params).await;
    let found = found.map_err(|error| match error {
        RpcError::Refused {
            code: -32603,
            message,
        } => NodeError::Unsupported(message),
        other => other.into(),
    })?;
    Ok(match found.feerate {
        Some(rate) => t::FeeEstimate {
            sat_per_kvb: Some(satoshi(rate)?),
            basis: format!("Bitcoin Core's estimate for {} blocks", found.blocks),
        },
        None => t::FeeEstimate {
            sat_per_kvb: None,
            basis: found.errors.join("; "),
        },
    })
}
