//! What discovery saw of modules, and what operators decided about them.

use std::path::PathBuf;

use bllvm_manifest::{Digest, Manifest, ModuleName};
use serde_json::json;

use super::actions;
use crate::model::{Actor, DesiredState, Grant, Module, OperationKind, Source, TrustClass, kinds};
use crate::store::row::{to_json, to_word};
use crate::store::{Command, StoreError, Tx};

/// What discovery saw of a module now.
#[derive(Clone, Debug)]
pub struct FoundModule {
    /// Its manifest.
    pub manifest: Manifest,
    /// Its directory.
    pub dir: PathBuf,
    /// Where it came from.
    pub source: Source,
    /// How far the host vouches for it.
    pub trust: TrustClass,
    /// Digest of its binary; none where it is missing.
    pub digest: Option<Digest>,
    /// Why it cannot be loaded as found.
    pub problem: Option<String>,
    /// Who looked.
    pub by: Actor,
}

/// What a look at a module brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It was not known.
    New,
    /// Something about it changed.
    Changed,
    /// All is as before.
    Same,
}

impl Command for FoundModule {
    type Output = Found;

    async fn apply(self, tx: &mut Tx<'_>) -> Result<Found, StoreError> {
        let name = self.manifest.name.clone();
        let manifest = self
            .manifest
            .to_toml()
            .map_err(|error| StoreError::Refused {
                code: "invalid_manifest",
                detail: format!("the manifest of `{name}` cannot be written as TOML: {error}"),
            })?;
        let before = tx.find_module(&name).await?;
        // A look at the folder cannot tell a signed module from a local one; what was taken in as signed
        // stays so while it is the same.
        let trust = match &before {
            Some(module)
                if module.trust == TrustClass::Signed
                    && module.manifest == self.manifest
                    && module.digest == self.digest =>
            {
                TrustClass::Signed
            }
            _ => self.trust,
        };
        let same = before.as_ref().is_some_and(|module| {
            module.manifest == self.manifest
                && module.dir == self.dir
                && module.source == self.source
                && module.trust == trust
                && module.digest == self.digest
                && module.problem == self.problem
        });
        if same {
            return Ok(Found::Same);
        }
        let now = tx.now().to_string();
        let dir = self.dir.to_string_lossy().into_owned();
        let (source, trust) = (to_word(&self.source)?, to_word(&trust)?);
        let digest = self.digest.map(|digest| digest.to_string());
        let desired = DesiredState::Stopped.as_str();
        let key = name.as_str();
        sqlx::query!(
            "INSERT INTO modules (name, manifest, dir, source, trust, digest, desired, enabled,
                                  problem, found_at, changed_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8, $9, $9)
             ON CONFLICT (name) DO UPDATE SET manifest = $2, dir = $3, source = $4, trust = $5,
                                              digest = $6, problem = $8, changed_at = $9",
            key,
            manifest,
            dir,
            source,
            trust,
            digest,
            desired,
            self.problem,
            now
        )
        .execute(tx.db())
        .await?;
        let found = if before.is_some() {
            Found::Changed
        } else {
            Found::New
        };
        let data = json!({
            "module": name, "version": self.manifest.version, "new": found == Found::New,
            "digest": self.digest, "problem": self.problem, "by": self.by.id,
        });
        tx.host_event(kinds::MODULE_FOUND, data).await?;
        Ok(found)
    }
}

/// A module's files are gone. One that nobody ever confirmed is forgotten, others say it.
#[derive(Clone, Debug)]
pub struct MarkGone {
    /// The module.
    pub name: ModuleName,
    /// Who looked.
    pub by: Actor,
}

impl Command for MarkGone {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        const GONE: &str = "its files are gone: put them back, or uninstall the module";
        let module = tx.module(&self.name).await?;
        if module.problem.as_deref() == Some(GONE) {
            return Ok(());
        }
        // Who puts it away removes its rows, too.
        let open = tx.open_operation(&self.name).await?;
        if open.is_some_and(|open| open.kind == OperationKind::Uninstall) {
            return Ok(());
        }
        let key = self.name.as_str();
        if module.is_waiting() {
            sqlx::query!("DELETE FROM modules WHERE name = $1", key)
                .execute(tx.db())
                .await?;
            tx.release_stays(&self.name).await?;
            tx.forget_versions(&self.name).await?;
        } else {
            let now = tx.now().to_string();
            sqlx::query!(
                "UPDATE modules SET problem = $2, digest = NULL, changed_at = $3 WHERE name = $1",
                key,
                GONE,
                now
            )
            .execute(tx.db())
            .await?;
        }
        let data = json!({"module": self.name, "new": false, "problem": GONE, "by": self.by.id});
        tx.host_event(kinds::MODULE_FOUND, data).await?;
        Ok(())
    }
}

/// An operator says yes to what was found, and gives it rights.
#[derive(Clone, Debug)]
pub struct Confirm {
    /// The module.
    pub name: ModuleName,
    /// The digest that may run.
    pub digest: Digest,
    /// Its rights; none keeps those it has.
    pub grant: Option<Grant>,
    /// Who.
    pub by: Actor,
}

impl Command for Confirm {
    type Output = Module;

