//! The fee rate below which a full mempool takes nothing; it falls again with time.

use crate::Policy;

/// The floor halves in this time, faster while the mempool is far from full.
const HALF_LIFE: u64 = 12 * 3600;

/// The floor as it was last raised.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Floor {
    rate: u64,
    since: u64,
    block_since: bool,
}

impl Floor {
    /// Raises it above what was just pushed out.
    pub fn raise(&mut self, evicted: u64, policy: &Policy, now: u64) {
        let rate = evicted.saturating_add(policy.incremental);
        if rate > self.rate {
            *self = Self {
                rate,
                since: now,
                block_since: false,
            };
        }
    }

    /// Lets it fall from now on: there was a block.
    pub fn block(&mut self, now: u64) {
        if !self.block_since {
            self.since = now;
            self.block_since = true;
        }
    }

    /// The rate now; 0 without a floor.
    pub fn rate(&self, now: u64, usage: u64, policy: &Policy) -> u64 {
        if self.rate == 0 || !self.block_since {
            return self.rate;
        }
        let half_life = if usage < policy.max_usage / 4 {
            HALF_LIFE / 4
        } else if usage < policy.max_usage / 2 {
            HALF_LIFE / 2
        } else {
            HALF_LIFE
        };
        let age = now.saturating_sub(self.since);
        let rate = match u32::try_from(age / half_life) {
            Ok(halvings) => self.rate.checked_shr(halvings).unwrap_or(0),
            Err(_) => 0,
        };
        // Within a half-life a straight line is near enough.
        let rate = rate - rate * (age % half_life) / half_life / 2;
        if rate < policy.incremental / 2 {
            0
        } else {
            rate.max(policy.incremental)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_stands_until_a_block_and_then_falls() {
        let policy = Policy::default();
        let mut floor = Floor::default();
        assert_eq!(floor.rate(0, 0, &policy), 0);
        floor.raise(3900, &policy, 0);
        assert_eq!(floor.rate(1_000_000, policy.max_usage, &policy), 4000);
        floor.block(1_000_000);
        assert_eq!(
            floor.rate(1_000_000 + HALF_LIFE, policy.max_usage, &policy),
            2000
        );
        assert_eq!(floor.rate(1_000_000 + HALF_LIFE, 0, &policy), 250);
        assert_eq!(
            floor.rate(1_000_000 + 9 * HALF_LIFE, policy.max_usage, &policy),
            0
        );
    }
}
