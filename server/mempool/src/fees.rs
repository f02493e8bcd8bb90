//! A fee rate from what blocks really took, or the reason why there is none.

/// Blocks that are looked at, at the most.
pub const DEPTH: usize = 144;
const MIN_BLOCKS: usize = 12;
const MIN_TRANSACTIONS: usize = 100;

/// The fee rates of one block's transactions that neither spend of nor are spent by another in it:
/// only these were chosen for their own rate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlockRates {
    /// Rates in satoshi per 1,000 virtual bytes, with the virtual sizes they were paid for.
    pub rates: Vec<(u64, u64)>,
}

impl BlockRates {
    /// The rate that a tenth of the block's bytes stayed below; none without transactions.
    fn low(&self) -> Option<u64> {
        let mut rates = self.rates.clone();
        rates.sort_unstable();
        let tenth = rates.iter().map(|(_, size)| size).sum::<u64>() / 10;
        let mut below = 0;
        rates
            .into_iter()
            .find(|(_, size)| {
                below += size;
                below > tenth
            })
            .map(|(rate, _)| rate)
    }
}

/// Estimates the rate that was enough, in 17 of 20 cases, to be taken within `target` blocks.
/// `blocks` are the last ones, newest first; the answer is never below `floor`.
///
/// # Errors
/// Why there is no estimate, in words.
pub fn estimate(blocks: &[BlockRates], target: u16, floor: u64) -> Result<(u64, String), String> {
    let target = usize::from(target);
    if !(1..=DEPTH / 2).contains(&target) {
        return Err(format!("targets reach from 1 to {} blocks", DEPTH / 2));
    }
    let lows: Vec<Option<u64>> = blocks.iter().map(BlockRates::low).collect();
    let (used, transactions) = (
        lows.iter().flatten().count(),
        blocks.iter().map(|block| block.rates.len()).sum::<usize>(),
    );
    if used < MIN_BLOCKS || transactions < MIN_TRANSACTIONS {
        return Err(format!(
            "too few blocks with transactions: {used} blocks and {transactions} transactions of the last {}, where {MIN_BLOCKS} and {MIN_TRANSACTIONS} are needed",
            blocks.len()
        ));
    }
    // An empty block says nothing about a price, and takes nothing either.
    let mut enough: Vec<u64> = lows
        .windows(target)
        .filter_map(|window| window.iter().flatten().min().copied())
        .collect();
    enough.sort_unstable();
    let at = (enough.len() * 17).div_ceil(20).saturating_sub(1);
    let rate = enough
        .get(at)
        .copied()
        .ok_or_else(|| format!("fewer than {target} blocks are known"))?;
    Ok((
        rate.max(floor),
        format!(
            "what {transactions} transactions of the last {} blocks paid",
            blocks.len()
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(rate: u64, count: usize) -> BlockRates {
        BlockRates {
            rates: vec![(rate, 150); count],
        }
    }

    #[test]
    fn thin_data_gives_no_estimate_and_says_so() {
        let refused = estimate(&vec![block(2000, 1); 20], 6, 100).unwrap_err();
        assert!(refused.contains("20 transactions"), "{refused}");
        assert!(estimate(&vec![BlockRates::default(); 144], 6, 100).is_err());
        assert!(estimate(&vec![block(2000, 20); 20], 0, 100).is_err());
    }

    #[test]
    fn patience_is_cheaper_and_the_floor_holds() {
        let blocks: Vec<_> = (0..40)
            .map(|n| block(if n % 2 == 0 { 9000 } else { 3000 }, 10))
            .collect();
        assert_eq!(estimate(&blocks, 1, 100).unwrap().0, 9000);
        assert_eq!(estimate(&blocks, 2, 100).unwrap().0, 3000);
        assert_eq!(estimate(&blocks, 2, 5000).unwrap().0, 5000);
    }
}
