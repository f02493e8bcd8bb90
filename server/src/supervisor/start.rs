//! Starting a module's process, and stopping it.

use std::sync::Arc;
use std::time::Duration;

use bllvm_ipc::handshake::Goodbye;
use bllvm_ipc::lifecycle::StartReason;
use bllvm_ipc::log::Level;
use bllvm_manifest::{Digest, Manifest};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::CurrentConfig;
use super::decide::Now;
use super::dependencies;
use super::fault::StartFailure;
use super::instance::{Inheritance, Instance, Plan};
use super::programs::Program;
use super::registry::Serving;
use super::snapshots::{Done, Snapshots};
use super::worker::Worker;
use crate::model::{Exit, Health, ObservedState, ReloadMode};
use crate::store::PageRequest;

/// How often a module that is about to stop looks whether its dependents have.
const LOOK_AT_DEPENDENTS: Duration = Duration::from_millis(20);

impl Worker {
    /// Starts a process and brings it to running.
    pub async fn start(&mut self) {
        self.tried_for = self.operation.as_ref().map(|operation| operation.id);
        self.progress("checking the program").await;
        let reason = match self.now {
            Now::BackingOff { .. } => StartReason::Restart,
            _ => StartReason::Load,
        };
        let plan = match self.plan(reason, None).await {
            Ok(plan) => plan,
            Err(failure) => return self.not_started(failure).await,
        };
        if let Err(failure) = self.fit_data(&plan.manifest).await {
            return self.not_started(failure).await;
        }
        match self.bring_up(plan, true).await {
            Ok(instance) => self.serve(instance).await,
            Err(failure) => self.not_started(failure).await,
        }
    }

    /// Makes the data fit the version that starts next, where another one ran before: a copy is kept
    /// of what the next one could not hand back, and brought back on the way back.
    pub async fn fit_data(&mut self, next: &Manifest) -> Result<(), StartFailure> {
        let ran = match self.ran.take() {
            Some(ran) => Some(ran),
            None => self.ran_before().await,
        };
        self.ran = Some(next.version.clone());
        let Some(ran) = ran.filter(|ran| *ran != next.version) else {
            return Ok(());
        };
        self.progress("making its data fit the version").await;
        let snapshots = Snapshots::new(
            self.context.settings.data_dir.clone(),
            self.context.store.clone(),
        );
        match snapshots.prepare(&ran, next).await {
            Ok(Done::Nothing) => Ok(()),
            Ok(Done::Kept) => {
                let text = format!("a copy of its data was kept as {ran} left it");
                self.context.note(&self.entry.name, Level::Info, text);
                Ok(())
            }
            Ok(Done::BroughtBack) => {
                let text = format!("its data is as {} had left it", next.version);
                self.context.note(&self.entry.name, Level::Warn, text);
                Ok(())
            }
            Err(error) => {
                self.ran = Some(ran);
                Err(StartFailure::fault(
                    "data_not_kept",
                    format!("its data could not be kept for the way back: {error}"),
                    "see that there is room on the disk, then retry",
                ))
            }
        }
    }

    /// The version of its last process, also in an earlier run of the host.
    async fn ran_before(&self) -> Option<semver::Version> {
        let newest = PageRequest::of(1);
        let runs = self.context.store.runs(&self.entry.name, &newest);
        let runs = runs.await.ok()?;
        runs.items.first()?.version.parse().ok()
    }

    /// What the next process is started from: the confirmed program, the configuration that
    /// applies.
    pub async fn plan(
        &mut self,
        reason: StartReason,
        reload: Option<ReloadMode>,
    ) -> Result<Plan, StartFailure> {
        // A crash starts what was confirmed and kept; what became of the files since is for a load.
        let kept = reason == StartReason::Restart
            && self.plan.as_ref().map(|plan| plan.digest) == self.module.confirmed;
        if let Some(problem) = self.module.problem.as_ref().filter(|_| !kept) {
            return Err(StartFailure::fault(
                "module_broken",
                problem.clone(),
                "mend it, then retry",
            ));
        }
        let Some(confirmed) = self.module.confirmed else {
            return Err(StartFailure::fault(
                "not_confirmed",
                "nobody has confirmed its program yet",
                format!(
                    "load it by hand once: bllvm-node module load {}",
                    self.entry.name
                ),
            ));
        };
        let program = self.verified(confirmed).await?;
        let config = self.current_config().await?;
        Ok(Plan {
            manifest: self.module.manifest.clone(),
            digest: confirmed,
            program,
            config,
            reason,
            reload,
            dir: self.module.dir.clone(),
            waived: self.waived.clone(),
        })
    }

