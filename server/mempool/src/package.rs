//! Several transactions at once: a list in order, in which one may be paid for by its child.

use std::collections::{BTreeSet, HashMap, HashSet};

use bitcoin::{Transaction, Txid};

use crate::{
    Chain, Fault, Pool, Reject, Stop,
    accept::Mode,
    policy::{fee_at, higher},
};

const MAX_COUNT: usize = 25;
const MAX_WEIGHT: u64 = 404_000;

/// The code of a transaction that was not looked at, because another one of its list was refused.
pub const NOT_JUDGED: &str = "package-not-validated";

/// What a transaction that was taken pays, and for what size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Taken {
    /// Its fee, in satoshi.
    pub fee: u64,
    /// Its virtual size.
    pub vsize: u64,
}

/// What became of each transaction of a list: taken, or why not.
pub type Verdicts = Vec<(Txid, Result<Taken, Reject>)>;

impl Pool {
    /// Takes transactions in, in their order. One that pays too little on its own is taken together
    /// with its child, if that is in the list and pays for both (one parent, one child). What is in
    /// already, with whatever witness, counts as taken.
    ///
    /// # Errors
    /// [`Fault`] if the chain could not be asked; nothing has changed then.
    pub fn submit(
        &mut self,
        chain: &impl Chain,
        transactions: &[Transaction],
        now: u64,
    ) -> Result<Verdicts, Fault> {
        self.begin();
        self.settle_floor(now);
        let before = self.mark();
        let verdicts = self.take_in(chain, transactions, now);
        if verdicts.is_err() {
            self.roll_back(before);
        }
        verdicts
    }

    /// Judges transactions as Bitcoin Core's `testmempoolaccept` does; nothing changes. In a list each
    /// has to pay for itself and may spend of those before it, but replace nothing. The first one that
    /// is refused ends it: those not judged by then have the code [`NOT_JUDGED`].
    ///
    /// # Errors
    /// [`Fault`] if the chain could not be asked.
    pub fn test(
        &mut self,
        chain: &impl Chain,
        transactions: &[Transaction],
        now: u64,
    ) -> Result<Verdicts, Fault> {
        self.begin();
        let before = self.mark();
        let verdicts = self.judge(chain, transactions, now);
        self.roll_back(before);
        verdicts
    }

    fn judge(
        &mut self,
        chain: &impl Chain,
        transactions: &[Transaction],
        now: u64,
    ) -> Result<Verdicts, Fault> {
        let txids: Vec<_> = transactions.iter().map(Transaction::compute_txid).collect();
        if let Err(reject) = check_list(transactions, &txids) {
            return Ok(all_refused(&txids, &reject));
        }
        let mode = if txids.len() == 1 {
            Mode::Single
        } else {
            Mode::List
        };
        let mut verdicts: Verdicts = txids
            .iter()
            .map(|txid| (*txid, Err(Reject::new(NOT_JUDGED))))
            .collect();
        let mut judged = Vec::with_capacity(txids.len());
        for (at, transaction) in transactions.iter().enumerate() {
            let candidate = match Stop::verdict(self.check(chain, transaction.clone(), now, mode))?
            {
                Ok(candidate) => candidate,
                Err(reject) => {
                    let mut spent = transaction.input.iter();
                    let hangs_together =
                        spent.any(|input| txids[..at].contains(&input.previous_output.txid));
                    if let Some(of_all) = of_the_list(&reject).filter(|_| hangs_together) {
                        return Ok(all_refused(&txids, &of_all));
                    }
                    verdicts[at].1 = Err(reject);
                    return Ok(verdicts);
                }
            };
            let (fee, vsize) = (candidate.entry.fee, candidate.entry.vsize);
            judged.push((candidate.spent.clone(), Taken { fee, vsize }));
            self.seat(candidate);
        }
        for (at, (spent, taken)) in judged.into_iter().enumerate() {
            let verdict = Stop::verdict(Self::verify(chain, &transactions[at], &spent))?;
            let refused = verdict.is_err();
            verdicts[at].1 = verdict.map(|()| taken);
            if refused {
                break;
            }
        }
        Ok(verdicts)
    }

