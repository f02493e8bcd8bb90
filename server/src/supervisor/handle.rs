//! The handle that everybody else holds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bllvm_ipc::lifecycle::{ConfigVerdict, NewConfig};
use bllvm_ipc::method as m;
use bllvm_manifest::ModuleName;
use serde_json::Value;
use tokio::sync::watch;

use super::context::{Context, Parts};
use super::hold::{self, Hold};
use super::registry::Serving;
use super::{CallFailure, Observed, ShutdownReport, fleet, sampling};
use crate::model::Grant;

/// How long a module may take to judge a configuration.
const VALIDATE_DEADLINE: Duration = Duration::from_secs(5);

/// The supervisor. Cheap to clone.
#[derive(Clone)]
pub struct Supervisor {
    context: Arc<Context>,
}

impl std::fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Supervisor").finish_non_exhaustive()
    }
}

impl Supervisor {
    /// Starts: every module that the store wants to run is brought there.
    ///
    /// # Errors
    /// When the system has no thread for spawning.
    pub fn start(parts: Parts) -> std::io::Result<Self> {
        let context = Context::new(parts)?;
        context.tracker.spawn(fleet::run(Arc::clone(&context)));
        context.tracker.spawn(sampling::run(Arc::clone(&context)));
        Ok(Self { context })
    }

    /// What is wanted of a module changed.
    pub fn wake(&self, module: &ModuleName) {
        if let Some(entry) = self.context.registry.find(module) {
            entry.wake.notify_one();
        }
        // One that somebody follows has an entry before it has a worker.
        self.context.look_again.notify_one();
        // Those that need it may have been waiting for it.
        self.context.registry.changed();
    }

    /// Modules came or went, or anything may have changed.
    pub fn wake_all(&self) {
        self.context.look_again.notify_one();
        for entry in self.context.registry.all() {
            entry.wake.notify_one();
        }
        self.context.registry.changed();
    }

    /// A module as it is now; none that the supervisor does not know yet.
    pub fn observed(&self, module: &ModuleName) -> Option<Observed> {
        self.context.registry.observed(module)
    }

    /// All modules as they are now.
    pub fn observed_all(&self) -> BTreeMap<ModuleName, Observed> {
        let entries = self.context.registry.all();
        let observed = entries
            .iter()
            .map(|entry| (entry.name.clone(), entry.observed()));
        observed.collect()
    }

    /// Follows a module. One that does not exist (yet) is stopped.
    pub fn watch(&self, module: &ModuleName) -> watch::Receiver<Observed> {
        self.context.registry.entry(module).observed.subscribe()
    }

    /// Calls a published method of a module.
    ///
    /// # Errors
    /// See [`CallFailure`].
    pub async fn call(
        &self,
        module: &ModuleName,
        method: &str,
        params: Value,
        caller: &str,
        deadline: Duration,
    ) -> Result<Value, CallFailure> {
        let registry = &self.context.registry;
        registry
            .call(module, method, params, caller, deadline)
            .await
    }

    /// Lets a running module judge a configuration; none when it does not run or does not answer.
    pub async fn validate(&self, module: &ModuleName, config: &Value) -> Option<ConfigVerdict> {
        let entry = self.context.registry.find(module)?;
        let Serving::By(connection) = entry.serving.borrow().clone() else {
            return None;
        };
        let new = NewConfig {
            config: config.clone(),
            revision: 0,
        };
        let verdict = connection.call::<m::Validate>(&new);
        let verdict = tokio::time::timeout(VALIDATE_DEADLINE, verdict).await;
        verdict.ok()?.ok()
    }

    /// A module's grant changed: its open sessions are judged by this one from now on.
    pub fn granted(&self, module: &ModuleName, grant: &Grant) {
        if let Some(entry) = self.context.registry.find(module) {
            entry.rights.set(grant.clone());
        }
    }

    /// Forgets crashes and faults: the module is tried again at once.
    pub fn reset_backoff(&self, module: &ModuleName) {
        self.context.registry.retry(module);
    }

    /// Ends a module's process and keeps the next one from starting, until the hold is dropped. None
    /// where it did not end in time.
    pub async fn hold(&self, module: &ModuleName) -> Option<Hold> {
        let settings = &self.context.settings;
        // A start that is under way is waited for, and then its stop.
        let patience = settings.hello_deadline
            + settings.ready_deadline
            + settings.drain_deadline
            + settings.term_deadline * 2;
        hold::hold(&self.context, module, patience).await
    }

    /// Stops every module, those that need others first, all within one deadline. What is wanted
    /// stays as it is: the next host brings them back.
    pub async fn shutdown(&self, deadline: Duration) -> ShutdownReport {
        fleet::shutdown(&self.context, deadline).await
    }
}
