//! The chain: tip, headers, blocks, filters, transactions, coins and scripts.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{BlockHash, Hex, Sample, Txid, hash, wire_types};

wire_types! {
    /// The end of the best chain.
    Tip {
        /// The block's hash.
        hash: BlockHash = hash(7),
        /// The block's height; genesis is 0.
        height: u32 = 840_000,
        /// The header's time, Unix seconds.
        time: u32 = 1_713_571_767,
        /// Median time of the last eleven blocks (BIP113), Unix seconds.
        median_time: u32 = 1_713_570_208,
        /// The 80 header bytes.
        header: Hex = Hex(vec![2; 80]),
    }

    /// Names one block: by hash or, in the best chain, by height. Exactly one is set.
    BlockRef {
        /// The hash.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hash: Option<BlockHash> = Some(hash(7)),
        /// The height.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        height: Option<u32> = None,
    }

    /// A header and its place.
    HeaderInfo {
        /// The block's hash.
        hash: BlockHash = hash(7),
        /// The previous block's hash; zeros for genesis.
        prev: BlockHash = hash(6),
        /// The block's height.
        height: u32 = 840_000,
        /// The header's time, Unix seconds.
        time: u32 = 1_713_571_767,
        /// Whether it is part of the best chain now.
        in_best_chain: bool = true,
        /// The 80 header bytes.
        header: Hex = Hex(vec![2; 80]),
    }

    /// Asks for headers after the newest known block of `locator`.
    HeadersRequest {
        /// Known hashes, newest first; empty starts at genesis.
        #[serde(default)]
        locator: Vec<BlockHash> = vec![hash(6)],
        /// At most so many, 2,000 at the most.
        max: u32 = 2000,
    }

    /// Headers of the best chain, ascending.
    Headers {
        /// The headers.
        headers: Vec<HeaderInfo> = vec![HeaderInfo::sample()],
    }

    /// Names a block by its hash.
    BlockByHash {
        /// The hash.
        hash: BlockHash = hash(7),
    }

    /// Names a block of the best chain by its height.
    BlockByHeight {
        /// The height.
        height: u32 = 840_000,
    }

    /// A compact block filter (BIP158, basic).
    BlockFilter {
        /// The block it belongs to.
        hash: BlockHash = hash(7),
        /// The filter's bytes.
        filter: Hex = Hex(vec![1, 2, 3]),
    }

    /// Names a transaction.
    TransactionRequest {
        /// Its id.
        txid: Txid = Txid([9; 32]),
        /// The block that has it, where the asker knows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        block: Option<BlockHash> = Some(hash(7)),
    }

    /// A transaction and its place.
    TransactionInfo {
        /// Its id.
        txid: Txid = Txid([9; 32]),
        /// Its bytes, witness included.
        raw: Hex = Hex(vec![2, 0, 0, 0]),
        /// The block that has it; none while it is unconfirmed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        block: Option<BlockHash> = Some(hash(7)),
    }

    /// Names an output.
    UtxoRequest {
        /// The transaction's id.
        txid: Txid = Txid([9; 32]),
        /// The output's index.
        vout: u32 = 0,
        /// Whether unconfirmed transactions count, too: what they spend is gone, and what they
        /// make has a height above the tip's.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        include_mempool: bool = false,
    }

    /// An output that exists (or existed) in the chain.
    Coin {
        /// Value in satoshi.
        value_sat: u64 = 5_000_000_000,
        /// The locking script.
        script_pubkey: Hex = Hex(vec![0x51]),
        /// Height of the block that made it.
        height: u32 = 100,
        /// Whether a coinbase made it.
        coinbase: bool = true,
    }

    /// An unspent output, or none, at a named tip.
    Utxo {
        /// The coin, while it is unspent.
        coin: Option<Coin> = Some(Coin::sample()),
        /// The tip at which this is true.
        tip: BlockHash = hash(7),
    }

    /// Asks for the outputs that a block spent. With neither `cursor` nor `limit`, the answer is
    /// whole, and too large for the wire where the block spends more than some 10,000.
    SpentOutputsRequest {
        /// The block's hash.
        hash: BlockHash = hash(7),
        /// Where to go on: `next` of an earlier answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cursor: Option<String> = None,
        /// At most so many coins, 1 to 10,000; fewer come where their scripts are long.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32> = Some(10_000),
    }

    /// The outputs that a block's transactions spent, coinbase left out, in order.
    SpentOutputs {
        /// One list a transaction, one coin an input.
        transactions: Vec<Vec<Coin>> = vec![vec![Coin::sample()]],
        /// Whether the first list goes on with the last one of the page before.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        continues: bool = false,
        /// Where the next page starts; none at the end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<String> = None,
    }

    /// Asks whether one input's script holds.
    VerifyScriptRequest {
        /// The spending transaction's bytes.
        transaction: Hex = Hex(vec![2, 0, 0, 0]),
        /// The input's index.
        input: u32 = 0,
        /// The outputs that all inputs spend, in order (BIP341 signs them all).
        spent: Vec<Coin> = vec![Coin::sample()],
    }

    /// The outcome of a script check.
    ScriptVerdict {
        /// Whether the script holds under the consensus rules of the tip.
        valid: bool = true,
        /// Why it does not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String> = None,
    }
}