    fn take_in(
        &mut self,
        chain: &impl Chain,
        transactions: &[Transaction],
        now: u64,
    ) -> Result<Verdicts, Fault> {
        let txids: Vec<_> = transactions.iter().map(Transaction::compute_txid).collect();
        if let Err(reject) = check_list(transactions, &txids) {
            return Ok(all_refused(&txids, &reject));
        }
        let mut verdicts: Verdicts = Vec::with_capacity(txids.len());
        let mut paid = HashSet::new();
        for (index, transaction) in transactions.iter().enumerate() {
            let txid = txids[index];
            if paid.contains(&txid) {
                verdicts.push((txid, Ok(self.taken(txid))));
                continue;
            }
            let single = self.alone(chain, transaction, txid, now)?;
            let verdict = match single {
                Err(reject) if pays_too_little(&reject) => {
                    let child = transactions[index + 1..].iter().find(|later| {
                        let mut spent = later.input.iter();
                        spent.any(|input| input.previous_output.txid == txid)
                    });
                    match child {
                        None => Err(reject),
                        Some(child) => {
                            let both = self.with_child(chain, transaction, child, now)?;
                            both.map(|id| {
                                paid.insert(id);
                            })
                        }
                    }
                }
                other => other,
            };
            verdicts.push((txid, verdict.map(|()| self.taken(txid))));
        }
        Ok(verdicts)
    }

    fn taken(&self, txid: Txid) -> Taken {
        self.get(&txid).map_or_else(Taken::default, |entry| Taken {
            fee: entry.fee,
            vsize: entry.vsize,
        })
    }

    fn alone(
        &mut self,
        chain: &impl Chain,
        transaction: &Transaction,
        txid: Txid,
        now: u64,
    ) -> Result<Result<(), Reject>, Fault> {
        // With another witness, too, as at Bitcoin Core's `sendrawtransaction`: what it does is here.
        if self.get(&txid).is_some() {
            return Ok(Ok(()));
        }
        let mark = self.mark();
        let entered = self.enter(chain, transaction.clone(), now, Mode::Single);
        let kept = entered.and_then(|txid| self.keep_within_limits(now, &[txid]));
        let verdict = Stop::verdict(kept);
        if !matches!(verdict, Ok(Ok(()))) && !self.evicted(&verdict) {
            self.roll_back(mark);
        }
        verdict
    }

    /// A newcomer that was pushed out again has pushed out others: that stays.
    #[expect(clippy::unused_self, reason = "reads as a question to the mempool")]
    fn evicted(&self, verdict: &Result<Result<(), Reject>, Fault>) -> bool {
        matches!(verdict, Ok(Err(reject)) if reject.code == "mempool full")
    }

    /// Takes a parent and its child in together, or neither.
    fn with_child(
        &mut self,
        chain: &impl Chain,
        parent: &Transaction,
        child: &Transaction,
        now: u64,
    ) -> Result<Result<Txid, Reject>, Fault> {
        let mark = self.mark();
        let entered = self.enter_pair(chain, parent, child, now);
        let kept = entered.and_then(|ids| self.keep_within_limits(now, &ids).map(|()| ids[1]));
        let verdict = Stop::verdict(kept);
        if verdict.as_ref().is_ok_and(Result::is_ok) {
            return verdict;
        }
        self.roll_back(mark);
        verdict
    }

