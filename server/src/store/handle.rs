//! The handle that everyone holds.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sqlx::SqlitePool;
use tokio::sync::{mpsc, oneshot};

use super::StoreError;
use super::feed::Feed;
use super::open::{self, Options};
use super::writer::{Command, Message, Posted};
use crate::clock::SharedClock;

/// The store. Cheap to clone; the data directory stays locked until it is
/// closed or the last clone is gone.
#[derive(Clone)]
pub struct Store(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) readers: SqlitePool,
    pub(super) post: mpsc::Sender<Message>,
    pub(super) clock: SharedClock,
    pub(super) feed: Arc<Feed>,
    pub(super) path: PathBuf,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.0.path)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the database of a data directory, which must exist, and locks the directory.
    ///
    /// # Errors
    /// Locked by another process, of a newer version, damaged, or not to be opened.
    pub async fn open(data_dir: &Path, clock: SharedClock) -> Result<Self, StoreError> {
        Self::open_with(data_dir, clock, Options::default()).await
    }

    /// Opens with other than the usual options, for tests.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn open_with(
        data_dir: &Path,
        clock: SharedClock,
        options: Options,
    ) -> Result<Self, StoreError> {
        open::open(data_dir, clock, options).await
    }

    /// Makes a change and waits until it is durable. Dropping the future after the command was
    /// posted cancels nothing.
    ///
    /// # Errors
    /// The command's own refusal, or why nothing of it was kept.
    pub async fn commit<C: Command>(&self, command: C) -> Result<C::Output, StoreError> {
        let (answer, committed) = oneshot::channel();
        let job = Message::Run(Box::new(Posted { command, answer }));
        self.0
            .post
            .send(job)
            .await
            .map_err(|_| StoreError::Closed)?;
        committed.await.unwrap_or(Err(StoreError::Closed))
    }

    /// The clock that stamps the rows.
    pub fn clock(&self) -> &SharedClock {
        &self.0.clock
    }

    /// Lets the writer finish what waits, and closes the file. Later commits get
    /// [`StoreError::Closed`].
    pub async fn close(self) {
        let (done, closed) = oneshot::channel();
        if self.0.post.send(Message::Close(done)).await.is_ok() {
            // An error here means that the writer is gone, which is what was asked for.
            let _ = closed.await;
        }
        self.0.readers.close().await;
    }

    /// Asks SQLite whether the file is sound.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] with what it found.
    pub async fn quick_check(&self) -> Result<(), StoreError> {
        let found: String = sqlx::query_scalar("PRAGMA quick_check(1)")
            .fetch_one(self.db())
            .await?;
        if found == "ok" {
            return Ok(());
        }
        Err(StoreError::Corrupt {
            path: self.0.path.clone(),
            detail: found,
        })
    }

    /// The newest committed events.
    pub(crate) fn feed(&self) -> &Arc<Feed> {
        &self.0.feed
    }

    /// The readers.
    pub(super) fn db(&self) -> &SqlitePool {
        &self.0.readers
    }
}
