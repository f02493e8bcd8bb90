//! One period of serving, from `activate` or `resume` to the next `drain`.

use std::future::Future;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::instrument::WithSubscriber;

/// What runs in one period; a drain cancels the token and waits for the tasks.
#[derive(Clone, Debug)]
pub(crate) struct Serving {
    pub(crate) draining: CancellationToken,
    pub(crate) open: TaskTracker,
}

impl Serving {
    /// A period that ends at a drain, or with the process.
    pub(crate) fn new(shutdown: &CancellationToken) -> Self {
        Self {
            draining: shutdown.child_token(),
            open: TaskTracker::new(),
        }
    }

    /// Runs a task that the drain waits for; its logs go where the caller's go.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.open.spawn(work.with_current_subscriber());
    }

    /// Announces the end and waits until all is finished.
    pub(crate) async fn drain(&self) {
        self.draining.cancel();
        self.open.close();
        self.open.wait().await;
    }
}