    async fn verified(&self, confirmed: Digest) -> Result<Program, StartFailure> {
        let context = Arc::clone(&self.context);
        let (dir, manifest) = (self.module.dir.clone(), self.module.manifest.clone());
        // Hashing reads the whole file, which is not for a runtime's thread.
        let verified = tokio::task::spawn_blocking(move || {
            let settings = &context.settings;
            let store = settings.data_dir.join("store");
            context
                .programs
                .verified(&dir, &manifest, confirmed, &store, &settings.interpreters)
        });
        match verified.await {
            Ok(Ok(program)) => Ok(program),
            Ok(Err(error)) => Err(StartFailure::program(&error, &self.entry.name)),
            Err(error) => Err(StartFailure::passing("host_fault", error.to_string(), None)),
        }
    }

    pub async fn current_config(&self) -> Result<Option<CurrentConfig>, StartFailure> {
        let config = self.context.configs.current(&self.entry.name).await;
        let config = config.map_err(|reason| {
            StartFailure::fault(
                "config_unreadable",
                format!("its configuration could not be read: {reason}"),
                "mend the configuration; it is tried again then",
            )
        })?;
        if let Some(config) = &config {
            self.context
                .logs
                .set_secrets(&self.entry.name, config.secrets.clone());
        }
        Ok(config)
    }

    /// From a plan to a process that was activated. Shows the state only if it is the module's
    /// only process.
    pub async fn bring_up(&mut self, plan: Plan, shown: bool) -> Result<Instance, StartFailure> {
        if shown {
            self.now = Now::Starting;
            self.show(ObservedState::Starting, Health::Unknown, None, None)
                .await;
        }
        let mut instance = self.bring_to_prepared(plan).await?;
        if shown {
            let (pid, isolation) = (instance.process.life().pid, instance.isolation());
            self.entry.observed.send_modify(|observed| {
                observed.pid = pid;
                observed.run = Some(instance.run);
                observed.isolation = isolation;
            });
        }
        self.progress("activating").await;
        match self.activated(&mut instance).await {
            Ok(()) => Ok(instance),
            Err(failure) => Err(self.discard(instance, failure).await),
        }
    }

    /// From a plan to a process that is prepared: it accepts nothing yet.
    pub async fn bring_to_prepared(&mut self, plan: Plan) -> Result<Instance, StartFailure> {
        self.progress("opening its listeners").await;
        let granted = self.grant.listeners.clone();
        self.listeners.open(&granted)?;
        let descriptors = self.listeners.descriptors().map_err(|error| {
            StartFailure::passing(
                "spawn_failed",
                format!("no descriptor is left: {error}"),
                None,
            )
        })?;
        let inheritance = Inheritance {
            descriptors,
            names: self.listeners.names(),
        };
        self.progress("starting the process and waiting for its hello")
            .await;
        let (context, entry) = (Arc::clone(&self.context), Arc::clone(&self.entry));
        let cancel = CancellationToken::new();
        let begun = Instance::begin(&context, &entry, plan, inheritance, &cancel);
        let instance = self.unless_called_off(&cancel, begun).await?;
        self.progress("handing over its configuration").await;
        let cancel = CancellationToken::new();
        let preparing = async {
            tokio::select! {
                prepared = instance.prepare(&context) => prepared,
                () = cancel.cancelled() => Err(StartFailure::cancelled()),
            }
        };
        match self.unless_called_off(&cancel, preparing).await {
            Ok(()) => Ok(instance),
            Err(failure) => Err(self.discard(instance, failure).await),
        }
    }

    /// Activates a prepared process.
    pub async fn activated(&mut self, instance: &mut Instance) -> Result<(), StartFailure> {
        let (context, entry) = (Arc::clone(&self.context), Arc::clone(&self.entry));
        let cancel = CancellationToken::new();
        let activating = async {
            tokio::select! {
                active = instance.activate(&context, &entry) => active,
                () = cancel.cancelled() => Err(StartFailure::cancelled()),
            }
        };
        self.unless_called_off(&cancel, activating).await
    }

    /// Kills a process that did not come up, and records its end.
    pub async fn discard(&self, instance: Instance, failure: StartFailure) -> StartFailure {
        instance.kill().await;
        instance
            .bury(&self.context, &self.entry, failure.exit.clone())
            .await;
        failure
    }

