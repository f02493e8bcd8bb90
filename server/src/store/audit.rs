//! The audit trail.

use super::row::{parsed, word};
use super::{Page, PageRequest, Store, StoreError, Tx};
use crate::model::{AuditEntry, Id, Outcome};

const TABLE: &str = "audit";

struct AuditRow {
    id: String,
    time: String,
    actor: String,
    action: String,
    target: String,
    outcome: String,
    detail: String,
    request: Option<String>,
}

impl TryFrom<AuditRow> for AuditEntry {
    type Error = StoreError;

    fn try_from(row: AuditRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: parsed(TABLE, &row.id)?,
            time: parsed(TABLE, &row.time)?,
            actor: row.actor,
            action: row.action,
            target: row.target,
            outcome: word(TABLE, &row.outcome)?,
            detail: row.detail,
            request: row.request,
        })
    }
}

/// Which rows are wanted.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Only of this target.
    pub target: Option<String>,
    /// Only of this actor.
    pub actor: Option<String>,
    /// Only of this action.
    pub action: Option<String>,
    /// Only with this outcome.
    pub outcome: Option<Outcome>,
}

impl Store {
    /// The audit trail, newest first.
    pub async fn audit(
        &self,
        page: &PageRequest,
        filter: &AuditFilter,
    ) -> Result<Page<AuditEntry>, StoreError> {
        let before = page.cursor::<Id>()?.map(|id| id.to_string());
        let outcome = filter.outcome.map(Outcome::as_str);
        let limit = page.rows();
        let rows = sqlx::query_as!(
            AuditRow,
            "SELECT * FROM audit
             WHERE ($1 IS NULL OR id < $1) AND ($2 IS NULL OR target = $2)
               AND ($3 IS NULL OR actor = $3) AND ($4 IS NULL OR action = $4)
               AND ($5 IS NULL OR outcome = $5)
             ORDER BY id DESC LIMIT $6",
            before,
            filter.target,
            filter.actor,
            filter.action,
            outcome,
            limit
        )
        .fetch_all(self.db())
        .await?;
        Page::of_rows(rows, page, |entry: &AuditEntry| entry.id.to_string())
    }
}

impl Tx<'_> {
    /// The row alone; [`Tx::audit`] adds the event.
    pub(super) async fn insert_audit(&mut self, entry: &AuditEntry) -> Result<(), StoreError> {
        let (id, time) = (entry.id.to_string(), entry.time.to_string());
        let outcome = entry.outcome.as_str();
        sqlx::query!(
            "INSERT INTO audit (id, time, actor, action, target, outcome, detail, request)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            id,
            time,
            entry.actor,
            entry.action,
            entry.target,
            outcome,
            entry.detail,
            entry.request
        )
        .execute(self.db())
        .await?;
        Ok(())
    }
}
