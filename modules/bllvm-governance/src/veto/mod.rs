//! The veto: signals of miners and economic nodes, weighed, and a transcript that anyone recomputes.
//!
//! A result is a fact. Nothing here stops a merge, a block or the node.

pub mod closing;
mod gather;
mod tally;
mod transcript;

#[cfg(test)]
mod independent;
#[cfg(test)]
mod properties;

pub use gather::{At, gather, gather_again};
pub use tally::{Side, Tally, Weight, tally};
pub use transcript::{Node, Signal, Transcript};

/// Economic nodes with weight that must have spoken or be able to: with fewer there is no quorum.
pub const LEAST_NODES: u32 = 3;
