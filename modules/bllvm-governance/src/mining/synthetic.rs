//! Chains for tests: real headers and coinbases by ten invented pools, without proof of work.

use std::collections::BTreeMap;

use bitcoin::block::{Header, Version};
use bitcoin::consensus::serialize;
use bitcoin::hashes::Hash;
use bitcoin::{
    Amount, Block, BlockHash, CompactTarget, OutPoint, ScriptBuf, Sequence, Transaction, TxIn,
    TxMerkleNode, TxOut, Witness, absolute, transaction,
};

use crate::mining::coinbase::Mined;

/// A list of ten pools that are told apart by their tags.
pub fn list() -> String {
    let pools = (0..10).map(|id| format!(r#"{{"id":{id},"name":"Pool {id}","tags":["/p{id}/"]}}"#));
    format!("[{}]", pools.collect::<Vec<_>>().join(","))
}

/// A best chain, and which pool mined each of its blocks; none for a stranger.
pub struct Chain {
    blocks: Vec<Block>,
    miners: Vec<Option<u32>>,
    by_hash: BTreeMap<[u8; 32], usize>,
}

impl Chain {
    /// So many blocks, genesis included.
    pub fn mined(count: u32, salt: u32) -> Self {
        let mut chain = Self {
            blocks: Vec::new(),
            miners: Vec::new(),
            by_hash: BTreeMap::new(),
        };
        for _ in 0..count {
            chain.mine(salt);
        }
        chain
    }

    /// One block on top, by a pool that height and salt decide.
    pub fn mine(&mut self, salt: u32) {
        let height = u32::try_from(self.blocks.len()).unwrap();
        let mixed = (height ^ salt.rotate_left(16)).wrapping_mul(2_654_435_761) >> 16;
        // Low numbers are large pools; one block in sixteen is a stranger's.
        let miner = (!mixed.is_multiple_of(16)).then(|| (mixed / 16 % 100).isqrt());
        let text = match miner {
            Some(id) => format!("{height}/p{id}/{salt}"),
            None => format!("{height} stranger {salt}"),
        };
        let previous = self.blocks.last().map(Block::block_hash);
        let block = block(previous, height, text.as_bytes());
        let index = self.blocks.len();
        self.by_hash
            .insert(block.block_hash().to_byte_array(), index);
        self.blocks.push(block);
        self.miners.push(miner);
    }

    /// Another branch: so many blocks go, one more comes.
    pub fn reorganise(&mut self, depth: usize, salt: u32) {
        let fork = self.blocks.len() - depth;
        self.blocks.truncate(fork);
        self.miners.truncate(fork);
        for _ in 0..=depth {
            self.mine(salt);
        }
    }

    pub fn height(&self) -> u32 {
        u32::try_from(self.blocks.len()).unwrap() - 1
    }

    pub fn block(&self, height: u32) -> Option<&Block> {
        self.blocks.get(height as usize)
    }

    pub fn by_hash(&self, hash: [u8; 32]) -> Option<&Block> {
        let index = *self.by_hash.get(&hash)?;
        self.blocks
            .get(index)
            .filter(|block| block.block_hash().to_byte_array() == hash)
    }

    pub fn mined_at(&self, height: u32) -> Mined {
        Mined::read(&serialize(self.block(height).unwrap())).unwrap()
    }

    /// Blocks of each pool among those from a height to the tip, and of strangers under none.
    pub fn recount(&self, from: u32) -> BTreeMap<Option<u32>, u32> {
        let mut counts = BTreeMap::new();
        for miner in &self.miners[from as usize..] {
            *counts.entry(*miner).or_default() += 1;
        }
        counts
    }
}

fn block(previous: Option<BlockHash>, height: u32, text: &[u8]) -> Block {
    let coinbase = Transaction {
        version: transaction::Version::TWO,
        lock_time: absolute::LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint::null(),
            script_sig: ScriptBuf::from_bytes(text.to_vec()),
            sequence: Sequence::MAX,
            witness: Witness::new(),
        }],
        output: vec![TxOut {
            value: Amount::from_sat(5_000_000_000),
            script_pubkey: ScriptBuf::from_bytes(vec![0x51]),
        }],
    };
    let header = Header {
        version: Version::TWO,
        prev_blockhash: previous.unwrap_or(BlockHash::all_zeros()),
        merkle_root: TxMerkleNode::from_raw_hash(coinbase.compute_txid().to_raw_hash()),
        time: 1_700_000_000 + height * 600,
        bits: CompactTarget::from_consensus(0x207f_ffff),
        nonce: 0,
    };
    Block {
        header,
        txdata: vec![coinbase],
    }
}
