//! Proofs: that a node's key belongs to whoever is paid by a script, and owns coins.
//!
//! A proof is a BIP322 signature of a challenge that names the chain, the node's key and a young
//! block. Its first input shows who controls a script; blocks that pay mostly to it are the node's.
//! Its other inputs are coins, each checked by the node's own script verification and counted while
//! it is in the node's own set of unspent outputs.

pub mod bip322;
mod challenge;
mod check;
#[cfg(test)]
mod damaged;
mod weigh;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use challenge::{Challenge, FRESH};
pub use check::{Refused, check};
pub use weigh::{Proven, weigh};

/// A proof holds for so many blocks after its challenge's.
pub const HOLDS: u32 = 2016;

/// A proof that was found good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Proof {
    /// The node's key.
    pub key: String,
    /// The script, in hex.
    pub script: String,
    /// Height of the challenge's block.
    pub height: u32,
    /// The challenge's block.
    pub block: String,
    /// The coins, `txid:vout`.
    pub coins: Vec<String>,
    /// The signature as it came.
    pub signature: String,
}
