//! Waiting for a state instead of sleeping: generous deadlines, early ends.

use std::time::Duration;

/// Long enough for a loaded machine; nothing is asserted about time itself.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Waits until `state` gives something.
///
/// # Panics
/// When it does not within [`DEADLINE`].
pub async fn until<T>(what: &str, mut state: impl AsyncFnMut() -> Option<T>) -> T {
    let begin = tokio::time::Instant::now();
    loop {
        if let Some(found) = state().await {
            return found;
        }
        assert!(
            begin.elapsed() < DEADLINE,
            "not within {} s: {what}",
            DEADLINE.as_secs()
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
