//! Lists of transactions: judged as a list, and sent as a package.

use std::collections::{HashMap, HashSet};

use bitcoin::hashes::Hash as _;
use bitcoin::{Transaction, Txid, Wtxid};
use bllvm_ipc::types::{self as t, TransactionVerdict, UtxoRequest};
use bllvm_mempool::NOT_JUDGED;
use serde_json::{Map, Value, json};

use super::Face;
use super::error::{DESERIALIZATION, Outcome, PARAMETER, Refusal, VERIFY, no_mempool};
use super::mempool::coin_of;
use super::params::{self, Args};
use super::render::{self, bitcoins};
use super::sending::{Limits, packed, record, submit};
use crate::api::auth::Caller;
use crate::node::NodeError;

/// Transactions that one request judges.
const MAX_PACKAGE: usize = 25;
/// What a package weighs at most.
const MAX_WEIGHT: u64 = 404_000;
const TOPOLOGY: &str =
    "package topology disallowed. not child-with-parents or parents depend on each other.";
/// What a list is refused for as a whole.
const OF_THE_LIST: [&str; 7] = [
    "package-too-many-transactions",
    "package-too-large",
    "package-contains-duplicates",
    "package-not-sorted",
    "package-mempool-limits",
    "conflict-in-package",
    "TRUC-violation",
];

/// The limits and the transactions of a list of hex texts, judged in Bitcoin Core's order.
fn package(args: &Args) -> Outcome<(Limits, Vec<Transaction>)> {
    let count = args.list(0).len();
    if count == 0 || count > MAX_PACKAGE {
        let text = format!("Array must contain between 1 and {MAX_PACKAGE} transactions.");
        return Err(Refusal::new(PARAMETER, text));
    }
    let limits = Limits::read(args, 1)?;
    let read = |text: Outcome<&str>| {
        let text = text?;
        params::transaction(text).map_err(|_| {
            let shown: String = text.chars().take(80).collect();
            let text =
                format!("TX decode failed: {shown} Make sure the tx has at least one input.");
            Refusal::new(DESERIALIZATION, text)
        })
    };
    let transactions: Outcome<_> = args.texts(0).map(read).collect();
    Ok((limits, transactions?))
}

/// The fee rates by which transactions were judged: each by its own, or, where one of them pays less
/// than the mempool asks for, all together.
#[derive(Default)]
struct Rates {
    /// Satoshi, virtual bytes and members, where they were judged together.
    together: Option<(u64, u64, Vec<Wtxid>)>,
}

impl Rates {
    async fn of(face: &Face, all: &[Transaction], judged: &[TransactionVerdict]) -> Outcome<Self> {
        let pool = face.node().mempool_info().await.map_err(no_mempool)?;
        let least = pool.min_fee_sat_per_kvb;
        let mut together = (0, 0, Vec::new());
        let mut poor = false;
        for (tx, verdict) in all.iter().zip(judged) {
            let Some(fee) = verdict.fee_sat.filter(|_| verdict.accepted) else {
                continue;
            };
            let size = tx.vsize() as u64;
            poor |= fee.saturating_mul(1000) < least.saturating_mul(size);
            together.0 += fee;
            together.1 += size;
            together.2.push(tx.compute_wtxid());
        }
        Ok(Self {
            together: poor.then_some(together),
        })
    }

    fn show(&self, tx: &Transaction, fee: u64) -> Value {
        let own = || (fee, tx.vsize() as u64, vec![tx.compute_wtxid()]);
        let (paid, size, includes) = self.together.clone().unwrap_or_else(own);
        let rate = paid.saturating_mul(1000) / size.max(1);
        json!({
            "base": bitcoins(fee),
            "effective-feerate": bitcoins(rate),
            "effective-includes": includes,
        })
    }
}

