//! What an operator decides about publishers, and what installs leave behind.

use bllvm_manifest::ModuleName;
use bllvm_package::{KeySet, PublicKey, Signatures};
use serde_json::json;

use super::actions;
use crate::model::{Actor, TakenRelease, TrustedPublisher};
use crate::store::{Command, StoreError, Tx};

/// An operator trusts a publisher.
#[derive(Clone, Debug)]
pub struct AddPublisher {
    /// Its first keys here.
    pub keys: KeySet,
    /// Who.
    pub by: Actor,
}

impl Command for AddPublisher {
    type Output = TrustedPublisher;

    async fn apply(self, tx: &mut Tx<'_>) -> Result<TrustedPublisher, StoreError> {
        let mut all = tx.publishers().await?;
        if all.contains_key(&self.keys.name) {
            return Err(StoreError::Refused {
                code: "publisher_exists",
                detail: format!(
                    "`{0}` is trusted already: exchange its keys with `bllvm-node trust rotate`, or remove \
                     it first with `bllvm-node trust remove {0}`",
                    self.keys.name
                ),
            });
        }
        let publisher = publisher(&self.keys, &self.by, tx);
        all.insert(publisher.name.clone(), publisher.clone());
        tx.set_publishers(&all).await?;
        let detail = json!(publisher).to_string();
        tx.accepted(&self.by, actions::ADD_PUBLISHER, &publisher.name, &detail)
            .await?;
        Ok(publisher)
    }
}

fn publisher(set: &KeySet, by: &Actor, tx: &Tx<'_>) -> TrustedPublisher {
    TrustedPublisher {
        name: set.name.clone(),
        version: set.version,
        threshold: set.publisher.threshold(),
        keys: set.publisher.keys().copied().collect::<Vec<PublicKey>>(),
        by: by.id.clone(),
        changed_at: tx.now(),
    }
}

/// A publisher exchanges its keys. Checked inside the transaction, against the keys that hold then.
#[derive(Clone, Debug)]
pub struct RotatePublisher {
    /// Whose keys.
    pub name: String,
    /// The new keys, as they were signed.
    pub document: String,
    /// By old and new keys.
    pub signatures: Signatures,
    /// Who.
    pub by: Actor,
}

impl Command for RotatePublisher {
    type Output = TrustedPublisher;

    async fn apply(self, tx: &mut Tx<'_>) -> Result<TrustedPublisher, StoreError> {
        let mut all = tx.publishers().await?;
        let old = all
            .get(&self.name)
            .ok_or_else(|| StoreError::not_found("publisher", &self.name))?;
        let new = old
            .key_set()
            .map_err(Into::into)
            .and_then(|old| old.rotate(&self.document, &self.signatures))
            .map_err(|error| StoreError::Refused {
                code: error.code(),
                detail: format!("the keys of `{}` stay: {error}", self.name),
            })?;
        let publisher = publisher(&new, &self.by, tx);
        all.insert(self.name.clone(), publisher.clone());
        tx.set_publishers(&all).await?;
        let detail = json!(publisher).to_string();
        tx.accepted(&self.by, actions::ROTATE_PUBLISHER, &self.name, &detail)
            .await?;
        Ok(publisher)
    }
}

/// An operator trusts a publisher no more. What was installed stays.
#[derive(Clone, Debug)]
pub struct RemovePublisher {
    /// Which.
    pub name: String,
    /// Who.
    pub by: Actor,
}

impl Command for RemovePublisher {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let mut all = tx.publishers().await?;
        if all.remove(&self.name).is_none() {
            return Err(StoreError::not_found("publisher", &self.name));
        }
        tx.set_publishers(&all).await?;
        tx.accepted(&self.by, actions::REMOVE_PUBLISHER, &self.name, "")
            .await
    }
}

/// A signed module was taken in: no older release comes after it.
#[derive(Clone, Debug)]
pub struct RecordRelease {
    /// The module.
    pub module: ModuleName,
    /// What was taken in.
    pub release: TakenRelease,
}

impl Command for RecordRelease {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let mut all = tx.releases().await?;
        all.insert(self.module, self.release);
        tx.set_releases(&all).await
    }
}

/// An operator lets a module begin anew: any release, by any publisher that is trusted.
#[derive(Clone, Debug)]
pub struct ForgetRelease {
    /// The module.
    pub module: ModuleName,
    /// Who.
    pub by: Actor,
}

impl Command for ForgetRelease {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let mut all = tx.releases().await?;
        let Some(gone) = all.get(&self.module) else {
            return Err(StoreError::not_found("release of", &self.module));
        };
        if gone.installed {
            return Err(StoreError::Refused {
                code: "conflict",
                detail: format!("`{}` is installed: uninstall it first", self.module),
            });
        }
        let detail = json!(gone).to_string();
        all.remove(&self.module);
        tx.set_releases(&all).await?;
        tx.accepted(&self.by, actions::FORGET_RELEASE, &self.module, &detail)
            .await
    }
}

/// Remembers how late it is.
#[derive(Clone, Copy, Debug)]
pub struct SeeTime;

impl Command for SeeTime {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        tx.see_time().await
    }
}

impl Tx<'_> {
    /// A module goes, and what is remembered of its release stays.
    pub(super) async fn release_stays(&mut self, module: &ModuleName) -> Result<(), StoreError> {
        let mut all = self.releases().await?;
        match all.get_mut(module) {
            Some(release) => release.installed = false,
            None => return Ok(()),
        }
        self.set_releases(&all).await
    }
}
