//! The other modules: who is there, and calls of their published methods.

use bllvm_ipc::method::{ModuleCall, ModuleList, ModuleRegister};
use bllvm_ipc::types::{
    Empty, MethodDescription, ModuleCallRequest, ModuleSummary, RegisterRequest,
};
use bllvm_ipc::{CallError, Connection};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Result;

/// The other modules, as far as the operator granted it.
#[derive(Clone, Debug)]
pub struct Modules {
    connection: Connection,
}

impl Modules {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection }
    }

    /// The installed modules, in order of name.
    pub async fn list(&self) -> Result<Vec<ModuleSummary>, CallError> {
        let answer = self.connection.call::<ModuleList>(&Empty {}).await?;
        Ok(answer.modules)
    }

    /// Calls a published method of another module.
    ///
    /// # Errors
    /// The other module's refusal, a missing grant, a lost connection, or a result of another
    /// shape.
    pub async fn call<R: DeserializeOwned>(
        &self,
        module: &str,
        method: &str,
        params: impl Serialize,
    ) -> Result<R> {
        let request = ModuleCallRequest {
            module: module.to_owned(),
            method: method.to_owned(),
            params: serde_json::to_value(params)?,
        };
        let answer = self.connection.call::<ModuleCall>(&request).await?;
        Ok(serde_json::from_value(answer.result)?)
    }

    /// Publishes other methods than those of [`crate::Module::methods`]; replaces them.
    pub async fn register(&self, methods: Vec<MethodDescription>) -> Result<(), CallError> {
        self.connection
            .call::<ModuleRegister>(&RegisterRequest { methods })
            .await
            .map(drop)
    }
}
