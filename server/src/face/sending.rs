//! Methods that send transactions, or ask whether they would be taken.

use bitcoin::consensus::encode::serialize;
use bitcoin::script::Instruction;
use bitcoin::{Script, Transaction, Wtxid, opcodes};
use bllvm_ipc::types::{Hex, TransactionVerdict, Transactions};
use serde_json::{Map, Value, json};

use super::Face;
use super::error::{
    ALREADY_IN_CHAIN, DESERIALIZATION, INTERNAL, MISC, Outcome, PARAMETER, REJECTED, Refusal,
    VERIFY, no_mempool,
};
use super::mempool::coins_of;
use super::params::{self, Args};
use super::render::{self, bitcoins};
use crate::api::auth::Caller;
use crate::store::commands::actions;

/// The highest fee rate that is sent without a word, satoshi per 1,000 virtual bytes.
const MAX_FEE_RATE: u64 = 10_000_000;
/// Transactions that one request judges.
const MAX_PACKAGE: usize = 25;
/// Bytes of the longest script, and of its longest push.
const MAX_SCRIPT: usize = 10_000;
const MAX_PUSH: usize = 520;

/// Hands transactions to the base node, and writes down who did, and what became of each.
async fn submit(
    face: &Face,
    caller: &Caller,
    transactions: &[Transaction],
) -> Outcome<Vec<TransactionVerdict>> {
    let sent = face.submit().broadcast(packed(transactions)).await;
    let by = caller.actor();
    for (at, tx) in transactions.iter().enumerate() {
        let outcome = match &sent {
            Ok(sent) => match sent.results.get(at) {
                Some(verdict) if verdict.accepted => Ok(String::new()),
                Some(verdict) => Err(verdict.reason.clone().unwrap_or_default()),
                None => Err("the base node gave no verdict".to_owned()),
            },
            Err(error) => Err(error.to_string()),
        };
        let target = format!("transaction {}", tx.compute_txid());
        let control = face.control();
        control
            .record_submission(actions::SEND_TRANSACTIONS, target, outcome, &by)
            .await;
    }
    Ok(sent.map_err(no_mempool)?.results)
}

pub(super) async fn send(face: &Face, caller: &Caller, args: Args) -> Outcome {
    face.pace().check(caller)?;
    let limits = Limits::read(&args, 1)?;
    let tx = params::transaction(args.text(0))?;
    limits.check_burned(&tx)?;
    limits.check_fee(face, &tx).await?;
    let sent = submit(face, caller, std::slice::from_ref(&tx)).await?;
    match sent.into_iter().next() {
        Some(verdict) if verdict.accepted => Ok(json!(tx.compute_txid())),
        // Sending once more is no fault.
        Some(verdict) if verdict.reason.as_deref() == Some("txn-already-in-mempool") => {
            Ok(json!(tx.compute_txid()))
        }
        Some(verdict) => Err(rejected(&verdict)),
        None => Err(Refusal::new(INTERNAL, "the base node gave no verdict")),
    }
}

/// Bitcoin Core's number for a verdict.
fn rejected(verdict: &TransactionVerdict) -> Refusal {
    let reason = verdict.reason.clone().unwrap_or_default();
    match reason.as_str() {
        "missing-inputs" | "bad-txns-inputs-missingorspent" => {
            Refusal::new(VERIFY, "bad-txns-inputs-missingorspent")
        }
        "txn-already-known" => {
            Refusal::new(ALREADY_IN_CHAIN, "Transaction outputs already in utxo set")
        }
        _ => Refusal::new(REJECTED, reason),
    }
}

/// The most that a sender is ready to pay and to burn.
struct Limits {
    fee_rate: u64,
    burned: u64,
}

impl Limits {
    fn read(args: &Args, at: usize) -> Outcome<Self> {
        let fee_rate = args.amount(at)?.unwrap_or(MAX_FEE_RATE);
        if fee_rate >= 100_000_000 {
            let text = "Fee rates larger than or equal to 1BTC/kvB are not accepted";
            return Err(Refusal::new(PARAMETER, text));
        }
        Ok(Self {
            fee_rate,
            burned: args.amount(at + 1)?.unwrap_or(0),
        })
    }

    fn check_burned(&self, tx: &Transaction) -> Outcome<()> {
        let burns = |output: &&bitcoin::TxOut| is_unspendable(&output.script_pubkey);
        let most = tx
            .output
            .iter()
            .filter(burns)
            .map(|output| output.value.to_sat())
            .max();
        if most.unwrap_or(0) > self.burned {
            let text = "Unspendable output exceeds maximum configured by user (maxburnamount)";
            return Err(Refusal::new(VERIFY, text));
        }
        Ok(())
    }

