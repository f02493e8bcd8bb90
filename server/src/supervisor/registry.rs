//! All modules at a glance: what each is now, and who serves its calls.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use bllvm_ipc::lifecycle::Call;
use bllvm_ipc::method as m;
use bllvm_ipc::types::ModuleCallResult;
use bllvm_ipc::{CallError, Connection};
use bllvm_manifest::{ModuleName, Resources};
use serde_json::Value;
use tokio::sync::{Notify, Semaphore, watch};

use super::hold::Holding;
use super::{CallFailure, Observed};
use crate::clock::SharedClock;
use crate::ipc::{ParamsSchemas, Rights, Submissions};

/// Who answers a module's calls.
#[derive(Clone, Debug)]
pub(crate) enum Serving {
    /// Nobody.
    Nobody,
    /// A reload is changing over: callers wait for whoever comes.
    ChangingOver,
    /// This process.
    By(Connection),
}

/// One module's place.
#[derive(Debug)]
pub struct Entry {
    pub(crate) name: ModuleName,
    pub(crate) observed: watch::Sender<Observed>,
    pub(crate) serving: watch::Sender<Serving>,
    pub(crate) wake: Notify,
    /// Whether it is kept from running for a moment.
    pub(crate) hold: watch::Sender<Holding>,
    pub(crate) rights: Rights,
    pub(crate) submissions: Arc<Submissions>,
    pub(crate) feed_turn: Arc<Semaphore>,
    /// Counts an operator's wishes to be tried again.
    pub(crate) retries: AtomicU64,
    /// Launchers of this module, for sampling.
    pub(crate) roots: Mutex<Vec<u32>>,
    /// What its methods' parameters must be.
    pub(crate) params: ParamsSchemas,
    /// What its manifest allows, for whoever shows usage beside it.
    pub(crate) resources: Mutex<Resources>,
}

impl Entry {
    pub(crate) fn observed(&self) -> Observed {
        self.observed.borrow().clone()
    }

    pub(crate) fn roots(&self) -> MutexGuard<'_, Vec<u32>> {
        self.roots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every module that the supervisor knows.
#[derive(Debug)]
pub struct Registry {
    clock: SharedClockDebug,
    submissions_per_minute: u32,
    entries: RwLock<BTreeMap<ModuleName, Arc<Entry>>>,
    /// Counts up whenever a module's state changed; those that depend on others listen.
    changes: watch::Sender<u64>,
}

struct SharedClockDebug(SharedClock);

impl std::fmt::Debug for SharedClockDebug {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

impl Registry {
    pub(crate) fn new(clock: SharedClock, submissions_per_minute: u32) -> Arc<Self> {
        Arc::new(Self {
            clock: SharedClockDebug(clock),
            submissions_per_minute,
            entries: RwLock::default(),
            changes: watch::Sender::new(0),
        })
    }

    /// The place of a module, if it is known.
    pub(crate) fn find(&self, name: &ModuleName) -> Option<Arc<Entry>> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.get(name).cloned()
    }

    /// The place of a module, made where there is none.
    pub(crate) fn entry(&self, name: &ModuleName) -> Arc<Entry> {
        if let Some(entry) = self.find(name) {
            return entry;
        }
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.entry(name.clone()).or_insert_with(|| {
            Arc::new(Entry {
                name: name.clone(),
                observed: watch::Sender::new(Observed::stopped(self.clock.0.now())),
                serving: watch::Sender::new(Serving::Nobody),
                wake: Notify::new(),
                hold: watch::Sender::default(),
                rights: Rights::default(),
                submissions: Arc::new(Submissions::new(self.submissions_per_minute)),
                feed_turn: Arc::new(Semaphore::new(1)),
                retries: AtomicU64::new(0),
                roots: Mutex::default(),
                params: ParamsSchemas::default(),
                resources: Mutex::default(),
            })
        });
        Arc::clone(entry)
    }

    pub(crate) fn remove(&self, name: &ModuleName) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.remove(name);
    }

    pub(crate) fn all(&self) -> Vec<Arc<Entry>> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.values().cloned().collect()
    }

    /// A module as it is now.
    pub fn observed(&self, name: &ModuleName) -> Option<Observed> {
        self.find(name).map(|entry| entry.observed())
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(crate) fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    pub(crate) fn retry(&self, name: &ModuleName) {
        if let Some(entry) = self.find(name) {
            entry.retries.fetch_add(1, Ordering::Relaxed);
            entry.wake.notify_one();
        }
    }

    /// Calls a method of a module. While a reload changes over, it waits for the new process.
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
        let entry = self
            .find(module)
            .ok_or_else(|| CallFailure::NoModule(module.clone()))?;
        let call = Call {
            method: method.to_owned(),
            params,
            caller: caller.to_owned(),
        };
        match tokio::time::timeout(deadline, entry.call(&call)).await {
            Ok(answer) => answer.map(|answer| answer.result),
            Err(_) => Err(CallFailure::Deadline(
                u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX),
            )),
        }
    }
}

impl Entry {
    /// Calls whoever serves. What is sent is sent before a reload drains: a reload that begins while
    /// this waits for its turn has it start over.
    async fn call(&self, call: &Call) -> Result<ModuleCallResult, CallFailure> {
        loop {
            let connection = self.connection().await?;
            self.offers(&call.method)?;
            self.params.check(&call.method, &call.params)?;
            let turn = connection.turn().await;
            let sent = {
                // Held while it is sent, so that nobody changes over in between.
                let serving = self.serving.borrow();
                match &*serving {
                    Serving::By(now) if now.is(&connection) => turn
                        .and_then(|turn| turn.send::<m::Call>(call))
                        .map_err(failure)?,
                    _ => continue,
                }
            };
            return sent.answer().await.map_err(failure);
        }
    }

    /// Whoever serves, once nobody is changing over.
    async fn connection(&self) -> Result<Connection, CallFailure> {
        let mut serving = self.serving.subscribe();
        let settled = serving
            .wait_for(|serving| !matches!(serving, Serving::ChangingOver))
            .await
            .map(|serving| serving.clone());
        if let Ok(Serving::By(connection)) = settled {
            return Ok(connection);
        }
        let observed = self.observed();
        Err(CallFailure::NotRunning {
            state: observed.state,
            reason: observed.reason,
        })
    }

    fn offers(&self, method: &str) -> Result<(), CallFailure> {
        let observed = self.observed.borrow();
        if observed.methods.iter().any(|known| known.name == method) {
            return Ok(());
        }
        Err(CallFailure::NoMethod {
            method: method.to_owned(),
            known: observed.methods.iter().map(|m| m.name.clone()).collect(),
        })
    }
}

fn failure(error: CallError) -> CallFailure {
    match error {
        CallError::Reply(reply) => CallFailure::Refused(reply),
        CallError::Closed => CallFailure::Gone,
        shape @ CallError::Shape { .. } => CallFailure::Invalid(shape.to_string()),
    }
}
