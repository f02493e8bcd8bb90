//! One module's subscription: batches out, acknowledgements in, the cursor kept.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bllvm_ipc::{CallError, Connection};
use bllvm_manifest::ModuleName;
use bytes::Bytes;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Journal;
use super::reader::Reader;
use crate::model::{NewEvent, kinds};
use crate::store::commands::SetCursor;
use crate::store::{Recorded, StoreError};

/// What a module may have unacknowledged.
const WINDOW_EVENTS: usize = 1024;
const WINDOW_BYTES: usize = 1 << 20;
/// What is sent at once.
const BATCH_EVENTS: usize = 256;
const BATCH_BYTES: usize = 256 << 10;
/// A window that is full for so long makes the module lagging.
const LAGGING_AFTER: Duration = Duration::from_secs(30);
/// Cursors are saved at most so often; a crash repeats what came after.
const SAVE_EVERY: Duration = Duration::from_millis(50);
const SAVE_AGAIN: Duration = Duration::from_secs(1);
/// Events that did not concern the module move its saved cursor in steps of so many.
const SKIPPED: u64 = 4096;

/// Where frames go: the module's connection, or a test.
pub(super) trait Outlet: Send + Sync + 'static {
    /// Takes frames unless too much waits already; tells whether it did.
    fn try_send(&self, frames: &[Bytes]) -> Result<bool, CallError>;
    /// Waits until it would take frames again.
    fn has_space(&self) -> impl Future<Output = ()> + Send;
    /// Waits until there is nobody left to send to.
    fn closed(&self) -> impl Future<Output = ()> + Send;
}

impl Outlet for Connection {
    fn try_send(&self, frames: &[Bytes]) -> Result<bool, CallError> {
        self.try_send_events(frames)
    }

    async fn has_space(&self) {
        Connection::has_space(self).await;
    }

    async fn closed(&self) {
        Connection::closed(self).await;
    }
}

type Saving = Pin<Box<dyn Future<Output = (u64, Result<(), StoreError>)> + Send>>;

/// A running delivery.
pub(super) struct Delivery<O> {
    journal: Journal,
    to: ModuleName,
    outlet: O,
    reader: Reader,
    /// Durable events that are on their way or unacknowledged: number and bytes.
    window: VecDeque<(u64, usize)>,
    window_bytes: usize,
    /// Frames that the outlet did not take yet.
    unsent: Vec<Bytes>,
    /// The newest durable event that the outlet took.
    sent: u64,
    /// The newest that the module acknowledged.
    acked: u64,
    /// The cursor in the store.
    saved: u64,
    saving: Option<Saving>,
    save_at: Instant,
    full_since: Option<Instant>,
    lagging: bool,
    lagging_after: Duration,
}

impl<O: Outlet> Delivery<O> {
    pub(super) fn new(
        journal: &Journal,
        to: &ModuleName,
        outlet: O,
        patterns: Vec<String>,
        after: u64,
    ) -> Self {
        Self {
            reader: Reader::new(journal, patterns, after),
            journal: journal.clone(),
            to: to.clone(),
            outlet,
            window: VecDeque::new(),
            window_bytes: 0,
            unsent: Vec::new(),
            sent: after,
            acked: after,
            saved: after,
            saving: None,
            save_at: Instant::now(),
            full_since: None,
            lagging: false,
            lagging_after: LAGGING_AFTER,
        }
    }

    /// Calls a module lagging earlier, for tests.
    #[cfg(test)]
    pub(super) fn lagging_after(mut self, after: Duration) -> Self {
        self.lagging_after = after;
        self
    }

    /// Runs until nobody receives any more, then saves the cursor.
    pub(super) async fn run(mut self, mut acks: mpsc::Receiver<u64>, cancel: CancellationToken) {
        let ended = tokio::select! {
            ended = self.deliver(&mut acks) => ended,
            () = cancel.cancelled() => Ok(()),
        };
        if let Err(error) = ended {
            tracing::warn!(module.name = %self.to, %error, "event delivery ended; it resumes with the next subscription");
        }
        while let Ok(ack) = acks.try_recv() {
            self.acknowledged(ack);
        }
        if let Some(saving) = self.saving.take()
            && let (position, Ok(())) = saving.await
        {
            self.saved = position;
        }
        if self.position() != self.saved
            && let (_, Err(error)) = self.save().await
        {
            tracing::warn!(module.name = %self.to, %error, "a cursor could not be saved; its events come again");
        }
    }

