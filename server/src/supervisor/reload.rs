//! Changing over to a new configuration or program, in one of three modes, with the way back.

use std::sync::Arc;

use bllvm_ipc::handshake::Goodbye;
use bllvm_ipc::lifecycle::StartReason;
use bllvm_ipc::log::Level;
use bllvm_ipc::method as m;
use bllvm_ipc::types::Empty;
use serde_json::json;

use super::decide::Now;
use super::fault::StartFailure;
use super::instance::{Instance, Plan, problems};
use super::programs::Programs;
use super::registry::Serving;
use super::worker::Worker;
use crate::model::{Exit, Health, ObservedState, OperationKind, ReloadMode, kinds, shares_data};

/// What came of a reload.
enum Outcome {
    /// The new one serves.
    Done(ReloadMode),
    /// The old one serves, or is about to.
    Failed(ReloadMode, StartFailure),
}

impl Worker {
    /// Carries out an open reload or configure operation. Whatever happens, it is answered, and
    /// something that works is wanted again.
    pub async fn reload(&mut self) {
        let Some(operation) = self.operation.clone() else {
            return;
        };
        self.tried_for = Some(operation.id);
        self.progress("checking what is new").await;
        let outcome = match self.new_plan(operation.kind).await {
            Ok((plan, ReloadMode::InPlace)) => self.in_place(plan).await,
            Ok((plan, ReloadMode::Overlap)) => Box::pin(self.overlap(plan)).await,
            Ok((plan, ReloadMode::Exclusive)) => Box::pin(self.exclusive(plan)).await,
            Err(failure) => Outcome::Failed(mode_of(&self.module.manifest), failure),
        };
        match outcome {
            Outcome::Done(mode) => {
                self.keep_revision().await;
                let revision = self.plan.as_ref().and_then(Plan::revision);
                let data = json!({
                    "module": self.entry.name, "mode": mode, "revision": revision,
                    "version": self.module.manifest.version,
                });
                self.context.event(kinds::MODULE_RELOADED, data).await;
                self.show(ObservedState::Running, Health::Healthy, None, None)
                    .await;
                self.succeeded(json!({ "mode": mode, "revision": revision }))
                    .await;
            }
            Outcome::Failed(mode, failure) => {
                let detail = failure.detail();
                self.context.note(
                    &self.entry.name,
                    Level::Error,
                    format!("reload failed: {detail}"),
                );
                if self.has_new_revision() {
                    self.roll_back(&detail).await;
                }
                let data = json!({
                    "module": self.entry.name, "mode": mode, "code": failure.code,
                    "reason": detail,
                });
                self.context.event(kinds::MODULE_RELOAD_FAILED, data).await;
                self.failed_operation(failure.code, detail).await;
            }
        }
    }

    /// Whether the revision that applies is not the one that runs.
    fn has_new_revision(&self) -> bool {
        let running = self.plan.as_ref().and_then(Plan::revision);
        self.module.revision.is_some() && self.module.revision != running
    }

    /// What is to run next, and by which mode it can take over.
    async fn new_plan(&mut self, kind: OperationKind) -> Result<(Plan, ReloadMode), StartFailure> {
        if kind == OperationKind::Reload {
            self.check_the_file().await?;
        }
        let mut plan = self.plan(StartReason::Reload, None).await?;
        let mut mode = mode_of(&self.module.manifest);
        if let Some(old) = &self.plan
            && old.digest != plan.digest
        {
            let same_data = shares_data(&old.manifest, &plan.manifest);
            // Another program needs another process; side by side only if both read the data.
            if mode == ReloadMode::InPlace || !same_data {
                mode = ReloadMode::Exclusive;
            }
        }
        plan.reload = Some(mode);
        Ok((plan, mode))
    }

