//! Registries: added, removed, and their indexes fetched, checked and kept.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use bllvm_manifest::Digest;
use bllvm_package::{Index, IndexTrust, PublicKey, Publisher};
use bllvm_registry::{RegistryError, Source};

use super::handle::blocking;
use super::{Control, ControlError};
use crate::model::{Actor, KnownRegistry, RevokedModule, SeenIndex};
use crate::store::commands::{AddRegistry, RecordIndex, RemoveRegistry, actions};
use crate::store::newest_seen;

/// A registry has no more addresses.
const MAX_ADDRESSES: usize = 8;
/// A name is not longer.
const MAX_NAME: usize = 64;

/// A registry that an operator adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRegistry {
    /// Its name, as its index gives it.
    pub name: String,
    /// Folders and addresses, in the order in which they are tried.
    pub addresses: Vec<String>,
    /// Its keys, as the operator heard them.
    pub keys: Vec<PublicKey>,
    /// How many of them must sign.
    pub threshold: usize,
}

impl Control {
    /// Adds a registry; nothing is fetched by it.
    ///
    /// # Errors
    /// Where its name, an address or its keys cannot be used, or it is there already.
    pub async fn add_registry(
        &self,
        new: NewRegistry,
        by: &Actor,
    ) -> Result<KnownRegistry, ControlError> {
        let target: String = new
            .name
            .chars()
            .take(128)
            .flat_map(char::escape_debug)
            .collect();
        let verb = async {
            check(&new)?;
            let registry = KnownRegistry {
                name: new.name,
                addresses: new.addresses,
                threshold: new.threshold,
                keys: new.keys,
                by: by.id.clone(),
                added_at: self.store().clock().now(),
                seen: None,
            };
            let by = by.clone();
            Ok(self.store().commit(AddRegistry { registry, by }).await?)
        };
        self.audited(actions::ADD_REGISTRY, target, by, verb).await
    }

    /// Removes a registry. What was installed from it stays, and no older index is taken when it comes
    /// back.
    ///
    /// # Errors
    /// Where there is none of this name.
    pub async fn remove_registry(&self, name: &str, by: &Actor) -> Result<(), ControlError> {
        let verb = async {
            let remove = RemoveRegistry {
                name: name.to_owned(),
                by: by.clone(),
            };
            let gone = self.store().commit(remove).await?;
            if let Some(seen) = gone.seen {
                self.drop_index(seen.digest).await?;
            }
            Ok(())
        };
        let target: String = name
            .chars()
            .take(128)
            .flat_map(char::escape_debug)
            .collect();
        self.audited(actions::REMOVE_REGISTRY, target, by, verb)
            .await
    }

    /// Fetches a registry's index, checks it against its keys and what was seen before, and keeps it.
    ///
    /// # Errors
    /// Where there is no such registry, or none of its addresses has an index that is believed.
    pub async fn refresh_registry(
        &self,
        name: &str,
        by: &Actor,
    ) -> Result<KnownRegistry, ControlError> {
        let verb = async {
            let registry = self.registry(name).await?;
            let moment = self.trust().await?.moment();
            let trust = IndexTrust {
                registry: registry.name.clone(),
                keys: Publisher::new(&registry.keys, registry.threshold)
                    .map_err(|error| refused("threshold_invalid", &error))?,
                seen: newest_seen(&registry, &self.store().index_floors().await?),
                moment,
            };
            let sources = self.sources_of(&registry)?;
            let opened = bllvm_registry::open(&sources, &trust)
                .await
                .map_err(|error| not_read(&error))?;
            let digest = Digest::of(&opened.bytes);
            let path = self.places().index(digest);
            blocking(move || keep(&path, &opened.bytes))
                .await?
                .map_err(|error| {
                    ControlError::files(format!("the index cannot be kept: {error}"))
                })?;
            let seen = SeenIndex {
                seq: opened.index.seq,
                digest,
                releases: opened.index.releases.len(),
                expires: opened.index.expires.to_string(),
                fetched_at: self.store().clock().now(),
            };
            let record = RecordIndex {
                name: registry.name.clone(),
                seen,
                revoked: self.revoked_by(&registry.name, &opened.index).await?,
                by: by.clone(),
            };
            let now = self.store().commit(record).await?;
            let before = registry.seen.map(|seen| seen.digest);
            if let Some(before) = before.filter(|before| *before != digest) {
                self.drop_index(before).await?;
            }
            Ok(now)
        };
        let target: String = name
            .chars()
            .take(128)
            .flat_map(char::escape_debug)
            .collect();
        self.audited(actions::REFRESH_REGISTRY, target, by, verb)
            .await
    }

