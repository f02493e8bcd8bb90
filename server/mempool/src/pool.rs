//! The transactions themselves. Who spends whom is read from two maps; nothing about it is kept
//! twice, so nothing can disagree.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use bitcoin::{OutPoint, Transaction, TxOut, Txid, Wtxid};

use crate::{Policy, floor::Floor, policy::higher};

/// Memory that an entry costs beside its bytes: maps, indexes, the parsed form.
const ENTRY_USAGE: u64 = 600;

/// An unconfirmed transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The transaction.
    pub transaction: Arc<Transaction>,
    /// Its id.
    pub txid: Txid,
    /// Its id with its witness.
    pub wtxid: Wtxid,
    /// Its fee, in satoshi.
    pub fee: u64,
    /// Its weight.
    pub weight: u64,
    /// Its virtual size, larger where it holds many signature checks.
    pub vsize: u64,
    /// The cost of its signature checks.
    pub sigops: u64,
    /// When it came, in seconds since 1970.
    pub time: u64,
    /// The tip's height when it came.
    pub height: u32,
    /// Its number among all that came; it is above those of what it spends of.
    pub arrival: u64,
}

impl Entry {
    pub(crate) fn usage(&self) -> u64 {
        // Its weight is a fair upper bound of what its parsed parts take.
        ENTRY_USAGE + self.weight
    }
}

/// Transactions summed up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many.
    pub count: usize,
    /// Their fees, in satoshi.
    pub fee: u64,
    /// Their virtual sizes.
    pub vsize: u64,
}

impl Sum {
    pub(crate) fn add(&mut self, entry: &Entry) {
        self.count += 1;
        self.fee += entry.fee;
        self.vsize += entry.vsize;
    }

    pub(crate) fn rate(&self) -> (u64, u64) {
        (self.fee, self.vsize)
    }
}

#[derive(Debug)]
enum Change {
    Entered(Txid),
    Left(Box<Entry>),
}

/// A state to go back to.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    changes: usize,
    sequence: u64,
}

/// The mempool.
#[derive(Debug)]
pub struct Pool {
    pub(crate) policy: Policy,
    pub(crate) entries: HashMap<Txid, Entry>,
    pub(crate) spends: HashMap<OutPoint, Txid>,
    pub(crate) floor: Floor,
    pub(crate) usage: u64,
    /// No entry came before this.
    pub(crate) oldest: u64,
    /// By their numbers, so that what is new since then is found without looking at all.
    arrivals: BTreeMap<u64, Txid>,
    arrived: u64,
    vsize: u64,
    sequence: u64,
    changes: Vec<Change>,
}

