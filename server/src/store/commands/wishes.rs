//! What operators want of a module: recorded here, brought about by the supervisor.

use bllvm_manifest::ModuleName;
use serde_json::{Value, json};

use super::{StartOperation, actions};
use crate::model::{Actor, DesiredState, Operation, OperationKind, kinds};
use crate::store::{Command, StoreError, Tx};

/// An operator wants a module to run or to stop.
#[derive(Clone, Debug)]
pub struct Want {
    /// The module.
    pub name: ModuleName,
    /// What is wanted.
    pub desired: DesiredState,
    /// What the operation is called: load or unload.
    pub kind: OperationKind,
    /// What a restart needs to resume it; not shown.
    pub params: Value,
    /// Who.
    pub by: Actor,
}

impl Command for Want {
    type Output = Operation;

    async fn apply(self, tx: &mut Tx<'_>) -> Result<Operation, StoreError> {
        tx.module(&self.name).await?;
        let action = match self.desired {
            DesiredState::Running => actions::LOAD_MODULE,
            DesiredState::Stopped => actions::UNLOAD_MODULE,
        };
        tx.accepted(&self.by, action, &self.name, "").await?;
        let (key, desired, now) = (
            self.name.as_str(),
            self.desired.as_str(),
            tx.now().to_string(),
        );
        sqlx::query!(
            "UPDATE modules SET desired = $2, changed_at = $3 WHERE name = $1",
            key,
            desired,
            now
        )
        .execute(tx.db())
        .await?;
        let data = json!({"module": self.name, "desired": self.desired, "by": self.by.id});
        tx.host_event(kinds::MODULE_DESIRED, data).await?;
        StartOperation {
            kind: self.kind,
            module: Some(self.name),
            about: None,
            params: self.params,
            by: self.by,
        }
        .apply(tx)
        .await
    }
}

/// An operator wants a module to take over what changed.
#[derive(Clone, Debug)]
pub struct RequestReload {
    /// The module.
    pub name: ModuleName,
    /// Who.
    pub by: Actor,
}

impl Command for RequestReload {
    type Output = Operation;

    async fn apply(self, tx: &mut Tx<'_>) -> Result<Operation, StoreError> {
        tx.module(&self.name).await?;
        tx.accepted(&self.by, actions::RELOAD_MODULE, &self.name, "")
            .await?;
        StartOperation {
            kind: OperationKind::Reload,
            module: Some(self.name),
            about: None,
            params: Value::Null,
            by: self.by,
        }
        .apply(tx)
        .await
    }
}
