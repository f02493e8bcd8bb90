//! What the tests share: a directory, an engine, and the events it told.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test binary uses its part, and fails by panicking"
)]

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Read, Write},
    path::Path,
    sync::{Arc, Mutex, atomic::AtomicBool},
};

use bllvm_kernel_node::{
    ChainEvent, Coin, Engine, OpenReport, Settings, anyone_can_spend,
    bitcoin::{Block, BlockHash, OutPoint, consensus::deserialize},
};
use tempfile::TempDir;

/// The events an engine told, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Heard(Arc<Mutex<Vec<ChainEvent>>>);

impl Heard {
    /// Takes what was told since the last time.
    pub fn take(&self) -> Vec<ChainEvent> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// An engine on this directory, its report, and its events.
pub fn open(dir: &Path) -> (Engine, OpenReport, Heard) {
    open_with(Settings::regtest(dir))
}

/// As [`open`], with other settings.
pub fn open_with(settings: Settings) -> (Engine, OpenReport, Heard) {
    let heard = Heard::default();
    let tell = heard.clone();
    let (engine, report) = Engine::open(
        settings,
        Box::new(move |event| tell.0.lock().unwrap().push(event)),
    )
    .unwrap();
    (engine, report, heard)
}

/// Mines to anyone.
pub fn mine(engine: &Engine, count: u32) -> Vec<BlockHash> {
    engine
        .mine(
            count,
            &anyone_can_spend(),
            &AtomicBool::new(false),
            &mut |_| {},
        )
        .unwrap()
}

/// An event as `+height` or `-height` with its hash: enough to compare order.
pub fn signed(event: &ChainEvent) -> (char, u32, BlockHash) {
    match event {
        ChainEvent::Connected { height, hash, .. } => ('+', *height, *hash),
        ChainEvent::Disconnected { height, hash, .. } => ('-', *height, *hash),
    }
}

/// A directory in memory, where there is such a place: for thousands of short lives whose files
/// nobody's power is cut beneath.
pub fn quick_dir() -> TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

/// Copies the directory as it lies there, like a crash that keeps what was written. The room that
/// the kernel takes ahead in its block files is left out: it would be most of the work.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let target = to.join(&name);
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else if ["blk", "rev"].iter().any(|kind| name.starts_with(kind)) {
            copy_until_empty(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn copy_until_empty(from: &Path, to: &Path) {
    let (mut from, mut to) = (File::open(from).unwrap(), File::create(to).unwrap());
    let (mut piece, empty) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        let count = from.read(&mut piece).unwrap();
        if count == 0 || piece[..count] == empty[..count] {
            return;
        }
        to.write_all(&piece[..count]).unwrap();
    }
}

/// Every coin, by reading the best chain from its first block.
pub fn from_scratch(engine: &Engine) -> BTreeMap<OutPoint, Coin> {
    let mut coins = BTreeMap::new();
    for height in 1..=engine.tip().unwrap().height {
        for transaction in block_at(engine, height).txdata {
            let coinbase = transaction.is_coinbase();
            if !coinbase {
                for input in &transaction.input {
                    coins.remove(&input.previous_output).unwrap();
                }
            }
            let txid = transaction.compute_txid();
            for (vout, output) in (0..).zip(transaction.output) {
                if !output.script_pubkey.is_op_return() {
                    let outpoint = OutPoint { txid, vout };
                    let coin = Coin {
                        output,
                        height,
                        coinbase,
                    };
                    coins.insert(outpoint, coin);
                }
            }
        }
    }
    coins
}

pub fn block_at(engine: &Engine, height: u32) -> Block {
    let hash = engine.block_hash_at(height).unwrap().unwrap();
    deserialize(&engine.block(&hash).unwrap().unwrap()).unwrap()
}

pub fn assert_in_step(engine: &Engine) {
    let indexed: BTreeMap<_, _> = engine.coins().unwrap().into_iter().collect();
    assert_eq!(indexed, from_scratch(engine));
    let tip = engine.tip().unwrap().hash;
    assert_eq!(engine.coin(&OutPoint::null()).unwrap(), (None, tip));
}
