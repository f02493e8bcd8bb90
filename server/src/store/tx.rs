//! What a command works with: the writer's transaction.
//!
//! Row functions for one noun each stand beside that noun's reads (`modules.rs`, `runs.rs`, …).
//! Events are numbered at once and written together at the end of the transaction, in one
//! statement, so that a command which only appends costs no SQL of its own.

use std::sync::Arc;

use serde_json::json;
use sqlx::SqliteConnection;

use super::StoreError;
use super::feed::Recorded;
use super::row::int;
use crate::clock::{self, Clock};
use crate::model::{
    Actor, AuditEntry, EventClass, EventEnvelope, Id, NewEvent, Outcome, UtcTime, kinds,
};

/// Largest data of one event; its frame must fit the wire's control limit.
const MAX_EVENT_BYTES: usize = 512 << 10;
/// Events written by one statement.
const ROWS: usize = 2048;

/// The transaction of one command.
pub struct Tx<'a> {
    pub(super) connection: &'a mut SqliteConnection,
    pending: &'a mut Pending,
    clock: &'a dyn Clock,
    now: UtcTime,
    wrote: bool,
}

impl std::fmt::Debug for Tx<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tx")
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

impl<'a> Tx<'a> {
    pub(super) fn new(
        connection: &'a mut SqliteConnection,
        pending: &'a mut Pending,
        clock: &'a dyn Clock,
    ) -> Self {
        Self {
            connection,
            pending,
            now: clock.now(),
            clock,
            wrote: false,
        }
    }

    /// The moment of this command; the same for all its rows.
    pub fn now(&self) -> UtcTime {
        self.now
    }

    /// A new id.
    pub fn new_id(&self) -> Id {
        clock::new_id(self.clock)
    }

    /// The connection, for SQL of a row function.
    pub(super) fn db(&mut self) -> &mut SqliteConnection {
        self.wrote = true;
        self.connection
    }

    /// Whether this command may have changed rows by itself.
    pub(super) fn wrote_rows(&self) -> bool {
        self.wrote
    }

    /// Appends a durable event and gives its number. Readers see it after the commit.
    #[expect(
        clippy::unused_async,
        reason = "callers need not know when rows are written"
    )]
    pub async fn append_event(&mut self, event: NewEvent) -> Result<u64, StoreError> {
        self.pending.push(event, self.now)
    }

    /// The number that the next event of this transaction gets.
    pub(super) fn next_seq(&self) -> u64 {
        self.pending.last + 1
    }

    /// Writes an audit row and its event; and, where something was accepted of a request that may be
    /// repeated, that it was.
    pub async fn audit(
        &mut self,
        by: &Actor,
        action: &str,
        target: &str,
        outcome: Outcome,
        detail: &str,
    ) -> Result<AuditEntry, StoreError> {
        let entry = AuditEntry {
            id: self.new_id(),
            time: self.now,
            actor: by.id.clone(),
            action: action.to_owned(),
            target: target.to_owned(),
            outcome,
            detail: detail.to_owned(),
            request: by.request.clone(),
        };
        self.insert_audit(&entry).await?;
        if let (Outcome::Accepted, Some(once)) = (outcome, &by.once) {
            self.begun(once).await?;
        }
        self.append_event(NewEvent::host(kinds::AUDIT, json!(entry)))
            .await?;
        Ok(entry)
    }

    /// Writes the audit row of something that was done or accepted.
    pub(super) async fn accepted(
        &mut self,
        by: &Actor,
        action: &str,
        target: impl std::fmt::Display + Send,
        detail: &str,
    ) -> Result<(), StoreError> {
        let target = target.to_string();
        self.audit(by, action, &target, Outcome::Accepted, detail)
            .await?;
        Ok(())
    }

    /// Appends a durable event of the host.
    pub(super) async fn host_event(
        &mut self,
        kind: &str,
        data: serde_json::Value,
    ) -> Result<u64, StoreError> {
        self.append_event(NewEvent::host(kind, data)).await
    }
}

/// Events of the open transaction, numbered and not yet written.
#[derive(Debug)]
pub(super) struct Pending {
    last: u64,
    /// Bytes of all data up to and with `last`.
    upto: u64,
    events: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    recorded: Arc<Recorded>,
    data: String,
    upto: u64,
}

impl Pending {
    /// Continues after what the database has.
    pub(super) fn after(last: u64, upto: u64) -> Self {
        Self {
            last,
            upto,
            events: Vec::new(),
        }
    }

    fn push(&mut self, event: NewEvent, now: UtcTime) -> Result<u64, StoreError> {
        let data = event.data.to_string();
        if data.len() > MAX_EVENT_BYTES {
            return Err(StoreError::EventTooLarge {
                kind: event.kind,
                bytes: data.len(),
                limit: MAX_EVENT_BYTES,
            });
        }
        self.last += 1;
        self.upto += data.len() as u64;
        let envelope = EventEnvelope {
            seq: self.last,
            kind: event.kind,
            class: EventClass::Durable,
            publisher: event.publisher,
            time: now.to_string(),
            data: event.data,
        };
        self.events.push(Row {
            recorded: Recorded::new(envelope, data.len()),
            data,
            upto: self.upto,
        });
        Ok(self.last)
    }

    /// How many there are now, to come back to.
    pub(super) fn mark(&self) -> usize {
        self.events.len()
    }

    /// Takes back what came after the mark, numbers included.
    pub(super) fn undo_to(&mut self, mark: usize) {
        for row in self.events.drain(mark..) {
            self.last -= 1;
            self.upto -= row.data.len() as u64;
        }
    }

    /// Takes back everything.
    pub(super) fn forget(&mut self) {
        self.undo_to(0);
    }

    /// Hands over what was committed.
    pub(super) fn committed(&mut self) -> Vec<Arc<Recorded>> {
        self.events.drain(..).map(|row| row.recorded).collect()
    }

    /// Writes the rows, in one statement for many.
    pub(super) async fn write(&self, db: &mut SqliteConnection) -> Result<(), StoreError> {
        for rows in self.events.chunks(ROWS) {
            let rows: Vec<_> = rows
                .iter()
                .map(|row| {
                    let event = &row.recorded.event;
                    let (seq, upto) = (int(event.seq), int(row.upto));
                    (
                        seq,
                        &event.kind,
                        &event.publisher,
                        &event.time,
                        &row.data,
                        upto,
                    )
                })
                .collect();
            let rows = json!(rows).to_string();
            sqlx::query!(
                "INSERT INTO events (seq, kind, publisher, time, data, upto)
                 SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5
                 FROM json_each($1)",
                rows
            )
            .execute(&mut *db)
            .await?;
        }
        Ok(())
    }
}
