//! Asks a running module for a sign of life, answered by its own dispatcher.

use std::time::Duration;

use bllvm_ipc::Connection;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// The host looks at the clock so often while it waits. What passes beyond a slice is the host's
/// own lag: a stalled host must not blame its modules.
const SLICES: u32 = 10;

/// A running heartbeat; it ends when dropped.
#[derive(Debug)]
pub(super) struct Heartbeat {
    missed: watch::Receiver<u32>,
    limit: u32,
    _stop: DropGuard,
}

impl Heartbeat {
    pub fn start(
        connection: Connection,
        every: Duration,
        limit: u32,
        tracker: &TaskTracker,
    ) -> Self {
        let stop = CancellationToken::new();
        let (tell, missed) = watch::channel(0);
        let stopped = stop.clone();
        tracker.spawn(async move {
            tokio::select! {
                () = beat(&connection, every, &tell) => {}
                () = stopped.cancelled() => {}
            }
        });
        Self {
            missed,
            limit,
            _stop: stop.drop_guard(),
        }
    }

    /// Waits until the module missed too many in a row.
    pub async fn lost(&self) {
        let mut missed = self.missed.clone();
        if missed
            .wait_for(|missed| *missed >= self.limit)
            .await
            .is_err()
        {
            // The connection is closed, which others see.
            std::future::pending::<()>().await;
        }
    }
}

async fn beat(connection: &Connection, every: Duration, tell: &watch::Sender<u32>) {
    loop {
        let asked = Instant::now();
        tokio::select! {
            answer = connection.ping() => {
                if answer.is_err() {
                    return;
                }
                tell.send_if_modified(|missed| std::mem::replace(missed, 0) != 0);
                tokio::time::sleep_until(asked + every).await;
            }
            () = attentive_wait(every) => tell.send_modify(|missed| *missed += 1),
        }
    }
}

/// Waits so long by the host's attentive time.
async fn attentive_wait(long: Duration) {
    let slice = (long / SLICES).max(Duration::from_millis(1));
    let mut left = long;
    while !left.is_zero() {
        let before = Instant::now();
        sleep(slice).await;
        left = left.saturating_sub(before.elapsed().min(slice));
    }
}
