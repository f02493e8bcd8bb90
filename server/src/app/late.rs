//! The supervisor, before there is one: the operator's verbs take up what the last run left
//! before modules are started, and already need somebody to tell.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bllvm_ipc::lifecycle::ConfigVerdict;
use bllvm_manifest::ModuleName;
use serde_json::Value;

use crate::control::Fleet;
use crate::model::{Grant, ObservedState};
use crate::supervisor::{CallFailure, Hold, Observed, Supervisor};

/// A fleet that is still empty, and is the supervisor's from [`LateFleet::arrive`] on.
#[derive(Clone, Debug, Default)]
pub struct LateFleet(Arc<OnceLock<Supervisor>>);

impl LateFleet {
    /// From here on the supervisor answers.
    pub fn arrive(&self, supervisor: Supervisor) {
        // There is one supervisor a run.
        let _ = self.0.set(supervisor);
    }
}

#[async_trait]
impl Fleet for LateFleet {
    fn wake(&self, name: &ModuleName) {
        // The supervisor reads everything when it starts.
        if let Some(supervisor) = self.0.get() {
            supervisor.wake(name);
        }
    }

    fn granted(&self, name: &ModuleName, grant: &Grant) {
        if let Some(supervisor) = self.0.get() {
            supervisor.granted(name, grant);
        }
    }

    fn observed(&self, name: &ModuleName) -> Option<Observed> {
        self.0.get()?.observed(name)
    }

    fn reset_backoff(&self, name: &ModuleName) {
        if let Some(supervisor) = self.0.get() {
            supervisor.reset_backoff(name);
        }
    }

    async fn call(
        &self,
        name: &ModuleName,
        method: &str,
        params: Value,
        caller: &str,
        deadline: Duration,
    ) -> Result<Value, CallFailure> {
        match self.0.get() {
            Some(supervisor) => {
                supervisor
                    .call(name, method, params, caller, deadline)
                    .await
            }
            None => Err(CallFailure::NotRunning {
                state: ObservedState::Stopped,
                reason: Some("the node is starting".to_owned()),
            }),
        }
    }

    async fn validate(&self, name: &ModuleName, config: &Value) -> Option<ConfigVerdict> {
        self.0.get()?.validate(name, config).await
    }

    async fn hold(&self, name: &ModuleName) -> Option<Hold> {
        match self.0.get() {
            Some(supervisor) => supervisor.hold(name).await,
            None => Some(Hold::of_nothing()),
        }
    }
}
