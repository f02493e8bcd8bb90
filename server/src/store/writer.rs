//! The one task that writes: whatever waits goes into one transaction, and is answered after it.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use sqlx::{Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::StoreError;
use super::feed::Feed;
use super::lock::DataDirLock;
use super::tx::{Pending, Tx};
use crate::clock::SharedClock;

/// Commands that may wait; more make their callers wait.
pub(super) const QUEUE: usize = 4096;
/// Commands that share one transaction.
const GROUP: usize = 1024;
/// How long a look at the free disk space counts.
const DISK_LOOK: Duration = Duration::from_secs(1);

/// A change to the database, with everything it needs parsed beforehand.
///
/// It runs inside the writer's transaction: an error undoes this command and no other.
pub trait Command: Send + 'static {
    /// What the caller gets after the fsync.
    type Output: Send + 'static;

    /// The command only appends events. It needs no savepoint, and is refused while little disk
    /// space is left.
    const APPEND_ONLY: bool = false;

    /// Makes the change.
    fn apply(
        self,
        tx: &mut Tx<'_>,
    ) -> impl Future<Output = Result<Self::Output, StoreError>> + Send;
}

/// Tells a caller what came of the transaction.
type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
type Running<'a> = Pin<Box<dyn Future<Output = Result<Answer, (StoreError, Answer)>> + Send + 'a>>;

/// A command without its type.
pub(super) trait Job: Send {
    fn append_only(&self) -> bool;
    fn run<'a>(self: Box<Self>, tx: &'a mut Tx<'_>) -> Running<'a>;
    fn refuse(self: Box<Self>, error: StoreError);
}

pub(super) struct Posted<C: Command> {
    pub(super) command: C,
    pub(super) answer: oneshot::Sender<Result<C::Output, StoreError>>,
}

impl<C: Command> Job for Posted<C> {
    fn append_only(&self) -> bool {
        C::APPEND_ONLY
    }

    fn run<'a>(self: Box<Self>, tx: &'a mut Tx<'_>) -> Running<'a> {
        let Self { command, answer } = *self;
        Box::pin(async move {
            let outcome = AssertUnwindSafe(command.apply(tx)).catch_unwind().await;
            match outcome.unwrap_or_else(|panic| Err(bug(&*panic))) {
                // A caller that left gets no answer; the change stands all the same.
                Ok(output) => Ok(Box::new(move |committed: Result<(), StoreError>| {
                    drop(answer.send(committed.map(|()| output)));
                }) as Answer),
                Err(error) => Err((
                    error.clone(),
                    Box::new(move |committed: Result<(), StoreError>| {
                        drop(answer.send(Err(committed.err().unwrap_or(error))));
                    }) as Answer,
                )),
            }
        })
    }

    fn refuse(self: Box<Self>, error: StoreError) {
        drop(self.answer.send(Err(error)));
    }
}

fn bug(panic: &(dyn Any + Send)) -> StoreError {
    let detail = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned());
    StoreError::Bug { detail }
}

/// What reaches the writer.
pub(super) enum Message {
    /// A command.
    Run(Box<dyn Job>),
    /// Finish what waits, close the file, and say so.
    Close(oneshot::Sender<()>),
}

/// The writer's state. It outlives every handle that posts to it.
pub(super) struct Writer {
    pub(super) connection: SqliteConnection,
    pub(super) clock: SharedClock,
    pub(super) feed: Arc<Feed>,
    pub(super) pending: Pending,
    pub(super) data_dir: PathBuf,
    pub(super) disk_floor: u64,
    pub(super) lock: DataDirLock,
}