    /// The process serves from now on.
    pub async fn serve(&mut self, instance: Instance) {
        self.ran = Some(instance.plan.version().clone());
        self.plan = Some(instance.plan.clone());
        let connection = instance.connection.clone();
        self.instance = Some(instance);
        self.now = Now::Running;
        self.trouble = None;
        self.entry.serving.send_replace(Serving::By(connection));
        self.show(ObservedState::Running, Health::Healthy, None, None)
            .await;
    }

    /// The process did not come up.
    pub async fn not_started(&mut self, failure: StartFailure) {
        self.entry.serving.send_replace(Serving::Nobody);
        if failure.cancelled {
            self.now = Now::Stopped;
            self.listeners.close();
            self.show(ObservedState::Stopped, Health::Unknown, None, None)
                .await;
        } else if failure.permanent {
            self.failed(failure).await;
        } else {
            self.crashed(failure, None).await;
        }
    }

    /// Runs something that takes a while; calls it off when it is not wanted any more.
    pub async fn unless_called_off<T>(
        &mut self,
        cancel: &CancellationToken,
        work: impl Future<Output = T>,
    ) -> T {
        tokio::pin!(work);
        let mut ending = self.context.ending.subscribe();
        let entry = Arc::clone(&self.entry);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = entry.wake.notified() => {}
                _ = ending.wait_for(Option::is_some), if !cancel.is_cancelled() => cancel.cancel(),
            }
            if !cancel.is_cancelled() && self.is_unwanted_now().await {
                cancel.cancel();
            }
        }
    }

    /// Ends the process in good order.
    pub async fn stop(&mut self) {
        self.let_dependents_stop().await;
        let Some(instance) = self.instance.take() else {
            self.now = Now::Stopped;
            return;
        };
        self.now = Now::Stopping;
        self.progress("letting it finish what is open").await;
        self.entry.serving.send_replace(Serving::Nobody);
        self.instance = Some(instance);
        self.show(ObservedState::Stopping, Health::Unknown, None, None)
            .await;
        let Some(instance) = self.instance.take() else {
            return;
        };
        let exit = self
            .end(instance, "shutdown", "the host stops this module")
            .await;
        self.remember_stop(&exit);
        self.now = Now::Stopped;
        self.trouble = None;
        self.backoff.reset();
        self.listeners.close();
        self.show(ObservedState::Stopped, Health::Unknown, None, None)
            .await;
    }

    /// Drains and parts.
    pub async fn end(&self, mut instance: Instance, code: &str, words: &str) -> Exit {
        instance.heartbeat = None;
        instance.session.close_feed();
        let by = *self.context.ending.borrow();
        let mut drain = self.context.settings.drain_deadline;
        if let Some(by) = by {
            // Half of what is left is for the rest of the way.
            drain = drain.min(by.saturating_duration_since(Instant::now()) / 2);
        }
        let drained = tokio::select! {
            drained = instance.drain(drain) => drained,
            () = self.context.hard.cancelled() => Ok(()),
        };
        if let Err(failure) = drained {
            self.context.note(
                &self.entry.name,
                Level::Warn,
                format!("it did not drain: {}", failure.reason),
            );
        }
        let exit = instance
            .part(&self.context, &Goodbye::new(code, words), by)
            .await;
        instance
            .bury(&self.context, &self.entry, Some(exit.clone()))
            .await;
        exit
    }

    /// While the host stops, those who need this module stop before it.
    async fn let_dependents_stop(&mut self) {
        let Some(by) = *self.context.ending.borrow() else {
            return;
        };
        let Ok(all) = self.neighbours().await else {
            return;
        };
        let waiting = async {
            for name in dependencies::dependents(&self.entry.name, &all) {
                while self.context.registry.find(&name).is_some_and(|entry| {
                    !matches!(
                        entry.observed.borrow().state,
                        ObservedState::Stopped | ObservedState::Failed | ObservedState::BackingOff
                    )
                }) {
                    tokio::time::sleep(LOOK_AT_DEPENDENTS).await;
                }
            }
        };
        // The last quarter of the time is this module's own.
        let left = by.saturating_duration_since(Instant::now()) * 3 / 4;
        tokio::select! {
            _ = timeout(left, waiting) => {}
            () = self.context.hard.cancelled() => {}
        }
    }
}
