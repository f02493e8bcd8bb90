//! One task a module: looks at what is wanted, decides, does it, looks again.
//!
//! Starting and stopping is in `start.rs`, changing over in `reload.rs`, what operators asked for
//! in `operations.rs`.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bllvm_ipc::Capability;
use bllvm_ipc::log::Level;
use bllvm_manifest::Digest;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::Entry;
use super::backoff::Backoff;
use super::context::Context;
use super::decide::{Action, Desired, Now, decide};
use super::dependencies::{self, Neighbour, Neighbours, Wait};
use super::fault::{StartFailure, describe};
use super::hold::Holding;
use super::instance::{Instance, Plan};
use super::listeners::Listeners;
use super::registry::Serving;
use crate::model::{
    DesiredState, Exit, Grant, Health, Id, Module, ObservedState, Operation, RequiredLayer,
};
use crate::store::StoreError;

/// When a store that did not answer is asked again.
const STORE_RETRY: Duration = Duration::from_secs(1);

/// One module's worker.
pub(super) struct Worker {
    pub context: Arc<Context>,
    pub entry: Arc<Entry>,
    pub module: Module,
    pub grant: Grant,
    /// The layers that it may start without.
    pub waived: BTreeSet<RequiredLayer>,
    pub now: Now,
    pub instance: Option<Instance>,
    pub listeners: Listeners,
    pub backoff: Backoff,
    /// The open operation of this module.
    pub operation: Option<Operation>,
    /// The operation for which a start was tried already.
    pub tried_for: Option<Id>,
    /// Why the last start or run did not go on.
    pub trouble: Option<StartFailure>,
    /// What was so when a fault stopped it; anything else is worth another try.
    faulty: Option<Circumstances>,
    /// What it was started from last; a crash starts it from the same.
    pub plan: Option<Plan>,
    pub waits: Option<Wait>,
    /// The version that ran last on its data.
    pub ran: Option<semver::Version>,
    /// How often an operator had asked to try again, when that was last looked at.
    retries: u64,
    epoch: Instant,
    changes: watch::Receiver<u64>,
}

/// Everything that a person can change about a fault.
#[derive(Clone, Debug, PartialEq)]
struct Circumstances {
    confirmed: Option<Digest>,
    found: Option<Digest>,
    problem: Option<String>,
    version: semver::Version,
    revision: Option<u64>,
    grant: Grant,
    waived: BTreeSet<RequiredLayer>,
    operation: Option<Id>,
    retries: u64,
}

impl Worker {
    pub fn new(context: Arc<Context>, entry: Arc<Entry>, module: Module) -> Self {
        // Equal seeds for all would make all restart at once.
        let name_seed = Digest::of(entry.name.as_str()).as_bytes()[..8]
            .iter()
            .fold(0_u64, |all, byte| all << 8 | u64::from(*byte));
        Self {
            changes: context.registry.changes(),
            backoff: Backoff::new(context.settings.seed ^ name_seed),
            context,
            entry,
            module,
            grant: Grant::default(),
            waived: BTreeSet::new(),
            now: Now::Stopped,
            instance: None,
            listeners: Listeners::default(),
            operation: None,
            tried_for: None,
            trouble: None,
            faulty: None,
            plan: None,
            waits: None,
            ran: None,
            retries: 0,
            epoch: Instant::now(),
        }
    }

    /// Runs until the module is removed or the host ends.
    pub async fn run(mut self) {
        loop {
            match self.look().await {
                Ok(true) => {}
                Ok(false) | Err(StoreError::Closed) => break,
                Err(error) => {
                    tracing::error!(module.name = %self.entry.name, %error, "a module's wishes could not be read");
                    tokio::select! {
                        () = tokio::time::sleep(STORE_RETRY) => {}
                        () = self.context.hard.cancelled() => break,
                    }
                    continue;
                }
            }
            let action = decide(self.desired(), self.now, self.epoch.elapsed());
            match action {
                Action::Start => Box::pin(self.start()).await,
                Action::Stop => self.stop().await,
                Action::Reload => Box::pin(self.reload()).await,
                Action::Settle => self.settle().await,
                Action::Rest => {
                    self.acknowledge_hold();
                    self.show_wait().await;
                    if self.answer_operation().await {
                        continue;
                    }
                    if self.context.is_ending() && self.instance.is_none() {
                        break;
                    }
                    self.wait(None).await;
                }
                Action::WaitUntil(time) => {
                    if !self.answer_operation().await {
                        self.wait(Some(self.epoch + time)).await;
                    }
                }
            }
        }
        if self.instance.is_some() {
            self.stop().await;
        }
        self.listeners.close();
        self.entry.serving.send_replace(Serving::Nobody);
    }

