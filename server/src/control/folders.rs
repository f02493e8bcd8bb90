//! `install` and `uninstall`: a module's folder taken in or put away, as a task whose operation moves
//! on step by step. Files come before the row when a module comes, and go before it when it goes.

use std::fs;
use std::path::Path;
use std::time::Duration;

use bllvm_manifest::{Digest, ModuleName};
use bllvm_package::{Refusal, Trust};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::handle::blocking;
use super::requests::no_module;
use super::{Control, ControlCode, ControlError, Extent, InstallRequest, UninstallRequest};
use crate::model::{
    Actor, DesiredState, Failure, Id, ObservedState, Operation, OperationKind, OperationStatus,
    Rating, Source, TakenRelease, TrustClass, UtcTime,
};
use crate::packages::{self, PackageError, Taken};
use crate::store::commands::{
    Done, Finish, FoundModule, Progress, RecordRelease, Remove, StartOperation, Want, actions,
};
use crate::store::{Command, StoreError, Tx};

/// Between two looks at a module that is asked to stop.
const LOOK: Duration = Duration::from_millis(50);

impl Control {
    /// Takes a module in from a folder or a program; it waits then for its first load.
    ///
    /// # Errors
    /// Where it cannot be used as it is, or its name is taken.
    pub async fn install(
        &self,
        request: InstallRequest,
        by: &Actor,
    ) -> Result<Operation, ControlError> {
        let target = request.path.display().to_string();
        let verb = async {
            let trust = self.trust_for(request.as_local).await?;
            let taken = self.look_at(&request.path, trust.clone()).await?;
            let name = taken.manifest.name.clone();
            let known = self.store().module(&name).await?;
            let dir = self.places().module(&name);
            let waits_at_cargo = known
                .as_ref()
                .is_some_and(|module| module.source == Source::Cargo && !module.dir.is_dir());
            if (known.is_some() && !waits_at_cargo) || dir.symlink_metadata().is_ok() {
                return Err(ControlError::conflict(
                    ControlCode::ModuleExists,
                    format!(
                        "a module `{name}` is there already ({}): uninstall it first, or replace its \
                         program and reload it",
                        dir.display()
                    ),
                ));
            }
            let begin = Begin {
                start: StartOperation {
                    kind: OperationKind::Install,
                    module: Some(name.clone()),
                    about: None,
                    params: json!({
                        "path": request.path, "digest": taken.digest, "as_local": request.as_local,
                    }),
                    by: by.clone(),
                },
                done: Done {
                    action: actions::INSTALL_MODULE.to_owned(),
                    target: name.to_string(),
                    detail: format!(
                        "from {target}, digest {}, {}",
                        taken.digest,
                        vouched(&taken)
                    ),
                    by: by.clone(),
                },
            };
            let operation = self.store().commit(begin).await?;
            self.spawn_install(operation.id, taken, trust, by.clone());
            Ok(operation)
        };
        self.audited(actions::INSTALL_MODULE, &target, by, verb)
            .await
    }

    /// None where the operator's own word stands for a signature.
    pub(super) async fn trust_for(&self, as_local: bool) -> Result<Option<Trust>, ControlError> {
        if as_local {
            return Ok(None);
        }
        Ok(Some(self.trust().await?))
    }

    pub(super) async fn look_at(
        &self,
        path: &Path,
        trust: Option<Trust>,
    ) -> Result<Taken, ControlError> {
        let refused = |detail: String| ControlError::refused(ControlCode::InvalidRequest, detail);
        if !path.is_absolute() {
            return Err(refused(format!(
                "{}: name the full path of a folder or program",
                path.display()
            )));
        }
        let path = path.to_owned();
        blocking(move || packages::look_at(&path, trust.as_ref()))
            .await?
            .map_err(|error| match &error {
                PackageError::Refused { .. } => package_error(&error),
                _ => refused(error.to_string()),
            })
    }

