//! The blocks that every backend is given: enough for a coinbase to mature, one that spends, and a
//! branch that replaces it.

use std::sync::atomic::AtomicBool;

use bllvm_ipc::types as t;
use bllvm_kernel_node::bitcoin::hashes::Hash as _;
use bllvm_kernel_node::bitcoin::{Amount, BlockHash, OutPoint, ScriptBuf, Transaction};
use bllvm_kernel_node::testing::{BlockBuilder, extend, spend};
use bllvm_kernel_node::{Engine, Settings, bitcoin};

/// Blocks before the first that spends: a coinbase has to mature.
pub const RIPE: u32 = 101;

/// The blocks that every backend is given, made by an engine of their own.
pub struct Story {
    pub engine: Engine,
    pub spending: BlockHash,
    pub spent: OutPoint,
    pub transaction: Transaction,
    pub branch: Vec<BlockHash>,
    _dir: tempfile::TempDir,
}

impl Story {
    pub fn write() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (engine, _) = Engine::open(Settings::regtest(dir.path()), Box::new(|_| {})).unwrap();
        let script = anyone().to_p2wsh();
        engine
            .mine(RIPE, &script, &AtomicBool::new(false), &mut |_| {})
            .unwrap();
        let first = engine.block_hash_at(1).unwrap().unwrap();
        let first = engine.block(&first).unwrap().unwrap();
        let first: bitcoin::Block = bitcoin::consensus::deserialize(&first).unwrap();
        let spent = OutPoint::new(first.txdata[0].compute_txid(), 0);
        let transaction = spending_of(spent);
        let tip = engine.tip().unwrap().hash;
        let block = BlockBuilder::on(tip).with(transaction.clone());
        let raw = block.raw(&engine).unwrap();
        engine.submit_block(&raw).unwrap();
        let spending = engine.tip().unwrap().hash;
        // Two blocks replace the one that spends.
        let branch = extend(&engine, tip, 2, 7).unwrap();
        Self {
            engine,
            spending,
            spent,
            transaction,
            branch,
            _dir: dir,
        }
    }

    pub fn raw(&self, hash: &BlockHash) -> bytes::Bytes {
        self.engine.block(hash).unwrap().unwrap().into()
    }

    pub fn at(&self, height: u32) -> BlockHash {
        self.engine.block_hash_at(height).unwrap().unwrap()
    }
}

/// A script that is true, as everybody may use it behind its hash.
fn anyone() -> ScriptBuf {
    ScriptBuf::from_bytes(vec![0x51])
}

/// Spends such an output to another one.
pub fn spending_of(from: OutPoint) -> Transaction {
    let mut transaction = spend(from, Amount::from_sat(4_999_990_000), ScriptBuf::new());
    transaction.input[0].witness.push(anyone());
    transaction.output[0].script_pubkey = anyone().to_p2wsh();
    transaction
}

pub fn hash(hash: BlockHash) -> t::BlockHash {
    t::BlockHash(hash.to_byte_array())
}
