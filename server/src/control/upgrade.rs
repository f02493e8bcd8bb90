//! `upgrade`, `rollback` and `pin`: what would change is said first, more rights are given by a word
//! of their own, and what runs goes on until the new version is ready.

use std::path::{Path, PathBuf};

use bllvm_manifest::{Digest, Manifest, ModuleName};
use bllvm_package::Trust;
use serde_json::json;

use super::change_over::{Change, Target};
use super::folders::{Begin, vouched};
use super::rights::{beyond, requested};
use super::{Control, ControlCode, ControlError};
use crate::model::{
    Actor, DataChange, DesiredState, Grant, KeptVersion, Module, Operation, OperationKind, Rating,
    TrustClass, UpgradePlan, Versions, shares_data,
};
use crate::packages::Taken;
use crate::store::commands::{Done, Pin, StartOperation, actions};

/// Which rights a version gets that asks for others than the module has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantWord {
    /// What it asks for.
    Requested,
    /// No more than the module had.
    Kept,
}

/// Asks for another version of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpgradeRequest {
    /// A folder with `module.toml`, or a program that carries its manifest. A full path.
    pub path: PathBuf,
    /// Takes a package in on the operator's own word.
    pub as_local: bool,
    /// The digest of the program that was looked at; another one is refused.
    pub digest: Option<Digest>,
    /// Its rights, where it asks for more than the module has.
    pub grant: Option<GrantWord>,
}

/// A version that was looked at.
struct Looked {
    taken: Taken,
    trust: Option<Trust>,
    granted: Grant,
    asked: Grant,
    plan: UpgradePlan,
}

impl Control {
    /// Says what an upgrade would change; changes nothing.
    ///
    /// # Errors
    /// Where there is no such module, or the version cannot be used.
    pub async fn plan_upgrade(
        &self,
        name: &ModuleName,
        path: &Path,
        as_local: bool,
    ) -> Result<UpgradePlan, ControlError> {
        Ok(self.look_at_version(name, path, as_local).await?.plan)
    }

    /// Puts another version of a module in place. One that asks for more than the module has needs a
    /// word about that; what runs meanwhile goes on.
    ///
    /// # Errors
    /// Where there is no such module, it is pinned, the version cannot be used or asks for more, or
    /// another operation on the module is open.
    pub async fn upgrade(
        &self,
        name: &ModuleName,
        request: UpgradeRequest,
        by: &Actor,
    ) -> Result<Operation, ControlError> {
        let verb = async {
            let looked = self
                .look_at_version(name, &request.path, request.as_local)
                .await?;
            let Looked {
                taken,
                trust,
                granted,
                asked,
                plan,
            } = looked;
            if let Some(named) = request.digest.filter(|named| *named != taken.digest) {
                return Err(ControlError::conflict(
                    ControlCode::DigestMismatch,
                    format!(
                        "the program in {} is {}, and {named} was named: look again, and name the digest \
                         that you mean",
                        request.path.display(),
                        taken.digest
                    ),
                ));
            }
            let own = self.versions_of(name).await?;
            if let Some(who) = &own.pinned_by {
                return Err(ControlError::conflict(
                    ControlCode::ModulePinned,
                    format!(
                        "`{name}` is pinned to {} by {who}: `module unpin {name}` lets it go",
                        plan.from
                    ),
                ));
            }
            let grant = match (request.grant, plan.asks_for_more.is_empty()) {
                (None, false) => {
                    return Err(ControlError::conflict(
                        ControlCode::GrantExceeded,
                        format!(
                            "{name} {} asks for more than {} has: {}; what runs goes on. Ask again with \
                             `--grant requested` to give that, or `--grant kept` to give no more than before",
                            plan.to,
                            plan.from,
                            plan.asks_for_more.join(", ")
                        ),
                    ));
                }
                (Some(GrantWord::Requested), _) => asked,
                (_, _) => granted.within(&asked),
            };
            let change = Change {
                name: name.clone(),
                target: Target::New {
                    taken: Box::new(taken),
                    trust,
                },
                grant,
                by: by.clone(),
            };
            let detail = format!("from {} to {}, {}", plan.from, plan.to, plan.vouched_for);
            let kind = (OperationKind::Upgrade, actions::UPGRADE_MODULE);
            self.begin_change(change, kind, detail).await
        };
        self.audited(actions::UPGRADE_MODULE, name, by, verb).await
    }

