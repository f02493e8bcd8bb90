//! The blocks that are kept, one after the other without a gap: applied and undone one at a time.

use std::collections::{BTreeMap, VecDeque};

use crate::mining::coinbase::Mined;

/// Blocks in the rolling window, and in a period between two changes of difficulty.
pub const WINDOW: u32 = 2016;

/// The lowest block that must be kept for a tip: two whole periods before the present one, which
/// holds the rolling window, too.
pub fn first_kept(tip: u32) -> u32 {
    (tip / WINDOW).saturating_sub(2) * WINDOW
}

/// A piece of the chain, from a lowest to a highest block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    lowest: u32,
    blocks: VecDeque<Mined>,
}

/// A block that does not stand beside those that are kept.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the block at height {0} does not fit to its neighbour")]
pub struct Misfit(pub u32);

impl Window {
    /// From stored blocks; those that do not hang together are left out and fetched anew.
    pub fn restore(stored: BTreeMap<u32, Mined>) -> Self {
        let mut window = Self::default();
        for (height, mined) in stored.into_iter().rev() {
            if window.extend_below(height, mined).is_err() {
                break;
            }
        }
        window
    }

    /// The highest block.
    pub fn top(&self) -> Option<(u32, &Mined)> {
        let last = self.blocks.back()?;
        Some((self.end() - 1, last))
    }

    /// The lowest block.
    pub fn bottom(&self) -> Option<(u32, &Mined)> {
        Some((self.lowest, self.blocks.front()?))
    }

    fn end(&self) -> u32 {
        self.lowest + u32::try_from(self.blocks.len()).expect("heights are 32 bit")
    }

    /// A block by its height.
    pub fn get(&self, height: u32) -> Option<&Mined> {
        let index = height.checked_sub(self.lowest)?;
        self.blocks.get(index as usize)
    }

    /// Puts the next block on top.
    pub fn apply(&mut self, height: u32, mined: Mined) -> Result<(), Misfit> {
        match self.top() {
            Some((top, last)) if height != top + 1 || mined.previous != last.hash => {
                return Err(Misfit(height));
            }
            Some(_) => {}
            None => self.lowest = height,
        }
        self.blocks.push_back(mined);
        Ok(())
    }

    /// Puts the block before the lowest one under it.
    pub fn extend_below(&mut self, height: u32, mined: Mined) -> Result<(), Misfit> {
        match self.bottom() {
            Some((bottom, first)) if height + 1 != bottom || first.previous != mined.hash => {
                return Err(Misfit(height));
            }
            _ => {}
        }
        self.lowest = height;
        self.blocks.push_front(mined);
        Ok(())
    }

    /// Takes the highest block away.
    pub fn undo(&mut self) -> Option<u32> {
        let (height, _) = self.top()?;
        self.blocks.pop_back();
        Some(height)
    }

    /// Forgets the lowest block if it lies below a height.
    pub fn forget_below(&mut self, height: u32) -> Option<u32> {
        let (bottom, _) = self.bottom()?;
        if bottom >= height {
            return None;
        }
        self.blocks.pop_front();
        self.lowest += 1;
        Some(bottom)
    }

    /// The newest 2,016 blocks, or all of a younger chain.
    pub fn newest(&self) -> impl Iterator<Item = &Mined> {
        let skip = self.blocks.len().saturating_sub(WINDOW as usize);
        self.blocks.iter().skip(skip)
    }

    /// All blocks of a period (its number is height / 2,016), if they are kept.
    pub fn period(&self, number: u32) -> Option<impl Iterator<Item = &Mined>> {
        let (first, end) = (number * WINDOW, (number + 1) * WINDOW);
        let kept = !self.blocks.is_empty() && self.lowest <= first && end <= self.end();
        kept.then(|| (first..end).filter_map(|height| self.get(height)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mining::synthetic::Chain;

    #[test]
    fn only_neighbours_fit_and_an_undone_block_leaves_no_trace() {
        let chain = Chain::mined(10, 0);
        let mut window = Window::default();
        for height in 3..8 {
            window.apply(height, chain.mined_at(height)).unwrap();
        }
        let before = window.clone();
        assert_eq!(window.apply(9, chain.mined_at(9)), Err(Misfit(9)));
        assert_eq!(window.apply(8, chain.mined_at(9)), Err(Misfit(8)));
        assert_eq!(window.extend_below(2, chain.mined_at(1)), Err(Misfit(2)));
        window.apply(8, chain.mined_at(8)).unwrap();
        assert_eq!(window.undo(), Some(8));
        assert_eq!(window, before);
        window.extend_below(2, chain.mined_at(2)).unwrap();
        assert_eq!(window.forget_below(3), Some(2));
        assert_eq!(window.forget_below(3), None);
        assert_eq!(window, before);
    }

    #[test]
    fn stored_blocks_after_a_gap_are_what_is_restored() {
        let chain = Chain::mined(10, 0);
        let stored = [1, 2, 5, 6, 7].map(|height| (height, chain.mined_at(height)));
        let window = Window::restore(stored.into());
        assert_eq!(window.bottom().map(|(height, _)| height), Some(5));
        assert_eq!(window.top().map(|(height, _)| height), Some(7));
    }

    #[test]
    fn what_is_kept_holds_the_rolling_window_and_two_whole_periods() {
        assert_eq!(first_kept(0), 0);
        assert_eq!(first_kept(3 * WINDOW - 1), 0);
        assert_eq!(first_kept(3 * WINDOW), WINDOW);
    }
}