/// The code that refuses a list as a whole.
fn of_the_list(judged: &[TransactionVerdict]) -> Option<&str> {
    let [first, others @ ..] = judged else {
        return None;
    };
    let code = first.reason.as_deref()?;
    let of_all = !others.is_empty() && others.iter().all(|one| one.reason == first.reason);
    (of_all && OF_THE_LIST.contains(&code)).then_some(code)
}

pub(super) async fn test_accept(face: &Face, _: &Caller, args: Args) -> Outcome {
    let (limits, transactions) = package(&args)?;
    let judged = face.node().test_accept(packed(&transactions)).await;
    let judged = judged.map_err(no_mempool)?.results;
    let of_all = of_the_list(&judged);
    let mut ended = false;
    let shown = transactions.iter().zip(&judged).map(|(tx, verdict)| {
        let mut shown = json!({ "txid": tx.compute_txid(), "wtxid": tx.compute_wtxid() });
        if let Some(code) = of_all {
            shown["package-error"] = json!(code);
            return shown;
        }
        let reason = verdict.reason.as_deref().unwrap_or_default();
        if ended || reason == NOT_JUDGED {
            return shown;
        }
        let dear = verdict.fee_sat.is_some_and(|fee| limits.exceeded(tx, fee));
        shown["allowed"] = json!(verdict.accepted && !dear);
        if verdict.accepted && dear {
            shown["reject-reason"] = json!("max-fee-exceeded");
            ended = true;
        } else if verdict.accepted {
            shown["vsize"] = json!(tx.vsize());
            if let Some(fee) = verdict.fee_sat {
                shown["fees"] = Rates::default().show(tx, fee);
            }
        } else {
            // Bitcoin Core says it shorter here than where it sends.
            let short = match reason {
                "bad-txns-inputs-missingorspent" => "missing-inputs",
                other => other,
            };
            shown["reject-reason"] = json!(short);
        }
        shown
    });
    Ok(shown.collect())
}

/// Whether the last one spends of all the others, and these not of each other.
fn is_child_with_parents(transactions: &[Transaction]) -> bool {
    let Some((child, parents)) = transactions.split_last() else {
        return false;
    };
    let ids: HashSet<Txid> = parents.iter().map(Transaction::compute_txid).collect();
    let spent = |tx: &Transaction| -> HashSet<Txid> {
        let inputs = tx.input.iter();
        inputs.map(|input| input.previous_output.txid).collect()
    };
    let alone = |parent: &Transaction| spent(parent).is_disjoint(&ids);
    ids.is_subset(&spent(child)) && parents.iter().all(alone)
}

/// What the face has to know of a transaction before it is sent.
#[derive(Default)]
struct Before {
    /// The mempool has it: its id with witness there, and its fee.
    known: Option<(t::Txid, u64)>,
    /// It pays more than its sender wants to.
    dear: bool,
    /// It spends what another unconfirmed transaction spends.
    replaces: bool,
    /// It spends of one that is not sent.
    orphan: bool,
}

impl Before {
    async fn of(
        face: &Face,
        limits: &Limits,
        tx: &Transaction,
        list: &HashMap<Txid, &Transaction>,
    ) -> Outcome<Self> {
        let txid = t::Txid(tx.compute_txid().to_byte_array());
        match face.node().mempool_entry(txid).await {
            Ok(entry) => {
                return Ok(Self {
                    known: Some((entry.wtxid, entry.fee_sat)),
                    ..Self::default()
                });
            }
            Err(NodeError::NotFound(_) | NodeError::Unsupported(_)) => {}
            Err(error) => return Err(error.into()),
        }
        let mut before = Self::default();
        let mut spent = 0;
        for input in &tx.input {
            let outpoint = input.previous_output;
            let beside = list
                .get(&outpoint.txid)
                .and_then(|one| one.output.get(outpoint.vout as usize));
            if let Some(output) = beside {
                spent = u64::saturating_add(spent, output.value.to_sat());
                continue;
            }
            let Some(coin) = coin_of(face, &outpoint).await? else {
                // The base node says so, too.
                return Ok(Self::default());
            };
            spent = spent.saturating_add(coin.value_sat);
            let request = UtxoRequest {
                txid: t::Txid(outpoint.txid.to_byte_array()),
                vout: outpoint.vout,
                include_mempool: true,
            };
            before.replaces |= face.node().utxo(request).await?.coin.is_none();
        }
        let fee = render::paid(tx).and_then(|paid| spent.checked_sub(paid));
        before.dear = fee.is_some_and(|fee| limits.exceeded(tx, fee));
        Ok(before)
    }
}

