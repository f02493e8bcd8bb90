//! Who counts as an economic node: entering takes two periods, leaving one, so that luck decides little.
//!
//! One percent of 2,016 blocks is 20.16, but a pool of one percent finds 13 to 31 of them. So a pool
//! enters with 21 in two periods in a row, and leaves with fewer than 13 in one.

use std::collections::{BTreeMap, BTreeSet};

use bllvm_sdk::types::BlockHash;
use serde::{Deserialize, Serialize};

/// Blocks in each of two periods in a row that let a pool in.
pub const ENTER: u32 = 21;
/// With fewer in one period a pool is out.
pub const STAY: u32 = 13;

/// Who is in at the end of a period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The period's last block: another one makes this void.
    pub end: BlockHash,
    /// The pools' numbers.
    pub members: BTreeSet<u32>,
}

/// Blocks of each pool in one period.
pub type Counts = BTreeMap<u32, u32>;

/// Who is in after a period, given who was and what two periods counted.
pub fn next(was: &BTreeSet<u32>, before: Option<&Counts>, now: &Counts) -> BTreeSet<u32> {
    let stays = |id: &u32| now.get(id).is_some_and(|blocks| *blocks >= STAY);
    let enough = |counts: &Counts, id: &u32| counts.get(id).is_some_and(|blocks| *blocks >= ENTER);
    let enters = |id: &u32| enough(now, id) && before.is_some_and(|before| enough(before, id));
    let staying = was.iter().filter(|id| stays(id));
    let entering = now.keys().filter(|id| enters(id));
    staying.chain(entering).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_enters_after_two_periods_and_leaves_after_one() {
        let counts = |blocks: u32| Counts::from([(1, blocks)]);
        let (out, inside) = (BTreeSet::new(), BTreeSet::from([1]));
        let next = |was, before: u32, now: u32| next(was, Some(&counts(before)), &counts(now));
        assert_eq!(next(&out, 21, 21), inside);
        assert_eq!(next(&out, 20, 500), out);
        assert_eq!(next(&out, 500, 20), out);
        assert_eq!(next(&inside, 20, 13), inside);
        assert_eq!(next(&inside, 500, 12), out);
        assert_eq!(super::next(&out, None, &counts(500)), out);
        assert_eq!(super::next(&inside, None, &Counts::new()), out);
    }
}