    fn exceeded(&self, tx: &Transaction, fee: u64) -> bool {
        self.fee_rate > 0 && fee.saturating_mul(1000) > self.fee_rate * tx.vsize() as u64
    }

    /// Where an input is not there, the base node's own verdict says so.
    async fn check_fee(&self, face: &Face, tx: &Transaction) -> Outcome<()> {
        if self.fee_rate == 0 {
            return Ok(());
        }
        let coins = match coins_of(face, tx).await {
            Ok(coins) => coins,
            // A base node without coins has no mempool either, and says so below.
            Err(refusal) if refusal.code == MISC => None,
            Err(refusal) => return Err(refusal),
        };
        let fee = coins.and_then(|coins| render::fee(tx, &coins));
        if fee.is_some_and(|fee| self.exceeded(tx, fee)) {
            let text = "Fee exceeds maximum configured by user (e.g. -maxtxfee, maxfeerate)";
            return Err(Refusal::new(VERIFY, text));
        }
        Ok(())
    }
}

fn packed<'a>(transactions: impl IntoIterator<Item = &'a Transaction>) -> Transactions {
    let transactions = transactions.into_iter().map(|tx| Hex(serialize(tx)));
    Transactions {
        transactions: transactions.collect(),
    }
}

/// Whether nobody can ever spend what is paid to a script.
fn is_unspendable(script: &Script) -> bool {
    let allowed = |one: Instruction<'_>| match one {
        Instruction::PushBytes(push) => push.len() <= MAX_PUSH,
        Instruction::Op(code) => code.to_u8() <= opcodes::all::OP_NOP10.to_u8(),
    };
    let has_valid_ops = || script.instructions().all(|one| one.is_ok_and(allowed));
    script.is_op_return() || script.len() > MAX_SCRIPT || !has_valid_ops()
}

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

pub(super) async fn test_accept(face: &Face, _: &Caller, args: Args) -> Outcome {
    let (limits, transactions) = package(&args)?;
    let judged = face.node().test_accept(packed(&transactions)).await;
    let judged = judged.map_err(no_mempool)?.results;
    let rates = Rates::of(face, &transactions, &judged).await?;
    let shown = transactions.iter().zip(judged).map(|(tx, verdict)| {
        let mut shown = json!({ "txid": tx.compute_txid(), "wtxid": tx.compute_wtxid() });
        let dear = verdict.fee_sat.is_some_and(|fee| limits.exceeded(tx, fee));
        shown["allowed"] = json!(verdict.accepted && !dear);
        if verdict.accepted && dear {
            shown["reject-reason"] = json!("max-fee-exceeded");
        } else if verdict.accepted {
            shown["vsize"] = json!(tx.vsize());
            if let Some(fee) = verdict.fee_sat {
                shown["fees"] = rates.show(tx, fee);
            }
        } else {
            let reason = verdict.reason.unwrap_or_default();
            // Bitcoin Core says it shorter here than where it sends.
            let short = match reason.as_str() {
                "bad-txns-inputs-missingorspent" => "missing-inputs",
                other => other,
            };
            shown["reject-reason"] = json!(short);
        }
        shown
    });
    Ok(shown.collect())
}

pub(super) async fn submit_package(face: &Face, caller: &Caller, args: Args) -> Outcome {
    face.pace().check(caller)?;
    let (limits, transactions) = package(&args)?;
    for tx in &transactions {
        limits.check_burned(tx)?;
    }
    let sent = submit(face, caller, &transactions).await?;
    let rates = Rates::of(face, &transactions, &sent).await?;
    let mut results = Map::new();
    let all = sent.iter().all(|verdict| verdict.accepted);
    for (tx, verdict) in transactions.iter().zip(sent) {
        let mut shown = json!({ "txid": tx.compute_txid() });
        if verdict.accepted {
            shown["vsize"] = json!(tx.vsize());
            if let Some(fee) = verdict.fee_sat {
                shown["fees"] = rates.show(tx, fee);
            }
        } else {
            shown["error"] = json!(verdict.reason);
        }
        results.insert(tx.compute_wtxid().to_string(), shown);
    }
    let message = if all { "success" } else { "transaction failed" };
    Ok(json!({ "package_msg": message, "tx-results": results, "replaced-transactions": [] }))
}
