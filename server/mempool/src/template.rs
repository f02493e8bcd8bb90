//! Which transactions the next block holds: again and again the package (a transaction and what it
//! still needs of its ancestors) with the best fee rate that fits.

use std::{
    cmp::Ordering,
    collections::{BinaryHeap, HashMap, HashSet},
    sync::Arc,
};

use bitcoin::{Transaction, Txid};

use crate::{Pool, policy::fee_at, pool::Sum};

/// The most weight that a block may have.
pub const MAX_WEIGHT: u64 = 4_000_000;
/// The most that its signature checks may cost.
pub const MAX_SIGOPS: u64 = 80_000;
/// Weight of the header and the number of transactions.
const FRAME_WEIGHT: u64 = 4 * (80 + 9);
/// Packages that do not fit, after which a nearly full block is left as it is.
const MAX_FAILURES: usize = 1000;
const NEARLY_FULL: u64 = 4000;

/// What the rest of the block leaves to the mempool's transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Weight.
    pub weight: u64,
    /// Cost of signature checks.
    pub sigops: u64,
    /// The lowest fee rate that is worth a place, in satoshi per 1,000 virtual bytes.
    pub min_rate: u64,
}

impl Room {
    /// What a coinbase of this weight, with checks of this cost, leaves.
    pub fn beside(coinbase_weight: u64, coinbase_sigops: u64) -> Self {
        Self {
            weight: MAX_WEIGHT.saturating_sub(coinbase_weight.saturating_add(FRAME_WEIGHT)),
            sigops: MAX_SIGOPS.saturating_sub(coinbase_sigops),
            min_rate: 1,
        }
    }
}

impl Default for Room {
    /// As Bitcoin Core's: 8,000 weight for coinbase and frame, 400 for its signature checks.
    fn default() -> Self {
        Self::beside(8000 - FRAME_WEIGHT, 400)
    }
}

/// The chosen transactions, each behind those it spends of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// The transactions and their fees.
    pub transactions: Vec<(Arc<Transaction>, u64)>,
    /// The cost of each one's signature checks.
    pub sigop_costs: Vec<u64>,
    /// Their fees together.
    pub fee: u64,
    /// Their weight together.
    pub weight: u64,
    /// The cost of their signature checks together.
    pub sigops: u64,
    /// Their virtual sizes together.
    pub vsize: u64,
    /// Fee and size of the cheapest package among them.
    pub cheapest: Option<(u64, u64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Offer {
    fee: u64,
    vsize: u64,
    txid: Txid,
}

impl Ord for Offer {
    fn cmp(&self, other: &Self) -> Ordering {
        let mine = u128::from(self.fee) * u128::from(other.vsize);
        let theirs = u128::from(other.fee) * u128::from(self.vsize);
        mine.cmp(&theirs).then(other.txid.cmp(&self.txid))
    }
}

impl PartialOrd for Offer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Pool {
    /// Chooses the next block's transactions.
    pub fn select(&self, room: Room) -> Selection {
        let mut chosen = Selection::default();
        let mut inside: HashSet<Txid> = HashSet::new();
        let mut current: HashMap<Txid, (u64, u64)> = HashMap::with_capacity(self.len());
        let mut offers: BinaryHeap<Offer> = BinaryHeap::with_capacity(self.len());
        for entry in self.iter() {
            let offer = self.offer(entry.txid, &inside);
            current.insert(entry.txid, (offer.fee, offer.vsize));
            offers.push(offer);
        }
        let mut failures = 0;
        while let Some(offer) = offers.pop() {
            if inside.contains(&offer.txid)
                || current.get(&offer.txid) != Some(&(offer.fee, offer.vsize))
            {
                continue;
            }
            if offer.fee < fee_at(room.min_rate, offer.vsize) {
                break;
            }
            let package = self.package(offer.txid, &inside);
            let weight: u64 = package.iter().map(|txid| self.entries[txid].weight).sum();
            let sigops: u64 = package.iter().map(|txid| self.entries[txid].sigops).sum();
            if chosen.weight + weight > room.weight || chosen.sigops + sigops > room.sigops {
                failures += 1;
                if failures > MAX_FAILURES && chosen.weight + NEARLY_FULL > room.weight {
                    break;
                }
                continue;
            }
            failures = 0;
            for txid in &package {
                let entry = &self.entries[txid];
                inside.insert(*txid);
                chosen.fee += entry.fee;
                chosen.vsize += entry.vsize;
                chosen.sigop_costs.push(entry.sigops);
                chosen
                    .transactions
                    .push((entry.transaction.clone(), entry.fee));
            }
            chosen.weight += weight;
            chosen.sigops += sigops;
            let rate = (offer.fee, offer.vsize);
            let cheaper = chosen
                .cheapest
                .is_none_or(|cheapest| crate::policy::higher(cheapest, rate));
            if cheaper {
                chosen.cheapest = Some(rate);
            }
            let below: HashSet<Txid> = package
                .iter()
                .flat_map(|txid| self.descendants(*txid))
                .filter(|txid| !inside.contains(txid))
                .collect();
            for txid in below {
                let offer = self.offer(txid, &inside);
                current.insert(txid, (offer.fee, offer.vsize));
                offers.push(offer);
            }
        }
        chosen
    }

    /// A transaction and what it still needs.
    fn needed(&self, txid: Txid, inside: &HashSet<Txid>) -> impl Iterator<Item = Txid> {
        self.ancestors(txid)
            .into_iter()
            .chain([txid])
            .filter(|txid| !inside.contains(txid))
    }

    fn offer(&self, txid: Txid, inside: &HashSet<Txid>) -> Offer {
        let Sum { fee, vsize, .. } = self.sum(self.needed(txid, inside));
        Offer { fee, vsize, txid }
    }

    /// The package in an order that a block may hold it in.
    fn package(&self, txid: Txid, inside: &HashSet<Txid>) -> Vec<Txid> {
        let mut package: Vec<(usize, Txid)> = self
            .needed(txid, inside)
            .map(|txid| (self.ancestors(txid).len(), txid))
            .collect();
        package.sort_unstable();
        package.into_iter().map(|(_, txid)| txid).collect()
    }
}
