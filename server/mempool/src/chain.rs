//! What the mempool asks of the chain beneath it.

use bitcoin::{OutPoint, Transaction, TxOut, script::Script};

/// An output that the chain holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coin {
    /// Value and script.
    pub output: TxOut,
    /// Height of the block that made it.
    pub height: u32,
    /// Whether a coinbase made it.
    pub coinbase: bool,
}

impl Coin {
    /// Whether an output can never be spent, so that no set of coins keeps it: it begins with
    /// `OP_RETURN`, or is longer than a script may be.
    pub fn unspendable(script: &Script) -> bool {
        script.is_op_return() || script.len() > 10_000
    }
}

/// The chain could not be asked; says nothing about the transaction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Fault(pub String);

/// An input whose script does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScriptFailure {
    /// The input's index.
    pub input: usize,
}

/// The chain at one tip; it does not move while a call into the mempool lasts.
pub trait Chain {
    /// The tip's height.
    fn height(&self) -> u32;
    /// The median time of the tip and the ten blocks before it.
    fn median_time(&self) -> u32;
    /// The median time of the best chain's block at a height and the ten before it.
    fn median_time_at(&self, height: u32) -> u32;
    /// An unspent output of the chain; the mempool's own are not asked for.
    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, Fault>;
    /// Checks all input scripts by the consensus rules. `spent` holds what the inputs spend.
    fn verify(
        &self,
        transaction: &Transaction,
        spent: &[TxOut],
    ) -> Result<Result<(), ScriptFailure>, Fault>;
}
