//! Unconfirmed transactions: told of by id, asked for once, judged by the mempool as everybody's.

use std::collections::{HashSet, VecDeque};

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
    /// Unconfirmed transactions that the peer knows; never more than the mempool has.
    known: HashSet<Txid>,
    asked: HashSet<Txid>,
    refused: HashSet<Txid>,
    /// Refused for want of a parent, or of a child that pays.
    waiting: VecDeque<Transaction>,
    moved: bool,
    greeted: bool,
}

impl Relay {
    /// The mempool is not what it was.
    pub(super) fn moved(&mut self) {
        self.moved = true;
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

    fn wait(&mut self, transaction: Transaction) {
        if self.waiting.len() == MAX_WAITING {
            self.waiting.pop_front();
        }
        self.waiting.push_back(transaction);
    }

    /// Takes out a waiting pair, parent first, of which `one` is a part.
    fn pair_with(&mut self, one: &Transaction) -> Option<[Transaction; 2]> {
        let id = one.compute_txid();
        let spends = |child: &Transaction, parent: Txid| {
            let mut inputs = child.input.iter();
            inputs.any(|input| input.previous_output.txid == parent)
        };
        let at = self
            .waiting
            .iter()
            .position(|other| spends(other, id) || spends(one, other.compute_txid()))?;
        let other = self.waiting.remove(at)?;
        Some(if spends(&other, id) {
            [one.clone(), other]
        } else {
            [other, one.clone()]
        })
    }
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
        let Some(code) = self.submit(vec![transaction.clone()]).await? else {
            // Whoever waited for it may come in now.
            while let Some([_, child]) = self.relay.pair_with(&transaction) {
                if let Some(code) = self.submit(vec![child.clone()]).await? {
                    tracing::debug!(%txid, code, "a child of a peer's transaction was refused");
                    self.relay.refuse(child.compute_txid());
                }
            }
            return Ok(());
        };
        if !may_wait(code) {
            self.relay.refuse(txid);
            return Ok(());
        }
        if let Some(pair) = self.relay.pair_with(&transaction) {
            let ids = pair.each_ref().map(Transaction::compute_txid);
            if self.submit(pair.to_vec()).await?.is_some() {
                for txid in ids {
                    self.relay.refuse(txid);
                }
            }
            return Ok(());
        }
        let inputs = transaction.input.iter();
        let parents: Vec<Txid> = inputs.map(|input| input.previous_output.txid).collect();
        self.relay.wait(transaction);
        if code == "bad-txns-inputs-missingorspent" {
            // Confirmed ones are not found, which costs one line.
            self.ask_transactions(parents)?;
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

    /// Tells the peer of what it does not know, parents first.
    pub(super) async fn announce_transactions(&mut self) -> Result<(), Fault> {
        if self.relay.greeted && !self.relay.moved {
            return Ok(());
        }
        (self.relay.greeted, self.relay.moved) = (true, false);
        let ordered = self.net.ask(|engine| {
            Ok(engine.mempool(|pool, _| {
                let ordered = pool.in_order().into_iter().map(|entry| entry.txid);
                ordered.collect::<Vec<Txid>>()
            }))
        });
        let ordered = ordered.await?;
        let here: HashSet<Txid> = ordered.iter().copied().collect();
        let known = &mut self.relay.known;
        known.retain(|txid| here.contains(txid));
        let mut new: Vec<Txid> = ordered
            .into_iter()
            .filter(|id| !known.contains(id))
            .collect();
        if new.len() > MAX_TOLD {
            new.truncate(MAX_TOLD);
            self.relay.moved = true;
        }
        if new.is_empty() {
            return Ok(());
        }
        known.extend(&new);
        let list = new.into_iter().map(Inventory::Transaction).collect();
        self.send(NetworkMessage::Inv(list))
    }
}
