//! The nouns of the embedded node: settings, tip, headers, events. No I/O.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bitcoin::{BlockHash, ScriptBuf, Work};
use bllvm_mempool::Policy;

use crate::Chain;

/// How to open an [`Engine`](crate::Engine).
#[derive(Debug, Clone)]
pub struct Settings {
    /// The node's directory; made if missing. Holds the lock, the journal and a folder named as the
    /// chain, which is laid out like a Bitcoin Core network directory.
    pub dir: PathBuf,
    /// The chain.
    pub chain: Chain,
    /// Above this size the kernel is flushed by a reopen and the journal emptied.
    pub journal_limit_bytes: u64,
    /// The mempool's limits.
    pub policy: Policy,
    /// Seconds since 1970, for the blocks that are mined here.
    pub clock: fn() -> u64,
    /// The least work of a chain that a node without one follows.
    pub min_chain_work: Work,
}

impl Settings {
    /// Regtest in this directory, with a journal of 64 MiB and the system's clock.
    pub fn regtest(dir: impl Into<PathBuf>) -> Self {
        Self::of(Chain::Regtest, dir)
    }

    /// A chain in this directory, with a journal of 64 MiB and the system's clock.
    pub fn of(chain: Chain, dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            min_chain_work: chain.min_chain_work(),
            chain,
            journal_limit_bytes: 64 << 20,
            policy: Policy::default(),
            clock: system_clock,
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the default of `Settings::clock`, which tests replace"
)]
fn system_clock() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |age| age.as_secs())
}

/// What this engine is and what it allows; constant while it lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// The chain.
    pub chain: Chain,
    /// The hash of block 0.
    pub genesis: BlockHash,
    /// The consensus code and its version.
    pub kernel: &'static str,
    /// The most headers one call returns.
    pub max_headers: u32,
    /// The most events one call of `chain_since` returns.
    pub max_events: u32,
    /// The size at which the journal is emptied.
    pub journal_limit_bytes: u64,
    /// The least work of a chain that a node without one follows.
    pub min_chain_work: Work,
}

/// The end of the best chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tip {
    /// Its hash.
    pub hash: BlockHash,
    /// Its height.
    pub height: u32,
    /// Its header as it travels.
    pub header: [u8; 80],
    /// The time it claims, in seconds since 1970.
    pub time: u32,
    /// The median time of it and the ten blocks before; the next block must be later.
    pub median_time_past: u32,
    /// The work of the whole chain, big-endian.
    pub chain_work: [u8; 32],
}

/// Names a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockId {
    /// Any known block, on whatever branch.
    Hash(BlockHash),
    /// The block at this height of the best chain.
    Height(u32),
}

/// A known block's header and place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderInfo {
    /// Its hash.
    pub hash: BlockHash,
    /// Its height.
    pub height: u32,
    /// The header as it travels.
    pub header: [u8; 80],
    /// Whether the best chain holds it.
    pub in_best_chain: bool,
}

/// An output that a block's transaction spent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpentOutput {
    /// Its value in satoshi.
    pub value_sat: u64,
    /// The script that had to be satisfied.
    pub script_pubkey: ScriptBuf,
    /// The height at which it was made.
    pub height: u32,
    /// Whether a coinbase made it.
    pub coinbase: bool,
}

/// One step of the best chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChainEvent {
    /// A block became the tip.
    Connected {
        /// Its height.
        height: u32,
        /// Its hash.
        hash: BlockHash,
        /// The block before it.
        prev: BlockHash,
        /// Its header as it travels.
        header: [u8; 80],
        /// How many transactions it holds.
        tx_count: u32,
    },
    /// The tip was taken off; `prev` is the tip now.
    Disconnected {
        /// Its height.
        height: u32,
        /// Its hash.
        hash: BlockHash,
        /// The block before it.
        prev: BlockHash,
    },
}

impl ChainEvent {
    /// Where a reader stands after applying this event: the newest entry of its next cursor.
    pub fn cursor(&self) -> (u32, BlockHash) {
        match *self {
            Self::Connected { height, hash, .. } => (height, hash),
            Self::Disconnected { height, prev, .. } => (height.saturating_sub(1), prev),
        }
    }
}

/// The way from a cursor to the tip, or its first part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainDelta {
    /// Disconnects from the newest down, then connects from the fork up.
    pub events: Vec<ChainEvent>,
    /// Whether the limit cut it short; ask again from the last event's cursor.
    pub more: bool,
}

/// How an open went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenReport {
    /// What had to be done.
    pub how: Opening,
    /// How long it took altogether.
    pub elapsed: Duration,
    /// The tip's height afterwards.
    pub height: u32,
    /// What an operator should know: a torn or damaged journal, blocks that could not be restored.
    pub warnings: Vec<String>,
}

/// What an open had to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// The directory was empty.
    Fresh,
    /// The last run ended cleanly, or had written nothing.
    Clean,
    /// Blocks came back from the journal.
    Replayed {
        /// How many blocks the kernel had lost.
        blocks: u32,
    },
    /// The kernel's databases were rebuilt from its block files and the journal.
    Reindexed {
        /// What was wrong with them.
        why: String,
        /// How many blocks came back from the journal.
        blocks: u32,
    },
}
