//! The journal of durable events, read.

use bllvm_ipc::event::matches;
use bllvm_manifest::ModuleName;

use super::row::{count, from_json, int, parsed};
use super::{Recorded, Store, StoreError};
use crate::model::{EventClass, EventEnvelope, UtcTime};

const TABLE: &str = "events";
/// The fact that says how far the journal is pruned.
pub(super) const PRUNED: &str = "events.pruned";
/// Rows read at once while looking for those that match.
const CHUNK: i64 = 512;

pub(super) struct EventRow {
    pub(super) seq: i64,
    pub(super) kind: String,
    pub(super) publisher: String,
    pub(super) time: String,
    pub(super) data: String,
}

impl TryFrom<EventRow> for EventEnvelope {
    type Error = StoreError;

    fn try_from(row: EventRow) -> Result<Self, StoreError> {
        Ok(Self {
            seq: count(row.seq),
            kind: row.kind,
            class: EventClass::Durable,
            publisher: row.publisher,
            time: row.time,
            data: from_json(TABLE, &row.data)?,
        })
    }
}

/// What pruning did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// The newest number that may be gone.
    pub upto: u64,
    /// Events removed.
    pub removed: u64,
    /// Events kept beyond their time because a module has not applied them.
    pub kept: u64,
}

impl Store {
    /// Up to `limit` events after `seq` that match one of the patterns, oldest first.
    pub async fn events_after(
        &self,
        seq: u64,
        patterns: &[String],
        limit: usize,
    ) -> Result<Vec<EventEnvelope>, StoreError> {
        let mut found = Vec::new();
        let mut after = int(seq);
        while found.len() < limit {
            let rows = self.event_rows(after, CHUNK).await?;
            let Some(last) = rows.last() else { break };
            after = last.seq;
            for row in rows {
                if found.len() == limit {
                    break;
                }
                if patterns.iter().any(|pattern| matches(pattern, &row.kind)) {
                    found.push(row.try_into()?);
                }
            }
        }
        Ok(found)
    }

    /// The next rows of the journal, bounded in number and bytes, whatever their type.
    pub(crate) async fn recorded_after(
        &self,
        seq: u64,
        limit: i64,
    ) -> Result<Vec<std::sync::Arc<Recorded>>, StoreError> {
        let rows = self.event_rows(int(seq), limit).await?;
        rows.into_iter()
            .map(|row| {
                let size = row.data.len();
                Ok(Recorded::new(row.try_into()?, size))
            })
            .collect()
    }

    async fn event_rows(&self, after: i64, limit: i64) -> Result<Vec<EventRow>, StoreError> {
        // The bound in bytes keeps a journal of large events from filling the memory.
        Ok(sqlx::query_as!(
            EventRow,
            "SELECT seq, kind, publisher, time, data FROM events
             WHERE seq > $1 AND upto <= coalesce(
                 (SELECT upto + 1048576 FROM events WHERE seq > $1 ORDER BY seq LIMIT 1), 0)
             ORDER BY seq LIMIT $2",
            after,
            limit
        )
        .fetch_all(self.db())
        .await?)
    }

    /// One event.
    pub async fn event(&self, seq: u64) -> Result<Option<EventEnvelope>, StoreError> {
        let seq = int(seq);
        sqlx::query_as!(
            EventRow,
            "SELECT seq, kind, publisher, time, data FROM events WHERE seq = $1",
            seq
        )
        .fetch_optional(self.db())
        .await?
        .map(EventEnvelope::try_from)
        .transpose()
    }

    /// The oldest number from which on the journal has everything.
    pub async fn first_seq(&self) -> Result<u64, StoreError> {
        let pruned: Option<u64> = self.fact(PRUNED).await?;
        Ok(pruned.unwrap_or(0) + 1)
    }

    /// The newest committed event's number; 0 where there was none ever.
    pub fn last_seq(&self) -> u64 {
        self.feed().last()
    }

    /// The last event that a module acknowledged.
    pub async fn cursor(&self, module: &ModuleName) -> Result<Option<u64>, StoreError> {
        let key = module.as_str();
        let seq = sqlx::query_scalar!("SELECT seq FROM cursors WHERE module = $1", key)
            .fetch_optional(self.db())
            .await?;
        Ok(seq.map(count))
    }

    /// Every cursor.
    pub async fn cursors(&self) -> Result<Vec<(ModuleName, u64)>, StoreError> {
        sqlx::query!("SELECT module, seq FROM cursors ORDER BY module")
            .fetch_all(self.db())
            .await?
            .into_iter()
            .map(|row| Ok((parsed("cursors", &row.module)?, count(row.seq))))
            .collect()
    }

    /// The newest event that may go: older than `before`, or beyond the newest `max_bytes`.
    pub async fn prunable(&self, before: UtcTime, max_bytes: u64) -> Result<u64, StoreError> {
        let before = before.to_string();
        // The oldest rows are looked at one by one, and these are the ones to go.
        let young = sqlx::query_scalar!(
            "SELECT seq FROM events WHERE time >= $1 ORDER BY seq LIMIT 1",
            before
        )
        .fetch_optional(self.db())
        .await?;
        let by_age = young.map_or(self.last_seq(), |seq| count(seq).saturating_sub(1));
        Ok(by_age.max(self.beyond_bytes(max_bytes).await?))
    }

    /// The newest event with more than `max_bytes` of data after it. `upto` grows with `seq`, so
    /// that a few probes find it.
    async fn beyond_bytes(&self, max_bytes: u64) -> Result<u64, StoreError> {
        let ends = sqlx::query!(
            r#"SELECT coalesce(min(seq), 0) AS "first!: i64", coalesce(max(seq), 0) AS "last!: i64",
                      coalesce(max(upto), 0) AS "upto!: i64"
               FROM events WHERE seq IN ((SELECT min(seq) FROM events), (SELECT max(seq) FROM events))"#
        )
        .fetch_one(self.db())
        .await?;
        let bound = ends.upto.saturating_sub(int(max_bytes));
        let (mut low, mut high) = (ends.first - 1, ends.last);
        while low < high {
            let middle = high - (high - low) / 2;
            let upto = sqlx::query_scalar!(
                "SELECT upto FROM events WHERE seq <= $1 ORDER BY seq DESC LIMIT 1",
                middle
            )
            .fetch_optional(self.db())
            .await?;
            if upto.unwrap_or(0) <= bound {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        Ok(if bound > 0 { count(low) } else { 0 })
    }
}
