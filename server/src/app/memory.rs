//! Gives back to the system what the allocator keeps: a start of many modules, a long list or a flood
//! leaves most of its memory free and still ours.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

const PAUSE: Duration = Duration::from_secs(30);

/// Gives back now and then, until `soft`.
pub async fn run(soft: CancellationToken) {
    while soft
        .run_until_cancelled(tokio::time::sleep(PAUSE))
        .await
        .is_some()
    {
        // It takes a few milliseconds, which is long for a runtime's thread.
        if tokio::task::spawn_blocking(give_back).await.is_err() {
            return;
        }
    }
}

/// Only glibc's allocator keeps much and can be asked.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "the C library's allocator has no safe face")]
fn give_back() {
    // SAFETY: the function takes the allocator's own locks and touches free memory only.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(not(target_env = "gnu"))]
fn give_back() {}
