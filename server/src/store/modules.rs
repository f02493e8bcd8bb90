//! Modules, their grants, and the states last announced for them.

use bllvm_manifest::{Manifest, ModuleName};
use sqlx::SqliteExecutor;

use super::row::{count, from_json, parsed, parsed_option, word};
use super::{Store, StoreError, Tx};
use crate::model::{Grant, Health, Module, ObservedState, UtcTime};

const TABLE: &str = "modules";

struct ModuleRow {
    name: String,
    manifest: String,
    dir: String,
    source: String,
    trust: String,
    digest: Option<String>,
    confirmed: Option<String>,
    desired: String,
    enabled: i64,
    problem: Option<String>,
    revision: Option<i64>,
    found_at: String,
    changed_at: String,
}

impl TryFrom<ModuleRow> for Module {
    type Error = StoreError;

    fn try_from(row: ModuleRow) -> Result<Self, StoreError> {
        Ok(Self {
            name: parsed(TABLE, &row.name)?,
            manifest: Manifest::parse(&row.manifest).map_err(|error| StoreError::Row {
                table: TABLE,
                detail: format!("manifest of `{}`: {error}", row.name),
            })?,
            dir: row.dir.into(),
            source: word(TABLE, &row.source)?,
            trust: word(TABLE, &row.trust)?,
            digest: parsed_option(TABLE, row.digest.as_deref())?,
            confirmed: parsed_option(TABLE, row.confirmed.as_deref())?,
            desired: word(TABLE, &row.desired)?,
            enabled: row.enabled != 0,
            problem: row.problem,
            revision: row.revision.map(count),
            found_at: parsed(TABLE, &row.found_at)?,
            changed_at: parsed(TABLE, &row.changed_at)?,
        })
    }
}

async fn find(
    db: impl SqliteExecutor<'_>,
    name: &ModuleName,
) -> Result<Option<Module>, StoreError> {
    let key = name.as_str();
    sqlx::query_as!(ModuleRow, "SELECT * FROM modules WHERE name = $1", key)
        .fetch_optional(db)
        .await?
        .map(Module::try_from)
        .transpose()
}

/// A grant, and who gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantRecord {
    /// The rights.
    pub grant: Grant,
    /// Who gave them.
    pub by: String,
    /// When.
    pub changed_at: UtcTime,
}

/// The state last announced for a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedRecord {
    /// The state.
    pub state: ObservedState,
    /// The health.
    pub health: Health,
    /// Why, where there is something to say.
    pub reason: Option<String>,
    /// Since when.
    pub changed_at: UtcTime,
}

impl Store {
    /// Every module, by name.
    pub async fn modules(&self) -> Result<Vec<Module>, StoreError> {
        sqlx::query_as!(ModuleRow, "SELECT * FROM modules ORDER BY name")
            .fetch_all(self.db())
            .await?
            .into_iter()
            .map(Module::try_from)
            .collect()
    }

    /// One module.
    pub async fn module(&self, name: &ModuleName) -> Result<Option<Module>, StoreError> {
        find(self.db(), name).await
    }

    /// What a module may; nothing where nobody gave it anything.
    pub async fn grant(&self, name: &ModuleName) -> Result<Grant, StoreError> {
        let record = self.grant_record(name).await?;
        Ok(record.map(|record| record.grant).unwrap_or_default())
    }

    /// What a module may, and who said so.
    pub async fn grant_record(&self, name: &ModuleName) -> Result<Option<GrantRecord>, StoreError> {
        let key = name.as_str();
        let row = sqlx::query!(
            "SELECT rights, given_by, changed_at FROM grants WHERE module = $1",
            key
        )
        .fetch_optional(self.db())
        .await?;
        row.map(|row| {
            Ok(GrantRecord {
                grant: from_json("grants", &row.rights)?,
                by: row.given_by,
                changed_at: parsed("grants", &row.changed_at)?,
            })
        })
        .transpose()
    }

    /// The state last announced for a module.
    pub async fn last_observed(
        &self,
        name: &ModuleName,
    ) -> Result<Option<ObservedRecord>, StoreError> {
        let key = name.as_str();
        let row = sqlx::query!(
            "SELECT state, health, reason, changed_at FROM observed WHERE module = $1",
            key
        )
        .fetch_optional(self.db())
        .await?;
        row.map(|row| {
            Ok(ObservedRecord {
                state: word("observed", &row.state)?,
                health: from_json("observed", &row.health)?,
                reason: row.reason,
                changed_at: parsed("observed", &row.changed_at)?,
            })
        })
        .transpose()
    }
}

impl Tx<'_> {
    /// A module, where it is known.
    pub async fn find_module(&mut self, name: &ModuleName) -> Result<Option<Module>, StoreError> {
        find(self.db(), name).await
    }

    /// A module.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn module(&mut self, name: &ModuleName) -> Result<Module, StoreError> {
        self.find_module(name)
            .await?
            .ok_or_else(|| StoreError::not_found("module", name))
    }
}
