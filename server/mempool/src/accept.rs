//! Taking a transaction in: every check, in Bitcoin Core's order.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use bitcoin::{OutPoint, Transaction, TxOut, Txid};

use crate::{
    Chain, Coin, Entry, Pool, Reject, Stop, inputs,
    policy::{fee_at, higher},
    rules, sigops, standard, truc,
};

const MAX_SIGOPS: u64 = 16_000;
const BYTES_PER_SIGOP: u64 = 20;

/// How strictly a newcomer is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// On its own.
    Single,
    /// Judged in a list, of which nothing may replace anything.
    List,
    /// With a child or parent that pays with it: fee rates are checked for both together.
    Package,
    /// It comes back from a block that was taken off, or was here before: its scripts are known to
    /// hold, and its fee was good enough.
    Return,
}

/// A transaction that may enter.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub entry: Entry,
    /// What it spends.
    pub spent: Vec<TxOut>,
    /// What it spends twice.
    pub conflicts: BTreeSet<Txid>,
    /// What has to leave: the conflicts and all that spends of them.
    pub replaced: HashSet<Txid>,
}

impl Pool {
    /// Takes a transaction in, or says why not.
    ///
    /// # Errors
    /// [`Fault`](crate::Fault) if the chain could not be asked; nothing has changed then.
    pub fn accept(
        &mut self,
        chain: &impl Chain,
        transaction: Transaction,
        now: u64,
    ) -> Result<Result<Txid, Reject>, crate::Fault> {
        self.begin();
        self.settle_floor(now);
        let entered = self.enter(chain, transaction, now, Mode::Single);
        Stop::verdict(entered.and_then(|txid| self.keep_within_limits(now, &[txid]).map(|()| txid)))
    }

    /// Checks a transaction and puts it in, without looking at the mempool's size.
    pub(crate) fn enter(
        &mut self,
        chain: &impl Chain,
        transaction: Transaction,
        now: u64,
        mode: Mode,
    ) -> Result<Txid, Stop> {
        let candidate = self.check(chain, transaction, now, mode)?;
        Self::check_scripts(chain, &candidate, mode)?;
        Ok(self.seat(candidate))
    }

    pub(crate) fn seat(&mut self, candidate: Candidate) -> Txid {
        for txid in candidate.replaced {
            self.remove(txid);
        }
        let txid = candidate.entry.txid;
        self.insert(candidate.entry);
        txid
    }

    pub(crate) fn check_scripts(
        chain: &impl Chain,
        candidate: &Candidate,
        mode: Mode,
    ) -> Result<(), Stop> {
        if mode == Mode::Return {
            return Ok(());
        }
        Self::verify(chain, &candidate.entry.transaction, &candidate.spent)
    }

    pub(crate) fn verify(
        chain: &impl Chain,
        transaction: &Transaction,
        spent: &[TxOut],
    ) -> Result<(), Stop> {
        match chain.verify(transaction, spent)? {
            Ok(()) => Ok(()),
            Err(failed) => Stop::because(
                "mempool-script-verify-flag-failed",
                format!("input {}", failed.input),
            ),
        }
    }

