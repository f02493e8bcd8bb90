//! Fee rates that the last blocks took, read from the chain when somebody asks.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    sync::PoisonError,
};

use bitcoin::{Amount, BlockHash, Transaction};
use bllvm_mempool::{
    fees::{self, BlockRates},
    rate_of,
};

use crate::{Engine, EngineError, SpentOutput, follow, kernel};

/// Blocks whose rates are remembered.
pub type FeeHistory = HashMap<BlockHash, BlockRates>;

impl Engine {
    /// The fee rate that gets into one of the next `target` blocks, in satoshi per 1,000 virtual
    /// bytes, with what it rests on; or why there is none.
    pub fn fee_estimate(&self, target: u16) -> Result<Result<(u64, String), String>, EngineError> {
        let mut history = self
            .inner
            .fees
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let blocks = self.inner.with_chain(|chain| {
            let mut blocks = Vec::with_capacity(fees::DEPTH);
            let mut next = Some(kernel::tip(chain));
            while let Some(entry) = next
                && blocks.len() < fees::DEPTH
                && kernel::height(entry) > 0
            {
                let hash = kernel::hash(entry);
                let known = match history.entry(hash) {
                    Entry::Occupied(known) => known.get().clone(),
                    Entry::Vacant(free) => {
                        let spent = kernel::spent_outputs(chain, entry)?;
                        let block = follow::block(chain, entry)?;
                        free.insert(rates(&block, &spent)).clone()
                    }
                };
                blocks.push((hash, known));
                next = entry.prev();
            }
            Ok(blocks)
        })?;
        let (hashes, blocks): (HashSet<_>, Vec<_>) = blocks.into_iter().unzip();
        history.retain(|hash, _| hashes.contains(hash));
        let floor = self.mempool(bllvm_mempool::Pool::min_rate);
        Ok(fees::estimate(&blocks, target, floor))
    }
}

/// The rates of a block's transactions that stand alone in it.
fn rates(block: &bitcoin::Block, spent: &[Vec<SpentOutput>]) -> BlockRates {
    let ids: Vec<_> = block.txdata.iter().map(Transaction::compute_txid).collect();
    let inside: HashSet<_> = ids.iter().collect();
    let parents: HashSet<_> = block
        .txdata
        .iter()
        .flat_map(|one| one.input.iter().map(|input| input.previous_output.txid))
        .collect();
    let alone = block.txdata.iter().zip(&ids).zip(spent).skip(1);
    let alone = alone.filter(|((transaction, txid), _)| {
        let mut inputs = transaction.input.iter();
        !parents.contains(*txid)
            && !inputs.any(|input| inside.contains(&input.previous_output.txid))
    });
    let rates = alone.map(|((transaction, _), spent)| {
        let paid: u64 = spent.iter().map(|coin| coin.value_sat).sum();
        let kept: Amount = transaction.output.iter().map(|output| output.value).sum();
        let vsize = transaction.weight().to_wu().div_ceil(4);
        (rate_of(paid.saturating_sub(kept.to_sat()), vsize), vsize)
    });
    BlockRates {
        rates: rates.collect(),
    }
}
