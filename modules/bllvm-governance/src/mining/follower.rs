//! Keeps the window equal to the node's best chain; the only task that writes to the store.
//!
//! Events only wake it: what it does follows from comparing what it holds with what the node has, so a
//! repeated, lost or late event changes nothing. Each commit takes blocks away, adds blocks and
//! settles standings in one transaction of the store, which is therefore always a piece of one chain.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::ops::RangeInclusive;
use std::sync::Arc;

use bllvm_sdk::ipc::Wire;
use bllvm_sdk::types::Tip;
use bllvm_sdk::{Error, Node, Result, Storage};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::mining::census::{self, EconomicNodes};
use crate::mining::coinbase::Mined;
use crate::mining::fork::Fork;
use crate::mining::pools::Pools;
use crate::mining::standing::{self, Standing};
use crate::mining::window::{WINDOW, Window, first_kept};
use crate::store::Store;

const BLOCKS: &[u8] = b"block/";
const STANDINGS: &[u8] = b"standing/";
/// A commit stays well below the channel's 1 MiB and the store's 1,000 changes.
const COMMIT_BYTES: usize = 256 * 1024;
const COMMIT_CHANGES: usize = 500;
const PAGE: u32 = 100;

type Change = (Vec<u8>, Option<Vec<u8>>);

/// The window with its place in the store.
pub struct Follower {
    node: Node,
    storage: Storage,
    news: Store,
    pools: Arc<Pools>,
    window: Window,
    standings: BTreeMap<u32, Standing>,
    /// Not yet committed.
    changes: Vec<Change>,
    bytes: usize,
}

impl Follower {
    /// Reads what was kept.
    pub async fn open(
        node: Node,
        storage: Storage,
        news: Store,
        pools: Arc<Pools>,
    ) -> Result<Self> {
        let blocks: BTreeMap<u32, Mined> = read_all(&storage, BLOCKS).await?;
        let standings = read_all(&storage, STANDINGS).await?;
        Ok(Self {
            node,
            storage,
            news,
            pools,
            window: Window::restore(blocks),
            standings,
            changes: Vec::new(),
            bytes: 0,
        })
    }

    /// The census of the blocks that are held.
    pub fn census(&self, node_id: Option<String>) -> EconomicNodes {
        let none = BTreeSet::new();
        let newest = self.standings.values().next_back();
        let members = newest.map_or(&none, |standing| &standing.members);
        census::take(&self.window, &self.pools, members, node_id)
    }

    /// The newest blocks that are counted, with their heights.
    pub fn newest(&self) -> Vec<(u32, Mined)> {
        let Some((top, _)) = self.window.top() else {
            return Vec::new();
        };
        let blocks: Vec<_> = self.window.newest().cloned().collect();
        let first = top + 1 - u32::try_from(blocks.len()).expect("a window is short");
        (first..).zip(blocks).collect()
    }

    /// Goes to the node's tip, wherever that has moved meanwhile.
    ///
    /// # Errors
    /// The node or the store refuses; what was committed stays, and the next call goes on there.
    pub async fn follow(&mut self) -> Result<()> {
        loop {
            let tip = self.node.tip().await?;
            let at_tip = |top: (u32, &Mined)| top.1.hash == tip.hash;
            let done = self.window.top().is_some_and(at_tip) && self.reaches_down(tip.height);
            if done {
                return Ok(());
            }
            let step = self.step(&tip).await;
            if step.is_err() {
                // Memory goes back to what the store has.
                let (node, storage) = (self.node.clone(), self.storage.clone());
                let (news, pools) = (self.news.clone(), Arc::clone(&self.pools));
                *self = Self::open(node, storage, news, pools).await?;
            }
            step?;
        }
    }

    fn reaches_down(&self, tip: u32) -> bool {
        let bottom = self.window.bottom();
        bottom.is_some_and(|(bottom, _)| bottom <= first_kept(tip))
    }

    /// Goes at most to the end of a period, so that each one is settled while its blocks are held.
    async fn step(&mut self, tip: &Tip) -> Result<()> {
        self.leave_branch(tip).await?;
        let top = self.window.top().map(|(height, _)| height);
        let first = top.map_or(first_kept(tip.height), |top| top + 1);
        let goal = tip.height.min((first / WINDOW + 1) * WINDOW - 1);
        self.climb(first..=goal).await?;
        self.reach_down(tip).await?;
        self.settle(goal)?;
        while let Some(height) = self.window.forget_below(first_kept(goal)) {
            self.change(key(BLOCKS, height), None);
            self.commit_if_full().await?;
        }
        self.commit().await
    }

    /// Undoes blocks that are not in the best chain any more.
    async fn leave_branch(&mut self, tip: &Tip) -> Result<()> {
        // Told before it is undone: a crash between the two finds the same branch again, and tells it
        // once all the same.
        if let Some(fork) = self.left(tip).await? {
            tracing::warn!(depth = fork.depth, left = %fork.left_block, "the chain left a branch");
            self.news
                .keep_once(&fork.name(), &fork, &fork.news())
                .await?;
        }
        while let Some((height, mined)) = self.window.top() {
            if height <= tip.height && self.node.header_at(height).await?.hash == mined.hash {
                break;
            }
            self.window.undo();
            self.change(key(BLOCKS, height), None);
            let period = height / WINDOW;
            if self.standings.remove(&period).is_some() {
                self.change(key(STANDINGS, period), None);
            }
            self.commit_if_full().await?;
        }
        Ok(())
    }

