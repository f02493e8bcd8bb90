//! A peer's headers that we lack the blocks of: they are linked and carry their work, or they are
//! refused. Nothing of them is kept but hashes, and of those a bounded number.
//!
//! A node whose own chain has less work than its network's least (`min_chain_work`) fetches nothing
//! from a peer before that has shown a chain of more, or strangers could fill the disk with cheap
//! blocks. Such a chain may be long, so it is shown twice: the first time its work is summed up, and
//! only every thousandth hash is kept; the second time the headers must lead through these hashes,
//! and what lies below the last that was reached may be fetched. (Bitcoin Core keeps a salted bit of
//! each header instead, see its `headerssync.h`.)

use std::collections::VecDeque;

use bitcoin::block::Header;
use bitcoin::{BlockHash, Work};
use bllvm_kernel_node::Standing;

/// Headers of one message.
pub(super) const MAX_HEADERS: usize = 2000;
/// Hashes that are kept of one peer; 32 bytes each.
const MAX_KEPT: usize = 40_000;
/// Headers from one mark to the next.
const MARK: u32 = 1000;
/// Marks that are kept of one peer: ten million headers.
const MAX_MARKS: usize = 10_000;

/// Blocks that a peer offers, in their order.
#[derive(Debug, Default)]
pub(super) struct Branch {
    /// Where it stands after its last header; none if nothing is offered.
    end: Option<Standing>,
    hashes: VecDeque<BlockHash>,
    trial: Option<Trial>,
}

/// What is still to be shown before blocks are fetched.
#[derive(Debug)]
struct Trial {
    /// Where the branch begins.
    base: Standing,
    /// The work that it must have.
    least: Work,
    /// Hashes at some heights, the lowest first.
    marks: VecDeque<(u32, BlockHash)>,
    /// Whether the work was shown, and the headers come for the second time.
    again: bool,
    /// How many of the hashes lie below a mark that was reached.
    reached: usize,
}

impl Branch {
    /// One that stands on a block that we know. With `least`, it must show that work first.
    pub(super) fn on(base: Standing, least: Option<Work>) -> Self {
        Self {
            end: Some(base),
            hashes: VecDeque::new(),
            trial: least.map(|least| Trial {
                base,
                least,
                marks: VecDeque::new(),
                again: false,
                reached: 0,
            }),
        }
    }

    /// The height of its last block.
    pub(super) fn height(&self) -> u32 {
        self.end.map_or(0, |end| end.height())
    }

    /// Whether its chain has more work than this.
    pub(super) fn exceeds(&self, work: Work) -> bool {
        self.end.is_some_and(|end| end.work > work)
    }

    pub(super) fn last(&self) -> Option<BlockHash> {
        self.end.map(|end| end.hash)
    }

    pub(super) fn first(&self) -> Option<BlockHash> {
        self.hashes.front().copied()
    }

    pub(super) fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Whether something is still to be shown.
    pub(super) fn is_on_trial(&self) -> bool {
        self.trial.is_some()
    }

    /// Drops the first block.
    pub(super) fn drop_first(&mut self) {
        self.hashes.pop_front();
        if let Some(trial) = &mut self.trial {
            trial.reached = trial.reached.saturating_sub(1);
        }
    }

    /// The next block that may be fetched.
    pub(super) fn take(&mut self) -> Option<BlockHash> {
        if self.trial.as_ref().is_some_and(|trial| trial.reached == 0) {
            return None;
        }
        let first = self.first();
        self.drop_first();
        first
    }

    /// Whether no more of it may be kept.
    pub(super) fn is_full(&self) -> bool {
        self.hashes.len() + MAX_HEADERS > MAX_KEPT
    }

