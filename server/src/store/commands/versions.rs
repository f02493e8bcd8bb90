//! One version of a module gives place to another.

use bllvm_manifest::{Manifest, ModuleName};
use serde_json::json;

use super::{Confirm, FoundModule, RecordRelease, actions};
use crate::model::{Actor, Id, KeptVersion, Source, kinds};
use crate::store::{Command, StoreError, Tx};

/// The version that is in place is in the store, too.
#[derive(Clone, Debug)]
pub struct KeepVersion {
    /// The module.
    pub name: ModuleName,
    /// The version.
    pub version: KeptVersion,
}

impl Command for KeepVersion {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let mut all = tx.versions().await?;
        all.entry(self.name).or_default().current = Some(self.version);
        tx.set_versions(&all).await
    }
}

/// Another version is in place: its manifest, its confirmed program, its rights, in one commit.
#[derive(Clone, Debug)]
pub struct ChangeVersion {
    /// What it says about itself.
    pub manifest: Manifest,
    /// Where it is.
    pub dir: std::path::PathBuf,
    /// The version.
    pub to: KeptVersion,
    /// The version that a rollback brings back from now on.
    pub previous: Option<KeptVersion>,
    /// The newest release that was ever taken in, where it is one.
    pub release: Option<RecordRelease>,
    /// The operation that tries it; none where an earlier one is put back.
    pub on_trial: Option<Id>,
    /// Who.
    pub by: Actor,
}

impl Command for ChangeVersion {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let name = self.manifest.name.clone();
        let mut all = tx.versions().await?;
        let own = all.entry(name.clone()).or_default();
        let from = own.current.replace(self.to.clone());
        let data = json!({
            "module": name, "version": self.to.version, "digest": self.to.program,
            "from": from.as_ref().map(|from| &from.version), "by": self.by.id,
        });
        own.previous = self.previous;
        own.on_trial = self.on_trial;
        tx.set_versions(&all).await?;
        let found = FoundModule {
            manifest: self.manifest,
            dir: self.dir,
            source: Source::Folder,
            trust: self.to.trust,
            digest: Some(self.to.program),
            problem: None,
            by: self.by.clone(),
        };
        found.apply(tx).await?;
        let confirm = Confirm {
            name,
            digest: self.to.program,
            grant: Some(self.to.grant),
            by: self.by,
        };
        confirm.apply(tx).await?;
        if let Some(release) = self.release {
            release.apply(tx).await?;
        }
        tx.host_event(kinds::MODULE_UPGRADED, data).await?;
        Ok(())
    }
}

/// A version that was tried works, or was put back.
#[derive(Clone, Debug)]
pub struct EndTrial {
    /// The module.
    pub name: ModuleName,
}

impl Command for EndTrial {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let mut all = tx.versions().await?;
        if let Some(own) = all.get_mut(&self.name) {
            own.on_trial = None;
        }
        tx.set_versions(&all).await
    }
}

/// An operator keeps a module at its version, or lets it go.
#[derive(Clone, Debug)]
pub struct Pin {
    /// The module.
    pub name: ModuleName,
    /// Whether it is kept.
    pub pinned: bool,
    /// Who.
    pub by: Actor,
}

impl Command for Pin {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let module = tx.module(&self.name).await?;
        let mut all = tx.versions().await?;
        let own = all.entry(self.name.clone()).or_default();
        own.pinned_by = self.pinned.then(|| self.by.id.clone());
        tx.set_versions(&all).await?;
        let version = &module.manifest.version;
        let detail = if self.pinned {
            format!("stays at {version}")
        } else {
            "may be upgraded".to_owned()
        };
        tx.accepted(&self.by, actions::PIN_MODULE, &self.name, &detail)
            .await
    }
}

impl Tx<'_> {
    /// A module goes, and its versions with it.
    pub(super) async fn forget_versions(&mut self, name: &ModuleName) -> Result<(), StoreError> {
        let mut all = self.versions().await?;
        if all.remove(name).is_some() {
            self.set_versions(&all).await?;
        }
        Ok(())
    }
}