    /// The branch that the chain left, if it is worth a word.
    async fn left(&self, tip: &Tip) -> Result<Option<Fork>> {
        let mut left = Vec::new();
        let mut height = self.window.top().map(|(height, _)| height);
        while let Some((at, mined)) = height.and_then(|at| Some((at, self.window.get(at)?))) {
            if at <= tip.height && self.node.header_at(at).await?.hash == mined.hash {
                break;
            }
            left.push((at, mined));
            height = at.checked_sub(1);
        }
        let held = height.filter(|at| self.window.get(*at).is_some());
        let end = (tip.height, tip.hash.to_string());
        Ok(Fork::of(&left, held, end, &self.pools))
    }

    /// Applies blocks, as far as the chain is still the one that was begun on.
    async fn climb(&mut self, heights: RangeInclusive<u32>) -> Result<()> {
        for height in heights {
            let mined = Mined::read(&self.node.block_at(height).await?)?;
            let stored = encode(&mined)?;
            if self.window.apply(height, mined).is_err() {
                tracing::info!(height, "the chain changed on the way; comparing again");
                return Ok(());
            }
            self.change(key(BLOCKS, height), Some(stored));
            self.commit_if_full().await?;
        }
        Ok(())
    }

    /// Fetches blocks below the lowest one, which a long branch or a lost store may have cost.
    async fn reach_down(&mut self, tip: &Tip) -> Result<()> {
        while let Some((bottom, first)) = self.window.bottom() {
            if bottom <= first_kept(tip.height) {
                break;
            }
            let mined = Mined::read(&self.node.block(first.previous).await?)?;
            let stored = encode(&mined)?;
            self.window.extend_below(bottom - 1, mined)?;
            self.change(key(BLOCKS, bottom - 1), Some(stored));
            self.commit_if_full().await?;
        }
        Ok(())
    }

    /// Decides who is in at the end of each whole period that is held.
    fn settle(&mut self, top: u32) -> Result<()> {
        let first = first_kept(top) / WINDOW;
        for period in first..(top + 1) / WINDOW {
            let Some(end) = self.window.get((period + 1) * WINDOW - 1) else {
                continue;
            };
            let known = self.standings.get(&period);
            if known.is_some_and(|standing| standing.end == end.hash) {
                continue;
            }
            let counts = |period| {
                let blocks = self.window.period(period)?;
                Some(census::count(blocks, &self.pools))
            };
            let Some(now) = counts(period) else { continue };
            let before = period.checked_sub(1);
            let was = before.and_then(|period| self.standings.get(&period));
            let was = was.map(|standing| standing.members.clone());
            let before = before.and_then(counts);
            let standing = Standing {
                end: end.hash,
                members: standing::next(&was.unwrap_or_default(), before.as_ref(), &now),
            };
            let stored = encode(&standing)?;
            self.change(key(STANDINGS, period), Some(stored));
            self.standings.insert(period, standing);
        }
        Ok(())
    }

    fn change(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.bytes += key.len() + value.as_ref().map_or(0, Vec::len);
        self.changes.push((key, value));
    }

    async fn commit_if_full(&mut self) -> Result<()> {
        if self.bytes >= COMMIT_BYTES || self.changes.len() >= COMMIT_CHANGES {
            self.commit().await?;
        }
        Ok(())
    }

    async fn commit(&mut self) -> Result<()> {
        if self.changes.is_empty() {
            return Ok(());
        }
        self.bytes = 0;
        self.storage
            .transaction(mem::take(&mut self.changes))
            .await?;
        Ok(())
    }
}

/// Heights in big-endian bytes, so that the store's order is the chain's.
fn key(prefix: &[u8], number: u32) -> Vec<u8> {
    [prefix, &number.to_be_bytes()].concat()
}

fn encode<T: Serialize + DeserializeOwned>(value: &T) -> Result<Vec<u8>> {
    Ok(value.to_body().map_err(Error::msg)?.to_vec())
}

async fn read_all<T: Serialize + DeserializeOwned>(
    storage: &Storage,
    prefix: &[u8],
) -> Result<BTreeMap<u32, T>> {
    let mut all = BTreeMap::new();
    let mut after: Option<Vec<u8>> = None;
    loop {
        let page = storage.scan(prefix, after.as_deref(), PAGE).await?;
        for item in &page.items {
            let number = item.key.0.strip_prefix(prefix);
            let number: [u8; 4] = number
                .and_then(|number| number.try_into().ok())
                .ok_or_else(|| Error::msg("the store has a key that is not a height"))?;
            let value = T::from_body(&item.value.0.clone().into()).map_err(Error::msg)?;
            all.insert(u32::from_be_bytes(number), value);
        }
        after = page.items.last().map(|item| item.key.0.clone());
        if !page.more {
            return Ok(all);
        }
    }
}
