//! The fee rate below which a full mempool takes nothing; it falls again with time.

use crate::Policy;

/// The floor halves in this time, faster while the mempool is far from full.
const HALF_LIFE: u64 = 12 * 3600;
/// Seconds after which a fall is made part of the floor.
const SETTLED: u64 = 10;

/// The floor as it was last raised or settled.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Floor {
    /// Satoshi per 1,000 virtual bytes.
    rate: f64,
    since: u64,
    block_since: bool,
}

impl Floor {
    /// Raises it above what was just pushed out.
    pub fn raise(&mut self, evicted: u64, policy: &Policy, now: u64) {
        let rate = to_float(evicted.saturating_add(policy.incremental));
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

    /// Makes its fall until now a part of it. How fast it falls depends on how full the mempool is;
    /// what is filled later must not raise it again.
    pub fn settle(&mut self, now: u64, usage: u64, policy: &Policy) {
        if self.block_since && now > self.since.saturating_add(SETTLED) {
            (self.rate, self.since) = (self.fallen(now, usage, policy), now);
        }
    }

    /// The rate now; 0 without a floor.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is never below zero, and far too large ones stay large"
    )]
    pub fn rate(&self, now: u64, usage: u64, policy: &Policy) -> u64 {
        let rate = self.fallen(now, usage, policy).round() as u64;
        if rate == 0 || !self.block_since {
            return rate;
        }
        rate.max(policy.incremental)
    }

    fn fallen(&self, now: u64, usage: u64, policy: &Policy) -> f64 {
        if self.rate == 0.0 || !self.block_since {
            return self.rate;
        }
        let half_life = if usage < policy.max_usage / 4 {
            HALF_LIFE / 4
        } else if usage < policy.max_usage / 2 {
            HALF_LIFE / 2
        } else {
            HALF_LIFE
        };
        let age = to_float(now.saturating_sub(self.since)) / to_float(half_life);
        let rate = self.rate * (-age).exp2();
        if rate < to_float(policy.incremental) / 2.0 {
            0.0
        } else {
            rate
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "seconds and fee rates are far below where a float rounds"
)]
fn to_float(number: u64) -> f64 {
    number as f64
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

    #[test]
    fn what_has_fallen_stays_down_when_the_mempool_fills_again() {
        let policy = Policy::default();
        let mut floor = Floor::default();
        floor.raise(3900, &policy, 0);
        floor.block(0);
        floor.settle(HALF_LIFE, 0, &policy);
        assert_eq!(floor.rate(HALF_LIFE, policy.max_usage, &policy), 250);
        floor.settle(2 * HALF_LIFE, 0, &policy);
        assert_eq!(floor.rate(2 * HALF_LIFE, policy.max_usage, &policy), 0);

        // Settled often or once, it falls alike.
        floor.raise(3900, &policy, 0);
        floor.block(0);
        for minute in 1..=12 * 60 {
            floor.settle(minute * 60, policy.max_usage, &policy);
        }
        assert_eq!(floor.rate(HALF_LIFE, policy.max_usage, &policy), 2000);
    }
}
