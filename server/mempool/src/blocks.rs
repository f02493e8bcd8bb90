//! What blocks do to the mempool.

use bitcoin::{Block, Transaction};

use crate::{Chain, Fault, Pool, Stop, accept::Mode, policy::fee_at};

impl Pool {
    /// A block joined the chain: what it holds leaves, and what spends the same with it.
    pub fn block_connected(&mut self, block: &Block, now: u64) {
        self.begin();
        self.settle_floor(now);
        for transaction in block.txdata.iter().filter(|one| !one.is_coinbase()) {
            self.remove(transaction.compute_txid());
        }
        for transaction in &block.txdata {
            for input in &transaction.input {
                if let Some(rival) = self.spender(&input.previous_output) {
                    self.remove_with_descendants(rival);
                }
            }
        }
        self.floor.block(now);
        self.expire(now);
    }

    /// Blocks left the chain, and perhaps others joined: everything is looked at again, at the new
    /// tip. `returned` are the transactions of the blocks that left, in their order. No script runs:
    /// those of a block held, and so did ours; neither can change.
    ///
    /// # Errors
    /// [`Fault`] if the chain could not be asked; the mempool is then empty of what it could not
    /// judge.
    pub fn reorganised(
        &mut self,
        chain: &impl Chain,
        returned: Vec<Transaction>,
        now: u64,
    ) -> Result<(), Fault> {
        self.begin();
        self.settle_floor(now);
        let before: Vec<_> = self
            .in_order()
            .map(|entry| (entry.transaction.clone(), entry.time, entry.height))
            .collect();
        for (transaction, _, _) in before.iter().rev() {
            self.remove(transaction.compute_txid());
        }
        for transaction in returned.into_iter().filter(|one| !one.is_coinbase()) {
            let back = self.enter(chain, transaction, now, Mode::Return);
            // A refusal means that it leaves, which is no news here.
            drop(Stop::verdict(back)?);
        }
        for (transaction, time, height) in before {
            let txid = transaction.compute_txid();
            let again = self.enter(chain, (*transaction).clone(), now, Mode::Return);
            if Stop::verdict(again)?.is_ok()
                && let Some(entry) = self.entries.get_mut(&txid)
            {
                (entry.time, entry.height) = (time, height);
                self.oldest = self.oldest.min(time);
            }
        }
        self.drop_unpaid();
        self.floor.block(now);
        self.expire(now);
        self.evict(now);
        Ok(())
    }

    /// Takes up what an earlier mempool held, with the times it came at; says how much got in. Fee
    /// rates are not asked for again, but scripts are.
    ///
    /// # Errors
    /// [`Fault`] if the chain could not be asked.
    pub fn restore(
        &mut self,
        chain: &impl Chain,
        kept: Vec<(Transaction, u64)>,
        now: u64,
    ) -> Result<usize, Fault> {
        self.begin();
        for (transaction, time) in kept {
            let entered = self.enter(chain, transaction, time, Mode::Package);
            drop(Stop::verdict(entered)?);
        }
        self.drop_unpaid();
        self.expire(now);
        self.evict(now);
        Ok(self.len())
    }

    /// Drops what pays too little and has nobody who pays for it.
    fn drop_unpaid(&mut self) {
        loop {
            let unpaid: Vec<_> = self
                .iter()
                .filter(|entry| {
                    entry.fee < fee_at(self.policy.min_relay, entry.vsize)
                        && self.children(entry.txid).is_empty()
                })
                .map(|entry| entry.txid)
                .collect();
            if unpaid.is_empty() {
                return;
            }
            for txid in unpaid {
                self.remove(txid);
            }
        }
    }
}
