//! What operators asked for: carried out, told step by step, called off, answered.

use bllvm_manifest::ModuleName;
use serde_json::{Value, json};

use super::decide::Now;
use super::fault::StartFailure;
use super::worker::Worker;
use crate::model::{
    Actor, DesiredState, Failure, Operation, OperationKind, OperationStatus, RevisionStatus,
};
use crate::store::StoreError;
use crate::store::commands::{Finish, Progress, SetRevisionStatus, Want};

impl Worker {
    /// Reads the open operation. One that was cancelled meanwhile takes its wish back with it.
    pub async fn look_at_operation(&mut self) -> Result<(), StoreError> {
        let open = self.context.store.open_operation(&self.entry.name).await?;
        let open = open.filter(|operation| is_ours(operation.kind));
        let before = self.operation.take();
        let replaced = before
            .clone()
            .filter(|before| open.as_ref().is_none_or(|open| open.id != before.id));
        let is_new = open.as_ref().is_some_and(|open| {
            open.kind != OperationKind::Unload
                && before.as_ref().is_none_or(|before| before.id != open.id)
        });
        self.operation = open;
        if is_new {
            self.try_at_once();
        }
        let Some(before) = replaced else {
            return Ok(());
        };
        let now = self.context.store.operation(before.id).await?;
        let cancelled = now.is_some_and(|now| now.status == OperationStatus::Cancelled);
        if cancelled && before.kind == OperationKind::Load && self.operation.is_none() {
            self.take_load_back(&self.entry.name.clone()).await?;
        }
        Ok(())
    }

