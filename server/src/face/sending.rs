//! Methods that send transactions, or ask whether they would be taken.

use bitcoin::consensus::encode::serialize;
use bitcoin::script::Instruction;
use bitcoin::{Script, Transaction, opcodes};
use bllvm_ipc::types::{Hex, TransactionVerdict, Transactions};
use serde_json::json;

use super::Face;
use super::error::{
    ALREADY_IN_CHAIN, INTERNAL, MISC, Outcome, PARAMETER, REJECTED, Refusal, VERIFY, no_mempool,
};
use super::mempool::coins_of;
use super::params::{self, Args};
use super::render;
use crate::api::auth::Caller;
use crate::model::Actor;
use crate::store::commands::actions;

/// The highest fee rate that is sent without a word, satoshi per 1,000 virtual bytes.
const MAX_FEE_RATE: u64 = 10_000_000;
/// Bytes of the longest script, and of its longest push.
const MAX_SCRIPT: usize = 10_000;
const MAX_PUSH: usize = 520;

/// Hands transactions to the base node, and writes down who did, and what became of each.
pub(super) async fn submit(
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
        record(face, &by, tx, outcome).await;
    }
    Ok(sent.map_err(no_mempool)?.results)
}

/// Writes down who wanted to send a transaction, and what became of it.
pub(super) async fn record(
    face: &Face,
    by: &Actor,
    tx: &Transaction,
    outcome: Result<String, String>,
) {
    let target = format!("transaction {}", tx.compute_txid());
    let control = face.control();
    control
        .record_submission(actions::SEND_TRANSACTIONS, target, outcome, by)
        .await;
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
pub(super) struct Limits {
    pub(super) fee_rate: u64,
    burned: u64,
}

impl Limits {
    pub(super) fn read(args: &Args, at: usize) -> Outcome<Self> {
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

    pub(super) fn check_burned(&self, tx: &Transaction) -> Outcome<()> {
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

    pub(super) fn exceeded(&self, tx: &Transaction, fee: u64) -> bool {
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

pub(super) fn packed<'a>(transactions: impl IntoIterator<Item = &'a Transaction>) -> Transactions {
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
