//! Runs, read.

use bllvm_manifest::ModuleName;
use sqlx::SqliteExecutor;

use super::row::{from_json, from_json_option, parsed, parsed_option, word};
use super::{Page, PageRequest, Store, StoreError, Tx};
use crate::model::{Id, Run};

const TABLE: &str = "runs";

struct RunRow {
    id: String,
    module: String,
    version: String,
    pid: Option<i64>,
    started_at: String,
    ready_at: Option<String>,
    ended_at: Option<String>,
    exit: Option<String>,
    reload: Option<String>,
    last_output: String,
    isolation: String,
}

impl TryFrom<RunRow> for Run {
    type Error = StoreError;

    fn try_from(row: RunRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: parsed(TABLE, &row.id)?,
            module: parsed(TABLE, &row.module)?,
            version: row.version,
            pid: row.pid.and_then(|pid| u32::try_from(pid).ok()),
            started_at: parsed(TABLE, &row.started_at)?,
            ready_at: parsed_option(TABLE, row.ready_at.as_deref())?,
            ended_at: parsed_option(TABLE, row.ended_at.as_deref())?,
            exit: from_json_option(TABLE, row.exit.as_deref())?,
            reload: row.reload.map(|mode| word(TABLE, &mode)).transpose()?,
            last_output: from_json(TABLE, &row.last_output)?,
            isolation: from_json(TABLE, &row.isolation)?,
        })
    }
}

async fn one(db: impl SqliteExecutor<'_>, id: Id) -> Result<Option<Run>, StoreError> {
    let id = id.to_string();
    sqlx::query_as!(RunRow, "SELECT * FROM runs WHERE id = $1", id)
        .fetch_optional(db)
        .await?
        .map(Run::try_from)
        .transpose()
}

impl Store {
    /// A module's runs, newest first.
    pub async fn runs(
        &self,
        module: &ModuleName,
        page: &PageRequest,
    ) -> Result<Page<Run>, StoreError> {
        let key = module.as_str();
        let before = page.cursor::<Id>()?.map(|id| id.to_string());
        let limit = page.rows();
        let rows = sqlx::query_as!(
            RunRow,
            "SELECT * FROM runs WHERE module = $1 AND ($2 IS NULL OR id < $2)
             ORDER BY id DESC LIMIT $3",
            key,
            before,
            limit
        )
        .fetch_all(self.db())
        .await?;
        Page::of_rows(rows, page, |run: &Run| run.id.to_string())
    }

    /// One run.
    pub async fn run(&self, id: Id) -> Result<Option<Run>, StoreError> {
        one(self.db(), id).await
    }
}

impl Tx<'_> {
    /// One run.
    pub async fn find_run(&mut self, id: Id) -> Result<Option<Run>, StoreError> {
        one(self.db(), id).await
    }
}