    /// Puts the version before back in place, with the rights that it had.
    ///
    /// # Errors
    /// Where there is none, or the data would go back to a copy and `restore_data` does not say so.
    pub async fn rollback(
        &self,
        name: &ModuleName,
        restore_data: bool,
        by: &Actor,
    ) -> Result<Operation, ControlError> {
        let verb = async {
            let module = self.known(name).await?;
            let own = self.versions_of(name).await?;
            let Some(previous) = own.previous else {
                return Err(ControlError::conflict(
                    ControlCode::NoPreviousVersion,
                    format!("no earlier version of `{name}` is kept: only an upgrade keeps one"),
                ));
            };
            if self.rollback_restores_data(&module, &previous) && !restore_data {
                return Err(ControlError::conflict(
                    ControlCode::DataNotReadable,
                    format!(
                        "{} cannot read what {} wrote: its data goes back to the copy that was made before \
                         the upgrade, and what came since is set aside; say so with `--restore-data`",
                        previous.version, module.manifest.version
                    ),
                ));
            }
            let detail = format!("from {} to {}", module.manifest.version, previous.version);
            let change = Change {
                name: name.clone(),
                grant: previous.grant.clone(),
                target: Target::Kept(Box::new(previous)),
                by: by.clone(),
            };
            let kind = (OperationKind::Rollback, actions::ROLLBACK_MODULE);
            self.begin_change(change, kind, detail).await
        };
        self.audited(actions::ROLLBACK_MODULE, name, by, verb).await
    }

    /// Keeps a module at its version, or lets it be upgraded again.
    ///
    /// # Errors
    /// Where it is not known.
    pub async fn pin(
        &self,
        name: &ModuleName,
        pinned: bool,
        by: &Actor,
    ) -> Result<(), ControlError> {
        let verb = async {
            let pin = Pin {
                name: name.clone(),
                pinned,
                by: by.clone(),
            };
            Ok(self.store().commit(pin).await?)
        };
        self.audited(actions::PIN_MODULE, name, by, verb).await
    }