    pub(crate) fn check(
        &self,
        chain: &impl Chain,
        transaction: Transaction,
        now: u64,
        mode: Mode,
    ) -> Result<Candidate, Stop> {
        rules::check_alone(&transaction)?;
        standard::check_form(&transaction, &self.policy)?;
        rules::check_final(&transaction, chain)?;
        if let Some(code) = self.knows(&transaction) {
            return Stop::reject(code);
        }
        let (txid, wtxid) = (transaction.compute_txid(), transaction.compute_wtxid());
        let mut conflicts: BTreeSet<Txid> = transaction
            .input
            .iter()
            .filter_map(|input| self.spender(&input.previous_output))
            .collect();
        if mode == Mode::List && !conflicts.is_empty() {
            return Stop::reject("bip125-replacement-disallowed");
        }
        let coins = self.coins(chain, &transaction, txid)?;
        rules::check_sequences(&transaction, &coins, chain)?;
        let fee = rules::check_amounts(&transaction, &coins, chain)?;
        inputs::check_inputs(&transaction, &coins)?;
        let sigops = sigops::cost(&transaction, &coins);
        if sigops > MAX_SIGOPS {
            return Stop::because("bad-txns-too-many-sigops", sigops.to_string());
        }
        let weight = transaction.weight().to_wu();
        let vsize = weight.max(sigops * BYTES_PER_SIGOP).div_ceil(4);
        if fee > 0 && !standard::dust(&transaction, &self.policy).is_empty() {
            return Stop::because("dust", "tx with dust output must be 0-fee");
        }
        self.check_fee(&transaction, fee, vsize, now, mode)?;

        let parents = self.parents(&transaction);
        let ancestors = self.all_ancestors(parents.clone());
        let sibling = truc::check(self, &transaction, vsize, &parents, &ancestors, &conflicts)?;
        if let Some(sibling) = sibling {
            if mode != Mode::Single {
                return Stop::because("TRUC-violation", "the parent has another child");
            }
            conflicts.insert(sibling);
        }
        if let Some(both) = conflicts.iter().find(|txid| ancestors.contains(*txid)) {
            return Stop::because(
                "bad-txns-spends-conflicting-tx",
                format!("{txid} spends of and conflicts with {both}"),
            );
        }
        let mut replaced: HashSet<Txid> = conflicts.iter().copied().collect();
        for conflict in &conflicts {
            if replaced.len() > self.policy.max_replaced {
                // More than enough to be refused; each costs a search.
                break;
            }
            replaced.extend(self.descendants(*conflict));
        }
        self.check_family(&ancestors, vsize, &replaced)?;
        self.check_dust_of_parents(&transaction, &parents)?;
        let candidate = Candidate {
            entry: Entry {
                transaction: Arc::new(transaction),
                txid,
                wtxid,
                fee,
                weight,
                vsize,
                sigops,
                time: now,
                height: chain.height(),
                // Given when it gets in.
                arrival: 0,
            },
            spent: coins.into_iter().map(|coin| coin.output).collect(),
            conflicts,
            replaced,
        };
        if mode != Mode::Package {
            self.check_replacement(&candidate, &ancestors)?;
        }
        Ok(candidate)
    }