    /// Reads what is wanted now. False when the module is gone.
    async fn look(&mut self) -> Result<bool, StoreError> {
        if self.context.is_ending() {
            self.waits = None;
            return Ok(true);
        }
        // What comes with an operation, such as a revision or a grant, may have come since it was read.
        loop {
            let before = self.operation.as_ref().map(|operation| operation.id);
            if !self.look_at_module().await? {
                return Ok(false);
            }
            self.look_at_operation().await?;
            if self.operation.as_ref().map(|operation| operation.id) == before {
                break;
            }
        }
        let name = self.entry.name.clone();
        let has_dependencies = !self.module.manifest.dependencies.is_empty()
            || !self.module.manifest.optional_dependencies.is_empty();
        self.waits = if has_dependencies {
            dependencies::blocked(&name, &self.neighbours().await?)
        } else {
            None
        };
        Ok(true)
    }

    /// Reads what the module is and may. False when it is gone.
    async fn look_at_module(&mut self) -> Result<bool, StoreError> {
        let store = self.context.store.clone();
        let name = self.entry.name.clone();
        let Some(module) = store.module(&name).await? else {
            return Ok(false);
        };
        self.module = module;
        let resources = self.entry.resources.lock();
        *resources.unwrap_or_else(PoisonError::into_inner) = self.module.manifest.resources;
        let grant = store.grant(&name).await?;
        // The sessions may have it already: an operator's change holds from its answer on.
        self.entry.rights.set(grant.clone());
        if std::mem::replace(&mut self.grant, grant.clone()) != grant {
            self.grant_changed();
        }
        self.waived = store.waived(&name).await?;
        let retries = self.entry.retries.load(Ordering::Relaxed);
        if std::mem::replace(&mut self.retries, retries) != retries {
            self.try_at_once();
        }
        Ok(true)
    }

    pub async fn neighbours(&self) -> Result<Neighbours, StoreError> {
        let modules = self.context.store.modules().await?;
        let neighbours = modules.into_iter().map(|module| {
            let observed = self.context.registry.observed(&module.name);
            let state = observed
                .as_ref()
                .map_or(ObservedState::Stopped, |observed| observed.state);
            let reason = observed.and_then(|observed| observed.reason);
            let neighbour = Neighbour::new(&module, state, reason);
            (module.name, neighbour)
        });
        Ok(neighbours.collect())
    }

    /// A right that was taken away ends what stands on it.
    fn grant_changed(&self) {
        let Some(instance) = &self.instance else {
            return;
        };
        if !self
            .grant
            .capabilities
            .contains(&Capability::EventsSubscribe)
        {
            instance.session.close_feed();
        }
        if !self
            .grant
            .capabilities
            .contains(&Capability::ModuleRegister)
        {
            self.entry
                .observed
                .send_modify(|observed| observed.methods.clear());
        }
    }

    fn desired(&self) -> Desired {
        let wanted = self.module.desired == DesiredState::Running && self.module.enabled;
        Desired {
            run: wanted && !self.context.is_ending(),
            held: *self.entry.hold.borrow() != Holding::Free,
            blocked: self.waits.is_some(),
            reload: self.wants_reload(),
            mended: self.faulty.as_ref() != Some(&self.circumstances()),
        }
    }

    /// Whoever keeps it from running is told that nothing runs.
    fn acknowledge_hold(&self) {
        if self.instance.is_none() {
            self.entry.hold.send_if_modified(|state| {
                let asked = *state == Holding::Asked;
                if asked {
                    *state = Holding::Kept;
                }
                asked
            });
        }
    }

    fn circumstances(&self) -> Circumstances {
        Circumstances {
            confirmed: self.module.confirmed,
            found: self.module.digest,
            problem: self.module.problem.clone(),
            version: self.module.manifest.version.clone(),
            revision: self.module.revision,
            grant: self.grant.clone(),
            waived: self.waived.clone(),
            operation: self
                .operation
                .as_ref()
                .map(|operation| operation.id)
                .filter(|id| self.tried_for != Some(*id)),
            retries: self.entry.retries.load(Ordering::Relaxed),
        }
    }

