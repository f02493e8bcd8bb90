//! How often a module may submit transactions and blocks.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bllvm_ipc::{ErrorCode, ErrorReply};
use tokio::time::Instant;

/// A bucket that fills evenly over a minute. It belongs to the module, not to a process of it.
#[derive(Debug)]
pub struct Submissions {
    per_minute: u32,
    bucket: Mutex<(Instant, f64)>,
}

impl Submissions {
    /// A full bucket.
    pub fn new(per_minute: u32) -> Self {
        Self {
            per_minute,
            bucket: Mutex::new((Instant::now(), f64::from(per_minute))),
        }
    }

    /// Takes one.
    ///
    /// # Errors
    /// `busy`, with the time after which there is one again.
    pub fn take(&self) -> Result<(), ErrorReply> {
        let most = f64::from(self.per_minute);
        let per_second = most / 60.0;
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let filled = now.duration_since(bucket.0).as_secs_f64() * per_second;
        *bucket = (now, (bucket.1 + filled).min(most));
        if bucket.1 >= 1.0 {
            bucket.1 -= 1.0;
            return Ok(());
        }
        let wait = Duration::from_secs_f64((1.0 - bucket.1) / per_second.max(0.001));
        let mut reply = ErrorReply::new(
            ErrorCode::Busy,
            format!("a module may submit {} times a minute", self.per_minute),
        );
        reply.retry_after_ms = Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX) + 1);
        Err(reply)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_bucket_empties_and_fills_again() {
        let bucket = Submissions::new(60);
        assert!((0..60).all(|_| bucket.take().is_ok()));
        let busy = bucket.take().unwrap_err();
        assert_eq!(busy.code, ErrorCode::Busy);
        tokio::time::advance(Duration::from_millis(busy.retry_after_ms.unwrap())).await;
        assert!(bucket.take().is_ok());
    }
}
