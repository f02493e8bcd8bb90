//! Blocks from a peer: headers first, then what they promise, if it is more than we have.
//!
//! Headers cost us nothing but a few hashes; blocks are asked for once the headers' chain has more
//! work than ours. One peer at a time delivers, in order, and against a clock: who stalls loses the
//! right, and another takes over.

use std::collections::VecDeque;
use std::time::Duration;

use bitcoin::block::Header;
use bitcoin::consensus::encode::serialize;
use bitcoin::hashes::Hash as _;
use bitcoin::p2p::message::NetworkMessage;
use bitcoin::p2p::message_blockdata::{GetHeadersMessage, Inventory};
use bitcoin::{Block, BlockHash, Work};
use bllvm_kernel_node::{BlockId, Engine, EngineError, Standing, Verdict};
use tokio::time::Instant;

use super::branch::{Branch, MAX_HEADERS};
use super::session::Session;
use super::wire::Fault;

/// Blocks that are asked for ahead.
const WINDOW: usize = 16;
/// Headers in a row that lead to nothing we know.
const MAX_LOOSE: u32 = 10;

/// What a peer offers of blocks, and what it owes.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    offered: Branch,
    /// Asked for, in order.
    owed: VecDeque<BlockHash>,
    /// When it last kept its word, while it owes blocks.
    since: Option<Instant>,
    /// When it was asked for headers.
    asked: Option<Instant>,
    loose: u32,
    /// Whether its headers go on.
    more: bool,
}

impl Blocks {
    /// Whether it keeps us waiting for too long.
    pub(super) fn check(&self, patience: Duration, inbound: bool) -> Result<(), Fault> {
        let late = |since: Option<Instant>| since.is_some_and(|since| since.elapsed() > patience);
        if late(self.since) {
            return Err(Fault::Slow("it owes a block for too long"));
        }
        // Who called us may be here to take only.
        if late(self.asked) && !inbound {
            return Err(Fault::Slow("it owes headers for too long"));
        }
        Ok(())
    }
}

/// Known hashes, dense at the tip and sparse below, newest first.
fn locator(engine: &Engine) -> Result<Vec<BlockHash>, EngineError> {
    let mut hashes = Vec::new();
    let (mut height, mut step) = (engine.tip()?.height, 1);
    loop {
        hashes.extend(engine.block_hash_at(height)?);
        if height == 0 {
            return Ok(hashes);
        }
        if hashes.len() > 10 {
            step *= 2;
        }
        height = height.saturating_sub(step);
    }
}

