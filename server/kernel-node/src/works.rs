//! The work of chains: summed up once, and remembered every so many blocks.

use std::collections::HashMap;

use bitcoin::{BlockHash, CompactTarget, Target, Work};
use bitcoinkernel::{BlockTreeEntry, prelude::*};

use crate::kernel;

/// Heights whose sums are kept: the longest way that a question walks.
const MARK: u32 = 1000;

/// What is known of the work of chains. Entries never change, so neither do sums.
#[derive(Debug, Default)]
pub struct Works {
    marks: HashMap<BlockHash, Work>,
    last: Option<(BlockHash, Work)>,
}

impl Works {
    /// The work of the chain that ends in this block.
    pub fn of(&mut self, entry: BlockTreeEntry<'_>) -> Work {
        let mut ahead = Vec::new();
        let mut at = Some(entry);
        let mut sum = Work::from_be_bytes([0; 32]);
        while let Some(entry) = at {
            if let Some(known) = self.known(&kernel::hash(entry)) {
                sum = known;
                break;
            }
            ahead.push(entry);
            at = entry.prev();
        }
        for entry in ahead.into_iter().rev() {
            let bits = CompactTarget::from_consensus(entry.header().bits());
            sum = sum + Target::from_compact(bits).to_work();
            if kernel::height(entry).is_multiple_of(MARK) {
                self.marks.insert(kernel::hash(entry), sum);
            }
        }
        self.last = Some((kernel::hash(entry), sum));
        sum
    }

    fn known(&self, hash: &BlockHash) -> Option<Work> {
        let last = self.last.filter(|(last, _)| last == hash);
        last.map(|(_, work)| work)
            .or_else(|| self.marks.get(hash).copied())
    }
}
