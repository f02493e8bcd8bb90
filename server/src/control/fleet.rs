//! What the verbs ask of the running modules. The supervisor is the one that answers; tests put
//! modules behind it that no process is needed for.

use std::time::Duration;

use async_trait::async_trait;
use bllvm_ipc::lifecycle::ConfigVerdict;
use bllvm_manifest::ModuleName;
use serde_json::Value;

use crate::model::Grant;
use crate::supervisor::{CallFailure, Hold, Observed, Supervisor};

/// The running modules.
#[async_trait]
pub trait Fleet: Send + Sync + 'static {
    /// What is wanted of a module changed.
    fn wake(&self, name: &ModuleName);

    /// A module's grant changed: its open sessions are judged by this one from now on.
    fn granted(&self, name: &ModuleName, grant: &Grant);

    /// A module as it is now.
    fn observed(&self, name: &ModuleName) -> Option<Observed>;

    /// Forgets past crashes and failures, so that the next start comes at once.
    fn reset_backoff(&self, name: &ModuleName);

    /// Calls a method that a module offers.
    async fn call(
        &self,
        name: &ModuleName,
        method: &str,
        params: Value,
        caller: &str,
        deadline: Duration,
    ) -> Result<Value, CallFailure>;

    /// Asks a running module to judge a configuration; none where it does not run.
    async fn validate(&self, name: &ModuleName, config: &Value) -> Option<ConfigVerdict>;

    /// Ends a module's process and keeps the next one from starting; none where it did not end in
    /// time.
    async fn hold(&self, name: &ModuleName) -> Option<Hold>;
}

#[async_trait]
impl Fleet for Supervisor {
    fn wake(&self, name: &ModuleName) {
        Supervisor::wake(self, name);
    }

    fn granted(&self, name: &ModuleName, grant: &Grant) {
        Supervisor::granted(self, name, grant);
    }

    fn observed(&self, name: &ModuleName) -> Option<Observed> {
        Supervisor::observed(self, name)
    }

    fn reset_backoff(&self, name: &ModuleName) {
        Supervisor::reset_backoff(self, name);
    }

    async fn call(
        &self,
        name: &ModuleName,
        method: &str,
        params: Value,
        caller: &str,
        deadline: Duration,
    ) -> Result<Value, CallFailure> {
        Supervisor::call(self, name, method, params, caller, deadline).await
    }

    async fn validate(&self, name: &ModuleName, config: &Value) -> Option<ConfigVerdict> {
        Supervisor::validate(self, name, config).await
    }

    async fn hold(&self, name: &ModuleName) -> Option<Hold> {
        Supervisor::hold(self, name).await
    }
}
