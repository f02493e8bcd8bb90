//! What the registries have, beside what is installed here. Reads the indexes that are kept, so that
//! it works without a network; only a module's own page fetches its manifest.

use std::collections::{BTreeMap, BTreeSet};

use bllvm_manifest::ModuleName;
use bllvm_package::{Index, Listed, Trust};

use super::{Control, ControlError};
use crate::model::{
    Availability, CatalogEntry, CatalogModule, CatalogRelease, KnownRegistry, Rating, TrustClass,
};
use crate::store::{Publishers, Releases};

/// What of this node the entries are held against.
struct Here {
    target: String,
    publishers: Publishers,
    releases: Releases,
    installed: BTreeMap<ModuleName, semver::Version>,
    /// Modules that stay at their versions.
    held: BTreeSet<ModuleName>,
}

impl Control {
    /// Modules that the registries list, by name; only those with a word in name or description.
    ///
    /// # Errors
    /// Where the database cannot be read. A registry without a kept index lists nothing.
    pub async fn catalog(&self, word: &str) -> Result<Vec<CatalogEntry>, ControlError> {
        let here = self.here().await?;
        let word = word.trim().to_lowercase();
        let mut found = Vec::new();
        for registry in self.store().registries().await?.into_values() {
            let Ok(index) = self.index_of(&registry).await else {
                continue;
            };
            let mut modules: Vec<&ModuleName> =
                index.releases.iter().map(|one| &one.module).collect();
            modules.sort();
            modules.dedup();
            let entries = modules
                .into_iter()
                .filter_map(|module| entry(&registry, &index, module, &here));
            found.extend(entries.filter(|one| {
                let text = format!("{} {} {}", one.module, one.description, one.publisher);
                text.to_lowercase().contains(&word)
            }));
        }
        found.sort_by(|a, b| (&a.module, &a.registry).cmp(&(&b.module, &b.registry)));
        Ok(found)
    }

    /// A listed module with its releases, and what the newest would ask for.
    ///
    /// # Errors
    /// Where there is no such registry, or it does not list the module.
    pub async fn catalog_module(
        &self,
        registry: &str,
        module: &ModuleName,
    ) -> Result<CatalogModule, ControlError> {
        let registry = self.registry(registry).await?;
        let index = self.index_of(&registry).await?;
        let here = self.here().await?;
        let entry =
            entry(&registry, &index, module, &here).ok_or_else(|| ControlError::NotFound {
                what: format!("module `{module}` in the registry `{}`", registry.name),
            })?;
        let mut listed: Vec<&Listed> = listed(&index, module).collect();
        listed.sort_by_key(|one| std::cmp::Reverse(one.release_seq));
        let newest = listed.iter().find(|one| one.digest == entry.digest);
        let (manifest, problem) = match (newest, self.sources_of(&registry)) {
            (Some(newest), Ok(sources)) => {
                match bllvm_registry::manifest_of(&sources, newest).await {
                    Ok((manifest, _)) => (Some(manifest), None),
                    Err(error) => (None, Some(error.to_string())),
                }
            }
            (_, Err(error)) => (None, Some(error.to_string())),
            (None, _) => (None, None),
        };
        let trust = if entry.publisher_trusted {
            TrustClass::Signed
        } else {
            TrustClass::Local
        };
        Ok(CatalogModule {
            releases: listed
                .iter()
                .map(|one| CatalogRelease {
                    version: one.version.to_string(),
                    release_seq: one.release_seq,
                    target: one.target.clone(),
                    runs_here: one.runs_on(&here.target),
                    bytes: one.bytes,
                    digest: one.digest,
                    notes: one.notes.clone(),
                    revoked: index.why_revoked(one).map(str::to_owned),
                })
                .collect(),
            rating: manifest.as_ref().map(|found| Rating::of(found, trust)),
            asks: manifest.map(|found| found.capabilities),
            problem,
            entry,
        })
    }

    async fn here(&self) -> Result<Here, ControlError> {
        let store = self.store();
        let modules = store.modules().await?;
        Ok(Here {
            target: Trust::own_target(),
            publishers: store.publishers().await?,
            releases: store.releases().await?,
            held: store
                .versions()
                .await?
                .into_iter()
                .filter(|(_, own)| own.pinned_by.is_some())
                .map(|(name, _)| name)
                .collect(),
            installed: modules
                .into_iter()
                .map(|module| (module.name, module.manifest.version))
                .collect(),
        })
    }
}

fn listed<'a>(index: &'a Index, module: &'a ModuleName) -> impl Iterator<Item = &'a Listed> {
    index
        .releases
        .iter()
        .filter(move |one| one.module == *module)
}

/// A module's entry; none where the registry does not list it.
fn entry(
    registry: &KnownRegistry,
    index: &Index,
    module: &ModuleName,
    here: &Here,
) -> Option<CatalogEntry> {
    let newest = index.find(module, None, &here.target).ok();
    let shown = newest.or_else(|| listed(index, module).max_by_key(|one| one.release_seq))?;
    let installed = here.installed.get(module);
    let taken = here.releases.get(module).filter(|taken| taken.installed);
    let gone = taken.and_then(|taken| {
        let revoked = &index.revoked;
        revoked.iter().find(|one| one.digest == taken.digest)
    });
    let runs_here = listed(index, module).find(|one| one.runs_on(&here.target));
    let (state, revoked) = match (gone, newest, installed) {
        (Some(gone), _, Some(_)) => (Availability::Revoked, Some(gone.reason.clone())),
        (_, Some(newest), Some(version)) => {
            let is_newer = taken.map_or(newest.version > *version, |taken| {
                newest.release_seq > taken.release_seq
            });
            if is_newer && here.held.contains(module) {
                (Availability::Held, None)
            } else if is_newer {
                (Availability::Upgrade, None)
            } else {
                (Availability::Installed, None)
            }
        }
        (_, Some(_), None) => (Availability::Available, None),
        (_, None, _) => match runs_here.and_then(|one| index.why_revoked(one)) {
            Some(why) => (Availability::Revoked, Some(why.to_owned())),
            None => (Availability::OtherSystem, None),
        },
    };
    Some(CatalogEntry {
        registry: registry.name.clone(),
        module: module.clone(),
        description: shown.description.clone(),
        version: shown.version.to_string(),
        notes: shown.notes.clone(),
        bytes: shown.bytes,
        digest: shown.digest,
        publisher: shown.publisher.clone(),
        publisher_trusted: here.publishers.contains_key(&shown.publisher),
        installed: installed.map(ToString::to_string),
        state,
        revoked,
    })
}