    /// A cancelled load leaves the module unloaded.
    async fn take_load_back(&mut self, name: &ModuleName) -> Result<(), StoreError> {
        let want = Want {
            name: name.clone(),
            desired: DesiredState::Stopped,
            kind: OperationKind::Unload,
            params: Value::Null,
            by: Actor::host(),
        };
        match self.context.store.commit(want).await {
            Ok(unload) => {
                self.module.desired = DesiredState::Stopped;
                self.operation = Some(unload);
                Ok(())
            }
            // Somebody was quicker; their wish counts.
            Err(StoreError::Conflict { .. } | StoreError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether a running module has something to change over to.
    pub fn wants_reload(&self) -> bool {
        self.operation.as_ref().is_some_and(|operation| {
            self.tried_for != Some(operation.id)
                && matches!(
                    operation.kind,
                    OperationKind::Reload | OperationKind::Configure
                )
        })
    }

    /// Looks, in the middle of a start, whether it is still wanted.
    pub async fn is_unwanted_now(&mut self) -> bool {
        if self.context.is_ending() {
            return true;
        }
        let store = &self.context.store;
        let module = store.module(&self.entry.name).await;
        let wanted = match module {
            Ok(Some(module)) => module.desired == DesiredState::Running && module.enabled,
            Ok(None) => false,
            // What cannot be read does not change anything.
            Err(_) => return false,
        };
        if !wanted {
            return true;
        }
        let Some(operation) = &self.operation else {
            return false;
        };
        let now = store.operation(operation.id).await;
        matches!(now, Ok(Some(now)) if now.status == OperationStatus::Cancelled)
    }

    /// Says what is being done.
    pub async fn progress(&mut self, step: &str) {
        let Some(operation) = &self.operation else {
            return;
        };
        if operation.status.is_final() || operation.step == step {
            return;
        }
        let progress = Progress {
            id: operation.id,
            step: step.to_owned(),
            done: 0,
            total: 0,
        };
        self.context.ledger.record(progress).await;
        if let Some(operation) = &mut self.operation {
            step.clone_into(&mut operation.step);
        }
    }

    /// Answers the open operation, where what it asked for is done or cannot be. Tells whether it
    /// did.
    pub async fn answer_operation(&mut self) -> bool {
        let Some(operation) = self.operation.clone() else {
            return false;
        };
        match (operation.kind, self.now) {
            (OperationKind::Unload, Now::Stopped) => self.succeeded(json!({})).await,
            (OperationKind::Load, Now::Running) => {
                self.keep_revision().await;
                let run = self.instance.as_ref().map(|instance| instance.run);
                self.succeeded(json!({ "run": run })).await;
            }
            (OperationKind::Configure | OperationKind::Reload, Now::Running)
                if self.tried_for == Some(operation.id) =>
            {
                // Nothing ran when it was asked for: the start took it over.
                self.keep_revision().await;
                self.succeeded(json!({ "mode": "exclusive" })).await;
            }
            (
                OperationKind::Load | OperationKind::Configure | OperationKind::Reload,
                Now::BackingOff { .. } | Now::Failed,
            ) if self.tried_for == Some(operation.id) => self.gave_up(&operation).await,
            (OperationKind::Unload, _) => {}
            _ if self.instance.is_none() => self.answer_while_stopped(&operation).await,
            _ => {}
        }
        self.operation.is_none()
    }

    async fn gave_up(&mut self, operation: &Operation) {
        let trouble = self
            .trouble
            .clone()
            .unwrap_or_else(|| StartFailure::passing("module_crashed", "it did not come up", None));
        if operation.kind == OperationKind::Configure {
            self.roll_back(&trouble.detail()).await;
        }
        self.failed_operation(trouble.code, trouble.detail()).await;
    }

    async fn answer_while_stopped(&mut self, operation: &Operation) {
        let wanted = self.module.desired == DesiredState::Running;
        match (operation.kind, &self.waits) {
            (OperationKind::Configure, _) if !wanted || !self.module.enabled => {
                self.keep_revision().await;
                let result = json!({ "mode": Value::Null, "note": "applies at the next start" });
                self.succeeded(result).await;
            }
            (_, _) if !self.module.enabled => {
                self.failed_operation("module_disabled", "the module is disabled; enable it first")
                    .await;
            }
            (OperationKind::Reload, _) if !wanted => {
                let text = "the module is not loaded; load it instead";
                self.failed_operation("not_loaded", text).await;
            }
            (OperationKind::Load, Some(wait)) => {
                let (reason, way_out) = (wait.reason.clone(), wait.way_out.clone());
                match way_out {
                    Some(way_out) => {
                        let text = format!("{reason}; {way_out}");
                        self.failed_operation("dependency", text).await;
                    }
                    None => self.progress(&reason).await,
                }
            }
            _ => {}
        }
    }

    /// The revision that a process became ready on is the one that applies.
    pub async fn keep_revision(&self) {
        let running = self
            .instance
            .as_ref()
            .and_then(|instance| instance.plan.revision());
        let Some(number) = running.or(self.module.revision) else {
            return;
        };
        self.set_revision(number, RevisionStatus::Applied, None)
            .await;
    }

    /// The newest revision did not work; the one before applies again.
    pub async fn roll_back(&self, reason: &str) {
        let Some(number) = self.module.revision else {
            return;
        };
        self.set_revision(number, RevisionStatus::RolledBack, Some(reason.to_owned()))
            .await;
    }

    async fn set_revision(&self, number: u64, status: RevisionStatus, reason: Option<String>) {
        let change = SetRevisionStatus {
            module: self.entry.name.clone(),
            number,
            status,
            reason,
        };
        match self.context.store.commit(change).await {
            // A configuration without revisions has nothing to mark.
            Ok(_) | Err(StoreError::NotFound { .. } | StoreError::Closed) => {}
            Err(error) => {
                tracing::error!(module.name = %self.entry.name, %error, "a revision's fate could not be kept");
            }
        }
    }

    pub async fn succeeded(&mut self, result: Value) {
        self.finish(OperationStatus::Succeeded, None, result).await;
    }

    pub async fn failed_operation(&mut self, code: &str, detail: impl Into<String>) {
        let failure = Failure {
            code: code.to_owned(),
            detail: detail.into(),
        };
        self.finish(OperationStatus::Failed, Some(failure), Value::Null)
            .await;
    }

    async fn finish(&mut self, status: OperationStatus, failure: Option<Failure>, result: Value) {
        let Some(operation) = &self.operation else {
            return;
        };
        // What led here is on disk before the answer.
        self.context.ledger.settled().await;
        let finish = Finish {
            id: operation.id,
            status,
            failure,
            result,
        };
        match self.context.store.commit(finish).await {
            Ok(_) | Err(StoreError::NotFound { .. }) => self.operation = None,
            Err(error) => {
                tracing::error!(operation.id = %operation.id, %error, "an operation could not be answered");
            }
        }
    }
}

fn is_ours(kind: OperationKind) -> bool {
    matches!(
        kind,
        OperationKind::Load
            | OperationKind::Unload
            | OperationKind::Reload
            | OperationKind::Configure
    )
}