    /// Waits for whatever comes first: a wish, a time, a neighbour, or news of the process.
    async fn wait(&mut self, until: Option<Instant>) {
        let mut ending = self.context.ending.subscribe();
        let listens = self.waits.is_some();
        let news = async {
            match &self.instance {
                Some(instance) => news_of(instance).await,
                None => std::future::pending().await,
            }
        };
        let time = async {
            match until {
                Some(time) => sleep_until(time).await,
                None => std::future::pending().await,
            }
        };
        let was_ending = self.context.is_ending();
        let news = tokio::select! {
            news = news => Some(news),
            () = self.entry.wake.notified() => None,
            () = time => None,
            _ = self.changes.changed(), if listens => None,
            _ = ending.wait_for(Option::is_some), if !was_ending => None,
        };
        if let Some(news) = news {
            self.meet(news).await;
        }
    }

    /// The process ended, or has to end, without anybody having asked for it.
    async fn meet(&mut self, news: News) {
        let Some(mut instance) = self.instance.take() else {
            return;
        };
        self.entry.serving.send_replace(Serving::Nobody);
        let failure = match news {
            News::Ended => {
                let end = instance.process.gone().await;
                StartFailure::ended("while it was running", &end)
            }
            News::Closed => instance.why_closed("while it was running").await,
            News::Unresponsive => {
                let missed = self.context.settings.heartbeat_misses;
                let reason = format!("it missed {missed} signs of life in a row");
                self.show(
                    ObservedState::Running,
                    Health::Unresponsive,
                    Some(reason.clone()),
                    None,
                )
                .await;
                instance.process.terminate();
                let patience = self.context.settings.term_deadline;
                let _ = timeout(patience, instance.process.gone()).await;
                StartFailure::killed("unresponsive", "unresponsive", reason)
            }
        };
        instance.heartbeat = None;
        let ran = instance.ready_at.map(|ready| ready.elapsed());
        let exit = instance
            .bury(&self.context, &self.entry, failure.exit.clone())
            .await;
        tracing::warn!(
            module.name = %self.entry.name, exit = %describe(&exit), "a module ended without being asked"
        );
        self.crashed(failure, ran).await;
    }

    /// After a crash: when to start again.
    pub async fn crashed(&mut self, failure: StartFailure, ran: Option<Duration>) {
        let wait = self.backoff.after_crash(&self.module.manifest.restart, ran);
        self.now = Now::BackingOff {
            until: self.epoch.elapsed() + wait,
        };
        self.entry
            .observed
            .send_modify(|observed| observed.restarts += 1);
        let reason = failure.detail();
        self.trouble = Some(failure);
        self.show(
            ObservedState::BackingOff,
            Health::Unknown,
            Some(reason),
            Some(wait),
        )
        .await;
    }

    /// An operator's wish does not wait for a backoff.
    pub fn try_at_once(&mut self) {
        self.backoff.reset();
        if let Now::BackingOff { until } = &mut self.now {
            *until = Duration::ZERO;
        }
    }

    /// After a fault: nothing, until something changes.
    pub async fn failed(&mut self, failure: StartFailure) {
        self.now = Now::Failed;
        self.faulty = Some(self.circumstances());
        self.context
            .note(&self.entry.name, Level::Error, failure.detail());
        self.trouble = Some(failure);
        self.listeners.close();
        let (reason, way_out) = self.trouble.as_ref().map_or((None, None), |trouble| {
            (Some(trouble.reason.clone()), trouble.way_out.clone())
        });
        self.entry
            .observed
            .send_modify(|observed| observed.way_out = way_out);
        self.show(ObservedState::Failed, Health::Unknown, reason, None)
            .await;
    }

    /// Nothing is wanted any more of what crashed or failed.
    async fn settle(&mut self) {
        self.now = Now::Stopped;
        self.trouble = None;
        self.faulty = None;
        self.backoff.reset();
        self.listeners.close();
        self.show(ObservedState::Stopped, Health::Unknown, None, None)
            .await;
    }

    /// How a run that was asked to end did so.
    pub fn remember_stop(&mut self, exit: &Exit) {
        if let Exit::Killed { reason } = exit {
            self.context.note(
                &self.entry.name,
                Level::Warn,
                format!("it did not end when asked and was killed ({reason})"),
            );
        }
    }

    pub fn elapsed(&self) -> Duration {
        self.epoch.elapsed()
    }
}

/// What can happen to a running process.
enum News {
    Ended,
    Closed,
    Unresponsive,
}

async fn news_of(instance: &Instance) -> News {
    let silent = async {
        match &instance.heartbeat {
            Some(heartbeat) => heartbeat.lost().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        _ = instance.process.until(|life| life.end.is_some() || life.gone) => News::Ended,
        _ = instance.connection.closed() => News::Closed,
        () = silent => News::Unresponsive,
    }
}
