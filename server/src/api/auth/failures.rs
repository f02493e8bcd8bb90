//! A limit on failed logins per address. Valid credentials always work: the secrets have 256 bits,
//! so the limit is there to keep a runaway script from flooding log and processor, not to hide
//! that they are right.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Failures that are free.
const BURST: f64 = 10.0;
/// One more is forgiven in this time.
const REFILL: Duration = Duration::from_secs(6);
/// Addresses that are remembered.
const CAPACITY: usize = 4096;

/// Failed logins by address. Clones share the counts.
#[derive(Clone, Debug, Default)]
pub struct Failures(Arc<Mutex<HashMap<IpAddr, (f64, Instant)>>>);

impl Failures {
    /// Counts a failure at a moment.
    ///
    /// # Errors
    /// The time to wait, once there were too many.
    pub fn count(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= CAPACITY && !all.contains_key(&address) {
            let full = REFILL.mul_f64(BURST);
            all.retain(|_, (_, last)| now.duration_since(*last) < full);
            if all.len() >= CAPACITY {
                return Err(REFILL);
            }
        }
        let (left, last) = all.entry(address).or_insert((BURST, now));
        let earned = now.duration_since(*last).as_secs_f64() / REFILL.as_secs_f64();
        *left = (*left + earned).min(BURST);
        *last = now;
        if *left < 1.0 {
            return Err(REFILL.mul_f64(1.0 - *left));
        }
        *left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eleventh_failure_waits_and_time_forgives() {
        let failures = Failures::default();
        let address = IpAddr::from([127, 0, 0, 1]);
        let now = Instant::now();
        for _ in 0..10 {
            assert!(failures.count(address, now).is_ok());
        }
        assert!(failures.count(address, now).is_err());
        assert!(failures.count(IpAddr::from([127, 0, 0, 2]), now).is_ok());
        assert!(failures.count(address, now + REFILL).is_ok());
    }
}