    /// Goes on with an install that our own end cut short.
    pub(super) async fn resume_install(&self, operation: &Operation, params: &Value) {
        if params["registry"].is_string() {
            return self.resume_listed(operation, params).await;
        }
        let by = Actor::named(operation.by.clone());
        let asked = params["path"].as_str().map(Path::new);
        let digest = params["digest"].as_str().and_then(|text| text.parse().ok());
        let (Some(path), Some(digest)) = (asked, digest) else {
            let failure = interrupted("it does not say what it was to take in");
            self.end(operation.id, Err(failure)).await;
            return;
        };
        let as_local = params["as_local"].as_bool().unwrap_or(false);
        let trust = match self.trust_for(as_local).await {
            Ok(trust) => trust,
            Err(error) => return self.end(operation.id, Err(failure_of(&error))).await,
        };
        // Renamed already, so that only its row was missing.
        if let Some(name) = &operation.module
            && let Ok(taken) = self
                .look_at(&self.places().module(name), trust.clone())
                .await
            && taken.digest == digest
        {
            let row = self.record_install(&taken, digest, &by).await;
            self.end(operation.id, row.map_err(|error| failure_of(&error)))
                .await;
            return;
        }
        match self.look_at(path, trust.clone()).await {
            Ok(taken) if taken.digest == digest => {
                self.spawn_install(operation.id, taken, trust, by);
            }
            Ok(_) => {
                let failure = interrupted("its program changed meanwhile");
                self.end(operation.id, Err(failure)).await;
            }
            Err(error) => self.end(operation.id, Err(failure_of(&error))).await,
        }
    }

    fn spawn_install(&self, id: Id, taken: Taken, trust: Option<Trust>, by: Actor) {
        let control = self.clone();
        self.spawn_operation(id, |cancel| async move {
            let outcome = control.install_now(id, &taken, trust, &by, cancel).await;
            let ended = outcome.map_err(|error| failure_of(&error));
            control.end(id, ended).await;
        });
    }

    pub(super) async fn install_now(
        &self,
        id: Id,
        taken: &Taken,
        trust: Option<Trust>,
        by: &Actor,
        cancel: CancellationToken,
    ) -> Result<Value, ControlError> {
        self.step(id, "copying", 0, 2).await?;
        let (places, copied) = (self.places().clone(), taken.clone());
        blocking(move || {
            packages::take_in(&places, &copied, trust.as_ref(), id, &|| {
                cancel.is_cancelled()
            })
        })
        .await?
        .map_err(|error| package_error(&error))?;
        self.step(id, "recording", 1, 2).await?;
        self.record_install(taken, taken.digest, by).await
    }

    pub(super) async fn record_install(
        &self,
        taken: &Taken,
        digest: Digest,
        by: &Actor,
    ) -> Result<Value, ControlError> {
        let dir = self.places().module(&taken.manifest.name);
        let trust = match &taken.signed {
            Some(_) => TrustClass::Signed,
            None => TrustClass::Local,
        };
        let found = FoundModule {
            manifest: taken.manifest.clone(),
            dir: dir.clone(),
            source: Source::Folder,
            trust,
            digest: Some(digest),
            problem: None,
            by: by.clone(),
        };
        let release = release_of(taken, self.store().clock().now());
        self.store().commit(TakenIn { found, release }).await?;
        Ok(json!({
            "vouched_for": vouched(taken),
            "rating": Rating::of(&taken.manifest, trust).in_words(),
            "module": taken.manifest.name, "version": taken.manifest.version, "digest": digest,
            "dir": dir, "next": "load it to confirm the digest and give it its rights",
        }))
    }

    /// Removes a module, which is stopped first where it runs. Its folder goes into the trash, its
    /// data only where that is asked for. Of one that was removed before, everything that was kept
    /// can still be removed.
    ///
    /// # Errors
    /// Where it is not known, the name was not confirmed, or another operation on it is open.
    pub async fn uninstall(
        &self,
        name: &ModuleName,
        request: UninstallRequest,
        by: &Actor,
    ) -> Result<Operation, ControlError> {
        let verb = async {
            let known = self.store().module(name).await?.is_some();
            let purge = request.extent == Extent::Everything;
            let left = !known && purge && self.left_something(name).await?;
            if !known && !left {
                return Err(no_module(name));
            }
            if request.confirm_name != name.as_str() {
                return Err(ControlError::conflict(
                    ControlCode::ConfirmationMismatch,
                    format!("type the module's name, `{name}`, to confirm its removal"),
                ));
            }
            self.refuse_if_needed_by_others(name).await?;
            let extent = request.extent;
            let params = json!({
                "delete_data": extent.deletes_data(), "purge": extent == Extent::Everything,
            });
            let (kind, by) = (OperationKind::Uninstall, by.clone());
            let operation = if known {
                let want = Want {
                    name: name.clone(),
                    desired: DesiredState::Stopped,
                    kind,
                    params,
                    by: by.clone(),
                };
                self.store().commit(want).await?
            } else {
                let start = StartOperation {
                    kind,
                    module: Some(name.clone()),
                    about: None,
                    params,
                    by: by.clone(),
                };
                self.store().commit(start).await?
            };
            self.fleet().wake(name);
            self.spawn_uninstall(operation.id, name.clone(), extent, by);
            Ok(operation)
        };
        self.audited(actions::UNINSTALL_MODULE, name, by, verb)
            .await
    }