    /// Installed modules whose releases were taken back, as far as is known here.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn revoked_modules(&self) -> Result<Vec<RevokedModule>, ControlError> {
        let mut found = Vec::new();
        for registry in self.store().registries().await?.into_values() {
            if let Ok(index) = self.index_of(&registry).await {
                found.extend(self.revoked_by(&registry.name, &index).await?);
            }
        }
        Ok(found)
    }

    async fn revoked_by(
        &self,
        registry: &str,
        index: &Index,
    ) -> Result<Vec<RevokedModule>, ControlError> {
        let releases = self.store().releases().await?;
        let installed = releases.into_iter().filter(|(_, taken)| taken.installed);
        Ok(installed
            .filter_map(|(module, taken)| {
                let revoked = &index.revoked;
                let why = revoked.iter().find(|one| one.digest == taken.digest)?;
                Some(RevokedModule {
                    module,
                    registry: registry.to_owned(),
                    reason: why.reason.clone(),
                })
            })
            .collect())
    }

    pub(super) async fn registry(&self, name: &str) -> Result<KnownRegistry, ControlError> {
        let mut all = self.store().registries().await?;
        all.remove(name).ok_or_else(|| ControlError::NotFound {
            what: format!(
                "registry `{}`: `bllvm-node catalog list` shows them",
                name.escape_debug()
            ),
        })
    }

    /// Where a registry's files are.
    pub(super) fn sources_of(&self, registry: &KnownRegistry) -> Result<Vec<Source>, ControlError> {
        let sources = registry.addresses.iter().map(|one| {
            let source = one.parse::<Source>()?;
            Ok(match &self.settings().authorities {
                Some(authorities) => source.trusting(authorities),
                None => source,
            })
        });
        sources
            .collect::<Result<_, RegistryError>>()
            .map_err(|error| not_read(&error))
    }

    /// The index that was checked last and kept. It is what was recorded, or it is not read.
    pub(super) async fn index_of(&self, registry: &KnownRegistry) -> Result<Index, ControlError> {
        let fetch = format!(
            "fetch it with `bllvm-node catalog refresh {}`",
            registry.name
        );
        let none = || ControlError::Registry {
            reason: "index_not_fetched",
            detail: format!("no index of `{}` is kept here: {fetch}", registry.name),
        };
        let digest = registry.seen.as_ref().ok_or_else(none)?.digest;
        let path = self.places().index(digest);
        let bytes = blocking(move || fs::read(path))
            .await?
            .map_err(|_| none())?;
        if Digest::of(&bytes) != digest {
            return Err(ControlError::Registry {
                reason: "index_changed",
                detail: format!("the kept index of `{}` was changed: {fetch}", registry.name),
            });
        }
        Index::parse(&bytes).map_err(|error| refused(error.code(), &error))
    }

    async fn drop_index(&self, digest: Digest) -> Result<(), ControlError> {
        let path = self.places().index(digest);
        // A leftover harms nobody: only what a row names is read.
        let _ = blocking(move || fs::remove_file(path)).await?;
        Ok(())
    }
}

pub(super) fn not_read(error: &RegistryError) -> ControlError {
    refused(error.code(), error)
}

pub(super) fn refused(reason: &'static str, error: &dyn std::fmt::Display) -> ControlError {
    ControlError::Registry {
        reason,
        detail: error.to_string(),
    }
}

fn check(new: &NewRegistry) -> Result<(), ControlError> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(&b);
    if !(1..=MAX_NAME).contains(&new.name.len()) || !new.name.bytes().all(plain) {
        let why = "`name` is 1 to 64 of a-z, 0-9, `.` and `-`, as the registry's index gives it";
        return Err(refused("invalid_name", &why));
    }
    if !(1..=MAX_ADDRESSES).contains(&new.addresses.len()) {
        let why = format!("`addresses` has 1 to {MAX_ADDRESSES} of them, the first choice first");
        return Err(refused("invalid_address", &why));
    }
    for address in &new.addresses {
        let source = address
            .parse::<Source>()
            .map_err(|error| not_read(&error))?;
        if let Source::Folder(path) = source
            && !path.is_absolute()
        {
            let why = format!("{}: name the full path of a folder", path.display());
            return Err(refused("invalid_address", &why));
        }
    }
    Publisher::new(&new.keys, new.threshold)
        .map(drop)
        .map_err(|error| refused("threshold_invalid", &error))
}

/// Writes a file so that it is there whole, or not at all.
fn keep(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)?;
    let beside = path.with_extension("new");
    let mut file = fs::File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    fs::File::open(folder)?.sync_all()
}
