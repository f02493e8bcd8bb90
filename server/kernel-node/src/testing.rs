//! Blocks for tests: on any parent, and deliberately wrong ones. Nothing here is needed to run a
//! node.

use std::sync::atomic::AtomicBool;

use bitcoin::{
    Amount, Block, BlockHash, OutPoint, Script, ScriptBuf, Sequence, Transaction, TxIn,
    TxMerkleNode, TxOut, Witness, absolute::LockTime, consensus::serialize, hashes::Hash,
    transaction,
};

use crate::{Engine, EngineError, anyone_can_spend, mining::grind};

/// Describes a block; every part has a valid default.
#[derive(Debug, Clone)]
pub struct BlockBuilder {
    parent: BlockHash,
    pays_to: ScriptBuf,
    overpays: Amount,
    salt: u32,
    transactions: Vec<Transaction>,
    wrong_merkle_root: bool,
}

impl BlockBuilder {
    /// A valid, empty block on a known parent.
    pub fn on(parent: BlockHash) -> Self {
        Self {
            parent,
            pays_to: anyone_can_spend(),
            overpays: Amount::ZERO,
            salt: 0x7e57,
            transactions: Vec::new(),
            wrong_merkle_root: false,
        }
    }

    /// Pays the coinbase to a script.
    #[must_use]
    pub fn pays_to(mut self, script: &Script) -> Self {
        self.pays_to = script.to_owned();
        self
    }

    /// Tells the block apart from another on the same parent.
    #[must_use]
    pub fn salt(mut self, salt: u32) -> Self {
        self.salt = salt;
        self
    }

    /// Adds a transaction; its fee is not claimed.
    #[must_use]
    pub fn with(mut self, transaction: Transaction) -> Self {
        self.transactions.push(transaction);
        self
    }

    /// Claims more than is allowed: `bad-cb-amount`.
    #[must_use]
    pub fn overpaid(mut self) -> Self {
        self.overpays = Amount::ONE_SAT;
        self
    }

    /// Commits to other transactions than it holds: `bad-txnmrklroot`.
    #[must_use]
    pub fn with_wrong_merkle_root(mut self) -> Self {
        self.wrong_merkle_root = true;
        self
    }

    /// Builds it, with proof of work.
    ///
    /// # Errors
    /// [`EngineError::UnknownCursor`] if the parent is not known to this engine.
    pub fn build(&self, engine: &Engine) -> Result<Block, EngineError> {
        let plan = engine
            .plan_on(&self.parent)?
            .ok_or(EngineError::UnknownCursor)?;
        let coinbase = plan.coinbase(
            plan.subsidy() + self.overpays,
            &self.pays_to,
            self.salt,
            None,
        );
        let mut block = plan.assemble(coinbase, self.transactions.clone());
        if self.wrong_merkle_root {
            block.header.merkle_root = TxMerkleNode::from_byte_array([0x5a; 32]);
        }
        grind(&mut block.header, &AtomicBool::new(false));
        Ok(block)
    }

    /// Builds it, as it travels.
    pub fn raw(&self, engine: &Engine) -> Result<Vec<u8>, EngineError> {
        self.build(engine).map(|block| serialize(&block))
    }
}

/// Spends one output, all of it, to anyone. The signature script is the caller's: empty satisfies
/// [`anyone_can_spend`], and fails everything that asks for a signature.
pub fn spend(from: OutPoint, value: Amount, script_sig: ScriptBuf) -> Transaction {
    Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: from,
            script_sig,
            sequence: Sequence::MAX,
            witness: Witness::new(),
        }],
        output: vec![TxOut {
            value,
            script_pubkey: anyone_can_spend(),
        }],
    }
}

/// Submits a branch of `count` valid blocks on a parent and returns their hashes.
///
/// # Errors
/// As [`Engine::submit_block`]; a refused block is [`EngineError::MiningRefused`].
pub fn extend(
    engine: &Engine,
    parent: BlockHash,
    count: u32,
    salt: u32,
) -> Result<Vec<BlockHash>, EngineError> {
    let mut hashes = vec![];
    let mut parent = parent;
    for _ in 0..count {
        let block = BlockBuilder::on(parent).salt(salt).build(engine)?;
        if let crate::Verdict::Invalid { code, debug } = engine.submit_block(&serialize(&block))? {
            return Err(EngineError::MiningRefused { code, debug });
        }
        parent = block.block_hash();
        hashes.push(parent);
    }
    Ok(hashes)
}
