//! A peer's headers that we lack the blocks of: they are linked and carry their work, or they are
//! refused. Nothing of them is kept but hashes, and of those a bounded number.

use std::collections::VecDeque;

use bitcoin::block::Header;
use bitcoin::{BlockHash, CompactTarget};

/// Headers of one message.
pub(super) const MAX_HEADERS: usize = 2000;
/// Hashes that are kept of one peer; 32 bytes each.
const MAX_KEPT: usize = 40_000;

/// Blocks that a peer offers, in their order.
#[derive(Debug, Default)]
pub(super) struct Branch {
    /// The height of the block before the first.
    below: u32,
    hashes: VecDeque<BlockHash>,
}

impl Branch {
    /// One that stands on a block that we know.
    pub(super) fn on(height: u32) -> Self {
        Self {
            below: height,
            hashes: VecDeque::new(),
        }
    }

    /// The height of its last block.
    pub(super) fn height(&self) -> u32 {
        let count = u32::try_from(self.hashes.len()).unwrap_or(u32::MAX);
        self.below.saturating_add(count)
    }

    pub(super) fn last(&self) -> Option<BlockHash> {
        self.hashes.back().copied()
    }

    pub(super) fn first(&self) -> Option<BlockHash> {
        self.hashes.front().copied()
    }

    pub(super) fn len(&self) -> usize {
        self.hashes.len()
    }

    pub(super) fn take(&mut self) -> Option<BlockHash> {
        let taken = self.hashes.pop_front();
        if taken.is_some() {
            self.below += 1;
        }
        taken
    }

    /// Whether no more of it may be kept.
    pub(super) fn is_full(&self) -> bool {
        self.hashes.len() + MAX_HEADERS > MAX_KEPT
    }

    /// Adds headers, the first of which stands on the last.
    pub(super) fn extend(&mut self, headers: &[Header], bits: CompactTarget) -> Result<(), String> {
        for pair in headers.windows(2) {
            if pair[1].prev_blockhash != pair[0].block_hash() {
                return Err("headers that do not follow each other".to_owned());
            }
        }
        for header in headers {
            // The target of a test network of one's own never changes.
            if header.bits != bits {
                return Err("a header with a target of its own (bad-diffbits)".to_owned());
            }
            let hash = header
                .validate_pow(header.target())
                .map_err(|_| "a header without its work (high-hash)".to_owned())?;
            self.hashes.push_back(hash);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bitcoin::constants::genesis_block;
    use bitcoin::{Network, TxMerkleNode, hashes::Hash as _};

    use super::*;

    fn chain(count: u32) -> Vec<Header> {
        let mut last = genesis_block(Network::Regtest).header;
        (0..count)
            .map(|time| {
                last.prev_blockhash = last.block_hash();
                last.merkle_root = TxMerkleNode::all_zeros();
                last.time += time;
                while last.validate_pow(last.target()).is_err() {
                    last.nonce = last.nonce.wrapping_add(1);
                }
                last
            })
            .collect()
    }

    #[test]
    fn headers_must_be_linked_and_carry_their_work() {
        let headers = chain(5);
        let bits = headers[0].bits;
        let mut branch = Branch::on(7);
        branch.extend(&headers, bits).unwrap();
        assert_eq!((branch.height(), branch.len()), (12, 5));
        assert_eq!(branch.take(), Some(headers[0].block_hash()));
        assert_eq!((branch.height(), branch.len()), (12, 4));

        let gap = [headers[0], headers[2]];
        assert!(branch.extend(&gap, bits).unwrap_err().contains("follow"));
        let mut idle = headers[4];
        while idle.validate_pow(idle.target()).is_ok() {
            idle.nonce = idle.nonce.wrapping_add(1);
        }
        assert!(
            branch
                .extend(&[idle], bits)
                .unwrap_err()
                .contains("high-hash")
        );
        let easier = CompactTarget::from_consensus(0x1f7f_ffff);
        let refused = branch.extend(&headers[..1], easier).unwrap_err();
        assert!(refused.contains("bad-diffbits"));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let headers = chain(1000);
        let mut branch = Branch::default();
        while !branch.is_full() {
            branch.extend(&headers, headers[0].bits).unwrap();
        }
        assert!(branch.len() <= MAX_KEPT);
    }
}
