//! The base node: what it is, its chain, its mempool, and mining on a test network.

pub mod block;
pub mod blocks;
pub mod import;
pub mod info;
pub mod mempool;
pub mod mine;
pub mod peers;
pub mod tip;
pub mod transactions;
