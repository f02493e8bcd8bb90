//! How long to wait before a crashed module starts again.

use std::time::Duration;

use bllvm_manifest::Restart;

/// The jitter's share of a wait: up to a tenth more or less.
const JITTER_PERCENT: u64 = 10;

/// The waits of one module. The first crash after a healthy time costs none; each further one
/// doubles the wait, up to the longest.
#[derive(Clone, Debug)]
pub struct Backoff {
    crashes: u32,
    random: u64,
}

impl Backoff {
    /// Starts without a crash. The seed makes the jitter; equal seeds give equal waits.
    pub fn new(seed: u64) -> Self {
        Self {
            crashes: 0,
            // Zero would stay zero for ever.
            random: seed | 1,
        }
    }

    /// Forgets the crashes.
    pub fn reset(&mut self) {
        self.crashes = 0;
    }

    /// The wait after a crash. `ran` is how long the module was running; none if it never was.
    pub fn after_crash(&mut self, policy: &Restart, ran: Option<Duration>) -> Duration {
        if ran.is_some_and(|ran| ran >= policy.healthy_after()) {
            self.crashes = 0;
            return Duration::ZERO;
        }
        let doubled = 1_u64.checked_shl(self.crashes).unwrap_or(u64::MAX);
        self.crashes = self.crashes.saturating_add(1);
        let wait = policy.initial_ms.saturating_mul(doubled);
        let wait = wait.min(policy.max_ms);
        let spread = wait * JITTER_PERCENT / 100;
        let wait = wait - spread + self.next_random() % (2 * spread + 1);
        Duration::from_millis(wait.min(policy.max_ms))
    }

    /// Xorshift: no secret depends on it, and tests can fix it.
    fn next_random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_crash_after_health_restarts_at_once_and_crashes_in_a_row_double() {
        let policy = Restart::default();
        let mut backoff = Backoff::new(7);
        let healthy = Some(Duration::from_secs(31));
        assert_eq!(backoff.after_crash(&policy, healthy), Duration::ZERO);
        let waits: Vec<u64> = (0..10)
            .map(|_| backoff.after_crash(&policy, None).as_millis())
            .map(|ms| u64::try_from(ms).unwrap())
            .collect();
        assert!((450..=550).contains(&waits[0]), "{waits:?}");
        assert!((900..=1100).contains(&waits[1]), "{waits:?}");
        assert!(waits[9] >= 27_000, "{waits:?}");
        assert_eq!(backoff.after_crash(&policy, healthy), Duration::ZERO);
        assert!(backoff.after_crash(&policy, None) <= Duration::from_millis(550));
    }

    proptest! {
        #[test]
        fn a_wait_stays_between_its_bounds(
            seed in any::<u64>(),
            initial in 1_u64..10_000,
            more in 0_u64..100_000,
            runs in proptest::collection::vec(proptest::option::of(0_u64..100_000), 1..80),
        ) {
            let policy = Restart { initial_ms: initial, max_ms: initial + more, healthy_after_ms: 30_000 };
            let mut backoff = Backoff::new(seed);
            for ran in runs {
                let wait = backoff.after_crash(&policy, ran.map(Duration::from_millis));
                prop_assert!(wait <= policy.max());
                if ran.is_some_and(|ran| ran >= 30_000) {
                    prop_assert_eq!(wait, Duration::ZERO);
                } else {
                    prop_assert!(wait >= policy.initial() * 9 / 10);
                }
            }
        }
    }
}
