//! The base node: what it is, its chain, and mining on a test network.

pub mod block;
pub mod blocks;
pub mod info;
pub mod mine;
pub mod peers;
pub mod tip;