pub(super) async fn submit_package(face: &Face, caller: &Caller, args: Args) -> Outcome {
    face.pace().check(caller)?;
    let (limits, transactions) = package(&args)?;
    for tx in &transactions {
        limits.check_burned(tx)?;
    }
    if transactions.len() > 1 && !is_child_with_parents(&transactions) {
        return Err(Refusal::new(VERIFY, TOPOLOGY));
    }
    let weight: u64 = transactions.iter().map(|tx| tx.weight().to_wu()).sum();
    let list = transactions.iter().map(|tx| (tx.compute_txid(), tx));
    let list: HashMap<Txid, &Transaction> = list.collect();
    let mut before: Vec<Before> = Vec::with_capacity(transactions.len());
    let mut dear: HashSet<Txid> = HashSet::new();
    let mut sent = Vec::with_capacity(transactions.len());
    for tx in &transactions {
        let mut one = if weight > MAX_WEIGHT {
            // It is refused for that; nobody looks for its coins.
            Before::default()
        } else {
            Before::of(face, &limits, tx, &list).await?
        };
        let mut inputs = tx.input.iter();
        one.orphan = inputs.any(|input| dear.contains(&input.previous_output.txid));
        if one.dear {
            dear.insert(tx.compute_txid());
            let refused = Err("max feerate exceeded".to_owned());
            record(face, &caller.actor(), tx, refused).await;
        } else if !one.orphan {
            sent.push(tx.clone());
        }
        before.push(one);
    }
    let verdicts = if sent.is_empty() {
        Vec::new()
    } else {
        submit(face, caller, &sent).await?
    };
    let rates = Rates::of(face, &sent, &verdicts).await?;
    let mut verdicts = verdicts.into_iter();
    let mut results = Map::new();
    let (mut all, mut replaced) = (true, false);
    for (tx, before) in transactions.iter().zip(&before) {
        let mut shown = json!({ "txid": tx.compute_txid() });
        let verdict = if before.dear || before.orphan {
            None
        } else {
            verdicts.next()
        };
        match (verdict, before.known) {
            (Some(verdict), Some((wtxid, fee))) if verdict.accepted => {
                let own = t::Txid(tx.compute_wtxid().to_byte_array());
                if wtxid == own {
                    shown["vsize"] = json!(tx.vsize());
                    shown["fees"] = json!({ "base": bitcoins(fee) });
                } else {
                    shown["other-wtxid"] = json!(wtxid);
                }
            }
            (Some(verdict), _) if verdict.accepted => {
                replaced |= before.replaces;
                shown["vsize"] = json!(tx.vsize());
                if let Some(fee) = verdict.fee_sat {
                    shown["fees"] = rates.show(tx, fee);
                }
            }
            (verdict, _) => {
                all = false;
                let reason = verdict.and_then(|verdict| verdict.reason);
                let own = if before.dear {
                    "max feerate exceeded"
                } else {
                    "bad-txns-inputs-missingorspent"
                };
                shown["error"] = json!(reason.unwrap_or_else(|| own.to_owned()));
            }
        }
        results.insert(tx.compute_wtxid().to_string(), shown);
    }
    let message = if all { "success" } else { "transaction failed" };
    let mut shown = json!({ "package_msg": message, "tx-results": results });
    // Which ones left is not told by the base node; where there are some, nothing is said.
    if !replaced {
        shown["replaced-transactions"] = json!([]);
    }
    Ok(shown)
}