    async fn apply(self, tx: &mut Tx<'_>) -> Result<Module, StoreError> {
        let before = tx.module(&self.name).await?;
        if before.confirmed != Some(self.digest) {
            let (key, digest) = (self.name.as_str(), self.digest.to_string());
            let now = tx.now().to_string();
            sqlx::query!(
                "UPDATE modules SET confirmed = $2, changed_at = $3 WHERE name = $1",
                key,
                digest,
                now
            )
            .execute(tx.db())
            .await?;
            tx.accepted(&self.by, actions::CONFIRM_MODULE, &self.name, &digest)
                .await?;
            let data = json!({
                "module": self.name, "version": before.manifest.version,
                "digest": self.digest, "by": self.by.id,
            });
            tx.host_event(kinds::MODULE_INSTALLED, data).await?;
        }
        if let Some(grant) = self.grant {
            let _ = tx.give(&self.name, &grant, &self.by).await?;
        }
        tx.module(&self.name).await
    }
}

/// An operator allows or forbids loading. Forbidding stops the module, too.
#[derive(Clone, Debug)]
pub struct SetEnabled {
    /// The module.
    pub name: ModuleName,
    /// Whether it may be loaded.
    pub enabled: bool,
    /// Who.
    pub by: Actor,
}

impl Command for SetEnabled {
    type Output = Module;

    async fn apply(self, tx: &mut Tx<'_>) -> Result<Module, StoreError> {
        let before = tx.module(&self.name).await?;
        let action = if self.enabled {
            actions::ENABLE_MODULE
        } else {
            actions::DISABLE_MODULE
        };
        tx.accepted(&self.by, action, &self.name, "").await?;
        let desired = if self.enabled {
            before.desired
        } else {
            DesiredState::Stopped
        };
        let (key, word, now) = (self.name.as_str(), desired.as_str(), tx.now().to_string());
        sqlx::query!(
            "UPDATE modules SET enabled = $2, desired = $3, changed_at = $4 WHERE name = $1",
            key,
            self.enabled,
            word,
            now
        )
        .execute(tx.db())
        .await?;
        let data = json!({
            "module": self.name, "desired": desired, "enabled": self.enabled, "by": self.by.id,
        });
        tx.host_event(kinds::MODULE_DESIRED, data).await?;
        tx.module(&self.name).await
    }
}

/// An operator changes a module's rights.
#[derive(Clone, Debug)]
pub struct SetGrant {
    /// The module.
    pub name: ModuleName,
    /// All its rights from now on.
    pub grant: Grant,
    /// Who.
    pub by: Actor,
}

impl Command for SetGrant {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        tx.module(&self.name).await?;
        if !tx.give(&self.name, &self.grant, &self.by).await? {
            let detail = "it has these rights already";
            tx.accepted(&self.by, actions::SET_GRANT, &self.name, detail)
                .await?;
        }
        Ok(())
    }
}

/// An operator removes a module: its rows, its cursor and, where asked, its storage. Files are
/// the caller's, before this; operations and the audit trail stay.
#[derive(Clone, Debug)]
pub struct Remove {
    /// The module.
    pub name: ModuleName,
    /// Whether its storage goes, too.
    pub delete_data: bool,
    /// Whether everything else that was kept of it went, too; said in the audit trail.
    pub purge: bool,
    /// Who.
    pub by: Actor,
}

impl Command for Remove {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let module = if self.purge {
            // It may have been removed before, and what was kept of it goes now.
            tx.find_module(&self.name).await?
        } else {
            Some(tx.module(&self.name).await?)
        };
        let key = self.name.as_str();
        sqlx::query!("DELETE FROM modules WHERE name = $1", key)
            .execute(tx.db())
            .await?;
        tx.release_stays(&self.name).await?;
        tx.forget_versions(&self.name).await?;
        sqlx::query!("DELETE FROM cursors WHERE module = $1", key)
            .execute(tx.db())
            .await?;
        if self.delete_data {
            sqlx::query!("DELETE FROM storage WHERE module = $1", key)
                .execute(tx.db())
                .await?;
            sqlx::query!("DELETE FROM storage_usage WHERE module = $1", key)
                .execute(tx.db())
                .await?;
        }
        let detail = match (self.purge, self.delete_data) {
            (true, _) => "purged: with its data, its log, and all copies of them",
            (false, true) => "with its data",
            (false, false) => "its data is kept",
        };
        tx.accepted(&self.by, actions::UNINSTALL_MODULE, &self.name, detail)
            .await?;
        let data = json!({
            "module": self.name, "version": module.map(|module| module.manifest.version),
            "data_deleted": self.delete_data, "by": self.by.id,
        });
        tx.host_event(kinds::MODULE_UNINSTALLED, data).await?;
        Ok(())
    }
}

impl Tx<'_> {
    /// Stores a grant with its audit row and event; false where it is the one that is there.
    async fn give(
        &mut self,
        name: &ModuleName,
        grant: &Grant,
        by: &Actor,
    ) -> Result<bool, StoreError> {
        let rights = to_json(grant)?;
        let (key, now) = (name.as_str(), self.now().to_string());
        let changed = sqlx::query!(
            "INSERT INTO grants (module, rights, given_by, changed_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (module) DO UPDATE SET rights = $2, given_by = $3, changed_at = $4
                 WHERE rights <> $2",
            key,
            rights,
            by.id,
            now
        )
        .execute(self.db())
        .await?;
        if changed.rows_affected() == 0 {
            return Ok(false);
        }
        self.accepted(by, actions::SET_GRANT, name, &rights).await?;
        let data = json!({"module": name, "grant": grant, "by": by.id});
        self.host_event(kinds::MODULE_GRANT, data).await?;
        Ok(true)
    }
}
