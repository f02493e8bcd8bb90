//! Unconfirmed transactions: told of by id, asked for once, judged by the mempool as everybody's.

use std::collections::{HashSet, VecDeque};
use std::mem;

use bitcoin::p2p::message::NetworkMessage;
use bitcoin::p2p::message_blockdata::Inventory;
use bitcoin::policy::MAX_STANDARD_TX_WEIGHT;
use bitcoin::{Transaction, Txid, Weight};

use super::session::Session;
use super::wire::Fault;

/// Transactions that a peer was asked for and has not given.
const MAX_ASKED: usize = 5000;
/// Refused transactions of a peer that are remembered.
const MAX_REFUSED: usize = 5000;
/// Transactions that wait for a relative.
const MAX_WAITING: usize = 10;
/// The heaviest transaction that is passed on.
const MAX_WEIGHT: Weight = Weight::from_wu(MAX_STANDARD_TX_WEIGHT as u64);
/// Ids of one announcement.
const MAX_TOLD: usize = 1000;

/// What a peer and we told each other of transactions.
#[derive(Debug, Default)]
pub(super) struct Relay {
    /// Whether the peer wants to be told; who does not may leave us for telling it (BIP 37, 60).
    wanted: bool,
    /// Unconfirmed transactions that the peer knows.
    known: HashSet<Txid>,
    /// How many those were when the others were last dropped.
    tidied: usize,
    asked: HashSet<Txid>,
    refused: HashSet<Txid>,
    /// Refused for want of a parent, or of a child that pays; with their ids, which cost more to
    /// compute than what a stranger sends to have them asked for.
    waiting: VecDeque<(Txid, Transaction)>,
    /// The last of the mempool's arrivals that the peer was told of.
    told: u64,
    moved: bool,
    chain_moved: bool,
}

impl Relay {
    pub(super) fn new(wanted: bool) -> Self {
        Self {
            wanted,
            moved: true,
            ..Self::default()
        }
    }

    /// The mempool is not what it was.
    pub(super) fn moved(&mut self) {
        self.moved = true;
    }

    /// The chain is not what it was, so everything may be judged otherwise now.
    pub(super) fn chain_moved(&mut self) {
        (self.moved, self.chain_moved) = (true, true);
        self.refused.clear();
    }

    /// It does not have what it was asked for.
    pub(super) fn not_given(&mut self, txid: &Txid) {
        self.asked.remove(txid);
    }

    fn refuse(&mut self, txid: Txid) {
        if self.refused.len() >= MAX_REFUSED {
            self.refused.clear();
        }
        self.refused.insert(txid);
    }

    fn wait(&mut self, txid: Txid, transaction: Transaction) {
        self.forget(txid);
        if self.waiting.len() == MAX_WAITING {
            self.waiting.pop_front();
        }
        self.waiting.push_back((txid, transaction));
    }

    /// It waits no more.
    fn forget(&mut self, txid: Txid) {
        self.waiting.retain(|(id, _)| *id != txid);
    }

    /// Takes out those that wait and spend of one of these.
    fn children_of(&mut self, parents: &HashSet<Txid>) -> Vec<Transaction> {
        let (children, others): (VecDeque<_>, _) = self
            .waiting
            .drain(..)
            .partition(|(_, one)| spends_of(one, |txid| parents.contains(txid)));
        self.waiting = others;
        children.into_iter().map(|(_, one)| one).collect()
    }

    /// A pair, parent first, of this one and one that waits.
    fn pair_with(&self, id: Txid, one: &Transaction) -> Option<[(Txid, Transaction); 2]> {
        let (this, mut waiting) = ((id, one), self.waiting.iter());
        let pair = waiting.find_map(|(other_id, other)| {
            if spends_of(other, |txid| *txid == id) {
                return Some([this, (*other_id, other)]);
            }
            spends_of(one, |txid| txid == other_id).then_some([(*other_id, other), this])
        });
        pair.map(|pair| pair.map(|(id, one)| (id, one.clone())))
    }
}

fn spends_of(child: &Transaction, is_parent: impl Fn(&Txid) -> bool) -> bool {
    let mut inputs = child.input.iter();
    inputs.any(|input| is_parent(&input.previous_output.txid))
}

/// Whether a relative may change the verdict.
fn may_wait(code: &str) -> bool {
    matches!(
        code,
        "bad-txns-inputs-missingorspent" | "min relay fee not met" | "mempool min fee not met"
    )
}

