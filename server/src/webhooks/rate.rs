//! How many deliveries a source may send: a bucket that refills. Only proven deliveries count, so
//! that nobody but the sender can empty it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What is left of a source's minute; none before the first delivery.
#[derive(Debug, Default)]
pub struct Rate(Mutex<Option<(f64, Instant)>>);

impl Rate {
    /// Takes one delivery of so many a minute.
    ///
    /// # Errors
    /// The time until there is room.
    pub fn take(&self, per_minute: u32, now: Instant) -> Result<(), Duration> {
        if per_minute == 0 {
            return Ok(());
        }
        let most = f64::from(per_minute);
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, last) = held.unwrap_or((most, now));
        let now = now.max(last);
        let earned = now.duration_since(last).as_secs_f64() * most / 60.0;
        let left = (left + earned).min(most);
        if left < 1.0 {
            *held = Some((left, now));
            return Err(Duration::from_secs_f64((1.0 - left) * 60.0 / most));
        }
        *held = Some((left - 1.0, now));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minutes_worth_is_free_and_time_gives_it_back() {
        let (rate, now) = (Rate::default(), Instant::now());
        for _ in 0..60 {
            assert_eq!(rate.take(60, now), Ok(()));
        }
        assert_eq!(rate.take(60, now), Err(Duration::from_secs(1)));
        assert_eq!(rate.take(60, now + Duration::from_secs(1)), Ok(()));
        assert_eq!(rate.take(0, now), Ok(()));
    }
}
