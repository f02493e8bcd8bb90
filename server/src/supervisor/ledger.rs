//! What the supervisor saw, written down in its order, without making it wait for the disk.
//!
//! A module restarts in milliseconds; a commit takes as long. Records are posted in order and
//! many are on their way at once, so that the store's writer takes them as one group.

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

use crate::model::NewEvent;
use crate::store::commands::AppendEvents;
use crate::store::{Command, Store, StoreError};

/// Records that may wait before workers have to.
const QUEUE: usize = 1024;
/// Commits that may be on their way.
const ON_THE_WAY: usize = 256;

type Record = Box<dyn FnOnce(Store) -> BoxFuture<'static, ()> + Send>;

enum Post {
    Record(Record),
    /// The last one: handles may outlive the supervisor, the task must not.
    End,
}

/// The handle to the one task that records.
#[derive(Clone)]
pub(super) struct Ledger(mpsc::Sender<Post>);

impl Ledger {
    pub fn start(store: Store, tracker: &TaskTracker) -> Self {
        let (post, mut records) = mpsc::channel::<Post>(QUEUE);
        tracker.spawn(async move {
            let mut on_the_way = FuturesOrdered::new();
            loop {
                tokio::select! {
                    biased;
                    Some(()) = on_the_way.next(), if !on_the_way.is_empty() => {}
                    record = records.recv(), if on_the_way.len() < ON_THE_WAY => match record {
                        Some(Post::Record(record)) => on_the_way.push_back(record(store.clone())),
                        Some(Post::End) | None => break,
                    },
                }
            }
            while on_the_way.next().await.is_some() {}
        });
        Self(post)
    }

    /// Records; what goes wrong is the log's.
    pub async fn record<C>(&self, command: C)
    where
        C: Command + std::fmt::Debug,
    {
        let what = std::any::type_name::<C>();
        let record: Record = Box::new(move |store| {
            Box::pin(async move {
                match store.commit(command).await {
                    Ok(_) | Err(StoreError::Closed) => {}
                    Err(error) => tracing::error!(%error, what, "what was seen could not be kept"),
                }
            })
        });
        // The task ends with the supervisor only.
        let _ = self.0.send(Post::Record(record)).await;
    }

    pub async fn event(&self, event: NewEvent) {
        self.record(AppendEvents(vec![event])).await;
    }

    /// Waits until everything posted before is on disk.
    pub async fn settled(&self) {
        let (done, settled) = oneshot::channel();
        let mark: Record = Box::new(move |_| {
            Box::pin(async move {
                let _ = done.send(());
            })
        });
        if self.0.send(Post::Record(mark)).await.is_ok() {
            let _ = settled.await;
        }
    }

    /// Takes nothing any more, and ends when everything posted before is on disk.
    pub async fn end(&self) {
        self.settled().await;
        // A task that is gone has ended already.
        let _ = self.0.send(Post::End).await;
    }
}
