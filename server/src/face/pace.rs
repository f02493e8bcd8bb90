//! How often one caller may submit: each submission costs a judgement and a row of the audit trail.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::time::{Duration, Instant};

use super::error::{MISC, Outcome, Refusal};
use crate::api::auth::Caller;

/// Submissions at once.
const BURST: u32 = 1000;
/// The time in which one more is earned.
const EARNED: Duration = Duration::from_millis(10);

/// Each caller's last moment: the time until which its submissions are spent.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<HashMap<String, Instant>>);

impl Pace {
    /// Counts a submission.
    pub(super) fn check(&self, caller: &Caller) -> Outcome<()> {
        self.count(&caller.actor().id, Instant::now())
    }

    fn count(&self, caller: &str, now: Instant) -> Outcome<()> {
        let mut spent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Who has earned everything back needs no entry.
        spent.retain(|_, until| *until > now);
        let until = spent.get(caller).copied().unwrap_or(now) + EARNED;
        let ahead = until.duration_since(now);
        if ahead > EARNED * BURST {
            let text = format!(
                "too many submissions; {} a second are accepted for long",
                Duration::from_secs(1).as_millis() / EARNED.as_millis()
            );
            return Err(Refusal::new(MISC, text));
        }
        spent.insert(caller.to_owned(), until);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_spent_and_earned_back_by_each_caller_alone() {
        let (pace, now) = (Pace::default(), Instant::now());
        for _ in 0..BURST {
            pace.count("pool", now).unwrap();
        }
        let refused = pace.count("pool", now).unwrap_err();
        assert!(refused.message.contains("too many submissions"));
        pace.count("wallet", now).unwrap();
        pace.count("pool", now + EARNED).unwrap();
        pace.count("pool", now + EARNED).unwrap_err();
        pace.count("wallet", now + EARNED * BURST * 2).unwrap();
        assert_eq!(pace.0.lock().unwrap().len(), 1);
    }
}
