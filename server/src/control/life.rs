//! `unload`, `reload`, `enable`, `disable`, `retry`: what is wanted of a module that is known.

use bllvm_manifest::{Digest, ModuleName};
use serde_json::json;

use super::{Control, ControlCode, ControlError};
use crate::model::{
    Actor, DesiredState, Module, ObservedState, Operation, OperationKind, OperationStatus,
};
use crate::store::commands::{Confirm, Done, Finish, RequestReload, SetEnabled, Want, actions};
use crate::store::{Command, StoreError, Tx};

impl Control {
    /// Asks for a module to stop, and to stay so.
    ///
    /// # Errors
    /// Where it is not known, or another operation on it is open.
    pub async fn unload(&self, name: &ModuleName, by: &Actor) -> Result<Operation, ControlError> {
        let verb = async {
            let module = self.module(name).await?;
            let observed = self.fleet().observed(name).map(|seen| seen.state);
            let stopped = matches!(observed, None | Some(ObservedState::Stopped))
                && module.desired == DesiredState::Stopped;
            let wish = Wish {
                want: Want {
                    name: name.clone(),
                    desired: DesiredState::Stopped,
                    kind: OperationKind::Unload,
                    params: serde_json::Value::Null,
                    by: by.clone(),
                },
                already: stopped.then_some("stopped"),
            };
            let operation = self.store().commit(wish).await?;
            self.fleet().wake(name);
            Ok(operation)
        };
        self.audited(actions::UNLOAD_MODULE, name, by, verb).await
    }

    /// Asks a running module to take over what changed. A changed program needs its digest.
    ///
    /// # Errors
    /// Where it does not run, or its program is not the confirmed one and `digest` does not name it.
    pub async fn reload(
        &self,
        name: &ModuleName,
        digest: Option<Digest>,
        by: &Actor,
    ) -> Result<Operation, ControlError> {
        let verb = async {
            let module = self.loadable(name).await?;
            if module.desired != DesiredState::Running {
                return Err(ControlError::conflict(
                    ControlCode::ModuleNotRunning,
                    format!("`{name}` does not run: load it"),
                ));
            }
            let confirmed = self.agreed_digest(&module, digest).await?;
            if module.confirmed != Some(confirmed) {
                self.stop_for_more(&module).await?;
            }
            let reload = Reload {
                confirm: Confirm {
                    name: name.clone(),
                    digest: confirmed,
                    grant: None,
                    by: by.clone(),
                },
            };
            let operation = self.store().commit(reload).await?;
            self.fleet().reset_backoff(name);
            self.fleet().wake(name);
            Ok(operation)
        };
        self.audited(actions::RELOAD_MODULE, name, by, verb).await
    }

    /// Lets a module be loaded again.
    ///
    /// # Errors
    /// Where it is not known.
    pub async fn enable(&self, name: &ModuleName, by: &Actor) -> Result<Module, ControlError> {
        let verb = self.set_enabled(name, true, by);
        self.audited(actions::ENABLE_MODULE, name, by, verb).await
    }

    /// Stops a module and refuses its load until it is enabled again.
    ///
    /// # Errors
    /// Where it is not known.
    pub async fn disable(&self, name: &ModuleName, by: &Actor) -> Result<Module, ControlError> {
        let verb = self.set_enabled(name, false, by);
        self.audited(actions::DISABLE_MODULE, name, by, verb).await
    }

    async fn set_enabled(
        &self,
        name: &ModuleName,
        enabled: bool,
        by: &Actor,
    ) -> Result<Module, ControlError> {
        let set = SetEnabled {
            name: name.clone(),
            enabled,
            by: by.clone(),
        };
        let module = self.store().commit(set).await?;
        self.fleet().wake(name);
        Ok(module)
    }

    /// Tries a module again that failed or waits for its next start.
    ///
    /// # Errors
    /// Where it is not known, or is not wanted to run.
    pub async fn retry(&self, name: &ModuleName, by: &Actor) -> Result<Module, ControlError> {
        let verb = async {
            let module = self.loadable(name).await?;
            if module.desired != DesiredState::Running {
                return Err(ControlError::conflict(
                    ControlCode::ModuleNotRunning,
                    format!(
                        "`{name}` shall not run, so that there is nothing to try again: load it"
                    ),
                ));
            }
            let done = Done {
                action: actions::RETRY_MODULE.to_owned(),
                target: name.to_string(),
                detail: String::new(),
                by: by.clone(),
            };
            self.store().commit(done).await?;
            self.fleet().reset_backoff(name);
            self.fleet().wake(name);
            Ok(module)
        };
        self.audited(actions::RETRY_MODULE, name, by, verb).await
    }
}

/// A wish; where it is fulfilled already, its operation succeeds at once and says so.
pub(super) struct Wish {
    pub(super) want: Want,
    pub(super) already: Option<&'static str>,
}

impl Command for Wish {
    type Output = Operation;

    async fn apply(self, tx: &mut Tx<'_>) -> Result<Operation, StoreError> {
        let operation = self.want.apply(tx).await?;
        let Some(state) = self.already else {
            return Ok(operation);
        };
        let finish = Finish {
            id: operation.id,
            status: OperationStatus::Succeeded,
            failure: None,
            result: json!({ "already": state }),
        };
        finish.apply(tx).await
    }
}

struct Reload {
    confirm: Confirm,
}

impl Command for Reload {
    type Output = Operation;

    async fn apply(self, tx: &mut Tx<'_>) -> Result<Operation, StoreError> {
        let (name, by) = (self.confirm.name.clone(), self.confirm.by.clone());
        self.confirm.apply(tx).await?;
        RequestReload { name, by }.apply(tx).await
    }
}