impl Session<'_> {
    pub(super) fn ask_transactions(&mut self, told: Vec<Txid>) -> Result<(), Fault> {
        let relay = &mut self.relay;
        let unknown: Vec<Txid> = self.net.engine.mempool(|pool, _| {
            let new = told.into_iter().filter(|txid| {
                if pool.get(txid).is_some() {
                    relay.known.insert(*txid);
                    return false;
                }
                !relay.refused.contains(txid) && !relay.asked.contains(txid)
            });
            new.collect()
        });
        let room = MAX_ASKED.saturating_sub(self.relay.asked.len());
        let mut wanted = Vec::new();
        for txid in unknown.into_iter().take(room) {
            if self.relay.asked.insert(txid) {
                wanted.push(Inventory::WitnessTransaction(txid));
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        self.send(NetworkMessage::GetData(wanted))
    }

    pub(super) async fn take_transaction(&mut self, transaction: Transaction) -> Result<(), Fault> {
        let txid = transaction.compute_txid();
        self.relay.asked.remove(&txid);
        // The mempool would say the same of it, after it was copied.
        if transaction.weight() > MAX_WEIGHT {
            self.relay.refuse(txid);
            return Ok(());
        }
        self.look_at(vec![transaction]).await
    }

    /// Hands transactions to the mempool, each with the relatives that wait for it.
    async fn look_at(&mut self, mut open: Vec<Transaction>) -> Result<(), Fault> {
        while let Some(one) = open.pop() {
            let txid = one.compute_txid();
            let Some(code) = self.submit(vec![one.clone()]).await? else {
                open.extend(self.relay.children_of(&HashSet::from([txid])));
                continue;
            };
            if !may_wait(code) {
                self.relay.refuse(txid);
                continue;
            }
            if let Some(pair) = self.relay.pair_with(txid, &one) {
                let ids = pair.each_ref().map(|(id, _)| *id);
                let refused = self.submit(Vec::from(pair.map(|(_, one)| one))).await?;
                if !refused.is_some_and(may_wait) {
                    for id in ids {
                        self.relay.forget(id);
                        if refused.is_some() {
                            self.relay.refuse(id);
                        }
                    }
                    if refused.is_none() {
                        open.extend(self.relay.children_of(&HashSet::from(ids)));
                    }
                    continue;
                }
            }
            let inputs = one.input.iter();
            let parents: Vec<Txid> = inputs.map(|input| input.previous_output.txid).collect();
            self.relay.wait(txid, one);
            if code == "bad-txns-inputs-missingorspent" {
                // Confirmed ones are not found, which costs one line.
                self.ask_transactions(parents)?;
            }
        }
        Ok(())
    }

    /// Hands transactions to the mempool; the first refusal's code.
    async fn submit(
        &mut self,
        transactions: Vec<Transaction>,
    ) -> Result<Option<&'static str>, Fault> {
        let ids: Vec<Txid> = transactions.iter().map(Transaction::compute_txid).collect();
        let verdicts = self
            .net
            .ask(move |engine| engine.submit_transactions(&transactions));
        let mut refused = None;
        for (_, verdict) in verdicts.await? {
            if let Err(reject) = verdict {
                refused = refused.or(Some(reject.code));
            }
        }
        if refused.is_none() {
            self.relay.known.extend(ids);
            self.net.took_in();
        }
        Ok(refused)
    }

    /// Tells the peer of what it does not know, parents first, and looks again at what waited for
    /// something that came from elsewhere.
    pub(super) async fn announce_transactions(&mut self) -> Result<(), Fault> {
        let relay = &mut self.relay;
        if !mem::take(&mut relay.moved) {
            return Ok(());
        }
        let every = mem::take(&mut relay.chain_moved);
        let tidy = every || relay.known.len() > 2 * relay.tidied + MAX_TOLD;
        let (mut known, last) = (mem::take(&mut relay.known), relay.told);
        let looked = self.net.ask(move |engine| {
            Ok(engine.mempool(|pool, _| {
                if tidy {
                    known.retain(|txid| pool.get(txid).is_some());
                }
                let new = pool.since(last).map(|entry| (entry.arrival, entry.txid));
                (known, new.take(MAX_TOLD).collect::<Vec<_>>())
            }))
        });
        let (known, new) = looked.await?;
        let relay = &mut self.relay;
        relay.known = known;
        if tidy {
            relay.tidied = relay.known.len();
        }
        relay.moved |= new.len() == MAX_TOLD;
        relay.told = new.last().map_or(last, |(arrival, _)| *arrival);
        let new: Vec<Txid> = new.into_iter().map(|(_, txid)| txid).collect();
        let again = if every {
            let all = mem::take(&mut relay.waiting);
            all.into_iter().map(|(_, one)| one).collect()
        } else {
            relay.children_of(&new.iter().copied().collect())
        };
        let wanted = relay.wanted;
        let unknown = new.into_iter().filter(|txid| relay.known.insert(*txid));
        let list: Vec<_> = unknown.map(Inventory::Transaction).collect();
        if wanted && !list.is_empty() {
            self.send(NetworkMessage::Inv(list))?;
        }
        self.look_at(again).await
    }
}