    fn enter_pair(
        &mut self,
        chain: &impl Chain,
        parent: &Transaction,
        child: &Transaction,
        now: u64,
    ) -> Result<[Txid; 2], Stop> {
        let first = self.check(chain, parent.clone(), now, Mode::Package)?;
        if !self.parents(parent).is_empty() {
            return Stop::because(
                "min relay fee not met",
                "a parent that its child pays for may not spend of unconfirmed transactions",
            );
        }
        Self::check_scripts(chain, &first, Mode::Package)?;
        let (mut conflicts, mut replaced) = (first.conflicts.clone(), first.replaced.clone());
        let paid = (first.entry.fee, first.entry.vsize);
        // What the parent replaces is judged with the child's fee: it must still be there.
        let removed = self.sum(replaced.iter().copied());
        let old: HashMap<_, _> = conflicts
            .iter()
            .filter_map(|txid| {
                self.get(txid)
                    .map(|entry| (*txid, (entry.fee, entry.vsize)))
            })
            .collect();
        let parent_id = self.seat(first);

        let second = self.check(chain, child.clone(), now, Mode::Package)?;
        let unconfirmed = self.parents(child);
        if unconfirmed != BTreeSet::from([parent_id]) {
            return Stop::because(
                "package-not-child-with-parents",
                "the child may spend of no other unconfirmed transaction",
            );
        }
        Self::check_scripts(chain, &second, Mode::Package)?;
        conflicts.extend(second.conflicts.iter().copied());
        let both = (paid.0 + second.entry.fee, paid.1 + second.entry.vsize);
        let floor = self.floor.rate(now, self.usage, &self.policy);
        let asked = fee_at(floor.max(self.policy.min_relay), both.1);
        if both.0 < asked {
            return Stop::because(
                "min relay fee not met",
                format!("package: {} < {asked}", both.0),
            );
        }
        if !conflicts.is_empty() {
            if !higher(both, paid) {
                return Stop::because(
                    "insufficient fee",
                    "package feerate is not above the parent's own",
                );
            }
            // The parent's conflicts have left already; the child's are still there.
            if let Some((txid, _)) = old.iter().find(|(_, rate)| !higher(both, **rate)) {
                return Stop::because(
                    "insufficient fee",
                    format!("new feerate is not above that of {txid}"),
                );
            }
            let net = both.0.checked_sub(removed.fee).ok_or_else(|| {
                Reject::with(
                    "insufficient fee",
                    format!(
                        "less fees than conflicting txs; {} < {}",
                        both.0, removed.fee
                    ),
                )
            })?;
            self.check_pays((net, both.1), both, &second.conflicts, &second.replaced)?;
            replaced.extend(second.replaced.iter().copied());
            if replaced.len() > self.policy.max_replaced {
                return Stop::reject("too many potential replacements");
            }
        }
        let child_id = self.seat(second);
        Ok([parent_id, child_id])
    }
}

fn all_refused(txids: &[Txid], reject: &Reject) -> Verdicts {
    let refused = |txid: &Txid| (*txid, Err(reject.clone()));
    txids.iter().map(refused).collect()
}

/// What a list is refused for as a whole, where one of it that spends of another is refused so.
fn of_the_list(reject: &Reject) -> Option<Reject> {
    let detail = reject.detail.clone();
    match reject.code {
        "too-long-mempool-chain" => Some(Reject::with("package-mempool-limits", detail)),
        "TRUC-violation" => Some(reject.clone()),
        _ => None,
    }
}

fn pays_too_little(reject: &Reject) -> bool {
    matches!(
        reject.code,
        "min relay fee not met" | "mempool min fee not met" | "insufficient fee"
    )
}

fn check_list(transactions: &[Transaction], txids: &[Txid]) -> Result<(), Reject> {
    if transactions.len() > MAX_COUNT {
        return Err(Reject::new("package-too-many-transactions"));
    }
    let weight: u64 = transactions.iter().map(|one| one.weight().to_wu()).sum();
    if transactions.len() > 1 && weight > MAX_WEIGHT {
        return Err(Reject::new("package-too-large"));
    }
    let mut later: HashSet<_> = txids.iter().copied().collect();
    if later.len() != txids.len() {
        return Err(Reject::new("package-contains-duplicates"));
    }
    let mut spent = HashSet::new();
    for (transaction, txid) in transactions.iter().zip(txids) {
        for input in &transaction.input {
            if later.contains(&input.previous_output.txid) {
                return Err(Reject::new("package-not-sorted"));
            }
            if transactions.len() > 1 && !spent.insert(input.previous_output) {
                return Err(Reject::new("conflict-in-package"));
            }
        }
        later.remove(txid);
    }
    Ok(())
}
