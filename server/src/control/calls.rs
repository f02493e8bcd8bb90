//! `call`: a method that a module offers to people and programs.

use bllvm_manifest::ModuleName;
use serde_json::Value;

use super::requests::no_module;
use super::{Control, ControlError};
use crate::model::Actor;
use crate::store::commands::{Done, actions};
use crate::supervisor::CallFailure;

impl Control {
    /// What a method answers for a page, which changes nothing and so leaves no audit row.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], or [`ControlError::Call`] with the module's own words.
    pub async fn page(
        &self,
        name: &ModuleName,
        method: &str,
        params: Value,
        by: &Actor,
    ) -> Result<Value, ControlError> {
        let deadline = self.settings().call_deadline;
        let answer = self
            .fleet()
            .call(name, method, params, &by.id, deadline)
            .await;
        answer.map_err(refused)
    }

    /// Calls a method of a running module. The audit trail keeps that it was called, and not what
    /// with: parameters and answers belong to the module.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], or [`ControlError::Call`] with the module's own words.
    pub async fn call(
        &self,
        name: &ModuleName,
        method: &str,
        params: Value,
        by: &Actor,
    ) -> Result<Value, ControlError> {
        let target = format!("{name}/{method}");
        let verb = async {
            let deadline = self.settings().call_deadline;
            let answer = self
                .fleet()
                .call(name, method, params, &by.id, deadline)
                .await;
            let answer = answer.map_err(refused)?;
            let done = Done {
                action: actions::CALL_MODULE.to_owned(),
                target: target.clone(),
                detail: String::new(),
                by: by.clone(),
            };
            self.store().commit(done).await?;
            Ok(answer)
        };
        self.audited(actions::CALL_MODULE, &target, by, verb).await
    }
}

fn refused(failure: CallFailure) -> ControlError {
    match failure {
        CallFailure::NoModule(name) => no_module(&name),
        other => ControlError::Call(other),
    }
}