    fn spawn_uninstall(&self, id: Id, name: ModuleName, extent: Extent, by: Actor) {
        let control = self.clone();
        self.spawn_operation(id, |cancel| async move {
            let outcome = control.uninstall_now(id, &name, extent, &by, cancel).await;
            match outcome {
                Ok(()) => {}
                // The node stops: the operation stays open, and the next start goes on.
                Err(_) if control.soft().is_cancelled() => {}
                Err(error) => control.end(id, Err(failure_of(&error))).await,
            }
        });
    }

    /// Goes on with an uninstall that our own end cut short. Each of its steps may be done already,
    /// and does no harm when it is done again.
    pub(super) async fn resume_uninstall(&self, operation: &Operation, params: &Value) {
        let by = Actor::named(operation.by.clone());
        let wish = operation
            .module
            .clone()
            .zip(params["delete_data"].as_bool());
        if let Some((name, delete_data)) = wish {
            let extent = Extent::of(delete_data, params["purge"].as_bool().unwrap_or(false));
            self.spawn_uninstall(operation.id, name, extent, by);
            return;
        }
        let why = "it does not say what it was to remove; the module is stopped and still there";
        self.end(operation.id, Err(interrupted(why))).await;
    }

    async fn refuse_if_needed_by_others(&self, name: &ModuleName) -> Result<(), ControlError> {
        let modules = self.store().modules().await?;
        let needs = modules.iter().find(|module| {
            module.desired == DesiredState::Running
                && module.manifest.dependencies.contains_key(name)
        });
        match needs {
            Some(module) => Err(ControlError::conflict(
                ControlCode::Conflict,
                format!("`{}` runs and needs `{name}`: unload it first", module.name),
            )),
            None => Ok(()),
        }
    }

    async fn uninstall_now(
        &self,
        id: Id,
        name: &ModuleName,
        extent: Extent,
        by: &Actor,
        cancel: CancellationToken,
    ) -> Result<(), ControlError> {
        self.step(id, "stopping", 0, 3).await?;
        self.wait_until_stopped(name, &cancel).await?;
        self.step(id, "moving its files away", 1, 3).await?;
        let (places, module) = (self.places().clone(), name.clone());
        let delete_data = extent.deletes_data();
        let (folder, data) =
            blocking(move || packages::put_away(&places, &module, id, delete_data))
                .await?
                .map_err(|error| package_error(&error))?;
        if delete_data {
            let removed = self.snapshots().remove(name).await;
            removed.map_err(|error| ControlError::files(error.to_string()))?;
        }
        self.drop_versions(name).await?;
        let purge = extent == Extent::Everything;
        if purge {
            self.purge_files(name).await?;
        }
        self.step(id, "removing its record", 2, 3).await?;
        let kept = (!delete_data).then(|| self.places().data(name));
        let gone = Gone {
            remove: Remove {
                name: name.clone(),
                delete_data,
                purge,
                by: by.clone(),
            },
            finish: Finish {
                id,
                status: OperationStatus::Succeeded,
                failure: None,
                result: json!({
                    "folder": folder.filter(|_| !purge), "data_deleted": delete_data, "purged": purge,
                    "data_kept": kept.filter(|data| data.is_dir()),
                }),
            },
        };
        self.store().commit(gone).await?;
        self.forget_file(name);
        self.fleet().wake(name);
        if let Some(data) = data.filter(|_| !purge) {
            // What stays is swept at the next start.
            let deleted = blocking(move || fs::remove_dir_all(data)).await?;
            if let Err(error) = deleted {
                tracing::warn!(module.name = %name, %error, "could not delete all of a removed module's data yet");
            }
        }
        Ok(())
    }