    /// A program that changed on disk is not taken over by the way.
    async fn check_the_file(&self) -> Result<(), StartFailure> {
        let Some(confirmed) = self.module.confirmed else {
            return Ok(());
        };
        let (dir, manifest) = (self.module.dir.clone(), self.module.manifest.clone());
        let check = move || Programs::check(&dir, &manifest, confirmed);
        match tokio::task::spawn_blocking(check).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(StartFailure::program(&error, &self.entry.name)),
            Err(error) => Err(StartFailure::passing("host_fault", error.to_string(), None)),
        }
    }

    /// The process takes the new configuration, or keeps the old one.
    async fn in_place(&mut self, plan: Plan) -> Outcome {
        const MODE: ReloadMode = ReloadMode::InPlace;
        self.progress("asking it to take the new configuration")
            .await;
        let Some(mut instance) = self.instance.take() else {
            return Outcome::Failed(MODE, gone());
        };
        let (value, revision) = match &plan.config {
            Some(config) => (config.value.clone(), config.revision),
            None => (json!({}), 0),
        };
        let deadline = self.context.settings.ready_deadline;
        match instance.reconfigure(&value, revision, deadline).await {
            Ok(found) if found.is_empty() => {
                instance.plan.config = plan.config;
                self.plan = Some(instance.plan.clone());
                self.instance = Some(instance);
                Outcome::Done(MODE)
            }
            Ok(found) => {
                self.instance = Some(instance);
                let reason = format!("it refused the new configuration: {}", problems(&found));
                let way_out = "the old one stays in force; mend the new one and set it again";
                Outcome::Failed(MODE, StartFailure::fault("config_refused", reason, way_out))
            }
            Err(failure) => {
                // Nobody knows what it runs on now, so that it starts anew on the old one.
                self.restart_on_old(instance, &failure).await;
                Outcome::Failed(MODE, failure)
            }
        }
    }

    /// The new process prepares beside the old one, which drains and makes room.
    async fn overlap(&mut self, plan: Plan) -> Outcome {
        const MODE: ReloadMode = ReloadMode::Overlap;
        self.progress("preparing the new process beside the old one")
            .await;
        let mut new = match self.bring_to_prepared(plan).await {
            Ok(new) => new,
            Err(failure) => return Outcome::Failed(MODE, failure),
        };
        let Some(mut old) = self.instance.take() else {
            return Outcome::Failed(MODE, self.discard(new, gone()).await);
        };
        self.progress("letting the old process finish what is open")
            .await;
        self.entry.serving.send_replace(Serving::ChangingOver);
        old.session.close_feed();
        let heartbeat = old.heartbeat.take();
        let drained = old.drain(self.context.settings.drain_deadline).await;
        let old_lives = old.process.life().end.is_none() && !old.connection.is_closed();
        if let Err(failure) = drained
            && old_lives
        {
            let failure = self.discard(new, failure).await;
            old.heartbeat = heartbeat;
            self.resume(old).await;
            return Outcome::Failed(MODE, failure);
        }
        self.progress("activating the new process").await;
        match self.activated(&mut new).await {
            Ok(()) => {
                self.serve(new).await;
                self.let_go(old, old_lives);
                Outcome::Done(MODE)
            }
            Err(failure) => {
                let failure = self.discard(new, failure).await;
                old.heartbeat = heartbeat;
                self.resume(old).await;
                Outcome::Failed(MODE, failure)
            }
        }
    }

    /// The drained process that was replaced ends behind the scenes.
    fn let_go(&self, old: Instance, lives: bool) {
        let (context, entry) = (Arc::clone(&self.context), Arc::clone(&self.entry));
        self.context.tracker.spawn(async move {
            let exit = if lives {
                let words = Goodbye::new("replaced", "a new process has taken over");
                let by = *context.ending.borrow();
                Some(old.part(&context, &words, by).await)
            } else {
                None
            };
            old.bury(&context, &entry, exit).await;
        });
    }

    /// The old process serves again.
    async fn resume(&mut self, old: Instance) {
        let deadline = self.context.settings.ready_deadline;
        match old.ask::<m::Resume>(&Empty {}, deadline).await {
            Ok(_) => {
                old.session.open_feed(&old.connection);
                let _ = self
                    .entry
                    .serving
                    .send_replace(Serving::By(old.connection.clone()));
                self.instance = Some(old);
                self.show(ObservedState::Running, Health::Healthy, None, None)
                    .await;
            }
            Err(failure) => self.restart_on_old(old, &failure).await,
        }
    }

    /// The old process ends, the new one starts on the held sockets; or the old one again.
    async fn exclusive(&mut self, plan: Plan) -> Outcome {
        const MODE: ReloadMode = ReloadMode::Exclusive;
        let Some(old) = self.instance.take() else {
            return Outcome::Failed(MODE, gone());
        };
        let mut way_back = old.plan.clone();
        self.progress("ending the old process").await;
        self.entry.serving.send_replace(Serving::ChangingOver);
        let exit = self.end(old, "replaced", "a new process takes over").await;
        self.remember_stop(&exit);
        let brought_up = match self.fit_data(&plan.manifest).await {
            Ok(()) => self.bring_up(plan, true).await,
            Err(failure) => Err(failure),
        };
        let failure = match brought_up {
            Ok(new) => {
                self.serve(new).await;
                return Outcome::Done(MODE);
            }
            Err(failure) => failure,
        };
        if self.context.is_ending() {
            self.not_started(StartFailure::cancelled()).await;
            return Outcome::Failed(MODE, failure);
        }
        self.progress("starting the old one again").await;
        way_back.reload = Some(MODE);
        way_back.reason = StartReason::Reload;
        // A cancel called the new one off; the way back is not up to it.
        let operation = self.operation.take();
        let back = match self.fit_data(&way_back.manifest).await {
            Ok(()) => self.bring_up(way_back, true).await,
            Err(failure) => Err(failure),
        };
        self.operation = operation;
        match back {
            Ok(old) => self.serve(old).await,
            Err(worse) => {
                if self.has_new_revision() {
                    self.roll_back(&failure.detail()).await;
                }
                self.not_started(worse).await;
            }
        }
        Outcome::Failed(MODE, failure)
    }

    /// Kills a process of which nobody knows what it does, and has the old plan started at once.
    async fn restart_on_old(&mut self, instance: Instance, failure: &StartFailure) {
        instance.kill().await;
        let exit = failure.exit.clone().unwrap_or(Exit::Stopped);
        instance.bury(&self.context, &self.entry, Some(exit)).await;
        self.entry.serving.send_replace(Serving::Nobody);
        self.now = Now::BackingOff {
            until: self.elapsed(),
        };
        let reason = Some(failure.reason.clone());
        self.show(ObservedState::BackingOff, Health::Unknown, reason, None)
            .await;
    }
}

fn gone() -> StartFailure {
    StartFailure::passing(
        "module_crashed",
        "it ended before it could change over",
        None,
    )
}

fn mode_of(manifest: &bllvm_manifest::Manifest) -> ReloadMode {
    match manifest.reload.mode {
        bllvm_manifest::ReloadMode::InPlace => ReloadMode::InPlace,
        bllvm_manifest::ReloadMode::Overlap => ReloadMode::Overlap,
        bllvm_manifest::ReloadMode::Exclusive => ReloadMode::Exclusive,
    }
}