impl Pool {
    /// An empty one.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            entries: HashMap::new(),
            spends: HashMap::new(),
            floor: Floor::default(),
            usage: 0,
            oldest: u64::MAX,
            arrivals: BTreeMap::new(),
            arrived: 0,
            vsize: 0,
            sequence: 0,
            changes: Vec::new(),
        }
    }

    /// Its limits.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// How many transactions it holds.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Their virtual sizes together.
    pub fn vsize(&self) -> u64 {
        self.vsize
    }

    /// The memory they take, estimated.
    pub fn usage(&self) -> u64 {
        self.usage
    }

    /// Counts up with every transaction that enters or leaves.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The lowest fee rate that gets in now.
    pub fn min_rate(&self, now: u64) -> u64 {
        let floor = self.floor.rate(now, self.usage, &self.policy);
        floor.max(self.policy.min_relay)
    }

    /// A transaction.
    pub fn get(&self, txid: &Txid) -> Option<&Entry> {
        self.entries.get(txid)
    }

    /// Who spends an output.
    pub fn spender(&self, outpoint: &OutPoint) -> Option<Txid> {
        self.spends.get(outpoint).copied()
    }

    /// All transactions, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// The ids, in their own order.
    pub fn txids(&self) -> BTreeSet<Txid> {
        self.entries.keys().copied().collect()
    }

    /// All transactions, each behind those that it spends of.
    pub fn in_order(&self) -> impl Iterator<Item = &Entry> {
        self.since(0)
    }

    /// Those with a greater [`Entry::arrival`], each behind those that it spends of.
    pub fn since(&self, arrival: u64) -> impl Iterator<Item = &Entry> {
        let newer = self.arrivals.range(arrival.saturating_add(1)..);
        newer.filter_map(|(_, txid)| self.entries.get(txid))
    }

    /// An output of an unconfirmed transaction.
    pub(crate) fn output(&self, outpoint: &OutPoint) -> Option<&TxOut> {
        let entry = self.entries.get(&outpoint.txid)?;
        entry.transaction.output.get(outpoint.vout as usize)
    }

    /// The transactions that one spends of directly.
    pub(crate) fn parents(&self, transaction: &Transaction) -> BTreeSet<Txid> {
        let spent = transaction.input.iter().map(|i| i.previous_output.txid);
        spent.filter(|id| self.entries.contains_key(id)).collect()
    }

    /// The transactions that spend of one directly.
    pub(crate) fn children(&self, txid: Txid) -> BTreeSet<Txid> {
        let outputs = self
            .entries
            .get(&txid)
            .map_or(0, |entry| entry.transaction.output.len());
        (0..u32::try_from(outputs).unwrap_or(u32::MAX))
            .filter_map(|vout| self.spender(&OutPoint { txid, vout }))
            .collect()
    }

    /// Everything that these spend of, themselves left out unless one spends of another.
    pub(crate) fn all_ancestors(&self, parents: BTreeSet<Txid>) -> HashSet<Txid> {
        let mut found = HashSet::new();
        let mut open: Vec<_> = parents.into_iter().collect();
        while let Some(txid) = open.pop() {
            if found.insert(txid)
                && let Some(entry) = self.entries.get(&txid)
            {
                open.extend(self.parents(&entry.transaction));
            }
        }
        found
    }

    /// Everything that one spends of, over any number of steps.
    pub fn ancestors(&self, txid: Txid) -> HashSet<Txid> {
        let Some(entry) = self.entries.get(&txid) else {
            return HashSet::new();
        };
        self.all_ancestors(self.parents(&entry.transaction))
    }

    /// Everything that spends of one, over any number of steps.
    pub fn descendants(&self, txid: Txid) -> HashSet<Txid> {
        let mut found = HashSet::new();
        let mut open: Vec<_> = self.children(txid).into_iter().collect();
        while let Some(child) = open.pop() {
            if found.insert(child) {
                open.extend(self.children(child));
            }
        }
        found
    }

    /// A transaction and all that it spends of, summed up.
    pub fn with_ancestors(&self, txid: Txid) -> Sum {
        self.sum(self.ancestors(txid).into_iter().chain([txid]))
    }

    /// A transaction and all that spends of it, summed up.
    pub fn with_descendants(&self, txid: Txid) -> Sum {
        self.sum(self.descendants(txid).into_iter().chain([txid]))
    }

    pub(crate) fn sum(&self, txids: impl IntoIterator<Item = Txid>) -> Sum {
        let mut sum = Sum::default();
        for entry in txids.into_iter().filter_map(|id| self.entries.get(&id)) {
            sum.add(entry);
        }
        sum
    }

    /// The fee rate that a miner sees: its own, or that of it and its ancestors if that is lower.
    pub(crate) fn mining_rate(entry: &Entry, ancestors: Sum) -> (u64, u64) {
        let (own, mut all) = ((entry.fee, entry.vsize), ancestors);
        all.add(entry);
        if higher(own, all.rate()) {
            all.rate()
        } else {
            own
        }
    }

    pub(crate) fn insert(&mut self, mut entry: Entry) {
        self.arrived += 1;
        entry.arrival = self.arrived;
        self.changes.push(Change::Entered(entry.txid));
        self.put(entry);
    }

    /// Takes one out; its descendants stay, whatever they spend now.
    pub(crate) fn remove(&mut self, txid: Txid) -> bool {
        let Some(entry) = self.take(txid) else {
            return false;
        };
        self.changes.push(Change::Left(Box::new(entry)));
        true
    }

    /// Takes one out, and all that spends of it.
    pub(crate) fn remove_with_descendants(&mut self, txid: Txid) -> usize {
        let mut gone = self.descendants(txid);
        gone.insert(txid);
        gone.into_iter().filter(|txid| self.remove(*txid)).count()
    }

    /// Forgets how to go back before this moment.
    pub(crate) fn begin(&mut self) {
        self.changes.clear();
    }

    /// The state as it is now.
    pub(crate) fn mark(&self) -> Mark {
        Mark {
            changes: self.changes.len(),
            sequence: self.sequence,
        }
    }

    /// Undoes all changes since a mark; nobody can have seen them.
    pub(crate) fn roll_back(&mut self, mark: Mark) {
        while self.changes.len() > mark.changes {
            match self.changes.pop() {
                Some(Change::Entered(txid)) => drop(self.take(txid)),
                Some(Change::Left(entry)) => self.put(*entry),
                None => {}
            }
        }
        self.sequence = mark.sequence;
    }

    fn put(&mut self, entry: Entry) {
        for input in &entry.transaction.input {
            self.spends.insert(input.previous_output, entry.txid);
        }
        self.usage += entry.usage();
        self.vsize += entry.vsize;
        self.sequence += 1;
        self.oldest = self.oldest.min(entry.time);
        self.arrivals.insert(entry.arrival, entry.txid);
        self.entries.insert(entry.txid, entry);
    }

    fn take(&mut self, txid: Txid) -> Option<Entry> {
        let entry = self.entries.remove(&txid)?;
        for input in &entry.transaction.input {
            self.spends.remove(&input.previous_output);
        }
        self.arrivals.remove(&entry.arrival);
        self.usage -= entry.usage();
        self.vsize -= entry.vsize;
        self.sequence += 1;
        Some(entry)
    }
}