    /// What is kept of a module's versions.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn versions_of(&self, name: &ModuleName) -> Result<Versions, ControlError> {
        Ok(self
            .store()
            .versions()
            .await?
            .remove(name)
            .unwrap_or_default())
    }

    /// Whether going back to a version brings a copy of the data back, too.
    pub fn rollback_restores_data(&self, module: &Module, previous: &KeptVersion) -> bool {
        previous.version < module.manifest.version
            && self.snapshots().has(&module.name, &previous.version)
    }

    async fn begin_change(
        &self,
        mut change: Change,
        (kind, action): (OperationKind, &str),
        detail: String,
    ) -> Result<Operation, ControlError> {
        let name = &change.name;
        if let Some(open) = self.store().open_operation(name).await? {
            return Err(crate::store::StoreError::Conflict {
                operation: open.id,
                kind: open.kind,
            }
            .into());
        }
        self.refuse_while_changing(name).await?;
        let begin = Begin {
            start: StartOperation {
                kind,
                // Its reload is an operation on the module of its own.
                module: None,
                about: Some(name.clone()),
                params: json!({ "module": name }),
                by: change.by.clone(),
            },
            done: Done {
                action: action.to_owned(),
                target: name.to_string(),
                detail,
                by: change.by.clone(),
            },
        };
        let operation = self.store().commit(begin).await?;
        // The request is carried out with this commit; what follows is no repetition of it.
        change.by.once = None;
        self.spawn_change(operation.id, change);
        Ok(operation)
    }

    async fn refuse_while_changing(&self, name: &ModuleName) -> Result<(), ControlError> {
        let open = self.store().unfinished_operations().await?;
        let other = open.iter().find(|open| {
            matches!(
                open.operation.kind,
                OperationKind::Upgrade | OperationKind::Rollback
            ) && open.params["module"] == name.as_str()
        });
        match other {
            Some(open) => Err(crate::store::StoreError::Conflict {
                operation: open.operation.id,
                kind: open.operation.kind,
            }
            .into()),
            None => Ok(()),
        }
    }

    /// A module that somebody confirmed, and that is not away.
    async fn known(&self, name: &ModuleName) -> Result<Module, ControlError> {
        let module = self.module(name).await?;
        if module.is_waiting() {
            return Err(ControlError::conflict(
                ControlCode::ModuleWaiting,
                format!(
                    "`{name}` was never loaded: load it, or uninstall it and install the other version"
                ),
            ));
        }
        Ok(module)
    }

    async fn look_at_version(
        &self,
        name: &ModuleName,
        path: &Path,
        as_local: bool,
    ) -> Result<Looked, ControlError> {
        let module = self.known(name).await?;
        let mut trust = self.trust_for(as_local).await?;
        if let Some(trust) = &mut trust {
            trust.name = Some(name.clone());
        }
        let taken = self.look_at(path, trust.clone()).await?;
        if taken.manifest.name != *name {
            return Err(ControlError::refused(
                ControlCode::InvalidRequest,
                format!(
                    "{} is the module `{}`, and `{name}` was to be upgraded",
                    path.display(),
                    taken.manifest.name
                ),
            ));
        }
        if module.confirmed == Some(taken.digest) && module.manifest == taken.manifest {
            return Err(ControlError::conflict(
                ControlCode::Conflict,
                format!("`{name}` {} is in place already", taken.manifest.version),
            ));
        }
        self.check_dependencies_of(&taken.manifest).await?;
        let granted = self.store().grant(name).await?;
        let mut asked = requested(&taken.manifest)?;
        for (listener, address) in &mut asked.listeners {
            // An operator's own address stays.
            if let Some(own) = granted.listeners.get(listener) {
                *address = *own;
            }
        }
        let plan = plan_of(&module, &taken, &granted, &asked);
        Ok(Looked {
            taken,
            trust,
            granted,
            asked,
            plan,
        })
    }
}

fn plan_of(module: &Module, taken: &Taken, granted: &Grant, asked: &Grant) -> UpgradePlan {
    let data = if shares_data(&module.manifest, &taken.manifest) {
        DataChange::Shared
    } else {
        DataChange::Copied
    };
    let trust = match &taken.signed {
        Some(_) => TrustClass::Signed,
        None => TrustClass::Local,
    };
    UpgradePlan {
        module: module.name.clone(),
        from: module.manifest.version.clone(),
        to: taken.manifest.version.clone(),
        digest: taken.digest,
        vouched_for: vouched(taken),
        rating: Rating::of(&taken.manifest, trust).in_words(),
        asks_for_more: beyond(asked, granted),
        asks_no_more_for: beyond(granted, asked),
        data,
        steps: steps(module, &taken.manifest, data),
    }
}

fn steps(module: &Module, new: &Manifest, data: DataChange) -> Vec<String> {
    let mut steps = vec![format!(
        "{} {} is kept for a way back.",
        module.name, module.manifest.version
    )];
    if new.version < module.manifest.version {
        steps.push("This is an older version than the one that is in place.".to_owned());
    }
    match (data, module.desired) {
        (DataChange::Shared, DesiredState::Running) => steps.push(
            "It changes over by a reload; if the new version is not ready in time, the old one goes on."
                .to_owned(),
        ),
        (DataChange::Copied, DesiredState::Running) => steps.push(
            "The old version stops, its data is copied, the new one starts; if that is not ready in \
             time, the data is put back and the old one starts again."
                .to_owned(),
        ),
        (_, DesiredState::Stopped) => steps.push("It runs from the next load on.".to_owned()),
    }
    steps
}
