//! Operations that an operator ends, and what a restart does with what was open.

use bllvm_manifest::ModuleName;
use serde_json::Value;

use super::handle::lock;
use super::{Control, ControlError};
use crate::model::{Actor, DesiredState, Id, Operation, OperationKind};
use crate::store::commands::{Cancel, Want, actions};
use crate::store::{Command, StoreError, Tx};

impl Control {
    /// Ends an operation. A module whose load is ended shall not run any more.
    ///
    /// # Errors
    /// Where there is none of this id, or it is over already.
    pub async fn cancel_operation(&self, id: Id, by: &Actor) -> Result<Operation, ControlError> {
        let verb = async {
            let operation = self.store().commit(End { id, by: by.clone() }).await?;
            if let Some(cancel) = lock(&self.0.cancels).get(&id) {
                cancel.cancel();
            }
            if let Some(module) = &operation.module {
                self.fleet().wake(module);
            }
            Ok(operation)
        };
        self.audited(actions::CANCEL_OPERATION, id, by, verb).await
    }

    /// After a start: what we did ourselves goes on; the supervisor takes up what modules were asked.
    pub(super) async fn resume_operations(&self) -> Result<(), ControlError> {
        for open in self.store().unfinished_operations().await? {
            let operation = &open.operation;
            match operation.kind {
                OperationKind::Install => self.resume_install(operation, &open.params).await,
                OperationKind::Fetch => self.resume_listed(operation, &open.params).await,
                OperationKind::Mine => self.resume_mining(operation, &open.params).await,
                OperationKind::Import => self.resume_import(operation, &open.params).await,
                OperationKind::Uninstall => self.resume_uninstall(operation, &open.params).await,
                OperationKind::Upgrade | OperationKind::Rollback => {
                    self.resume_change(operation, &open.params).await;
                }
                OperationKind::Backup => self.end_lost_backup(operation).await,
                OperationKind::Load
                | OperationKind::Unload
                | OperationKind::Reload
                | OperationKind::Configure => {}
            }
        }
        Ok(())
    }
}

/// An operation ends; the wish behind a load ends with it.
struct End {
    id: Id,
    by: Actor,
}

impl Command for End {
    type Output = Operation;

    async fn apply(self, tx: &mut Tx<'_>) -> Result<Operation, StoreError> {
        let cancel = Cancel {
            id: self.id,
            by: self.by.clone(),
        };
        let operation = cancel.apply(tx).await?;
        if operation.kind == OperationKind::Load
            && let Some(name) = &operation.module
            && is_known(tx, name).await?
        {
            let stop = Want {
                name: name.clone(),
                desired: DesiredState::Stopped,
                kind: OperationKind::Unload,
                params: Value::Null,
                by: self.by,
            };
            stop.apply(tx).await?;
        }
        Ok(operation)
    }
}

async fn is_known(tx: &mut Tx<'_>, name: &ModuleName) -> Result<bool, StoreError> {
    Ok(tx.find_module(name).await?.is_some())
}
