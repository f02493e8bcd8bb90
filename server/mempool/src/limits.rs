//! What leaves without a block: transactions that are too old, and the cheapest when it is full.

use std::collections::HashSet;

use bitcoin::Txid;

use crate::{
    Pool, Stop,
    policy::{higher, rate_of},
    pool::Sum,
};

impl Pool {
    /// Forgets what has waited too long, with all that spends of it; says how many left.
    pub fn expire(&mut self, now: u64) -> usize {
        let oldest = now.saturating_sub(self.policy.expiry);
        if self.oldest >= oldest {
            return 0;
        }
        let mut old: Vec<Txid> = self
            .iter()
            .filter(|entry| entry.time < oldest)
            .map(|entry| entry.txid)
            .collect();
        old.sort_unstable();
        let left = old
            .into_iter()
            .map(|txid| self.remove_with_descendants(txid))
            .sum();
        let times = self.iter().map(|entry| entry.time);
        self.oldest = times.min().unwrap_or(u64::MAX);
        left
    }

    /// Lets the floor fall to where it is by now.
    pub(crate) fn settle_floor(&mut self, now: u64) {
        self.floor.settle(now, self.usage, &self.policy);
    }

    /// Pushes out the cheapest if it is too full, and says so if a newcomer is among them.
    pub(crate) fn keep_within_limits(&mut self, now: u64, new: &[Txid]) -> Result<(), Stop> {
        self.expire(now);
        self.evict(now);
        if new.iter().all(|txid| self.get(txid).is_some()) {
            Ok(())
        } else {
            Stop::reject("mempool full")
        }
    }

    /// When it is too full, makes a little more room than is needed: sorting all of it for each
    /// newcomer would be the larger cost.
    pub(crate) fn evict(&mut self, now: u64) {
        if self.usage <= self.policy.max_usage {
            return;
        }
        let wanted = self.policy.max_usage - self.policy.max_usage / 100;
        let mut cheapest: Vec<(Sum, Txid)> = self
            .iter()
            .map(|entry| {
                let own = self.sum([entry.txid]);
                let family = self.with_descendants(entry.txid);
                let better = higher(family.rate(), own.rate());
                (if better { family } else { own }, entry.txid)
            })
            .collect();
        cheapest.sort_by(|(one, first), (other, second)| {
            let left = u128::from(one.fee) * u128::from(other.vsize);
            let right = u128::from(other.fee) * u128::from(one.vsize);
            left.cmp(&right).then(first.cmp(second))
        });
        let mut gone = HashSet::new();
        for (_, txid) in cheapest {
            if self.usage <= wanted {
                break;
            }
            if !gone.insert(txid) || self.get(&txid).is_none() {
                continue;
            }
            let family = self.with_descendants(txid);
            self.floor
                .raise(rate_of(family.fee, family.vsize), &self.policy, now);
            self.remove_with_descendants(txid);
        }
    }
}