    async fn deliver(&mut self, acks: &mut mpsc::Receiver<u64>) -> Result<(), StoreError> {
        let mut acks_open = true;
        loop {
            self.fetch().await?;
            let Ok(took_all) = self.send() else {
                return Ok(());
            };
            self.look_at_window().await;
            self.journal.set_position(&self.to, self.position());
            self.start_saving();
            let room = self.has_room();
            let idle = took_all && !(room && self.reader.has_durable());
            if !idle && took_all {
                // Others get their turn between two batches.
                tokio::task::yield_now().await;
                while let Ok(ack) = acks.try_recv() {
                    self.acknowledged(ack);
                }
                continue;
            }
            let lagging_at = self
                .full_since
                .filter(|_| !self.lagging)
                .map(|at| at + self.lagging_after);
            tokio::select! {
                ack = acks.recv(), if acks_open => match ack {
                    Some(ack) => {
                        self.acknowledged(ack);
                        while let Ok(ack) = acks.try_recv() {
                            self.acknowledged(ack);
                        }
                    }
                    None => acks_open = false,
                },
                moved = self.reader.moved(room), if took_all => if !moved { return Ok(()) },
                () = self.outlet.has_space(), if !took_all => {}
                () = self.outlet.closed() => return Ok(()),
                (position, outcome) = wait(&mut self.saving) => {
                    self.saving = None;
                    match outcome {
                        Ok(()) => self.saved = position,
                        Err(error) => {
                            tracing::warn!(module.name = %self.to, %error, "a cursor could not be saved; it is tried again");
                            self.save_at = Instant::now() + SAVE_AGAIN;
                        }
                    }
                }
                () = tokio::time::sleep_until(self.save_at), if self.must_save() => {}
                () = tokio::time::sleep_until(lagging_at.unwrap_or_else(Instant::now)), if lagging_at.is_some() => {}
            }
        }
    }

    fn has_room(&self) -> bool {
        self.window.len() < WINDOW_EVENTS && self.window_bytes < WINDOW_BYTES
    }

    /// Takes the next durable events into the window.
    async fn fetch(&mut self) -> Result<(), StoreError> {
        if !self.unsent.is_empty() || !self.has_room() {
            return Ok(());
        }
        let events = BATCH_EVENTS.min(WINDOW_EVENTS - self.window.len());
        let bytes = BATCH_BYTES.min(WINDOW_BYTES - self.window_bytes);
        for event in self.reader.durable(events, bytes).await? {
            let frame = event.frame();
            self.window.push_back((event.event.seq, frame.len()));
            self.window_bytes += frame.len();
            self.unsent.push(frame);
        }
        Ok(())
    }

    /// Hands over what waits; tells whether the outlet took it.
    fn send(&mut self) -> Result<bool, CallError> {
        if !self.unsent.is_empty() {
            if !self.outlet.try_send(&self.unsent)? {
                return Ok(false);
            }
            self.unsent.clear();
            self.sent = self.window.back().map_or(self.sent, |(seq, _)| *seq);
        }
        if self.reader.has_passing() {
            let frames: Vec<_> = self.reader.passing().iter().map(frame).collect();
            if !frames.is_empty() && !self.outlet.try_send(&frames)? {
                // Kept like durable frames, but outside the window: they need no answer.
                self.unsent = frames;
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn acknowledged(&mut self, ack: u64) {
        // Nobody can have applied what was never sent.
        let ack = ack.min(self.sent);
        self.acked = self.acked.max(ack);
        while let Some((seq, bytes)) = self.window.front().copied()
            && seq <= ack
        {
            self.window.pop_front();
            self.window_bytes -= bytes;
        }
    }

    /// Everything up to here was applied, or does not concern the module.
    fn position(&self) -> u64 {
        let position = match self.window.front() {
            Some((seq, _)) => seq.saturating_sub(1),
            None => self.reader.durable_at(),
        };
        // A reset notice carries the number before it, which may be acknowledged long since.
        position.max(self.saved)
    }

    fn must_save(&self) -> bool {
        let skipped = self.position() - self.saved >= SKIPPED;
        self.saving.is_none() && (self.acked > self.saved || skipped)
    }

    fn start_saving(&mut self) {
        if self.must_save() && Instant::now() >= self.save_at {
            self.save_at = Instant::now() + SAVE_EVERY;
            self.saving = Some(self.save());
        }
    }

    fn save(&self) -> Saving {
        let (store, position) = (self.journal.store().clone(), self.position());
        let module = self.to.clone();
        Box::pin(async move {
            let seq = position;
            (position, store.commit(SetCursor { module, seq }).await)
        })
    }

    /// Notices when the window fills and when it opens again.
    async fn look_at_window(&mut self) {
        if self.has_room() {
            self.full_since = None;
            self.lagging = false;
            return;
        }
        let since = *self.full_since.get_or_insert_with(Instant::now);
        if self.lagging || since.elapsed() < self.lagging_after {
            return;
        }
        self.lagging = true;
        let behind = self.journal.last_seq().saturating_sub(self.position());
        let data = json!({"module": self.to, "behind": behind});
        if let Err(error) = self
            .journal
            .publish(vec![NewEvent::host(kinds::MODULE_LAGGING, data)])
            .await
        {
            tracing::warn!(module.name = %self.to, %error, "a module is lagging, and the journal takes no event");
        }
    }
}

fn frame(event: &Arc<Recorded>) -> Bytes {
    event.frame()
}

/// Waits for a save that is under way; forever where there is none.
async fn wait(saving: &mut Option<Saving>) -> (u64, Result<(), StoreError>) {
    match saving {
        Some(saving) => saving.await,
        None => std::future::pending().await,
    }
}