    /// The word for a transaction that is here already, with this or another witness.
    pub(crate) fn knows(&self, transaction: &Transaction) -> Option<&'static str> {
        let known = self.get(&transaction.compute_txid())?;
        Some(if known.wtxid == transaction.compute_wtxid() {
            "txn-already-in-mempool"
        } else {
            "txn-same-nonwitness-data-in-mempool"
        })
    }

    /// What the inputs spend; unconfirmed outputs count as of the next block.
    fn coins(
        &self,
        chain: &impl Chain,
        transaction: &Transaction,
        txid: Txid,
    ) -> Result<Vec<Coin>, Stop> {
        let mut coins = Vec::with_capacity(transaction.input.len());
        for input in &transaction.input {
            let outpoint = &input.previous_output;
            let unconfirmed = self.output(outpoint).map(|output| Coin {
                output: output.clone(),
                height: chain.height() + 1,
                coinbase: false,
            });
            let coin = match unconfirmed {
                Some(coin) => Some(coin),
                None => chain.coin(outpoint)?,
            };
            if let Some(coin) = coin {
                coins.push(coin);
                continue;
            }
            for vout in 0..u32::try_from(transaction.output.len()).unwrap_or(0) {
                if chain.coin(&OutPoint { txid, vout })?.is_some() {
                    return Stop::reject("txn-already-known");
                }
            }
            return Stop::because("bad-txns-inputs-missingorspent", outpoint.to_string());
        }
        Ok(coins)
    }

    fn check_fee(
        &self,
        transaction: &Transaction,
        fee: u64,
        vsize: u64,
        now: u64,
        mode: Mode,
    ) -> Result<(), Stop> {
        if mode == Mode::Return {
            return Ok(());
        }
        let relay = fee_at(self.policy.min_relay, vsize);
        if mode == Mode::Package {
            // Only a TRUC transaction surely keeps the child that pays for it.
            if fee < relay && !truc::is_truc(transaction) {
                return Stop::because("min relay fee not met", format!("{fee} < {relay}"));
            }
            return Ok(());
        }
        let floor = fee_at(self.floor.rate(now, self.usage, &self.policy), vsize);
        if fee < floor {
            return Stop::because("mempool min fee not met", format!("{fee} < {floor}"));
        }
        if fee < relay {
            return Stop::because("min relay fee not met", format!("{fee} < {relay}"));
        }
        Ok(())
    }

    /// Bounds how many transactions hang together.
    fn check_family(
        &self,
        ancestors: &HashSet<Txid>,
        vsize: u64,
        replaced: &HashSet<Txid>,
    ) -> Result<(), Stop> {
        let too_long = |why: String| Stop::because("too-long-mempool-chain", why);
        let policy = &self.policy;
        let above = self.sum(ancestors.iter().copied());
        if above.count + 1 > policy.max_ancestors {
            return too_long(format!(
                "too many unconfirmed ancestors [limit: {}]",
                policy.max_ancestors
            ));
        }
        if above.vsize + vsize > policy.max_ancestor_size {
            return too_long(format!(
                "exceeds ancestor size limit [limit: {}]",
                policy.max_ancestor_size
            ));
        }
        for ancestor in ancestors {
            let below = self.descendants(*ancestor);
            let below = below.into_iter().filter(|txid| !replaced.contains(txid));
            let below = self.sum(below.chain([*ancestor]));
            if below.count + 1 > policy.max_descendants {
                return too_long(format!(
                    "too many descendants for tx {ancestor} [limit: {}]",
                    policy.max_descendants
                ));
            }
            if below.vsize + vsize > policy.max_descendant_size {
                return too_long(format!(
                    "exceeds descendant size limit for tx {ancestor} [limit: {}]",
                    policy.max_descendant_size
                ));
            }
        }
        Ok(())
    }

    /// A child must spend all dust of its unconfirmed parents, or the dust would stay for ever.
    fn check_dust_of_parents(
        &self,
        transaction: &Transaction,
        parents: &BTreeSet<Txid>,
    ) -> Result<(), Stop> {
        let spent: HashSet<_> = transaction
            .input
            .iter()
            .map(|input| input.previous_output)
            .collect();
        for parent in parents.iter().filter_map(|txid| self.get(txid)) {
            for vout in standard::dust(&parent.transaction, &self.policy) {
                let txid = parent.txid;
                if !spent.contains(&OutPoint { txid, vout }) {
                    return Stop::because(
                        "missing-ephemeral-spends",
                        format!("tx did not spend parent's ephemeral dust {txid}:{vout}"),
                    );
                }
            }
        }
        Ok(())
    }

    /// Whether a replacement pays for what it removes (full replace-by-fee).
    fn check_replacement(
        &self,
        candidate: &Candidate,
        ancestors: &HashSet<Txid>,
    ) -> Result<(), Stop> {
        if candidate.conflicts.is_empty() {
            return Ok(());
        }
        let entry = &candidate.entry;
        let rate = Self::mining_rate(entry, self.sum(ancestors.iter().copied()));
        self.check_pays(
            (entry.fee, entry.vsize),
            rate,
            &candidate.conflicts,
            &candidate.replaced,
        )
    }

    pub(crate) fn check_pays(
        &self,
        (fee, vsize): (u64, u64),
        rate: (u64, u64),
        conflicts: &BTreeSet<Txid>,
        replaced: &HashSet<Txid>,
    ) -> Result<(), Stop> {
        let limit = self.policy.max_replaced;
        if replaced.len() > limit {
            let count = replaced.len();
            return Stop::because(
                "too many potential replacements",
                format!(
                    "rejecting replacement; too many potential replacements ({count} > {limit})"
                ),
            );
        }
        for conflict in conflicts.iter().filter_map(|txid| self.get(txid)) {
            if !higher(rate, (conflict.fee, conflict.vsize)) {
                return Stop::because(
                    "insufficient fee",
                    format!("new feerate is not above that of {}", conflict.txid),
                );
            }
        }
        let old = self.sum(replaced.iter().copied()).fee;
        if fee < old {
            return Stop::because(
                "insufficient fee",
                format!("less fees than conflicting txs; {fee} < {old}"),
            );
        }
        let relay = fee_at(self.policy.incremental, vsize);
        if fee - old < relay {
            return Stop::because(
                "insufficient fee",
                format!(
                    "not enough additional fees to relay; {} < {relay}",
                    fee - old
                ),
            );
        }
        Ok(())
    }
}
