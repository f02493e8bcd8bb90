//! What is swept: at every start what a crash left half-done, and by the clock what nothing refers to any
//! more. What is kept of a removed module goes here, too, when an operator says so.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use bllvm_manifest::{Digest, ModuleName};

use super::handle::blocking;
use super::{Control, ControlError};
use crate::backups::BackupsFolder;
use crate::model::{OperationKind, Versions};
use crate::packages::{self, Referred, Swept};
use crate::store::StoreError;
use crate::supervisor::sweep_asked;

/// Between two sweeps, at most.
const EVERY: Duration = Duration::from_hours(1);

impl Control {
    /// Makes the modules directory and removes what a crash left half-done.
    pub(super) async fn sweep(&self) -> Result<(), ControlError> {
        let places = self.places().clone();
        let backups = BackupsFolder::new(self.backups_dir());
        let used = self.kept_versions().await?;
        blocking(move || {
            packages::sweep_versions(&places, &used)
                .map_err(|error| ControlError::files(error.to_string()))?;
            backups
                .sweep()
                .map_err(|error| ControlError::files(error.to_string()))?;
            sweep_asked(&places.data_dir)
                .map_err(|error| ControlError::files(format!("module-data: {error}")))?;
            packages::sweep(&places).map_err(|error| ControlError::files(error.to_string()))
        })
        .await?
    }

    /// Sweeps what nothing refers to any more, now and by the clock.
    pub(super) fn spawn_sweeps(&self) {
        let control = self.clone();
        let (soft, every) = (
            self.soft().clone(),
            EVERY.min(self.settings().keep_leftovers),
        );
        self.0.parts.tracker.spawn(async move {
            loop {
                match control.sweep_leftovers().await {
                    Ok(Swept { entries: 0, .. }) => {}
                    Ok(Swept { entries, bytes }) => {
                        tracing::info!(entries, bytes, "swept what nothing referred to any more");
                    }
                    Err(ControlError::Store(StoreError::Closed)) => break,
                    Err(error) => tracing::warn!(%error, "could not sweep leftovers"),
                }
                let pause = tokio::time::sleep(every);
                if soft.run_until_cancelled(pause).await.is_none() {
                    break;
                }
            }
        });
    }

    /// Removes what nothing has referred to for as long as the configuration says.
    async fn sweep_leftovers(&self) -> Result<Swept, ControlError> {
        let Some(referred) = self.referred().await? else {
            return Ok(Swept::default());
        };
        let is_there = |module: &ModuleName| referred.modules.contains_key(module);
        self.0.parts.logs.close_others(is_there);
        let (places, keep) = (self.places().clone(), self.settings().keep_leftovers);
        let now_ms = self.store().clock().now().unix_ms();
        blocking(move || packages::sweep_leftovers(&places, &referred, keep, now_ms)).await
    }

    /// None while a version is on its way into the store, or a backup reads it.
    async fn referred(&self) -> Result<Option<Referred>, ControlError> {
        let mut referred = Referred {
            versions: self.kept_versions().await?,
            ..Referred::default()
        };
        for open in self.store().unfinished_operations().await? {
            match open.operation.kind {
                OperationKind::Upgrade | OperationKind::Rollback | OperationKind::Backup => {
                    return Ok(None);
                }
                _ => {}
            }
            let digest = open.params["digest"].as_str();
            referred
                .downloads
                .extend(digest.and_then(|text| text.parse::<Digest>().ok()));
        }
        let registries = self.store().registries().await?.into_values();
        let seen = registries.filter_map(|registry| registry.seen);
        referred.indexes = seen.map(|seen| seen.digest).collect();
        let versions = self.store().versions().await?;
        let modules = self.store().modules().await?.into_iter().map(|module| {
            let own = versions.get(&module.name);
            let kept = own
                .into_iter()
                .flat_map(|own| own.current.iter().chain(&own.previous));
            let mut all: BTreeSet<String> = kept.map(|kept| kept.version.to_string()).collect();
            all.insert(module.manifest.version.to_string());
            (module.name, all)
        });
        referred.modules = modules.collect::<BTreeMap<_, _>>();
        Ok(Some(referred))
    }

    async fn kept_versions(&self) -> Result<BTreeSet<Digest>, ControlError> {
        let versions = self.store().versions().await?;
        let kept = versions
            .values()
            .flat_map(|own| own.current.iter().chain(&own.previous));
        Ok(kept.map(|kept| kept.key).collect())
    }

    /// Whether something was kept of a module that is not there any more.
    pub(super) async fn left_something(&self, name: &ModuleName) -> Result<bool, ControlError> {
        if !self
            .store()
            .storage_scan(name, b"", None, 1)
            .await?
            .0
            .is_empty()
        {
            return Ok(true);
        }
        let data = &self.places().data_dir;
        let folders = [
            self.places().data(name),
            data.join("logs").join(name.as_str()),
            data.join("snapshots").join(name.as_str()),
        ];
        blocking(move || folders.iter().any(|folder| folder.exists())).await
    }

    /// Removes the kept versions that only this module has.
    pub(super) async fn drop_versions(&self, name: &ModuleName) -> Result<(), ControlError> {
        let (versions, places) = (self.own_versions(name).await?, self.places().clone());
        blocking(move || {
            for key in versions {
                // What stays is swept at the next start.
                let _ = fs::remove_dir_all(places.version(key));
            }
        })
        .await
    }

    /// Removes a module's log, and what of it lies in the trash. Done again after a kill, it does no harm.
    pub(super) async fn purge_files(&self, name: &ModuleName) -> Result<(), ControlError> {
        let (logs, places, module) = (
            self.0.parts.logs.clone(),
            self.places().clone(),
            name.clone(),
        );
        let removed = blocking(move || {
            logs.remove(&module);
            packages::empty_trash_of(&places, &module)
        });
        removed
            .await?
            .map_err(|error| ControlError::files(format!("the trash cannot be emptied: {error}")))
    }

    /// The kept versions of a module that no other module has.
    async fn own_versions(&self, name: &ModuleName) -> Result<Vec<Digest>, ControlError> {
        let mut all = self.store().versions().await?;
        let own = all.remove(name).unwrap_or_default();
        let keys = |own: &Versions| -> Vec<Digest> {
            let kept = own.current.iter().chain(&own.previous);
            kept.map(|kept| kept.key).collect()
        };
        let others: BTreeSet<Digest> = all.values().flat_map(keys).collect();
        let only = keys(&own).into_iter().filter(|key| !others.contains(key));
        Ok(only.collect())
    }
}