    /// Adds headers, the first of which stands on the last. True if they are to be asked for again
    /// from [`Branch::last`] on.
    pub(super) fn extend(&mut self, headers: &[Header]) -> Result<bool, String> {
        let Some(end) = &mut self.end else {
            return Err("headers that lead to nothing we know".to_owned());
        };
        for header in headers {
            end.step(header).map_err(|fault| fault.to_string())?;
            let Some(trial) = &mut self.trial else {
                self.hashes.push_back(end.hash);
                continue;
            };
            if trial.again {
                self.hashes.push_back(end.hash);
                if trial.meets(end, self.hashes.len())? {
                    self.trial = None;
                }
            } else if trial.weighs(end)? {
                *end = trial.base;
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Trial {
    /// The first time; true once there is work enough.
    fn weighs(&mut self, end: &Standing) -> Result<bool, String> {
        self.again = end.work >= self.least;
        if self.again || end.height().is_multiple_of(MARK) {
            if self.marks.len() == MAX_MARKS {
                return Err("many headers of little work".to_owned());
            }
            self.marks.push_back((end.height(), end.hash));
        }
        Ok(self.again)
    }

    /// The second time; true once the last mark is reached.
    fn meets(&mut self, end: &Standing, kept: usize) -> Result<bool, String> {
        match self.marks.front() {
            Some((height, hash)) if *height == end.height() => {
                if *hash != end.hash {
                    return Err("other headers than it showed before".to_owned());
                }
                self.marks.pop_front();
                self.reached = kept;
            }
            _ => {}
        }
        Ok(self.marks.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use bitcoin::constants::genesis_block;
    use bitcoin::{Network, TxMerkleNode, hashes::Hash as _};
    use bllvm_kernel_node::Chain;

    use super::*;

    fn chain(count: u32, salt: u32) -> Vec<Header> {
        let mut last = genesis_block(Network::Regtest).header;
        (0..count)
            .map(|_| {
                last.prev_blockhash = last.block_hash();
                last.merkle_root = TxMerkleNode::all_zeros();
                last.time += salt;
                while last.validate_pow(last.target()).is_err() {
                    last.nonce = last.nonce.wrapping_add(1);
                }
                last
            })
            .collect()
    }

    fn base() -> Standing {
        Standing::at_genesis(&Chain::Regtest)
    }

    /// The work of so many blocks of regtest and the first.
    fn work_of(count: u32) -> Work {
        (0..count).fold(base().work, |sum, _| sum + base().work)
    }

    #[test]
    fn headers_must_be_linked_and_carry_their_work() {
        let headers = chain(5, 1);
        let mut branch = Branch::on(base(), None);
        assert!(!branch.extend(&headers).unwrap());
        assert_eq!((branch.height(), branch.len()), (5, 5));
        assert!(branch.exceeds(work_of(4)) && !branch.exceeds(work_of(5)));
        assert_eq!(branch.take(), Some(headers[0].block_hash()));
        assert_eq!((branch.height(), branch.len()), (5, 4));
        assert_eq!(branch.last(), Some(headers[4].block_hash()));

        let gap = [headers[0], headers[2]];
        let refused = Branch::on(base(), None).extend(&gap).unwrap_err();
        assert!(refused.contains("follow"), "{refused}");
        let nothing = Branch::default().extend(&headers).unwrap_err();
        assert!(nothing.contains("nothing we know"), "{nothing}");
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut branch = Branch::on(base(), None);
        for part in chain(40_000, 0).chunks(MAX_HEADERS) {
            assert!(!branch.is_full());
            branch.extend(part).unwrap();
        }
        assert!(branch.is_full());
        assert_eq!(branch.len(), MAX_KEPT);
    }

    #[test]
    fn a_chain_is_weighed_before_anything_of_it_is_fetched() {
        let headers = chain(3500, 1);
        let mut branch = Branch::on(base(), Some(work_of(2500)));
        assert!(!branch.extend(&headers[..2000]).unwrap());
        assert_eq!((branch.take(), branch.len()), (None, 0));
        assert!(branch.extend(&headers[2000..]).unwrap(), "enough is shown");
        assert_eq!((branch.take(), branch.last()), (None, Some(base().hash)));

        // Again: what lies below a mark may be fetched, and in the end everything.
        assert!(!branch.extend(&headers[..999]).unwrap());
        assert_eq!(branch.take(), None);
        branch.extend(&headers[999..1500]).unwrap();
        for header in &headers[..1000] {
            assert_eq!(branch.take(), Some(header.block_hash()));
        }
        assert_eq!((branch.take(), branch.is_on_trial()), (None, true));
        branch.extend(&headers[1500..]).unwrap();
        assert!(!branch.is_on_trial());
        let mut rest = 0;
        while branch.take().is_some() {
            rest += 1;
        }
        assert_eq!(rest, 2500);
    }

    #[test]
    fn a_chain_of_too_little_work_is_never_fetched() {
        let headers = chain(2000, 1);
        let mut branch = Branch::on(base(), Some(work_of(2001)));
        assert!(!branch.extend(&headers).unwrap());
        assert_eq!((branch.take(), branch.is_on_trial()), (None, true));
    }

    #[test]
    fn who_shows_two_chains_is_found_out_before_the_second_is_fetched() {
        let (good, other) = (chain(1500, 1), chain(1500, 2));
        let mut branch = Branch::on(base(), Some(work_of(1500)));
        assert!(branch.extend(&good).unwrap());
        assert!(!branch.extend(&other[..999]).unwrap());
        assert_eq!(branch.take(), None);
        let refused = branch.extend(&other[999..]).unwrap_err();
        assert!(refused.contains("other headers"), "{refused}");
    }
}
