//! Who mines this chain, counted from the node's own blocks.
//!
//! `follower.rs` is the only task that writes. Everything else is pure: `coinbase.rs` (what a block
//! says of its miner), `pools.rs` (who that is), `window.rs` (the blocks that are kept),
//! `standing.rs` (who enters, who leaves), `census.rs` (the answer), `interval.rs`.

pub mod census;
pub mod coinbase;
pub mod follower;
pub mod fork;
pub mod interval;
pub mod pools;
pub mod standing;
pub mod window;

#[cfg(test)]
mod labelled;
#[cfg(test)]
pub mod synthetic;
