//! One version gives place to another, as a task: both are kept in the store, their folders change
//! places at once, the row follows, and what does not become ready is taken back.
//!
//! Whatever cuts it off, the row says which version is in place; the next start makes it true.

use std::time::Duration;

use bllvm_manifest::{Digest, Manifest, ModuleName, layout};
use bllvm_package::Trust;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::folders::{failure_of, interrupted, package_error, release_of, vouched};
use super::handle::blocking;
use super::{Control, ControlCode, ControlError};
use crate::model::{
    Actor, DesiredState, Grant, Id, KeptVersion, ObservedState, Operation, OperationStatus,
    TrustClass,
};
use crate::packages::{self, PackageError, Taken};
use crate::store::commands::{
    ChangeVersion, EndTrial, Finish, KeepVersion, RecordRelease, RequestReload,
};
use crate::store::{Command, StoreError, Tx};

/// Between two looks at what a reload became.
const LOOK: Duration = Duration::from_millis(50);

/// Which version is wanted.
pub(super) enum Target {
    /// One that was looked at.
    New {
        /// What was seen.
        taken: Box<Taken>,
        /// What it is measured by; none for the operator's own word.
        trust: Option<Trust>,
    },
    /// One of the store.
    Kept(Box<KeptVersion>),
}

/// A change that an operator asked for.
pub(super) struct Change {
    pub(super) name: ModuleName,
    pub(super) target: Target,
    pub(super) grant: Grant,
    pub(super) by: Actor,
}

impl Control {
    pub(super) fn spawn_change(&self, id: Id, change: Change) {
        let control = self.clone();
        self.spawn_operation(id, |cancel| async move {
            let outcome = control.change_now(id, &change, cancel).await;
            match outcome {
                Ok(()) => {}
                // The node stops: the operation stays open, and the next start decides.
                Err(_) if control.soft().is_cancelled() => {}
                Err(error) => control.end(id, Err(failure_of(&error))).await,
            }
        });
    }

