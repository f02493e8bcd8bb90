//! Operations: begun, moved on, ended.

use bllvm_manifest::ModuleName;
use serde_json::{Value, json};

use super::actions;
use crate::model::{Actor, Failure, Id, Operation, OperationKind, OperationStatus, kinds};
use crate::store::row::{int, to_json};
use crate::store::{Command, StoreError, Tx};

/// Records an operation. Whoever asked audits it; [`super::Want`] and the like do.
#[derive(Clone, Debug)]
pub struct StartOperation {
    /// What is done.
    pub kind: OperationKind,
    /// To which module; a module has at most one open operation.
    pub module: Option<ModuleName>,
    /// The module that it is about, where it leaves the module free for an operation of its own; at
    /// most one such operation is open.
    pub about: Option<ModuleName>,
    /// What a restart needs to resume it; not shown.
    pub params: Value,
    /// Who asked.
    pub by: Actor,
}

impl Command for StartOperation {
    type Output = Operation;

    async fn apply(self, tx: &mut Tx<'_>) -> Result<Operation, StoreError> {
        if let Some(module) = &self.module
            && let Some(open) = tx.open_operation(module).await?
        {
            return Err(StoreError::Conflict {
                operation: open.id,
                kind: open.kind,
            });
        }
        if let Some(about) = &self.about
            && let Some(open) = tx.open_about(about).await?
        {
            return Err(StoreError::Conflict {
                operation: open.id,
                kind: open.kind,
            });
        }
        let operation = Operation {
            id: tx.new_id(),
            kind: self.kind,
            module: self.module,
            about: self.about,
            status: OperationStatus::Queued,
            step: String::new(),
            done: 0,
            total: 0,
            failure: None,
            result: Value::Null,
            by: self.by.id,
            created_at: tx.now(),
            changed_at: tx.now(),
        };
        let id = operation.id.to_string();
        let (kind, status) = (operation.kind.as_str(), operation.status.as_str());
        let module = operation.module.as_ref().map(ModuleName::as_str);
        let about = operation.about.as_ref().map(ModuleName::as_str);
        let params = to_json(&self.params)?;
        let now = tx.now().to_string();
        sqlx::query!(
            "INSERT INTO operations (id, kind, module, status, step, done, total, failure, result,
                                     params, asked_by, created_at, changed_at, about)
             VALUES ($1, $2, $3, $4, '', 0, 0, NULL, 'null', $5, $6, $7, $7, $8)",
            id,
            kind,
            module,
            status,
            params,
            operation.by,
            now,
            about
        )
        .execute(tx.db())
        .await?;
        tx.operation_event(&operation).await?;
        Ok(operation)
    }
}

/// Says how far an operation is; it is running from then on.
#[derive(Clone, Debug)]
pub struct Progress {
    /// The operation.
    pub id: Id,
    /// The step that is under way, in words.
    pub step: String,
    /// Done so far.
    pub done: u64,
    /// Of so many; 0 where it is not known.
    pub total: u64,
}

impl Command for Progress {
    type Output = Operation;

    async fn apply(self, tx: &mut Tx<'_>) -> Result<Operation, StoreError> {
        let mut operation = tx.operation(self.id).await?;
        if operation.status.is_final() {
            return Ok(operation);
        }
        operation.status = OperationStatus::Running;
        operation.step = self.step;
        operation.done = self.done;
        operation.total = self.total;
        tx.change_operation(operation).await
    }
}

/// Ends an operation; one that has ended already stays as it is.
#[derive(Clone, Debug)]
pub struct Finish {
    /// The operation.
    pub id: Id,
    /// A final status.
    pub status: OperationStatus,
    /// Why it did not succeed.
    pub failure: Option<Failure>,
    /// What came of it.
    pub result: Value,
}

impl Command for Finish {
    type Output = Operation;

    async fn apply(self, tx: &mut Tx<'_>) -> Result<Operation, StoreError> {
        let mut operation = tx.operation(self.id).await?;
        if operation.status.is_final() {
            return Ok(operation);
        }
        operation.status = self.status;
        operation.failure = self.failure;
        operation.result = self.result;
        tx.change_operation(operation).await
    }
}

/// An operator ends an operation.
#[derive(Clone, Debug)]
pub struct Cancel {
    /// The operation.
    pub id: Id,
    /// Who.
    pub by: Actor,
}

impl Command for Cancel {
    type Output = Operation;

    async fn apply(self, tx: &mut Tx<'_>) -> Result<Operation, StoreError> {
        let mut operation = tx.operation(self.id).await?;
        if operation.status.is_final() {
            return Err(StoreError::Refused {
                code: "operation_ended",
                detail: format!(
                    "operation {} has ended already: {}",
                    self.id, operation.status
                ),
            });
        }
        operation.status = OperationStatus::Cancelled;
        operation.failure = Some(Failure {
            code: "cancelled".to_owned(),
            detail: format!("ended by {}", self.by.id),
        });
        let operation = tx.change_operation(operation).await?;
        tx.accepted(&self.by, actions::CANCEL_OPERATION, self.id, "")
            .await?;
        Ok(operation)
    }
}

impl Tx<'_> {
    async fn change_operation(
        &mut self,
        mut operation: Operation,
    ) -> Result<Operation, StoreError> {
        operation.changed_at = self.now();
        let (id, status) = (operation.id.to_string(), operation.status.as_str());
        let (done, total) = (int(operation.done), int(operation.total));
        let failure = operation.failure.as_ref().map(to_json).transpose()?;
        let result = to_json(&operation.result)?;
        let now = operation.changed_at.to_string();
        sqlx::query!(
            "UPDATE operations SET status = $2, step = $3, done = $4, total = $5, failure = $6,
                                   result = $7, changed_at = $8
             WHERE id = $1",
            id,
            status,
            operation.step,
            done,
            total,
            failure,
            result,
            now
        )
        .execute(self.db())
        .await?;
        self.operation_event(&operation).await?;
        Ok(operation)
    }

    async fn operation_event(&mut self, operation: &Operation) -> Result<(), StoreError> {
        self.host_event(kinds::OPERATION, json!(operation)).await?;
        Ok(())
    }
}
