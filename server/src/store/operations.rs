//! Operations, read.

use bllvm_manifest::ModuleName;
use serde_json::Value;
use sqlx::SqliteExecutor;

use super::row::{count, from_json, from_json_option, parsed, parsed_option, word};
use super::{Page, PageRequest, Store, StoreError, Tx};
use crate::model::{Id, Operation, OperationStatus};

const TABLE: &str = "operations";

struct OperationRow {
    id: String,
    kind: String,
    module: Option<String>,
    about: Option<String>,
    status: String,
    step: String,
    done: i64,
    total: i64,
    failure: Option<String>,
    result: String,
    params: String,
    asked_by: String,
    created_at: String,
    changed_at: String,
}

impl TryFrom<OperationRow> for Operation {
    type Error = StoreError;

    fn try_from(row: OperationRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: parsed(TABLE, &row.id)?,
            kind: word(TABLE, &row.kind)?,
            module: parsed_option(TABLE, row.module.as_deref())?,
            about: parsed_option(TABLE, row.about.as_deref())?,
            status: word(TABLE, &row.status)?,
            step: row.step,
            done: count(row.done),
            total: count(row.total),
            failure: from_json_option(TABLE, row.failure.as_deref())?,
            result: from_json(TABLE, &row.result)?,
            by: row.asked_by,
            created_at: parsed(TABLE, &row.created_at)?,
            changed_at: parsed(TABLE, &row.changed_at)?,
        })
    }
}

/// Which operations are wanted.
#[derive(Clone, Debug, Default)]
pub struct OperationFilter {
    /// Only those of this module, and those that are about it.
    pub module: Option<ModuleName>,
    /// Only those that stand so.
    pub status: Option<OperationStatus>,
}

/// An operation that was open when the host ended, with what resuming it needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Resumable {
    /// The operation.
    pub operation: Operation,
    /// What was given to [`super::commands::StartOperation`].
    pub params: Value,
}

async fn one(db: impl SqliteExecutor<'_>, id: Id) -> Result<Option<Operation>, StoreError> {
    let id = id.to_string();
    sqlx::query_as!(OperationRow, "SELECT * FROM operations WHERE id = $1", id)
        .fetch_optional(db)
        .await?
        .map(Operation::try_from)
        .transpose()
}

async fn open(
    db: impl SqliteExecutor<'_>,
    module: &ModuleName,
) -> Result<Option<Operation>, StoreError> {
    let module = module.as_str();
    sqlx::query_as!(
        OperationRow,
        "SELECT * FROM operations WHERE module = $1 AND status IN ('queued', 'running')",
        module
    )
    .fetch_optional(db)
    .await?
    .map(Operation::try_from)
    .transpose()
}

async fn open_about(
    db: impl SqliteExecutor<'_>,
    about: &ModuleName,
) -> Result<Option<Operation>, StoreError> {
    let about = about.as_str();
    sqlx::query_as!(
        OperationRow,
        "SELECT * FROM operations WHERE about = $1 AND status IN ('queued', 'running')",
        about
    )
    .fetch_optional(db)
    .await?
    .map(Operation::try_from)
    .transpose()
}

impl Store {
    /// Operations, newest first.
    pub async fn operations(
        &self,
        filter: &OperationFilter,
        page: &PageRequest,
    ) -> Result<Page<Operation>, StoreError> {
        let module = filter.module.as_ref().map(ModuleName::as_str);
        let status = filter.status.map(OperationStatus::as_str);
        let before = page.cursor::<Id>()?.map(|id| id.to_string());
        let limit = page.rows();
        let rows = sqlx::query_as!(
            OperationRow,
            "SELECT * FROM operations
             WHERE ($1 IS NULL OR module = $1 OR about = $1) AND ($2 IS NULL OR status = $2)
               AND ($3 IS NULL OR id < $3)
             ORDER BY id DESC LIMIT $4",
            module,
            status,
            before,
            limit
        )
        .fetch_all(self.db())
        .await?;
        Page::of_rows(rows, page, |operation: &Operation| operation.id.to_string())
    }

    /// One operation.
    pub async fn operation(&self, id: Id) -> Result<Option<Operation>, StoreError> {
        one(self.db(), id).await
    }

    /// The module's open operation.
    pub async fn open_operation(&self, name: &ModuleName) -> Result<Option<Operation>, StoreError> {
        open(self.db(), name).await
    }

    /// What was not finished, oldest first: after a start, each is resumed or failed with a reason.
    pub async fn unfinished_operations(&self) -> Result<Vec<Resumable>, StoreError> {
        sqlx::query_as!(
            OperationRow,
            "SELECT * FROM operations WHERE status IN ('queued', 'running') ORDER BY id"
        )
        .fetch_all(self.db())
        .await?
        .into_iter()
        .map(|row| {
            let params = from_json(TABLE, &row.params)?;
            let operation = row.try_into()?;
            Ok(Resumable { operation, params })
        })
        .collect()
    }
}

impl Tx<'_> {
    /// An operation.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn operation(&mut self, id: Id) -> Result<Operation, StoreError> {
        one(self.db(), id)
            .await?
            .ok_or_else(|| StoreError::not_found("operation", id))
    }

    /// The open operation that is about a module and leaves it free.
    pub async fn open_about(&mut self, name: &ModuleName) -> Result<Option<Operation>, StoreError> {
        open_about(self.db(), name).await
    }

    /// The module's open operation.
    pub async fn open_operation(
        &mut self,
        name: &ModuleName,
    ) -> Result<Option<Operation>, StoreError> {
        open(self.db(), name).await
    }
}
