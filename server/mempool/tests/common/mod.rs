//! A chain in memory and transactions on it that need no keys.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test binary uses its part"
)]

use std::collections::{HashMap, HashSet};

use bitcoin::{
    Amount, Block, BlockHash, CompactTarget, OutPoint, ScriptBuf, Sequence, Transaction, TxIn,
    TxMerkleNode, TxOut, Txid, Witness,
    absolute::LockTime,
    block::{Header, Version},
    hashes::Hash as _,
    transaction,
};
use bllvm_mempool::{Chain, Coin, Fault, ScriptFailure};

/// Coins, block times, and which transactions' scripts fail.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    pub height: u32,
    pub coins: HashMap<OutPoint, Coin>,
    pub bad_scripts: HashSet<Txid>,
    pub away: bool,
    undo: Vec<HashMap<OutPoint, Coin>>,
    blocks: Vec<Block>,
    made: u64,
}

impl Ledger {
    /// A chain of some height without coins.
    pub fn at(height: u32) -> Self {
        Self {
            height,
            ..Self::default()
        }
    }

    /// A coin that anybody may spend.
    pub fn coin(&mut self, value: u64) -> OutPoint {
        self.coin_with(value, open())
    }

    /// A coin behind a script.
    pub fn coin_with(&mut self, value: u64, script_pubkey: ScriptBuf) -> OutPoint {
        self.made += 1;
        let outpoint = OutPoint::new(Txid::hash(&self.made.to_le_bytes()), 0);
        let coin = Coin {
            output: TxOut {
                value: Amount::from_sat(value),
                script_pubkey,
            },
            height: 1,
            coinbase: false,
        };
        self.coins.insert(outpoint, coin);
        outpoint
    }

    /// Puts a block on the tip.
    pub fn connect(&mut self, transactions: Vec<Transaction>) -> Block {
        self.undo.push(self.coins.clone());
        self.height += 1;
        for transaction in &transactions {
            for input in &transaction.input {
                self.coins.remove(&input.previous_output).unwrap();
            }
            let txid = transaction.compute_txid();
            for (vout, output) in (0..).zip(&transaction.output) {
                let coin = Coin {
                    output: output.clone(),
                    height: self.height,
                    coinbase: false,
                };
                self.coins.insert(OutPoint { txid, vout }, coin);
            }
        }
        let block = Block {
            header: Header {
                version: Version::TWO,
                prev_blockhash: BlockHash::all_zeros(),
                merkle_root: TxMerkleNode::all_zeros(),
                time: 0,
                bits: CompactTarget::from_consensus(0),
                nonce: self.height,
            },
            txdata: transactions,
        };
        self.blocks.push(block.clone());
        block
    }

    /// Takes the tip off and returns its transactions.
    pub fn disconnect(&mut self) -> Option<Vec<Transaction>> {
        self.coins = self.undo.pop()?;
        self.height -= 1;
        self.blocks.pop().map(|block| block.txdata)
    }
}

impl Chain for Ledger {
    fn height(&self) -> u32 {
        self.height
    }

    fn median_time(&self) -> u32 {
        self.median_time_at(self.height)
    }

    /// Ten minutes a block.
    fn median_time_at(&self, height: u32) -> u32 {
        1_600_000_000 + height * 600
    }

    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, Fault> {
        if self.away {
            return Err(Fault("the disk is gone".to_owned()));
        }
        Ok(self.coins.get(outpoint).cloned())
    }

    fn verify(&self, one: &Transaction, _: &[TxOut]) -> Result<Result<(), ScriptFailure>, Fault> {
        let bad = self.bad_scripts.contains(&one.compute_txid());
        Ok(if bad {
            Err(ScriptFailure { input: 0 })
        } else {
            Ok(())
        })
    }
}

/// A script by witness that anybody satisfies by showing it.
pub fn open() -> ScriptBuf {
    ScriptBuf::new_p2wsh(&ScriptBuf::from_bytes(vec![0x51]).wscript_hash())
}

/// Pay to anchor.
pub fn anchor() -> ScriptBuf {
    ScriptBuf::from_bytes(vec![0x51, 0x02, 0x4e, 0x73])
}

/// Spends open coins to open outputs of these values.
pub fn tx(from: &[OutPoint], values: &[u64]) -> Transaction {
    Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: from
            .iter()
            .map(|outpoint| TxIn {
                previous_output: *outpoint,
                script_sig: ScriptBuf::new(),
                sequence: Sequence::MAX,
                witness: Witness::from_slice(&[[0x51_u8]]),
            })
            .collect(),
        output: values
            .iter()
            .map(|value| TxOut {
                value: Amount::from_sat(*value),
                script_pubkey: open(),
            })
            .collect(),
    }
}

/// An output of a transaction.
pub fn out(one: &Transaction, vout: u32) -> OutPoint {
    OutPoint::new(one.compute_txid(), vout)
}