impl Writer {
    /// Runs until the store is closed or its last handle is dropped.
    pub(super) async fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        let mut waiting = Vec::new();
        let mut free = None;
        while messages.recv_many(&mut waiting, GROUP).await > 0 {
            let mut jobs = Vec::new();
            let mut closing = None;
            for message in waiting.drain(..) {
                match message {
                    Message::Run(job) if closing.is_none() => jobs.push(job),
                    Message::Run(job) => job.refuse(StoreError::Closed),
                    Message::Close(done) => closing = Some(done),
                }
            }
            if jobs.iter().any(|job| job.append_only()) {
                jobs = self.refuse_when_low(jobs, &mut free);
            }
            if !jobs.is_empty() {
                self.group(jobs).await;
            }
            if let Some(done) = closing {
                messages.close();
                while let Some(message) = messages.recv().await {
                    if let Message::Run(job) = message {
                        job.refuse(StoreError::Closed);
                    }
                }
                self.close().await;
                let _ = done.send(());
                return;
            }
        }
        self.close().await;
    }

    async fn close(self) {
        if let Err(error) = self.connection.close().await {
            tracing::warn!(%error, "the database could not be closed cleanly; nothing is lost");
        }
        drop(self.lock);
    }

    /// Answers those who append when the disk is nearly full.
    fn refuse_when_low(
        &self,
        jobs: Vec<Box<dyn Job>>,
        looked: &mut Option<(Instant, u64)>,
    ) -> Vec<Box<dyn Job>> {
        let free = match *looked {
            Some((when, free)) if when.elapsed() < DISK_LOOK => free,
            _ => {
                let free = rustix::fs::statvfs(&self.data_dir)
                    .map_or(u64::MAX, |stat| stat.f_bavail.saturating_mul(stat.f_frsize));
                *looked = Some((Instant::now(), free));
                free
            }
        };
        if free >= self.disk_floor {
            return jobs;
        }
        let (refused, kept): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| job.append_only());
        for job in refused {
            job.refuse(StoreError::DiskLow {
                free_bytes: free,
                floor_bytes: self.disk_floor,
            });
        }
        kept
    }

    /// One transaction for all of them.
    async fn group(&mut self, jobs: Vec<Box<dyn Job>>) {
        if let Err(error) = execute(&mut self.connection, "BEGIN IMMEDIATE").await {
            for job in jobs {
                job.refuse(error.clone());
            }
            return;
        }
        let mut answers = Vec::with_capacity(jobs.len());
        let mut lost = None;
        let mut jobs = jobs.into_iter();
        for job in jobs.by_ref() {
            let (answer, outcome) = self.one(job).await;
            answers.extend(answer);
            if let Err(error) = outcome {
                lost = Some(error);
                break;
            }
        }
        let outcome = match lost {
            Some(error) => Err(error),
            None => self.commit().await,
        };
        match &outcome {
            Ok(()) => self.feed.push(self.pending.committed()),
            Err(error) => {
                for job in jobs {
                    job.refuse(error.clone());
                }
                self.pending.forget();
                // SQLite may have rolled back by itself already, which it says by an error here.
                let _ = execute(&mut self.connection, "ROLLBACK").await;
            }
        }
        for answer in answers {
            answer(outcome.clone());
        }
    }

    /// One command; an error means that the whole transaction is lost.
    async fn one(&mut self, job: Box<dyn Job>) -> (Option<Answer>, Result<(), StoreError>) {
        let savepoint = !job.append_only();
        if savepoint && let Err(error) = execute(&mut self.connection, "SAVEPOINT command").await {
            job.refuse(error.clone());
            return (None, Err(error));
        }
        let mark = self.pending.mark();
        let mut tx = Tx::new(&mut self.connection, &mut self.pending, &*self.clock);
        let ran = job.run(&mut tx).await;
        let wrote = tx.wrote_rows();
        match ran {
            Ok(answer) if savepoint => {
                let released = execute(&mut self.connection, "RELEASE command").await;
                (Some(answer), released)
            }
            Ok(answer) => (Some(answer), Ok(())),
            Err((error, answer)) => {
                self.pending.undo_to(mark);
                if error.ends_the_group() || (!savepoint && wrote) {
                    return (Some(answer), Err(error));
                }
                if !savepoint {
                    return (Some(answer), Ok(()));
                }
                let undone =
                    execute(&mut self.connection, "ROLLBACK TO command; RELEASE command").await;
                (Some(answer), undone)
            }
        }
    }

    async fn commit(&mut self) -> Result<(), StoreError> {
        self.pending.write(&mut self.connection).await?;
        execute(&mut self.connection, "COMMIT").await
    }
}

async fn execute(connection: &mut SqliteConnection, sql: &'static str) -> Result<(), StoreError> {
    sqlx::raw_sql(sql).execute(connection).await?;
    Ok(())
}