    async fn wait_until_stopped(
        &self,
        name: &ModuleName,
        cancel: &CancellationToken,
    ) -> Result<(), ControlError> {
        let stopped = async {
            while self.fleet().observed(name).is_some_and(|seen| {
                !matches!(seen.state, ObservedState::Stopped) && seen.pid.is_some()
            }) {
                tokio::time::sleep(LOOK).await;
            }
        };
        let stopped = cancel.run_until_cancelled(stopped);
        match tokio::time::timeout(self.settings().stop_deadline, stopped).await {
            Ok(Some(())) => Ok(()),
            Ok(None) => Err(package_error(&PackageError::Cancelled)),
            Err(_) => Err(ControlError::Unavailable {
                detail: format!("`{name}` did not stop in time; nothing was removed: try again"),
                retry_ms: 5000,
            }),
        }
    }

    /// Moves an operation on.
    pub(super) async fn step(
        &self,
        id: Id,
        step: &str,
        done: u64,
        total: u64,
    ) -> Result<(), ControlError> {
        let step = step.to_owned();
        let progress = Progress {
            id,
            step,
            done,
            total,
        };
        self.store().commit(progress).await?;
        Ok(())
    }

    /// Ends an operation.
    pub(super) async fn end(&self, id: Id, outcome: Result<Value, Failure>) {
        let finish = match outcome {
            Ok(result) => Finish {
                id,
                status: OperationStatus::Succeeded,
                failure: None,
                result,
            },
            Err(failure) => Finish {
                id,
                status: OperationStatus::Failed,
                failure: Some(failure),
                result: Value::Null,
            },
        };
        if let Err(error) = self.store().commit(finish).await {
            tracing::error!(operation.id = %id, %error, "could not record how an operation ended");
        }
    }
}

pub(super) fn failure_of(error: &ControlError) -> Failure {
    Failure {
        code: error.code().to_owned(),
        detail: error.to_string(),
    }
}

pub(super) fn interrupted(why: &str) -> Failure {
    Failure {
        code: "interrupted".to_owned(),
        detail: format!("the node stopped while it was under way, and {why}: ask again"),
    }
}

/// What is remembered of a signed module: no older release comes after it.
pub(super) fn release_of(taken: &Taken, taken_at: UtcTime) -> Option<RecordRelease> {
    taken.signed.as_ref().map(|signed| RecordRelease {
        module: taken.manifest.name.clone(),
        release: TakenRelease {
            publisher: signed.publisher.clone(),
            release_seq: signed.release_seq,
            digest: signed.digest,
            signed_by: signed.keys.clone(),
            installed: true,
            taken_at,
        },
    })
}

/// Who vouches for a module, in words.
pub(super) fn vouched(taken: &Taken) -> String {
    match &taken.signed {
        Some(signed) => format!(
            "release {} signed by {} ({} {})",
            signed.release_seq,
            signed.publisher,
            signed.keys.len(),
            if signed.keys.len() == 1 {
                "key"
            } else {
                "keys"
            }
        ),
        None => "signed by nobody whom this node trusts".to_owned(),
    }
}

pub(super) fn package_error(error: &PackageError) -> ControlError {
    match error {
        PackageError::Refused {
            source: Refusal::Io { source, .. },
            ..
        } if source.kind() == std::io::ErrorKind::StorageFull => {
            ControlError::Store(StoreError::DiskFull)
        }
        PackageError::Refused { source, .. } => ControlError::Package {
            reason: source.code(),
            detail: error.to_string(),
        },
        PackageError::Exists(_) => {
            ControlError::conflict(ControlCode::ModuleExists, error.to_string())
        }
        PackageError::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
            ControlError::Store(StoreError::DiskFull)
        }
        _ => ControlError::files(error.to_string()),
    }
}

/// An operation with the audit row of its asking.
pub(super) struct Begin {
    pub(super) start: StartOperation,
    pub(super) done: Done,
}

impl Command for Begin {
    type Output = Operation;

    async fn apply(self, tx: &mut Tx<'_>) -> Result<Operation, StoreError> {
        self.done.apply(tx).await?;
        self.start.apply(tx).await
    }
}

/// A module that was taken in, and the release that nothing older may follow.
struct TakenIn {
    found: FoundModule,
    release: Option<RecordRelease>,
}

impl Command for TakenIn {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        self.found.apply(tx).await?;
        match self.release {
            Some(release) => release.apply(tx).await,
            None => Ok(()),
        }
    }
}

/// A module's rows go, and the operation that did it succeeds.
struct Gone {
    remove: Remove,
    finish: Finish,
}

impl Command for Gone {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        self.remove.apply(tx).await?;
        self.finish.apply(tx).await?;
        Ok(())
    }
}
