//! The process's life: readiness, and an end in two steps.
//!
//! The first signal cancels the soft token, which everything listens to: accept nothing new,
//! finish what is open. A second signal, or the deadline, cancels the hard token, after which
//! nothing waits any more.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What tasks get to notice the hard token.
const AFTER_KILL: Duration = Duration::from_secs(2);

/// The tokens, the one task tracker and the readiness latch. A clone is another handle.
#[derive(Clone, Debug)]
pub struct Lifecycle {
    soft: CancellationToken,
    hard: CancellationToken,
    tracker: TaskTracker,
    ready: watch::Sender<bool>,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self::new()
    }
}

impl Lifecycle {
    /// A life that has just begun.
    pub fn new() -> Self {
        Self {
            soft: CancellationToken::new(),
            hard: CancellationToken::new(),
            tracker: TaskTracker::new(),
            ready: watch::Sender::new(false),
        }
    }

    /// Cancelled when nothing new shall begin.
    pub fn soft(&self) -> &CancellationToken {
        &self.soft
    }

    /// Cancelled when nothing shall be waited for.
    pub fn hard(&self) -> &CancellationToken {
        &self.hard
    }

    /// Holds every task of the process.
    pub fn tracker(&self) -> &TaskTracker {
        &self.tracker
    }

    /// Says that everything that was to be started has been started.
    pub fn set_ready(&self) {
        self.ready.send_replace(true);
    }

    /// Whether everything has been started and nothing is ending.
    pub fn is_ready(&self) -> bool {
        *self.ready.borrow() && !self.soft.is_cancelled()
    }

    /// Resolves once everything has been started.
    pub async fn ready(&self) {
        // The sender lives in `self`.
        let _ = self.ready.subscribe().wait_for(|ready| *ready).await;
    }

    /// Begins the end.
    pub fn drain(&self) {
        self.soft.cancel();
    }

    /// Ends everything now.
    pub fn kill(&self) {
        self.soft.cancel();
        self.hard.cancel();
    }

    /// Follows the process's signals: the first drains, the second or the deadline kills.
    ///
    /// # Errors
    /// When the system does not let the process listen for signals.
    pub fn follow_signals(&self, deadline: Duration) -> io::Result<()> {
        let interrupt = signal(SignalKind::interrupt())?;
        let terminate = signal(SignalKind::terminate())?;
        let life = self.clone();
        // Not tracked: it must outlive what it may have to kill, and holds nothing.
        tokio::spawn(async move { life.end_on_signals(interrupt, terminate, deadline).await });
        Ok(())
    }

    async fn end_on_signals(
        self,
        mut interrupt: Signal,
        mut terminate: Signal,
        deadline: Duration,
    ) {
        tokio::select! {
            _ = interrupt.recv() => tracing::info!("interrupted; finishing what is open (again to end at once)"),
            _ = terminate.recv() => tracing::info!("asked to end; finishing what is open"),
            () = self.soft.cancelled() => {}
        }
        self.drain();
        tokio::select! {
            _ = interrupt.recv() => tracing::warn!("interrupted again; ending at once"),
            _ = terminate.recv() => tracing::warn!("asked to end again; ending at once"),
            () = tokio::time::sleep(deadline) => {
                tracing::warn!(deadline_ms = deadline.as_millis(), "what was open did not finish in time; ending it");
            }
            () = self.hard.cancelled() => {}
        }
        self.kill();
    }

    /// Waits until every task has ended, or the hard token was cancelled and tasks had their
    /// time to notice it. Says whether all ended.
    pub async fn all_ended(&self) -> bool {
        self.tracker.close();
        let killed = async {
            self.hard.cancelled().await;
            tokio::time::sleep(AFTER_KILL).await;
        };
        tokio::select! {
            () = self.tracker.wait() => true,
            () = killed => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_deadline_turns_a_drain_into_a_kill() {
        let life = Lifecycle::new();
        life.follow_signals(Duration::from_millis(20)).unwrap();
        assert!(!life.hard().is_cancelled());
        life.drain();
        life.hard().cancelled().await;
    }

    #[tokio::test]
    async fn readiness_is_told_once_and_ends_with_the_drain() {
        let life = Lifecycle::new();
        let waiter = tokio::spawn({
            let life = life.clone();
            async move { life.ready().await }
        });
        assert!(!life.is_ready());
        life.set_ready();
        waiter.await.unwrap();
        life.ready().await;
        assert!(life.is_ready());
        life.drain();
        assert!(!life.is_ready());
    }

    #[tokio::test]
    async fn a_task_that_does_not_end_is_not_waited_for_after_the_kill() {
        let life = Lifecycle::new();
        life.tracker().spawn(std::future::pending::<()>());
        life.kill();
        assert!(!life.all_ended().await);

        let life = Lifecycle::new();
        let soft = life.soft().clone();
        life.tracker().spawn(async move { soft.cancelled().await });
        life.drain();
        assert!(life.all_ended().await);
    }
}