    async fn change_now(
        &self,
        id: Id,
        change: &Change,
        cancel: CancellationToken,
    ) -> Result<(), ControlError> {
        let name = &change.name;
        self.step(id, "keeping the version that is in place", 0, 4)
            .await?;
        let earlier = self.versions_of(name).await?.previous;
        let before = self.keep_current(id, name, &cancel).await?;
        self.step(id, "taking in the other version", 1, 4).await?;
        let (to, release) = self.target(id, change, &cancel).await?;
        self.step(id, "putting it in place", 2, 4).await?;
        let run = self
            .put_and_record(id, change, (&before, &to), release, cancel)
            .await;
        let tried = match run {
            Ok(()) => {
                self.step(id, "waiting until it is ready", 3, 4).await?;
                self.try_version(name, &change.by).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = tried {
            if self.soft().is_cancelled() {
                return Err(error);
            }
            self.take_back(id, name, &before, earlier, &error).await?;
            return Err(went_back(name, &before, &to, &error));
        }
        let result = json!({
            "module": name, "from": before.version, "to": to.version, "digest": to.program,
            "vouched_for": to.vouched_for,
        });
        self.end_trial(id, name, result).await
    }

    /// The version works, and the operation has succeeded: one fact, and one commit.
    async fn end_trial(
        &self,
        id: Id,
        name: &ModuleName,
        result: Value,
    ) -> Result<(), ControlError> {
        let worked = Worked {
            trial: EndTrial { name: name.clone() },
            finish: Finish {
                id,
                status: OperationStatus::Succeeded,
                failure: None,
                result,
            },
        };
        Ok(self.store().commit(worked).await?)
    }

    /// The version that is in place, kept in the store; recorded there before anything changes.
    async fn keep_current(
        &self,
        id: Id,
        name: &ModuleName,
        cancel: &CancellationToken,
    ) -> Result<KeptVersion, ControlError> {
        let module = self.module(name).await?;
        let grant = self.store().grant(name).await?;
        let known = self.versions_of(name).await?.current;
        if let Some(known) = known
            && module.confirmed == Some(known.program)
            && self.holds(name, known.key).await?
        {
            let version = KeptVersion { grant, ..known };
            let keep = KeepVersion {
                name: name.clone(),
                version: version.clone(),
            };
            self.store().commit(keep).await?;
            return Ok(version);
        }
        let (places, kept, cancelled) = (self.places().clone(), name.clone(), cancel.clone());
        let key = blocking(move || {
            packages::keep_installed(&places, &kept, id, &|| cancelled.is_cancelled())
        })
        .await?
        .map_err(|error| package_error(&error))?;
        let release = self.store().releases().await?.remove(name);
        let signed =
            release.filter(|release| release.installed && module.trust == TrustClass::Signed);
        let manifest = self.manifest_of(key).await?;
        let program = self.program_of(key, &manifest).await?;
        if module.confirmed != Some(program) {
            return Err(ControlError::conflict(
                ControlCode::DigestMismatch,
                format!(
                    "the program of `{name}` is {program} now, which nobody confirmed: load or reload it first"
                ),
            ));
        }
        let version = KeptVersion {
            key,
            version: manifest.version,
            program,
            trust: module.trust,
            package: signed.as_ref().map(|release| release.digest),
            vouched_for: signed.map_or_else(
                || "confirmed by an operator".to_owned(),
                |release| {
                    format!(
                        "release {} signed by {}",
                        release.release_seq, release.publisher
                    )
                },
            ),
            grant,
            taken_at: self.store().clock().now(),
        };
        let keep = KeepVersion {
            name: name.clone(),
            version: version.clone(),
        };
        self.store().commit(keep).await?;
        Ok(version)
    }

    async fn holds(&self, name: &ModuleName, key: Digest) -> Result<bool, ControlError> {
        let (places, name) = (self.places().clone(), name.clone());
        blocking(move || packages::is_in_place(&places, &name, key)).await
    }

    async fn manifest_of(&self, key: Digest) -> Result<Manifest, ControlError> {
        let file = self.places().version(key).join(layout::MANIFEST_FILE);
        blocking(move || {
            Manifest::read(&file).map_err(|error| ControlError::files(error.to_string()))
        })
        .await?
    }

    async fn program_of(&self, key: Digest, manifest: &Manifest) -> Result<Digest, ControlError> {
        let (folder, manifest) = (self.places().version(key), manifest.clone());
        blocking(move || packages::digest_of(&folder, &manifest))
            .await?
            .map_err(ControlError::files)
    }

    async fn target(
        &self,
        id: Id,
        change: &Change,
        cancel: &CancellationToken,
    ) -> Result<(KeptVersion, Option<RecordRelease>), ControlError> {
        let grant = change.grant.clone();
        let (taken, trust) = match &change.target {
            Target::Kept(kept) => {
                return Ok((
                    KeptVersion {
                        grant,
                        ..KeptVersion::clone(kept)
                    },
                    None,
                ));
            }
            Target::New { taken, trust } => (taken, trust.clone()),
        };
        let (places, copied, cancelled) = (self.places().clone(), taken.clone(), cancel.clone());
        let key = blocking(move || {
            packages::keep(&places, &copied, trust.as_ref(), id, &|| {
                cancelled.is_cancelled()
            })
        })
        .await?
        .map_err(|error| package_error(&error))?;
        let kept = KeptVersion {
            key,
            version: taken.manifest.version.clone(),
            program: taken.digest,
            trust: match &taken.signed {
                Some(_) => TrustClass::Signed,
                None => TrustClass::Local,
            },
            package: taken.signed.as_ref().map(|signed| signed.digest),
            vouched_for: vouched(taken),
            grant,
            taken_at: self.store().clock().now(),
        };
        Ok((kept, release_of(taken, self.store().clock().now())))
    }

    /// The folders change places, then the row follows.
    async fn put_and_record(
        &self,
        id: Id,
        change: &Change,
        (before, to): (&KeptVersion, &KeptVersion),
        release: Option<RecordRelease>,
        cancel: CancellationToken,
    ) -> Result<(), ControlError> {
        if cancel.is_cancelled() {
            return Err(package_error(&PackageError::Cancelled));
        }
        let name = &change.name;
        let alone = self.0.folders.lock().await;
        self.put(id, name, to.key).await?;
        let record = ChangeVersion {
            manifest: self.manifest_of(to.key).await?,
            dir: self.places().module(name),
            to: to.clone(),
            previous: Some(before.clone()),
            release,
            on_trial: Some(id),
            by: change.by.clone(),
        };
        self.store().commit(record).await?;
        drop(alone);
        let module = self.module(name).await?;
        self.ask_for_schema(&module, to.program).await
    }

    async fn put(&self, id: Id, name: &ModuleName, key: Digest) -> Result<(), ControlError> {
        let (places, name) = (self.places().clone(), name.clone());
        blocking(move || packages::put_in_place(&places, &name, key, id, &|| false))
            .await?
            .map_err(|error| package_error(&error))
    }

    /// Has a module that shall run change over, and waits until it is known whether it works.
    async fn try_version(&self, name: &ModuleName, by: &Actor) -> Result<(), ControlError> {
        if self.module(name).await?.desired != DesiredState::Running {
            return Ok(());
        }
        let reload = RequestReload {
            name: name.clone(),
            by: by.clone(),
        };
        let reload = self.store().commit(reload).await?;
        self.fleet().reset_backoff(name);
        self.fleet().wake(name);
        let ended = async {
            loop {
                match self.store().operation(reload.id).await? {
                    Some(now) if now.status.is_final() => return Ok(now),
                    _ => tokio::time::sleep(LOOK).await,
                }
            }
        };
        let ended: Option<Result<Operation, ControlError>> =
            self.soft().run_until_cancelled(ended).await;
        let Some(ended) = ended else {
            return Err(package_error(&PackageError::Cancelled));
        };
        judge(name, &ended?)
    }

    /// The version before is in place again, with its rights.
    async fn take_back(
        &self,
        id: Id,
        name: &ModuleName,
        before: &KeptVersion,
        earlier: Option<KeptVersion>,
        why: &ControlError,
    ) -> Result<(), ControlError> {
        tracing::warn!(module.name = %name, version = %before.version, %why, "putting the version before back");
        let alone = self.0.folders.lock().await;
        if !self.holds(name, before.key).await? {
            self.put(id, name, before.key).await?;
        }
        let back = ChangeVersion {
            manifest: self.manifest_of(before.key).await?,
            dir: self.places().module(name),
            to: before.clone(),
            previous: earlier,
            release: None,
            on_trial: None,
            by: Actor::host(),
        };
        self.store().commit(back).await?;
        drop(alone);
        self.fleet().reset_backoff(name);
        self.fleet().wake(name);
        Ok(())
    }

    /// Before any module starts: what is in place is what the row says, for each version that was on
    /// its way when the host ended.
    pub(super) async fn resume_change(&self, operation: &Operation, params: &Value) {
        let name = params["module"].as_str().and_then(|name| name.parse().ok());
        let Some(name) = name else {
            let failure = interrupted("it does not say what it was to change");
            return self.end(operation.id, Err(failure)).await;
        };
        if let Err(error) = self.resume_change_of(operation, &name).await {
            self.end(operation.id, Err(failure_of(&error))).await;
        }
    }

    async fn resume_change_of(
        &self,
        operation: &Operation,
        name: &ModuleName,
    ) -> Result<(), ControlError> {
        let own = self.versions_of(name).await?;
        let confirmed = self.module(name).await?.confirmed;
        // What an operator changed by hand since the last upgrade is not ours to put back.
        if let Some(current) = &own.current
            && confirmed == Some(current.program)
            && !self.holds(name, current.key).await?
        {
            self.put(operation.id, name, current.key).await?;
        }
        if own.on_trial != Some(operation.id) {
            let failure = interrupted("the version before is in place");
            self.end(operation.id, Err(failure)).await;
            return Ok(());
        }
        // It is recorded: the supervisor starts it, and what becomes of it is seen by this.
        let (control, name, id) = (self.clone(), name.clone(), operation.id);
        let previous = own.previous;
        self.spawn_operation(id, |_| async move {
            let tried = control.watch_trial(&name).await;
            if control.soft().is_cancelled() {
                return;
            }
            let ended = match (tried, previous) {
                (Ok(()), _) => {
                    let result = json!({ "module": name });
                    control.end_trial(id, &name, result).await
                }
                (Err(error), Some(before)) => {
                    match control.take_back(id, &name, &before, None, &error).await {
                        Ok(()) => Err(error),
                        Err(worse) => Err(worse),
                    }
                }
                (Err(error), None) => Err(error),
            };
            if let Err(error) = ended {
                control.end(id, Err(failure_of(&error))).await;
            }
        });
        Ok(())
    }

    /// Waits until a module that shall run does, or has failed at it.
    async fn watch_trial(&self, name: &ModuleName) -> Result<(), ControlError> {
        loop {
            if self.module(name).await?.desired != DesiredState::Running {
                return Ok(());
            }
            let observed = self.fleet().observed(name);
            match observed.as_ref().map(|seen| seen.state) {
                Some(ObservedState::Running) => return Ok(()),
                Some(ObservedState::Failed | ObservedState::BackingOff) => {
                    let reason = observed.and_then(|seen| seen.reason).unwrap_or_default();
                    return Err(not_ready(name, &reason));
                }
                _ => {}
            }
            let pause = tokio::time::sleep(LOOK);
            if self.soft().run_until_cancelled(pause).await.is_none() {
                return Ok(());
            }
        }
    }
}

/// A version's trial and the operation that began it end together.
struct Worked {
    trial: EndTrial,
    finish: Finish,
}

impl Command for Worked {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        self.trial.apply(tx).await?;
        self.finish.apply(tx).await?;
        Ok(())
    }
}

fn judge(name: &ModuleName, reload: &Operation) -> Result<(), ControlError> {
    match (reload.status, &reload.failure) {
        (OperationStatus::Succeeded, _) => Ok(()),
        (_, Some(failure)) => Err(not_ready(name, &failure.detail)),
        (status, None) => Err(not_ready(name, status.as_str())),
    }
}

fn not_ready(name: &ModuleName, why: &str) -> ControlError {
    ControlError::conflict(
        ControlCode::ModuleNotRunning,
        format!("the new version of `{name}` did not become ready: {why}"),
    )
}

fn went_back(
    name: &ModuleName,
    before: &KeptVersion,
    to: &KeptVersion,
    error: &ControlError,
) -> ControlError {
    ControlError::conflict(
        ControlCode::UpgradeRolledBack,
        format!(
            "`{name}` is at {} again, and {} was taken back: {error}",
            before.version, to.version
        ),
    )
}
