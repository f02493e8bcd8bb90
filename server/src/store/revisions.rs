//! Configuration revisions and their secrets, read.

use bllvm_manifest::ModuleName;
use sqlx::SqliteExecutor;

use super::row::{count, int, parsed, word};
use super::{Page, PageRequest, Store, StoreError, Tx};
use crate::model::Revision;

const TABLE: &str = "revisions";

/// A secret value of a configuration, encrypted.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// The key, dotted, such as `wallet.seed`.
    pub key_path: String,
    /// Nonce and ciphertext, as `configuration` writes them.
    pub ciphertext: Vec<u8>,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secret")
            .field("key_path", &self.key_path)
            .finish_non_exhaustive()
    }
}

struct RevisionRow {
    module: String,
    number: i64,
    text: String,
    etag: String,
    source: String,
    status: String,
    reason: Option<String>,
    made_by: String,
    created_at: String,
}

impl TryFrom<RevisionRow> for Revision {
    type Error = StoreError;

    fn try_from(row: RevisionRow) -> Result<Self, StoreError> {
        Ok(Self {
            module: parsed(TABLE, &row.module)?,
            number: count(row.number),
            text: row.text,
            etag: row.etag,
            source: word(TABLE, &row.source)?,
            status: word(TABLE, &row.status)?,
            reason: row.reason,
            by: row.made_by,
            created_at: parsed(TABLE, &row.created_at)?,
        })
    }
}

async fn one(
    db: impl SqliteExecutor<'_>,
    module: &ModuleName,
    number: u64,
) -> Result<Option<Revision>, StoreError> {
    let (key, number) = (module.as_str(), int(number));
    sqlx::query_as!(
        RevisionRow,
        "SELECT * FROM revisions WHERE module = $1 AND number = $2",
        key,
        number
    )
    .fetch_optional(db)
    .await?
    .map(Revision::try_from)
    .transpose()
}

async fn current(
    db: impl SqliteExecutor<'_>,
    module: &ModuleName,
) -> Result<Option<Revision>, StoreError> {
    let key = module.as_str();
    sqlx::query_as!(
        RevisionRow,
        "SELECT revisions.* FROM revisions
         JOIN modules ON modules.name = revisions.module AND modules.revision = revisions.number
         WHERE modules.name = $1",
        key
    )
    .fetch_optional(db)
    .await?
    .map(Revision::try_from)
    .transpose()
}

impl Store {
    /// A module's revisions, newest first.
    pub async fn revisions(
        &self,
        module: &ModuleName,
        page: &PageRequest,
    ) -> Result<Page<Revision>, StoreError> {
        let key = module.as_str();
        let before = page.cursor::<i64>()?;
        let limit = page.rows();
        let rows = sqlx::query_as!(
            RevisionRow,
            "SELECT * FROM revisions WHERE module = $1 AND ($2 IS NULL OR number < $2)
             ORDER BY number DESC LIMIT $3",
            key,
            before,
            limit
        )
        .fetch_all(self.db())
        .await?;
        Page::of_rows(rows, page, |revision: &Revision| {
            revision.number.to_string()
        })
    }

    /// One revision.
    pub async fn revision(
        &self,
        module: &ModuleName,
        number: u64,
    ) -> Result<Option<Revision>, StoreError> {
        one(self.db(), module, number).await
    }

    /// The revision that applies: the newest that was not rolled back.
    pub async fn current_revision(
        &self,
        module: &ModuleName,
    ) -> Result<Option<Revision>, StoreError> {
        current(self.db(), module).await
    }

    /// The secrets of a revision, encrypted.
    pub async fn secrets(
        &self,
        module: &ModuleName,
        number: u64,
    ) -> Result<Vec<Secret>, StoreError> {
        let (key, number) = (module.as_str(), int(number));
        Ok(sqlx::query_as!(
            Secret,
            "SELECT key_path, ciphertext FROM secrets WHERE module = $1 AND number = $2
             ORDER BY key_path",
            key,
            number
        )
        .fetch_all(self.db())
        .await?)
    }
}

impl Tx<'_> {
    /// One revision.
    pub async fn find_revision(
        &mut self,
        module: &ModuleName,
        number: u64,
    ) -> Result<Option<Revision>, StoreError> {
        one(self.db(), module, number).await
    }

    /// The revision that applies.
    pub async fn current_revision(
        &mut self,
        module: &ModuleName,
    ) -> Result<Option<Revision>, StoreError> {
        current(self.db(), module).await
    }
}