impl Session<'_> {
    /// Asks for the headers after ours.
    pub(super) async fn ask_headers(&mut self) -> Result<(), Fault> {
        if self.blocks.offered.is_on_trial() && self.blocks.asked.is_some() {
            // It would begin anew for every block that comes meanwhile.
            return Ok(());
        }
        let known = self.net.ask(locator).await?;
        self.send_getheaders(known)
    }

    fn send_getheaders(&mut self, known: Vec<BlockHash>) -> Result<(), Fault> {
        self.blocks.asked = Some(Instant::now());
        let wanted = GetHeadersMessage::new(known, BlockHash::all_zeros());
        self.send(NetworkMessage::GetHeaders(wanted))
    }

    pub(super) async fn take_headers(&mut self, headers: Vec<Header>) -> Result<(), Fault> {
        self.blocks.asked = None;
        if headers.len() > MAX_HEADERS {
            return Fault::broke(format!("more than {MAX_HEADERS} headers at once"));
        }
        let Some(first) = headers.first() else {
            self.blocks.more = false;
            return self.fetch().await;
        };
        let below = first.prev_blockhash;
        if self.blocks.offered.last() != Some(below) {
            let Some((base, least)) = self.base(below).await? else {
                self.blocks.loose += 1;
                if self.blocks.loose > MAX_LOOSE {
                    return Fault::broke("headers that lead to nothing we know");
                }
                return self.ask_headers().await;
            };
            self.blocks.offered = Branch::on(base, least);
        }
        self.blocks.loose = 0;
        let again = self.blocks.offered.extend(&headers);
        let again = again.map_err(Fault::Broke)?;
        if again {
            self.blocks.more = true;
            return self.ask_more_headers();
        }
        self.told = self.blocks.offered.last();
        self.place.reached(self.blocks.offered.height());
        self.drop_known().await?;
        self.blocks.more = headers.len() == MAX_HEADERS;
        if !self.blocks.more && self.blocks.offered.is_on_trial() {
            let address = self.place.address;
            tracing::info!(%address, "a peer's chain has less work than this network's least, and is not fetched");
            self.blocks.offered = Branch::default();
            return self.fetch().await;
        }
        if self.blocks.more && self.blocks.offered.is_full() && !self.is_better().await? {
            return Fault::broke("many headers of little work");
        }
        self.ask_more_headers()?;
        self.fetch().await
    }

    /// Where the chain up to a block that we know stands, and, while ours has too little, the work
    /// that one must show.
    async fn base(&self, hash: BlockHash) -> Result<Option<(Standing, Option<Work>)>, Fault> {
        let asked = self.net.ask(move |engine| {
            let least = engine.info().min_chain_work;
            let ours = Work::from_be_bytes(engine.tip()?.chain_work);
            let base = engine.standing(&hash)?;
            Ok(base.map(|base| (base, (ours < least).then_some(least))))
        });
        Ok(asked.await?)
    }

    /// Drops what the best chain has already.
    async fn drop_known(&mut self) -> Result<(), Fault> {
        while let Some(first) = self.blocks.offered.first() {
            let found = self
                .net
                .ask(move |engine| engine.header(BlockId::Hash(first)));
            if !found.await?.is_some_and(|header| header.in_best_chain) {
                break;
            }
            self.blocks.offered.drop_first();
        }
        Ok(())
    }

    fn ask_more_headers(&mut self) -> Result<(), Fault> {
        let blocks = &self.blocks;
        match blocks.offered.last() {
            Some(last) if blocks.more && blocks.asked.is_none() && !blocks.offered.is_full() => {
                self.send_getheaders(vec![last])
            }
            _ => Ok(()),
        }
    }

    async fn is_better(&self) -> Result<bool, Fault> {
        let tip = self.net.ask(Engine::tip).await?;
        let ours = Work::from_be_bytes(tip.chain_work);
        Ok(self.blocks.offered.exceeds(ours))
    }

    /// Asks for the blocks of a better chain, if no other peer is at it.
    pub(super) async fn fetch(&mut self) -> Result<(), Fault> {
        if self.blocks.offered.len() == 0 && self.blocks.owed.is_empty() {
            self.place.done_fetching();
            return Ok(());
        }
        if self.blocks.owed.is_empty() {
            self.drop_known().await?;
            if !self.is_better().await? {
                self.place.done_fetching();
                if !self.blocks.more {
                    self.blocks.offered = Branch::default();
                }
                return Ok(());
            }
        }
        if !self.place.may_fetch() {
            return Ok(());
        }
        let mut wanted = Vec::new();
        while self.blocks.owed.len() < WINDOW
            && let Some(hash) = self.blocks.offered.take()
        {
            self.blocks.owed.push_back(hash);
            wanted.push(Inventory::WitnessBlock(hash));
        }
        if wanted.is_empty() && self.blocks.owed.is_empty() {
            // What it shows must go on before anything of it is fetched.
            self.place.done_fetching();
            return self.ask_more_headers();
        }
        self.place.fetches(self.blocks.offered.height());
        if !wanted.is_empty() {
            self.blocks.since.get_or_insert_with(Instant::now);
            self.send(NetworkMessage::GetData(wanted))?;
        }
        self.ask_more_headers()
    }

    pub(super) async fn take_block(&mut self, block: Block) -> Result<(), Fault> {
        let hash = block.block_hash();
        if self.blocks.owed.front() != Some(&hash) {
            // Not asked for, or not yet: it costs the sender more than us.
            return Ok(());
        }
        let raw = serialize(&block);
        drop(block);
        let verdict = self.net.ask(move |engine| engine.submit_block(&raw)).await;
        match verdict {
            Ok(Verdict::Invalid { code, .. }) => {
                return Fault::broke(format!("block {hash} is invalid: {code}"));
            }
            Ok(_) => {}
            Err(EngineError::UndecodableBlock { detail }) => return Fault::broke(detail),
            Err(error) => return Err(error.into()),
        }
        self.blocks.owed.pop_front();
        self.blocks.since = (!self.blocks.owed.is_empty()).then(Instant::now);
        let idle = self.blocks.owed.is_empty() && self.blocks.offered.len() == 0;
        self.fetch().await?;
        if idle && self.blocks.asked.is_none() {
            // It may have gone on meanwhile.
            return self.ask_headers().await;
        }
        Ok(())
    }

    pub(super) fn not_found(&mut self, list: &[Inventory]) -> Result<(), Fault> {
        for item in list {
            if let Inventory::Transaction(txid) | Inventory::WitnessTransaction(txid) = item {
                self.relay.not_given(txid);
            }
        }
        let owed = |item: &Inventory| match item {
            Inventory::Block(hash) | Inventory::WitnessBlock(hash) => {
                self.blocks.owed.contains(hash)
            }
            _ => false,
        };
        if list.iter().any(owed) {
            return Fault::broke("it does not have a block that it offered");
        }
        Ok(())
    }
}
