//! What host and base node say to each other beyond the modules' own methods.
//!
//! The embedded base node is a process of its own (a C++ assert aborts a process, and it must not
//! be the host's). It answers the `chain.*` methods of the modules' table and the few below.

use bllvm_ipc::types::{BlockHash, BlockVerdict, Empty, Hex, Txid};
use bllvm_ipc::{Capability, Limits, Method, Raw};
use serde::{Deserialize, Serialize};

use super::{ChainStatus, ChainStep, MempoolEntry, MempoolStatus, MineRequest};

/// The bounds of the channel. Both ends are ours, and packages, templates and what a block spends are
/// larger than what a module may say at once.
pub(super) fn limits() -> Limits {
    Limits {
        control_bytes: 32 << 20,
        // Whoever waits for another template holds up nobody's transaction.
        large_in_flight: Limits::default().in_flight,
        ..Limits::default()
    }
}

/// Event: the chain moved, or the node became ready; then with what an operator should know.
pub(super) const MOVED: &str = "node.moved";
/// Event: the tip, or null where there is none. It goes out before any answer that was found there, and
/// none is left out.
pub(super) const TIP: &str = "node.tip";
/// Event: so many blocks of a mining request are done.
pub(super) const MINED: &str = "node.mined";

/// The steps from a cursor.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ChainSinceRequest {
    pub known: Vec<(u32, BlockHash)>,
    pub max: u32,
}

/// Mined blocks, in order.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Mined {
    pub hashes: Vec<BlockHash>,
}

/// A mining request with the number that its progress carries.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct MineNumbered {
    pub number: u64,
    pub request: MineRequest,
}

/// Raw blocks, parents first.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Blocks {
    pub blocks: Vec<Hex>,
}

/// The best chain's block at a height.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Height {
    pub height: u32,
}

/// A block's hash.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hash {
    pub hash: BlockHash,
}

/// A transaction's id.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Id {
    pub txid: Txid,
}

macro_rules! node_methods {
    ($( $id:literal $marker:ident $name:literal: $request:ty => $response:ty; )+) => { $(
        pub(super) struct $marker;

        impl Method for $marker {
            const ID: u16 = $id;
            const NAME: &'static str = $name;
            const CAPABILITY: Option<Capability> = None;
            type Request = $request;
            type Response = $response;
        }
    )+ };
}

/// Event: chain or mempool moved; carries the mempool's size.
pub(super) const MEMPOOL: &str = "node.mempool";

node_methods! {
    0x4001 ChainSince "node.chain_since": ChainSinceRequest => Vec<ChainStep>;
    0x4002 Mine "node.mine": MineNumbered => Mined;
    0x4003 HashAt "node.hash_at": Height => Hash;
    0x4004 Close "node.close": Empty => Empty;
    0x4005 EntryOf "node.mempool_entry": Id => MempoolEntry;
    0x4006 CheckBlock "node.check_block": Raw => BlockVerdict;
    0x4007 StatusOfChain "node.chain_status": Empty => ChainStatus;
    0x4008 StatusOfMempool "node.mempool_status": Empty => MempoolStatus;
    0x4009 SubmitBlocks "node.submit_blocks": Blocks => Vec<BlockVerdict>;
}
